package seeds_test

import (
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/idp"
)

const (
	jobsARN   = "arn:aws:execute-api:eu-west-1:219852565112:j0bs000002"
	jobsStage = "prod"
	longest   = time.Hour // the most that API Gateway keeps an answer for
)

const jobs = `[
	{"arn": "` + jobsARN + `", "stage": "prod", "httpVerb": "POST", "resource": "jobs", "role": "Jobs.Run", "principalType": "app"},
	{"arn": "` + jobsARN + `", "stage": "prod", "httpVerb": "GET", "resource": "jobs/{id}", "role": "Jobs.Read"},
	{"arn": "` + jobsARN + `", "stage": "prod", "httpVerb": "DELETE", "resource": "jobs/{id}", "role": "Jobs.Admin"}]`

// TestSeed002RESTAuthorizerForAzureApps: Azure applications, by their service
// principals, call a REST API with a TOKEN authorizer; it verifies RS256 by the keys
// of the JWKS, iss and aud, and API Gateway keeps its policy for up to 3600 s.
func TestSeed002RESTAuthorizerForAzureApps(t *testing.T) {
	w := newWorld(t)
	w.load(jobs)
	function := w.authorizer()
	serve := func(t *testing.T) *front {
		return w.in(t).serve(function, gateway.Config{Flavour: gateway.RESTToken, ARN: jobsARN, Stages: []string{jobsStage}, AuthorizerTTL: longest})
	}
	t.Run("roles of app-only tokens open routes", func(t *testing.T) { rolesOpenRoutes(serve(t)) })
	t.Run("what is not of this issuer for this audience is refused", func(t *testing.T) { wrongTokens(serve(t)) })
	t.Run("a policy is kept for an hour", func(t *testing.T) { keptForAnHour(serve(t)) })
	t.Run("a kept policy ends with its token", func(t *testing.T) { endsWithItsToken(serve(t)) })
	t.Run("a new key is found", func(t *testing.T) { newKey(serve(t)) })
}

func app(roles ...string) idp.Spec { return idp.Spec{App: true, Roles: roles, Life: 2 * time.Hour} }

func rolesOpenRoutes(f *front) {
	for _, version := range []string{"1.0", "2.0"} {
		runner, reader := app("Jobs.Run"), app("Jobs.Read")
		runner.Version, reader.Version = version, version
		run, read := f.w.mint(runner), f.w.mint(reader)
		f.want(version, "POST", "/prod/jobs", run, 200)
		f.want(version, "GET", "/prod/jobs/7", run, 403)
		f.want(version, "GET", "/prod/jobs/7", read, 200)
		f.want(version, "DELETE", "/prod/jobs/7", read, 403)
		f.want(version, "POST", "/prod/jobs", read, 403)
	}
	f.want("no role of this API", "POST", "/prod/jobs", f.w.mint(app("Other")), 403)
	user := idp.Spec{Scopes: []string{"x"}, Roles: []string{"Jobs.Run", "Jobs.Read"}}
	f.want("a user with the app's role", "POST", "/prod/jobs", f.w.mint(user), 403)
	f.want("a user, where the permission asks for none", "GET", "/prod/jobs/7", f.w.mint(user), 200)
	a := f.want("who asks, for the service behind", "POST", "/prod/jobs", f.w.mint(app("Jobs.Run")), 200)
	wantJSON(f.w.t, "the app", member(f.w.t, []byte(a.body), "requestContext", "authorizer", "appid"), `"`+idp.DefaultAppID+`"`)
	wantJSON(f.w.t, "its kind", member(f.w.t, []byte(a.body), "requestContext", "authorizer", "principalType"), `"app"`)
}

// wrongTokens are each asked about by the function, which says the one word that
// API Gateway answers 401 to; API Gateway keeps no refusal.
func wrongTokens(f *front) {
	change := func(with func(*idp.Spec)) string {
		s := app("Jobs.Run")
		with(&s)
		return f.w.mint(s)
	}
	for name, authorization := range map[string]string{
		"iss of another tenant": change(func(s *idp.Spec) { s.TenantID = "9188040d-6c67-4c5b-b112-36a304b66dad" }),
		"iss of nobody":         change(func(s *idp.Spec) { s.Issuer = "https://issuer.example/" }),
		"aud of another API":    change(func(s *idp.Spec) { s.Audience = "api://billing" }),
		"another key":           change(func(s *idp.Spec) { s.Forged = true }),
		"another algorithm":     change(func(s *idp.Spec) { s.Header = map[string]any{"alg": "HS256"} }),
		"unsigned":              change(func(s *idp.Spec) { s.Header = map[string]any{"alg": "none"} }),
		"without a key id":      change(func(s *idp.Spec) { s.Header = map[string]any{"kid": nil} }),
		"over":                  change(func(s *idp.Spec) { s.Expired = true }),
		"without roles":         change(func(s *idp.Spec) { s.Roles = nil }),
	} {
		before := f.calls()
		for range 2 {
			if a := f.want(name, "POST", "/prod/jobs", authorization, 401); a.body != `{"message":"Unauthorized"}` {
				f.w.t.Errorf("%s: %s", name, a.body)
			}
		}
		f.wantCalls(name, before, 2)
	}
	f.want("no token", "POST", "/prod/jobs", "", 401)
}

func keptForAnHour(f *front) {
	run, other, before := f.w.mint(app("Jobs.Run", "Jobs.Read")), f.w.mint(app("Jobs.Run")), f.calls()
	f.want("first", "POST", "/prod/jobs", run, 200)
	for _, after := range []time.Duration{time.Minute, 30 * time.Minute, 50 * time.Minute} {
		f.w.ahead.Store(int64(after))
		f.want("kept", "POST", "/prod/jobs", run, 200)
		f.want("kept, another route", "GET", "/prod/jobs/8", run, 200)
		f.want("kept, and denied", "DELETE", "/prod/jobs/8", run, 403)
	}
	f.wantCalls("one token within the hour", before, 1)
	f.want("another token has an answer of its own", "POST", "/prod/jobs", other, 200)
	f.wantCalls("another token", before, 2)
	f.w.ahead.Store(int64(longest))
	f.want("after the hour", "POST", "/prod/jobs", run, 200)
	f.wantCalls("after the hour", before, 3)
}

// endsWithItsToken: API Gateway would keep it for longer, and asks nobody.
func endsWithItsToken(f *front) {
	short := app("Jobs.Run")
	short.Life = 20 * time.Minute
	run, before := f.w.mint(short), f.calls()
	f.want("first", "POST", "/prod/jobs", run, 200)
	f.w.ahead.Store(int64(18 * time.Minute))
	f.want("before its end", "POST", "/prod/jobs", run, 200)
	f.w.ahead.Store(int64(21*time.Minute + time.Second)) // exp and CLOCK_SKEW
	f.want("after its end", "POST", "/prod/jobs", run, 403)
	f.wantCalls("kept all the while", before, 1)
}

func newKey(f *front) {
	old := f.w.mint(app("Jobs.Run"))
	f.w.must(f.w.provider.Rotate())
	f.want("under the key that the provider has just begun to use", "POST", "/prod/jobs", f.w.mint(app("Jobs.Run")), 200)
	f.want("under the one before", "POST", "/prod/jobs", old, 200)
}
