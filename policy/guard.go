package policy

import (
	"slices"
	"strings"

	"scopegate/mapping"
)

// guards collects what must be denied beside a set of Allows, so that their
// wildcards open no known route that is not held.
type guards struct {
	*view
	step
	needs    map[string]bool // what to deny
	hidden   charset         // what the literals are written in that the Allows' wildcards run over
	protects bool            // a known route that is not held is among what is denied
	// most bounds the bytes of the needs, 0 for any number; tooMany says that they
	// are more, and that not all of them are there.
	most    int
	bytes   int
	tooMany bool
}

func (v *view) newGuards(s step) *guards {
	return &guards{view: v, step: s, needs: map[string]bool{}}
}

// against adds what an Allow needs denied. A guard is a Deny that is made
// already and that need not be looked behind; "" is none.
func (g *guards) against(allow, guard string) {
	glob, ok := newGlobber(allow)
	if !ok {
		g.needs[allow] = true
		return
	}
	w := walker{globber: glob}
	w.enter = func(n *node, s *state, p *positions) bool { return g.lookBelow(&w, n, s, p, guard) }
	w.visit = func(p instance) bool {
		if allowed, why := g.verdict(p); !allowed {
			g.deny(&glob, p, why)
		}
		g.tooMany = g.most > 0 && g.bytes > g.most
		return !g.tooMany
	}
	if !w.walk(g.tree) && !g.tooMany {
		// Too much to tell apart: nothing of the Allow is left open.
		g.needs[allow] = true
		g.protects = true
	}
}

// lookBelow reports whether the routes below a node need to be looked at one by
// one. Where nothing is held one Deny may stand for all of them.
func (g *guards) lookBelow(w *walker, n *node, s *state, p *positions, guard string) bool {
	at := instance{segments: w.path, node: n, state: s}
	if guard != "" && covers(guard, at.glob()) {
		g.protects = g.protects || g.unheldIn(n) > 0
		return false
	}
	if g.heldIn(n) > 0 || n.isMethod() || !matchesSeveral(w, n, s, p) {
		return true
	}
	whole := at.glob()
	if w.path[len(w.path)-1] != free {
		whole += "*"
	}
	if !g.spares(whole) {
		return true
	}
	g.protect(&w.globber, at, whole, false)
	g.hidden.join(n.chars)
	return false
}

// matchesSeveral reports whether a walk finds more than one instance below.
func matchesSeveral(w *walker, n *node, s *state, p *positions) bool {
	found := 0
	sub := walker{globber: w.globber, path: slices.Clip(w.path)}
	sub.enter = func(*node, *state, *positions) bool { return true }
	sub.visit = func(instance) bool {
		found++
		return found < 2
	}
	sub.below(n, s, *p)
	return found > 1
}

// deny adds one instance.
func (g *guards) deny(allow *globber, p instance, why mapping.Reason) {
	switch why {
	case mapping.NotHeld:
		g.protect(allow, p, p.glob(), true)
	case mapping.NoRoute:
	default: // another spelling of something held: nothing hides behind it
		g.add(p.glob())
	}
}

func (g *guards) add(glob string) {
	if g.noSlash && covers(anySlash, glob) {
		return
	}
	if !g.needs[glob] {
		g.needs[glob] = true
		g.bytes += g.price(glob)
	}
}

// protect denies an instance of a route that is not held, or all that begins so,
// however a client spells what the Allow's wildcards run over. whole says that
// the instance is a path, not how paths begin.
func (g *guards) protect(allow *globber, p instance, glob string, whole bool) {
	g.protects = true
	g.add(glob)
	if g.noEscapes {
		return
	}
	tail := strings.TrimPrefix(glob, p.glob()) // what follows the instance
	hidden := hiddenBy(allow, p, whole)
	for _, at := range hidden {
		g.hidden.addAll(p.segments[at])
	}
	for _, other := range respelt(p, hidden) {
		g.add(other.glob() + tail)
	}
}

// hiddenBy lists the places of an instance's literals that a wildcard of the
// glob may run over. whole says that the instance is a path, not how paths begin.
func hiddenBy(allow *globber, p instance, whole bool) []int {
	var list []int
	at := allow.start()
	for i, s := range p.segments {
		if i > 0 && s != free && wildcardTakes(allow, &at, p, i, whole) {
			list = append(list, i)
		}
		at = takeSegment(allow, &at, s)
		at = allow.step(&at, '/')
	}
	return list
}

func takeSegment(g *globber, p *positions, s string) positions {
	if s == free {
		return g.runFree(p)
	}
	return g.run(p, s)
}

// wildcardTakes reports whether the glob matches the instance, or a path that
// goes on from it, with a wildcard at its i-th segment.
func wildcardTakes(allow *globber, before *positions, p instance, i int, whole bool) bool {
	at := allow.run(before, p.segments[i])
	for _, l := range allow.literals(before, nil) {
		for w := range l.next {
			if l.segment == p.segments[i] {
				at[w] &^= l.next[w]
			}
		}
	}
	for _, s := range p.segments[i+1:] {
		at = allow.step(&at, '/')
		at = takeSegment(allow, &at, s)
	}
	if !whole {
		return !allow.empty(&at)
	}
	if p.slash {
		at = allow.step(&at, '/')
	}
	return allow.done(&at)
}

// respelt lists an instance in the other spellings of its hidden literals.
func respelt(p instance, hidden []int) []instance {
	list := []instance{p}
	for _, at := range hidden {
		forms := append([]string{p.segments[at]}, reservedSpellings(p.segments[at])...)
		if len(list)*len(forms) > mostSpellings {
			return []instance{p.widened(hidden)}
		}
		var longer []instance
		for _, q := range list {
			for _, form := range forms {
				longer = append(longer, q.with(at, form))
			}
		}
		list = longer
	}
	return list[1:] // the first is the instance itself
}

// mostSpellings bounds the spellings of one instance: beyond it one wider Deny
// stands for all of them.
const mostSpellings = 16

func (p instance) widened(hidden []int) instance {
	for _, at := range hidden {
		p = p.with(at, reservedAsStars(p.segments[at]))
	}
	return p
}

func (p instance) with(at int, segment string) instance {
	p.segments = slices.Clone(p.segments)
	p.segments[at] = segment
	return p
}

// slashPattern looks at patterns such as users/*: they match users/ without
// matching users, and a REST API routes both to users.
func (g *guards) slashPattern(pattern string) {
	spelling := strings.TrimRight(pattern, "*")
	if !strings.HasSuffix(spelling, "/") {
		return
	}
	for i, r := range g.tree.routes {
		resource := r.template.Resource
		// A path of the route has as many slashes as the route has segments.
		tooMany := strings.Count(spelling, "/") > len(resource.Segments())+1 && !isGreedy(resource)
		if tooMany || g.held[i] || resource.TrailingSlash() || g.permittedByPattern(r.glob) || !meet(spelling, r.glob+"/") {
			continue
		}
		if hasWildcard(spelling) {
			p, hidden := everyPath(r)
			g.protects = true
			g.add(p.glob())
			for _, at := range hidden {
				g.hidden.addAll(p.segments[at])
			}
			for _, other := range respelt(p, hidden) {
				g.add(other.glob())
			}
			continue
		}
		g.denySpelling(strings.Split(strings.TrimSuffix(spelling, "/"), "/"))
	}
}

// denySpelling denies one path with a slash at its end unless it is permitted.
func (g *guards) denySpelling(segments []string) {
	p := instance{segments: segments, slash: len(segments) > 1}
	allowed, why := g.verdict(p)
	if allowed || why == mapping.NoRoute {
		return
	}
	g.protects = g.protects || why == mapping.NotHeld
	g.add(p.glob())
}

// everyPath is a route as one instance with a slash at its end, and the places
// of its literals.
func everyPath(r route) (p instance, literals []int) {
	p = instance{segments: []string{string(r.template.Verb)}, slash: true}
	for i, s := range r.template.Resource.Segments() {
		if s.Kind == mapping.Literal {
			p.segments = append(p.segments, s.Text)
			literals = append(literals, i+1)
		} else {
			p.segments = append(p.segments, free)
		}
	}
	return p, literals
}

func isGreedy(r mapping.Resource) bool {
	s := r.Segments()
	return len(s) > 0 && s[len(s)-1].Kind == mapping.Greedy
}
