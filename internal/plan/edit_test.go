package plan_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

const (
	tenantA = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11" // tabletest.Trust's
	tenantB = "11111111-2222-4333-8444-555555555555"
	issuer  = "https://idp.example"
)

// trusts are what drawn tables believe.
var trusts = [][]mapping.Trust{
	tabletest.Trust,
	nil, // the default, which is tabletest.Trust
	{{Tenant: tenantA, Audiences: []string{"api://orders", "other"}}},
	{{Tenant: tenantA, Audiences: []string{"api://orders"}}, {Tenant: tenantB, Audiences: []string{"other", "third"}}},
	{{Tenant: tenantB, Audiences: []string{"other"}}, {Issuer: issuer, Audiences: []string{"api://orders"}}},
	{{Issuer: issuer, Audiences: []string{"api://orders", "other"}}},
}

// edit is a change of a table.
type edit struct{ before, after store.Snapshot }

// drawEdit draws a table and what becomes of it: permissions, patterns and routes
// added and deleted, expiries moved, requirements and trust changed.
func drawEdit(t *rapid.T) edit {
	w := tabletest.DrawWorld(t)
	e := edit{before: drawHead(t), after: drawHead(t)}
	if rapid.Bool().Draw(t, "same trust") {
		e.after.Trust = e.before.Trust
	}
	named := map[string]mapping.Route{}
	for _, r := range w.Source.Routes {
		named[r.ID()] = r
	}
	for _, p := range w.Source.Permissions {
		p = drawRequirement(t, p)
		if r, ok := p.Route(); ok {
			named[r.ID()] = r
		}
		e.put(t, p)
	}
	for _, id := range slices.Sorted(keys(named)) {
		e.before.Routes = drawRoute(t, e.before, named[id])
		e.after.Routes = drawRoute(t, e.after, named[id])
	}
	return e
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func drawHead(t *rapid.T) store.Snapshot {
	s := store.Snapshot{Meta: store.Meta{API: tabletest.API, Trust: rapid.SampledFrom(trusts).Draw(t, "trust")}}
	if rapid.Bool().Draw(t, "complete") {
		s.Complete = &store.Complete{Source: "test", By: "test", At: tabletest.Now}
	}
	return s
}

// put puts a permission into one table or both, there with another expiry perhaps.
func (e *edit) put(t *rapid.T, p mapping.Permission) {
	add := func(to *store.Snapshot, p mapping.Permission) {
		if !slices.ContainsFunc(to.Permissions, func(o mapping.Permission) bool { return o.ID() == p.ID() }) {
			to.Permissions = append(to.Permissions, p)
		}
	}
	fate := rapid.IntRange(0, 6).Draw(t, "fate")
	if fate != 0 {
		add(&e.before, p)
	}
	switch {
	case fate == 1:
		return
	case fate == 2 && !p.Registered:
		p.ExpiresAt = tabletest.Now.Add(time.Duration(rapid.IntRange(-1, 4).Draw(t, "other expiry")) * time.Minute)
	case fate == 3 && !p.Registered:
		p.ExpiresAt = time.Time{}
	case fate == 4:
		p = drawRequirement(t, p)
	}
	add(&e.after, p)
}

// drawRequirement makes the requirement one that other principals meet, most of
// the time.
func drawRequirement(t *rapid.T, p mapping.Permission) mapping.Permission {
	if p.Registered {
		return p
	}
	q := mapping.Requirement{}
	switch rapid.IntRange(0, 7).Draw(t, "requires") {
	case 0:
		q.Role = "R"
	case 1:
		q.Group = "G"
	case 2:
		q.Authenticated = true
	case 3:
		q.Scopes, q.Role = []string{"s1"}, "R"
	case 4:
		q.Scopes, q.Authenticated = []string{"s2"}, true
	default:
		if q.Scopes = p.Requires.Scopes; len(q.Scopes) == 0 {
			q.Scopes = []string{"s1"}
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "of") {
	case 0:
		q.PrincipalType = mapping.User
	case 1:
		q.PrincipalType = mapping.App
	case 2:
		q.Tenant = tenantA
	case 3:
		q.Tenant = tenantB
	}
	p.Requires = q
	return p
}

// drawRoute registers a route, which a table may do without unless a permission
// names it.
func drawRoute(t *rapid.T, s store.Snapshot, r mapping.Route) []mapping.Route {
	names := func(p mapping.Permission) bool {
		route, ok := p.Route()
		return ok && route.ID() == r.ID()
	}
	if slices.ContainsFunc(s.Permissions, names) || rapid.IntRange(0, 2).Draw(t, "deleted") > 0 {
		return append(s.Routes, r)
	}
	return s.Routes
}
