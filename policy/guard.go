package policy

import (
	"slices"
	"strings"

	"scopegate/mapping"
)

// guards is what one set of held permissions needs denied for one method, so
// that the wildcards of its Allows open no known route that is not held.
type guards struct {
	table    *mapping.Table
	held     mapping.Held
	verb     mapping.Verb
	known    []*mapping.Template
	patterns []string
	longest  int             // segments of the longest known route
	globs    map[string]bool // paths to deny
	hidden   map[string]bool // literals of routes not held that the Allows' wildcards run over
	protects bool            // one of the globs denies a known route that is not held
}

func newGuards(t *mapping.Table, h mapping.Held, v mapping.Verb) *guards {
	g := &guards{table: t, held: h, verb: v, known: t.Templates(v), globs: map[string]bool{}, hidden: map[string]bool{}}
	for _, p := range t.Patterns(h, v) {
		g.patterns = append(g.patterns, p.Resource.String())
	}
	for _, k := range g.known {
		g.longest = max(g.longest, len(k.Resource.Segments()))
	}
	return g
}

// findGuards compares each held route with each known one.
func findGuards(t *mapping.Table, h mapping.Held, v mapping.Verb) *guards {
	g := newGuards(t, h, v)
	for _, allowed := range g.known {
		if !h.Holds(allowed) {
			continue
		}
		for _, k := range g.known {
			g.compare(allowed.Resource, k)
		}
		g.depth(allowed.Resource)
	}
	for _, p := range g.patterns {
		g.slashPattern(p)
	}
	return g
}

// compare denies the paths of a known route that the glob of an allowed one
// matches and Permits denies.
func (g *guards) compare(allowed mapping.Resource, known *mapping.Template) {
	if isGreedy(known.Resource) {
		if !g.held.Holds(known) {
			g.expand(allowed, known.Resource)
		}
		return
	}
	a := aligner{allowed: allowed.Segments(), known: known.Resource.Segments()}
	a.visit = func(segments []string, hidden []int) bool {
		for _, slash := range spellings(allowed) {
			g.check(instance{segments: segments, slash: slash, hidden: hidden})
		}
		return true
	}
	if !a.run() {
		// Too many ways to tell apart: nothing of the allowed glob is left open.
		g.globs[allowed.Glob()] = true
		g.protects = true
	}
}

func isGreedy(r mapping.Resource) bool {
	s := r.Segments()
	return len(s) > 0 && s[len(s)-1].Kind == mapping.Greedy
}

// spellings says whether a path that the glob of a route matches may or must
// end with a slash.
func spellings(r mapping.Resource) []bool {
	s := r.Segments()
	switch {
	case r.TrailingSlash():
		return []bool{true}
	case len(s) > 0 && s[len(s)-1].Kind != mapping.Literal:
		return []bool{false, true}
	}
	return []bool{false}
}

// verdict is what Permits says of every path of an instance.
func (g *guards) verdict(p instance) mapping.Verdict {
	return g.table.DecideSpelling(g.held, g.verb, p.segments, p.slash, func(slash bool) bool {
		return g.coveredByPattern(instance{segments: p.segments, slash: slash}.glob())
	})
}

func (g *guards) check(p instance) {
	verdict := g.verdict(p)
	if verdict.Allowed || verdict.Route == nil {
		return
	}
	g.globs[p.glob()] = true
	if verdict.Reason == mapping.NotHeld {
		g.protect(p)
	} // else another spelling of something held: nothing hides behind it
}

// protect denies an instance of a route that is not held, however a client
// spells what the Allows' wildcards run over.
func (g *guards) protect(p instance) {
	g.protects = true
	g.globs[p.glob()] = true
	for _, at := range p.hidden {
		g.hidden[p.segments[at]] = true
	}
	for _, other := range p.respelt() {
		g.globs[other.glob()] = true
	}
}

func (g *guards) coveredByPattern(glob string) bool {
	return slices.ContainsFunc(g.patterns, func(p string) bool { return covers(p, glob) })
}

// depth adds the guard against what lies below a held parameter and is known to
// nobody: {id} is one segment, ?* is any number of them. It is left out where a
// held route or pattern lies there.
func (g *guards) depth(allowed mapping.Resource) {
	s := allowed.Segments()
	if len(s) == 0 || s[len(s)-1].Kind != mapping.Param || allowed.TrailingSlash() {
		return
	}
	below := append(slices.Clone(s), mapping.Segment{Kind: mapping.Greedy})
	if guard := allowed.Glob() + "/?*"; !g.heldWithin(below, guard) {
		g.globs[guard] = true
	}
}

// heldWithin reports whether a path of a held route or pattern may lie in a
// glob, given as such and by its segments.
func (g *guards) heldWithin(segments []mapping.Segment, glob string) bool {
	for _, k := range g.known {
		if !g.held.Holds(k) {
			continue
		}
		a := aligner{allowed: segments, known: k.Resource.Segments(), longest: max(g.longest, len(segments)) + 1}
		a.visit = func([]string, []int) bool { return false }
		if !a.run() {
			return true
		}
	}
	return slices.ContainsFunc(g.patterns, func(p string) bool { return meet(p, glob) })
}

// slashPattern looks at patterns such as users/*: they match users/ without
// matching users, and a REST API routes both to users.
func (g *guards) slashPattern(pattern string) {
	spelling := strings.TrimRight(pattern, "*")
	if !strings.HasSuffix(spelling, "/") {
		return
	}
	for _, k := range g.known {
		glob := k.Resource.Glob()
		// A path of the route has as many slashes as the route has segments.
		tooMany := strings.Count(spelling, "/") > len(k.Resource.Segments()) && !isGreedy(k.Resource)
		if tooMany || g.held.Holds(k) || k.Resource.TrailingSlash() || g.coveredByPattern(glob) || !meet(spelling, glob+"/") {
			continue
		}
		if hasWildcard(spelling) {
			g.protect(everyPath(k.Resource))
		} else {
			g.check(instance{segments: strings.Split(strings.TrimSuffix(spelling, "/"), "/"), slash: true})
		}
	}
}

// everyPath is a route as one instance, with a slash at its end.
func everyPath(r mapping.Resource) instance {
	p := instance{slash: true}
	for i, s := range r.Segments() {
		if s.Kind == mapping.Literal {
			p.segments = append(p.segments, s.Text)
			p.hidden = append(p.hidden, i)
		} else {
			p.segments = append(p.segments, free)
		}
	}
	return p
}

// HoldsWhole reports whether every path of a route is permitted: the route and
// whatever more specific one takes paths of it away, or patterns that cover it.
func HoldsWhole(t *mapping.Table, h mapping.Held, v mapping.Verb, route mapping.Resource) bool {
	g := newGuards(t, h, v)
	if g.coveredByPattern(route.Glob()) {
		return true
	}
	known := slices.ContainsFunc(g.known, func(k *mapping.Template) bool {
		return k.Resource.Shape() == route.Shape() && h.Holds(k)
	})
	return known && !slices.ContainsFunc(g.known, func(k *mapping.Template) bool { return g.takesAway(route, k.Resource) })
}

// takesAway reports whether some path of a route is one of another route that is
// not held. A slash at the end of something held takes nothing away.
func (g *guards) takesAway(route, known mapping.Resource) bool {
	a := aligner{allowed: route.Segments(), known: known.Segments(), routed: true, longest: g.longest + 1}
	a.visit = func(segments []string, _ []int) bool {
		return !slices.ContainsFunc(spellings(route), func(slash bool) bool {
			return g.verdict(instance{segments: segments, slash: slash}).Reason == mapping.NotHeld
		})
	}
	return !a.run()
}
