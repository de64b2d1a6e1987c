package policy

import (
	"slices"

	"scopegate/mapping"
)

// view is a prepared table as somebody with certain permissions sees it.
type view struct {
	*Prepared
	set      mapping.Held
	held     []bool   // of each route
	upTo     []int32  // how many of the routes before this one are held
	patterns []string // METHOD/pattern of what is held
	// slashless gives up the trailing slash that a held {name} may be called with.
	slashless bool
	spared    map[string]bool     // Denies looked at so far
	looked    map[lookKey]*guards // Allows looked at so far
	chosen    map[choice][]string // Allows of steps so far
}

func newView(p *Prepared, h mapping.Held) *view {
	v := &view{Prepared: p, set: h, spared: map[string]bool{}, looked: map[lookKey]*guards{}, chosen: map[choice][]string{}, held: make([]bool, len(p.tree.routes)), upTo: make([]int32, len(p.tree.routes)+1)}
	for i, r := range p.tree.routes {
		v.upTo[i+1] = v.upTo[i]
		if h.Holds(r.template) {
			v.held[i] = true
			v.upTo[i+1]++
		}
	}
	for _, verb := range mapping.Methods {
		for _, p := range p.table.Patterns(h, verb) {
			v.patterns = append(v.patterns, string(verb)+"/"+p.Resource.String())
		}
	}
	return v
}

// withoutSlashes is the same view, in which paths with a slash at their end need
// not be spared.
func (v *view) withoutSlashes() *view {
	w := *v
	w.slashless, w.spared, w.looked, w.chosen = true, map[string]bool{}, map[lookKey]*guards{}, map[choice][]string{}
	return &w
}

// heldIn counts the held routes of a subtree.
func (v *view) heldIn(n *node) int { return int(v.upTo[n.past] - v.upTo[n.first]) }

// unheldIn counts the others.
func (v *view) unheldIn(n *node) int { return int(n.past-n.first) - v.heldIn(n) }

func (v *view) holds(r int32) bool { return r != none && v.held[r] }

func (v *view) lacks(r int32) bool { return r != none && !v.held[r] }

// verdict is what Permits says of every path of an instance.
func (v *view) verdict(p instance) (allowed bool, why mapping.Reason) {
	if len(v.patterns) > 0 {
		verdict := v.table.DecideSpelling(v.set, mapping.Verb(p.segments[0]), p.segments[1:], p.slash, func(slash bool) bool {
			return v.permittedByPattern(instance{segments: p.segments, slash: slash}.glob())
		})
		return verdict.Allowed, verdict.Reason
	}
	route, bare := p.state.end, none
	if p.slash {
		route, bare = p.state.slash, p.state.end
	}
	switch {
	case v.lacks(route), v.lacks(bare):
		return false, mapping.NotHeld
	case v.holds(route):
		return true, mapping.HeldRoute
	case bare == none:
		return false, mapping.NoRoute
	case v.tree.routes[bare].literal:
		return false, mapping.SlashSpelling
	}
	return true, mapping.HeldRoute
}

// maybe reports whether some path of an instance is permitted. With a slash at
// its end a path has two readings: two held routes may permit together what they
// share, though neither does the rest of its own. Then the answer may be yes
// where no is right.
func (v *view) maybe(p instance) bool {
	if allowed, _ := v.verdict(p); allowed {
		return true
	}
	return p.slash && v.tree.slashed && (v.holds(p.state.end) || v.holds(p.state.slash))
}

// givenUp reports whether a permitted instance is one that a view without slashes gives up: it
// differs from a held route by the slash at its end.
func (v *view) givenUp(p instance) bool {
	return v.slashless && p.slash && !v.holds(p.state.slash)
}

// permittedByPattern reports whether a held pattern permits all of a glob.
func (v *view) permittedByPattern(glob string) bool {
	return slices.ContainsFunc(v.patterns, func(p string) bool { return covers(p, glob) })
}

// spares reports whether a Deny of the glob leaves all that is permitted alone.
func (v *view) spares(glob string) bool {
	spared, known := v.spared[glob]
	if !known {
		spared = v.leavesAlone(glob)
		v.spared[glob] = spared
	}
	return spared
}

func (v *view) leavesAlone(glob string) bool {
	if slices.ContainsFunc(v.patterns, func(p string) bool { return meet(p, glob) }) {
		return false
	}
	g, ok := newGlobber(glob)
	if !ok {
		return false
	}
	w := walker{globber: g}
	w.enter = func(n *node, _ *state, _ *positions) bool { return v.heldIn(n) > 0 }
	w.visit = func(p instance) bool { return !v.maybe(p) || v.givenUp(p) }
	return w.walk(v.tree)
}
