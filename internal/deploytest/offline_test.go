//go:build deploy

package deploytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"scopegate/internal/idp"
)

// flavour is one way in which serverless-offline asks the authorizer. Each has
// its routes under a prefix of its own.
type flavour struct {
	prefix, path, shape string
	http, simple        bool
}

var flavours = []flavour{
	{prefix: "token", path: "/dev/token/", shape: "TOKEN"},
	{prefix: "request", path: "/dev/request/", shape: "REQUEST"},
	{prefix: "payload1", path: "/payload1/", shape: "REQUEST 1.0", http: true},
	{prefix: "payload2", path: "/payload2/", shape: "REQUEST 2.0", http: true},
	{prefix: "simple", path: "/simple/", shape: "REQUEST 2.0", http: true, simple: true},
}

// callers are the tokens that the rows send.
var callers = map[string]idp.Spec{
	"reader":    {Scopes: []string{"email", "orders.read", "files.read"}},
	"reader v1": {Version: "1.0", Scopes: []string{"email", "orders.read"}},
	"clerk":     {Scopes: []string{"orders.read", "orders.export"}},
	"app":       {App: true, Roles: []string{"Jobs.Run"}},
	"stranger":  {Scopes: []string{"calendar"}},
	"expired":   {Scopes: []string{"email"}, Expired: true},
	"forged":    {Scopes: []string{"email"}, Forged: true},
	"elsewhere": {Scopes: []string{"email"}, Audience: "api://billing"},
	"foreign":   {Scopes: []string{"email"}, TenantID: "9188040d-6c67-4c5b-b112-36a304b66dad"},
}

// row is a request with the answer that it must get, and what the bootstrap must
// have said. Of a status alone nothing follows: a gateway that cannot reach the
// authorizer refuses everything.
type row struct {
	caller, method, path string
	status               int
	says                 string // the bootstrap's errorMessage; "" is an answer
	unasked              bool   // API Gateway refuses without asking
}

// notWhole is the failure of a simple response that would answer more than the
// caller holds.
const notWhole = "scopegate: simple_response_needs_whole_route_key"

// rows are the same for every flavour, but for orders/{id} of simple responses:
// who does not hold orders/export does not hold the whole of that route key.
func (f flavour) rows() []row {
	single := row{"reader", "GET", "orders/7", 200, "", false}
	if f.simple {
		single = row{"reader", "GET", "orders/7", 401, notWhole, false}
	}
	return []row{
		single,
		{"reader", "GET", "mail", 200, "", false},
		{"reader v1", "GET", "mail", 200, "", false},
		{"reader", "GET", "orders/export", 403, "", false},
		{"reader", "GET", "files/reports/2026/june.txt", 200, "", false},
		{"reader", "POST", "jobs", 403, "", false},
		{"reader", "GET", "closed", 403, "", false},
		{"clerk", "GET", "orders/7", 200, "", false},
		{"clerk", "GET", "orders/export", 200, "", false},
		{"clerk", "GET", "mail", 403, "", false},
		{"clerk", "GET", "files/reports/2026/june.txt", 403, "", false},
		{"app", "POST", "jobs", 200, "", false},
		{"app", "GET", "mail", 403, "", false},
		{"stranger", "GET", "mail", 403, "", false},
		{"expired", "GET", "mail", 401, "Unauthorized", false},
		{"forged", "GET", "mail", 401, "Unauthorized", false},
		{"elsewhere", "GET", "mail", 401, "Unauthorized", false},
		{"foreign", "GET", "mail", 401, "Unauthorized", false},
		{"", "GET", "mail", 401, "", true},
	}
}

// check sends the row and says what is wrong with the answer, if anything is.
func (o *offline) check(f flavour, r row, authorization string) error {
	status, body, asked, err := o.send(r.method, f.path+r.path, authorization, "")
	if err != nil {
		return err
	}
	if status != r.status {
		return fmt.Errorf("answered %d %s, want %d (%+v)", status, body, r.status, asked)
	}
	if r.unasked {
		if len(asked) > 0 {
			return fmt.Errorf("asked the authorizer: %+v", asked)
		}
		return nil
	}
	if len(asked) != 1 {
		return fmt.Errorf("asked the authorizer %d times, want once: there is no cache", len(asked))
	}
	a := asked[0]
	if want := offlineAPI + "/dev/" + r.method + "/" + f.prefix + "/" + r.path; a.ARN != want || a.Shape != f.shape {
		return fmt.Errorf("asked as %s about %s, want %s about %s", a.Shape, a.ARN, f.shape, want)
	}
	if a.Error != r.says {
		return fmt.Errorf("the bootstrap said %q, want %q", a.Error, r.says)
	}
	switch {
	case r.says != "":
		return nil
	case f.simple && a.Authorized != (status == http.StatusOK):
		return fmt.Errorf("isAuthorized is %t", a.Authorized)
	case !f.simple && status == http.StatusForbidden && a.Denies == 0:
		return fmt.Errorf("the bootstrap's policy has no Deny")
	case status == http.StatusOK:
		return passedOn(f, r, body)
	}
	return nil
}

// passedOn checks what the service behind is told of the caller. An HTTP API has
// the authorizer's context under "lambda".
func passedOn(f flavour, r row, body string) error {
	var told struct {
		callerContext
		Lambda *callerContext
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		return fmt.Errorf("what the service behind is told: %w", err)
	}
	got := told.callerContext
	if told.Lambda != nil {
		got = *told.Lambda
	}
	s := callers[r.caller]
	want := callerContext{OID: idp.DefaultObjectID, TID: idp.DefaultTenantID, Scp: strings.Join(s.Scopes, " "), Roles: strings.Join(s.Roles, " ")}
	if s.App {
		want.OID = idp.DefaultAppOID
	}
	if got != want || f.http != (told.Lambda != nil) {
		return fmt.Errorf("the service behind is told %+v, want %+v", got, want)
	}
	return nil
}

// callerContext is what the service behind needs of the authorizer's context.
type callerContext struct{ OID, TID, Scp, Roles string }

// checkAll checks every row of every flavour.
func (o *offline) checkAll(tokens map[string]string, each func(f flavour, r row, err error)) {
	for _, f := range flavours {
		for _, r := range f.rows() {
			each(f, r, o.check(f, r, tokens[r.caller]))
		}
	}
}

func (r row) String() string {
	return fmt.Sprintf("%s %s of %q", r.method, r.path, r.caller)
}

// TestAGatewayThatIsNotOurs puts serverless-offline in front of the compiled
// functions. One process serves all the tests below, which is why they are
// parts of one.
func TestAGatewayThatIsNotOurs(t *testing.T) {
	o := startOffline(t)
	tokens := map[string]string{}
	for name, spec := range callers {
		tokens[name] = "Bearer " + o.mint(t, spec)
	}
	t.Run("every row is answered as it must be", func(t *testing.T) {
		o.checkAll(tokens, func(f flavour, r row, err error) {
			if err != nil {
				t.Errorf("%s: %s: %v", f.prefix, r, err)
			}
		})
	})
	t.Run("the rows notice", func(t *testing.T) { o.testThatRowsBite(t, tokens) })
	t.Run("its known deviations", func(t *testing.T) { o.testDeviations(t, tokens) })
	t.Run("the admin API behind its HTTP API", func(t *testing.T) { o.testAdmin(t, tokens) })
}

// testThatRowsBite falsifies what passes through the forwarder, and demands that
// every row that could notice does.
func (o *offline) testThatRowsBite(t *testing.T, tokens map[string]string) {
	for _, c := range []struct {
		name, fault string
		fails       func(flavour, row) bool
	}{
		{"a forwarder that is switched off", "off", func(f flavour, r row) bool { return !r.unasked }},
		// A Deny names the path, and serverless-offline compares the template: only on
		// routes without parameters are the two the same.
		{"a Deny turned into Allow", "open", func(f flavour, r row) bool {
			return r.status == http.StatusForbidden && (f.simple || !strings.HasPrefix(r.path, "files/"))
		}},
		{"a policy that allows everything", "wide", func(f flavour, r row) bool { return r.status == http.StatusForbidden }},
		{"an Allow turned into Deny", "shut", func(f flavour, r row) bool { return r.status == http.StatusOK }},
		{"a refusal turned into Allow", "lax", func(f flavour, r row) bool { return r.says != "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.setFault(t, c.fault)
			defer o.setFault(t, "")
			o.checkAll(tokens, func(f flavour, r row, err error) {
				if failed := err != nil; failed != c.fails(f, r) {
					t.Errorf("%s: %s: %v", f.prefix, r, err)
				}
			})
		})
	}
}

// testDeviations shows that each deviation that deploy/offline/README.md lists is
// one: what a row cannot show must be known, and a version that no longer deviates
// should lead to better rows.
func (o *offline) testDeviations(t *testing.T, tokens map[string]string) {
	for _, fault := range []string{"ended", "action"} {
		o.setFault(t, fault)
		o.checkAll(tokens, func(f flavour, r row, err error) {
			if err != nil {
				t.Errorf("%s is looked at now: %s: %s: %v", fault, f.prefix, r, err)
			}
		})
	}
	o.setFault(t, "")
	expect := func(what, path, authorization string, status int, holds func(entry) bool) {
		t.Helper()
		got, body, asked, err := o.send("GET", path, authorization, "")
		if err != nil || got != status || len(asked) != 1 || !holds(asked[0]) {
			t.Errorf("%s: %d %s %+v, %v", what, got, body, asked, err)
		}
	}
	expect("the route's template stands in the ARN", "/dev/token/orders/7", tokens["clerk"], 200, func(e entry) bool {
		return e.Came == "arn:aws:execute-api:us-east-1:random-account-id:random-api-id/dev/GET/token/orders/{id}"
	})
	expect("it asks in spite of the validation expression", "/dev/token/mail", "Bearer garbage", 401, func(e entry) bool { return e.Error == "Unauthorized" })
	expect("a failure is a 401", "/simple/orders/7", tokens["reader"], 401, func(e entry) bool { return e.Error == notWhole })
	expect("a slash at the end is taken away", "/payload2/mail/", tokens["reader"], 200, func(e entry) bool { return strings.HasSuffix(e.ARN, "/mail") })
}

// testAdmin: the JWT authorizer in front refuses some callers, the function itself
// the others, and what an administrator changes counts for the next request.
func (o *offline) testAdmin(t *testing.T, tokens map[string]string) {
	bearer := func(s idp.Spec) string { return "Bearer " + o.mint(t, s) }
	admin := idp.Spec{Audience: offlineAdmins, Scopes: []string{"Mappings.ReadWrite"}, Roles: []string{"Mappings.Admin"}}
	forged, expired, user := admin, admin, admin
	forged.Forged, expired.Expired, user.Roles = true, true, nil
	for _, c := range []struct {
		name, path, authorization string
		status                    int
		asked                     bool
	}{
		{"health is public", "/healthz", "", 200, true},
		{"the description is public", "/v1/openapi.json", "", 200, true},
		{"without a token", "/v1/apis", "", 401, false},
		{"an expired token", "/v1/apis", bearer(expired), 401, false},
		{"a token for another API", "/v1/apis", tokens["reader"], 401, false},
		{"a forged token passes the authorizer there, not the function", "/v1/apis", bearer(forged), 401, true},
		{"a user without the role", "/v1/apis", bearer(user), 403, true},
		{"an administrator", "/v1/apis", bearer(admin), 200, true},
	} {
		status, body, asked, err := o.send("GET", c.path, c.authorization, "")
		reached := slices.ContainsFunc(asked, func(e entry) bool { return e.Function == "admin" && e.Status == c.status })
		if err != nil || status != c.status || reached != c.asked || len(asked) > 1 {
			t.Errorf("%s: %d %s, %+v, %v", c.name, status, body, asked, err)
		}
	}
	open := row{"reader", "GET", "closed", 200, "", false}
	for _, f := range flavours {
		permission := fmt.Sprintf(`{"arn":%q,"stage":"dev","httpVerb":"GET","resource":"%s/closed","scope":"email"}`, offlineAPI, f.prefix)
		status, body, _, err := o.send("POST", "/v1/permissions", bearer(admin), permission)
		// A conflict is with an attempt that was made and not answered.
		if err != nil || status != http.StatusCreated && status != http.StatusConflict {
			t.Errorf("%s: add a permission: %d %s, %v", f.prefix, status, body, err)
		}
		if err := o.check(f, open, tokens["reader"]); err != nil {
			t.Errorf("%s: after a permission was added: %s: %v", f.prefix, open, err)
		}
	}
}
