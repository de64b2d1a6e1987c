package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"scopegate/internal/plan"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

var options = plan.Options{Now: tabletest.Now, Trust: tabletest.Trust}

// snapshot is a table of permissions.
func snapshot(permissions ...mapping.Permission) store.Snapshot {
	s := store.Snapshot{Meta: store.Meta{API: tabletest.API, Revision: store.Revision{Number: 1, Incarnation: "a"}, Trust: tabletest.Trust}, Permissions: permissions}
	for _, p := range permissions {
		if r, ok := p.Route(); ok {
			s.Routes = append(s.Routes, r)
		}
	}
	return s
}

func permission(verb, resource, scope string, more ...string) mapping.Permission {
	return tabletest.Permission(verb, resource, scope, more...)
}

func planned(t *testing.T, before, after store.Snapshot) plan.Plan {
	t.Helper()
	p, err := plan.Make(t.Context(), before, after, options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// short writes accesses for comparison.
func short(list []plan.Access) []string {
	texts := []string{}
	for _, a := range list {
		text := a.Requirement + " " + a.Route
		if a.Partly {
			text += " as " + a.Witness
		}
		if !a.From.IsZero() {
			text += fmt.Sprintf(" from %s", a.From.Sub(tabletest.Now))
		}
		if !a.Until.IsZero() {
			text += fmt.Sprintf(" until %s", a.Until.Sub(tabletest.Now))
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}

func ends(after time.Duration) []string {
	return []string{"expiresAt", tabletest.Now.Add(after).Format(time.RFC3339)}
}

// TestWhoGainsAndWhoLoses shows what changes mean that do not say so.
func TestWhoGainsAndWhoLoses(t *testing.T) {
	id, admin, registered := permission("GET", "users/{id}", "s1"), permission("GET", "users/admin", "s2"), permission("GET", "users/admin", "")
	minute := func(p mapping.Permission, d time.Duration) mapping.Permission {
		p.ExpiresAt = tabletest.Now.Add(d)
		return p
	}
	list := func(p ...mapping.Permission) []mapping.Permission { return p }
	none := []string{}
	cases := map[string]struct {
		before, after []mapping.Permission
		gains, losses []string
	}{
		"nothing changes": {list(id, admin), list(id, admin), none, none},
		"deleting a route hands it to who holds the one behind it": {
			list(id, admin), list(id), []string{"scope s1 GET /users/admin"}, []string{"scope s2 GET /users/admin"},
		},
		"taking a permission away does not": {
			list(id, admin), list(id, registered), none, []string{"scope s2 GET /users/admin"},
		},
		"a more specific route takes it away": {
			list(id), list(id, registered), none, []string{"scope s1 GET /users/admin"},
		},
		"a pattern": {
			list(id), list(id, permission("GET", "users/*", "s2")), []string{"scope s2 GET /users/*", "scope s2 GET /users/{id}"}, none,
		},
		"a pattern that lifts nothing of who holds the route": {
			list(id), list(id, permission("GET", "users/*", "s1")), []string{"scope s1 GET /users/*"}, none,
		},
		"a pattern of what no route has": {
			list(permission("GET", "{x}/{y}", "s1")), list(permission("GET", "{x}/{y}", "s1"), permission("GET", "*", "s1")),
			[]string{"scope s1 GET /*"}, none,
		},
		"a pattern of the other spelling": {
			list(permission("GET", "a", "s1")), list(permission("GET", "a", "s1"), permission("GET", "*/", "s1")),
			[]string{"scope s1 GET /*/", "scope s1 GET /a as GET /a/"}, none,
		},
		"a spelling that takes what two permissions require": {
			list(permission("GET", "x", "s2"), permission("GET", "x/", "")), list(permission("GET", "x", "s2"), permission("GET", "x/", "s1")),
			[]string{"scope s1 s2 GET /x/"}, none,
		},
		"a route with a slash at its end": {
			list(id), list(id, permission("GET", "users/{id}/", "")), none, []string{"scope s1 GET /users/{id}/"},
		},
		"all methods": {
			list(permission("GET", "x", "s1"), permission("HEAD", "x", "s1")), list(permission("ANY", "x", "s1")),
			[]string{"scope s1 DELETE /x", "scope s1 OPTIONS /x", "scope s1 PATCH /x", "scope s1 POST /x", "scope s1 PUT /x"}, none,
		},
		"a longer time": {
			list(minute(id, time.Minute)), list(minute(id, time.Hour)), []string{"scope s1 GET /users/{id} from 1m0s until 1h0m0s"}, none,
		},
		"an end": {list(id), list(minute(id, time.Minute)), none, []string{"scope s1 GET /users/{id} from 1m0s"}},
		"one that has ended already": {
			list(id), list(id, permission("GET", "x", "s1", ends(-time.Minute)...)), none, none,
		},
		"an end that another permission outlasts": {
			list(id), list(minute(id, time.Minute), permission("GET", "users/*", "s1", ends(time.Hour)...)),
			[]string{"scope s1 GET /users/* until 1h0m0s"}, []string{"scope s1 GET /users/{id} from 1h0m0s"},
		},
		"more is needed": {
			list(permission("GET", "x", "s1")), list(permission("GET", "x", "s1 s2")), none, []string{"scope s1 GET /x"},
		},
		"of all lengths": {
			list(permission("GET", "a/{p+}", "s1")), list(permission("GET", "a/{p+}", "s2")),
			[]string{"scope s2 GET /a/{p+}"}, []string{"scope s1 GET /a/{p+}"},
		},
		"of what a more specific one leaves": {
			list(permission("GET", "a/{x}/{y+}", "s1")), list(permission("GET", "a/{x}/{y+}", "s1"), permission("GET", "a/{p+}", "s2")),
			[]string{"scope s2 GET /a/{p+}"}, none,
		},
		"of one length, which a more specific one takes": {
			list(permission("GET", "a/{p+}", "s1")), list(permission("GET", "a/{p+}", "s1"), permission("GET", "a/{x}", "")),
			none, []string{"scope s1 GET /a/{x}"},
		},
		"beside a route of the value that stands for others": {
			list(id, permission("GET", "users/1", "s2")), list(permission("GET", "users/{id}", "s3"), permission("GET", "users/1", "s2")),
			[]string{"scope s3 GET /users/{id}"}, []string{"scope s1 GET /users/{id}"},
		},
		"of the lengths that only a long pattern matches": {
			list(permission("GET", "{x}/{p+}", "")), list(permission("GET", "{x}/{p+}", ""), permission("GET", "*/*/*/*", "s1")),
			[]string{"scope s1 GET /*/*/*/*", "scope s1 GET /{x}/{p+}"}, none,
		},
		"of the lengths at which no route takes a pattern's other spelling away": {
			list(permission("GET", "a/{x}/{y}/{p+}", "")), list(permission("GET", "a/{x}/{y}/{p+}", ""), permission("GET", "a/*/", "s1")),
			[]string{"scope s1 GET /a/*/ as GET /a/1/1/"}, none,
		},
		"to open a WebSocket": {list(), list(permission("$connect", "", "s1")), []string{"scope s1 $connect"}, none},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := planned(t, snapshot(c.before...), snapshot(c.after...))
			if got := short(p.Gains); !slices.Equal(got, c.gains) {
				t.Errorf("gains %q, want %q", got, c.gains)
			}
			if got := short(p.Losses); !slices.Equal(got, c.losses) {
				t.Errorf("losses %q, want %q", got, c.losses)
			}
			back := planned(t, snapshot(c.after...), snapshot(c.before...))
			if got := short(back.Gains); !slices.Equal(got, c.losses) {
				t.Errorf("taken back it gains %q, want %q", got, c.losses)
			}
		})
	}
}

// TestOfWhomAGainIsTold: a caller is told by what makes a difference alone.
func TestOfWhomAGainIsTold(t *testing.T) {
	a, b := mapping.Trust{Tenant: tenantA, Audiences: []string{"one", "two"}}, mapping.Trust{Tenant: tenantB, Audiences: []string{"one"}}
	other := mapping.Trust{Issuer: issuer, Audiences: []string{"one"}}
	role := mapping.Requirement{Role: "R"}
	scope := mapping.Requirement{Scopes: []string{"s1"}}
	cases := map[string]struct {
		before, after []mapping.Trust
		already, put  mapping.Requirement
		want          []plan.Caller
	}{
		"whoever is believed": {list(a, b), list(a, b), mapping.Requirement{}, scope, []plan.Caller{{Scopes: []string{"s1"}}}},
		"a tenant that is believed now": {
			list(a), list(a, b), scope, mapping.Requirement{}, []plan.Caller{{Scopes: []string{"s1"}, Tenant: tenantB}},
		},
		"an audience that is": {
			list(mapping.Trust{Tenant: tenantA, Audiences: []string{"one"}}, b), list(a, b), scope, mapping.Requirement{},
			[]plan.Caller{{Scopes: []string{"s1"}, Tenant: tenantA, Audience: "two"}},
		},
		"an issuer that is": {
			list(a), list(a, other), scope, mapping.Requirement{}, []plan.Caller{{Scopes: []string{"s1"}, Issuer: issuer}},
		},
		"apps, where users have it already": {
			list(a), list(a), mapping.Requirement{Role: "R", PrincipalType: mapping.User}, role,
			[]plan.Caller{{Roles: []string{"R"}, PrincipalType: mapping.App}},
		},
		"the other tenants": {
			list(a, b), list(a, b), mapping.Requirement{Role: "R", Tenant: tenantA}, role,
			[]plan.Caller{{Roles: []string{"R"}, Tenant: tenantB}},
		},
		"users, who alone have scopes": {
			list(a), list(a), mapping.Requirement{}, mapping.Requirement{Scopes: []string{"s1"}, PrincipalType: mapping.User}, []plan.Caller{{Scopes: []string{"s1"}}},
		},
		"nobody, as nobody is believed who could": {
			list(a), list(a), mapping.Requirement{}, mapping.Requirement{Scopes: []string{"s1"}, Tenant: tenantB}, nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var before, after []mapping.Permission
			for _, q := range []mapping.Requirement{c.already, c.put} {
				p := permission("GET", "x", "s1")
				if p.Requires = q; q.String() == "nobody" {
					continue
				}
				after = append(after, p)
				if q.String() == c.already.String() {
					before = append(before, p)
				}
			}
			b, a := snapshot(before...), snapshot(after...)
			b.Trust, a.Trust = c.before, c.after
			var got []plan.Caller
			for _, g := range planned(t, b, a).Gains {
				if g.Route == "GET /x" {
					got = append(got, g.Caller)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("gained by %+v, want %+v", got, c.want)
			}
		})
	}
}

func list[T any](all ...T) []T { return all }

// TestATableThatIsNewOrDeleted: everything is gained, everything is lost.
func TestATableThatIsNewOrDeleted(t *testing.T) {
	s := snapshot(permission("GET", "users/{id}", "s1"), permission("GET", "users/admin", ""))
	p := planned(t, store.Snapshot{}, s)
	if got := short(p.Gains); p.Revision != "none" || !slices.Equal(got, []string{"scope s1 GET /users/{id}"}) || len(p.Losses) > 0 || p.Empty() {
		t.Errorf("new: %+v", p)
	}
	if !slices.Equal(p.Orphans, []string{"GET /users/admin"}) || !slices.Equal(p.Routes.Added, []string{"GET /users/admin", "GET /users/{id}"}) {
		t.Errorf("routes %+v, orphans %q", p.Routes, p.Orphans)
	}
	p = planned(t, s, store.Snapshot{})
	if got := short(p.Losses); p.Revision != "1-a" || !slices.Equal(got, []string{"scope s1 GET /users/{id}"}) || len(p.Gains)+len(p.Orphans) > 0 {
		t.Errorf("deleted: %+v", p)
	}
	if q := p.Policies; len(q) == 0 || q[0].Before == 0 || q[0].After != 0 {
		t.Errorf("deleted: policies %+v", p.Policies)
	}
}

// TestTheItemsOfAPlan: what changes, and what does not.
func TestTheItemsOfAPlan(t *testing.T) {
	b := snapshot(permission("GET", "a", "s1"), permission("GET", "b/{id}", "s1"), permission("GET", "c", "s1"), permission("GET", "d", "s1"))
	a := snapshot(permission("GET", "a", "s1"), permission("GET", "b/{key}", "s1"), permission("GET", "c", "s1", append(ends(time.Hour), "description", "for a while")...), permission("POST", "e", "s1"))
	a.Name, a.Owners = "orders", []store.Owner{{Tenant: tenantA, Role: "Team"}}
	a.Complete = &store.Complete{Source: "sha256:1", By: "me", At: tabletest.Now}
	p := planned(t, b, a)
	texts := func(list []mapping.Permission) (all []string) {
		for _, one := range list {
			all = append(all, string(one.Verb)+" /"+one.Resource.String())
		}
		return all
	}
	q := p.Permissions
	if !slices.Equal(texts(q.Added), []string{"POST /e"}) || !slices.Equal(texts(q.Removed), []string{"GET /d"}) || len(q.Changed) != 2 || q.Unchanged != 1 {
		t.Errorf("permissions %+v", q)
	}
	var fields []string
	for _, f := range p.Head {
		fields = append(fields, f.Field)
	}
	if !slices.Equal(fields, []string{"name", "owners", "complete"}) || p.Empty() {
		t.Errorf("fields %q", fields)
	}
	again := a
	again.Complete = &store.Complete{Source: "sha256:1", By: "somebody else", At: tabletest.Now.Add(time.Hour)}
	again.Permissions = slices.Clone(a.Permissions)
	slices.Reverse(again.Permissions)
	if p := planned(t, a, again); !p.Empty() || len(p.Gains)+len(p.Losses)+len(p.Findings)+len(p.Resolved) > 0 || p.Permissions.Unchanged != 4 {
		t.Errorf("the same again: %+v", p)
	}
}

// TestAfterIsWhatAChangeMakes of a table.
func TestAfterIsWhatAChangeMakes(t *testing.T) {
	before := snapshot(permission("GET", "a", "s1"), permission("GET", "b", "s1"))
	gone, _ := before.Permissions[1].Route()
	change := store.Change{
		ID: "01JD0000000000000000000000", API: tabletest.API, If: before.Revision, By: "test", At: tabletest.Now,
		Put: list(permission("GET", "a", "s1", ends(time.Hour)...), permission("GET", "c", "s2")), Remove: list(before.Permissions[1].ID()), RemoveRoutes: list(gone.ID()),
		Head: &store.Head{Name: "orders", Trust: tabletest.Trust},
	}
	after, err := plan.After(before, change)
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, before, after)
	if got := p.Permissions; len(got.Added) != 1 || len(got.Removed) != 1 || len(got.Changed) != 1 || after.Name != "orders" || after.Revision.Number != 2 {
		t.Errorf("%+v", after)
	}
	if !slices.Equal(p.Routes.Added, []string{"GET /c"}) || !slices.Equal(p.Routes.Removed, []string{"GET /b"}) {
		t.Errorf("routes %+v", p.Routes)
	}
	change.If.Number = 7
	if _, err := plan.After(before, change); !errors.Is(err, store.ErrConflict) {
		t.Errorf("of another revision: %v", err)
	}
	deleted := store.Change{ID: change.ID, API: tabletest.API, If: before.Revision, By: "test", At: tabletest.Now, Delete: true}
	if after, err := plan.After(before, deleted); err != nil || after.API != (mapping.API{}) {
		t.Errorf("deleted: %+v, %v", after, err)
	}
}

func TestWhatIsNoChangeOfOneTableIsAnError(t *testing.T) {
	other := snapshot()
	other.API.Stage = "prod"
	if _, err := plan.Make(t.Context(), snapshot(), other, options); err == nil {
		t.Error("two tables are no change")
	}
	if _, err := plan.Make(t.Context(), snapshot(), snapshot(), plan.Options{}); err == nil {
		t.Error("without a now nobody knows what has expired")
	}
}

// TestALongPlanIsCutAndSaysSo, and how much there was.
func TestALongPlanIsCutAndSaysSo(t *testing.T) {
	o := options
	o.Limit = 2
	p, err := plan.Make(t.Context(), store.Snapshot{}, snapshot(permission("ANY", "a", "s1")), o)
	if err != nil || len(p.Gains) != 2 || p.GainsTotal != 7 || !p.Truncated || len(p.Losses) > 0 {
		t.Errorf("%d of %d gains, truncated %v, %v", len(p.Gains), p.GainsTotal, p.Truncated, err)
	}
	o.Limit = 7
	if p, err := plan.Make(t.Context(), store.Snapshot{}, snapshot(permission("ANY", "a", "s1")), o); err != nil || p.Truncated {
		t.Errorf("all of it: truncated %v, %v", p.Truncated, err)
	}
}
