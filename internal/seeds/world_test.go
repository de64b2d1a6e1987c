package seeds_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

// patience is how long anything may take on a machine that is busy otherwise.
const patience = time.Minute

var binaries string // a folder

func TestMain(m *testing.M) {
	var err error
	if binaries, err = os.MkdirTemp("", "seeds"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binaries)
	os.Exit(code)
}

// compiled gives a main package as it is shipped, for this machine.
func compiled(name string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(binaries, filepath.Base(name))
		args := append(append([]string{"build"}, flags...), "-o", path, "scopegate/"+name)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return path, nil
	})
}

var (
	authorizer = compiled("functions/authorizer", lambdaruntime.BuildFlags...)
	admin      = compiled("functions/admin", lambdaruntime.BuildFlags...)
	command    = compiled("cmd/scopegate")
)

// world is what the systems have in common: a tenant of Entra's, and a table.
type world struct {
	t        *testing.T
	provider *idp.Provider
	endpoint string
	table    string
	// ahead is how far API Gateway's clock is before everybody else's: what it
	// keeps gets older without anybody waiting for it.
	ahead atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, endpoint: dynamotest.Endpoint(t)}
	var err error
	w.provider, err = idp.New(idp.Options{})
	w.must(err)
	server := httptest.NewServer(w.provider)
	t.Cleanup(server.Close)
	w.provider.SetBaseURL(server.URL)
	client, _ := dynamotest.WireClient(t, w.endpoint)
	w.table = dynamotest.TableOn(t, client)
	return w
}

// in is the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	return &world{t: t, provider: w.provider, endpoint: w.endpoint, table: w.table}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// aws is the part of an environment that names the table.
func (w *world) aws() []string {
	return []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
		"AWS_ENDPOINT_URL_DYNAMODB=" + w.endpoint, "TABLE_NAME=" + w.table,
	}
}

// entra is the part that says where Entra is: on this machine.
func (w *world) entra() []string {
	return []string{"ENTRA_AUTHORITY=" + w.provider.Authority(), "ENTRA_STS=" + w.provider.STS()}
}

// start runs a compiled function under a Lambda Runtime API.
func (w *world) start(binary func() (string, error), o lambdaruntime.Options, settings ...string) *lambdaruntime.Runtime {
	w.t.Helper()
	path, err := binary()
	w.must(err)
	o.Timeout = patience
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := lambdaruntime.Start(ctx, path, append(append(w.aws(), w.entra()...), settings...), o)
	w.must(err)
	t := w.t
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("stop %s: %v", filepath.Base(path), err)
		}
		if t.Failed() {
			t.Logf("the log of %s:\n%s", filepath.Base(path), r.Logs())
		}
	})
	return r
}

// authorizer runs the authorizer function for the provider's tenant, for tokens of
// its audience. Changes count at once: API Gateway alone keeps anything.
func (w *world) authorizer(settings ...string) *lambdaruntime.Runtime {
	w.t.Helper()
	return w.start(authorizer, lambdaruntime.Options{}, append([]string{
		"ENTRA_TENANT_IDS=" + w.provider.TenantID(), "OIDC_AUDIENCES=" + w.provider.Audience(), "CACHE_TTL=0s",
	}, settings...)...)
}

// scopegate runs the command and gives what it prints.
func (w *world) scopegate(environ []string, stdin string, args ...string) string {
	w.t.Helper()
	path, err := command()
	w.must(err)
	cmd := exec.CommandContext(w.t.Context(), path, args...)
	cmd.Env, cmd.Stdin = append(w.aws(), environ...), strings.NewReader(stdin)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("scopegate %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), complaints.String())
	}
	return out.String()
}

// load merges permissions into the table itself.
func (w *world) load(permissions string) string {
	w.t.Helper()
	return w.scopegate(nil, permissions, "import", "-")
}

func (w *world) mint(s idp.Spec) string {
	w.t.Helper()
	raw, err := w.provider.Mint(s)
	w.must(err)
	return "Bearer " + raw
}

// front is one API with its authorizer.
type front struct {
	w       *world
	gateway *gateway.Gateway
	stage   string
	url     string
	failed  atomic.Int64 // calls of the function that failed

	mu   sync.Mutex
	last []byte // the function's answer
}

// serve puts API Gateway's stand-in in front of an authorizer function.
func (w *world) serve(function *lambdaruntime.Runtime, c gateway.Config) *front {
	w.t.Helper()
	f := &front{w: w, stage: c.Stages[0]}
	c.Authorizer = gateway.AuthorizerFunc(func(ctx context.Context, event []byte) ([]byte, error) {
		out, err := function.Invoke(ctx, event)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.last = out
		return out, err
	})
	c.OnDecision = func(d gateway.Decision) {
		if d.Outcome == gateway.Failed {
			f.failed.Add(1)
		}
	}
	c.Now, c.AuthorizerTimeout = w.now, patience
	var err error
	f.gateway, err = gateway.New(c)
	w.must(err)
	server := httptest.NewServer(f.gateway)
	w.t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends one request as it is written. A failure (5xx) is no answer, and API
// Gateway keeps none: on a busy machine a read of the table may take too long, and
// the client asks again, as clients do.
func (f *front) send(method, path, authorization string) answer {
	f.w.t.Helper()
	a := f.w.send(method, f.url, path, authorization)
	for deadline := time.Now().Add(patience); a.status >= 500 && time.Now().Before(deadline); {
		a = f.w.send(method, f.url, path, authorization)
	}
	return a
}

func (w *world) send(method, base, path, authorization string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, base, nil)
	w.must(err)
	r.URL.Opaque = path // unchanged on the wire
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultClient.Do(r)
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	return answer{res.StatusCode, res.Header, string(body)}
}

// want sends a request and compares its status.
func (f *front) want(why, method, path, authorization string, status int) answer {
	f.w.t.Helper()
	a := f.send(method, path, authorization)
	if a.status != status {
		f.w.t.Errorf("%s: %s %s: %d %s, want %d", why, method, path, a.status, a.body, status)
	}
	return a
}

// calls is how often the function was asked and answered.
func (f *front) calls() int {
	return int(f.gateway.Stats()[f.stage].AuthorizerCalls) - int(f.failed.Load())
}

// wantCalls compares how often the function was asked since before.
func (f *front) wantCalls(why string, before, want int) {
	f.w.t.Helper()
	if got := f.calls() - before; got != want {
		f.w.t.Errorf("%s: the authorizer was asked %d times, want %d", why, got, want)
	}
}

// answered is the function's last answer.
func (f *front) answered() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.last)
}

// member gives a part of a JSON object.
func member(t *testing.T, b []byte, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	for _, name := range path {
		o, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s: there is no %s", b, strings.Join(path, "."))
		}
		v = o[name]
	}
	return v
}

// wantJSON compares two values of JSON, whatever the order of their members.
func wantJSON(t *testing.T, why string, got any, want string) {
	t.Helper()
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, wanted) {
		b, err := json.Marshal(got)
		t.Errorf("%s: %s, want %s", why, b, errors.Join(err, errors.New(want)))
	}
}

// denyAll is the answer that the documents' own authorizers give by default.
const denyAll = `{"principalId":"user","policyDocument":{"Version":"2012-10-17",
	"Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"*"}]}}`
