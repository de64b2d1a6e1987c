package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"scopegate/gateway"
	"scopegate/internal/lambdaruntime"
	"scopegate/internal/probe"
)

var bootstrap string

// TestMain compiles the function as it is shipped, for this machine.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		panic(err)
	}
	if bootstrap, err = lambdaruntime.Build(context.Background(), dir, "scopegate/functions/probe"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestTheCompiledProbeAnswersAsItIsAsked, on the Runtime API, behind both kinds of
// APIs, as authorizer and as backend.
func TestTheCompiledProbeAnswersAsItIsAsked(t *testing.T) {
	r, err := lambdaruntime.Start(t.Context(), bootstrap, []string{"PROBE_APIS=a1b2c3d4e5 probe00001"}, lambdaruntime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	allow := []probe.Statement{{Effect: "Allow", Resources: []string{"GET/probe/a"}}}
	for _, flavour := range []gateway.Flavour{gateway.RESTToken, gateway.HTTPv2} {
		g, err := gateway.New(gateway.Config{Flavour: flavour, ARN: "arn:aws:execute-api:us-east-1:123456789012:probe00001", Stages: []string{"probe"}, Authorizer: r})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			token, path string
			want        int
		}{
			"allowed":      {probe.Plan{Answer: probe.Policy, Statements: allow}.Token(), "/probe/a", http.StatusOK},
			"another path": {probe.Plan{Answer: probe.Policy, Statements: allow}.Token(), "/probe/b", http.StatusForbidden},
			"denied":       {probe.Plan{Answer: probe.DenyAll}.Token(), "/probe/a", http.StatusForbidden},
			"unauthorized": {probe.Plan{Answer: probe.Unauthorized}.Token(), "/probe/a", http.StatusUnauthorized},
			"no plan":      {"Bearer a.b.c", "/probe/a", http.StatusUnauthorized},
			"failing":      {probe.Plan{Answer: probe.Error}.Token(), "/probe/a", http.StatusInternalServerError},
		} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/probe"+c.path, nil)
			request.Header.Set("Authorization", c.token)
			w := httptest.NewRecorder()
			if g.ServeHTTP(w, request); w.Code != c.want {
				t.Errorf("%s, %s: %d %s", flavour, name, w.Code, w.Body)
			}
		}
	}
	foreign := `{"type":"TOKEN","methodArn":"arn:aws:execute-api:us-east-1:123456789012:orders0001/prod/GET/a","authorizationToken":"` +
		probe.Plan{Answer: probe.Policy, Statements: allow}.Token() + `"}`
	if b, err := r.Invoke(t.Context(), []byte(foreign)); err == nil {
		t.Errorf("in front of another API: %s", b)
	}
	b, err := r.Invoke(t.Context(), []byte(`{"httpMethod":"GET","requestContext":{"authorizer":{"call":"X"}}}`))
	if err != nil || !strings.Contains(string(b), `\"call\":\"X\"`) {
		t.Errorf("as backend: %s, %v", b, err)
	}
}
