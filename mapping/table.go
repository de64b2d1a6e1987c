package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Source is what a table is made of.
type Source struct {
	API         API
	Permissions []Permission
	Routes      []Route // routes registered beside those the permissions name
	Complete    bool    // the table lists every route of the API
	Trust       []Trust
}

// Table is the permissions and routes of one API stage, prepared for questions.
// It is immutable and safe for concurrent use. The zero Table permits nothing.
type Table struct {
	api         API
	complete    bool
	trust       []Trust
	permissions []Permission // sorted by id
	methods     map[Verb]*method

	byScope, byRole, byGroup map[string][]int // each permission under one thing that it needs
	authenticated            []int
	needsGroups              bool
}

// method is what a table knows of one concrete method.
type method struct {
	root      *node
	templates []*Template
	patterns  []int // permissions
}

// Template is a route as one concrete method sees it: a route registered for
// ANY is a Template of each of the seven methods.
type Template struct {
	Verb        Verb
	Resource    Resource
	permissions []int                  // alternatives: those of the method and those of ANY
	shape       string                 // of the resource
	name        atomic.Pointer[string] // what String gives, made when it is first asked for
}

// String is how people write a route: "GET /orders/{id}". It allocates the first
// time only: of all routes of a table few are ever called.
func (t *Template) String() string {
	if name := t.name.Load(); name != nil {
		return *name
	}
	name := Route{Verb: t.Verb, Resource: t.Resource}.String()
	t.name.Store(&name)
	return name
}

// BareShape is the shape of the route's resource ([Resource.Shape]) without a
// slash at its end, which REST APIs route like the one with it. It allocates
// nothing.
func (t *Template) BareShape() string { return strings.TrimSuffix(t.shape, "/") }

// node is one place in a method's tree of segments.
type node struct {
	literals map[string]*node
	param    *node
	end      *Template // the route ends here
	endSlash *Template // … and is written with a trailing slash
	greedy   *Template // the route ends here with {name+}
}

// NewTable prepares a table. Permissions are told apart by id; naming a route
// in a permission registers it.
func NewTable(s Source) (*Table, error) {
	t := &Table{
		api: s.API, complete: s.Complete, trust: slices.Clone(s.Trust), methods: map[Verb]*method{},
		byScope: map[string][]int{}, byRole: map[string][]int{}, byGroup: map[string][]int{},
	}
	for i := range s.Permissions {
		if p := &s.Permissions[i]; p.API != s.API {
			return nil, fmt.Errorf("table of %s: permission %s is of %s", s.API, p.ID(), p.API)
		}
	}
	t.permissions = make([]Permission, 0, len(s.Permissions))
	for _, at := range byID(s.Permissions) {
		t.add(s.Permissions[at])
	}
	for _, r := range s.Routes {
		if r.API != s.API {
			return nil, fmt.Errorf("table of %s: route %s is of %s", s.API, r, r.API)
		}
		for _, v := range r.Verb.Methods() {
			t.method(v).register(v, r.Resource)
		}
	}
	t.settle()
	return t, nil
}

// byID is the places of permissions in the order of their ids; of those with one id
// the last.
func byID(list []Permission) []int {
	ids := make([]string, len(list))
	places := make([]int, len(list))
	for i := range list {
		ids[i], places[i] = list[i].ID(), i
	}
	slices.SortFunc(places, func(a, b int) int { return cmp.Or(strings.Compare(ids[a], ids[b]), cmp.Compare(b, a)) })
	return slices.CompactFunc(places, func(a, b int) bool { return ids[a] == ids[b] })
}

func (t *Table) add(p Permission) {
	i := len(t.permissions)
	t.permissions = append(t.permissions, p)
	for _, v := range p.Verb.Methods() {
		m := t.method(v)
		if p.Resource.IsPattern() {
			m.patterns = append(m.patterns, i)
			continue
		}
		route := m.register(v, p.Resource)
		route.permissions = append(route.permissions, i)
	}
	switch q := p.Requires; {
	case p.Registered:
	case len(q.Scopes) > 0:
		t.byScope[q.Scopes[0]] = append(t.byScope[q.Scopes[0]], i)
	case q.Role != "":
		t.byRole[q.Role] = append(t.byRole[q.Role], i)
	case q.Group != "":
		t.byGroup[q.Group] = append(t.byGroup[q.Group], i)
	case q.Authenticated:
		t.authenticated = append(t.authenticated, i)
	}
	t.needsGroups = t.needsGroups || p.Requires.Group != ""
}

func (t *Table) method(v Verb) *method {
	m := t.methods[v]
	if m == nil {
		m = &method{root: &node{}}
		t.methods[v] = m
	}
	return m
}

func (m *method) register(v Verb, r Resource) *Template {
	n := m.root
	end := &n.end
	for _, s := range r.Segments() {
		switch s.Kind {
		case Literal:
			n = n.child(s.Text)
		case Param:
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		case Greedy:
			end = &n.greedy
			continue
		}
		end = &n.end
		if r.TrailingSlash() {
			end = &n.endSlash
		}
	}
	if *end == nil {
		*end = &Template{Verb: v, Resource: r, shape: r.Shape()}
		m.templates = append(m.templates, *end)
	}
	return *end
}

func (n *node) child(literal string) *node {
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	c := n.literals[literal]
	if c == nil {
		c = &node{}
		n.literals[literal] = c
	}
	return c
}

// settle puts templates into an order that depends on nothing but the table.
func (t *Table) settle() {
	for _, m := range t.methods {
		slices.SortFunc(m.templates, func(a, b *Template) int {
			return strings.Compare(a.shape, b.shape)
		})
	}
}

// API names the stage that the table is of.
func (t *Table) API() API { return t.api }

// Complete reports whether the table lists every route of its API.
func (t *Table) Complete() bool { return t.complete }

// Trust lists whom the table believes.
func (t *Table) Trust() []Trust { return slices.Clone(t.trust) }

// Templates lists the routes of one concrete method in a fixed order. The slice
// must not be changed.
func (t *Table) Templates(v Verb) []*Template {
	if m := t.methods[v]; m != nil {
		return m.templates
	}
	return nil
}

// KnowsShape reports whether the table has a route for a concrete method whose
// [Template.BareShape] is the given one. Its work is that of the segments of the
// shape, however many routes there are, and it allocates nothing.
func (t *Table) KnowsShape(v Verb, bareShape string) bool {
	n := t.root(v)
	for more := bareShape != ""; more && n != nil; {
		var segment string
		segment, bareShape, more = strings.Cut(bareShape, "/")
		switch segment {
		case shapeOfGreedy:
			return !more && n.greedy != nil
		case shapeOfParam:
			n = n.param
		default:
			n = n.literals[segment] // no literal holds { or }
		}
	}
	return n != nil && (n.end != nil || n.endSlash != nil)
}

// Holds reports whether a permission of the set names the template.
func (h Held) Holds(t *Template) bool { return t != nil && h.hasAny(t.permissions) }

// Patterns lists the pattern permissions of the set for one concrete method.
func (t *Table) Patterns(h Held, v Verb) []Permission {
	m := t.methods[v]
	if m == nil {
		return nil
	}
	return t.pick(h, m.patterns)
}

func (t *Table) pick(h Held, from []int) []Permission {
	var list []Permission
	for _, i := range from {
		if h.has(i) {
			list = append(list, t.permissions[i])
		}
	}
	return list
}

// find is API Gateway's routing: of the routes that match by segments the most
// specific, a literal before {name} before {name+}, from left to right (AWS:
// "Routing API requests").
func (n *node) find(segments []string, slash bool) *Template {
	if n == nil {
		return nil
	}
	if len(segments) == 0 {
		if slash {
			return n.endSlash
		}
		return n.end
	}
	if found := n.literals[segments[0]].find(segments[1:], slash); found != nil {
		return found
	}
	if found := n.param.find(segments[1:], slash); found != nil {
		return found
	}
	return n.greedy
}
