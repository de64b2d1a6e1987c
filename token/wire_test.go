package token

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/mod/semver"

	"scopegate/internal/idp"
)

// The default client over real connections, to a provider on loopback.
func TestTheOwnClientReachesAProviderOnLoopback(t *testing.T) {
	p := newProvider(t, idp.Options{})
	server := httptest.NewServer(p)
	defer server.Close()
	p.SetBaseURL(server.URL)
	v, err := New(Config{
		TenantIDs: []string{p.TenantID()}, Authority: p.Authority(), STS: p.STS(), Audiences: []string{p.Audience()},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Fail(idp.Huge)
	_, err = v.Verify(context.Background(), mint(t, p, idp.Spec{Scopes: []string{"a"}}))
	if ReasonOf(err) != ReasonDiscovery || !strings.Contains(err.Error(), "body too large") {
		t.Errorf("20 MB: %v", err)
	}
	p.Fail(idp.Healthy)
	// v2 backs off from the 20 MB; v1 has keys of its own.
	if _, err := v.Verify(context.Background(), mint(t, p, idp.Spec{Version: "1.0", Scopes: []string{"a"}})); err != nil {
		t.Errorf("healthy again: %v", err)
	}
}

func TestARedirectIsFollowedOnTheSameHostOnly(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	for _, c := range []struct {
		name, to string
		want     Reason
	}{
		{"the same host", "https://login.example/moved", ""},
		{"another host", "https://evil.example/moved", ReasonKeys},
		{"the same host without TLS", "http://login.example/moved", ReasonKeys},
		{"another port", "https://login.example:444/moved", ReasonKeys},
		{"itself, for ever", "https://login.example/" + w.idp.TenantID() + "/discovery/v2.0/keys", ReasonKeys},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/moved":
					_, _ = rw.Write([]byte(`{"keys":[` + w.goodJWK(nil) + `]}`))
				case strings.HasSuffix(r.URL.Path, "/keys"):
					http.Redirect(rw, r, c.to, http.StatusFound)
				default:
					w.idp.ServeHTTP(rw, r)
				}
			})
			v, err := New(w.config())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(context.Background(), raw); ReasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if foreign := w.net.foreignHosts(); len(foreign) != 0 {
		t.Errorf("we followed to %v", foreign)
	}
}

// go-oidc alone selects a go-jose in which one 9.9 KB token costs over a second
// (GHSA-mgcc-cww5-fp2q).
func TestTheBuildListKeepsASafeGoJose(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/go-jose/go-jose/v4").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); semver.Compare(got, "v4.1.8") < 0 {
		t.Errorf("go-jose is %s, want v4.1.8 at least", got)
	}
}
