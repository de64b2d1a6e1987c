//go:build deploy

package deploytest

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scopegate/internal/dev"
	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/bolt"
)

// exampleCallers are whose tokens come.
var exampleCallers = map[string]idp.Spec{
	"a reader":                 {Scopes: []string{"orders.read"}},
	"a reader with a v1 token": {Version: "1.0", Scopes: []string{"orders.read"}},
	"a writer":                 {Scopes: []string{"orders.write"}},
	"an order admin":           {Scopes: []string{"orders.write", "orders.admin"}, Roles: []string{"Orders.Admin"}},
	"the nightly export":       {App: true, Roles: []string{"Orders.Export"}},
	"a user with that role":    {Scopes: []string{"other"}, Roles: []string{"Orders.Export"}},
	"an exporter":              {Scopes: []string{"orders.export"}},
	"a reader of files":        {Scopes: []string{"files.read"}},
	"a watcher":                {Scopes: []string{"orders.watch"}},
	"somebody without scopes":  {Scopes: []string{"other"}},
	"an expired reader":        {Scopes: []string{"orders.read"}, Expired: true},
	"a forger":                 {Scopes: []string{"orders.read", "orders.watch"}, Forged: true},
	"another service's caller": {Scopes: []string{"orders.read", "orders.watch"}, Audience: "api://other"},
}

// exampleCall is a row: who calls what, and what comes of it.
type exampleCall struct {
	caller, method, path string
	want                 int
}

// ordersCalls are those that the four APIs with orders answer alike.
var ordersCalls = []exampleCall{
	{"a reader", "GET", "/orders", 200},
	{"a reader", "GET", "/orders/7", 200},
	{"a reader", "GET", "/orders/export", 403},
	{"a reader", "POST", "/orders", 403},
	{"a reader", "DELETE", "/orders/7", 403},
	{"a reader with a v1 token", "GET", "/orders/7", 200},
	{"a reader with a v1 token", "GET", "/orders/export", 403},
	{"a writer", "POST", "/orders", 200},
	{"a writer", "DELETE", "/orders/7", 403},
	{"a writer", "GET", "/orders", 403},
	{"an order admin", "DELETE", "/orders/7", 200},
	{"an order admin", "POST", "/orders", 200},
	{"an order admin", "GET", "/orders/7", 403},
	{"somebody without scopes", "GET", "/orders", 403},
	{"an expired reader", "GET", "/orders", 401},
	{"a forger", "GET", "/orders", 401},
	{"another service's caller", "GET", "/orders/7", 401},
}

var exampleCalls = map[string][]exampleCall{
	"rest-token": append([]exampleCall{
		{"a reader", "GET", "/orders/%65xport", 403}, // orders/export to whoever decodes it
		{"the nightly export", "GET", "/orders/export", 200},
		{"the nightly export", "GET", "/orders/7", 403},
		{"a user with that role", "GET", "/orders/export", 403},
	}, ordersCalls...),
	"rest-request": append([]exampleCall{
		{"a reader", "GET", "/orders/%65xport", 403},
		{"an exporter", "GET", "/orders/export", 200},
		{"an exporter", "GET", "/orders/7", 403},
		{"a reader of files", "GET", "/files/7/invoice.pdf", 200},
		{"a reader", "GET", "/files/7/invoice.pdf", 403},
	}, ordersCalls...),
	"http-api": append([]exampleCall{
		{"a reader", "GET", "/orders/%65xport", 403},
		{"the nightly export", "GET", "/orders/export", 200},
		{"a user with that role", "GET", "/orders/export", 403},
	}, ordersCalls...),
	// The literal lies elsewhere: see its serverless.yml.
	"http-api-simple": append([]exampleCall{
		{"an exporter", "GET", "/exports", 200},
		{"an exporter", "GET", "/orders/7", 403},
	}, slices.DeleteFunc(slices.Clone(ordersCalls), func(c exampleCall) bool { return c.path == "/orders/export" })...),
	"websocket": {
		{"a watcher", "$connect", "", 200},
		{"a reader", "$connect", "", 403},
		{"a forger", "$connect", "", 401},
		{"another service's caller", "$connect", "", 401},
	},
}

// TestEachExampleAllowsAndDenies what its own permissions say, with its own
// authorizer settings: each token is used twice, so that half of the answers come
// from where the authorizer's answers are kept.
func TestEachExampleAllowsAndDenies(t *testing.T) {
	for _, e := range theExamples {
		t.Run(e.name, func(t *testing.T) {
			w := newExampleWorld(t, e, nil)
			tokens := map[string]string{}
			for name, spec := range exampleCallers {
				tokens[name] = w.mint(spec)
			}
			rows := exampleCalls[e.name]
			for _, c := range slices.Concat(rows, rows) {
				if got := w.call(c.method, c.path, "Bearer "+tokens[c.caller]); got.Code != c.want {
					t.Errorf("%s calls %s %s: %d %s, want %d", c.caller, c.method, c.path, got.Code, got.Body, c.want)
				}
			}
			if got := w.call(rows[0].method, rows[0].path, ""); got.Code != http.StatusUnauthorized {
				t.Errorf("without a token: %d %s", got.Code, got.Body)
			}
		})
	}
}

// TestAnExamplesPermissionsNameItsRoutes, each one, and none that is not there:
// a route that no permission names is closed to everybody.
func TestAnExamplesPermissionsNameItsRoutes(t *testing.T) {
	for _, e := range theExamples {
		t.Run(e.name, func(t *testing.T) {
			routes, err := exampleRoutes(Package(t, e.folder()))
			if err != nil {
				t.Fatal(err)
			}
			var declared []string
			for _, r := range routes {
				if !r.preflight && !r.messages {
					declared = append(declared, r.String())
				}
			}
			slices.Sort(declared)
			if named := e.namedRoutes(t); !slices.Equal(named, declared) {
				t.Errorf("permissions name %v, the template has %v", named, declared)
			}
		})
	}
}

// TestHowOftenAnExampleCallsItsAuthorizer is what examples/README.md says: once a
// token, or once a token and route, and never for what its identity sources and
// its expression keep out.
func TestHowOftenAnExampleCallsItsAuthorizer(t *testing.T) {
	for name, want := range map[string]int{"rest-token": 1, "rest-request": 3, "http-api": 1, "http-api-simple": 3} {
		t.Run(name, func(t *testing.T) {
			w := newExampleWorld(t, theExamples[slices.IndexFunc(theExamples, func(e example) bool { return e.name == name })], nil)
			raw := "Bearer " + w.mint(exampleCallers["a reader"])
			closed := "/orders/export"
			if name == "http-api-simple" {
				closed = "/exports"
			}
			for range 3 {
				for _, path := range []string{"/orders", "/orders/7", "/orders/8", closed} {
					w.call("GET", path, raw)
				}
			}
			if got := w.calls(); got != want {
				t.Errorf("%d calls of the authorizer for three routes, want %d", got, want)
			}
			refused := []string{""}
			if name == "rest-token" {
				refused = append(refused, "Bearer ThisIsNotAJWT", "Basic dXNlcjpwYXNz", "Bearer a.b", "Bearer a.b.c.d", "Bearer a.b.c d", "Bearer a.b.c,Bearer a.b.c")
			}
			for _, authorization := range refused {
				if got := w.call("GET", "/orders", authorization); got.Code != http.StatusUnauthorized {
					t.Errorf("Authorization %q: %d %s", authorization, got.Code, got.Body)
				}
			}
			if got := w.calls(); got != want {
				t.Errorf("%d calls of the authorizer, after %d, for what is no token", got, want)
			}
		})
	}
}

// TestTheValidationExpressionTakesEveryRealToken, however its scheme is written,
// and garbage is a 401 without a call.
func TestTheValidationExpressionTakesEveryRealToken(t *testing.T) {
	expression := text(theExamples[0].authorizer["IdentityValidationExpression"])
	re := regexp.MustCompile(expression)
	p := serveProvider(t)
	for name, spec := range exampleCallers {
		raw, err := p.Mint(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer  "} {
			if !re.MatchString(scheme + raw) {
				t.Errorf("%s%s: refused", scheme, name)
			}
		}
		for _, garbage := range []string{raw, "Basic " + raw, "Bearer" + raw, "Bearer " + raw + " ", "Bearer " + raw + "\n", "Bearer " + raw + "=",
			"Bearer " + raw + "," + raw, "x Bearer " + raw, "Bearer " + strings.Replace(raw, ".", "", 1), "Bearer ." + raw, "Bearer \t" + raw} {
			if re.MatchString(garbage) {
				t.Errorf("%s: %q is taken", name, strings.ReplaceAll(garbage, raw, "TOKEN"))
			}
		}
	}
	// Java's and Go's regular expressions read these alike: API Gateway's are not
	// Go's, so the expression uses nothing else.
	if plain := regexp.MustCompile(`^\^(\[[A-Za-z0-9_-]+\]\+?| \+|\\\.)+\$$`); !plain.MatchString(expression) {
		t.Errorf("%s: has more than character classes", expression)
	}
}

// namedRoutes are the routes of the table that the example's permissions make.
func (e example) namedRoutes(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, r := range e.table(t).Routes {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}

// table is what the example's command makes.
func (e example) table(t *testing.T) store.Snapshot {
	t.Helper()
	tables, err := bolt.Open(filepath.Join(e.loaded(t), dev.DataFile))
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	snapshot, err := tables.Load(t.Context(), mapping.API{ARN: exampleAPI, Stage: e.stage})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}
