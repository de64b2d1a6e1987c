package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/store/dynamo"
)

const api = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

var bootstrap string

// TestMain compiles the function as it is shipped, for this machine.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		panic(err)
	}
	if bootstrap, err = lambdaruntime.Build(context.Background(), dir, "scopegate/functions/authorizer"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// world is what the function talks to: a provider and a DynamoDB on the wire.
type world struct {
	provider *idp.Provider
	server   *httptest.Server
	endpoint string
	table    string
}

func newWorld(t *testing.T, endpoint string) *world {
	t.Helper()
	w := &world{endpoint: endpoint}
	var err error
	w.provider, err = idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(w.provider)
	t.Cleanup(w.server.Close)
	w.provider.SetBaseURL(w.server.URL)
	client, _ := dynamotest.WireClient(t, endpoint)
	w.table = dynamotest.TableOn(t, client)
	for _, stage := range []string{"dev", "$default"} {
		w.merge(t, dynamo.New(client, w.table), stage)
	}
	return w
}

func (w *world) merge(t *testing.T, s *dynamo.Store, stage string) {
	t.Helper()
	var documents []string
	for _, line := range [][3]string{
		{"get", "my-resource", "email"}, {"GET", "orders/{id}", "orders.read"}, {"GET", "orders/export", "orders.export"}, {"$connect", "", "email"},
	} {
		documents = append(documents, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":%q,"resource":%q,"scope":%q}`, api, stage, line[0], line[1], line[2]))
	}
	documents = append(documents, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":"POST","resource":"jobs","role":"Jobs.Run","principalType":"app"}`, api, stage))
	list, err := mapping.ParsePermissions([]byte("[" + strings.Join(documents, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Merge(t.Context(), s, store.Batch{API: list[0].API, Permissions: list}, store.MergeOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
}

// start runs the compiled function under a Lambda Runtime API.
func (w *world) start(t *testing.T, o lambdaruntime.Options, settings ...string) *lambdaruntime.Runtime {
	t.Helper()
	env := append([]string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL_DYNAMODB=" + w.endpoint,
		"TABLE_NAME=" + w.table, "ENTRA_TENANT_IDS=" + w.provider.TenantID(), "ENTRA_AUTHORITY=" + w.provider.Authority(),
		"ENTRA_STS=" + w.provider.STS(), "OIDC_AUDIENCES=" + w.provider.Audience(),
	}, settings...)
	r, err := lambdaruntime.Start(t.Context(), bootstrap, env, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("stop the function: %v", err)
		}
		if t.Failed() {
			t.Logf("the function's log:\n%s", r.Logs())
		}
	})
	return r
}

func (w *world) mint(t *testing.T, s idp.Spec) string {
	t.Helper()
	raw, err := w.provider.Mint(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

type answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument policy.Document   `json:"policyDocument"`
	Context        map[string]string `json:"context"`
	IsAuthorized   bool              `json:"isAuthorized"`
}

func (a answer) decides(arn string) policy.Decision {
	return policy.Evaluate(a.PolicyDocument, arn, time.Now(), netip.Addr{})
}

func event(t *testing.T, shape, raw string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", shape+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(b), "@TOKEN@", raw))
}

func ask(ctx context.Context, r *lambdaruntime.Runtime, event []byte) (answer, error) {
	out, err := r.Invoke(ctx, event)
	if err != nil {
		return answer{}, err
	}
	var got answer
	err = json.Unmarshal(out, &got)
	return got, err
}

// asked is each shape of an event, with the ARN that it asks about.
var asked = map[string]string{
	"rest-token":   api + "/dev/GET/my-resource",
	"rest-request": api + "/dev/GET/orders/7",
	"http-1.0":     api + "/$default/GET/orders/7",
	"http-2.0":     api + "/$default/GET/orders/7",
	"websocket":    api + "/dev/$connect",
}

func TestTheCompiledFunctionAnswersEveryShape(t *testing.T) {
	w := newWorld(t, dynamotest.Endpoint(t))
	r := w.start(t, lambdaruntime.Options{})
	for _, version := range []string{"1.0", "2.0"} {
		raw := w.mint(t, idp.Spec{Version: version, Scopes: []string{"email", "orders.read"}})
		for shape, arn := range asked {
			got, err := ask(t.Context(), r, event(t, shape, raw))
			if err != nil {
				t.Errorf("%s with a v%s token: %v", shape, version, err)
				continue
			}
			stage := strings.TrimSuffix(strings.SplitAfter(arn, "/")[1], "/")
			if got.decides(arn) != policy.Allowed || got.decides(api+"/"+stage+"/GET/my-resource") != policy.Allowed {
				t.Errorf("%s with a v%s token does not open what is held: %+v", shape, version, got.PolicyDocument)
			}
			if got.decides(api+"/"+stage+"/GET/orders/export") == policy.Allowed || got.decides(api+"/"+stage+"/POST/jobs") == policy.Allowed {
				t.Errorf("%s with a v%s token opens what is not held", shape, version)
			}
			if got.PrincipalID != w.provider.TenantID()+":"+idp.DefaultObjectID || got.Context["scp"] != "email orders.read" {
				t.Errorf("%s: principal %q, context %v", shape, got.PrincipalID, got.Context)
			}
		}
	}
	app := w.mint(t, idp.Spec{App: true, Roles: []string{"Jobs.Run"}})
	got, err := ask(t.Context(), r, event(t, "rest-token", app))
	if err != nil || got.decides(api+"/dev/POST/jobs") != policy.Allowed || got.decides(asked["rest-token"]) != policy.ExplicitlyDenied {
		t.Errorf("an app-only token: %+v, %v", got.PolicyDocument, err)
	}
	user := w.mint(t, idp.Spec{Scopes: []string{"x"}, Roles: []string{"Jobs.Run"}})
	if got, err := ask(t.Context(), r, event(t, "rest-token", user)); err != nil || got.decides(api+"/dev/POST/jobs") == policy.Allowed {
		t.Errorf("a user with the app's role: %+v, %v", got.PolicyDocument, err)
	}
}

func TestTheCompiledFunctionRefusesInAPIGatewaysWord(t *testing.T) {
	w := newWorld(t, dynamotest.Endpoint(t))
	r := w.start(t, lambdaruntime.Options{})
	for name, raw := range map[string]string{
		"expired":        w.mint(t, idp.Spec{Scopes: []string{"email"}, Expired: true}),
		"forged":         w.mint(t, idp.Spec{Scopes: []string{"email"}, Forged: true}),
		"other audience": w.mint(t, idp.Spec{Scopes: []string{"email"}, Audience: "api://billing"}),
		"other tenant":   w.mint(t, idp.Spec{Scopes: []string{"email"}, TenantID: "9188040d-6c67-4c5b-b112-36a304b66dad"}),
		"no scope":       w.mint(t, idp.Spec{Extra: map[string]any{"scp": nil, "roles": nil}}),
		"no token":       "x.y.z",
	} {
		for shape := range asked {
			_, err := ask(t.Context(), r, event(t, shape, raw))
			var failed *lambdaruntime.Error
			if !errors.As(err, &failed) || err.Error() != "Unauthorized" {
				t.Errorf("%s in %s: %v", name, shape, err)
			}
		}
	}
}

// TestTheCompiledFunctionRefusesRevokedTokens that it has accepted before.
func TestTheCompiledFunctionRefusesRevokedTokens(t *testing.T) {
	w := newWorld(t, dynamotest.Endpoint(t))
	r := w.start(t, lambdaruntime.Options{}, "CACHE_TTL=0s")
	raw := w.mint(t, idp.Spec{Scopes: []string{"email", "orders.read"}})
	other := w.mint(t, idp.Spec{Scopes: []string{"email", "orders.read"}, ObjectID: "aaaaaaaa-0000-4000-8000-000000000002"})
	allowed := func(shape, raw string) {
		t.Helper()
		if got, err := ask(t.Context(), r, event(t, shape, raw)); err != nil || got.decides(asked[shape]) != policy.Allowed {
			t.Errorf("%s: %v, %v", shape, got.decides(asked[shape]), err)
		}
	}
	for shape := range asked {
		allowed(shape, raw)
	}
	client, _ := dynamotest.WireClient(t, w.endpoint)
	now := time.Now()
	if _, err := dynamo.New(client, w.table).Revoke(t.Context(), store.RevocationChange{
		ID: ulid.Make().String(), By: "test", At: now,
		Put: &store.Revocation{PrincipalID: w.provider.TenantID() + ":" + idp.DefaultObjectID, At: now, Until: now.Add(store.MinRevocation), By: "test"},
	}); err != nil {
		t.Fatal(err)
	}
	for shape := range asked {
		if _, err := ask(t.Context(), r, event(t, shape, raw)); err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s: %v", shape, err)
		}
		allowed(shape, other)
	}
}

func TestSimpleResponsesOfTheCompiledFunction(t *testing.T) {
	w := newWorld(t, dynamotest.Endpoint(t))
	r := w.start(t, lambdaruntime.Options{}, "HTTP_API_RESPONSE=simple")
	// orders/export is a route of its own and is not held, so the whole of
	// GET /orders/{id} is not.
	_, err := ask(t.Context(), r, event(t, "http-2.0", w.mint(t, idp.Spec{Scopes: []string{"orders.read"}})))
	if err == nil || !strings.Contains(err.Error(), "whole_route_key") {
		t.Errorf("half of a route key: %v", err)
	}
	got, err := ask(t.Context(), r, event(t, "http-2.0", w.mint(t, idp.Spec{Scopes: []string{"orders.read", "orders.export"}})))
	if err != nil || !got.IsAuthorized || got.Context["scp"] != "orders.read orders.export" {
		t.Errorf("held: %+v, %v", got, err)
	}
	if got, err := ask(t.Context(), r, event(t, "http-2.0", w.mint(t, idp.Spec{Scopes: []string{"email"}}))); err != nil || got.IsAuthorized {
		t.Errorf("not held: %+v, %v", got, err)
	}
}

// TestConcurrentEventsInOneProcess is Lambda's managed instances: several
// requests at once share one process.
func TestConcurrentEventsInOneProcess(t *testing.T) {
	w := newWorld(t, dynamotest.Endpoint(t))
	r := w.start(t, lambdaruntime.Options{Processes: 2, Concurrency: 8})
	holds, lacks := w.mint(t, idp.Spec{Scopes: []string{"email", "orders.read"}}), w.mint(t, idp.Spec{Scopes: []string{"nothing"}})
	var wg sync.WaitGroup
	for range 8 {
		for shape, arn := range asked {
			for raw, want := range map[string]policy.Decision{holds: policy.Allowed, lacks: policy.ExplicitlyDenied} {
				payload := event(t, shape, raw)
				wg.Go(func() {
					if got, err := ask(t.Context(), r, payload); err != nil || got.decides(arn) != want {
						t.Errorf("%s: %v, want %v (%v)", shape, got.decides(arn), want, err)
					}
				})
			}
		}
	}
	wg.Wait()
}

// TestAFaultyStartListsAllFaults, and nothing is answered.
func TestAFaultyStartListsAllFaults(t *testing.T) {
	r, err := lambdaruntime.Start(t.Context(), bootstrap, []string{"AWS_REGION=us-east-1", "CACHE_TTL=soon", "POLICY_SCOPE=all", "ENTRA_TENANT_ID=x"}, lambdaruntime.Options{})
	if err == nil {
		_ = r.Close()
		t.Fatal("started")
	}
	for _, want := range []string{"ENTRA_TENANT_IDS", "OIDC_AUDIENCES", `CACHE_TTL "soon"`, `POLICY_SCOPE "all"`, `ENTRA_TENANT_ID "x": is no setting`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the start does not name %s:\n%v", want, err)
		}
	}
}

// TestOutagesOfTheRealWire: with DynamoDB killed a known table goes on and an
// unknown one fails; with the provider down a cold function fails and comes back
// by itself. No answer is ever a refusal.
func TestOutagesOfTheRealWire(t *testing.T) {
	server := dynamotest.StartServer(t)
	w := newWorld(t, server.Endpoint)
	raw := w.mint(t, idp.Spec{Scopes: []string{"email"}})
	warm := w.start(t, lambdaruntime.Options{}, "CACHE_TTL=0s")
	strict := w.start(t, lambdaruntime.Options{}, "CACHE_TTL=0s", "CACHE_MAX_STALE=0s", "INVALID_TOKEN=deny")
	for _, r := range []*lambdaruntime.Runtime{warm, strict} {
		mustAllow(t, r, event(t, "rest-token", raw), "before the outage")
	}
	server.Kill()
	mustAllow(t, warm, event(t, "rest-token", raw), "with DynamoDB down, within max-stale")
	mustFail(t, strict, event(t, "rest-token", raw), "table_unavailable")
	server.Restart()
	eventually(t, strict, event(t, "rest-token", raw))

	w.provider.Fail(idp.Down)
	cold := w.start(t, lambdaruntime.Options{}, "INVALID_TOKEN=deny")
	mustFail(t, cold, event(t, "rest-token", raw), "keys_unavailable")
	mustAllow(t, warm, event(t, "rest-token", raw), "with the provider down, keys known")
	w.provider.Fail(idp.Healthy)
	eventually(t, cold, event(t, "rest-token", raw))
}

func mustAllow(t *testing.T, r *lambdaruntime.Runtime, payload []byte, when string) {
	t.Helper()
	if got, err := ask(t.Context(), r, payload); err != nil || got.decides(asked["rest-token"]) != policy.Allowed {
		t.Errorf("%s: %v, %v", when, got.decides(asked["rest-token"]), err)
	}
}

func mustFail(t *testing.T, r *lambdaruntime.Runtime, payload []byte, reason string) {
	t.Helper()
	got, err := ask(t.Context(), r, payload)
	var failed *lambdaruntime.Error
	if !errors.As(err, &failed) || err.Error() != "scopegate: "+reason {
		t.Errorf("want the failure %s, got %+v, %v", reason, got, err)
	}
}

// eventually asks until the function has recovered, which it must within the
// test's own time-out: failures in between are the outage's, refusals are not.
func eventually(t *testing.T, r *lambdaruntime.Runtime, payload []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		got, err := ask(ctx, r, payload)
		if err == nil {
			if got.decides(asked["rest-token"]) != policy.Allowed {
				t.Errorf("after an outage: %+v", got.PolicyDocument)
			}
			return
		}
		if !strings.HasPrefix(err.Error(), "scopegate: ") {
			t.Fatalf("an outage came out as %v", err)
		}
	}
	t.Error("the function did not recover")
}
