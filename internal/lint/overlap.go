package lint

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"scopegate/mapping"
)

// duplicates takes each permission once, the first of those with the same id,
// and reports the others.
func duplicates(entries []Entry) (once []Entry, findings []Finding) {
	first := map[string]Entry{}
	for _, e := range entries {
		id := e.Permission.ID()
		before, known := first[id]
		if !known {
			first[id] = e
			once = append(once, e)
			continue
		}
		f := Finding{Severity: Warning, Kind: Duplicate, Permissions: []Ref{e.ref(), before.ref()}}
		if wire(e.Permission) != wire(before.Permission) {
			f.Severity, f.Kind = Error, Conflicting
		}
		findings = append(findings, f)
	}
	return once, findings
}

// wire is a permission as it is written: equal texts, equal permissions.
func wire(p mapping.Permission) string {
	b, err := json.Marshal(p)
	if err != nil {
		return p.ID() // strings and booleans: it can always be written
	}
	return string(b)
}

// overlaps finds the permissions that grant nothing of their own: without all of
// them, and with their routes still registered, Permits answers the same from
// now on. Each pattern is compared with each other one, so it stops when ctx is
// over; what it has found by then is not all.
func overlaps(ctx context.Context, entries []Entry, now time.Time) []Finding {
	held := active(entries, now)
	near := neighbours(held)
	redundant := make([]bool, len(held))
	for i := range held {
		if ctx.Err() != nil {
			return nil
		}
		redundant[i] = near.first(i, func(j int) bool { return outdoes(held, j, i) }) >= 0
	}
	var findings []Finding
	for i := range held {
		if !redundant[i] || ctx.Err() != nil {
			continue
		}
		// Granting is transitive, so that one that is not redundant grants it, too.
		by := near.first(i, func(j int) bool { return !redundant[j] && outdoes(held, j, i) })
		kind := Shadowed
		if sameMeaning(held[by].Permission, held[i].Permission) {
			kind = Duplicate
		}
		findings = append(findings, Finding{Severity: Warning, Kind: kind, Permissions: []Ref{held[i].ref(), held[by].ref()}})
	}
	return append(findings, needless(entries)...)
}

// nearby lists for each permission those that could grant the same: of its own
// route, and the patterns.
type nearby struct {
	held     []Entry
	routes   map[string][]int // by shape
	patterns []int
}

func neighbours(held []Entry) nearby {
	n := nearby{held: held, routes: map[string][]int{}}
	for i, e := range held {
		if r := e.Permission.Resource; r.IsPattern() {
			n.patterns = append(n.patterns, i)
		} else {
			n.routes[r.Shape()] = append(n.routes[r.Shape()], i)
		}
	}
	return n
}

// first finds the first neighbour that f says yes to, those of the same route
// before patterns; -1 for none.
func (n nearby) first(i int, f func(j int) bool) int {
	lists := [][]int{nil, n.patterns}
	if r := n.held[i].Permission.Resource; !r.IsPattern() {
		lists[0] = n.routes[r.Shape()]
	}
	for _, list := range lists {
		if at := slices.IndexFunc(list, f); at >= 0 {
			return list[at]
		}
	}
	return -1
}

// outdoes reports whether j makes i redundant: it grants as much, and of two that
// grant the same the first one stays.
func outdoes(held []Entry, j, i int) bool {
	p, q := held[i].Permission, held[j].Permission
	return i != j && grants(q, p) && (j < i || !grants(p, q))
}

// grants reports whether whoever may call something through p may do so through
// q, for as long.
func grants(q, p mapping.Permission) bool {
	return within(p.Verb, q.Verb) && lasts(q, p) && p.Requires.Implies(q.Requires) && q.Resource.Covers(p.Resource)
}

// sameMeaning tells what is written twice from what is granted besides: GET and
// ANY of one route to the same callers, "authenticated" beside a scope.
func sameMeaning(q, p mapping.Permission) bool {
	return q.ExpiresAt.Equal(p.ExpiresAt) && q.Requires.Implies(p.Requires) && p.Resource.Covers(q.Resource)
}

func within(p, q mapping.Verb) bool {
	return p == q || q == mapping.Any && p != mapping.Connect
}

// lasts: one that ends earlier never shadows one that ends later.
func lasts(q, p mapping.Permission) bool {
	return q.ExpiresAt.IsZero() || !p.ExpiresAt.IsZero() && !q.ExpiresAt.Before(p.ExpiresAt)
}

// needless finds the entries that register routes which others name for good.
func needless(entries []Entry) []Finding {
	naming := map[string][]Entry{}
	for _, e := range entries {
		if !e.Permission.Resource.IsPattern() && e.Permission.ExpiresAt.IsZero() {
			naming[e.Permission.Resource.Shape()] = append(naming[e.Permission.Resource.Shape()], e)
		}
	}
	var findings []Finding
	for _, e := range entries {
		if !e.Permission.Registered {
			continue
		}
		if by := registrars(e.Permission, naming[e.Permission.Resource.Shape()]); len(by) > 0 {
			findings = append(findings, Finding{Severity: Warning, Kind: Duplicate, Permissions: append([]Ref{e.ref()}, by...)})
		}
	}
	return findings
}

// registrars lists others that together name every route that p registers; none
// if one of them is named by p alone.
func registrars(p mapping.Permission, others []Entry) []Ref {
	var by []Ref
	for _, v := range p.Verb.Methods() {
		at := slices.IndexFunc(others, func(e Entry) bool {
			wider := e.Permission.Verb == mapping.Any && p.Verb != mapping.Any
			return within(v, e.Permission.Verb) && (!e.Permission.Registered || wider)
		})
		if at < 0 {
			return nil
		}
		ref := others[at].ref()
		if !slices.ContainsFunc(by, func(r Ref) bool { return r.ID == ref.ID }) {
			by = append(by, ref)
		}
	}
	return by
}
