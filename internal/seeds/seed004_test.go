package seeds_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

const (
	privateARN  = "arn:aws:execute-api:us-east-1:219852565112:pr1vate004"
	invoices    = "/invoices/7"
	accounts    = "/accounts"
	setupScope  = "Accounts.Read"
	laterScope  = "Invoices.Read"
	privateID   = "pr1vate004"
	healthPath  = "/healthz"
	openAPIPath = "/v1/openapi.json"
)

// TestSeed004HTTPAPIWithAzureAD: private endpoints of an HTTP API behind API
// Gateway's native JWT authorizer, set up with two things that the Azure portal
// shows: the OpenID Connect metadata document's URL and the Application ID URI. The
// same two suffice here, with what the native one cannot do: scopes per route that
// change without a deployment. The admin API, by which they change, is itself behind
// a native JWT authorizer.
func TestSeed004HTTPAPIWithAzureAD(t *testing.T) {
	w := newWorld(t)
	p := newPlane()
	a := w.admin(p)
	w.through(a, permissions(privateARN, httpStage, "GET accounts: "+setupScope), "import", "-")
	t.Run("metadata URL and audience suffice", func(t *testing.T) { setUpAlike(w.in(t)) })
	t.Run("what the native authorizer answers", func(t *testing.T) { asTheNativeOne(w.in(t)) })
	t.Run("scopes per route without redeploying", func(t *testing.T) { withoutRedeploying(w.in(t), p, a) })
	t.Run("the admin API behind a native authorizer", func(t *testing.T) { adminBehindIt(w.in(t), a) })
	t.Run("the admin API believes nobody in front", func(t *testing.T) { adminAlone(w.in(t), a) })
}

// setup is what the document copies from the portal.
type setup struct{ metadata, audience string }

// settings are the authorizer's, of nothing but the set-up data. A tenant of Entra's
// stands for both of its issuers.
func (s setup) settings(t *testing.T) []string {
	t.Helper()
	u, err := url.Parse(s.metadata)
	if err != nil {
		t.Fatal(err)
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return []string{"ENTRA_TENANT_IDS=" + tenant, "OIDC_AUDIENCES=" + s.audience}
}

// private is the document's API with this authorizer.
func (w *world) private(function *lambdaruntime.Runtime) *front {
	w.t.Helper()
	return w.serve(function, gateway.Config{Flavour: gateway.HTTPv2, ARN: privateARN, Stages: []string{httpStage}, AuthorizerTTL: time.Hour})
}

func setUpAlike(w *world) {
	w.t.Helper()
	for _, kind := range []string{"/v2.0", ""} { // the portal shows one or the other
		s := setup{w.provider.Authority() + "/" + w.provider.TenantID() + kind + "/.well-known/openid-configuration", w.provider.Audience()}
		res := w.send(http.MethodGet, w.provider.Authority(), strings.TrimPrefix(s.metadata, w.provider.Authority()), "")
		if issuer, _ := member(w.t, []byte(res.body), "issuer").(string); !strings.Contains(issuer, w.provider.TenantID()) {
			w.t.Fatalf("the metadata document is of %q", issuer)
		}
		f := w.private(w.start(authorizer, lambdaruntime.Options{}, s.settings(w.t)...))
		f.want("1. without an Authorization header", "GET", accounts, "", 401)
		for _, version := range []string{"1.0", "2.0"} {
			f.want("2. with a valid one, v"+version, "GET", accounts, w.mint(idp.Spec{Version: version, Scopes: []string{setupScope}}), 200)
		}
	}
}

// asTheNativeOne asks both about the same tokens. Where they differ, it is on
// purpose: the native one has one issuer, and asks for no scope.
func asTheNativeOne(w *world) {
	w.t.Helper()
	native := w.serveHTTPAPI(&httpAPI{authorizer: jwtAuthorizer{
		issuer: w.provider.Authority() + "/" + w.provider.TenantID() + "/v2.0", audiences: []string{w.provider.Audience()},
	}})
	ours := w.private(w.authorizer())
	good := idp.Spec{Scopes: []string{setupScope}}
	change := func(with func(*idp.Spec)) string {
		s := good
		with(&s)
		return w.mint(s)
	}
	for name, row := range map[string]struct {
		authorization string
		native, ours  int
	}{
		"valid":                {w.mint(good), 200, 200},
		"no header":            {"", 401, 401},
		"no JWT":               {"Bearer ThisIsNotAJWT", 401, 401},
		"forged":               {change(func(s *idp.Spec) { s.Forged = true }), 401, 401},
		"unsigned":             {change(func(s *idp.Spec) { s.Header = map[string]any{"alg": "none"} }), 401, 401},
		"without kid":          {change(func(s *idp.Spec) { s.Header = map[string]any{"kid": nil} }), 401, 401},
		"over":                 {change(func(s *idp.Spec) { s.Expired = true }), 401, 401},
		"not yet":              {change(func(s *idp.Spec) { s.NotBefore = time.Hour / 2 }), 401, 401},
		"of the future":        {change(func(s *idp.Spec) { s.IssuedAt = time.Hour / 2 }), 401, 401},
		"of another API":       {change(func(s *idp.Spec) { s.Audience = "api://billing" }), 401, 401},
		"without audience":     {change(func(s *idp.Spec) { s.Extra = map[string]any{"aud": nil} }), 401, 401},
		"of another tenant":    {change(func(s *idp.Spec) { s.TenantID = "9188040d-6c67-4c5b-b112-36a304b66dad" }), 401, 401},
		"of the v1 issuer":     {change(func(s *idp.Spec) { s.Version = "1.0" }), 401, 200},
		"of another scope":     {change(func(s *idp.Spec) { s.Scopes = []string{"Other"} }), 200, 403},
		"client_id for no aud": {change(func(s *idp.Spec) { s.Extra = map[string]any{"aud": nil, "client_id": w.provider.Audience()} }), 200, 401},
	} {
		if got := w.send(http.MethodGet, native.url, accounts, row.authorization); got.status != row.native {
			w.t.Errorf("%s: the native authorizer: %d, want %d", name, got.status, row.native)
		}
		ours.want(name, "GET", accounts, row.authorization, row.ours)
	}
}

// withoutRedeploying: the same process of the function, an answer kept for an hour,
// and a change of the table by the command.
func withoutRedeploying(w *world, p *plane, a *httpAPI) {
	w.t.Helper()
	f := w.private(w.authorizer())
	p.serves(privateID, f)
	reader, both := w.mint(idp.Spec{Scopes: []string{setupScope}}), w.mint(idp.Spec{Scopes: []string{setupScope, laterScope}})
	f.want("before", "GET", accounts, reader, 200)
	f.want("a route that nobody has named", "GET", invoices, both, 403)

	out := w.through(a, "", "permissions", "add", "GET", "invoices/{id}", "--scope", laterScope, "--api", privateARN, "--stage", httpStage, "--json")
	f.want("a new route and a new scope", "GET", invoices, both, 200)
	f.want("not for others", "GET", invoices, reader, 403)
	f.want("what there was", "GET", accounts, reader, 200)

	id, _ := member(w.t, []byte(out), "id").(string)
	w.through(a, "", "permissions", "delete", id, "--api", privateARN, "--stage", httpStage)
	f.want("taken away again", "GET", invoices, both, 403)
	f.want("what there was", "GET", accounts, both, 200)
}

// adminBehindIt: what the native authorizer refuses does not reach the function.
func adminBehindIt(w *world, a *httpAPI) {
	w.t.Helper()
	change := func(with func(*idp.Spec)) string {
		s := adminToken()
		with(&s)
		return w.mint(s)
	}
	for name, row := range map[string]struct {
		path, authorization string
		status              int
		passes              int64
	}{
		"public: health":             {healthPath, "", 200, 1},
		"public: OpenAPI document":   {openAPIPath, "", 200, 1},
		"an admin":                   {"/v1/apis", w.mint(adminToken()), 200, 1},
		"no token":                   {"/v1/apis", "", 401, 0},
		"for the APIs, not for this": {"/v1/apis", change(func(s *idp.Spec) { s.Audience = "" }), 401, 0},
		"of another tenant":          {"/v1/apis", change(func(s *idp.Spec) { s.TenantID = "9188040d-6c67-4c5b-b112-36a304b66dad" }), 401, 0},
		"over":                       {"/v1/apis", change(func(s *idp.Spec) { s.Expired = true }), 401, 0},
		"of the v1 issuer, which the native authorizer is not set up with": {"/v1/apis", change(func(s *idp.Spec) { s.Version = "1.0" }), 401, 0},
		"without the scope, which the function asks for":                   {"/v1/revocations", change(func(s *idp.Spec) { s.Scopes = []string{"Other"} }), 403, 1},
	} {
		before := a.passed.Load()
		if got := w.send(http.MethodGet, a.url, row.path, row.authorization); got.status != row.status {
			w.t.Errorf("%s: %d %s, want %d", name, got.status, got.body, row.status)
		}
		if got := a.passed.Load() - before; got != row.passes {
			w.t.Errorf("%s: %d requests reached the function, want %d", name, got, row.passes)
		}
	}
}

// adminAlone hands events to the function as if the native authorizer were not there,
// or had let through what it should not: claims beside the request prove nothing.
func adminAlone(w *world, a *httpAPI) {
	w.t.Helper()
	claims, err := w.provider.Claims(adminToken())
	w.must(err)
	forged := adminToken()
	forged.Forged = true
	for name, row := range map[string]struct {
		authorization string
		status        int
	}{
		"claims and no token":       {"", 401},
		"claims and a forged token": {w.mint(forged), 401},
		"claims and their token":    {w.mint(adminToken()), 200},
	} {
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, a.url+"/v1/apis", http.NoBody)
		w.must(err)
		if row.authorization != "" {
			r.Header.Set("Authorization", row.authorization)
		}
		event, err := proxyEvent(r, "ANY /{proxy+}", claims)
		w.must(err)
		out, err := a.function.Invoke(w.t.Context(), event)
		w.must(err)
		var got struct{ StatusCode int }
		w.must(json.Unmarshal(out, &got))
		if got.StatusCode != row.status {
			w.t.Errorf("%s: %d, want %d", name, got.StatusCode, row.status)
		}
	}
}
