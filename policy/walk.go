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
	enter func(n *node, s *state, p *positions) bool
	// visit is called for each instance; the walk ends when it wants no more.
	// The segments of the instance are the walker's own.
	visit func(p instance) (more bool)
	path  []string // the segments taken so far
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
			w.path = append(w.path[:0], method.text)
			w.below(method, t.routing[method], p)
		}
	}
	return !w.ended
}

// below looks at a node, p being the places after its segment.
func (w *walker) below(n *node, s *state, p positions) {
	if w.tired() || s == nil || !w.enter(n, s, &p) {
		return
	}
	if !n.isMethod() && w.done(&p) {
		w.offer(n, s, false)
	}
	p = w.step(&p, '/')
	if w.empty(&p) {
		return
	}
	if w.done(&p) {
		w.offer(n, s, !n.isMethod())
	}
	w.literalChildren(n, s, &p)
	if n.any != nil {
		w.anyChild(n.any, s, &p)
	}
	if n.greedy != none {
		w.greedily(n, s, &p, nil)
	}
}

func (w *walker) tired() bool {
	w.steps++
	w.ended = w.ended || w.steps > mostSteps
	return w.ended
}

// offer hands an instance over if the node's own route decides it.
func (w *walker) offer(n *node, s *state, slash bool) {
	decides := n.end != none && s.end == n.end || slash && n.endSlash != none && s.slash == n.endSlash
	if decides {
		w.show(n, s, slash)
	}
}

func (w *walker) show(n *node, s *state, slash bool) {
	if !w.ended && !w.visit(instance{w.path, slash, n, s}) {
		w.ended = true
	}
}

// down goes on to a node by a segment.
func (w *walker) down(n *node, s *state, segment string, p positions) {
	w.path = append(w.path, segment)
	w.below(n, s, p)
	w.path = w.path[:len(w.path)-1]
}

func (w *walker) literalChildren(n *node, s *state, p *positions) {
	if w.onlyLiterals(p) {
		var few [4]spelt
		for _, l := range w.literals(p, few[:0]) {
			if c := n.literals[l.segment]; c != nil {
				w.down(c, s.next(c.text), c.text, l.next)
			}
		}
		return
	}
	for _, c := range n.sorted {
		if next := w.run(p, c.text); !w.empty(&next) {
			w.down(c, s.next(c.text), c.text, next)
		}
	}
}

// anyChild takes one segment for a parameter.
func (w *walker) anyChild(n *node, s *state, p *positions) {
	if next := w.runFree(p); !w.empty(&next) {
		w.down(n, s.next(free), free, next)
	}
	var few [4]spelt
	for _, l := range w.literals(p, few[:0]) {
		w.down(n, s.next(l.segment), l.segment, l.next)
	}
}

// mark is where a walk stood after a free segment.
type mark struct {
	state *state
	at    positions
}

// greedily takes one more segment of a {name+}, and then more. Where a free
// segment leads to where another one led before, it ends: the ?* of the earlier
// one matches all that would follow.
func (w *walker) greedily(n *node, s *state, p *positions, trail []mark) {
	if w.tired() {
		return
	}
	if next := w.runFree(p); !w.empty(&next) {
		w.greedy(n, s.next(free), free, next, trail)
	}
	for _, l := range w.literals(p, nil) {
		w.greedy(n, s.next(l.segment), l.segment, l.next, trail)
	}
}

// greedy looks at a {name+} after one of its segments.
func (w *walker) greedy(n *node, s *state, segment string, p positions, trail []mark) {
	if s == nil || w.ended {
		return
	}
	w.path = append(w.path, segment)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	if w.done(&p) && s.end == n.greedy {
		w.show(n, s, false)
	}
	p = w.step(&p, '/')
	if w.empty(&p) {
		return
	}
	if w.done(&p) && (s.slash == n.greedy || s.end == n.greedy) { // with or without its slash
		w.show(n, s, true)
	}
	if here := (mark{s, p}); segment == free {
		if slices.Contains(trail, here) {
			return
		}
		trail = append(slices.Clip(trail), here)
	}
	w.greedily(n, s, &p, trail)
}
