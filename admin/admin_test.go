package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"scopegate/admin"
	"scopegate/internal/flush"
	"scopegate/store"
)

func TestEachCallIsForAdminsOnly(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	calls := []struct{ method, path, body string }{
		{"GET", table, ""},
		{"PUT", table, `{"arn": "` + arn + `"}`},
		{"GET", document, ""},
		{"PUT", document, doc("")},
	}
	for caller, want := range map[string]int{
		"": 401, "forged": 401, "outage": 503, "no-role": 403, "no-scope": 403, "nobody": 403, "other-app": 403, "foreign": 403,
		"admin": 200, "app": 200,
	} {
		for _, c := range calls {
			a := s.call(t, caller, c.method, c.path, c.body, "If-Match", tag)
			if a.status != want {
				t.Errorf("%q: %s %s: %d, want %d: %s", caller, c.method, c.path, a.status, want, a.body)
			}
			if want != 200 {
				a.problem(t)
			}
			if (want == 401) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("%q: %d with WWW-Authenticate %q", caller, a.status, a.header.Get("WWW-Authenticate"))
			}
			if a.status == 200 {
				tag = a.header.Get("ETag")
			}
		}
	}
	if a := s.call(t, "", "GET", "/healthz", ""); a.status != 200 || !strings.Contains(a.body, `"status":"ok"`) {
		t.Errorf("healthz: %d %s", a.status, a.body)
	}
}

func TestAGatewaysWordOrASecondTokenIsNoToken(t *testing.T) {
	s := newServer(t)
	s.registered(t)
	for name, headers := range map[string][]string{
		"headers of a gateway": {"X-Scopegate-Principal-Id", "t:ada", "X-Amzn-Request-Context", `{"authorizer":{"roles":"R","scp":"S"}}`},
		"two tokens":           {"Authorization", "Bearer admin", "Authorization", "Bearer admin"},
		"two in one":           {"Authorization", "Bearer admin,Bearer admin"},
		"another scheme":       {"Authorization", "Basic admin"},
	} {
		if a := s.call(t, "", "GET", table, "", headers...); a.status != 401 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

func TestTheAPIIsNotMadeWithoutRequirements(t *testing.T) {
	s := newServer(t)
	good := admin.Config{Store: s.store, Verifier: known, Scope: "S", Role: "R", Log: zap.NewNop(), Flusher: flush.Off{}}
	for name, spoil := range map[string]func(*admin.Config){
		"scope": func(c *admin.Config) { c.Scope = "" }, "role": func(c *admin.Config) { c.Role = "" },
		"store": func(c *admin.Config) { c.Store = nil }, "verifier": func(c *admin.Config) { c.Verifier = nil }, "log": func(c *admin.Config) { c.Log = nil },
		"flusher": func(c *admin.Config) { c.Flusher = nil },
	} {
		c := good
		spoil(&c)
		if _, err := admin.New(c); err == nil {
			t.Errorf("made without %s", name)
		}
	}
	if _, err := admin.New(good); err != nil {
		t.Error(err)
	}
}

func TestADocumentIsAppliedWholeAndReadBackAsItIs(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	more := `, "name": "Orders", "complete": {"source": "sha256:1"},
		"owners": [{"tenant": "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11", "group": "g"}],
		"trust": [{"tenant": "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11", "audiences": ["api://orders"]}]`
	body := doc(more, `"httpVerb": "get", "resource": "/orders/{id}", "scope": "b a"`, `"httpVerb": "GET", "resource": "orders", "role": "R"`)
	a := s.call(t, "admin", "PUT", document, body, "If-Match", tag)
	if a.status != 200 || !strings.Contains(a.body, `"added":2,"changed":0,"removed":0,"unchanged":0`) || a.header.Get("ETag") == tag {
		t.Fatalf("apply: %d %s", a.status, a.body)
	}
	tag = a.header.Get("ETag")
	read := s.call(t, "app", "GET", document, "")
	if read.status != 200 || read.header.Get("ETag") != tag {
		t.Fatalf("read: %d %s", read.status, read.body)
	}
	for _, want := range []string{`"scope":"a b"`, `"httpVerb":"GET"`, `"source":"sha256:1","by":"t:ada","at":"2030-01-01T00:00:00Z"`, `"name":"Orders"`, `"audiences":["api://orders"]`, `"group":"g"`} {
		if !strings.Contains(read.body, want) {
			t.Errorf("%s does not hold %s", read.body, want)
		}
	}
	// What was read, put again, is no change.
	again := s.call(t, "app", "PUT", document, read.body, "If-Match", tag)
	if again.status != 200 || again.header.Get("ETag") != tag || !strings.Contains(again.body, `"unchanged":2`) {
		t.Errorf("the same again: %d %s, ETag %s after %s", again.status, again.body, again.header.Get("ETag"), tag)
	}
	audit, err := s.store.Audit(t.Context(), api, "", 10)
	if err != nil || len(audit) != 2 || audit[0].By != "t:ada" || audit[0].RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("audit: %+v, %v", audit, err)
	}
}

func TestARouteLeftOutOfADocumentStaysRegistered(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	a := s.call(t, "admin", "PUT", document, doc("", `"httpVerb": "GET", "resource": "u/{id}", "scope": "a"`, `"httpVerb": "GET", "resource": "u/admin", "scope": "b"`), "If-Match", tag)
	without := doc("", `"httpVerb": "GET", "resource": "u/{id}", "scope": "a"`)
	a = s.call(t, "admin", "PUT", document, without, "If-Match", a.header.Get("ETag"))
	if a.status != 200 || !strings.Contains(a.body, `"removed":1,"unchanged":1`) {
		t.Fatalf("leave out: %d %s", a.status, a.body)
	}
	tag = a.header.Get("ETag")
	read := s.call(t, "admin", "GET", document, "")
	if !strings.Contains(read.body, `"resource":"u/admin","registered":true`) {
		t.Errorf("u/admin is not registered any more: %s", read.body)
	}
	for name, body := range map[string]string{"with": read.body, "without": without} {
		if a := s.call(t, "admin", "PUT", document, body, "If-Match", tag); a.status != 200 || a.header.Get("ETag") != tag {
			t.Errorf("the document %s the registered route is a change: %d %s", name, a.status, a.body)
		}
	}
}

func TestAChangeNamesTheRevisionItIsMadeFor(t *testing.T) {
	s := newServer(t)
	old := s.registered(t)
	put := func(path, body, match string) int {
		headers := []string{"If-Match", match}
		if match == "" {
			headers = nil
		}
		return s.call(t, "admin", "PUT", path, body, headers...).status
	}
	one := doc("", `"httpVerb": "GET", "resource": "a", "scope": "s"`)
	named := `{"arn": "` + arn + `", "name": "n"}`
	for _, c := range []struct {
		name, path, body, match string
		want                    int
	}{
		{"document without", document, one, "", 428},
		{"document, nonsense", document, one, `"1"`, 412},
		{"document, weak", document, one, "W/" + old, 412},
		{"document, one of several", document, one, `"0-x", ` + old, 200},
		{"document, old", document, doc(""), old, 412},
		{"document, any", document, doc(""), "*", 200},
		{"register again without", table, named, "", 428},
		{"register again, old", table, named, old, 412},
		{"register again, any", table, named, "*", 200},
		{"unknown, with", "/v1/apis/rz8w6b1ik2/prod", `{"arn": "` + arn + `"}`, "*", 412},
		{"unknown document", "/v1/apis/rz8w6b1ik2/prod/document", strings.ReplaceAll(doc(""), `"dev"`, `"prod"`), "*", 404},
	} {
		if got := put(c.path, c.body, c.match); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestOfManyEditorsWithOneRevisionOneWins(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	for i := range 20 {
		wg.Go(func() {
			body := doc("", fmt.Sprintf(`"httpVerb": "GET", "resource": "r%d", "scope": "s"`, i))
			a := s.call(t, "admin", "PUT", document, body, "If-Match", tag)
			mu.Lock()
			defer mu.Unlock()
			counts[a.status]++
		})
	}
	wg.Wait()
	if counts[200] != 1 || counts[412] != 19 {
		t.Errorf("statuses: %v, want one 200 and 19 times 412", counts)
	}
}

func TestEveryFaultOfADocumentIsNamedWithItsPlace(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	for _, c := range []struct {
		name, body string
		want       []string // location and part of the message
	}{
		{"rules", doc("", `"httpVerb": "BREW", "resource": "a?", "scope": "s"`, `"httpVerb": "GET", "resource": "ok", "scope": "s"`, `"httpVerb": "GET", "resource": "a"`),
			[]string{"body.permissions[0].httpVerb", "body.permissions[0].resource", "body.permissions[2].scope"}},
		{"form", doc("", `"httpVerb": "GET", "resource": "a", "scopes": "s"`, `"httpVerb": 1, "resource": "a", "scope": "s"`),
			[]string{"body.permissions[0].scopes", "body.permissions[1].httpVerb"}},
		{"twice", doc("", `"httpVerb": "GET", "resource": "a", "scope": "s"`, `"httpVerb": "GET", "resource": "a", "scope": "s", "expiresAt": "2031-01-01T00:00:00Z"`),
			[]string{"body.permissions"}},
		{"another stage", strings.Replace(doc("", `"httpVerb": "GET", "resource": "a", "scope": "s"`), `"stage": "dev", "httpVerb"`, `"stage": "prod", "httpVerb"`, 1),
			[]string{"body.permissions[0]"}},
		{"another API", strings.ReplaceAll(doc(""), "rz8w6b1ik2", "another"), []string{"body.arn"}},
		{"document's stage", strings.ReplaceAll(doc(""), `"dev"`, `"prod"`), []string{"body.stage"}},
		{"unknown member", doc(`, "Name": "n"`), []string{"body.Name"}},
		{"owner", doc(`, "owners": [{"tenant": "x"}]`), []string{"body"}},
		{"trust", doc(`, "trust": [{"tenant": "x"}]`), []string{"body"}},
		{"no permissions", `{"arn": "` + arn + `", "stage": "dev"}`, []string{"body"}},
		{"complete without source", doc(`, "complete": {}`), []string{"body.complete"}},
	} {
		a := s.call(t, "admin", "PUT", document, c.body, "If-Match", tag)
		if a.status != 422 {
			t.Errorf("%s: %d, want 422: %s", c.name, a.status, a.body)
			continue
		}
		var got []string
		for _, e := range a.problem(t).Errors {
			got = append(got, e.Location)
			if e.Message == "" || e.Message == store.ErrInvalid.Error() {
				t.Errorf("%s: a fault without a rule: %s", c.name, a.body)
			}
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(got, " ")+" ", want) {
				t.Errorf("%s: faults at %v, want one at %s: %s", c.name, got, want, a.body)
			}
		}
	}
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"no JSON": {"{", 400}, "no body": {"", 400}, "too large": {strings.Repeat(" ", admin.MaxBody+1), 413},
	} {
		if a := s.call(t, "admin", "PUT", document, c.body, "If-Match", tag, "Content-Type", "application/json"); a.status != c.want {
			t.Errorf("%s: %d, want %d", name, a.status, c.want)
		}
	}
	if a := s.call(t, "admin", "GET", document, ""); a.header.Get("ETag") != tag {
		t.Errorf("something was written: %s after %s", a.header.Get("ETag"), tag)
	}
}

func TestAPIsOfOneIDAreToldApartByARN(t *testing.T) {
	s := newServer(t)
	s.registered(t)
	other := strings.Replace(arn, "us-east-1", "eu-west-1", 1)
	if a := s.call(t, "admin", "PUT", table, `{"arn": "`+other+`"}`); a.status != http.StatusCreated {
		t.Fatalf("register: %d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "GET", document, ""); a.status != http.StatusConflict {
		t.Errorf("ambiguous: %d", a.status)
	}
	if a := s.call(t, "admin", "GET", document+"?arn="+other, ""); a.status != 200 || !strings.Contains(a.body, other) {
		t.Errorf("named: %d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "GET", document+"?arn=x", ""); a.status != 404 {
		t.Errorf("unknown: %d", a.status)
	}
	if a := s.call(t, "admin", "GET", document+"?limit=1", ""); a.status != 422 {
		t.Errorf("unknown parameter: %d", a.status)
	}
}

func TestAnOutageIsNoOtherAnswerAndTellsNothing(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	for _, err := range []error{
		errors.New("dial 10.0.0.7: refused"), fmt.Errorf("dial 10.0.0.7: %w", store.ErrUnknown), fmt.Errorf("table at 10.0.0.7: %w", store.ErrVersion),
	} {
		s.store.err = err
		for _, c := range []struct{ method, path, body string }{
			{"GET", table, ""}, {"GET", document, ""}, {"PUT", document, doc("")}, {"PUT", "/v1/apis/rz8w6b1ik2/new", `{"arn": "` + arn + `"}`},
		} {
			a := s.call(t, "admin", c.method, c.path, c.body, "If-Match", tag)
			if c.path == "/v1/apis/rz8w6b1ik2/new" {
				a = s.call(t, "admin", c.method, c.path, c.body)
			}
			if a.status != 503 || strings.Contains(a.body, "10.0.0.7") {
				t.Errorf("%s %s while the store fails: %d %s", c.method, c.path, a.status, a.body)
			}
			if errors.Is(err, store.ErrVersion) != strings.Contains(a.body, "are of another version than this program") {
				t.Errorf("%s %s after %v: %s", c.method, c.path, err, a.body)
			}
		}
	}
}

func TestTheDescriptionIsPublicAndNamesEveryCall(t *testing.T) {
	a := newServer(t).call(t, "", "GET", "/v1/openapi.json", "")
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != 200 || !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Fatalf("%d %v %s", a.status, err, d.OpenAPI)
	}
	for path, methods := range map[string][]string{
		"/healthz": {"get"}, "/v1/apis/{apiId}/{stage}": {"get", "put"}, "/v1/apis/{apiId}/{stage}/document": {"get", "put"},
	} {
		for _, m := range methods {
			op, ok := d.Paths[path][m]
			if !ok || (len(op.Security) == 0) != (path == "/healthz") {
				t.Errorf("%s %s: described %v, security %v", m, path, ok, op.Security)
			}
		}
	}
}

// TestANameGivenTwiceIsRefused wherever it stands: two readers would take it for
// two different documents.
func TestANameGivenTwiceIsRefused(t *testing.T) {
	s := newServer(t)
	tag := s.registered(t)
	for name, body := range map[string]string{
		"in a permission": doc("", `"httpVerb": "GET", "resource": "a", "scope": "s", "scope": "t"`),
		"owners":          doc(`, "owners": [], "owners": []`),
	} {
		if a := s.call(t, "admin", "PUT", document, body, "If-Match", tag); a.status != 400 || !strings.Contains(string(a.body), "once") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
