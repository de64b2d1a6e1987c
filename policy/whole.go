package policy

import (
	"slices"

	"scopegate/mapping"
)

// HoldsWhole reports whether every path of a route is permitted: the route and
// whatever more specific one takes paths of it away, or patterns that cover it.
func (p *Prepared) HoldsWhole(h mapping.Held, v mapping.Verb, r mapping.Resource) bool {
	view := newView(p, h)
	if view.permittedByPattern(string(v) + "/" + r.Glob()) {
		return true
	}
	method := p.tree.root.literals[string(v)]
	known := slices.ContainsFunc(p.table.Templates(v), func(k *mapping.Template) bool {
		return k.Resource.Shape() == r.Shape() && h.Holds(k)
	})
	if !known || method == nil {
		return false
	}
	s := sweep{view: view, route: r, seen: map[*state]bool{}}
	return s.from(p.tree.routing[method], r.Segments(), []string{method.text})
}

// sweep looks at every way in which a path of a route is routed.
type sweep struct {
	*view
	route mapping.Resource
	seen  map[*state]bool // after a {name+}
	steps int
}

// from reports whether nothing is taken away behind the segments taken so far. A
// slash at the end of something held takes nothing away.
func (s *sweep) from(at *state, left []mapping.Segment, taken []string) bool {
	if s.steps++; s.steps > mostSteps {
		return false
	}
	if at == nil {
		return true // no route at all
	}
	if len(left) == 0 {
		return s.ends(at, taken)
	}
	taken = slices.Clip(taken)
	switch left[0].Kind {
	case mapping.Literal:
		return s.from(at.next(left[0].Text), left[1:], append(taken, left[0].Text))
	case mapping.Param:
		return s.each(at, func(next *state, segment string) bool {
			return s.from(next, left[1:], append(taken, segment))
		})
	}
	return s.each(at, func(next *state, segment string) bool {
		if next == nil || s.seen[next] {
			return true
		}
		s.seen[next] = true
		path := append(taken, segment)
		return s.ends(next, path) && s.from(next, left, path)
	})
}

// each tries every segment that makes a difference.
func (s *sweep) each(at *state, f func(next *state, segment string) bool) bool {
	for _, n := range at.nodes {
		for _, c := range n.sorted {
			if !f(at.next(c.text), c.text) {
				return false
			}
		}
	}
	return f(at.next(free), free)
}

func (s *sweep) ends(at *state, taken []string) bool {
	spellings := []bool{s.route.TrailingSlash()}
	if !endsInLiteral(s.route) {
		spellings = []bool{false, true}
	}
	for _, slash := range spellings {
		if _, why := s.verdict(instance{segments: taken, slash: slash, state: at}); why == mapping.NotHeld {
			return false
		}
	}
	return true
}

func endsInLiteral(r mapping.Resource) bool {
	s := r.Segments()
	return len(s) == 0 || s[len(s)-1].Kind == mapping.Literal
}
