package admin_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

func apiOf(stage string) mapping.API { return mapping.API{ARN: arn, Stage: stage} }
func jsonBody(s string) io.Reader    { return strings.NewReader(s) }
func stagesOf() []string             { return []string{"dev", "theirs", "unknown"} }
func seed(stage, name string) string {
	return `"httpVerb": "GET", "resource": "` + name + `-of-` + stage + `", "scope": "s"`
}
func parsed(t testing.TB, body string) mapping.Permission {
	t.Helper()
	p, err := mapping.ParsePermission([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kinds of callers, by their tokens, and how a call treats them: as admins, as
// owners of dev, as owners of another API, as nobody in particular, or not at all.
var kinds = []struct{ name, token, as string }{
	{"admin user", "admin", "admin"},
	{"admin app", "app", "admin"},
	{"owner user", "owner", "owner"},
	{"owner user by group", "owner-by-group", "owner"},
	{"owner app", "owner-app", "owner"},
	{"owner of another API", "other-owner", "other"},
	{"admin user without the scope", "no-scope", "stranger"},
	{"owner user without the scope", "owner-no-scope", "stranger"},
	{"user with the scope only", "no-role", "stranger"},
	{"owner of the same name in another tenant", "other-tenant", "stranger"},
	{"app without a role", "other-app", "stranger"},
	{"caller of another issuer", "foreign", "stranger"},
	{"nobody", "", "no token"},
	{"garbage", "garbage", "no token"},
}

// each is what a call answers for the owners' table, that of others, and one that
// is not there.
type each [3]int

// row is a call as the table knows it. STAGE, PERMISSION and ROUTE stand for those
// of the table that is asked for.
type row struct {
	op, name, method, path, body string
	plain                        bool // without If-Match
	admin, owner, other          each
	stranger                     int // 0 is 403
}

const (
	oneOf = "/v1/permissions/PERMISSION"
	there = "?arn=" + arn + "&stage=STAGE"
	tab   = "/v1/apis/rz8w6b1ik2/STAGE"
	// Of somebody whom nobody else is told of.
	revoked = "/v1/revocations/" + home + ":secret-of-revocations"
)

// rows are all calls. What an admin is told of a table that is not there, an owner
// is not.
var rows = []row{
	{op: "healthz", method: "GET", path: "/healthz", admin: each{200, 200, 200}, owner: each{200, 200, 200}, other: each{200, 200, 200}, stranger: 200},

	{op: "listApis", method: "GET", path: "/v1/apis", admin: each{200, 200, 200}, owner: each{200, 200, 200}, other: each{200, 200, 200}},
	{op: "getApi", method: "GET", path: tab, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "putApi", method: "PUT", path: tab, body: `{"arn": "` + arn + `"}`, admin: each{200, 200, 412}, owner: each{403, 403, 403}, other: each{403, 403, 403}},
	{op: "putApi", name: "anew", plain: true, method: "PUT", path: tab, body: `{"arn": "` + arn + `"}`, admin: each{428, 428, 201}, owner: each{403, 403, 403}, other: each{403, 403, 403}},
	{op: "deleteApi", method: "DELETE", path: tab, admin: each{200, 200, 404}, owner: each{403, 403, 403}, other: each{403, 403, 403}},

	{op: "getDocument", method: "GET", path: tab + "/document", admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "putDocument", method: "PUT", path: tab + "/document", body: `{"arn": "` + arn + `", "stage": "STAGE", "permissions": []}`, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "putDocument", name: "planned", plain: true, method: "PUT", path: tab + "/document?dryRun=true", body: `{"arn": "` + arn + `", "stage": "STAGE", "permissions": []}`, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},

	{op: "listPermissions", method: "GET", path: "/v1/permissions", admin: each{200, 200, 200}, owner: each{200, 200, 200}, other: each{200, 200, 200}},
	{op: "listPermissions", name: "of a table", method: "GET", path: "/v1/permissions" + there, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "listPermissions", name: "of a stage", method: "GET", path: "/v1/permissions?stage=STAGE", admin: each{200, 200, 200}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "getPermission", method: "GET", path: oneOf + there, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "getPermission", name: "wherever it is", method: "GET", path: oneOf, admin: each{200, 200, 404}, owner: each{200, 404, 404}, other: each{404, 200, 404}},
	{op: "postPermission", method: "POST", path: "/v1/permissions", body: `{"arn": "` + arn + `", "stage": "STAGE", ` + orders + `}`, admin: each{201, 201, 404}, owner: each{201, 403, 403}, other: each{403, 201, 403}},
	{op: "postPermission", name: "again", method: "POST", path: "/v1/permissions", body: `{"arn": "` + arn + `", "stage": "STAGE", "httpVerb": "GET", "resource": "secret-of-STAGE", "scope": "s"}`, admin: each{409, 409, 404}, owner: each{409, 403, 403}, other: each{403, 409, 403}},
	{op: "putPermission", method: "PUT", path: oneOf + there, body: `{"description": "d"}`, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "putPermission", name: "wherever it is", method: "PUT", path: oneOf, body: `{"description": "d"}`, admin: each{200, 200, 404}, owner: each{200, 404, 404}, other: each{404, 200, 404}},
	{op: "deletePermission", method: "DELETE", path: oneOf + there, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "deletePermission", name: "wherever it is", method: "DELETE", path: oneOf, admin: each{200, 200, 404}, owner: each{200, 404, 404}, other: each{404, 200, 404}},

	{op: "listRoutes", method: "GET", path: tab + "/routes", admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "getRoute", method: "GET", path: tab + "/routes/ROUTE", admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "deleteRoute", method: "DELETE", path: tab + "/routes/ROUTE", admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "deleteRoute", name: "planned", method: "DELETE", path: tab + "/routes/ROUTE?dryRun=true", admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},

	{op: "restore", method: "POST", path: tab + "/restore", body: `{"revision": "REVISION"}`, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "restore", name: "planned", plain: true, method: "POST", path: tab + "/restore?dryRun=true", body: `{"revision": "REVISION"}`, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},

	{op: "listAudit", method: "GET", path: "/v1/audit" + there, admin: each{200, 200, 404}, owner: each{200, 403, 403}, other: each{403, 200, 403}},
	{op: "listAudit", name: "of revocations", method: "GET", path: "/v1/audit", admin: each{200, 200, 200}, owner: each{403, 403, 403}, other: each{403, 403, 403}},

	{op: "explain", method: "POST", path: "/v1/explain", body: `{"arn": "` + arn + `", "stage": "STAGE", "method": "GET", "path": "/secret-of-STAGE", "claims": {"scp": "s"}}`, admin: each{200, 200, 200}, owner: each{200, 403, 403}, other: each{403, 200, 403}},

	{op: "listRevocations", method: "GET", path: "/v1/revocations", admin: each{200, 200, 200}, owner: each{403, 403, 403}, other: each{403, 403, 403}},
	{op: "getRevocation", method: "GET", path: revoked, admin: each{200, 200, 200}, owner: each{403, 403, 403}, other: each{403, 403, 403}},
	{op: "putRevocation", method: "PUT", path: revoked, body: `{"reason": "r"}`, admin: each{200, 200, 200}, owner: each{403, 403, 403}, other: each{403, 403, 403}},
	{op: "deleteRevocation", method: "DELETE", path: revoked, admin: each{200, 200, 200}, owner: each{403, 403, 403}, other: each{403, 403, 403}},
}

func (r row) want(as string, table int) int {
	switch as {
	case "admin":
		return r.admin[table]
	case "owner":
		return r.owner[table]
	case "other":
		return r.other[table]
	case "no token":
		if r.op == "healthz" {
			return 200
		}
		return 401
	}
	if r.stranger != 0 {
		return r.stranger
	}
	return 403
}

// counting is a store that notes what is asked of it.
type counting struct {
	store.Store
	mu    sync.Mutex
	calls []string
}

func (c *counting) note(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

func (c *counting) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	c.note("meta")
	return c.Store.Meta(ctx, api)
}

func (c *counting) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	c.note("load")
	return c.Store.Load(ctx, api)
}

func (c *counting) APIs(ctx context.Context) ([]mapping.API, error) {
	c.note("apis")
	return c.Store.APIs(ctx)
}

func (c *counting) Audit(ctx context.Context, api mapping.API, before string, limit int) ([]store.Record, error) {
	c.note("audit")
	return c.Store.Audit(ctx, api, before, limit)
}

func (c *counting) Commit(ctx context.Context, change store.Change) (store.Meta, error) {
	c.note("commit")
	return c.Store.Commit(ctx, change)
}

// world is a server with two tables of the same content, and what they hold.
type world struct {
	server
	count *counting
	state string            // all that the store holds
	mark  string            // what was written last
	first map[string]string // revisions by stage

	ofType string // Content-Type, in place of JSON's
}

// newWorld fills dev, of the owners, and theirs, of others, each with a permission
// and a route that none names.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{server: newServer(t), first: map[string]string{"unknown": "1-x"}}
	w.owned(t)
	for _, stage := range []string{"dev", "theirs"} {
		meta, err := w.store.Meta(t.Context(), apiOf(stage))
		if err != nil {
			t.Fatal(err)
		}
		w.first[stage] = meta.Revision.String()
		w.add(t, stage, seed(stage, "secret"))
		free := w.add(t, stage, seed(stage, "free"))
		if a := w.call(t, "admin", "DELETE", "/v1/permissions/"+free.ID, "", "If-Match", "*"); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if a := w.call(t, "admin", "PUT", revoked, `{}`); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.count = &counting{Store: w.store.Store}
	w.state, w.mark = w.look(t), w.newest(t)
	w.store.Store = w.count
	return w
}

// look is all that the store holds.
func (w *world) look(t testing.TB) string {
	t.Helper()
	s, ctx := w.count.Store, t.Context()
	apis, err := s.APIs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprint(apis)
	for _, stage := range stagesOf() {
		table, _ := s.Load(ctx, apiOf(stage)) // zero if there is none
		records, err := s.Audit(ctx, apiOf(stage), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintf("%+v %d", table, len(records))
	}
	revoked, err := s.Revocations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return all + fmt.Sprintf("%+v", revoked)
}

// ask makes the call of a row for a table, and says what it read of the store.
func (w *world) ask(t testing.TB, r row, token, stage string) (answer, string) {
	t.Helper()
	p := parsed(t, perm(stage, seed(stage, "secret")))
	free, _ := parsed(t, perm(stage, seed(stage, "free"))).Route()
	fill := strings.NewReplacer("REVISION", w.first[stage], "STAGE", stage, "PERMISSION", p.ID(), "ROUTE", free.ID()).Replace
	headers := []string{"If-Match", "*"}
	if r.plain {
		headers = nil
	}
	if w.ofType != "" {
		headers = append(slices.Clone(headers), "Content-Type", w.ofType)
	}
	w.count.calls = nil
	a := w.call(t, token, r.method, fill(r.path), fill(r.body), headers...)
	return a, fmt.Sprint(w.count.calls)
}

// TestEachCallForEachKindOfCallerAndTable: one table says who may what. A refused
// call changes nothing, and tells nothing: neither by its answer nor by what it
// reads can the table of others be told apart from one that is not there.
func TestEachCallForEachKindOfCallerAndTable(t *testing.T) {
	rowsOf := map[string]bool{}
	for _, r := range rows {
		rowsOf[r.op] = true
	}
	for name, op := range operations(t) {
		if !rowsOf[op.OperationID] {
			t.Errorf("%s (%s) has no row", name, op.OperationID)
		}
		delete(rowsOf, op.OperationID)
	}
	for op := range maps.Keys(rowsOf) {
		t.Errorf("there is a row for %s, and no such call", op)
	}
	w, cells := newWorld(t), 0
	for _, r := range rows {
		for _, k := range kinds {
			var answers [3]answer
			var reads [3]string
			for i, stage := range stagesOf() {
				cells++
				a, read := w.ask(t, r, k.token, stage)
				answers[i], reads[i] = a, read
				want := r.want(k.as, i)
				if a.status != want {
					t.Errorf("%s %s of %s by %s: %d, want %d: %s", r.op, r.name, stage, k.name, a.status, want, a.body)
				}
				if a.status >= 400 {
					a.problem(t)
				}
				written := w.newest(t) != w.mark
				if written && a.status >= 300 {
					t.Errorf("%s %s of %s by %s: %d, and something was written", r.op, r.name, stage, k.name, a.status)
				}
				if (a.status == 401 || a.status == 403) && strings.Contains(a.body, "-of-") {
					t.Errorf("%s %s of %s by %s: %d reveals %s", r.op, r.name, stage, k.name, a.status, a.body)
				}
				if a.status == 403 && strings.Contains(read, "load") {
					t.Errorf("%s %s of %s by %s: refused after %s: how long a table is read tells that there is one", r.op, r.name, stage, k.name, read)
				}
				if written {
					w = newWorld(t)
				}
			}
			if w.look(t) != w.state {
				t.Errorf("%s %s by %s: the store holds something else, and no record says so", r.op, r.name, k.name)
			}
			if k.as == "owner" || k.as == "stranger" || k.as == "no token" {
				alike(t, r.op+" "+r.name+" by "+k.name, answers[1], answers[2], reads[1], reads[2])
			}
			if k.as == "other" {
				alike(t, r.op+" "+r.name+" by "+k.name, answers[0], answers[2], reads[0], reads[2])
			}
		}
	}
	if want := len(rows) * len(kinds) * 3; cells != want {
		t.Errorf("%d cells, want %d", cells, want)
	}
}

// alike holds the answers of a table that is not the caller's and of none against
// each other.
func alike(t *testing.T, name string, theirs, none answer, readOfTheirs, readOfNone string) {
	t.Helper()
	if theirs.status < 300 && none.status < 300 {
		return // names no table
	}
	for _, a := range []answer{theirs, none} {
		a.header.Del("X-Request-Id")
	}
	if theirs.status != none.status || theirs.body != none.body || fmt.Sprint(theirs.header) != fmt.Sprint(none.header) {
		t.Errorf("%s: of others %d %v %s\nof none %d %v %s", name, theirs.status, theirs.header, theirs.body, none.status, none.header, none.body)
	}
	if readOfTheirs != readOfNone {
		t.Errorf("%s: reads %s of others, %s of none", name, readOfTheirs, readOfNone)
	}
}

// TestNobodyIsLockedOutByTheTable: that the admins' way in is in the settings,
// whatever owners and trust say.
func TestNobodyIsLockedOutByTheTable(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for _, head := range []string{foes, `"owners": []`, `"trust": [{"issuer": "https://i.example", "audiences": ["a"]}]`} {
		for _, caller := range []string{"admin", "app"} {
			if a := s.call(t, caller, "PUT", table, `{"arn": "`+arn+`", `+head+`}`, "If-Match", "*"); a.status != http.StatusOK {
				t.Errorf("%s: %d %s", caller, a.status, a.body)
			}
		}
	}
}
