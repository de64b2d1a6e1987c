package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// perm is a permission of a stage.
func perm(stage, more string) string {
	return `{"arn": "` + arn + `", "stage": "` + stage + `", ` + more + `}`
}

type shown struct {
	ID, ETag, Resource, Scope, ExpiresAt, Description, Revision, Flush string
	Expired                                                            bool
}

func (a answer) item(t testing.TB) (i shown) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &i); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return i
}

func TestAPermissionIsAddedChangedAndRemoved(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	a := s.call(t, "owner", "POST", "/v1/permissions", perm("dev", orders))
	i := a.item(t)
	if a.status != 201 || i.ID == "" || a.header.Get("ETag") != i.ETag || i.Flush != "off" || !strings.HasPrefix(i.Revision, "2-") {
		t.Fatalf("add: %d %s", a.status, a.body)
	}
	at := a.header.Get("Location")
	again := s.call(t, "owner", "POST", "/v1/permissions", perm("dev", orders))
	if again.status != 409 || again.header.Get("Location") != at || !strings.Contains(again.body, i.ID) {
		t.Errorf("again: %d %s %v", again.status, again.body, again.header)
	}
	read := s.call(t, "owner", "GET", at, "")
	if read.status != 200 || read.item(t).ID != i.ID || read.header.Get("ETag") != i.ETag {
		t.Fatalf("read: %d %s", read.status, read.body)
	}
	if found := s.call(t, "owner", "GET", "/v1/permissions/"+i.ID, ""); found.body != read.body {
		t.Errorf("looked for everywhere: %d %s", found.status, found.body)
	}
	put := s.call(t, "owner", "PUT", at, `{"description": "until 2031", "expiresAt": "2031-01-01T00:00:00Z"}`, "If-Match", i.ETag)
	changed := put.item(t)
	if put.status != 200 || changed.ID != i.ID || changed.ETag == i.ETag || changed.ExpiresAt != "2031-01-01T00:00:00Z" || changed.Description != "until 2031" {
		t.Fatalf("change: %d %s", put.status, put.body)
	}
	for name, c := range map[string]struct {
		method, match string
		want          int
	}{
		"change, old ETag": {"PUT", i.ETag, 412}, "change without": {"PUT", "", 428}, "change, the table's revision": {"PUT", `"` + changed.Revision + `"`, 412},
		"remove, old ETag": {"DELETE", i.ETag, 412}, "remove without": {"DELETE", "", 428}, "remove, weak": {"DELETE", "W/" + changed.ETag, 412},
	} {
		headers := []string{"If-Match", c.match}
		if c.match == "" {
			headers = nil
		}
		if a := s.call(t, "owner", c.method, at, `{"description": null, "expiresAt": null}`, headers...); a.status != c.want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := s.call(t, "owner", "DELETE", at, "", "If-Match", changed.ETag); a.status != 200 || a.item(t).Revision == "" || a.item(t).Flush != "off" {
		t.Fatalf("remove: %d %s", a.status, a.body)
	}
	if a := s.call(t, "owner", "DELETE", at, "", "If-Match", changed.ETag); a.status != 404 {
		t.Errorf("remove again: %d %s", a.status, a.body)
	}
	if doc := s.call(t, "admin", "GET", document, ""); !strings.Contains(doc.body, `"resource":"orders/{id}","registered":true`) {
		t.Errorf("the route went with its permission: %s", doc.body)
	}
}

// TestOfAPermissionOnlyDescriptionAndEndMayChange, and neither is taken away or
// kept in silence.
func TestOfAPermissionOnlyDescriptionAndEndMayChange(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	a := s.call(t, "admin", "POST", "/v1/permissions", perm("dev", orders+`, "expiresAt": "2029-01-01T00:00:00Z"`))
	i, at := a.item(t), a.header.Get("Location")
	if !i.Expired {
		t.Errorf("%s has expired: %s", i.ExpiresAt, a.body)
	}
	whole := s.call(t, "admin", "GET", at, "").body
	for _, c := range []struct {
		name, body string
		want       int
		field      string
	}{
		{"whole as it is", whole, 200, ""},
		{"another scope", strings.Replace(whole, "orders.read", "orders.write", 1), 422, "body.scope"},
		{"another stage", strings.Replace(whole, `"dev"`, `"theirs"`, 1), 422, "body.stage"},
		{"another id", strings.Replace(whole, i.ID, strings.Repeat("a", 26), 1), 422, "body.id"},
		{"one more requirement", strings.Replace(whole, `"scope"`, `"role":"r","scope"`, 1), 422, "body.role"},
		{"no member of a permission", `{"Description": "x", "expiresAt": null}`, 422, "body.Description"},
		{"without an end", `{"description": "x"}`, 422, "body.expiresAt"},
		{"an end that is none", `{"expiresAt": "soon"}`, 422, "body.expiresAt"},
		{"an empty end", `{"expiresAt": ""}`, 422, "body.expiresAt"},
		{"a number", `{"expiresAt": 1}`, 422, "body.expiresAt"},
		{"too long", `{"expiresAt": null, "description": "` + strings.Repeat("x", 513) + `"}`, 422, "body.description"},
		{"null", `null`, 422, "body"},
		{"no end", `{"expiresAt": null}`, 200, ""},
		{"nothing", `{}`, 200, ""},
	} {
		a := s.call(t, "admin", "PUT", at, c.body, "If-Match", "*")
		if a.status != c.want || !strings.Contains(a.body, c.field) {
			t.Errorf("%s: %d %s, want %d %s", c.name, a.status, a.body, c.want, c.field)
		}
	}
	audit, err := s.store.Audit(t.Context(), api, "", 10)
	if err != nil || len(audit) != 3 {
		t.Errorf("registered, added, end taken away: %d records, %v", len(audit), err)
	}
}

// walk reads a listing to its end, calling between its pages.
func (s server) walk(t testing.TB, caller, path string, between func()) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		at := path
		if cursor != "" {
			at += "&cursor=" + cursor
		}
		a := s.call(t, caller, "GET", at, "")
		var page struct {
			Permissions []shown
			Next        string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
			t.Fatalf("%s: %d %s %v", at, a.status, a.body, err)
		}
		for _, i := range page.Permissions {
			ids = append(ids, i.ID)
		}
		if page.Next == "" {
			return ids
		}
		cursor = page.Next
		between()
	}
}

func TestAListingIsStableWhileOthersWrite(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	there := map[string]int{}
	for i := range 20 {
		stage := []string{"dev", "theirs"}[i%2]
		a := s.call(t, "admin", "POST", "/v1/permissions", perm(stage, fmt.Sprintf(`"httpVerb": "GET", "resource": "r%d", "scope": "s"`, i)))
		if a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		there[a.item(t).ID] = 0
	}
	n := 0
	var last answer
	between := func() {
		if n++; n > 1 {
			s.call(t, "admin", "DELETE", last.header.Get("Location"), "", "If-Match", "*")
		}
		last = s.call(t, "admin", "POST", "/v1/permissions", perm([]string{"theirs", "dev"}[n%2], fmt.Sprintf(`"httpVerb": "GET", "resource": "n%d", "scope": "s"`, n)))
	}
	for _, id := range s.walk(t, "admin", "/v1/permissions?limit=3", between) {
		if _, ok := there[id]; ok {
			there[id]++
		}
	}
	for id, times := range there {
		if times != 1 {
			t.Errorf("%s was shown %d times", id, times)
		}
	}
	if n < 6 {
		t.Errorf("%d pages only", n)
	}
}

func TestAListingShowsAnOwnerHisOwnWhateverTheCursorSays(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for _, stage := range []string{"dev", "theirs"} {
		for i := range 3 {
			s.call(t, "admin", "POST", "/v1/permissions", perm(stage, fmt.Sprintf(`"httpVerb": "GET", "resource": "r%d", "scope": "s"`, i)))
		}
	}
	nothing := func() {}
	mine := s.walk(t, "owner", "/v1/permissions?limit=2", nothing)
	if len(mine) != 3 || fmt.Sprint(mine) != fmt.Sprint(s.walk(t, "owner", "/v1/permissions?limit=2&arn="+arn+"&stage=dev", nothing)) {
		t.Errorf("an owner's listing: %v", mine)
	}
	if all := s.walk(t, "admin", "/v1/permissions?limit=2", nothing); len(all) != 6 {
		t.Errorf("an admin's listing: %v", all)
	}
	var page struct{ Next string }
	a := s.call(t, "other-owner", "GET", "/v1/permissions?limit=1", "")
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || page.Next == "" {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	for _, at := range []string{"/v1/permissions?cursor=" + page.Next, "/v1/permissions?arn=" + arn + "&stage=dev&cursor=" + page.Next} {
		if a := s.call(t, "owner", "GET", at, ""); a.status != 200 || strings.Contains(a.body, "theirs") || !strings.Contains(a.body, `"permissions":[]`) {
			t.Errorf("with the cursor of another: %d %s", a.status, a.body)
		}
	}
	for _, cursor := range []string{"x", page.Next + "A", page.Next[1:], "e30", "bnVsbA"} {
		if a := s.call(t, "admin", "GET", "/v1/permissions?cursor="+cursor, ""); a.status != 422 || !strings.Contains(a.body, "query.cursor") {
			t.Errorf("cursor %s: %d %s", cursor, a.status, a.body)
		}
	}
}

func TestAListingIsNarrowedDown(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for _, more := range []string{
		`"httpVerb": "GET", "resource": "orders/{id}", "scope": "b a"`,
		`"httpVerb": "PUT", "resource": "/orders/{order}", "role": "Writer"`,
		`"httpVerb": "GET", "resource": "orders/*", "group": "g"`,
		`"httpVerb": "GET", "resource": "", "scope": "ab"`,
	} {
		if a := s.call(t, "admin", "POST", "/v1/permissions", perm("dev", more)); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	for query, want := range map[string]int{
		"": 4, "&scope=a": 1, "&scope=b": 1, "&scope=a+b": 0, "&scope=A": 0, "&role=Writer": 1, "&group=g": 1, "&resource=orders/{x}": 2, "&resource=/orders/{x}": 2,
		"&resource=orders/*": 1, "&resource=/": 1, "&resource=orders": 0, "&resource=orders/{x}&scope=a": 1, "&stage=dev": 4, "&stage=theirs": 0, "&arn=" + arn: 4,
	} {
		if ids := s.walk(t, "admin", "/v1/permissions?limit=3"+query, func() {}); len(ids) != want {
			t.Errorf("%s: %v, want %d", query, ids, want)
		}
	}
	for query, want := range map[string]int{
		"resource=a?": 422, "limit=0": 422, "limit=1001": 422, "limit=1&limit=2": 422, "scope=": 422, "scope=a;role=b": 422, "scope=%zz": 422, "Scope=a": 422, "arn=x": 422,
		"arn=" + arn + "&stage=none": 404,
	} {
		if a := s.call(t, "admin", "GET", "/v1/permissions?"+query, ""); a.status != want {
			t.Errorf("%s: %d %s, want %d", query, a.status, a.body, want)
		}
	}
	if a := s.call(t, "", "GET", "/healthz?x=1", ""); a.status != http.StatusOK {
		t.Errorf("healthz with a parameter: %d %s", a.status, a.body)
	}
}
