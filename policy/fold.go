package policy

import (
	"slices"
	"strings"
)

// folder chooses the Allows of a policy for a complete table. It walks the tree
// of each method and takes at each place the cheaper of two: to list what is
// held there, or to allow all of it and to deny the rest. GET and PUT, and POST
// and HEAD, are walked together, since one glob may stand for both.
type folder struct {
	*view
	step
	memo map[*node]cell
}

// spot is one place in the tree: of one method, or of two that share a glob.
type spot struct {
	nodes []*node
	verb  string
	path  string // with its leading slash
}

func (s spot) glob() string { return s.verb + s.path }

// cell is what a spot costs in bytes, with all below it.
type cell struct {
	open    float64                       // to allow what is held
	covered float64                       // to deny what is not, where all is allowed already
	take    func(allow func(glob string)) // what open stands for
}

func (c cell) plus(other cell) cell {
	return cell{c.open + other.open, min(c.covered+other.covered, never), func(allow func(string)) {
		c.take(allow)
		other.take(allow)
	}}
}

// or is the cell with another way to allow, if that costs less.
func (c cell) or(open float64, take func(func(string))) cell {
	if open < c.open {
		c.open, c.take = open, take
	}
	return c
}

var nothing = cell{take: func(func(string)) {}}

// never is a price that nothing is worth.
const never = 1e9

// classes are the methods that one glob can stand for together.
var classes = [][]string{{"GET", "PUT"}, {"HEAD", "POST"}, {"PATCH"}, {"DELETE"}, {"OPTIONS"}}

// folded lists the Allows of a class of methods.
func (v *view) folded(s step, class []string) []string {
	f := folder{view: v, step: s, memo: map[*node]cell{}}
	var at spot
	for _, m := range class {
		if n := v.tree.root.literals[m]; n != nil {
			at.nodes = append(at.nodes, n)
		}
	}
	var list []string
	f.weigh(at.named()).take(func(glob string) { list = append(list, glob) })
	return list
}

// named gives a spot the verb that its methods share.
func (s spot) named() spot {
	switch len(s.nodes) {
	case 1:
		s.verb = s.nodes[0].method
	case 2:
		s.verb = strings.Repeat("?", len(s.nodes[0].method))
	}
	return s
}

func (f *folder) cost(glob string) float64 { return float64(f.price(glob)) }

func (f *folder) deny(glob string) float64 { return f.denyCost * f.cost(glob) }

func (f *folder) slash(glob string) float64 {
	if f.noSlash {
		return 0
	}
	return f.deny(glob + "/")
}

func (f *folder) weigh(s spot) cell {
	held := 0
	for _, n := range s.nodes {
		held += f.heldIn(n)
	}
	switch {
	case len(s.nodes) == 0:
		return nothing
	case held == 0:
		return cell{covered: f.deny(s.glob() + "*"), take: nothing.take}
	case len(s.nodes) == 2:
		return f.together(s)
	}
	n := s.nodes[0]
	c, known := f.memo[n]
	if !known {
		c = f.settle(s)
		f.memo[n] = c
	}
	return c
}

// together weighs two methods as one, or each for itself.
func (f *folder) together(s spot) cell {
	one, other := spot{nodes: s.nodes[:1], path: s.path}.named(), spot{nodes: s.nodes[1:], path: s.path}.named()
	apart := f.weigh(one).plus(f.weigh(other))
	if f.heldIn(s.nodes[0]) == 0 || f.heldIn(s.nodes[1]) == 0 {
		return apart
	}
	c := f.settle(s)
	apart.covered = min(apart.covered, c.covered)
	return apart.or(c.open, c.take)
}

// settle weighs a spot by what lies below it.
func (f *folder) settle(s spot) cell {
	below := f.below(s)
	c := f.own(s)
	all := s.glob() + "/?*"
	folded := func(allow func(string)) { allow(all) }
	covered := below.covered
	if slices.ContainsFunc(s.nodes, f.forced) || f.cost(all)+covered < below.open {
		below.open, below.take = f.cost(all)+covered, folded
	}
	return c.plus(below)
}

// forced reports whether everything below the node is allowed anyway: since
// what is held there ends in a parameter.
func (f *folder) forced(n *node) bool {
	return f.holds(n.greedy) || n.any != nil && f.holds(n.any.end)
}

// own weighs the routes that end at the spot itself.
func (f *folder) own(s spot) cell {
	c := nothing
	held := s
	held.nodes = nil
	for _, n := range s.nodes {
		at := spot{nodes: []*node{n}, path: s.path}.named()
		if f.holds(n.end) {
			held.nodes = append(held.nodes, n)
		}
		if f.holds(n.endSlash) {
			glob := at.glob() + "/"
			c = c.plus(cell{open: f.cost(glob), take: func(allow func(string)) { allow(glob) }})
		}
		c.covered = min(c.covered+f.ownDenies(n, at.glob()), never)
	}
	if len(held.nodes) > 0 {
		glob := held.named().glob()
		if s.nodes[0].isMethod() {
			glob += "/"
		}
		c = c.plus(cell{open: f.cost(glob), take: func(allow func(string)) { allow(glob) }})
	}
	return c
}

// ownDenies is what a node's own routes cost where all is allowed.
func (f *folder) ownDenies(n *node, glob string) float64 {
	cost := 0.0
	switch {
	case f.lacks(n.end) && n.param:
		return never
	case f.lacks(n.end):
		cost += f.deny(glob) + f.slash(glob)
	case f.holds(n.end) && !n.param && n.endSlash == none:
		cost += f.slash(glob)
	}
	if f.lacks(n.endSlash) {
		cost += f.deny(glob + "/")
	}
	return cost
}

// below weighs what lies below a spot.
func (f *folder) below(s spot) cell {
	texts := map[string][]*node{}
	var any spot
	for _, n := range s.nodes {
		for _, c := range n.sorted {
			texts[c.text] = append(texts[c.text], c)
		}
		if n.any != nil {
			any.nodes = append(any.nodes, n.any)
		}
	}
	var kids []spot
	for _, text := range sorted(texts) {
		kids = append(kids, spot{nodes: texts[text], path: s.path + "/" + text}.named())
	}
	c := f.among(s, kids, s.path+"/", s.path+"/")
	if len(any.nodes) > 0 {
		any.path = s.path + "/?*"
		c = c.plus(f.weigh(any.named()))
	}
	for _, n := range s.nodes {
		c.covered = min(c.covered+f.between(n), never)
	}
	return c
}

// among weighs children whose paths begin alike, in order. They may share a glob,
// which ends where none but they begin so.
func (f *folder) among(s spot, kids []spot, begin, end string) cell {
	if len(kids) == 0 {
		return nothing
	}
	alike := f.begins && f.plain(s) && len(begin) > len(s.path)+1
	var c cell
	if len(kids) == 1 && begin == kids[0].path {
		c = f.weigh(kids[0])
	} else {
		c = f.groups(s, kids, begin)
	}
	if !alike {
		return c
	}
	if !f.short {
		end = begin
	}
	glob := s.verb + end + "*"
	if !f.holdsAmong(kids) {
		c.covered = min(c.covered, f.deny(glob))
	} else {
		c = c.or(f.cost(glob)+c.covered, func(allow func(string)) { allow(glob) })
	}
	return c
}

// groups weighs children apart: one by one, or those together that have more in
// common.
func (f *folder) groups(s spot, kids []spot, begin string) cell {
	c := nothing
	for i := 0; i < len(kids); {
		to := i + 1
		for to < len(kids) && len(kids[i].path) > len(begin) && strings.HasPrefix(kids[to].path, kids[i].path[:len(begin)+1]) {
			to++
		}
		alike := kids[i].path[:min(len(begin)+1, len(kids[i].path))]
		c = c.plus(f.among(s, kids[i:to], commonPrefix(kids[i].path, kids[to-1].path), alike))
		i = to
	}
	return c
}

func (f *folder) holdsAmong(kids []spot) bool {
	return slices.ContainsFunc(kids, func(k spot) bool {
		return slices.ContainsFunc(k.nodes, func(n *node) bool { return f.heldIn(n) > 0 })
	})
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
