package token

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
)

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	good := []OIDCIssuer{{Issuer: "https://id.example", Audiences: []string{"a"}}}
	tenant := []string{otherTenant}
	for _, c := range []struct {
		name   string
		config Config
		want   []string // parts of the error; none = it is fine
	}{
		{"a tenant", Config{TenantIDs: tenant, Audiences: []string{"a"}}, nil},
		{"an issuer", Config{Issuers: good}, nil},
		{"the local provider", Config{TenantIDs: tenant, Audiences: []string{"a"}, Authority: "http://127.0.0.1:8083", STS: "http://localhost:8083/sts"}, nil},
		{"IPv6 loopback", Config{Issuers: []OIDCIssuer{{Issuer: "http://[::1]:1", Audiences: []string{"a"}}}}, nil},
		{"nothing", Config{}, []string{"no TenantIDs and no Issuers"}},
		{"no audience", Config{TenantIDs: tenant}, []string{"Audiences: none"}},
		{"empty audience", Config{TenantIDs: tenant, Audiences: []string{""}}, []string{"Audiences[0]"}},
		{"audience with a space", Config{TenantIDs: tenant, Audiences: []string{"a b"}}, []string{"Audiences[0]"}},
		{"common", Config{TenantIDs: []string{"common"}, Audiences: []string{"a"}}, []string{"TenantIDs[0]", "common"}},
		{"tenant twice", Config{TenantIDs: []string{otherTenant, strings.ToUpper(otherTenant)}, Audiences: []string{"a"}}, []string{"twice"}},
		{"authority over http", Config{TenantIDs: tenant, Audiences: []string{"a"}, Authority: "http://login.example"}, []string{"Authority"}},
		{"authority a host name like loopback", Config{TenantIDs: tenant, Audiences: []string{"a"}, Authority: "http://127.0.0.1.evil.example"}, []string{"Authority"}},
		{"authority with a user", Config{TenantIDs: tenant, Audiences: []string{"a"}, Authority: "https://me@login.example"}, []string{"Authority"}},
		{"sts without scheme", Config{TenantIDs: tenant, Audiences: []string{"a"}, STS: "sts.windows.net"}, []string{"STS"}},
		{"skew negative", Config{Issuers: good, ClockSkew: -1}, []string{"ClockSkew"}},
		{"skew too long", Config{Issuers: good, ClockSkew: time.Hour}, []string{"ClockSkew"}},
		{"issuer twice", Config{Issuers: append(good, good...)}, []string{"twice"}},
		{"issuer without audience", Config{Issuers: []OIDCIssuer{{Issuer: "https://id.example"}}}, []string{"Issuers[0].Audiences"}},
		{"issuer a template", Config{Issuers: []OIDCIssuer{{Issuer: "https://id.example/{tenant}", Audiences: []string{"a"}}}}, []string{"template"}},
		{"issuer on Microsoft's host", Config{Issuers: []OIDCIssuer{{Issuer: "https://login.microsoftonline.com/" + otherTenant + "/v2.0", Audiences: []string{"a"}}}}, []string{"Entra host"}},
		{"issuer on the configured authority", Config{TenantIDs: tenant, Audiences: []string{"a"}, Authority: "https://login.example", Issuers: []OIDCIssuer{{Issuer: "https://LOGIN.example/x", Audiences: []string{"a"}}}}, []string{"Entra host"}},
		{"issuer on an Entra host with a port", Config{Issuers: []OIDCIssuer{{Issuer: "https://login.microsoftonline.com:443/x", Audiences: []string{"a"}}}}, []string{"Entra host"}},
		{"issuer where tenants would be, without one", Config{Authority: "https://login.example", Issuers: []OIDCIssuer{{Issuer: "https://login.example", Audiences: []string{"a"}}}}, nil},
		{"discovery over http", Config{Issuers: []OIDCIssuer{{Issuer: "https://id.example", DiscoveryURL: "http://id.example", Audiences: []string{"a"}}}}, []string{"DiscoveryURL"}},
		{"several", Config{TenantIDs: []string{"x", "y"}, ClockSkew: -1, Authority: "ftp://a"}, []string{"TenantIDs[0]", "TenantIDs[1]", "ClockSkew", "Authority", "Audiences"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := New(c.config)
			if (err == nil) != (c.want == nil) || (err == nil) != (v != nil) {
				t.Fatalf("New: %v, %v", v, err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %v", part, err)
				}
			}
		})
	}
}

// The metadata URL that API Gateway's own JWT authorizer was set up with is taken too.
func TestDiscoveryURLMayBeTheDocumentItself(t *testing.T) {
	w := newWorld(t, 2)
	for _, url := range []string{"", w.otherIssuer(), w.otherIssuer() + "/", w.otherIssuer() + "/.well-known/openid-configuration"} {
		c := w.config()
		c.Issuers[0].DiscoveryURL = url
		v, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Prefetch(t.Context()); err != nil {
			t.Errorf("DiscoveryURL %q: %v", url, err)
		}
	}
}

func TestAClientIDAsAudienceMayBeConfiguredInAnyCase(t *testing.T) {
	w := newWorld(t, 2)
	c := w.config()
	c.Audiences = []string{strings.ToUpper(guidAudience)}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.Verify(t.Context(), mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Audience: guidAudience}))
	if err != nil || claims.Audience != strings.ToUpper(guidAudience) {
		t.Errorf("audience %q, %v", claims.Audience, err)
	}
}

func TestTheCallersClientIsLeftAlone(t *testing.T) {
	w := newWorld(t, 2)
	client := &http.Client{Transport: w.net}
	c := w.config()
	c.HTTPClient = client
	if _, err := New(c); err != nil {
		t.Fatal(err)
	}
	if client.CheckRedirect != nil || client.Transport != http.RoundTripper(w.net) {
		t.Error("New changed the client that it was given")
	}
}
