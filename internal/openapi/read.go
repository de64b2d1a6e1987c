package openapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"scopegate/mapping"
)

// reader makes permissions of a stripped document.
type reader struct {
	Options
	document *stripped

	base       string // in front of every path
	inherited  *reading
	operations []operation
	problems   []Problem
	notes      []Problem
	entries    int              // permissions, problems and notes
	tried      map[string]error // scopes
}

// reading is what security says.
type reading struct {
	needs []need // alternatives
	found []finding
}

// operation is one method of one path.
type operation struct {
	path     string // as the document has it, base included
	verb     mapping.Verb
	resource mapping.Resource
	needs    []need // alternatives; none is nobody's
	unread   bool   // its security is not known
}

func (r *reader) read() error {
	r.problems, r.notes = r.document.problems, r.document.notes
	r.entries = len(r.problems) + len(r.notes)
	base, err := r.basePath(r.document.doc.Servers)
	if err != nil {
		return err
	}
	r.base = base
	for _, path := range r.document.doc.Paths.Keys() {
		if err := r.item(path, r.document.doc.Paths.Value(path)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) item(path string, item *openapi3.PathItem) error {
	all := item.Operations()
	if any, ok := item.Extensions[anyMethod]; ok {
		one, err := operationOf(any)
		if err != nil {
			return fmt.Errorf("read OpenAPI: %s: %s: %w", path, anyMethod, err)
		}
		all["ANY"] = one
	}
	if len(item.Servers) > 0 {
		r.ownServers(path, "")
	}
	for _, method := range sortedKeys(all) {
		if op := all[method]; op.Servers != nil && len(*op.Servers) > 0 {
			r.ownServers(path, method)
		}
		if err := r.operation(path, method, all[method]); err != nil {
			return err
		}
	}
	return nil
}

func operationOf(extension any) (*openapi3.Operation, error) {
	b, err := json.Marshal(extension)
	if err != nil {
		return nil, err
	}
	one := &openapi3.Operation{}
	return one, json.Unmarshal(b, one)
}

func (r *reader) operation(path, method string, op *openapi3.Operation) error {
	full := r.base + path
	resource, why := resourceOf(full)
	if why == "" {
		if _, err := mapping.NewRoute(r.API, method, full); err != nil && path != defaultRoute {
			why = err.Error()
		}
	}
	if path == defaultRoute {
		resource, why = mapping.Resource{}, ""
	}
	if why != "" {
		r.problems = append(r.problems, Problem{Path: path, Method: method, Kind: BadPath, What: short(path), Why: why})
		return r.spend(1)
	}
	if resource.TrailingSlash() {
		r.note(path, method, BadPath, path, "ends in /, which makes another route than the one without; a REST API has no such route")
	}
	one := operation{path: path, verb: mapping.Verb(method), resource: resource}
	if _, one.unread = op.Extensions[unread]; !one.unread {
		says := r.security(op)
		if err := r.spend(1 + len(says.needs) + len(says.found)); err != nil {
			return err
		}
		one.needs = r.usable(one, says.needs)
		r.report(path, method, says.found, len(one.needs) == 0)
	}
	r.operations = append(r.operations, one)
	return nil
}

// security reads an operation's own requirements, or the document's, which are
// read once: a document of many operations may have many of them.
func (r *reader) security(op *openapi3.Operation) reading {
	if op.Security != nil {
		needs, found := r.needs(*op.Security)
		return reading{needs, found}
	}
	if r.inherited == nil {
		needs, found := r.needs(r.document.doc.Security)
		r.inherited = &reading{needs, found}
	}
	return *r.inherited
}

func (r *reader) note(path, method string, kind ProblemKind, what, why string) {
	r.notes = append(r.notes, Problem{Path: path, Method: method, Kind: kind, What: short(what), Why: why})
}

func (r *reader) spend(n int) error {
	r.entries += n
	if r.entries > MaxEntries {
		return fmt.Errorf("read OpenAPI: a document must make at most %d permissions and problems", MaxEntries)
	}
	return nil
}

func (r *reader) report(path, method string, found []finding, nobody bool) {
	for _, f := range found {
		p := Problem{Path: path, Method: method, Kind: f.kind, What: f.what, Why: f.why}
		if f.note {
			r.notes = append(r.notes, p)
			continue
		}
		p.Registered = nobody
		r.problems = append(r.problems, p)
	}
}

// usable leaves out what no permission may require, and lists it. Whether one may
// does not depend on the route, so each is tried once.
func (r *reader) usable(one operation, needs []need) []need {
	var good []need
	for _, n := range needs {
		fault, tried := r.tried[n.scope]
		if !tried {
			_, fault = r.permission(mapping.Any, mapping.Resource{}, n, false)
			r.tried[n.scope] = fault
		}
		for _, f := range mapping.Faults(fault) {
			r.problems = append(r.problems, Problem{Path: one.path, Method: string(one.verb), Kind: Scope, What: short(n.scope), Why: f.Error(), Registered: true})
		}
		if fault == nil {
			good = append(good, n)
		}
	}
	return good
}

// wire is a permission as it is written.
type wire struct {
	ARN           string       `json:"arn"`
	Stage         string       `json:"stage"`
	HTTPVerb      mapping.Verb `json:"httpVerb"`
	Resource      string       `json:"resource"`
	Scope         string       `json:"scope,omitempty"`
	Authenticated bool         `json:"authenticated,omitempty"`
	Registered    bool         `json:"registered,omitempty"`
}

// permission makes one as every other is made: from the wire format.
func (r *reader) permission(v mapping.Verb, resource mapping.Resource, n need, registered bool) (mapping.Permission, error) {
	b, err := json.Marshal(wire{
		ARN: r.API.ARN, Stage: r.API.Stage, HTTPVerb: v, Resource: resource.String(),
		Scope: n.scope, Authenticated: n.authenticated, Registered: registered,
	})
	if err != nil {
		return mapping.Permission{}, err
	}
	return mapping.ParsePermission(b)
}

var (
	// plainPath holds the characters that a request's path may hold as they are
	// (RFC 3986, section 3.3), and the braces of parameters.
	plainPath = regexp.MustCompile(`^[A-Za-z0-9._~!$&'()*+,;=:@/{}%-]*$`)
	parameter = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:-]*$`)
)

// resourceOf reads a path as a route of API Gateway; why says what it cannot be.
func resourceOf(path string) (resource mapping.Resource, why string) {
	switch {
	case strings.ContainsAny(path, "?#"):
		return resource, "a path must not hold a query or a fragment"
	case !plainPath.MatchString(path):
		return resource, "a path must hold no characters but those that a URL's path may (RFC 3986)"
	case strings.Contains(path, "*"):
		return resource, "a route of API Gateway has no *"
	}
	resource, err := mapping.ParseResource(path)
	if err != nil {
		return resource, err.Error()
	}
	for _, s := range resource.Segments() {
		if s.Kind != mapping.Literal && !parameter.MatchString(s.Text) {
			return resource, fmt.Sprintf("parameter %q: must begin with a letter, a digit or _, and hold these and . : - only", s.Text)
		}
	}
	return resource, ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
