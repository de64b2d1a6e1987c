package policy

import (
	"cmp"
	"maps"
	"slices"

	"scopegate/mapping"
)

// tree holds the known routes of all methods: below the root one node for each
// method, below it one for each segment. Routes are numbered so that those of a
// subtree stand side by side.
type tree struct {
	root    *node
	routes  []route
	nodes   int
	routing map[*node]*state // of each method: where its paths begin
	slashed bool             // some route is written with a trailing slash
	// literals are some of the routes' literals, to look for paths of two routes
	// that differ by that slash.
	literals []string
}

// route is a known route as one method sees it.
type route struct {
	template *mapping.Template
	glob     string // METHOD/path in IAM's form
	literal  bool   // its last segment is a literal
	slash    bool   // it is written with a trailing slash
	dotted   bool   // a literal of it begins with a dot
	depth    string // what lies below its last parameter; "" where it ends otherwise
}

func newRoute(k *mapping.Template) route {
	r := route{template: k, glob: string(k.Verb) + "/" + k.Resource.Glob(), literal: endsInLiteral(k.Resource), slash: k.Resource.TrailingSlash()}
	segments := k.Resource.Segments()
	for _, s := range segments {
		r.dotted = r.dotted || s.Kind == mapping.Literal && s.Text[0] == '.'
	}
	if !r.literal && !r.slash && segments[len(segments)-1].Kind == mapping.Param {
		r.depth = r.glob + "/?*"
	}
	return r
}

// none stands for no route.
const none = int32(-1)

// node is one place in the tree.
type node struct {
	id       int
	parent   *node
	text     string // a literal or a method; "" for a parameter
	method   string
	param    bool
	literals map[string]*node
	sorted   []*node // the literals, in the order of their texts
	any      *node   // what follows {name}
	end      int32   // the route that ends here
	endSlash int32   // … and is written with a trailing slash
	greedy   int32   // the route that ends here with {name+}
	first    int32   // routes of the subtree: [first, past)
	past     int32
	chars    charset // what the literals of the subtree are written in
}

// isMethod tells the nodes of methods: the root of a path is theirs.
func (n *node) isMethod() bool { return n.parent != nil && n.parent.parent == nil }

// newTree builds the tree of a table's seven methods. $connect has no path and
// is no part of it.
func newTree(t *mapping.Table) *tree {
	tr := &tree{}
	tr.root = tr.newNode(nil, "")
	for _, v := range mapping.Methods {
		templates := t.Templates(v)
		if len(templates) == 0 {
			continue
		}
		method := tr.child(tr.root, string(v))
		for _, k := range templates {
			tr.add(method, k)
		}
	}
	built := tr.routes
	tr.routes = make([]route, 0, len(built))
	tr.settle(tr.root, built)
	tr.routing = map[*node]*state{}
	for _, method := range tr.root.sorted {
		tr.routing[method] = newRouting(method, mostStates*(len(tr.routes)+1))
	}
	return tr
}

func (t *tree) newNode(parent *node, text string) *node {
	t.nodes++
	n := &node{id: t.nodes, parent: parent, text: text, end: none, endSlash: none, greedy: none}
	switch {
	case parent == nil:
	case parent.parent == nil:
		n.method = text
	default:
		n.method = parent.method
	}
	return n
}

func (t *tree) child(n *node, literal string) *node {
	if c := n.literals[literal]; c != nil {
		return c
	}
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	c := t.newNode(n, literal)
	n.literals[literal] = c
	return c
}

// add puts a route where its segments lead to, numbered in the order of arrival.
func (t *tree) add(method *node, k *mapping.Template) {
	at := int32(len(t.routes))
	t.routes = append(t.routes, newRoute(k))
	t.slashed = t.slashed || t.routes[at].slash
	n := method
	for _, s := range k.Resource.Segments() {
		switch s.Kind {
		case mapping.Literal:
			n = t.child(n, s.Text)
		case mapping.Param:
			if n.any == nil {
				n.any = t.newNode(n, "")
				n.any.param = true
			}
			n = n.any
		case mapping.Greedy:
			n.greedy = at
			return
		}
	}
	if k.Resource.TrailingSlash() {
		n.endSlash = at
		return
	}
	n.end = at
}

const mostLiterals = 64

// settle numbers the routes anew, subtree by subtree.
func (t *tree) settle(n *node, built []route) {
	n.first = int32(len(t.routes))
	for _, r := range []*int32{&n.end, &n.endSlash, &n.greedy} {
		if *r != none {
			t.routes = append(t.routes, built[*r])
			*r = int32(len(t.routes) - 1)
		}
	}
	n.sorted = slices.SortedFunc(maps.Values(n.literals), func(a, b *node) int { return cmp.Compare(a.text, b.text) })
	if !n.isMethod() {
		n.chars.addAll(n.text)
		if t.slashed && n.text != "" && len(t.literals) < mostLiterals && !slices.Contains(t.literals, n.text) {
			t.literals = append(t.literals, n.text)
		}
	}
	for _, c := range n.sorted {
		t.settle(c, built)
		n.chars.join(c.chars)
	}
	if n.any != nil {
		t.settle(n.any, built)
		n.chars.join(n.any.chars)
	}
	n.past = int32(len(t.routes))
}

// charset is a set of bytes below 0x80.
type charset [2]uint64

func (c *charset) addAll(s string) {
	for i := range len(s) {
		if s[i] < 0x80 {
			c[s[i]/64] |= 1 << (s[i] % 64)
		}
	}
}

func (c *charset) join(other charset) {
	c[0] |= other[0]
	c[1] |= other[1]
}

// within reports whether all of the set are in another one.
func (c *charset) within(other *charset) bool { return c[0]&^other[0]|c[1]&^other[1] == 0 }

func (c charset) has(b byte) bool { return b < 0x80 && c[b/64]&(1<<(b%64)) != 0 }
