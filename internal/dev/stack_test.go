package dev_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"scopegate/internal/dev"
	"scopegate/internal/idp"
	"scopegate/mapping"
)

func TestBothFlavoursAnswerTheOriginalsExample(t *testing.T) {
	s := start(t, dev.Options{TokenRegex: dev.DefaultTokenRegex, AuthorizerTTL: 5 * time.Minute})
	denied := "User is not authorized to access this resource with an explicit deny"
	for name, base := range map[string]string{"REST": s.RESTURL, "HTTP": s.HTTPURL} {
		for _, c := range []struct {
			promise string
			path    string
			bearer  string
			status  int
			body    string
			line    string
		}{
			{"held", "/dev/my-resource", s.user(t, "email"), 200, `"scp":"email"`, "200 called    GET /dev/my-resource  (held_route GET /my-resource)"},
			{"not held", "/dev/my-resource", s.user(t, "other"), 403, denied, "403 called    GET /dev/my-resource  (not_held GET /my-resource)"},
			{"v1", "/dev/my-resource", s.mint(t, url.Values{"scopes": {"email"}, "version": {"1.0"}}), 200, "", "200 called"},
			{"expired", "/dev/my-resource", s.mint(t, url.Values{"scopes": {"email"}, "expired": {"true"}}), 401, `{"message":"Unauthorized"}`, "401 called    GET /dev/my-resource  (expired)"},
			{"forged", "/dev/my-resource", s.mint(t, url.Values{"scopes": {"email"}, "forged": {"true"}}), 401, `{"message":"Unauthorized"}`, "(signature)"},
			{"no token", "/dev/my-resource", "", 401, `{"message":"Unauthorized"}`, "401 no call   GET /dev/my-resource"},
			{"no stage", "/prod/my-resource", s.user(t, "email"), map[string]int{"REST": 403, "HTTP": 404}[name], "", "no call   GET /prod/my-resource"},
			{"query", "/dev/my-resource?secret=1", s.user(t, "email"), 200, `"query":"secret=1"`, "GET /dev/my-resource  ("},
		} {
			status, body := raw(t, base, "GET", c.path, c.bearer)
			if status != c.status || !strings.Contains(body, c.body) {
				t.Errorf("%s, %s: %d %s", name, c.promise, status, body)
			}
			if line := s.log.last(); !strings.Contains(line, " "+name) || !strings.Contains(line, c.line) {
				t.Errorf("%s, %s: logged %q, want %q", name, c.promise, line, c.line)
			}
		}
	}
	if status, _ := raw(t, s.RESTURL, "GET", "/dev/my-resource", "ThisIsNotAJWT"); status != 401 || !strings.Contains(s.log.last(), "401 no call") {
		t.Errorf("no JWT: %d, logged %q", status, s.log.last())
	}
}

func TestASecondRouteIsAnsweredFromTheCachedPolicyWithoutACall(t *testing.T) {
	s := start(t, dev.Options{AuthorizerTTL: 5 * time.Minute})
	for _, base := range []string{s.RESTURL, s.HTTPURL} {
		token := s.user(t, "email orders.read")
		for _, c := range []struct{ path, line string }{
			{"/dev/my-resource", "200 called"}, {"/dev/orders/7", "200 cached"}, {"/dev/orders/export", "403 cached"}, {"/dev/nothing", "403 cached"},
		} {
			raw(t, base, "GET", c.path, token)
			if line := s.log.last(); !strings.Contains(line, c.line) {
				t.Errorf("GET %s%s: logged %q, want %q", base, c.path, line, c.line)
			}
		}
	}
}

func TestNoSpellingOfAPathOpensWhatIsNotHeld(t *testing.T) {
	seeds, err := dev.Seeds()
	if err != nil {
		t.Fatal(err)
	}
	table, err := mapping.NewTable(mapping.Source{API: dev.SeedAPI, Permissions: seeds,
		Trust: []mapping.Trust{{Tenant: idp.DefaultTenantID, Audiences: []string{idp.DefaultAudience}}}})
	if err != nil {
		t.Fatal(err)
	}
	// All of these mean, to somebody on the way, a route that is not held.
	hostile := []string{
		"/orders/export", "/orders/export/", "/orders//export", "//orders/export", "/orders/export//", "/./orders/export",
		"/orders/./export", "/orders/7/../export", "/orders/%65xport", "/orders/%65%78port", "/orders/%2565xport", "/orders/exp%6Frt/",
		"/orders/%2e%2e/orders/export", "/orders%2Fexport", "/orders/x%2f../export", "/orders/%2e%2e%2Fexport", "/orders/..", "/my-resource/", "/my-resource//", "//my-resource",
		"/m%79-resource", "/*", "/?", "/my-*", "/*/export", "/orders/*/export", "/my-resource/..", "/orders/7/secret", "/orders/", "/orders", "/",
		"/orders/$export", "/ORDERS/7", "/orders/7;/../export", `/orders\export`, "/orders/export%00", "/orders/%", "/orders/ex%70ort?/",
		// An encoded slash that makes a dot segment or an empty one.
		"/orders/%2Fexport", "/orders/x%2F..%2Fexport", "/orders/x%2F%2Fexport", "/orders/x%2F.%2Fexport", "/orders/..%2Fexport", "/orders/x%2F..",
	}
	s := start(t, dev.Options{AuthorizerTTL: 5 * time.Minute})
	for _, scopes := range []string{"orders.read", "other"} {
		caller := mapping.Caller{Issuer: "i", Tenant: idp.DefaultTenantID, Audience: idp.DefaultAudience, Scopes: strings.Fields(scopes)}
		for name, base := range map[string]string{"REST": s.RESTURL, "HTTP": s.HTTPURL} {
			cached := s.user(t, scopes)
			raw(t, base, "GET", "/dev/orders/1", cached)
			for _, path := range hostile {
				seen, _, _ := strings.Cut(path, "?")
				if decoded, err := url.PathUnescape(seen); name == "HTTP" && err == nil {
					seen = decoded
				}
				permitted := table.Permits(caller, "GET", seen, s.clock.now())
				for how, token := range map[string]string{"cached": cached, "called": s.user(t, scopes)} {
					status, _ := raw(t, base, "GET", "/dev"+path, token)
					if status == http.StatusOK && !permitted {
						t.Errorf("%s, %s, %s: GET %s is open", name, scopes, how, path)
					}
					if strings.Contains(path, "xport") && status == http.StatusOK && !strings.Contains(path, "%25") && !strings.Contains(path, "$") && !strings.Contains(path, `\`) && !strings.Contains(path, "%00") {
						t.Errorf("%s, %s, %s: GET %s opens the export", name, scopes, how, path)
					}
				}
			}
		}
	}
}

// document reads the seeds' table over the admin API.
func (s *stack) document(t *testing.T) (doc map[string]any, etag, bearer string) {
	t.Helper()
	bearer = s.mint(t, url.Values{"audience": {s.AdminAudience}, "scopes": {s.AdminScope}, "roles": {s.AdminRole}})
	r := request(t, http.MethodGet, s.AdminURL+"/v1/apis/rz8w6b1ik2/dev/document", "")
	r.Header.Set("Authorization", "Bearer "+bearer)
	status, header, body := send(t, r)
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != http.StatusOK {
		t.Fatalf("document: %d %v %s", status, err, body)
	}
	return doc, header.Get("ETag"), bearer
}

func (s *stack) open(t *testing.T, resource, scope string) {
	t.Helper()
	doc, etag, bearer := s.document(t)
	doc["permissions"] = append(doc["permissions"].([]any), map[string]any{
		"arn": dev.SeedAPI.ARN, "stage": dev.SeedAPI.Stage, "httpVerb": "GET", "resource": resource, "scope": scope})
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, http.MethodPut, s.AdminURL+"/v1/apis/rz8w6b1ik2/dev/document", string(b))
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-Match", etag)
	if status, _, body := send(t, r); status != http.StatusOK {
		t.Fatalf("PUT document: %d %s", status, body)
	}
}

func TestANewMappingCountsAfterCacheTTLForNewCallersAndAfterTheGatewaysForCachedOnes(t *testing.T) {
	s := start(t, dev.Options{AuthorizerTTL: 5 * time.Minute, Environ: []string{"CACHE_TTL=30s", "FLUSH_AUTHORIZER_CACHE=off"}})
	status := func(token string) int {
		status, _ := raw(t, s.RESTURL, "GET", "/dev/invoices", token)
		return status
	}
	first := s.user(t, "email")
	if got := status(first); got != 403 {
		t.Fatalf("before the import: %d", got)
	}
	s.open(t, "invoices", "email")
	s.clock.advance(29 * time.Second)
	if got := status(s.user(t, "email")); got != 403 {
		t.Errorf("a new caller within CACHE_TTL: %d, want 403 from the authorizer's table", got)
	}
	s.clock.advance(2 * time.Second)
	if got := status(s.user(t, "email")); got != 200 {
		t.Errorf("a new caller after CACHE_TTL: %d, want 200", got)
	}
	if got := status(first); got != 403 {
		t.Errorf("a cached caller after CACHE_TTL: %d, want 403 from the cached policy", got)
	}
	s.clock.advance(5 * time.Minute)
	if got := status(first); got != 200 {
		t.Errorf("a cached caller after the gateway's TTL: %d, want 200", got)
	}
}

func TestOnlyLoopbackNamesReachAdminAndProvider(t *testing.T) {
	s := start(t, dev.Options{})
	for base, path := range map[string]string{s.AdminURL: "/dev", s.IssuerURL: "/" + s.Tenant + "/v2.0/.well-known/openid-configuration"} {
		for host, want := range map[string]int{
			"127.0.0.1": 200, "localhost:1234": 200, "[::1]:80": 200, "LOCALHOST": 200,
			"rebound.example": 421, "127.0.0.1.example:8082": 421, "localhost.example": 421, "10.0.0.1": 421,
		} {
			r := request(t, http.MethodGet, base+path, "")
			r.Host = host
			if status, _, body := send(t, r); status != want {
				t.Errorf("GET %s for host %s: %d, want %d: %s", path, host, status, want, body)
			}
		}
	}
	if status, _, _ := send(t, request(t, http.MethodPost, s.AdminURL+"/dev", "")); status != http.StatusMethodNotAllowed {
		t.Errorf("POST /dev: %d", status)
	}
	if status, _, body := send(t, request(t, http.MethodGet, s.AdminURL+"/healthz", "")); status != 200 || !strings.Contains(body, "ok") {
		t.Errorf("GET /healthz: %d %s", status, body)
	}
}

func TestACallersTokenIsNoAdminsToken(t *testing.T) {
	s := start(t, dev.Options{})
	for name, c := range map[string]struct {
		form url.Values
		want int
	}{
		"caller's audience":     {url.Values{"scopes": {s.AdminScope}, "roles": {s.AdminRole}}, 401},
		"without the role":      {url.Values{"audience": {s.AdminAudience}, "scopes": {s.AdminScope}}, 403},
		"without the scope":     {url.Values{"audience": {s.AdminAudience}, "scopes": {"email"}, "roles": {s.AdminRole}}, 403},
		"app with the role":     {url.Values{"audience": {s.AdminAudience}, "roles": {s.AdminRole}}, 200},
		"user with both":        {url.Values{"audience": {s.AdminAudience}, "scopes": {s.AdminScope}, "roles": {s.AdminRole}}, 200},
		"expired":               {url.Values{"audience": {s.AdminAudience}, "scopes": {s.AdminScope}, "roles": {s.AdminRole}, "expired": {"true"}}, 401},
		"admin at the gateway?": {url.Values{"audience": {s.AdminAudience}, "scopes": {s.AdminScope}, "roles": {s.AdminRole}, "forged": {"true"}}, 401},
	} {
		r := request(t, http.MethodGet, s.AdminURL+"/v1/apis/rz8w6b1ik2/dev/document", "")
		r.Header.Set("Authorization", "Bearer "+s.mint(t, c.form))
		if status, _, body := send(t, r); status != c.want {
			t.Errorf("%s: %d, want %d: %s", name, status, c.want, body)
		}
	}
	admin := s.mint(t, url.Values{"audience": {s.AdminAudience}, "scopes": {"email"}, "roles": {s.AdminRole}})
	if status, _ := raw(t, s.RESTURL, "GET", "/dev/my-resource", admin); status != 401 {
		t.Errorf("an admin's token opens the API: %d", status)
	}
}

func TestTheBackendLearnsWhoCalls(t *testing.T) {
	var got http.Header
	var path string
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, path = r.Header.Clone(), r.RequestURI
		w.WriteHeader(http.StatusTeapot)
	}))
	defer backend.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	target, err := url.Parse(backend.URL + "/base")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dev.Options{Backend: target})
	status, _ := raw(t, s.RESTURL, "GET", "/dev/orders/a%20b?q=1", s.user(t, "orders.read"))
	if status != http.StatusTeapot || path != "/base/orders/a%20b?q=1" || got.Get("X-Scopegate-Principal-Id") != idp.DefaultTenantID+":"+idp.DefaultObjectID || got.Get("X-Scopegate-Scp") != "orders.read" {
		t.Errorf("backend got %s %v, answered %d", path, got, status)
	}
	if status, _ := raw(t, s.RESTURL, "GET", "/dev/orders/export", s.user(t, "orders.read")); status != 403 || path != "/base/orders/a%20b?q=1" {
		t.Errorf("a denied call: %d, backend got %s", status, path)
	}
}

func TestTheSettingsOfTheEnvironmentCountButForIdentity(t *testing.T) {
	s := start(t, dev.Options{Environ: []string{
		"CACHE_TTL=7s", "INVALID_TOKEN=deny", "ENTRA_TENANT_IDS=22222222-2222-4333-8444-555555555555", "OIDC_ISSUERS=https://elsewhere.example", "OIDC_AUDIENCES=api://mine",
	}})
	if s.CacheTTL != "7s" {
		t.Errorf("CACHE_TTL is %s", s.CacheTTL)
	}
	if got := strings.Join(s.Ignored(), " "); got != "ENTRA_TENANT_IDS OIDC_ISSUERS OIDC_AUDIENCES" {
		t.Errorf("replaced: %s", got)
	}
	if status, body := raw(t, s.RESTURL, "GET", "/dev/my-resource", "x.y.z"); status != 403 || !strings.Contains(body, "explicit deny") {
		t.Errorf("INVALID_TOKEN=deny: %d %s", status, body)
	}
	if status, _ := raw(t, s.RESTURL, "GET", "/dev/my-resource", s.user(t, "email")); status != 200 {
		t.Errorf("a token of the local provider: %d", status)
	}
}

func TestWrongOptionsAreAllNamedAtOnce(t *testing.T) {
	_, err := dev.Start(t.Context(), dev.Options{
		RESTAddr: "here", AdminAddr: "192.0.2.1:0", AuthorizerTTL: 2 * time.Hour, Data: "d",
		Environ: []string{"AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1", "HTTP_API_RESPONSE=simple"},
	})
	if !errors.Is(err, dev.ErrOptions) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"--rest-addr", "--admin-addr", "--authorizer-ttl", "--data", "HTTP_API_RESPONSE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestALineHoldsNothingThatMovesTheCursor(t *testing.T) {
	s := start(t, dev.Options{})
	raw(t, s.RESTURL, "GET", "/dev/\xc2\x9b2J\xe2\x80\xae"+strings.Repeat("a", 500), s.user(t, "email"))
	line := s.log.last()
	if strings.ContainsAny(line, "\x1b\u009b\u202e") || len(line) > 400 {
		t.Errorf("logged %q", line)
	}
}

func TestTheLineOfARequestSaysThatTheBackendIsDown(t *testing.T) {
	s := start(t, dev.Options{Backend: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
	for base, want := range map[string]int{s.RESTURL: http.StatusBadGateway, s.HTTPURL: http.StatusServiceUnavailable} {
		status, body := raw(t, base, "GET", "/dev/my-resource", s.user(t, "email"))
		if status != want || !strings.HasPrefix(body, `{"message":`) {
			t.Errorf("%d %s, want %d", status, body, want)
		}
		if line := s.log.last(); !strings.Contains(line, "(allowed, but the backend failed: dial tcp 127.0.0.1:1") {
			t.Errorf("logged %q", line)
		}
	}
}
