package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
)

const casesHead = "cases:\n"

// oneCase is a file of one case.
func oneCase(caller, method, path, expect, more string) string {
	return casesHead + "  - name: it\n    " + caller + "\n    calls:\n      - {method: " + method + ", path: " + path + ", expect: " + expect + more + "}\n"
}

func testedDocument(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "table.yaml")
	text := `arn: ` + dev.SeedAPI.ARN + `
stage: dev
trust:
  - {tenant: 11111111-2222-4333-8444-555555555555, audiences: ["api://mine"]}
permissions:
  - {arn: "` + dev.SeedAPI.ARN + `", stage: dev, httpVerb: GET, resource: "orders/{id}", scope: orders.read}
  - {arn: "` + dev.SeedAPI.ARN + `", stage: dev, httpVerb: GET, resource: orders/export, role: Orders.Export, principalType: app}
  - {arn: "` + dev.SeedAPI.ARN + `", stage: dev, httpVerb: POST, resource: orders, group: g1}
  - {arn: "` + dev.SeedAPI.ARN + `", stage: dev, httpVerb: GET, resource: old, scope: orders.read, expiresAt: 2020-01-01T00:00:00Z}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTableTestsDecideAsTheAuthorizerDoes(t *testing.T) {
	document := testedDocument(t)
	for name, c := range map[string]struct{ caller, method, path, expect, reason string }{
		"scope held":           {"caller: {scopes: [orders.read]}", "GET", "/orders/7", "allow", "held_route"},
		"scope not held":       {"caller: {scopes: [orders.write]}", "GET", "/orders/7", "deny", "not_held"},
		"more specific route":  {"caller: {scopes: [orders.read]}", "GET", "/orders/export", "deny", "not_held"},
		"app role":             {"caller: {roles: [Orders.Export], app: true}", "GET", "/orders/export", "allow", ""},
		"role of a user":       {"caller: {roles: [Orders.Export], scopes: [x]}", "GET", "/orders/export", "deny", ""},
		"group":                {"caller: {groups: [g1], scopes: [x]}", "POST", "/orders", "allow", ""},
		"unknown method":       {"caller: {scopes: [orders.read]}", "TRACE", "/orders/7", "deny", "unknown_method"},
		"expired":              {"caller: {scopes: [orders.read]}", "GET", "/old", "deny", "not_held"},
		"another tenant":       {"caller: {scopes: [orders.read], tenant: 22222222-2222-4333-8444-555555555555}", "GET", "/orders/7", "deny", ""},
		"another audience":     {"caller: {scopes: [orders.read], audience: 'api://other'}", "GET", "/orders/7", "deny", ""},
		"claims":               {"claims: {scp: orders.read profile}", "GET", "/orders/7", "allow", ""},
		"an ID token's claims": {"claims: {scp: orders.read, nonce: x}", "GET", "/orders/7", "unauthorized", ""},
		"an ended token":       {"claims: {scp: orders.read, exp: 1500000000}", "GET", "/orders/7", "unauthorized", "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			more := ""
			if c.reason != "" {
				more = ", reason: " + c.reason
			}
			text := oneCase(c.caller, c.method, c.path, c.expect, more)
			stdout, stderr, code := scopegate(t, text, "test", "--document", document, "-")
			if code != cli.OK || !strings.Contains(stdout, "1 passed, 0 failed") {
				t.Errorf("ends with %d:\n%s%s", code, stdout, stderr)
			}
			// The same with another expectation must fail, or it tests nothing.
			wrong := map[string]string{"allow": "deny", "deny": "allow", "unauthorized": "deny"}[c.expect]
			stdout, _, code = scopegate(t, oneCase(c.caller, c.method, c.path, wrong, ""), "test", "--document", document, "-")
			if code != cli.Negative || !strings.Contains(stdout, "FAIL") || !strings.Contains(stdout, "want "+wrong) || !strings.Contains(stdout, "0 passed, 1 failed") {
				t.Errorf("expecting %s ends with %d:\n%s", wrong, code, stdout)
			}
			if c.reason == "" {
				return
			}
			if stdout, _, code = scopegate(t, oneCase(c.caller, c.method, c.path, c.expect, ", reason: other"), "test", "--document", document, "-"); code != cli.Negative {
				t.Errorf("another reason ends with %d:\n%s", code, stdout)
			}
		})
	}
}

func TestAFileOfTestsIsReadExactly(t *testing.T) {
	document := testedDocument(t)
	for want, text := range map[string]string{
		"cases: must hold at least one":          "cases: []\n",
		`"cases.Name": is not a field`:           strings.Replace(oneCase("caller: {}", "GET", "/x", "deny", ""), "name:", "Name:", 1),
		`"cases.caller.scope": is not a field`:   oneCase("caller: {scope: [x]}", "GET", "/x", "deny", ""),
		`"cases.calls.expected": is not a field`: oneCase("caller: {}", "GET", "/x", "deny", ", expected: deny"),
		`expect "allowed": must be allow`:        oneCase("caller: {}", "GET", "/x", "allowed", ""),
		"must have one of caller and claims":     oneCase("claims: {}\n    caller: {}", "GET", "/x", "deny", ""),
		"calls[0]: must have a method":           oneCase("caller: {}", "GET", "x", "deny", ""),
		// Denied whatever the table says: such a test would pass for good.
		`calls[0].method "get": must be one of`:        oneCase("caller: {}", "get", "/x", "deny", ""),
		`calls[0].method "GTE": must be one of`:        oneCase("caller: {}", "GTE", "/x", "deny", ", reason: not_held"),
		"name: must be given":                          strings.Replace(oneCase("caller: {}", "GET", "/x", "deny", ""), "name: it", "name: ''", 1),
		"calls: must hold at least one":                "cases: [{name: a, caller: {}, calls: []}]",
		"cannot unmarshal":                             oneCase("caller: {scopes: orders.read}", "GET", "/x", "deny", ""),
		"must be given once":                           `{"cases": [], "cases": []}`,
		"nothing would be tested":                      "{}",
		"case 1, it: claims: must be a JSON object of": oneCase("claims: [x]", "GET", "/x", "deny", ""),
	} {
		stdout, stderr, code := scopegate(t, text, "test", "--document", document, "-")
		if code == cli.OK || code == cli.Failed || stdout != "" || !strings.Contains(stderr, want) && !strings.Contains(stderr, "once") {
			t.Errorf("ends with %d, does not say %q: %s%s", code, want, stdout, stderr)
		}
	}
}

func TestTheResultOfTestsIsJSON(t *testing.T) {
	var out struct {
		Passed, Failed int
		Cases          []struct {
			Name   string
			Passed bool
			Calls  []struct {
				Method, Path, Expect, Decision, Got string
				Passed                              bool
			}
		}
	}
	way{at: []string{"--document", testedDocument(t)}}.into(t, &out, oneCase("caller: {scopes: [orders.read]}", "GET", "/orders/7", "allow", ""), "test", "-")
	if out.Passed != 1 || len(out.Cases) != 1 || !out.Cases[0].Passed || out.Cases[0].Calls[0].Decision != "allow" || out.Cases[0].Calls[0].Got != "held_route" {
		t.Errorf("printed %+v", out)
	}
}

// FuzzCases holds that no file of tests passes that expects what nobody can tell,
// and that none makes the command stop short.
func FuzzCases(f *testing.F) {
	for _, text := range []string{mailTests, oneCase("caller: {scopes: [a]}", "GET", "/x", "deny", ""), "{}", "cases: [{}]", "cases: [{name: a, claims: null, calls: [{}]}]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := cli.CheckCases(text); err != nil && err.Error() == "" {
			t.Fatal("an error says nothing")
		}
	})
}
