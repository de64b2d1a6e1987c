package authorizer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/token"
)

const (
	api   = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"
	good  = "good.to.ken"
	empty = "holds.no.thing"
)

// verifier knows tokens by heart.
type verifier map[string]any

func (v verifier) Verify(_ context.Context, raw string) (token.Claims, error) {
	switch known := v[raw].(type) {
	case token.Claims:
		return known, nil
	case error:
		return token.Claims{}, known
	}
	return token.Claims{}, &token.Error{Reason: token.ReasonSignature}
}

// tables serves one table, or fails.
type tables struct {
	table *mapping.Table
	err   error
}

func (s tables) Table(_ context.Context, api mapping.API) (store.Served, error) {
	switch {
	case s.err != nil:
		return store.Served{}, s.err
	case api != s.table.API():
		return store.Served{}, fmt.Errorf("table of %s: %w", api, store.ErrNotFound)
	}
	return store.Served{Table: s.table, Revision: store.Revision{Number: 7, Incarnation: "abc"}, How: store.Hit}, nil
}

// revocations knows by heart until when the tokens of principals are revoked.
type revocations struct {
	until     map[string]time.Time
	err       error
	refreshes atomic.Int64
	asked     atomic.Int64
}

func (r *revocations) Refresh(context.Context) { r.refreshes.Add(1) }

func (r *revocations) Revoked(_ context.Context, principalID string, issuedAt time.Time) (bool, error) {
	r.asked.Add(1)
	until, ok := r.until[principalID]
	return ok && !issuedAt.After(until), r.err
}

func claims(scopes ...string) token.Claims {
	return token.Claims{
		Issuer: "https://issuer.example", TenantID: tabletest.Trust[0].Tenant, ObjectID: "11111111-2222-3333-4444-555555555555",
		Subject: "pairwise", AppID: "66666666-7777-8888-9999-000000000000", Audience: "api://orders", Kind: token.KindUser,
		Scopes: scopes, Expires: tabletest.Now.Add(time.Hour), End: tabletest.Now.Add(time.Hour + time.Minute),
	}
}

type bench struct {
	*authorizer.Authorizer
	logs *observer.ObservedLogs
}

func start(t testing.TB, change func(*authorizer.Config), permissions ...mapping.Permission) bench {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	if len(permissions) == 0 {
		permissions = []mapping.Permission{
			tabletest.Permission("GET", "my-resource", "s1"),
			tabletest.Permission("GET", "users/{id}", "s1"),
			tabletest.Permission("GET", "users/admin", "s2"),
			tabletest.Permission("$connect", "", "s1"),
		}
	}
	foreign := claims("s1")
	foreign.TenantID = "9188040d-6c67-4c5b-b112-36a304b66dad"
	c := authorizer.Config{
		Verifier: verifier{
			good: claims("s1"), empty: claims("other"), "for.eign.token": foreign,
			"ex.pi.red": &token.Error{Reason: token.ReasonExpired}, "no.keys.now": &token.Error{Reason: token.ReasonKeys},
		},
		Tables: tables{table: tabletest.Table(permissions...)}, Revocations: &revocations{},
		Log: zap.New(core), Now: func() time.Time { return tabletest.Now },
	}
	if change != nil {
		change(&c)
	}
	a, err := authorizer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return bench{a, logs}
}

// The shapes of an event, as recorded from API Gateway's documentation.
func restToken(arn, authorization string) string {
	return fmt.Sprintf(`{"type":"TOKEN","methodArn":%q,"authorizationToken":%q}`, arn, authorization)
}

func restRequest(arn, authorization, template string) string {
	return fmt.Sprintf(`{"type":"REQUEST","methodArn":%q,"resource":%q,"path":"/x","httpMethod":"GET",
	  "headers":{"aUthorization":%q},"multiValueHeaders":{"aUthorization":[%q]},"requestContext":{"requestId":"r-1"}}`, arn, template, authorization, authorization)
}

func http1(arn, authorization, template string) string {
	return fmt.Sprintf(`{"version":"1.0","type":"REQUEST","methodArn":%q,"identitySource":%q,"authorizationToken":%q,"resource":%q,
	  "headers":{"Authorization":%q},"requestContext":{"requestId":"r-2"}}`, arn, authorization, authorization, template, authorization)
}

func http2(arn, authorization, routeKey string, sources ...string) string {
	if len(sources) == 0 {
		sources = []string{authorization}
	}
	list, _ := json.Marshal(sources)
	return fmt.Sprintf(`{"version":"2.0","type":"REQUEST","routeArn":%q,"identitySource":%s,"routeKey":%q,"rawPath":"/x",
	  "headers":{"authorization":%q},"requestContext":{"requestId":"r-3","http":{"method":"GET","path":"/x"}}}`, arn, list, routeKey, authorization)
}

func webSocket(arn, authorization string) string {
	return fmt.Sprintf(`{"type":"REQUEST","methodArn":%q,"headers":{"Authorization":%q},
	  "requestContext":{"requestId":"r-4","routeKey":"$connect","eventType":"CONNECT","connectionId":"c"}}`, arn, authorization)
}

type answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument policy.Document   `json:"policyDocument"`
	Context        map[string]string `json:"context"`
}

func ask(t testing.TB, a bench, event string) (answer, error) {
	t.Helper()
	out, err := a.Invoke(t.Context(), []byte(event))
	if err != nil {
		if out != nil {
			t.Errorf("an error came with the answer %s", out)
		}
		return answer{}, err
	}
	var got answer
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return got, nil
}

func decides(d policy.Document, arn string) policy.Decision {
	return policy.Evaluate(d, arn, tabletest.Now, netip.Addr{})
}

func TestEveryShapeIsAnswered(t *testing.T) {
	a := start(t, nil)
	arn := api + "/dev/GET/users/1"
	for name, c := range map[string]struct{ event, arn string }{
		"REST TOKEN":         {restToken(arn, "Bearer "+good), arn},
		"REST REQUEST":       {restRequest(arn, "bearer "+good, "/users/{id}"), arn},
		"HTTP 1.0":           {http1(arn, "Bearer "+good, "/users/{id}"), arn},
		"HTTP 2.0":           {http2(arn, "Bearer "+good, "GET /users/{id}"), arn},
		"WebSocket $connect": {webSocket(api+"/dev/$connect", "Bearer "+good), api + "/dev/$connect"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ask(t, a, c.event)
			if err != nil {
				t.Fatal(err)
			}
			if d := decides(got.PolicyDocument, c.arn); d != policy.Allowed {
				t.Errorf("the request is %v", d)
			}
			if d := decides(got.PolicyDocument, api+"/dev/GET/my-resource"); d != policy.Allowed {
				t.Errorf("another held route is %v: the policy is not complete", d)
			}
			if d := decides(got.PolicyDocument, api+"/dev/GET/users/admin"); d != policy.ExplicitlyDenied {
				t.Errorf("a route that is not held is %v", d)
			}
			want := map[string]string{
				"oid": "11111111-2222-3333-4444-555555555555", "tid": tabletest.Trust[0].Tenant, "sub": "pairwise",
				"appid": "66666666-7777-8888-9999-000000000000", "scp": "s1", "principalType": "user", "revision": "7-abc",
			}
			for k, v := range want {
				if got.Context[k] != v {
					t.Errorf("context %s is %q, want %q", k, got.Context[k], v)
				}
			}
			if got.PrincipalID != tabletest.Trust[0].Tenant+":11111111-2222-3333-4444-555555555555" {
				t.Errorf("principalId is %q", got.PrincipalID)
			}
		})
	}
}

func TestARefusedTokenIsUnauthorizedInTheseVeryWords(t *testing.T) {
	a := start(t, nil)
	for name, event := range map[string]string{
		"forged":         restToken(api+"/dev/GET/my-resource", "Bearer for.ged.one"),
		"expired":        restToken(api+"/dev/GET/my-resource", "Bearer ex.pi.red"),
		"no scheme":      restToken(api+"/dev/GET/my-resource", good),
		"basic":          restToken(api+"/dev/GET/my-resource", "Basic "+good),
		"empty":          restToken(api+"/dev/GET/my-resource", ""),
		"no header":      `{"type":"REQUEST","methodArn":"` + api + `/dev/GET/my-resource"}`,
		"several values": `{"type":"REQUEST","methodArn":"` + api + `/dev/GET/x","multiValueHeaders":{"Authorization":["Bearer ` + good + `","Bearer ` + good + `"]}}`,
		"several cases":  `{"type":"REQUEST","methodArn":"` + api + `/dev/GET/x","headers":{"Authorization":"Bearer ` + good + `","authorization":"Bearer ` + good + `"}}`,
		"joined values":  http2(api+"/dev/GET/my-resource", "Bearer "+good+",Bearer "+good, "GET /my-resource"),
	} {
		_, err := ask(t, a, event)
		if err == nil || err.Error() != "Unauthorized" || errors.Unwrap(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInvalidTokenDenyAnswersDenyAll(t *testing.T) {
	a := start(t, func(c *authorizer.Config) { c.DenyInvalidToken = true })
	out, err := a.Invoke(t.Context(), []byte(restToken(api+"/dev/GET/my-resource", "Bearer for.ged.one")))
	const want = `{"principalId":"user","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"*"}]}}`
	if err != nil || string(out) != want {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestAnOutageIsNeverARefusal: keys or store down give an error that is not
// "Unauthorized" and no policy, whatever INVALID_TOKEN says.
func TestAnOutageIsNeverARefusal(t *testing.T) {
	for name, c := range map[string]struct {
		token  string
		change func(*authorizer.Config)
		reason authorizer.Reason
	}{
		"keys":        {"no.keys.now", func(c *authorizer.Config) { c.DenyInvalidToken = true }, authorizer.KeysUnavailable},
		"store":       {good, func(c *authorizer.Config) { c.Tables = tables{err: errors.New("dial")} }, authorizer.TableUnavailable},
		"revocations": {good, func(c *authorizer.Config) { c.Revocations = &revocations{err: errors.New("dial")} }, authorizer.RevocationsUnavailable},
		"revocations, with INVALID_TOKEN=deny": {good, func(c *authorizer.Config) {
			c.Revocations, c.DenyInvalidToken = &revocations{err: errors.New("dial")}, true
		}, authorizer.RevocationsUnavailable},
		"revocations of an unknown API": {good, func(c *authorizer.Config) {
			c.Revocations, c.Tables = &revocations{err: errors.New("dial")}, tables{err: store.ErrNotFound}
		}, authorizer.RevocationsUnavailable},
		"unknown verifier": {"odd", func(c *authorizer.Config) { c.Verifier = verifier{"odd": errors.New("odd")} }, authorizer.Internal},
		"a bug":            {good, func(c *authorizer.Config) { c.Tables = tables{} }, authorizer.Internal},
	} {
		a := start(t, c.change)
		_, err := ask(t, a, restToken(api+"/dev/GET/my-resource", "Bearer "+c.token))
		var f *authorizer.Failure
		if !errors.As(err, &f) || f.Reason != c.reason || err.Error() != "scopegate: "+string(c.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotHeldIsDeniedByAPolicy(t *testing.T) {
	a := start(t, nil)
	denyAll := policy.DenyAll().Statement[0]
	for name, c := range map[string]struct {
		event  string
		all    bool
		reason string
	}{
		"route not held":      {restToken(api+"/dev/GET/users/admin", "Bearer "+good), false, "not_held"},
		"unknown route":       {restToken(api+"/dev/GET/nothing", "Bearer "+good), false, "no_route"},
		"nothing held":        {restToken(api+"/dev/GET/my-resource", "Bearer "+empty), true, "not_held"},
		"unknown API":         {restToken("arn:aws:execute-api:us-east-1:219852565112:other/dev/GET/my-resource", "Bearer "+good), true, "unknown_api"},
		"unknown stage":       {restToken(api+"/prod/GET/my-resource", "Bearer "+good), true, "unknown_api"},
		"console test stage":  {restToken(api+"/ESTestInvoke-stage/GET/", "Bearer "+good), true, "unknown_api"},
		"other tenant":        {restToken(api+"/dev/GET/my-resource", "Bearer for.eign.token"), true, "untrusted"},
		"stage by other case": {restToken(api+"/DEV/GET/my-resource", "Bearer "+good), true, "unknown_api"},
	} {
		t.Run(name, func(t *testing.T) {
			a.logs.TakeAll()
			got, err := ask(t, a, c.event)
			if err != nil {
				t.Fatal(err)
			}
			var e struct{ MethodArn string }
			if err := json.Unmarshal([]byte(c.event), &e); err != nil {
				t.Fatal(err)
			}
			if d := decides(got.PolicyDocument, e.MethodArn); d != policy.ExplicitlyDenied {
				t.Errorf("the request is %v", d)
			}
			all := len(got.PolicyDocument.Statement) == 1 && got.PolicyDocument.Statement[0].Resource[0] == denyAll.Resource[0]
			if all != c.all {
				t.Errorf("deny-all is %v, want %v", all, c.all)
			}
			if reason := a.logs.TakeAll()[0].ContextMap()["reason"]; reason != c.reason {
				t.Errorf("the log says %v, want %s", reason, c.reason)
			}
		})
	}
}

// With INVALID_TOKEN=deny a refusal is a policy, which API Gateway keeps for its
// TTL. One that may be otherwise in a moment is a 401, which it does not keep.
func TestARefusalOfTheMomentIsNeverAPolicy(t *testing.T) {
	for reason, passing := range map[token.Reason]bool{token.ReasonNotYet: true, token.ReasonFuture: true, token.ReasonExpired: false, token.ReasonSignature: false, token.ReasonKey: false} {
		a := start(t, func(c *authorizer.Config) {
			c.DenyInvalidToken = true
			c.Verifier = verifier{good: &token.Error{Reason: reason}}
		})
		out, err := a.Invoke(t.Context(), []byte(restToken(api+"/dev/GET/my-resource", "Bearer "+good)))
		if passing && (err == nil || err.Error() != "Unauthorized") || !passing && (err != nil || !strings.Contains(string(out), "Deny")) {
			t.Errorf("%s: %s, %v", reason, out, err)
		}
		if got := a.logs.All()[0].ContextMap()["reason"]; got != string(reason) {
			t.Errorf("the log says %v, want %s", got, reason)
		}
	}
}

func TestATooLargePolicyIsAnErrorNeverACutOne(t *testing.T) {
	var many []mapping.Permission
	for i := range 80 {
		many = append(many, tabletest.Permission("GET", fmt.Sprintf("resource-number-%d-with-a-long-name", i), "s1"))
	}
	a := start(t, nil, many...)
	_, err := ask(t, a, restToken(api+"/dev/GET/resource-number-1-with-a-long-name", "Bearer "+good))
	if err == nil || err.Error() != "scopegate: policy_too_large" {
		t.Fatalf("got %v", err)
	}
	last := a.logs.All()[0].ContextMap()
	if last["PolicyTooLarge"] != int64(1) || last["reason"] != "policy_too_large" || last["bytes"].(int64) <= 8192 || last["maxBytes"] != int64(8192) || last["Failed"] != int64(1) {
		t.Errorf("the log says %v", last)
	}
}

// TestFailuresCountByTheirReason: in sum, and by what failed.
func TestFailuresCountByTheirReason(t *testing.T) {
	a := start(t, func(c *authorizer.Config) { c.Verifier = verifier{good: &token.Error{Reason: token.ReasonKeys}} })
	if _, err := a.Invoke(t.Context(), []byte(restToken(api+"/dev/GET/my-resource", "Bearer "+good))); err == nil {
		t.Fatal("an outage is answered")
	}
	line := a.logs.All()[0].ContextMap()
	b, err := json.Marshal(line["_aws"])
	if err != nil || line["Failed"] != int64(1) || line["reason"] != "keys_unavailable" || !strings.Contains(string(b), `[[],["reason"]]`) || !strings.Contains(string(b), `"Name":"Failed"`) {
		t.Errorf("the log says %v, %s", line, b)
	}
}

// TestOnLambdaMetricsAreOfTheFunction: stages that share an account must not ring
// each other's alarms.
func TestOnLambdaMetricsAreOfTheFunction(t *testing.T) {
	was := lambdacontext.FunctionName
	t.Cleanup(func() { lambdacontext.FunctionName = was })
	lambdacontext.FunctionName = "scopegate-dev-authorizer"
	a := start(t, func(c *authorizer.Config) { c.Verifier = verifier{good: &token.Error{Reason: token.ReasonKeys}} })
	if _, err := a.Invoke(t.Context(), []byte(restToken(api+"/dev/GET/my-resource", "Bearer "+good))); err == nil {
		t.Fatal("an outage is answered")
	}
	line := a.logs.All()[0].ContextMap()
	b, err := json.Marshal(line["_aws"])
	if err != nil || line["function"] != "scopegate-dev-authorizer" || !strings.Contains(string(b), `[["function"],["function","reason"]]`) {
		t.Errorf("the log says %v, %s", line, b)
	}
}

func TestContextLeavesLongListsOutWhole(t *testing.T) {
	long := claims(strings.Split(strings.Repeat("s1 a-long-scope-name ", 40), " ")...)
	long.Roles = []string{"Reader"}
	a := start(t, func(c *authorizer.Config) { c.Verifier = verifier{good: long} })
	got, err := ask(t, a, restToken(api+"/dev/GET/my-resource", "Bearer "+good))
	if err != nil {
		t.Fatal(err)
	}
	if _, half := got.Context["scp"]; half || got.Context["truncated"] != "true" || got.Context["roles"] != "Reader" {
		t.Errorf("context is %v", got.Context)
	}
	b, err := json.Marshal(got.Context)
	if err != nil || len(b) > 512 {
		t.Errorf("context takes %d bytes", len(b))
	}
}

// TestTheLogHoldsNoTokenAndNoPath: one line per decision, with what operators
// need and nothing that a client wrote.
func TestTheLogHoldsNoTokenAndNoPath(t *testing.T) {
	a := start(t, nil)
	for _, event := range []string{
		restRequest(api+"/dev/GET/users/private-value", "Bearer "+good, "/users/{id}"),
		restRequest(api+"/dev/GET/secret-path", "Bearer "+good, "/{proxy+}"),
		restRequest(api+"/dev/GET/secret-path", "Bearer for.ged.one", "/{proxy+}"),
		restRequest(api+"/dev/GET/secret-path", "Bearer no.keys.now", "/{proxy+}"),
		restRequest("no arn: private-value", "Bearer "+good, ""),
	} {
		_, _ = a.Invoke(t.Context(), []byte(event))
	}
	lines := a.logs.All()
	if len(lines) != 5 {
		t.Fatalf("%d lines for 5 decisions", len(lines))
	}
	for _, line := range lines {
		text := fmt.Sprint(line.Message, line.ContextMap())
		for _, secret := range []string{good, "for.ged", "no.keys", "private-value", "secret-path"} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q: %s", secret, text)
			}
		}
	}
	first := lines[0].ContextMap()
	for field, want := range map[string]any{
		"requestId": "r-1", "decision": "allow", "reason": "held_route", "route": "GET /users/{id}", "revision": "7-abc",
		"principal": tabletest.Trust[0].Tenant + ":11111111-2222-3333-4444-555555555555", "table": "hit", "us": int64(0),
	} {
		if first[field] != want {
			t.Errorf("%s is %v, want %v", field, first[field], want)
		}
	}
}

// TestTheAnswerIsExactForItsRequest: for any table, caller and path the policy
// allows the very request only if Permits does.
func TestTheAnswerIsExactForItsRequest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := tabletest.Table(tabletest.DrawPermissions(rt)...)
		caller := tabletest.DrawCaller(rt)
		method, path := tabletest.DrawMethod(rt), tabletest.DrawPath(rt)
		a := start(t, func(c *authorizer.Config) {
			c.Tables = tables{table: table}
			c.Verifier = verifier{good: claims(caller.Scopes...)}
		})
		arn := api + "/dev/" + method + path
		got, err := ask(t, a, restToken(arn, "Bearer "+good))
		if err != nil {
			rt.Fatal(err)
		}
		if decides(got.PolicyDocument, arn) == policy.Allowed && !table.Permits(caller, method, path, tabletest.Now) {
			rt.Fatalf("%s is allowed and not permitted", arn)
		}
	})
}

func TestConcurrentRequestsShareNothing(t *testing.T) {
	a := start(t, nil)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			raw, path := good, fmt.Sprintf("users/%d", i)
			want := policy.Allowed
			if i%2 == 0 {
				raw, want = empty, policy.ExplicitlyDenied
			}
			arn := api + "/dev/GET/" + path
			out, err := a.Invoke(context.Background(), []byte(restToken(arn, "Bearer "+raw)))
			var got answer
			if err != nil || json.Unmarshal(out, &got) != nil || decides(got.PolicyDocument, arn) != want {
				t.Errorf("%s with %s: %s, %v", path, raw, out, err)
			}
		})
	}
	wg.Wait()
}

func FuzzInvoke(f *testing.F) {
	arn := api + "/dev/GET/users/1"
	f.Add([]byte(restToken(arn, "Bearer "+good)))
	f.Add([]byte(restRequest(arn, "Bearer "+good, "/users/{id}")))
	f.Add([]byte(http2(arn, "Bearer "+good, "GET /users/{id}")))
	f.Add([]byte(webSocket(api+"/dev/$connect", "Bearer "+good)))
	a := start(f, func(c *authorizer.Config) { c.Log = zap.NewNop() })
	f.Fuzz(func(t *testing.T, event []byte) {
		out, err := a.Invoke(context.Background(), event)
		var failed *authorizer.Failure
		if errors.As(err, &failed) && failed.Reason == authorizer.Internal {
			t.Fatalf("a bug: %v", errors.Unwrap(failed))
		}
		if (err == nil) == (out == nil) {
			t.Fatalf("answer %s with error %v", out, err)
		}
	})
}
