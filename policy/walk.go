package policy

import (
	"slices"
	"strings"
)

// free stands, in an instance, for any text that is no literal of the table. A
// slash keeps it from ever being one.
const free = "/"

// instance is a set of paths of one route that a glob matches: the method and
// the segments, free where neither the route nor the glob names a literal.
type instance struct {
	segments []string // the first is the method
	slash    bool     // a slash follows the last segment
	node     *node    // where the path ends in the tree
	state    *state   // and what routing makes of it
}

// glob is the IAM form of the instance.
func (p instance) glob() string {
	var b strings.Builder
	for i, s := range p.segments {
		if i > 0 {
			b.WriteByte('/')
		}
		if s == free {
			s = "?*"
		}
		b.WriteString(s)
	}
	if p.slash || len(p.segments) == 1 {
		b.WriteByte('/') // the root comes as METHOD/
	}
	return b.String()
}

// path is one path of the instance, with the value for whatever is free.
func (p instance) path(value string) string {
	path := strings.ReplaceAll(instance{segments: p.segments, slash: p.slash}.glob(), "?*", value)
	return strings.Replace(path, "/", " /", 1)
}

// walker finds the known routes whose paths a glob matches: it runs the glob
// over the tree of routes. It is exact. A * crosses slashes, {name} is one
// segment, {name+} one or more, and each instance comes with the state in which
// API Gateway's routing ends.
//
// Free segments are enough to look at: where a path holds some literal instead
// that neither the route nor the glob names, more specific routes may win it,
// never fewer. So whatever route wins the instance wins the path, or loses it to
// a known route that has instances of its own.
type walker struct {
	globber
	// enter reports whether to look below a node, given how a path gets there.
	enter func(n *node, s *state, p positions, segments []string) bool
	// visit is called for each instance; the walk ends when it wants no more.
	visit func(p instance) (more bool)
	steps int
	ended bool
}

// mostSteps bounds a walk: tables and globs made for it would otherwise take for
// ever.
const mostSteps = 200_000

// walk answers false when it was ended early, by visit or by mostSteps.
func (w *walker) walk(t *tree) bool {
	start := w.start()
	for _, method := range t.root.sorted {
		if p := w.run(&start, method.text); !w.empty(&p) {
			w.below(method, t.routing[method], p, []string{method.text})
		}
	}
	return !w.ended
}

// below looks at a node, p being the places after its segment.
func (w *walker) below(n *node, s *state, p positions, segments []string) {
	if w.tired() || s == nil || !w.enter(n, s, p, segments) {
		return
	}
	if !n.isMethod() && w.ends(&p) {
		w.offer(instance{segments, false, n, s})
	}
	p = w.step(&p, '/')
	if w.empty(&p) {
		return
	}
	if w.ends(&p) {
		w.offer(instance{segments, !n.isMethod(), n, s})
	}
	segments = slices.Clip(segments)
	w.literalChildren(n, s, &p, segments)
	if n.any != nil {
		w.anySegment(s, &p, segments, func(next *state, p positions, segments []string) {
			w.below(n.any, next, p, segments)
		})
	}
	if n.greedy != none {
		w.greedily(n, s, p, segments, nil)
	}
}

func (w *walker) tired() bool {
	w.steps++
	w.ended = w.ended || w.steps > mostSteps
	return w.ended
}

// offer hands an instance over if the node's own route decides it.
func (w *walker) offer(p instance) {
	if w.ended {
		return
	}
	n := p.node
	decides := n.end != none && p.state.end == n.end || p.slash && n.endSlash != none && p.state.slash == n.endSlash
	if decides && !w.visit(p) {
		w.ended = true
	}
}

func (w *walker) literalChildren(n *node, s *state, p *positions, segments []string) {
	if w.onlyLiterals(p) {
		w.literals(p, func(segment string, next positions) {
			if c := n.literals[segment]; c != nil {
				w.below(c, s.next(segment), next, append(segments, segment))
			}
		})
		return
	}
	for _, c := range n.sorted {
		if next := w.run(p, c.text); !w.empty(&next) {
			w.below(c, s.next(c.text), next, append(segments, c.text))
		}
	}
}

// anySegment takes one segment where the route has a parameter.
func (w *walker) anySegment(s *state, p *positions, segments []string, f func(*state, positions, []string)) {
	if next := w.runFree(p); !w.empty(&next) {
		f(s.next(free), next, append(segments, free))
	}
	w.literals(p, func(segment string, next positions) {
		f(s.next(segment), next, append(segments, segment))
	})
}

// mark is where a walk stood after a free segment.
type mark struct {
	state *state
	at    positions
}

// greedily takes one more segment of a {name+}, and then more. Where a free
// segment leads to where another one led before, it ends: the ?* of the earlier
// one matches all that would follow.
func (w *walker) greedily(n *node, s *state, p positions, segments []string, trail []mark) {
	if w.tired() {
		return
	}
	w.anySegment(s, &p, segments, func(next *state, p positions, segments []string) {
		if next == nil || w.ended {
			return
		}
		if w.ends(&p) && next.end == n.greedy && !w.visit(instance{segments, false, n, next}) {
			w.ended = true
		}
		p = w.step(&p, '/')
		if w.empty(&p) || w.ended {
			return
		}
		if w.ends(&p) && next.slash == n.greedy && !w.visit(instance{segments, true, n, next}) {
			w.ended = true
		}
		longer := trail
		if here := (mark{next, p}); segments[len(segments)-1] == free {
			if slices.Contains(trail, here) {
				return
			}
			longer = append(slices.Clip(trail), here)
		}
		w.greedily(n, next, p, slices.Clip(segments), longer)
	})
}
