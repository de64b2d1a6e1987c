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
	patterns []string
	longest  int
	globs    map[string]bool // paths to deny
	hidden   map[string]bool // literals that wildcards of the Allows run over
	protects bool            // one of the globs denies a known route that is not held
}

func newGuards(t *mapping.Table, h mapping.Held, v mapping.Verb) *guards {
	g := &guards{table: t, held: h, verb: v, globs: map[string]bool{}, hidden: map[string]bool{}}
	for _, p := range t.Patterns(h, v) {
		g.patterns = append(g.patterns, p.Resource.String())
	}
	for _, k := range t.Templates(v) {
		g.longest = max(g.longest, len(k.Resource.Segments()))
	}
	return g
}

// findGuards compares each held route with each known one.
func findGuards(t *mapping.Table, h mapping.Held, v mapping.Verb) *guards {
	g := newGuards(t, h, v)
	known := t.Templates(v)
	for _, allowed := range known {
		if !h.Holds(allowed) {
			continue
		}
		for _, k := range known {
			g.compare(allowed.Resource, k.Resource, false)
		}
		g.depth(allowed.Resource, known)
	}
	for _, p := range g.patterns {
		g.slashPattern(p, known)
	}
	return g
}

// compare denies the paths of a known route that the glob of an allowed one
// matches and Permits denies; or, where routed is set, those that API Gateway
// routes to the allowed one if it knows no other.
func (g *guards) compare(allowed, known mapping.Resource, routed bool) {
	a := aligner{
		routed:  routed,
		allowed: allowed.Segments(),
		known:   known.Segments(),
		longest: g.longest + len(allowed.Segments()) + 1,
	}
	a.visit = func(segments, hidden []string) bool {
		for _, slash := range spellings(allowed) {
			p := instance{segments: segments, slash: slash, hidden: hidden}
			if routed && g.verdict(p).Reason == mapping.SlashSpelling {
				continue // another spelling of a route that is held
			}
			g.check(p)
		}
		return true
	}
	a.run()
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

func (g *guards) verdict(p instance) mapping.Verdict {
	return g.table.DecideSpelling(g.held, g.verb, p.segments, p.slash)
}

func (g *guards) check(p instance) {
	verdict := g.verdict(p)
	if verdict.Allowed || verdict.Route == nil || g.permittedByPatterns(p) {
		return
	}
	g.globs[p.glob()] = true
	g.protects = g.protects || verdict.Reason == mapping.NotHeld
	for _, literal := range p.hidden {
		g.hidden[literal] = true
		for _, spelling := range reservedSpellings(literal) {
			g.globs[p.respelt(literal, spelling).glob()] = true
		}
	}
}

// permittedByPatterns reports whether held patterns allow every path of the
// instance, in each reading that finds a route.
func (g *guards) permittedByPatterns(p instance) bool {
	if !g.coveredByPattern(p.glob()) {
		return false
	}
	if !p.slash {
		return true
	}
	bare := instance{segments: p.segments}
	verdict := g.verdict(bare)
	return verdict.Allowed || verdict.Route == nil || g.coveredByPattern(bare.glob())
}

func (g *guards) coveredByPattern(glob string) bool {
	return slices.ContainsFunc(g.patterns, func(p string) bool { return covers(p, glob) })
}

// depth adds the guard against what lies below a held parameter and is known to
// nobody: {id} is one segment, ?* is any number of them. It is left out where a
// held route or pattern lies there.
func (g *guards) depth(allowed mapping.Resource, known []*mapping.Template) {
	s := allowed.Segments()
	if len(s) == 0 || s[len(s)-1].Kind != mapping.Param || allowed.TrailingSlash() {
		return
	}
	below := append(slices.Clone(s), mapping.Segment{Kind: mapping.Greedy})
	for _, k := range known {
		if !g.held.Holds(k) {
			continue
		}
		a := aligner{allowed: below, known: k.Resource.Segments(), longest: g.longest + len(below) + 1}
		a.visit = func([]string, []string) bool { return false }
		if !a.run() {
			return
		}
	}
	guard := allowed.Glob() + "/?*"
	if !slices.ContainsFunc(g.patterns, func(p string) bool { return meet(p, guard) }) {
		g.globs[guard] = true
	}
}

// slashPattern looks at patterns such as users/*: they match users/ without
// matching users, and a REST API routes both to users.
func (g *guards) slashPattern(pattern string, known []*mapping.Template) {
	spelling := strings.TrimRight(pattern, "*")
	if !strings.HasSuffix(spelling, "/") {
		return
	}
	for _, k := range known {
		glob := k.Resource.Glob()
		if g.held.Holds(k) || k.Resource.TrailingSlash() || g.coveredByPattern(glob) || !meet(spelling, glob+"/") {
			continue
		}
		if hasWildcard(spelling) {
			g.globs[glob+"/"] = true
		} else {
			g.check(instance{segments: strings.Split(strings.TrimSuffix(spelling, "/"), "/"), slash: true})
		}
	}
}

// HoldsWhole reports whether every path of a route is permitted: the route and
// whatever more specific one takes paths of it away, or patterns that cover it.
func HoldsWhole(t *mapping.Table, h mapping.Held, v mapping.Verb, route mapping.Resource) bool {
	g := newGuards(t, h, v)
	if g.coveredByPattern(route.Glob()) {
		return true
	}
	known := slices.ContainsFunc(t.Templates(v), func(k *mapping.Template) bool {
		return k.Resource.Shape() == route.Shape() && h.Holds(k)
	})
	if !known {
		return false
	}
	for _, k := range t.Templates(v) {
		g.compare(route, k.Resource, true)
	}
	return len(g.globs) == 0
}
