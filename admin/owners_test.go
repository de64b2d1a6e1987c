package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

const (
	home      = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"
	elsewhere = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a22"
	teamGroup = "0d6f0c11-0000-4000-8000-000000000001"
)

// of makes the claims of a user (with the admin scope) or an app.
func of(kind token.Kind, tenant, oid string, set func(*token.Claims)) token.Claims {
	c := token.Claims{Issuer: "i", TenantID: tenant, ObjectID: oid, Kind: kind}
	if kind == token.KindUser {
		c.Scopes = []string{"S"}
	}
	if set != nil {
		set(&c)
	}
	return c
}

func role(r string) func(*token.Claims)  { return func(c *token.Claims) { c.Roles = []string{r} } }
func group(g string) func(*token.Claims) { return func(c *token.Claims) { c.Groups = []string{g} } }

const (
	owners = `"owners": [{"tenant": "` + home + `", "role": "Team"}, {"tenant": "` + home + `", "group": "` + teamGroup + `"}]`
	trust  = `"trust": [{"tenant": "` + home + `", "audiences": ["api://orders"]}]`
	foes   = `"owners": [{"tenant": "` + home + `", "role": "Others"}]`

	// Tables that the tests tell apart: of others, and none.
	theirs  = "/v1/apis/rz8w6b1ik2/theirs"
	unknown = "/v1/apis/rz8w6b1ik2/unknown"
)

// owned makes the owners' table and one of others, and gives the ETag of the
// first.
func (s server) owned(t testing.TB) string {
	t.Helper()
	a := s.call(t, "admin", "PUT", table, `{"arn": "`+arn+`", "name": "Orders", `+owners+`, `+trust+`}`)
	b := s.call(t, "admin", "PUT", theirs, `{"arn": "`+arn+`", "name": "Theirs", `+foes+`}`)
	if a.status != http.StatusCreated || b.status != http.StatusCreated {
		t.Fatalf("register: %d %s, %d %s", a.status, a.body, b.status, b.body)
	}
	return a.header.Get("ETag")
}

// docOf is a document of another stage than dev.
func docOf(stage, more string, permissions ...string) string {
	return strings.ReplaceAll(doc(more, permissions...), `"stage": "dev"`, `"stage": "`+stage+`"`)
}

const orders = `"httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read"`

// TestEachCallForEachKindOfCaller: what owners may is read and replace the
// document of their own API.
func TestEachCallForEachKindOfCaller(t *testing.T) {
	s := newServer(t)
	tag := s.owned(t)
	const mine, other, none = table + "/document", theirs + "/document", unknown + "/document"
	calls := []struct {
		name, method, path, body string
		admin, owner, otherOwner int
	}{
		{"read my document", "GET", mine, "", 200, 200, 403},
		{"replace my document", "PUT", mine, doc("", orders), 200, 200, 403},
		{"read another's document", "GET", other, "", 200, 403, 200},
		{"replace another's document", "PUT", other, docOf("theirs", ""), 200, 403, 200},
		{"read a document that is not there", "GET", none, "", 404, 403, 403},
		{"replace a document that is not there", "PUT", none, docOf("unknown", ""), 404, 403, 403},
		{"read what is registered", "GET", table, "", 200, 200, 403},
		{"read what others have registered", "GET", theirs, "", 200, 403, 200},
		{"read what is not registered", "GET", unknown, "", 404, 403, 403},
		{"change what is registered", "PUT", table, `{"arn": "` + arn + `", "name": "Orders", ` + owners + `, ` + trust + `}`, 200, 403, 403},
		{"change what others have registered", "PUT", theirs, `{"arn": "` + arn + `", "name": "Theirs", ` + foes + `}`, 200, 403, 403},
		{"register another stage", "PUT", "/v1/apis/rz8w6b1ik2/prod", `{"arn": "` + arn + `", ` + owners + `}`, 412, 403, 403},
	}
	for caller, kind := range map[string]string{
		"admin": "admin", "app": "admin", "owner-and-admin": "admin",
		"owner": "owner", "owner-by-group": "owner", "owner-app": "owner", "other-owner": "other owner",
		"other-tenant": "", "other-role": "", "owner-no-scope": "", "groups-unknown": "", "foreign-owner": "",
		"nobody": "", "other-app": "", "foreign": "",
	} {
		for _, c := range calls {
			want := map[string]int{"admin": c.admin, "owner": c.owner, "other owner": c.otherOwner, "": 403}[kind]
			a := s.call(t, caller, c.method, c.path, c.body, "If-Match", "*")
			if a.status != want {
				t.Errorf("%s: %s: %d, want %d: %s", caller, c.name, a.status, want, a.body)
			}
			if want >= 400 {
				a.problem(t)
			}
		}
	}
	if a := s.call(t, "admin", "GET", document, ""); !strings.Contains(a.body, "orders/{id}") || a.header.Get("ETag") == tag {
		t.Errorf("the document that was put is not there: %s", a.body)
	}
}

// TestAnAPIThatIsNotThereIsToldApartByNobodyButAdmins: the answers are the same,
// byte by byte, but for the id of the request.
func TestAnAPIThatIsNotThereIsToldApartByNobodyButAdmins(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	stale := `"7-x"`
	for _, caller := range []string{"owner", "owner-by-group", "owner-app", "other-tenant", "other-role", "owner-no-scope", "groups-unknown", "foreign-owner", "other-app"} {
		for _, c := range []struct{ name, method, path, body, match string }{
			{"read", "GET", "/document", "", ""},
			{"read, asking for an ARN", "GET", "/document?arn=" + arn, "", ""},
			{"read, of another account", "GET", "/document?arn=" + strings.Replace(arn, "219852565112", "219852565113", 1), "", ""},
			{"read, with a parameter that is not known", "GET", "/document?x=y", "", ""},
			{"replace", "PUT", "/document", docOf("STAGE", "", orders), "*"},
			{"replace without If-Match", "PUT", "/document", docOf("STAGE", ""), ""},
			{"replace at another revision", "PUT", "/document", docOf("STAGE", ""), stale},
			{"replace with what breaks rules", "PUT", "/document", docOf("STAGE", "", `"httpVerb": "BREW", "resource": "?"`), "*"},
			{"replace with owners", "PUT", "/document", docOf("STAGE", ", "+owners), "*"},
			{"replace with no JSON", "PUT", "/document", "{", "*"},
			{"replace with the document of my own", "PUT", "/document", doc(""), "*"},
			{"registered", "GET", "", "", ""},
			{"register", "PUT", "", `{"arn": "` + arn + `"}`, ""},
			{"register again", "PUT", "", `{"arn": "` + arn + `"}`, "*"},
		} {
			ask := func(path, stage string) answer {
				headers := []string{"If-Match", c.match}
				if c.match == "" {
					headers = nil
				}
				return s.call(t, caller, c.method, path+c.path, strings.ReplaceAll(c.body, "STAGE", stage), headers...)
			}
			there, not := ask(theirs, "theirs"), ask(unknown, "unknown")
			for _, a := range []answer{there, not} {
				a.header.Del("X-Request-Id")
			}
			if there.status != 403 || there.body != not.body || fmt.Sprint(there.header) != fmt.Sprint(not.header) || not.status != 403 {
				t.Errorf("%s: %s: there %d %v %s\nnot there %d %v %s", caller, c.name, there.status, there.header, there.body, not.status, not.header, not.body)
			}
		}
	}
}

// TestAnAPIOfMyIDInAnotherAccountIsNotMine: the path holds the id alone, and ids
// of two accounts or regions may be the same.
func TestAnAPIOfMyIDInAnotherAccountIsNotMine(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	their := strings.Replace(arn, "us-east-1", "eu-west-1", 1)
	absent := strings.Replace(arn, "us-east-1", "sa-east-1", 1)
	put := func(caller, arnOfBody string) answer {
		return s.call(t, caller, "PUT", document, strings.ReplaceAll(doc(""), arn, arnOfBody), "If-Match", "*")
	}
	if a := s.call(t, "admin", "PUT", table, `{"arn": "`+their+`", `+foes+`}`); a.status != http.StatusCreated {
		t.Fatalf("register: %d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "GET", document, ""); a.status != 409 {
		t.Errorf("an admin must say which of the two: %d", a.status)
	}
	for caller, its := range map[string]string{"owner": arn, "other-owner": their} {
		a := s.call(t, caller, "GET", document, "")
		if a.status != 200 || !strings.Contains(a.body, `"arn":"`+its+`"`) {
			t.Errorf("%s has one of the two: %d %s", caller, a.status, a.body)
		}
	}
	theirs, none := put("owner", their), put("owner", absent)
	if theirs.status != 403 || none.status != 403 || theirs.body != none.body {
		t.Errorf("the owner of one: the other %d %s, none %d %s", theirs.status, theirs.body, none.status, none.body)
	}
	if a := put("owner", arn); a.status != 200 {
		t.Errorf("the owner's own: %d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "GET", document+"?arn="+their, ""); a.status != 200 || !strings.HasPrefix(a.header.Get("ETag"), `"1-`) {
		t.Errorf("the others' table has changed: %d %s", a.status, a.header.Get("ETag"))
	}
}

// TestAnOwnerChangesNothingOfTheHeadButComplete.
func TestAnOwnerChangesNothingOfTheHeadButComplete(t *testing.T) {
	const everybody = `"owners": [{"tenant": "` + home + `", "role": "Team"}, {"tenant": "` + home + `", "group": "` + teamGroup + `"}, {"tenant": "` + elsewhere + `", "role": "Team"}]`
	for _, c := range []struct {
		name, more string
		fields     string // named by the 403; "" if it is fine
	}{
		{"nothing", ``, ""},
		{"all of it as it is", `, "name": "Orders", ` + owners + `, ` + trust, ""},
		{"null, which is nothing", `, "owners": null, "trust": null`, ""},
		{"complete", `, "complete": {"source": "sha256:1"}`, ""},
		{"another name", `, "name": "Mine"`, "name"},
		{"an empty name", `, "name": ""`, "name"},
		{"one owner more", `, ` + everybody, "owners"},
		{"one owner less", `, "owners": [{"tenant": "` + home + `", "role": "Team"}]`, "owners"},
		{"no owners", `, "owners": []`, "owners"},
		{"another's", `, ` + foes, "owners"},
		{"no trust", `, "trust": []`, "trust"},
		{"another audience", strings.Replace(`, `+trust, "api://orders", "api://other", 1), "trust"},
		{"one more issuer", strings.Replace(`, `+trust, `"trust": [`, `"trust": [{"issuer": "https://i.example", "audiences": ["a"]}, `, 1), "trust"},
		{"all of it", `, "name": "Mine", "owners": [], "trust": []`, "name owners trust"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			tag := s.owned(t)
			a := s.call(t, "owner", "PUT", document, doc(c.more, orders), "If-Match", tag)
			meta, err := s.store.Meta(t.Context(), api)
			if err != nil || meta.Name != "Orders" || len(meta.Owners) != 2 || len(meta.Trust) != 1 || meta.Trust[0].Audiences[0] != "api://orders" {
				t.Fatalf("the head is another one: %+v, %v", meta, err)
			}
			if c.fields == "" {
				if a.status != 200 || meta.Revision.Number != 2 {
					t.Errorf("%d %s, revision %s", a.status, a.body, meta.Revision)
				}
				return
			}
			if a.status != 403 || a.header.Get("ETag") != "" || `"`+meta.Revision.String()+`"` != tag {
				t.Fatalf("%d %s, revision %s after %s", a.status, a.body, meta.Revision, tag)
			}
			var at []string
			p := a.problem(t)
			for _, e := range p.Errors {
				field := strings.TrimPrefix(e.Location, "body.")
				at = append(at, field)
				if !strings.Contains(p.Detail, field) {
					t.Errorf("%q does not name %s", p.Detail, field)
				}
			}
			if strings.Join(at, " ") != c.fields {
				t.Errorf("names %v, want %s", at, c.fields)
			}
			// An admin may put the very same.
			if a := s.call(t, "admin", "PUT", document, doc(c.more, orders), "If-Match", tag); a.status != 200 {
				t.Errorf("an admin: %d %s", a.status, a.body)
			}
		})
	}
}

// TestAnOwnersDocumentReadIsAnOwnersDocumentPut: what an owner reads he may put
// again, edited.
func TestAnOwnersDocumentReadIsAnOwnersDocumentPut(t *testing.T) {
	s := newServer(t)
	tag := s.owned(t)
	read := s.call(t, "owner-by-group", "GET", document, "")
	edited := strings.Replace(read.body, `"permissions":[]`, `"permissions":[{"arn":"`+arn+`","stage":"dev",`+orders+`}]`, 1)
	a := s.call(t, "owner-by-group", "PUT", document, edited, "If-Match", read.header.Get("ETag"))
	if read.header.Get("ETag") != tag || a.status != 200 || !strings.Contains(a.body, `"added":1`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.call(t, "owner-by-group", "PUT", document, edited, "If-Match", tag); a.status != 412 {
		t.Errorf("once more at the old revision: %d %s", a.status, a.body)
	}
	if a := s.call(t, "owner-by-group", "PUT", document, edited); a.status != 428 {
		t.Errorf("once more at no revision: %d %s", a.status, a.body)
	}
}

// TestTheAuditTrailNamesTheOwnerWhoDidIt.
func TestTheAuditTrailNamesTheOwnerWhoDidIt(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for caller, by := range map[string]string{
		"owner": home + ":olga", "owner-app": home + ":bot", "admin": "t:ada", "owner-through-app": home + ":olga/cli", "owner-app-v1": home + ":bot/app-1", "owner-app-itself": home + ":bot",
	} {
		a := s.call(t, caller, "PUT", document, doc(`, "complete": {"source": "of `+caller+`"}, "name": "Orders", `+owners+`, `+trust, orders), "If-Match", "*")
		records, err := s.store.Audit(t.Context(), api, "", 1)
		if err != nil || a.status != 200 || len(records) != 1 {
			t.Fatalf("%s: %d %s, %v", caller, a.status, a.body, err)
		}
		r := records[0]
		if r.By != by || r.RequestID != a.header.Get("X-Request-Id") || r.HeadAfter == nil || r.HeadAfter.Complete.By != by {
			t.Errorf("%s: audit %+v, want by %s", caller, r, by)
		}
	}
	before, err := s.store.Audit(t.Context(), api, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, caller := range []string{"other-owner", "nobody", "groups-unknown"} {
		s.call(t, caller, "PUT", document, doc(""), "If-Match", "*")
	}
	after, err := s.store.Audit(t.Context(), api, "", 10)
	if err != nil || len(after) != len(before) {
		t.Errorf("who is refused leaves a record: %d after %d, %v", len(after), len(before), err)
	}
}

// TestWhoIsNoOwnerAnyMoreIsRefusedAtOnce: ownership is read with every call.
func TestWhoIsNoOwnerAnyMoreIsRefusedAtOnce(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	if a := s.call(t, "owner", "GET", document, ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "PUT", table, `{"arn": "`+arn+`", `+foes+`}`, "If-Match", "*"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, method := range []string{"GET", "PUT"} {
		body := ""
		if method == "PUT" {
			body = doc("")
		}
		if a := s.call(t, "owner", method, document, body, "If-Match", "*"); a.status != 403 {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
		if a := s.call(t, "other-owner", method, document, body, "If-Match", "*"); a.status != 200 {
			t.Errorf("%s by the new owner: %d %s", method, a.status, a.body)
		}
	}
}

// moving is a store in which something happens after so many looks at the head
// of a table.
type moving struct {
	store.Store
	looks int
	move  func()
	err   error // of Meta
}

func (m *moving) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	meta, err := m.Store.Meta(ctx, api)
	if m.looks--; m.looks == 0 {
		m.move()
	}
	if m.err != nil {
		return store.Meta{}, m.err
	}
	return meta, err
}

// TestTheTableThatIsReadDecidesNotOneSeenBefore: a table may change hands between
// an owner's look at its head and the reading of the table.
func TestTheTableThatIsReadDecidesNotOneSeenBefore(t *testing.T) {
	after := map[string]*store.Head{"of another": {Owners: []store.Owner{{Tenant: home, Role: "Others"}}}, "deleted": nil}
	for name, head := range after {
		for _, c := range []struct {
			method, body string
			looks        int
		}{{"GET", "", 1}, {"GET", "", 2}, {"PUT", doc("", orders), 1}} {
			s := newServer(t)
			s.owned(t)
			m := &moving{Store: s.store.Store, looks: c.looks}
			m.move = func() {
				meta, err := m.Store.Meta(t.Context(), api)
				if err != nil {
					t.Fatal(err)
				}
				change := store.Change{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", API: api, If: meta.Revision, By: "test", At: epoch, Head: head, Delete: head == nil}
				if _, err := m.Store.Commit(t.Context(), change); err != nil {
					t.Fatal(err)
				}
			}
			s.store.Store = m
			a := s.call(t, "owner", c.method, document, c.body, "If-Match", "*")
			if a.status != 403 || m.looks > 0 {
				t.Errorf("%s, %s, after %d looks: %d %s", name, c.method, c.looks, a.status, a.body)
			}
			s.store.Store = m.Store
			if not := s.call(t, "owner", "GET", unknown+"/document", ""); a.body != not.body {
				t.Errorf("%s, %s: %s, want as of no table: %s", name, c.method, a.body, not.body)
			}
		}
	}
}

// TestAnOutageIsNoRefusalOfAnOwner, and who can own nothing is refused without
// the store.
func TestAnOutageIsNoRefusalOfAnOwner(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	whole := s.store.Store
	for name, fail := range map[string]func(){
		"all of the store": func() { s.store.err = errDown },
		"heads alone":      func() { s.store.err, s.store.Store = nil, &moving{Store: whole, err: errDown} },
	} {
		fail()
		for _, method := range []string{"GET", "PUT"} {
			if a := s.call(t, "owner", method, document, doc(""), "If-Match", "*"); a.status != 503 {
				t.Errorf("%s, %s: %d %s", name, method, a.status, a.body)
			}
			for _, caller := range []string{"owner-no-scope", "foreign-owner"} {
				if a := s.call(t, caller, method, document, doc(""), "If-Match", "*"); a.status != 403 {
					t.Errorf("%s, %s by %s: %d %s", name, method, caller, a.status, a.body)
				}
			}
		}
	}
	s.store.err, s.store.Store = nil, &moving{Store: whole, err: store.ErrNotFound} // deleted since it was listed
	if a := s.call(t, "owner", "GET", document, ""); a.status != 403 {
		t.Errorf("deleted in between: %d %s", a.status, a.body)
	}
}
