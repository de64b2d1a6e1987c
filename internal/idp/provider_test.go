package idp

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const base = "https://login.example"

func newTest(t *testing.T, o Options) *Provider {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
	}
	o.BaseURL = base
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask sends a request to the handler and decodes its JSON answer.
func ask(t *testing.T, p *Provider, r *http.Request, status int) map[string]any {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("%s %s: status %d, want %d: %s", r.Method, r.URL, w.Code, status, w.Body)
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

func post(path string, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// decode gives header and claims of a token and whether the key signed it.
func decode(t *testing.T, key *rsa.PublicKey, raw string) (header, claims map[string]any, good bool) {
	t.Helper()
	part := strings.Split(raw, ".")
	if len(part) != 3 {
		t.Fatalf("%d parts", len(part))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			t.Fatalf("part %d: %v", i, err)
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	return header, claims, rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
}

func TestDiscoveryIsEntras(t *testing.T) {
	p := newTest(t, Options{})
	tid := p.TenantID()
	for _, c := range []struct{ path, issuer, keys, token string }{
		{"/" + tid + "/v2.0/.well-known/openid-configuration", base + "/" + tid + "/v2.0", base + "/" + tid + "/discovery/v2.0/keys", base + "/" + tid + "/oauth2/v2.0/token"},
		{"/" + tid + "/.well-known/openid-configuration", base + "/sts/" + tid + "/", base + "/" + tid + "/discovery/keys", base + "/" + tid + "/oauth2/token"},
		{"/common/v2.0/.well-known/openid-configuration", base + "/{tenantid}/v2.0", base + "/common/discovery/v2.0/keys", base + "/common/oauth2/v2.0/token"},
	} {
		doc := ask(t, p, get(c.path), http.StatusOK)
		if doc["issuer"] != c.issuer || doc["jwks_uri"] != c.keys || doc["token_endpoint"] != c.token {
			t.Errorf("%s: %v", c.path, doc)
		}
	}
	ask(t, p, get("/"+DefaultObjectID+"/v2.0/.well-known/openid-configuration"), http.StatusBadRequest)
	if got := p.Fetches(); got.Discovery != 4 || got.Keys != 0 {
		t.Errorf("fetches %+v", got)
	}
}

func publishedKids(t *testing.T, p *Provider) (kids []string) {
	t.Helper()
	for _, k := range ask(t, p, get("/"+p.TenantID()+"/discovery/v2.0/keys"), http.StatusOK)["keys"].([]any) {
		kids = append(kids, k.(map[string]any)["kid"].(string))
	}
	return kids
}

func TestRotateKeepsAsManyKeysAsItWasTold(t *testing.T) {
	for keep, want := range map[int]int{1: 1, 0: 2} {
		p := newTest(t, Options{Keys: keep})
		first := p.KeyID()
		if err := p.Rotate(); err != nil {
			t.Fatal(err)
		}
		kids := publishedKids(t, p)
		if p.KeyID() == first || kids[0] != p.KeyID() || len(kids) != want || slices.Contains(kids, first) != (want == 2) {
			t.Errorf("Keys %d: %v after %s", keep, kids, first)
		}
	}
}

func TestMintedTokensLookLikeEntras(t *testing.T) {
	p := newTest(t, Options{})
	tid := p.TenantID()
	now := float64(p.now().Unix())
	for _, c := range []struct {
		name string
		spec Spec
		want map[string]any // nil = must not be there
	}{
		{"v2 delegated", Spec{Scopes: []string{"a", "b"}}, map[string]any{
			"iss": base + "/" + tid + "/v2.0", "ver": "2.0", "tid": tid, "oid": DefaultObjectID, "azp": DefaultAppID, "scp": "a b",
			"aud": DefaultAudience, "iat": now, "nbf": now, "exp": now + 3600, "idtyp": nil, "roles": nil, "appid": nil}},
		{"v1 delegated", Spec{Version: "1.0", Scopes: []string{"a"}}, map[string]any{
			"iss": base + "/sts/" + tid + "/", "ver": "1.0", "appid": DefaultAppID, "azp": nil}},
		{"app-only", Spec{App: true, Roles: []string{"r"}}, map[string]any{
			"idtyp": "app", "oid": DefaultAppOID, "sub": DefaultAppOID, "scp": nil, "name": nil}},
		{"overage", Spec{Groups: []string{"g"}, GroupsOverage: true}, map[string]any{"groups": nil}},
		{"expired", Spec{Expired: true}, map[string]any{"exp": now - 3600, "iat": now - 7200}},
		{"shifted", Spec{IssuedAt: time.Minute, NotBefore: time.Hour, Life: 2 * time.Hour}, map[string]any{"iat": now + 60, "nbf": now + 3660, "exp": now + 7260}},
		{"overridden", Spec{Extra: map[string]any{"sub": "x", "oid": nil}}, map[string]any{"sub": "x", "oid": nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := p.Mint(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			header, claims, good := decode(t, p.PublicKey(), raw)
			if !good || header["kid"] != p.KeyID() || header["alg"] != "RS256" {
				t.Errorf("signed %v, header %v", good, header)
			}
			for name, want := range c.want {
				if got := claims[name]; got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
		})
	}
}

func TestSubIsPairwiseAndUtiIsNew(t *testing.T) {
	p := newTest(t, Options{})
	claims := func(app string) map[string]any {
		c, err := p.Claims(Spec{AppID: app})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, again, b := claims("a"), claims("a"), claims("b")
	if a["sub"] != again["sub"] || a["sub"] == b["sub"] || a["oid"] != b["oid"] || a["uti"] == again["uti"] {
		t.Errorf("%v\n%v\n%v", a, again, b)
	}
}

func TestAForgedTokenNamesThePublishedKeyThatDidNotSignIt(t *testing.T) {
	p := newTest(t, Options{})
	raw, err := p.Mint(Spec{Forged: true})
	if err != nil {
		t.Fatal(err)
	}
	if header, _, good := decode(t, p.PublicKey(), raw); good || header["kid"] != p.KeyID() {
		t.Errorf("signed %v, header %v", good, header)
	}
}

func TestTheTokenEndpointMintsWhatTheFormSays(t *testing.T) {
	p := newTest(t, Options{})
	v1, v2 := "/"+p.TenantID()+"/oauth2/token", "/"+p.TenantID()+"/oauth2/v2.0/token"
	for _, c := range []struct {
		name, path, form string
		want             map[string]any
	}{
		{"Entra's client credentials", v2, "grant_type=client_credentials&client_id=x&client_secret=y&scope=api://orders/.default&roles=r",
			map[string]any{"ver": "2.0", "idtyp": "app", "aud": "api://orders", "azp": "x"}},
		{"v1 with a resource", v1, "resource=api://orders/", map[string]any{"ver": "1.0", "aud": "api://orders/", "appid": DefaultAppID}},
		{"delegated", v2, "scopes=a,b+c&oid=" + DefaultAppOID, map[string]any{"scp": "a b c", "idtyp": nil, "oid": DefaultAppOID}},
		{"version given", v2, "version=v1", map[string]any{"ver": "1.0"}},
		{"delegated without scopes", v2, "app=false", map[string]any{"idtyp": nil, "scp": nil}},
		{"audience wins", v2, "audience=z&scope=api://orders/.default", map[string]any{"aud": "z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			form, err := url.ParseQuery(c.form)
			if err != nil {
				t.Fatal(err)
			}
			answer := ask(t, p, post(c.path, form), http.StatusOK)
			if answer["token_type"] != "Bearer" || answer["expires_in"] != 3600.0 {
				t.Errorf("answer %v", answer)
			}
			_, claims, good := decode(t, p.PublicKey(), answer["access_token"].(string))
			if !good {
				t.Error("not signed by the published key")
			}
			for name, want := range c.want {
				if claims[name] != want {
					t.Errorf("%s is %v, want %v", name, claims[name], want)
				}
			}
		})
	}
}

func TestTheTokenEndpointRefusesWhatItCannotRead(t *testing.T) {
	p := newTest(t, Options{})
	for _, form := range []string{"grant_type=password", "app=perhaps", "life=long", "life=-1h", "version=3.0", "expired=x"} {
		v, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		answer := ask(t, p, post("/"+p.TenantID()+"/oauth2/v2.0/token", v), http.StatusBadRequest)
		if answer["error"] != "invalid_request" || answer["access_token"] != nil {
			t.Errorf("%s: %v", form, answer)
		}
	}
	ask(t, p, post("/"+DefaultObjectID+"/oauth2/v2.0/token", nil), http.StatusBadRequest)
}

func TestFaultsAreWhatTheySay(t *testing.T) {
	p := newTest(t, Options{})
	keys, discovery := "/"+p.TenantID()+"/discovery/v2.0/keys", "/"+p.TenantID()+"/v2.0/.well-known/openid-configuration"
	server := httptest.NewServer(p)
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, c := range []struct {
		fault  Fault
		path   string
		status int
		check  func(http.Header, string) bool
	}{
		{Healthy, keys, 200, func(_ http.Header, b string) bool { return strings.Contains(b, p.KeyID()) }},
		{Down, keys, 503, nil},
		{Down, discovery, 503, nil},
		{EmptyKeys, keys, 200, func(_ http.Header, b string) bool { return b == "{\"keys\":[]}\n" }},
		{EmptyKeys, discovery, 200, func(_ http.Header, b string) bool { return strings.Contains(b, "jwks_uri") }},
		{EmptyObject, keys, 200, func(_ http.Header, b string) bool { return b == "{}\n" }},
		{HTML, keys, 200, func(h http.Header, b string) bool {
			return h.Get("Content-Type") == "text/html" && strings.HasPrefix(b, "<")
		}},
		{Huge, discovery, 200, func(_ http.Header, b string) bool { return len(b) > hugeBody }},
		{Redirect, keys, 302, func(h http.Header, _ string) bool { return h.Get("Location") == RedirectTarget }},
		{WrongIssuer, discovery, 200, func(_ http.Header, b string) bool { return strings.Contains(b, "issuer.invalid") }},
		{MalformedKey, keys, 200, func(_ http.Header, b string) bool {
			return strings.Contains(b, "malformed") && strings.Contains(b, p.KeyID())
		}},
	} {
		p.Fail(c.fault)
		resp, err := client.Get(server.URL + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || c.check != nil && !c.check(resp.Header, string(body)) {
			t.Errorf("%s on %s: %d, %v, %d bytes", c.fault, c.path, resp.StatusCode, err, len(body))
		}
	}
}

func TestATenantMustBeAGUID(t *testing.T) {
	if _, err := New(Options{TenantID: "common"}); err == nil {
		t.Error("common was taken as a tenant")
	}
}
