//go:build deploy

package deploytest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"scopegate/gateway"
	"scopegate/internal/config"
	"scopegate/internal/dev"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/policy"
	"scopegate/store/bolt"
)

// exampleAPI is the ARN that an example's API is given here.
const exampleAPI = "arn:aws:execute-api:us-east-1:444455556666:orders0001"

// exampleWorld is an example's API as its template sets it up: its routes, its
// authorizer's settings, Scopegate's function with the settings of the root
// template, and its own permissions, loaded with the command of examples/README.md.
type exampleWorld struct {
	t        *testing.T
	example  example
	routes   []exampleRoute
	config   gateway.Config
	provider *idp.Provider
	backend  http.Handler

	mu    sync.Mutex
	gates map[exampleRoute]*gateway.Gateway // one cache for each key that a route is part of
}

func newExampleWorld(t *testing.T, e example, backend http.Handler) *exampleWorld {
	t.Helper()
	template := Package(t, e.folder())
	routes, err := exampleRoutes(template)
	if err != nil {
		t.Fatal(err)
	}
	w := &exampleWorld{t: t, example: e, routes: routes, backend: backend, gates: map[exampleRoute]*gateway.Gateway{}}
	w.provider = serveProvider(t)
	w.config = gatewayConfig(t, template)
	w.config.Backend = backend
	w.config.Authorizer = w.authorizer(e.settings(t, w.provider))
	return w
}

func serveProvider(t *testing.T) *idp.Provider {
	t.Helper()
	p, err := idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.SetBaseURL(server.URL)
	return p
}

// settings are the environment of the function that the example imports, as the
// root template has it, of a local provider.
func (e example) settings(t *testing.T, p *idp.Provider) []string {
	t.Helper()
	root := Package(t, ".", e.rootArguments()...)
	function := ""
	outputs, _ := root["Outputs"].(object)
	for _, o := range outputs {
		if Part(o, "Export", "Name") == "scopegate-example-"+e.export {
			list, _ := Part(o, "Value", "Fn::GetAtt").([]any)
			function = text(list[0])
		}
	}
	out, err := environmentOf(root, function)
	if err != nil {
		t.Fatalf("what the root template exports as %s: %v", e.export, err)
	}
	return append(out, "ENTRA_TENANT_IDS="+p.TenantID(), "ENTRA_AUTHORITY="+p.Authority(), "ENTRA_STS="+p.STS(), "OIDC_AUDIENCES="+p.Audience())
}

func (e example) rootArguments() []string {
	if e.export == "SimpleAuthorizerArn" {
		return []string{"--param", "simple=on"}
	}
	return nil
}

// gatewayConfig is what a template sets an API up as.
func gatewayConfig(t *testing.T, template Template) gateway.Config {
	t.Helper()
	a, err := exampleAuthorizer(template)
	if err != nil {
		t.Fatal(err)
	}
	p := a.properties
	c := gateway.Config{ARN: exampleAPI, TokenRegex: text(p["IdentityValidationExpression"]), Stages: stages(template)}
	ttl, _ := p["AuthorizerResultTtlInSeconds"].(float64)
	c.AuthorizerTTL = time.Duration(ttl) * time.Second
	switch sources := p["IdentitySource"].(type) {
	case string:
		c.IdentitySources = regexp.MustCompile(`\s*,\s*`).Split(sources, -1)
	case []any:
		for _, s := range sources {
			c.IdentitySources = append(c.IdentitySources, text(s))
		}
	}
	switch {
	case isWebSocket(template):
		c.Flavour = gateway.WebSocket
	case p["Type"] == "TOKEN":
		c.Flavour = gateway.RESTToken
	case p["Type"] == "REQUEST":
		c.Flavour = gateway.RESTRequest
	case p["EnableSimpleResponses"] == true:
		c.Flavour = gateway.HTTPv2Simple
	default:
		c.Flavour = gateway.HTTPv2
	}
	return c
}

func stages(template Template) []string {
	var out []string
	for _, s := range resources(template, "AWS::ApiGateway::Deployment", "AWS::ApiGatewayV2::Stage") {
		out = append(out, text(s.properties["StageName"]))
	}
	return out
}

// authorizer is Scopegate over the example's permissions, behind a gateway that
// knows the API's routes: ours sends everything as under ANY /{proxy+}.
func (w *exampleWorld) authorizer(settings []string) gateway.Authorizer {
	w.t.Helper()
	s, err := config.Load(settings, config.Authorizer)
	if err != nil {
		w.t.Fatal(err)
	}
	tables, err := bolt.Open(filepath.Join(w.example.loaded(w.t), dev.DataFile))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := tables.Close(); err != nil {
			w.t.Error(err)
		}
	})
	parts, err := wiring.New(s, tables, zap.NewNop(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return gateway.AuthorizerFunc(func(ctx context.Context, event []byte) ([]byte, error) {
		routed, err := w.routed(event)
		if err != nil {
			return nil, err
		}
		return parts.Authorizer.Invoke(ctx, routed)
	})
}

// loaded is a directory with the example's permissions, put there by its command
// in examples/README.md.
func (e example) loaded(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(Root(t), "examples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := ""
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "scopegate ") && strings.Contains(line, e.folder()+"/") {
			command += line
		}
	}
	if strings.Count(command, "\n") != 1 {
		t.Fatalf("examples/README.md has not one command for %s: %q", e.folder(), command)
	}
	data := t.TempDir()
	shell := exec.CommandContext(t.Context(), "bash", "-e", "-u", "-c", command)
	shell.Dir = Root(t)
	shell.Env = []string{
		"PATH=" + filepath.Dir(commandPath(t)) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"AT=--data " + data, "API=" + exampleAPI,
	}
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%s%v\n%s", command, err, out)
	}
	return data
}

var commands string // a folder

func TestMain(m *testing.M) {
	var err error
	if commands, err = os.MkdirTemp("", "scopegate-command-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(commands)
	os.Exit(code)
}

// built is the command scopegate, made once.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(commands, "scopegate")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/scopegate")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})

func commandPath(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// routed gives an event the route that API Gateway would have found among those
// that the template declares.
func (w *exampleWorld) routed(event []byte) ([]byte, error) {
	var e map[string]any
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	called := text(e["methodArn"])
	if e["version"] == "2.0" {
		called = text(e["routeArn"])
	}
	arn, err := policy.ParseARN(called)
	if err != nil {
		return nil, err
	}
	r, ok := w.match(arn.Method, arn.Path)
	if !ok {
		return nil, fmt.Errorf("%s reached the authorizer without a route", called)
	}
	context, _ := e["requestContext"].(map[string]any)
	switch {
	case e["type"] == "TOKEN" || r.Method == "$connect":
		return event, nil // say nothing of routes
	case e["version"] == "2.0":
		sources, _ := e["identitySource"].([]any)
		for i, s := range sources {
			if s == e["routeKey"] {
				sources[i] = r.String()
			}
		}
		e["routeKey"], context["routeKey"] = r.String(), r.String()
	default:
		e["resource"], context["resourcePath"] = r.Path, r.Path
	}
	return json.Marshal(e)
}

// match finds a route as API Gateway does: a literal before {name} before
// {name+}, part by part.
func (w *exampleWorld) match(method, path string) (exampleRoute, bool) {
	var best exampleRoute
	rank := ""
	for _, r := range w.routes {
		if got, ok := r.rank(path); ok && r.Method == method && !r.preflight && got > rank {
			best, rank = r, got
		}
	}
	return best, rank != ""
}

// rank is greater for a route that is more specific; ok is false if it does not
// match.
func (r exampleRoute) rank(path string) (rank string, ok bool) {
	have, want := strings.Split(path, "/"), strings.Split(r.Path, "/")
	for i, part := range want {
		switch {
		case i >= len(have):
			return "", false
		case strings.HasSuffix(part, "+}"):
			return rank + "1", have[i] != ""
		case strings.HasPrefix(part, "{"):
			if have[i] == "" {
				return "", false
			}
			rank += "2"
		case part != have[i]:
			return "", false
		default:
			rank += "3"
		}
	}
	return rank, len(have) == len(want)
}

// gate is the gateway whose cache a route's answers are kept in: one for all,
// unless the route is among the cache's keys.
func (w *exampleWorld) gate(r exampleRoute) *gateway.Gateway {
	w.t.Helper()
	if sources := strings.Join(w.config.IdentitySources, " "); !strings.Contains(sources, "context.") {
		r = exampleRoute{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates[r] == nil {
		g, err := gateway.New(w.config)
		if err != nil {
			w.t.Fatal(err)
		}
		w.gates[r] = g
	}
	return w.gates[r]
}

// calls is how often the authorizer was called.
func (w *exampleWorld) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := uint64(0)
	for _, g := range w.gates {
		for _, s := range g.Stats() {
			n += s.AuthorizerCalls
		}
	}
	return int(n)
}

// call sends one request: a path below the stage, or $connect.
func (w *exampleWorld) call(method, path, authorization string) *httptest.ResponseRecorder {
	w.t.Helper()
	r, ok := w.match(method, path)
	if !ok {
		w.t.Fatalf("%s %s: the template has no such route", method, path)
	}
	target := path
	if w.example.stage != "$default" {
		target = "/" + w.example.stage + path
	}
	request := httptest.NewRequestWithContext(w.t.Context(), method, target, nil)
	if method == "$connect" {
		request = httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, target, nil)
		request.Header.Set("Connection", "Upgrade")
		request.Header.Set("Upgrade", "websocket")
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer := httptest.NewRecorder()
	w.gate(r).ServeHTTP(answer, request)
	return answer
}

// mint is a token of the local provider.
func (w *exampleWorld) mint(s idp.Spec) string {
	w.t.Helper()
	raw, err := w.provider.Mint(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}
