package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// Way is one way to be permitted a call: whoever brings all of Requirement.
type Way struct {
	Requirement string `json:"requirement"` // as "scope orders.read"
	Caller      Caller `json:"caller"`
	// Permissions are what the answer rests on now, patterns among them.
	Permissions []mapping.Permission `json:"permissions"`
	Until       time.Time            `json:"until,omitzero"` // zero for good
}

// Who is the answer of [WhoCan].
type Who struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	// Route is the route that decides, "" if none is known. Reason is why
	// somebody who holds nothing is denied.
	Route  string         `json:"route,omitempty"`
	Reason mapping.Reason `json:"reason"`
	// Ways are the least that permits it, sorted: nobody else may. None if nobody
	// may at all.
	Ways      []Way `json:"ways"`
	Truncated bool  `json:"truncated,omitempty"` // there may be more ways, of several permissions at once
}

// Reach is a route or a pattern that a caller may call.
type Reach struct {
	Route string `json:"route"` // by concrete method, as "GET /orders/{id}", or a pattern, as "GET /orders/*"
	// Partly says that it is not the route as such but some of its paths only, of
	// which Witness is one.
	Partly      bool                 `json:"partly,omitempty"`
	Witness     string               `json:"witness,omitempty"`
	Permissions []mapping.Permission `json:"permissions"`    // that the answer rests on now
	Until       time.Time            `json:"until,omitzero"` // zero for good
}

// WhoCan tells who may make a call now: method and path as in the request line,
// without stage and query. The error says what is wrong with the table.
func WhoCan(s store.Snapshot, method, path string, o Options) (Who, error) {
	one, err := aside(s, o)
	if err != nil {
		return Who{}, fmt.Errorf("who can: %w", err)
	}
	verdict := one.table.Decide(mapping.Held{}, method, path)
	who := Who{Method: method, Path: path, Reason: verdict.Reason, Ways: []Way{}}
	if verdict.Route != nil {
		who.Route = verdict.Route.String()
	}
	a := asking{side: one, origins: originsOf(one.table), now: o.Now, method: method, path: path}
	for _, d := range deciding(newDeciders(one), mapping.Verb(method), path) {
		p := one.permissions[d.id]
		if p.ExpiresAt.IsZero() || o.Now.Before(p.ExpiresAt) {
			a.candidates = append(a.candidates, p)
		}
	}
	who.Ways, who.Truncated = a.ways()
	return who, nil
}

// aside is one table alone.
func aside(s store.Snapshot, o Options) (*side, error) {
	one, _, err := sides(s, store.Snapshot{}, o)
	return one, err
}

// deciding lists on what an answer rests, each once.
func deciding(d deciders, v mapping.Verb, path string) []decider {
	list, _ := d.of(v, path)
	sortDeciders(list)
	return slices.CompactFunc(list, func(x, y decider) bool { return x.id == y.id })
}

// asking is one call about one table.
type asking struct {
	*side
	origins
	now          time.Time
	method, path string
	candidates   []mapping.Permission
}

// mostTried bounds the sets of permissions that are tried. Of several readings
// each may take another permission, and routes have few.
const mostTried = 20_000

// ways finds the least that permits the call: single permissions first, then as
// many at once as a path has readings, each of which must be permitted.
func (a asking) ways() (list []Way, truncated bool) {
	readings := len(a.table.Readings(mapping.Held{}, a.method, a.path))
	var found []needs
	tried := 0
	open := [][]int{{}} // sets of candidates that do not suffice
	for range max(1, readings) {
		var more [][]int
		for _, set := range open {
			first := 0
			if len(set) > 0 {
				first = set[len(set)-1] + 1
			}
			for i := first; i < len(a.candidates); i++ {
				if tried++; tried > mostTried {
					return least(found, list), true
				}
				with := append(slices.Clone(set), i)
				n, ok := a.together(with)
				if !ok {
					continue
				}
				if way, ok := a.way(n); ok {
					found, list = append(found, n), append(list, way)
				} else {
					more = append(more, with)
				}
			}
		}
		open = more
	}
	return least(found, list), false
}

// together is what a set of candidates needs at once; ok is false if nobody can.
func (a asking) together(set []int) (n needs, ok bool) {
	for _, i := range set {
		if n, ok = n.and(needsOf(a.candidates[i].Requires)); !ok {
			return n, false
		}
	}
	return n, true
}

// union is a sorted list with more in it, what is empty left out.
func union(list []string, more ...string) []string {
	all := slices.Concat(list, more)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > 0 && all[0] == "" {
		all = all[1:]
	}
	return all
}

// way is what becomes of callers who bring just what is needed; ok is false if
// one of them is denied, or if nobody can bring it.
func (a asking) way(n needs) (w Way, ok bool) {
	w = Way{Requirement: n.String(), Caller: n.shown(principal{tenant: n.tenant, kind: n.kind})}
	for _, o := range a.origins {
		for _, audience := range o.audiences {
			for _, p := range n.from(o, audience) {
				held := a.table.Held(n.caller(p), a.now)
				verdict := a.table.Decide(held, a.method, a.path)
				if !verdict.Allowed {
					return w, false
				}
				if !ok {
					w.Permissions = a.table.Permissions(a.table.Deciding(held, verdict, a.method, a.path))
				}
				ok = true
				w.Until = earlier(w.Until, until(a.table, held, a.method, a.path))
			}
		}
	}
	return w, ok
}

// until is when a call that is permitted is so no more, zero for never.
func until(t *mapping.Table, held mapping.Held, method, path string) time.Time {
	for _, at := range t.Ends(held) {
		if !t.Decide(t.At(held, at), method, path).Allowed {
			return at
		}
	}
	return time.Time{}
}

// earlier is the first of two ends, of which zero is never.
func earlier(x, y time.Time) time.Time {
	if x.IsZero() || !y.IsZero() && y.Before(x) {
		return y
	}
	return x
}

// least leaves out the ways that need more than another one does which lasts as
// long.
func least(found []needs, list []Way) []Way {
	as := func(j, i int) bool { // whoever brings i brings j, and j lasts as long
		x, y := list[j].Until, list[i].Until
		return found[i].include(found[j]) && (x.IsZero() || !y.IsZero() && !x.Before(y))
	}
	outdone := func(i, j int) bool { return j != i && as(j, i) && (j < i || !as(i, j)) }
	kept := []Way{}
	for i := range found {
		needless := false
		for j := range found {
			needless = needless || outdone(i, j)
		}
		if !needless {
			kept = append(kept, list[i])
		}
	}
	slices.SortStableFunc(kept, func(x, y Way) int { return cmp.Compare(x.Requirement, y.Requirement) })
	return kept
}

// include reports whether whoever brings n brings m.
func (n needs) include(m needs) bool {
	within := func(all, some []string) bool {
		return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
	}
	return within(n.scopes, m.scopes) && within(n.roles, m.roles) && within(n.groups, m.groups) &&
		(m.kind == "" || m.kind == n.kind) && (m.tenant == "" || m.tenant == n.tenant)
}

// String is how people write it, as [mapping.Requirement] does.
func (n needs) String() string {
	q := mapping.Requirement{
		Scopes: n.scopes, Role: strings.Join(n.roles, ", role "), Group: strings.Join(n.groups, ", group "),
		PrincipalType: n.kind, Tenant: n.tenant, Authenticated: len(n.scopes)+len(n.roles)+len(n.groups) == 0,
	}
	return q.String()
}

// WhatCan tells what a caller may call now, sorted by method and route. A caller
// without tenant and issuer is of the first one that the table believes, with the
// audience of it; one of a tenant and of no kind is a user. The error says what is
// wrong with the table.
func WhatCan(s store.Snapshot, c Caller, o Options) ([]Reach, error) {
	one, err := aside(s, o)
	if err != nil {
		return nil, fmt.Errorf("what can: %w", err)
	}
	held := one.table.Held(c.assumed(one.table.Trust()), o.Now)
	list := []Reach{}
	for _, t := range targetsOf(one, one) {
		for i, path := range t.paths {
			verdict := one.table.Decide(held, string(t.method), path)
			if !verdict.Allowed {
				continue
			}
			r := Reach{
				Route: t.name, Permissions: one.table.Permissions(one.table.Deciding(held, verdict, string(t.method), path)),
				Until: until(one.table, held, string(t.method), path),
			}
			if i > 0 {
				r.Partly, r.Witness = true, string(t.method)+" "+path
			}
			list = append(list, r)
			break
		}
	}
	return list, nil
}

// assumed is the caller with what is not said of him.
func (c Caller) assumed(trust []mapping.Trust) mapping.Caller {
	p := principal{strings.ToLower(c.Tenant), c.Issuer, c.Audience, c.PrincipalType}
	for _, t := range trust {
		if p.tenant+p.issuer == "" {
			p.tenant, p.issuer = strings.ToLower(t.Tenant), t.Issuer
		}
		if p.audience == "" && p.tenant == strings.ToLower(t.Tenant) && p.issuer == t.Issuer && len(t.Audiences) > 0 {
			p.audience = t.Audiences[0]
		}
	}
	if p.tenant != "" && p.kind == "" {
		p.kind = mapping.User
	}
	return needs{scopes: c.Scopes, roles: c.Roles, groups: c.Groups}.caller(p)
}
