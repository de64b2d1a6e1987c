package openapi

import (
	"fmt"
	"slices"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// DriftOptions say what is compared.
type DriftOptions struct {
	Now time.Time // expired permissions open nothing
	// Requirements compares what routes require, too, where the document says
	// something.
	Requirements bool
}

// Report is how a document and a table differ. Routes are written as people do:
// "GET /orders/{id}".
type Report struct {
	Source   string `json:"source"`   // of the document
	Revision string `json:"revision"` // of the table
	// Unmapped routes are in the document, and nothing in the table answers for
	// all of them: nobody may call them.
	Unmapped []Drifted `json:"unmapped"`
	// Orphaned routes and patterns are in the table, and the document has nothing
	// that they could be called by.
	Orphaned []Drifted `json:"orphaned"`
	// Unreachable routes are in the table, and API Gateway never routes a request
	// to them that Scopegate lets through.
	Unreachable []Drifted `json:"unreachable"`
	// Differing routes require something else in the table.
	Differing []Difference `json:"differing"`
	// Covered routes are in the document, not in the table, and other routes or a
	// pattern of the table answer for them. No drift by itself.
	Covered []Drifted `json:"covered"`
	// Within are routes of the table that a less specific route of the document
	// stands for, as ANY /{proxy+} does. No drift by itself.
	Within []Drifted `json:"within"`
	// Unread is what of the document could not be compared.
	Unread []Problem `json:"unread"`
}

// Drifted is one route (or pattern), and by what it is concerned.
type Drifted struct {
	Route string `json:"route"`
	By    string `json:"by,omitempty"` // another route or a pattern
	Why   string `json:"why,omitempty"`
}

// Difference is what a route requires in the document and in the table, each a
// list of alternatives.
type Difference struct {
	Route    string   `json:"route"`
	Document []string `json:"document"`
	Table    []string `json:"table"`
	// Wider alternatives of the table let callers in whom the document does not;
	// narrower ones of the document are not granted by the table.
	Wider    []string `json:"wider,omitempty"`
	Narrower []string `json:"narrower,omitempty"`
}

// Drifted reports whether document and table differ: the exit code of a check.
func (r Report) Drifted() bool {
	return len(r.Unmapped)+len(r.Orphaned)+len(r.Unreachable)+len(r.Differing) > 0
}

// Drift compares a document with the table of the same API. What covers what is
// decided by the table's own routing, in which parameters' names do not matter.
// The error says that the two are not of the same API.
func Drift(r Result, table store.Snapshot, o DriftOptions) (Report, error) {
	if r.API != table.API {
		return Report{}, fmt.Errorf("drift: the document is read for %s, the table is of %s", r.API, table.API)
	}
	c := &comparison{DriftOptions: o, kind: r.Kind}
	var err error
	if c.document, err = sideOf(r.API, r.Permissions, r.Routes); err != nil {
		return Report{}, fmt.Errorf("drift: %w", err)
	}
	if c.table, err = sideOf(r.API, table.Permissions, table.Routes); err != nil {
		return Report{}, fmt.Errorf("drift: %w", err)
	}
	c.report = Report{
		Source: r.Source, Revision: table.Revision.String(), Unmapped: []Drifted{}, Orphaned: []Drifted{},
		Unreachable: []Drifted{}, Differing: []Difference{}, Covered: []Drifted{}, Within: []Drifted{}, Unread: []Problem{},
	}
	for _, p := range r.Unexpressed {
		if !p.Registered && p.Kind != Security && p.Kind != Scope {
			c.report.Unread = append(c.report.Unread, p)
		}
	}
	c.tables()
	c.patterns()
	c.documents()
	return c.report, nil
}

// comparison compares a document with a table.
type comparison struct {
	DriftOptions
	kind            Kind
	document, table *side
	report          Report
	// refined counts the table's routes that stand within one of the document's.
	refined map[routeKey]int
	within  map[routeKey][]string // the shapes of those for which that is no drift
}

// side is one of the two, ready for questions.
type side struct {
	routing     *mapping.Table
	routes      []mapping.Route
	declared    map[routeKey]bool // concrete methods
	shapes      map[string]bool
	permissions map[routeKey][]mapping.Permission // of routes, by their own verb
	patterns    []mapping.Permission
	depth       int // segments of the longest route
}

func sideOf(api mapping.API, permissions []mapping.Permission, routes []mapping.Route) (*side, error) {
	t, err := mapping.NewTable(mapping.Source{API: api, Permissions: permissions, Routes: routes})
	if err != nil {
		return nil, err
	}
	s := &side{routing: t, declared: map[routeKey]bool{}, shapes: map[string]bool{}, permissions: map[routeKey][]mapping.Permission{}}
	known := map[routeKey]bool{}
	add := func(r mapping.Route) {
		key := routeKey{r.Resource.Shape(), r.Verb}
		if known[key] {
			return
		}
		known[key] = true
		s.routes = append(s.routes, r)
		s.shapes[key.shape] = true
		s.depth = max(s.depth, len(r.Resource.Segments()))
		for _, v := range r.Verb.Methods() {
			s.declared[routeKey{key.shape, v}] = true
		}
	}
	for _, r := range routes {
		add(r)
	}
	for _, p := range permissions {
		r, ok := p.Route()
		if !ok {
			s.patterns = append(s.patterns, p)
			continue
		}
		add(r)
		key := routeKey{r.Resource.Shape(), r.Verb}
		s.permissions[key] = append(s.permissions[key], p)
	}
	slices.SortFunc(s.routes, func(a, b mapping.Route) int {
		return byShape(a.Resource, b.Resource, a.Verb, b.Verb)
	})
	return s, nil
}

func (s *side) declares(r mapping.Resource, v mapping.Verb) bool {
	return s.declared[routeKey{r.Shape(), v}]
}

// free is a segment that no literal is: control characters are in no route.
const free = "\x00"

// answering lists the routes that requests of a route find on this side, each
// once. whole says that every such request finds one.
func (s *side) answering(v mapping.Verb, r mapping.Resource) (found []*mapping.Template, whole bool) {
	whole = true
	for _, path := range requests(r, s.depth) {
		t := s.routing.Decide(mapping.Held{}, string(v), path).Route
		switch {
		case t == nil:
			whole = false
		case !slices.Contains(found, t):
			found = append(found, t)
		}
	}
	return found, whole
}

// requests are paths of a route, one for each number of segments that {name+}
// stands for, as far as it makes a difference to routes of that depth.
func requests(r mapping.Resource, depth int) []string {
	path := ""
	for _, s := range r.Segments() {
		switch s.Kind {
		case mapping.Literal:
			path += "/" + s.Text
		default:
			path += "/" + free
		}
	}
	if r.TrailingSlash() {
		path += "/"
	}
	if path == "" {
		path = "/"
	}
	paths := []string{path}
	segments := r.Segments()
	if len(segments) == 0 || segments[len(segments)-1].Kind != mapping.Greedy {
		return paths
	}
	for n := len(segments); n <= depth; n++ {
		path += "/" + free
		paths = append(paths, path)
	}
	return paths
}

// current lists permissions that somebody may hold now.
func (c *comparison) current(list []mapping.Permission) []mapping.Permission {
	return slices.DeleteFunc(slices.Clone(list), func(p mapping.Permission) bool {
		return p.Registered || !p.ExpiresAt.IsZero() && !c.Now.Before(p.ExpiresAt)
	})
}

func name(v mapping.Verb, r mapping.Resource) string {
	return mapping.Route{Verb: v, Resource: r}.String()
}
