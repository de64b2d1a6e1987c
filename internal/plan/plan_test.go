package plan_test

import (
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
	id, admin := permission("GET", "users/{id}", "s1"), permission("GET", "users/admin", "s2")
	registered := permission("GET", "users/admin", "")
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
		"a longer time": {
			list(minute(id, time.Minute)), list(minute(id, time.Hour)), []string{"scope s1 GET /users/{id} from 1m0s until 1h0m0s"}, none,
		},
		"an end": {
			list(id), list(minute(id, time.Minute)), none, []string{"scope s1 GET /users/{id} from 1m0s"},
		},
		"one that has ended already": {
			list(id), list(id, permission("GET", "x", "s1", ends(-time.Minute)...)), none, none,
		},
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
		})
	}
}
