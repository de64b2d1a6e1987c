package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/plan"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

// brute is the plain definition of gains and losses: Permits of both tables, for
// every caller, request and instant. It shares nothing with package plan.
type brute struct {
	before, after *mapping.Table
	edit
	requests []request
	keys     []string        // of the requests: "GET /a"
	owned    map[string]bool // keys of requests that stand for a route or pattern
	deepest  int
}

// request is an instance of a route or pattern of either table.
type request struct {
	method, path string
	of           string // as a plan names the route
	// own is the request that stands for it; greedy ones have none but are told by
	// any.
	own, greedy bool
}

// unknown is a value that no drawn table has anything to do with.
const unknown = "ж"

func tableOf(t *rapid.T, s store.Snapshot) *mapping.Table {
	trust := s.Trust
	if len(trust) == 0 {
		trust = tabletest.Trust
	}
	table, err := mapping.NewTable(mapping.Source{API: s.API, Permissions: s.Permissions, Routes: s.Routes, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func newBrute(t *rapid.T, e edit) brute {
	b := brute{before: tableOf(t, e.before), after: tableOf(t, e.after), edit: e, owned: map[string]bool{}}
	for _, v := range mapping.Methods {
		for _, table := range []*mapping.Table{b.before, b.after} {
			for _, route := range table.Templates(v) {
				b.deepest = max(b.deepest, len(strings.FieldsFunc(route.Resource.String(), func(c rune) bool { return c == '/' })))
			}
		}
	}
	for _, p := range append(slices.Clone(e.before.Permissions), e.after.Permissions...) {
		if p.Resource.IsPattern() { // the shortest path that it matches
			b.deepest = max(b.deepest, 1+strings.Count(p.Resource.String(), "/"))
		}
	}
	for _, v := range append(slices.Clone(mapping.Methods), mapping.Connect) {
		for _, table := range []*mapping.Table{b.after, b.before} {
			for _, route := range table.Templates(v) {
				b.addRoute(string(v), route.String(), route.Resource)
			}
		}
		for _, p := range append(slices.Clone(e.before.Permissions), e.after.Permissions...) {
			if text := p.Resource.String(); strings.Contains(text, "*") && slices.Contains(p.Verb.Methods(), v) {
				last := strings.LastIndex(text, "*")
				long := strings.Join(slices.Repeat([]string{unknown}, b.deepest+1), "/")
				path := "/" + strings.ReplaceAll(text[:last], "*", unknown) + long + text[last+1:]
				b.add(request{method: string(v), path: path, of: string(v) + " /" + text, own: true})
			}
		}
	}
	for _, r := range b.requests {
		key := r.method + " " + r.path
		b.keys = append(b.keys, key)
		b.owned[key] = b.owned[key] || r.own
	}
	return b
}

func (b *brute) add(r request) {
	if !slices.Contains(b.requests, r) {
		b.requests = append(b.requests, r)
	}
}

func (b *brute) addRoute(method, name string, r mapping.Resource) {
	for _, one := range b.requests {
		if same, _ := shapeOf(one.of); same == method+" /"+r.Shape() {
			name = one.of // the same route, with other names of parameters
		}
	}
	text := r.String()
	switch {
	case method == string(mapping.Connect):
		b.add(request{method, "", name, true, false})
	case text == "":
		b.add(request{method, "/", name, true, false})
	case strings.HasSuffix(text, "+}"):
		base := "/" + valued(text[:strings.LastIndex(text, "{")])
		for n := 1; n <= b.deepest+2; n++ {
			path := base + strings.Join(slices.Repeat([]string{unknown}, n), "/")
			b.add(request{method, path, name, false, true})
			b.add(request{method, path + "/", name, false, true})
		}
	case strings.HasSuffix(text, "/"):
		b.add(request{method, "/" + valued(text), name, true, false})
	default:
		b.add(request{method, "/" + valued(text), name, true, false})
		b.add(request{method, "/" + valued(text) + "/", name, false, false})
	}
}

// valued puts unknown values in the place of parameters.
func valued(route string) string {
	parts := strings.Split(route, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = unknown
		}
	}
	return strings.Join(parts, "/")
}

// shapeOf is a route as a plan names it, without the names of parameters.
func shapeOf(name string) (string, bool) {
	method, path, ok := strings.Cut(name, " /")
	if !ok {
		return name + " /", true
	}
	r, err := mapping.ParseResource(path)
	return method + " /" + r.Shape(), err == nil
}

// callers are those who bring just what a permission requires, from wherever
// either table believes.
func (b brute) callers() map[string][]mapping.Caller {
	list := map[string][]mapping.Caller{}
	for _, q := range b.required() {
		if list[q.String()] == nil {
			list[q.String()] = b.meeting(q)
		}
	}
	return list
}

// required are the requirements of either table.
func (b brute) required() (list []mapping.Requirement) {
	for _, p := range append(slices.Clone(b.edit.before.Permissions), b.edit.after.Permissions...) {
		if !p.Registered {
			list = append(list, p.Requires)
		}
	}
	return list
}

// meeting are callers who bring just what a requirement asks for.
func (b brute) meeting(q mapping.Requirement) []mapping.Caller {
	list := []mapping.Caller{}
	for _, tenant := range []string{tenantA, tenantB, ""} {
		for _, audience := range []string{"api://orders", "other", "third"} {
			for _, kind := range []mapping.PrincipalType{mapping.User, mapping.App, ""} {
				c := mapping.Caller{Issuer: issuer, Tenant: tenant, Audience: audience, PrincipalType: kind, Scopes: q.Scopes}
				if q.Role != "" {
					c.Roles = []string{q.Role}
				}
				if q.Group != "" {
					c.Groups = []string{q.Group}
				}
				unlikely := (tenant == "") != (kind == "") || kind == mapping.App && len(q.Scopes) > 0
				if !unlikely && q.HeldBy(c) && (b.before.Trusts(c) || b.after.Trusts(c)) {
					list = append(list, c)
				}
			}
		}
	}
	return list
}

// instants are now, each expiry and the second before it.
func (b brute) instants() []time.Time {
	list := []time.Time{tabletest.Now}
	for _, p := range append(slices.Clone(b.edit.before.Permissions), b.edit.after.Permissions...) {
		for _, at := range []time.Time{p.ExpiresAt, p.ExpiresAt.Add(-time.Second)} {
			if at.After(tabletest.Now) {
				list = append(list, at)
			}
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}

// says reports whether one entry of a plan is about a caller at an instant.
func says(a plan.Access, c mapping.Caller, at time.Time) bool {
	issuer := c.Issuer
	if c.Tenant != "" {
		issuer = ""
	}
	return slices.Equal(a.Caller.Scopes, c.Scopes) && slices.Equal(a.Caller.Roles, c.Roles) && slices.Equal(a.Caller.Groups, c.Groups) &&
		(a.Caller.PrincipalType == "" || a.Caller.PrincipalType == c.PrincipalType) &&
		(a.Caller.Tenant+a.Caller.Issuer == "" || a.Caller.Tenant == c.Tenant && a.Caller.Issuer == issuer) &&
		(a.Caller.Audience == "" || a.Caller.Audience == c.Audience) &&
		!at.Before(a.From) && (a.Until.IsZero() || at.Before(a.Until))
}

// TestGainsAndLossesAreThoseOfBruteForce: a plan tells neither less nor more than
// asking both tables about every caller, request and instant.
func TestGainsAndLossesAreThoseOfBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdit(t)
		p, err := plan.Make(t.Context(), e.before, e.after, plan.Options{Now: tabletest.Now, Trust: tabletest.Trust, RouteScope: true, Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrute(t, e)
		for requirement, callers := range b.callers() {
			for _, c := range callers {
				for _, at := range b.instants() {
					without, with := b.ask(b.before, c, at), b.ask(b.after, c, at)
					what := fmt.Sprintf("of %s for %+v at %v", requirement, c, at)
					b.checkWitnesses(t, p.Gains, requirement, c, at, b.before, b.after)
					b.checkWitnesses(t, p.Losses, requirement, c, at, b.after, b.before)
					b.compare(t, "gains "+what, told(p.Gains, requirement, c, at), without, with)
					b.compare(t, "losses "+what, told(p.Losses, requirement, c, at), with, without)
				}
			}
		}
		b.checkForm(t, p.Gains)
		b.checkForm(t, p.Losses)
	})
}

// ask lists what a table says of every request.
func (b brute) ask(table *mapping.Table, c mapping.Caller, at time.Time) []bool {
	held := table.Held(c, at)
	list := make([]bool, len(b.requests))
	for i, r := range b.requests {
		list[i] = table.Decide(held, r.method, r.path).Allowed
	}
	return list
}

// told are the entries about a caller at an instant.
func told(list []plan.Access, requirement string, c mapping.Caller, at time.Time) []plan.Access {
	return slices.DeleteFunc(slices.Clone(list), func(a plan.Access) bool { return a.Requirement != requirement || !says(a, c, at) })
}

// checkWitnesses checks that what is told by a request is so for that request.
func (b brute) checkWitnesses(t *rapid.T, list []plan.Access, requirement string, c mapping.Caller, at time.Time, without, with *mapping.Table) {
	for _, a := range told(list, requirement, c, at) {
		method, path, _ := strings.Cut(a.Witness, " ")
		if a.Partly && (without.Permits(c, method, path, at) || !with.Permits(c, method, path, at)) {
			t.Fatalf("%s is no witness of %+v", a.Witness, a)
		}
	}
}

// compare checks what is told of one caller at one instant.
func (b brute) compare(t *rapid.T, what string, list []plan.Access, without, with []bool) {
	differs := func(i int) bool { return with[i] && !without[i] }
	plain, partly := map[string]bool{}, map[string]bool{}
	for _, a := range list {
		if plain[a.Route] || partly[a.Route] {
			t.Fatalf("%s: %s is told twice", what, a.Route)
		}
		plain[a.Route], partly[a.Route] = !a.Partly, a.Partly
	}
	covered, greedy := map[string]bool{}, map[string]bool{} // requests of routes that are told, routes told by any request
	for i, r := range b.requests {
		covered[b.keys[i]] = covered[b.keys[i]] || plain[r.of] || partly[r.of]
	}
	for i, r := range b.requests {
		d := differs(i)
		switch {
		case r.greedy:
			greedy[r.of] = greedy[r.of] || d
			if d && !covered[b.keys[i]] {
				t.Fatalf("%s: %s is not told by any route", what, b.keys[i])
			}
		case r.own:
			if d != plain[r.of] {
				t.Fatalf("%s: %s is %v, told %v", what, r.of, d, plain[r.of])
			}
		case !b.owned[b.keys[i]]: // the other spelling
			if want := d && !plain[r.of]; want != partly[r.of] {
				t.Fatalf("%s: %s is partly %v, told %v", what, r.of, want, partly[r.of])
			}
		}
	}
	for route, any := range greedy {
		if plain[route] && !any {
			t.Fatalf("%s: %s is told, and no path of it differs", what, route)
		}
	}
}

// checkForm checks that each entry is of somebody and of a known route, and that
// neighbouring stretches of time are one.
func (b brute) checkForm(t *rapid.T, list []plan.Access) {
	callers := b.callers()
	for _, q := range b.required() {
		for _, r := range b.required() {
			if together, ok := both(q, r); ok && callers[together.String()] == nil {
				callers[together.String()] = b.meeting(together)
			}
		}
	}
	for _, a := range list {
		if !slices.ContainsFunc(callers[a.Requirement], func(c mapping.Caller) bool { return says(a, c, later(a.From, tabletest.Now)) }) {
			t.Fatalf("%+v is of nobody", a)
		}
		if !slices.ContainsFunc(b.requests, func(r request) bool { return r.of == a.Route }) {
			t.Fatalf("%+v is of no route", a)
		}
		for _, o := range list {
			same := o
			same.From, same.Until = a.From, a.Until
			if equal(same, a) && !a.Until.IsZero() && o.From.Equal(a.Until) {
				t.Fatalf("%+v and %+v are one", a, o)
			}
		}
	}
}

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

func equal(x, y plan.Access) bool {
	return x.Requirement == y.Requirement && x.Route == y.Route && x.Witness == y.Witness && x.From.Equal(y.From) &&
		x.Caller.PrincipalType == y.Caller.PrincipalType && x.Caller.Tenant == y.Caller.Tenant && x.Caller.Issuer == y.Caller.Issuer &&
		x.Caller.Audience == y.Caller.Audience
}
