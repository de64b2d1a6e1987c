package wiring_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"scopegate/admin"
	"scopegate/internal/config"
	"scopegate/internal/flush"
	"scopegate/store"
	"scopegate/token"
)

const (
	ownersRole  = "Orders.Own"
	ownersGroup = "99999999-0000-4000-8000-00000000000a"
	adminScope  = "Mappings.ReadWrite" // the defaults of ADMIN_SCOPE
	adminRole   = "Mappings.Admin"     // and ADMIN_ROLE
)

// adminAPI puts the real one together. Its verifier is made as internal/dev does
// it: of ADMIN_TENANT_IDS and ADMIN_AUDIENCES, and of no other issuer.
func (m *matrix) adminAPI(s store.Store, settings ...string) http.Handler {
	m.t.Helper()
	c, err := config.Load(append(slices.Concat(m.settings, settings), "FLUSH_AUTHORIZER_CACHE=off"), config.AdminAPI)
	if err != nil {
		m.t.Fatal(err)
	}
	verified := c.AdminVerifier()
	verified.Now = m.now
	verifier, err := token.New(verified)
	if err != nil {
		m.t.Fatal(err)
	}
	h, err := admin.New(admin.Config{
		Store: s, Verifier: verifier, Scope: c.Admin.Scope, Role: c.Admin.Role, Log: zap.NewNop(), Now: m.now, Flusher: flush.Off{},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return h
}

var editorsGrants = []grants{
	{name: "nothing"},
	{name: "the admins' scope", scopes: []string{adminScope}},
	{name: "the admins' role", roles: []string{adminRole}},
	{name: "the admins' scope and role", scopes: []string{adminScope}, roles: []string{adminRole}},
	{name: "the owners' role", roles: []string{ownersRole}},
	{name: "the scope and the owners' role", scopes: []string{adminScope}, roles: []string{ownersRole}},
	{name: "the owners' group", groups: []string{ownersGroup}},
	{name: "the scope and the owners' group", scopes: []string{adminScope}, groups: []string{ownersGroup}},
	{name: "the scope and the owners' group in an overage", scopes: []string{adminScope}, groups: []string{ownersGroup}, overage: true},
	{name: "the scope, the owners' role and group", scopes: []string{adminScope}, roles: []string{ownersRole}, groups: []string{ownersGroup}},
	{name: "the names in the wrong places", scopes: []string{adminScope, adminRole, ownersRole}, roles: []string{adminScope, ownersGroup}, groups: []string{ownersRole, adminRole}},
}

// owning is a table with its owners: the issuers whose callers own it by role,
// by group, and by both together.
type owning struct {
	name                    string
	owners                  []store.Owner
	byRole, byGroup, byBoth string
}

func ownedTables() []owning {
	role := func(tid string) store.Owner { return store.Owner{Tenant: tid, Role: ownersRole} }
	group := func(tid string) store.Owner { return store.Owner{Tenant: tid, Group: ownersGroup} }
	return []owning{
		{name: "nobody's"},
		{name: "A's by role", owners: []store.Owner{role(tidA)}, byRole: "A"},
		{name: "A's by group", owners: []store.Owner{group(tidA)}, byGroup: "A"},
		{name: "A's by role and group", owners: []store.Owner{{Tenant: tidA, Role: ownersRole, Group: ownersGroup}}, byBoth: "A"},
		{name: "A's by role, B's by group", owners: []store.Owner{role(tidA), group(tidB)}, byRole: "A", byGroup: "B"},
		{name: "B's by role", owners: []store.Owner{role(tidB)}, byRole: "B"},
		{name: "F's tid by role and by group", owners: []store.Owner{role(tidF), group(tidF)}},
		{name: "others' of A", owners: []store.Owner{{Tenant: tidA, Role: "Team.Other"}, {Tenant: tidA, Group: ordersGroup}}},
	}
}

// edits is the oracle for admins: users need scope and role, apps the role.
func (c caller) edits() bool {
	return c.mayAsk() && slices.Contains(c.grants.roles, adminRole)
}

func (c caller) mayAsk() bool { return c.app || slices.Contains(c.grants.scopes, adminScope) }

// owns is the oracle for owners: the role or group in the owner's own tenant,
// with the scope where it is a user.
func (c caller) owns(o owning) bool {
	role := slices.Contains(c.grants.roles, ownersRole)
	group := slices.Contains(c.grants.groups, ownersGroup) && !c.grants.overage
	in := func(issuers string) bool { return strings.Contains(issuers, c.issuer) }
	return c.mayAsk() && (role && in(o.byRole) || group && in(o.byGroup) || role && group && in(o.byBoth))
}

// operation is a call of the admin API that changes nothing. done is the status
// where the caller may.
type operation struct {
	name, method, path, body, match string
	done                            int
	owners                          bool
}

func operations(stage string) []operation {
	table := "/v1/apis/rz8w6b1ik2/" + stage
	doc := `{"arn": "` + api + `", "stage": "` + stage + `", "permissions": []}`
	return []operation{
		{name: "owner: read what is registered", method: "GET", path: table, done: 200, owners: true},
		{name: "admin: change owners and trust", method: "PUT", path: table, body: `{"arn": "` + api + `"}`, match: `"0-x"`, done: 412},
		{name: "owner: read the document", method: "GET", path: table + "/document", done: 200, owners: true},
		{name: "owner: replace the document", method: "PUT", path: table + "/document", body: doc, match: `"0-x"`, done: 412, owners: true},
	}
}

// TestOnlyAdminsAndOwnersOfTheSettingsEdit: every caller, every table, every
// call; 401 for whom ADMIN_TENANT_IDS and ADMIN_AUDIENCES do not name.
func TestOnlyAdminsAndOwnersOfTheSettingsEdit(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	tables, callers := ownedTables(), everyCaller(editorsGrants)
	// That a table trusts everybody as callers makes nobody its editor.
	all := slices.IndexFunc(m.tables(), func(t trusting) bool { return t.name == "all" })
	for i, table := range tables {
		put(t, s, stageOf(i), m.tables()[all].trust, table.owners)
	}
	raws := make([]string, len(callers))
	for i, c := range callers {
		raws[i] = m.mint(c)
	}
	seen, cells := tally{}, 0
	for _, set := range []struct {
		name, tenants, audiences string
		believes                 believes
	}{
		{"A for 1", tidA, audience1, "A1"},
		{"A and B for 1 and 2", tidA + " " + tidB, audience1 + " " + audience2, "A1 A2 B1 B2"},
	} {
		h := m.adminAPI(s, "ADMIN_TENANT_IDS="+set.tenants, "ADMIN_AUDIENCES="+set.audiences)
		for n, c := range callers {
			for i, table := range tables {
				for _, op := range operations(stageOf(i)) {
					want := 403
					switch {
					case !set.believes.trusts(c):
						want = 401
					case c.edits(), op.owners && c.owns(table):
						want = op.done
					}
					if want == 401 && i != n%len(tables) {
						continue // the token is refused before any table is looked at
					}
					cells++
					if got := edit(h, raws[n], op); got != want {
						t.Errorf("%s, %s, table %q, %s: %d, want %d", set.name, c, table.name, op.name, got, want)
					}
					may := want == op.done
					seen.note(may, c.issuer+c.audience+" "+op.name, set.name+" "+op.name, c.issuer+" "+table.name+" "+op.name)
				}
			}
		}
		for _, op := range operations("") {
			seen.bothSides(t, set.name+" "+op.name, false)
		}
	}
	for _, op := range operations("") {
		for _, issuer := range []string{"A", "B", "F"} {
			seen.bothSides(t, issuer+"1 "+op.name, issuer == "F")
			seen.bothSides(t, issuer+"2 "+op.name, issuer == "F")
			for _, table := range tables {
				seen.bothSides(t, issuer+" "+table.name+" "+op.name, issuer == "F")
			}
		}
	}
	for i := range tables {
		if meta, err := s.Meta(t.Context(), apiOf(stageOf(i))); err != nil || meta.Revision.Number != 1 {
			t.Errorf("table %d was changed: %+v, %v", i, meta, err)
		}
	}
	t.Logf("%d callers, %d tables: %d cells", len(callers), len(tables), cells)
}

func edit(h http.Handler, raw string, op operation) int {
	r := httptest.NewRequest(op.method, op.path, strings.NewReader(op.body))
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("Content-Type", "application/json")
	if op.match != "" {
		r.Header.Set("If-Match", op.match)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestRightsInTheAdminAPIOpenNoRoute, and routes that a caller holds make nobody
// an editor: the two have their own audiences, and nothing else in common.
func TestRightsInTheAdminAPIOpenNoRoute(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	put(t, s, "dev", nil, ownedTables()[1].owners)
	h := m.adminAPI(s, "ADMIN_TENANT_IDS="+tidA, "ADMIN_AUDIENCES=api://admin")
	parts := m.authorizer(s, zap.NewNop())
	editor := grants{name: "all of an editor's", scopes: []string{adminScope}, roles: []string{adminRole, ownersRole}}
	for _, c := range everyCaller([]grants{editor, ordersGrants[len(ordersGrants)-1]}) {
		for _, op := range operations("dev") {
			if got := edit(h, m.mint(c), op); got != 401 {
				t.Errorf("%s: %s with a token for the API: %d", c, op.name, got)
			}
		}
		if c.grants.name != editor.name {
			continue
		}
		a, err := m.ask(parts, m.mint(c), "dev", "scope")
		if err != nil {
			t.Fatal(err)
		}
		for _, column := range []string{"scope", "role", "group", "scope-and-role", "registered"} {
			if m.opens(a, "dev", column) {
				t.Errorf("%s opens %s", c, column)
			}
		}
	}
}
