package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// folder chooses the Allows of a policy for a complete table. It walks the tree
// of each method and takes at each place the cheaper of two: to list what is
// held there, or to allow all of it and to deny the rest. GET and PUT, and POST
// and HEAD, are walked together, since one glob may stand for both.
type folder struct {
	*view
	step
	memo []*cell // of each node by itself
}

// spot is one place in the tree: of one method, or of two that share a glob.
type spot struct {
	nodes []*node
	base  string // the path up to and with the last slash; "" for the method itself
	text  string // the segment
}

func (s spot) path() string { return s.base + s.text }

// verb is the method, or what stands for both.
func (s spot) verb() string {
	if len(s.nodes) == 2 {
		return "????"[:len(s.nodes[0].method)]
	}
	return s.nodes[0].method
}

func (s spot) glob() string { return s.verb() + s.path() }

// size is the length of the spot's glob.
func (s spot) size() int { return len(s.nodes[0].method) + len(s.base) + len(s.text) }

// each is the spot for one of its methods alone.
func (s spot) each(i int) spot { return spot{s.nodes[i : i+1], s.base, s.text} }

// cell is what a spot costs in bytes, with all below it.
type cell struct {
	open    float64                       // to allow what is held
	covered float64                       // to deny what is not, where all is allowed already
	take    func(allow func(glob string)) // what open stands for; nil for nothing
}

func (c cell) plus(other cell) cell {
	sum := cell{c.open + other.open, min(c.covered+other.covered, never), c.take}
	switch one, more := c.take, other.take; {
	case one == nil:
		sum.take = more
	case more != nil:
		sum.take = func(allow func(string)) {
			one(allow)
			more(allow)
		}
	}
	return sum
}

// only is the cell of one Allow.
func only(cost float64, glob func() string) cell {
	return cell{open: cost, take: func(allow func(string)) { allow(glob()) }}
}

// never is a price that nothing is worth.
const never = 1e9

// classes are the methods that one glob can stand for together.
var classes = [][]string{{"GET", "PUT"}, {"HEAD", "POST"}, {"PATCH"}, {"DELETE"}, {"OPTIONS"}}

// folded lists the Allows of all methods.
func (v *view) folded(s step) []string {
	f := folder{view: v, step: s, memo: make([]*cell, v.tree.nodes+1)}
	var list []string
	for _, class := range classes {
		var at spot
		for _, m := range class {
			if n := v.tree.root.literals[m]; n != nil {
				at.nodes = append(at.nodes, n)
			}
		}
		if c := f.weigh(at); c.take != nil {
			c.take(func(glob string) { list = append(list, glob) })
		}
	}
	return list
}

// cost is the price of an Allow, deny that of a Deny, of so many characters.
func (f *folder) cost(size int) float64 { return float64(f.priceOf(size)) }

func (f *folder) deny(size int) float64 { return f.prices.deny * f.cost(size) }

// slash is what it costs to deny a path with a slash at its end.
func (f *folder) slash(size int) float64 {
	if f.noSlash {
		return 0
	}
	return f.deny(size + 1)
}

func (f *folder) heldAt(s spot) int {
	held := 0
	for _, n := range s.nodes {
		held += f.heldIn(n)
	}
	return held
}

func (f *folder) weigh(s spot) cell {
	switch {
	case len(s.nodes) == 0:
		return cell{}
	case f.heldAt(s) == 0:
		return cell{covered: f.deny(s.size() + 1)}
	case len(s.nodes) == 2:
		return f.together(s)
	}
	at := s.nodes[0].id
	if f.memo[at] == nil {
		c := f.settle(s)
		f.memo[at] = &c
	}
	return *f.memo[at]
}

// together weighs two methods as one, or each for itself.
func (f *folder) together(s spot) cell {
	apart := f.weigh(s.each(0)).plus(f.weigh(s.each(1)))
	if f.heldIn(s.nodes[0]) == 0 || f.heldIn(s.nodes[1]) == 0 {
		return apart
	}
	c := f.settle(s)
	covered := min(apart.covered, c.covered)
	if c.open < apart.open {
		apart = c
	}
	apart.covered = covered
	return apart
}

// settle weighs a spot by what lies below it.
func (f *folder) settle(s spot) cell {
	below := f.below(s)
	all := f.cost(s.size()+len("/?*")) + below.covered
	if slices.ContainsFunc(s.nodes, f.forced) {
		below.open = 2*all + f.prices.margin // there is no other way, whatever it costs
	}
	return f.own(s).plus(f.fold(below, all, func() string { return s.glob() + "/?*" }))
}

// fold is the cell with one glob for all of it, if that saves enough.
func (f *folder) fold(c cell, cost float64, glob func() string) cell {
	if cost+f.prices.margin < c.open {
		c.open, c.take = cost, func(allow func(string)) { allow(glob()) }
	}
	return c
}

// forced reports whether everything below the node is allowed anyway: since
// what is held there ends in a parameter.
func (f *folder) forced(n *node) bool {
	return f.holds(n.greedy) || n.any != nil && f.holds(n.any.end)
}

// own weighs the routes that end at the spot itself.
func (f *folder) own(s spot) cell {
	var c cell
	held := spot{base: s.base, text: s.text}
	for i, n := range s.nodes {
		if f.holds(n.end) {
			held.nodes = append(held.nodes, n)
		}
		if f.holds(n.endSlash) {
			c = c.plus(only(f.cost(s.size()+1), func() string { return s.each(i).glob() + "/" }))
		}
		c.covered = min(c.covered+f.ownDenies(n, s.size()), never)
	}
	if len(held.nodes) == 0 {
		return c
	}
	end := ""
	if s.nodes[0].isMethod() {
		end = "/"
	}
	return c.plus(only(f.cost(s.size()+len(end)), func() string { return held.glob() + end }))
}

// ownDenies is what a node's own routes cost where all is allowed.
func (f *folder) ownDenies(n *node, size int) float64 {
	cost := 0.0
	switch {
	case f.lacks(n.end) && n.param:
		return never
	case f.lacks(n.end):
		cost += f.deny(size) + f.slash(size)
	case f.holds(n.end) && !n.param && n.endSlash == none:
		cost += f.slash(size)
	}
	if f.lacks(n.endSlash) {
		cost += f.deny(size + 1)
	}
	return cost
}

// below weighs what lies below a spot.
func (f *folder) below(s spot) cell {
	base := s.path() + "/"
	any := spot{base: base, text: "?*"}
	for _, n := range s.nodes {
		if n.any != nil {
			any.nodes = append(any.nodes, n.any)
		}
	}
	c := f.weigh(any)
	for _, n := range s.nodes {
		c.covered = min(c.covered+f.between(n), never)
	}
	kids := children(s, base)
	if f.begins && f.plain(s) {
		return c.plus(f.groups(s, kids, 0))
	}
	for _, k := range kids {
		c = c.plus(f.weigh(k))
	}
	return c
}

// children are the literals below a spot, in order.
func children(s spot, base string) []spot {
	list := make([]spot, 0, len(s.nodes[0].sorted))
	if len(s.nodes) == 1 {
		for i, n := range s.nodes[0].sorted {
			list = append(list, spot{s.nodes[0].sorted[i : i+1], base, n.text})
		}
		return list
	}
	one, other := s.nodes[0].sorted, s.nodes[1].sorted
	for len(one)+len(other) > 0 {
		switch {
		case len(other) == 0 || len(one) > 0 && one[0].text < other[0].text:
			list, one = append(list, spot{one[:1], base, one[0].text}), one[1:]
		case len(one) == 0 || other[0].text < one[0].text:
			list, other = append(list, spot{other[:1], base, other[0].text}), other[1:]
		default:
			list = append(list, spot{[]*node{one[0], other[0]}, base, one[0].text})
			one, other = one[1:], other[1:]
		}
	}
	return list
}

// groups weighs children whose segments have their first letters in common, so
// many: one by one, or those together that have more of them.
func (f *folder) groups(parent spot, kids []spot, common int) cell {
	var c cell
	for len(kids) > 0 {
		first, n := kids[0].text, 1
		_, size := utf8.DecodeRuneInString(first[common:])
		for n < len(kids) && size > 0 && strings.HasPrefix(kids[n].text, first[:common+size]) {
			n++
		}
		c = c.plus(f.among(parent, kids[:n], common+size))
		kids = kids[n:]
	}
	return c
}

// among weighs children whose segments begin alike and as no other's do with so
// many letters of them. They may share a glob.
func (f *folder) among(parent spot, kids []spot, few int) cell {
	begin := commonPrefix(kids[0].text, kids[len(kids)-1].text)
	var c cell
	if len(kids) == 1 {
		c = f.weigh(kids[0])
	} else {
		c = f.groups(parent, kids, len(begin))
	}
	if f.short {
		begin = begin[:min(few, len(begin))] // whole characters, as both are
	}
	s := spot{nodes: kids[0].nodes, base: kids[0].base, text: begin + "*"}
	if slices.ContainsFunc(kids, func(k spot) bool { return k.verb() != s.verb() }) {
		s.nodes = parent.nodes
	}
	if !slices.ContainsFunc(kids, func(k spot) bool { return f.heldAt(k) > 0 }) {
		c.covered = min(c.covered, f.deny(s.size()))
		return c
	}
	return f.fold(c, f.cost(s.size())+c.covered, s.glob)
}

// plain reports whether nothing but literals follows a spot: a parameter there
// would match what begins alike.
func (f *folder) plain(s spot) bool {
	return !slices.ContainsFunc(s.nodes, func(n *node) bool { return n.any != nil || n.greedy != none })
}

// between is what keeps the children of a node apart where all are allowed.
func (f *folder) between(n *node) float64 {
	if f.lacks(n.greedy) {
		return never
	}
	if n.any == nil || !f.lacks(n.any.end) && !f.lacks(n.any.greedy) {
		return 0
	}
	if f.heldIn(n.any) > 0 || slices.ContainsFunc(n.sorted, func(c *node) bool { return f.heldIn(c) > 0 }) {
		return never
	}
	return 0
}
