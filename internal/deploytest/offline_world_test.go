//go:build deploy

package deploytest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scopegate/internal/cli"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

// The API whose permissions deploy/offline/permissions.json holds, and what the
// administrators' tokens are for there.
const (
	offlineAccountAPI = "219852565112:rz8w6b1ik2"
	offlineAPI        = "arn:aws:execute-api:us-east-1:" + offlineAccountAPI
	offlineAdmins     = "api://scopegate-admin"
)

// within is how long another process may take to do what it will do at once on
// a machine that is not busy.
const within = 2 * time.Minute

// offline is serverless-offline in front of the compiled functions, with all that
// they talk to.
type offline struct {
	provider *idp.Provider
	dir      string
	journal  string
	settings offlineSettings
	base     string // of the gateway, with no slash at its end
	log      *output
	// retries is how long send may still ask again, all rows together: a fault that
	// is in every row must show before the tests' own time is over.
	retries time.Duration
}

// offlineSettings is the file that forward.mjs reads.
type offlineSettings struct {
	Functions map[string]offlineFunction `json:"functions"`
	API       string                     `json:"api"`
	Journal   string                     `json:"journal"`
	Fault     string                     `json:"fault"`
}

type offlineFunction struct {
	Bootstrap   string            `json:"bootstrap"`
	Environment map[string]string `json:"environment"`
}

// startOffline compiles the functions, fills a table by the commands that an
// operator has, and starts the gateway.
func startOffline(t *testing.T) *offline {
	t.Helper()
	o := &offline{dir: t.TempDir(), log: &output{}, retries: within}
	o.journal = filepath.Join(o.dir, "journal")
	var environment map[string]string
	o.provider, environment = partners(t)
	authorizer := buildHere(t, o.dir, "authorizer")
	o.settings = offlineSettings{API: offlineAccountAPI, Journal: o.journal, Functions: map[string]offlineFunction{
		"authorizer": {authorizer, environment},
		"simple":     {authorizer, with(environment, "HTTP_API_RESPONSE", "simple")},
		"admin":      {buildHere(t, o.dir, "admin"), adminEnvironment(environment)},
	}}
	o.setFault(t, "")
	o.start(t)
	return o
}

// partners are what the functions talk to: a provider, and a table that is filled.
// The environment has the authorizer find both.
func partners(t *testing.T) (*idp.Provider, map[string]string) {
	t.Helper()
	provider, err := idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(provider)
	t.Cleanup(server.Close)
	provider.SetBaseURL(server.URL)
	return provider, with(fillTable(t),
		"ENTRA_TENANT_IDS", provider.TenantID(), "OIDC_AUDIENCES", provider.Audience(),
		"ENTRA_AUTHORITY", provider.Authority(), "ENTRA_STS", provider.STS(),
		"CACHE_TTL", "0s", "CACHE_MAX_STALE", "0s") // a change counts for the next request, or that fails
}

func adminEnvironment(environment map[string]string) map[string]string {
	return with(environment, "ADMIN_TENANT_IDS", environment["ENTRA_TENANT_IDS"], "ADMIN_AUDIENCES", offlineAdmins, "FLUSH_AUTHORIZER_CACHE", "off")
}

func with(environment map[string]string, pairs ...string) map[string]string {
	more := make(map[string]string, len(environment)+len(pairs)/2)
	for name, value := range environment {
		more[name] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		more[pairs[i]] = pairs[i+1]
	}
	return more
}

// fillTable makes a table with scopegate migrate and loads the permissions with
// scopegate import. It gives back the functions' environment.
func fillTable(t *testing.T) map[string]string {
	t.Helper()
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::219852565112:user/ops</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	t.Cleanup(sts.Close)
	environment := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"AWS_ENDPOINT_URL_DYNAMODB": dynamotest.Endpoint(t), "TABLE_NAME": dynamotest.TableName(),
	}
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	var list []string
	for name, value := range environment {
		t.Setenv(name, value)
		list = append(list, name+"="+value)
	}
	dynamotest.DropLater(t, dynamotest.Client(t), environment["TABLE_NAME"])
	permissions := filepath.Join(Root(t), "deploy", "offline", "permissions.json")
	for _, args := range [][]string{{"scopegate", "migrate", "--create"}, {"scopegate", "import", permissions}} {
		var said bytes.Buffer
		if code := cli.Run(t.Context(), args, list, strings.NewReader(""), &said, &said); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", args, code, &said)
		}
	}
	return environment
}

// buildHere compiles a function as it is shipped, but for this machine.
func buildHere(t *testing.T, dir, function string) string {
	t.Helper()
	bootstrap, err := lambdaruntime.Build(t.Context(), filepath.Join(dir, function), "scopegate/functions/"+function)
	if err != nil {
		t.Fatal(err)
	}
	return bootstrap
}

// start runs serverless-offline until the end of the test. It listens on a port
// that the kernel chose and says on which.
func (o *offline) start(t *testing.T) {
	t.Helper()
	cmd := osls(t, filepath.Join("deploy", "offline"), "offline", "start")
	cmd.Env = append(cmd.Env, "SCOPEGATE_OFFLINE="+filepath.Join(o.dir, "settings.json"),
		"SCOPEGATE_OFFLINE_ISSUER="+o.provider.Authority()+"/"+o.provider.TenantID()+"/v2.0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // at the end of the test's context
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close() }) // held until then: its end is the gateway's
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start serverless-offline: %v", err)
	}
	_ = write.Close()
	listening, closed := make(chan string, 1), make(chan struct{})
	go o.follow(read, listening, closed)
	t.Cleanup(func() { o.stop(t, cmd, closed) })
	select {
	case o.base = <-listening:
	case <-closed:
		t.Fatalf("serverless-offline ended:\n%s", o.log)
	case <-time.After(within):
		t.Fatalf("serverless-offline does not listen after %s:\n%s", within, o.log)
	}
}

// follow reads what the gateway and the functions print, to the end of the last
// of them.
func (o *offline) follow(r io.ReadCloser, listening chan<- string, closed chan<- struct{}) {
	defer close(closed)
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		o.log.add(line)
		if url, ok := strings.CutPrefix(line, "listening on "); ok {
			listening <- strings.TrimSpace(url)
		}
		if err != nil {
			return
		}
	}
}

// stop waits for the end of the gateway, which was asked to end. Its output ends
// when the last bootstrap has, too: one that stayed behind is a fault.
func (o *offline) stop(t *testing.T, cmd *exec.Cmd, closed <-chan struct{}) {
	select {
	case <-closed:
	case <-time.After(within):
		t.Errorf("serverless-offline or a bootstrap does not end within %s", within)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group that start made
		<-closed
	}
	_ = cmd.Wait() // its status is that of an interrupted process
	if t.Failed() {
		t.Logf("serverless-offline and the functions said:\n%s", o.log)
	}
}

// setFault has the forwarder falsify what passes through it; "" is none.
func (o *offline) setFault(t *testing.T, fault string) {
	t.Helper()
	o.settings.Fault = fault
	b, err := json.Marshal(o.settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.dir, "settings.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (o *offline) mint(t *testing.T, s idp.Spec) string {
	t.Helper()
	raw, err := o.provider.Mint(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// entry is one line of the forwarder's journal: one question to a bootstrap.
type entry struct {
	Function, Shape string
	ARN             string // as the bootstrap was asked
	Came            string // as serverless-offline had it
	Error           string // the errorMessage
	Allows, Denies  int
	Authorized      bool
	Status          int // of the admin function's answer
}

// take gives the journal's entries since it was last taken.
func (o *offline) take() ([]entry, error) {
	b, err := os.ReadFile(o.journal)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []entry
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var e entry
		err := d.Decode(&e)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
		all = append(all, e)
	}
	return all, os.Remove(o.journal)
}

// send makes a request, again while what answers fails: on a busy machine a
// function's own time-outs may pass, and a failure is no refusal. It gives the
// status, the body and what the bootstraps were asked meanwhile.
func (o *offline) send(method, path, authorization, body string) (status int, got string, asked []entry, err error) {
	for {
		began := time.Now()
		if status, got, err = o.request(method, path, authorization, body); err != nil {
			return 0, "", nil, err
		}
		if asked, err = o.take(); err != nil {
			return 0, "", nil, err
		}
		if !slices.ContainsFunc(asked, entry.failed) || o.retries <= 0 {
			return status, got, asked, nil
		}
		o.retries -= time.Since(began)
	}
}

func (o *offline) request(method, path, authorization, body string) (int, string, error) {
	r, err := http.NewRequest(method, o.base+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := (&http.Client{Timeout: within}).Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, string(got), err
}

// failed reports whether the function could not decide.
func (e entry) failed() bool {
	return strings.HasPrefix(e.Error, "scopegate: ") && e.Error != notWhole || e.Status >= http.StatusInternalServerError
}

// output keeps what processes print.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) add(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.WriteString(s)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
