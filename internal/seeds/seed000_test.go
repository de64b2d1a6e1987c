package seeds_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/idp"
)

// The HTTP API of documents 000 and 001.
const (
	httpARN   = "arn:aws:execute-api:us-east-1:219852565112:a1b2c3d4e5"
	httpStage = "$default"
)

// permissions writes permissions of one API, each "METHOD resource: scope scope".
func permissions(arn, stage string, lines ...string) string {
	var list []string
	for _, line := range lines {
		route, scope, _ := strings.Cut(line, ": ")
		method, resource, _ := strings.Cut(route, " ")
		list = append(list, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":%q,"resource":%q,"scope":%q}`, arn, stage, method, resource, scope))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// The routes of 000: its own, and the others that it only speaks of ("if different
// scopes are required for different parts of the API").
var routes000 = permissions(httpARN, httpStage, "GET auth: Auth.Read", "POST auth: Auth.Write", "GET reports: Auth.Read Reports.Read")

// TestSeed000HTTPAPIWithEntraV1Tokens: an HTTP API with the route GET /auth and a
// Lambda authorizer that answers with IAM policies; Entra v1 tokens of the sts
// issuer for an api:// audience; whatever is no good gets deny-all; scp says what
// is open.
//
// It differs from the document on purpose: there any scp opens */*.
func TestSeed000HTTPAPIWithEntraV1Tokens(t *testing.T) {
	w := newWorld(t)
	w.load(routes000)
	function := w.authorizer("INVALID_TOKEN=deny")
	for _, flavour := range []gateway.Flavour{gateway.HTTPv2, gateway.HTTPv1} {
		t.Run(flavour.String(), func(t *testing.T) {
			f := w.in(t).serve(function, gateway.Config{Flavour: flavour, ARN: httpARN, Stages: []string{httpStage}, AuthorizerTTL: 300 * time.Second})
			scopesPerRoute(f)
			oneAnswerServesEveryRoute(f)
			denyAllByDefault(f)
		})
	}
}

// v1 is a token as the document's: issuer sts.windows.net, audience api://….
func v1(scopes ...string) idp.Spec { return idp.Spec{Version: "1.0", Scopes: scopes} }

func scopesPerRoute(f *front) {
	f.w.t.Helper()
	claims, err := f.w.provider.Claims(v1("x"))
	f.w.must(err)
	if claims["iss"] != f.w.provider.STS()+"/"+f.w.provider.TenantID()+"/" || claims["ver"] != "1.0" || !strings.HasPrefix(claims["aud"].(string), "api://") {
		f.w.t.Fatalf("the provider's v1 tokens are none: %v", claims)
	}
	for _, row := range []struct {
		scopes     []string
		method     string
		path       string
		wantStatus int
	}{
		{[]string{"Auth.Read"}, "GET", "/auth", 200},
		{[]string{"Auth.Read"}, "GET", "/auth?a=b", 200},
		{[]string{"Auth.Read"}, "POST", "/auth", 403},
		{[]string{"Auth.Read"}, "GET", "/reports", 403}, // needs both
		{[]string{"Reports.Read"}, "GET", "/reports", 403},
		{[]string{"Auth.Read", "Reports.Read"}, "GET", "/reports", 200},
		{[]string{"Auth.Read", "Auth.Write"}, "POST", "/auth", 200},
		{[]string{"Auth.Write"}, "GET", "/auth", 403},
		{[]string{"Auth.Readable", "auth.read"}, "GET", "/auth", 403}, // scopes are exact
		{[]string{"Other"}, "GET", "/auth", 403},
		{[]string{"Auth.Read"}, "GET", "/authors", 403},
		{[]string{"Auth.Read"}, "GET", "/auth/deeper", 403},
		{[]string{"Auth.Read"}, "GET", "/", 403},
	} {
		f.want(strings.Join(row.scopes, " "), row.method, row.path, f.w.mint(v1(row.scopes...)), row.wantStatus)
	}
	slash := v1("Auth.Read")
	slash.Audience = f.w.provider.Audience() + "/"
	f.want("the audience with a slash, as Entra may write it", "GET", "/auth", f.w.mint(slash), 200)
}

// oneAnswerServesEveryRoute: API Gateway keeps the caller's whole policy.
func oneAnswerServesEveryRoute(f *front) {
	f.w.t.Helper()
	token, before := f.w.mint(v1("Auth.Read", "Auth.Write")), f.calls()
	a := f.want("first", "GET", "/auth", token, 200)
	wantJSON(f.w.t, "scp for the service behind", member(f.w.t, []byte(a.body), "requestContext", "authorizer", "scp"), `"Auth.Read Auth.Write"`)
	f.want("kept", "POST", "/auth", token, 200)
	f.want("kept", "GET", "/reports", token, 403)
	f.want("kept", "GET", "/auth", token, 200)
	f.wantCalls("one token, three routes", before, 1)
}

// denyAllByDefault: the document's default answer, word for word.
func denyAllByDefault(f *front) {
	f.w.t.Helper()
	elsewhere, other, noScope := v1("Auth.Read"), v1("Auth.Read"), v1()
	elsewhere.TenantID, other.Audience = "9188040d-6c67-4c5b-b112-36a304b66dad", "api://billing"
	forged, expired := v1("Auth.Read"), v1("Auth.Read")
	forged.Forged, expired.Expired = true, true
	for name, authorization := range map[string]string{
		"forged": f.w.mint(forged), "expired": f.w.mint(expired), "another audience": f.w.mint(other), "another tenant": f.w.mint(elsewhere),
		"without scp": f.w.mint(noScope), "no Bearer": "Basic dXNlcjpwYXNz", "no token": "Bearer ", "no JWT": "Bearer ThisIsNotAJWT",
	} {
		before := f.calls()
		a := f.want(name, "GET", "/auth", authorization, 403)
		if !strings.Contains(a.body, "explicit deny") {
			f.w.t.Errorf("%s: %s", name, a.body)
		}
		f.wantCalls(name, before, 1)
		wantJSON(f.w.t, name, member(f.w.t, f.answered()), denyAll)
	}
	before := f.calls()
	f.want("no header", "GET", "/auth", "", 401)
	f.wantCalls("no header: API Gateway answers by itself", before, 0)
}
