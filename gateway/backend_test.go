package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scopegate/gateway"
)

func TestEchoShowsWhatTheBackendIsGiven(t *testing.T) {
	a := &fake{answers: map[string]string{"secret-token": iam(statement("Allow", "*"))}}
	for f, context := range map[gateway.Flavour]string{
		gateway.RESTToken: `{"principalId":"alice","scp":"email","n":"7","ok":"true"}`,
		gateway.HTTPv2:    `{"principalId":"alice","scp":"email","n":7,"ok":true}`,
	} {
		w := as(start(t, config(f, a)), "secret-token", "/dev//my-resource/%2F?x=1")
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "secret-token") {
			t.Fatalf("%v: %d %s", f, w.Code, w.Body)
		}
		got := object(t, w.Body.String())
		drop(t, got, "requestId")
		want := object(t, `{"method":"GET","path":"//my-resource/%2F","query":"x=1","stage":"dev","requestContext":{"authorizer":`+context+`}}`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", f, diff)
		}
	}
}

// upstream remembers the last request of a backend.
type upstream struct {
	*httptest.Server
	last *http.Request
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.last = r
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(func() { u.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return u
}

func proxied(t *testing.T, f gateway.Flavour, answer, base string) (*gateway.Gateway, *upstream) {
	t.Helper()
	u := newUpstream(t)
	target, err := url.Parse(u.URL + base)
	if err != nil {
		t.Fatal(err)
	}
	c := config(f, &fake{answers: map[string]string{"*": answer}})
	if c.Backend, err = gateway.ProxyBackend(target, nil); err != nil {
		t.Fatal(err)
	}
	return start(t, c), u
}

func TestProxyPassesOnTheContextAndNoForgedOne(t *testing.T) {
	answer := strings.Replace(iam(statement("Allow", "*")), `"n":7`, `"n":7,"name":"Zoë\n","Principal_Id":"mallory","no header":"x"`, 1)
	g, u := proxied(t, gateway.RESTToken, answer, "")
	status, _, body := raw(t, g, line("GET /dev/a HTTP/1.1", "X-Scopegate-Principal-Id: mallory", "x-scopegate-scp: admin",
		"X_Scopegate_Role: admin", "X-Scopegate-Role: admin", "Connection: X-Scopegate-Scp", "X-Kept: 1"))
	if status != http.StatusAccepted {
		t.Fatalf("status %d %s", status, body)
	}
	for name, want := range map[string]string{
		"X-Scopegate-Principal-Id": "alice", "X-Scopegate-Scp": "email", "X-Scopegate-N": "7", "X-Scopegate-Ok": "true",
		"X-Scopegate-Name": "Zo%C3%AB%0A", "X-Kept": "1", "Authorization": "Bearer T", "X-Forwarded-For": "127.0.0.1",
	} {
		if got := u.last.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name := range u.last.Header {
		if strings.Contains(name, "Role") || strings.Contains(name, "_") {
			t.Errorf("the client's %s was passed on", name)
		}
	}
}

func TestProxySendsThePathThatWasAuthorized(t *testing.T) {
	for _, base := range []string{"", "/", "/base", "/base/"} {
		g, u := proxied(t, gateway.RESTToken, iam(statement("Allow", "*")), base)
		prefix := strings.TrimSuffix(base, "/")
		for sent, want := range map[string]string{
			"/dev/a": "/a", "/dev": "/", "/dev//a/../b/": "//a/../b/", "/dev/a%2Fb?x=%zz;y": "/a%2Fb?x=%zz;y",
			"/dev/a%2Fb{c}": "/a%2Fb%7Bc%7D", "/dev/*": "/*", "/dev/a?": "/a",
		} {
			if status, _, body := raw(t, g, line("GET "+sent+" HTTP/1.1")); status != http.StatusAccepted {
				t.Errorf("%q: status %d %s", sent, status, body)
			} else if u.last.RequestURI != prefix+want {
				t.Errorf("%q under %q: the backend got %q, want %q", sent, base, u.last.RequestURI, prefix+want)
			}
		}
		if u.last.Host != strings.TrimPrefix(u.URL, "http://") {
			t.Errorf("Host %q, want the backend's", u.last.Host)
		}
	}
}

func TestDeniedRequestNeverReachesTheBackend(t *testing.T) {
	g, u := proxied(t, gateway.HTTPv2, iam(statement("Deny", "*")), "")
	if w := as(g, "T", "/dev/a"); w.Code != http.StatusForbidden || u.last != nil {
		t.Errorf("status %d, backend called: %v", w.Code, u.last != nil)
	}
}

func TestBackendURLMustBeOne(t *testing.T) {
	for _, s := range []string{"", "localhost:80", "ftp://host", "http://", "http://h?q", "http://user:secret@h"} {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.ProxyBackend(u, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestRequestThatCameThroughNoGatewayHasNoGrant(t *testing.T) {
	if _, ok := gateway.FromContext(t.Context()); ok {
		t.Error("a grant out of nothing")
	}
}

// TestBackendThatIsDownIsAnsweredForAsAPIGatewayDoes: in its JSON, with nothing
// on standard error, and the cause is told.
func TestBackendThatIsDownIsAnsweredForAsAPIGatewayDoes(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for f, want := range map[gateway.Flavour]struct {
		status    int
		body      string
		errorType string
	}{
		gateway.RESTToken: {http.StatusBadGateway, `{"message":"Internal server error"}`, "InternalServerErrorException"},
		gateway.HTTPv2:    {http.StatusServiceUnavailable, `{"message":"Service Unavailable"}`, ""},
	} {
		var cause error
		c := config(f, &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}})
		var err error
		if c.Backend, err = gateway.ProxyBackend(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}, func(_ *http.Request, err error) { cause = err }); err != nil {
			t.Fatal(err)
		}
		w := as(start(t, c), "T", "/dev/a")
		if w.Code != want.status || w.Body.String() != want.body || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Amzn-Errortype") != want.errorType {
			t.Errorf("%v: %d %s %v", f, w.Code, w.Body, w.Header())
		}
		if cause == nil || !strings.Contains(cause.Error(), "127.0.0.1:1") {
			t.Errorf("%v: the cause is %v", f, cause)
		}
	}
	if logged.Len() > 0 {
		t.Errorf("logged %s", &logged)
	}
}

func TestFailAnswersAsAnAuthorizerThatFails(t *testing.T) {
	for _, f := range []gateway.Flavour{gateway.RESTToken, gateway.HTTPv2} {
		broken := gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("broken") })
		c := config(f, &fake{})
		c.Authorizer = broken
		g := start(t, c)
		want := as(g, "T", "/dev/a")
		got := httptest.NewRecorder()
		g.Fail(got, httptest.NewRequest(http.MethodGet, "/nowhere", nil))
		if got.Code != http.StatusInternalServerError || got.Code != want.Code || got.Body.String() != want.Body.String() ||
			got.Header().Get("X-Amzn-Errortype") != want.Header().Get("X-Amzn-Errortype") {
			t.Errorf("%v: %d %s, want %d %s", f, got.Code, got.Body, want.Code, want.Body)
		}
	}
}
