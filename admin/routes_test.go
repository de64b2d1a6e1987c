package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"scopegate/mapping"
)

func (s server) add(t testing.TB, stage, more string) shown {
	t.Helper()
	a := s.call(t, "admin", "POST", "/v1/permissions", perm(stage, more))
	if a.status != http.StatusCreated {
		t.Fatalf("add %s: %d %s", more, a.status, a.body)
	}
	return a.item(t)
}

type route struct {
	ID, HTTPVerb, Resource string
	Permissions            []struct{ ID, Requires, ExpiresAt, Through string }
}

// routes are all of a table by how people write them.
func (s server) routes(t testing.TB, caller string, limit int) map[string]route {
	t.Helper()
	all := map[string]route{}
	for cursor := ""; ; {
		at := fmt.Sprintf("%s/routes?limit=%d", table, limit)
		if cursor != "" {
			at += "&cursor=" + cursor
		}
		a := s.call(t, caller, "GET", at, "")
		var page struct {
			Routes []route
			Next   string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 || len(page.Routes) > limit {
			t.Fatalf("%s: %d %s %v", at, a.status, a.body, err)
		}
		for _, r := range page.Routes {
			all[r.HTTPVerb+" /"+r.Resource] = r
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

func TestRoutesAreListedWithWhoHoldsThem(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for _, more := range []string{
		`"httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read", "expiresAt": "2031-01-01T00:00:00Z"`,
		`"httpVerb": "GET", "resource": "orders/{order}", "role": "Reader"`,
		`"httpVerb": "ANY", "resource": "orders/{id}", "group": "g"`,
		`"httpVerb": "GET", "resource": "orders/*", "scope": "all"`,
		`"httpVerb": "ANY", "resource": "*/export", "scope": "export"`,
		`"httpVerb": "GET", "resource": "orders/export", "registered": true`,
	} {
		s.add(t, "dev", more)
	}
	want := map[string][]string{
		"GET /orders/{id}":   {" orders.read", " Reader", "ANY /orders/{id} g", "GET /orders/* all"},
		"ANY /orders/{id}":   {" g"},
		"GET /orders/export": {"ANY /*/export export", "GET /orders/* all"},
	}
	for _, limit := range []int{1, 2, 100} {
		got := s.routes(t, "owner", limit)
		if len(got) != len(want) {
			t.Errorf("routes %v", got)
		}
		for name, permissions := range want {
			var through []string
			for _, p := range got[name].Permissions {
				words := strings.Fields(p.Requires)
				through = append(through, p.Through+" "+words[len(words)-1])
				if (p.ExpiresAt != "") != strings.Contains(p.Requires, "orders.read") {
					t.Errorf("%s: %+v", name, p)
				}
			}
			slices.Sort(through)
			slices.Sort(permissions)
			if !slices.Equal(through, permissions) {
				t.Errorf("%s: through %q, want %q", name, through, permissions)
			}
		}
	}
	one := s.routes(t, "owner", 100)["ANY /orders/{id}"]
	a := s.call(t, "owner", "GET", table+"/routes/"+one.ID, "")
	meta, err := s.store.Meta(t.Context(), api)
	if err != nil || a.status != 200 || a.header.Get("ETag") != `"`+meta.Revision.String()+`"` || !strings.Contains(a.body, one.ID) {
		t.Errorf("one route: %d %s", a.status, a.body)
	}
	if a := s.call(t, "owner", "GET", table+"/routes/none", ""); a.status != 404 {
		t.Errorf("no route: %d %s", a.status, a.body)
	}
}

func TestARouteIsForgottenOnlyWithoutPermissionsAndItsPlanSaysWhoGains(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	s.add(t, "dev", `"httpVerb": "GET", "resource": "users/{id}", "scope": "users.read"`)
	special := s.add(t, "dev", `"httpVerb": "GET", "resource": "users/admin", "scope": "users.admin"`)
	at := table + "/routes/" + s.routes(t, "owner", 100)["GET /users/admin"].ID
	if a := s.call(t, "owner", "DELETE", at, "", "If-Match", "*"); a.status != 409 || !strings.Contains(a.body, special.ID) {
		t.Errorf("named by a permission: %d %s", a.status, a.body)
	}
	gone := s.call(t, "owner", "DELETE", "/v1/permissions/"+special.ID, "", "If-Match", special.ETag)
	if gone.status != 200 {
		t.Fatalf("%d %s", gone.status, gone.body)
	}
	tag := `"` + gone.item(t).Revision + `"`
	planned := s.call(t, "owner", "DELETE", at+"?dryRun=true", "")
	var p struct {
		Revision string
		Gains    []struct{ Requirement, Route, Witness string }
	}
	if err := json.Unmarshal([]byte(planned.body), &p); err != nil || planned.status != 200 || planned.header.Get("ETag") != tag {
		t.Fatalf("plan: %d %s, ETag %s, want %s: %v", planned.status, planned.body, planned.header.Get("ETag"), tag, err)
	}
	if len(p.Gains) != 1 || p.Gains[0].Requirement != "scope users.read" || p.Gains[0].Route != "GET /users/admin" {
		t.Errorf("gains %+v", p.Gains)
	}
	for match, want := range map[string]int{"": 428, `"1-x"`: 412, "W/" + tag: 412} {
		headers := []string{"If-Match", match}
		if match == "" {
			headers = nil
		}
		if a := s.call(t, "owner", "DELETE", at, "", headers...); a.status != want {
			t.Errorf("If-Match %q: %d, want %d", match, a.status, want)
		}
	}
	if a := s.call(t, "owner", "DELETE", at+"?dryRun=true", "", "If-Match", `"1-x"`); a.status != 412 {
		t.Errorf("plan for another revision: %d", a.status)
	}
	if a := s.call(t, "owner", "DELETE", at, "", "If-Match", tag); a.status != 200 || a.header.Get("ETag") == tag {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if _, there := s.routes(t, "owner", 100)["GET /users/admin"]; there {
		t.Error("the route is there still")
	}
	if a := s.call(t, "owner", "DELETE", at, "", "If-Match", "*"); a.status != 404 {
		t.Errorf("delete again: %d", a.status)
	}
}

func TestAPIsAreListedAndDeleted(t *testing.T) {
	s := newServer(t)
	tag := s.owned(t)
	list := func(caller, query string) (stages []string, next string) {
		a := s.call(t, caller, "GET", "/v1/apis?"+query, "")
		var page struct {
			APIs []struct{ ARN, Stage, Name, Revision string }
			Next string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
			t.Fatalf("%s: %d %s %v", caller, a.status, a.body, err)
		}
		for _, api := range page.APIs {
			if api.ARN != arn || api.Name == "" || !strings.HasPrefix(api.Revision, "1-") {
				t.Errorf("%s: %+v", caller, api)
			}
			stages = append(stages, api.Stage)
		}
		return stages, page.Next
	}
	for caller, want := range map[string]string{"admin": "[dev theirs]", "owner": "[dev]", "other-owner": "[theirs]"} {
		if got, next := list(caller, "limit=2"); fmt.Sprint(got) != want || next != "" {
			t.Errorf("%s sees %v, next %q", caller, got, next)
		}
	}
	first, next := list("admin", "limit=1")
	second, end := list("admin", "limit=1&cursor="+next)
	if fmt.Sprint(first, second) != "[dev] [theirs]" || end != "" {
		t.Errorf("page by page: %v %v %q", first, second, end)
	}
	if got, _ := list("other-owner", "cursor="+next); fmt.Sprint(got) != "[theirs]" {
		t.Errorf("an admin's cursor shows an owner %v", got)
	}
	if a := s.call(t, "admin", "DELETE", table, "", "If-Match", `"1-x"`); a.status != 412 {
		t.Errorf("delete at another revision: %d", a.status)
	}
	if a := s.call(t, "admin", "DELETE", table, ""); a.status != 428 {
		t.Errorf("delete without If-Match: %d", a.status)
	}
	if a := s.call(t, "admin", "DELETE", table, "", "If-Match", tag); a.status != 200 || a.item(t).Revision != "none" || a.item(t).Flush == "" || a.header.Get("ETag") != "" {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "DELETE", table, "", "If-Match", tag); a.status != 404 {
		t.Errorf("delete again: %d", a.status)
	}
	if a := s.call(t, "admin", "GET", "/v1/audit?limit=1&arn="+arn+"&stage=dev", ""); a.status != 200 || !strings.Contains(a.body, `"after":"none"`) || !strings.Contains(a.body, `"deleted":true`) {
		t.Errorf("the trail of a deleted table: %d %s", a.status, a.body)
	}
	if a := s.call(t, "owner", "GET", "/v1/audit?arn="+arn+"&stage=dev", ""); a.status != 403 {
		t.Errorf("the trail of a deleted table, for who owned it: %d %s", a.status, a.body)
	}
}

func TestTheAuditTrailIsReadPageByPage(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for i := range 60 {
		s.add(t, "dev", fmt.Sprintf(`"httpVerb": "GET", "resource": "r%d", "scope": "s"`, i))
	}
	type record struct{ ChangeID, By, Before, After, RequestID string }
	trail := func(caller string, limit int, between func()) (all []record) {
		for cursor := ""; ; {
			at := fmt.Sprintf("/v1/audit?arn=%s&stage=dev&limit=%d", arn, limit)
			if cursor != "" {
				at += "&cursor=" + cursor
			}
			a := s.call(t, caller, "GET", at, "")
			var page struct {
				Records []record
				Next    string
			}
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 || len(page.Records) > limit || len(page.Records) == 0 {
				t.Fatalf("%s: %d %s %v", at, a.status, a.body, err)
			}
			all = append(all, page.Records...)
			if cursor = page.Next; cursor == "" {
				return all
			}
			between()
		}
	}
	whole := trail("admin", 1000, func() {})
	if len(whole) != 61 || whole[60].Before != "none" || whole[0].By != "t:ada" || whole[0].RequestID == "" {
		t.Fatalf("%d records: %+v", len(whole), whole)
	}
	for _, limit := range []int{1, 7, 25, 26, 61} {
		if got := trail("owner", limit, func() {}); !slices.Equal(got, whole) {
			t.Errorf("by %d: %d records, want %d", limit, len(got), len(whole))
		}
	}
	n := 0
	got := trail("owner", 10, func() {
		n++
		s.add(t, "dev", fmt.Sprintf(`"httpVerb": "GET", "resource": "n%d", "scope": "s"`, n))
	})
	if !slices.Equal(got, whole) {
		t.Errorf("while others write: %d records", len(got))
	}
	for query, want := range map[string]int{
		"arn=" + arn: 422, "stage=dev": 422, "arn=" + arn + "&stage=none": 404, "limit=0": 422, "cursor=x": 422, "": 200,
	} {
		if a := s.call(t, "admin", "GET", "/v1/audit?"+query, ""); a.status != want {
			t.Errorf("%q: %d %s, want %d", query, a.status, a.body, want)
		}
	}
	if _, err := s.store.Meta(t.Context(), mapping.API{ARN: arn, Stage: "none"}); err == nil {
		t.Error("a look at a trail made a table")
	}
}

// TestAPermissionSaysWhoMadeItAndWhoChangedIt.
func TestAPermissionSaysWhoMadeItAndWhoChangedIt(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	made := s.add(t, "dev", orders)
	at := "/v1/permissions/" + made.ID
	type stamps struct{ CreatedBy, CreatedAt, UpdatedBy, UpdatedAt string }
	read := func(a answer) (got stamps) {
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := read(s.call(t, "owner", "GET", at, "")); got != (stamps{"t:ada", "2030-01-01T00:00:00Z", "t:ada", "2030-01-01T00:00:00Z"}) {
		t.Errorf("made: %+v", got)
	}
	put := s.call(t, "owner", "PUT", at, `{"description": "x"}`, "If-Match", made.ETag)
	want := stamps{"t:ada", "2030-01-01T00:00:00Z", home + ":olga", "2030-01-01T00:00:00Z"}
	if got := read(put); put.status != 200 || got != want {
		t.Errorf("changed: %d %+v", put.status, got)
	}
	if got := read(s.call(t, "owner", "GET", at, "")); got != want {
		t.Errorf("read again: %+v", got)
	}
}
