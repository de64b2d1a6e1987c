package admin_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"scopegate/admin"
	"scopegate/internal/plan"
	"scopegate/store"
)

const yamlDocument = `# of the shop
arn: ` + arn + `
stage: dev
name: "no"
complete: {source: sha256:1}
trust:
  - {tenant: ` + home + `, audiences: ["api://orders"]}
permissions:
- arn: ` + arn + `
  stage: dev
  httpVerb: GET
  resource: orders/{id}
  scope: orders.read   # for the shop
  expiresAt: 2031-01-01T00:00:00Z
- {arn: "` + arn + `", stage: dev, httpVerb: ANY, resource: "*", role: R}
`

const sameDocument = `{"arn": "` + arn + `", "stage": "dev", "name": "no", "complete": {"source": "sha256:1"},
	"trust": [{"tenant": "` + home + `", "audiences": ["api://orders"]}],
	"permissions": [
		{"arn": "` + arn + `", "stage": "dev", "httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read", "expiresAt": "2031-01-01T00:00:00Z"},
		{"arn": "` + arn + `", "stage": "dev", "httpVerb": "ANY", "resource": "*", "role": "R"}]}`

// TestADocumentIsTheSameInYAMLAndInJSON, put and read.
func TestADocumentIsTheSameInYAMLAndInJSON(t *testing.T) {
	for _, kind := range []string{"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml; charset=utf-8", `application/yaml; charset="UTF-8"`} {
		s := newServer(t)
		s.registered(t)
		put := func(kind, body string) answer {
			t.Helper()
			r := s.call(t, "admin", "PUT", document, body, "If-Match", "*", "Content-Type", kind)
			if r.status != 200 {
				t.Fatalf("%s: %d %s", kind, r.status, r.body)
			}
			return r
		}
		tag := put(kind, yamlDocument).header.Get("ETag")
		for kind, body := range map[string]string{"application/json": sameDocument, "application/yaml": sameDocument} {
			if again := put(kind, body); again.header.Get("ETag") != tag || !strings.Contains(again.body, `"unchanged":2`) {
				t.Errorf("JSON as %s is a change: %s", kind, again.body)
			}
		}
		for _, how := range [][]string{{"", "Accept", "application/yaml"}, {"?format=yaml"}, {"?format=yaml", "Accept", "application/json"}, {"", "Accept", "text/html;q=0.9, text/yaml"}} {
			read := s.call(t, "admin", "GET", document+how[0], "", how[1:]...)
			if read.status != 200 || read.header.Get("Content-Type") != "application/yaml" || !strings.Contains(read.body, "\npermissions:\n  - arn: ") || !strings.Contains(read.body, `name: "no"`) {
				t.Fatalf("read as %v: %d %s", how, read.status, read.body)
			}
			if again := put("application/yaml", read.body); again.header.Get("ETag") != tag {
				t.Errorf("what was read as YAML is a change: %s", again.body)
			}
		}
		for _, how := range [][]string{{""}, {"", "Accept", "*/*"}, {"", "Accept", "text/html"}, {"?format=json", "Accept", "application/yaml"}} {
			if read := s.call(t, "admin", "GET", document+how[0], "", how[1:]...); read.header.Get("Content-Type") != "application/json" || !json.Valid([]byte(read.body)) {
				t.Errorf("read as %v: %s %s", how, read.header.Get("Content-Type"), read.body)
			}
		}
	}
}

func TestABodyThatCannotBeReadSaysWhereAndChangesNothing(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	yaml := func(more string) string {
		return "arn: " + arn + "\nstage: dev\npermissions:\n- " + more + "\n"
	}
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"an unquoted no", "application/yaml", yaml("scope: no"), 400, "line 4, column 10"},
		{"an anchor", "application/yaml", yaml("&x {scope: a}"), 400, "line 4, column 3"},
		{"a bomb", "application/yaml", yaml("&x [*x, *x]"), 400, "anchors"},
		{"a merge key", "application/yaml", yaml("<<: {scope: a}"), 400, "merge keys"},
		{"a tag", "application/yaml", yaml("!!binary aGk="), 400, "tags"},
		{"a name twice", "application/yaml", yaml("scope: a\n  scope: b"), 400, "line 5, column 3"},
		{"two documents", "application/yaml", yaml("scope: a\n---\na: b"), 400, "one document"},
		{"no YAML", "application/yaml", "a: [", 400, "line 1"},
		{"too deep", "application/yaml", strings.Repeat("- ", 50), 400, "deeper"},
		{"nothing", "application/yaml", "", 400, "line 1"},
		{"a number as text", "application/yaml", yaml("{arn: \"" + arn + "\", stage: 1, httpVerb: GET, resource: a, scope: s}"), 422, "body.permissions[0].stage"},
		{"no JSON", "application/json", "{\n  x}", 400, "line 2, column 3"},
		{"a name of JSON twice", "application/json", `{"arn": "a", "arn": "b"}`, 400, "once"},
		{"JSON too deep", "application/json", strings.Repeat("[", 50) + strings.Repeat("]", 50), 400, "deeper"},
		{"a list", "application/json", "[]", 422, "must be an object"},
		{"a list in YAML", "application/yaml", "- arn: x", 422, "must be an object"},
		{"text", "application/yaml", "text", 422, "object"},
		{"null", "application/json", "null", 422, "object"},
		{"another type", "text/plain", "{}", 415, "application/yaml"},
		{"no type at all", "nonsense/", "{}", 415, "application/yaml"},
		{"another charset", "application/json; charset=utf-16", "{}", 415, "application/json"},
		{"too large", "application/json", `{"arn": "` + strings.Repeat("x", admin.MaxBody) + `"}`, 413, ""},
		{"too large in YAML", "application/yaml", strings.Repeat("#", admin.MaxBody+1), 413, ""},
		{"large once it is JSON", "application/yaml", `"` + strings.Repeat(`\a`, admin.MaxBody/2-10) + `"`, 413, "as JSON"},
		{"too many permissions", "application/json", `{"arn": "` + arn + `", "stage": "dev", "permissions": [` + strings.Repeat("{},", 10_000) + `{}]}`, 422, "body.permissions"},
	} {
		for _, path := range []string{document, document + "?dryRun=true"} {
			a := s.call(t, "admin", "PUT", path, c.body, "If-Match", tag, "Content-Type", c.kind)
			if a.status != c.status || !strings.Contains(a.body, c.want) || len(a.body) > 100_000 {
				t.Errorf("%s: %d %.500s, want %d and %q", c.name, a.status, a.body, c.status, c.want)
				continue
			}
			a.problem(t)
		}
	}
	if a := s.call(t, "admin", "GET", document, ""); a.header.Get("ETag") != tag {
		t.Errorf("something was written: %s after %s", a.header.Get("ETag"), tag)
	}
}

// written is what the store holds: revision and number of audit records.
func (s server) written(t *testing.T) string {
	t.Helper()
	m, err := s.store.Meta(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.store.Audit(t.Context(), api, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(m.Revision, len(records))
}

// TestWhatWasReviewedIsWhatIsApplied: a plan writes nothing, and applies only to
// the revision that it was made for.
func TestWhatWasReviewedIsWhatIsApplied(t *testing.T) {
	s := newServer(t)
	s.registered(t)
	first := doc("", `"httpVerb": "GET", "resource": "u/{id}", "scope": "a"`, `"httpVerb": "GET", "resource": "u/admin", "scope": "b"`)
	if a := s.call(t, "admin", "PUT", document, first, "If-Match", "*"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	second := doc(`, "name": "n"`, `"httpVerb": "GET", "resource": "u/{id}", "scope": "c"`)
	before := s.written(t)
	planned := s.call(t, "admin", "PUT", document+"?dryRun=true", second)
	var p plan.Plan
	if err := json.Unmarshal([]byte(planned.body), &p); planned.status != 200 || err != nil {
		t.Fatalf("plan: %d %s %v", planned.status, planned.body, err)
	}
	if s.written(t) != before {
		t.Fatalf("the plan wrote: %s after %s", s.written(t), before)
	}
	if planned.header.Get("ETag") != `"`+p.Revision+`"` || len(p.Permissions.Added) != 1 || len(p.Permissions.Removed) != 2 ||
		!reflect.DeepEqual(p.Orphans, []string{"GET /u/admin"}) || len(p.Gains) == 0 || len(p.Losses) == 0 || p.Head[0].Field != "name" {
		t.Errorf("plan: %s %s", planned.header.Get("ETag"), planned.body)
	}
	if a := s.call(t, "admin", "PUT", document+"?dryRun=true", second, "If-Match", `"1-other"`); a.status != 412 {
		t.Errorf("plan for another revision: %d", a.status)
	}
	// Somebody else is faster.
	if a := s.call(t, "admin", "POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "v", "scope": "v"`)); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	between := s.written(t)
	if a := s.call(t, "admin", "PUT", document, second, "If-Match", planned.header.Get("ETag")); a.status != 412 || s.written(t) != between {
		t.Fatalf("a plan of before: %d %s, %s after %s", a.status, a.body, s.written(t), between)
	}
	if a := s.call(t, "admin", "PUT", document, second); a.status != 428 || s.written(t) != between {
		t.Fatalf("without a revision: %d %s", a.status, a.body)
	}
	planned = s.call(t, "admin", "PUT", document+"?dryRun=true", second)
	applied := s.call(t, "admin", "PUT", document, second, "If-Match", planned.header.Get("ETag"))
	if applied.status != 200 || !strings.Contains(applied.body, `"added":1,"changed":0,"removed":3`) {
		t.Errorf("apply: %d %s", applied.status, applied.body)
	}
	var empty plan.Plan
	again := s.call(t, "admin", "PUT", document+"?dryRun=true", second, "If-Match", applied.header.Get("ETag"))
	if err := json.Unmarshal([]byte(again.body), &empty); err != nil || !empty.Empty() {
		t.Errorf("the plan of what was applied: %s", again.body)
	}
}

// tooLarge is a document of which one scope's policy cannot fit.
func tooLarge() string {
	var list []string
	for i := range 120 {
		list = append(list, fmt.Sprintf(`"httpVerb": "GET", "resource": "route-with-a-long-name-%03d/{id}/and/what/is/below/it/%03d", "scope": "s"`, i, i))
	}
	return doc("", list...)
}

// TestWhatWouldShutOutItsHoldersIsRefusedUnlessForced.
func TestWhatWouldShutOutItsHoldersIsRefusedUnlessForced(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"a policy that cannot fit": {tooLarge(), "too_large"},
		"a whole-route collision":  {doc("", `"httpVerb": "GET", "resource": "u/{id}", "scope": "s"`, `"httpVerb": "GET", "resource": "u/{id}/a/settings", "scope": "s"`, `"httpVerb": "GET", "resource": "u/{id}/settings", "scope": "t"`), "whole_collision"},
	} {
		s := newServer(t)
		tag := s.registered(t)
		before := s.written(t)
		a := s.call(t, "admin", "PUT", document, c.body, "If-Match", tag)
		if a.status != 422 || !strings.Contains(a.body, c.want) || !strings.Contains(a.body, "force=true") || s.written(t) != before {
			t.Errorf("%s: %d %.300s", name, a.status, a.body)
			continue
		}
		a.problem(t)
		var p plan.Plan
		planned := s.call(t, "admin", "PUT", document+"?dryRun=true", c.body)
		if err := json.Unmarshal([]byte(planned.body), &p); err != nil || len(p.Blocking) == 0 || string(p.Blocking[0].Kind) != c.want {
			t.Errorf("%s: the plan blocks %+v, %v", name, p.Blocking, err)
		}
		a = s.call(t, "admin", "PUT", document+"?force=true", c.body, "If-Match", tag)
		if a.status != 200 || !strings.Contains(a.body, c.want) {
			t.Errorf("%s, forced: %d %.300s", name, a.status, a.body)
		}
	}
}

// TestAnOutageWhilePlanningIsNoPlan.
func TestAnOutageWhilePlanningIsNoPlan(t *testing.T) {
	s := newServer(t)
	s.registered(t)
	s.store.err = fmt.Errorf("dial 10.0.0.7: %w", store.ErrUnknown)
	if a := s.call(t, "admin", "PUT", document+"?dryRun=true", doc("")); a.status != 503 || strings.Contains(a.body, "10.0.0.7") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
