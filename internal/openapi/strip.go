package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
)

// anyMethod is API Gateway's ANY in a document, and unread our own mark of an
// operation whose security could not be read: it is then no one's.
const (
	anyMethod = "x-amazon-apigateway-any-method"
	unread    = "x-scopegate-unread"
)

// stripped is a document with nothing left in it but what matters, as the
// library reads it: no reference, no schema, each value of the type that it must
// have.
type stripped struct {
	title, version string
	kind           Kind
	doc            *openapi3.T
	problems       []Problem
	notes          []Problem
}

// stripper makes one.
type stripper struct {
	root       *node
	problems   []Problem
	notes      []Problem
	operations int
	unknown    bool // the document's own security could not be read
	// closed says that the path item at hand has security, which OpenAPI has none
	// of there: what its author meant by it is not guessed, and not left out either.
	closed bool
}

type dict = map[string]any

func prepare(root *node) (*stripped, error) {
	s := &stripper{root: root}
	version, v2, err := s.version()
	if err != nil {
		return nil, err
	}
	out := dict{"info": dict{"title": root.get("info").textOf("title"), "version": "1"}}
	if at := root.get("security"); at != nil {
		if out["security"], err = securityOf(at); err != nil {
			delete(out, "security")
			s.unknown = true
			s.problem("", "", BadShape, "security", err.Error()+"; operations without security of their own are nobody's")
		}
	}
	if out["paths"], err = s.paths(); err != nil {
		return nil, err
	}
	load := s.three
	if v2 {
		load = s.two
	}
	doc, err := load(out)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	return &stripped{
		title: root.get("info").textOf("title"), version: version, kind: kindOf(root), doc: doc,
		problems: s.problems, notes: s.notes,
	}, nil
}

func (s *stripper) version() (version string, v2 bool, err error) {
	three, two := s.root.textOf("openapi"), s.root.textOf("swagger")
	switch {
	case three != "" && two != "":
		return "", false, errors.New("read OpenAPI: a document must name its version as openapi or as swagger, not both")
	case two == "2.0" || two == "2":
		return two, true, nil
	case two != "":
		return "", false, fmt.Errorf("read OpenAPI: swagger %q: must be 2.0", short(two))
	case three == "3" || strings.HasPrefix(three, "3."):
		return three, false, nil
	case three != "":
		return "", false, fmt.Errorf("read OpenAPI: openapi %q: must be 3.0 or 3.1", short(three))
	}
	return "", false, errors.New(`read OpenAPI: a document must begin with its version, as "openapi: 3.1.0" or "swagger: 2.0"`)
}

// kindOf tells API Gateway's exports by extensions that only these have (AWS:
// "API Gateway extensions to OpenAPI").
func kindOf(root *node) Kind {
	if root.get("x-amazon-apigateway-importexport-version") != nil {
		return HTTPExport
	}
	for _, m := range root.members {
		if strings.HasPrefix(m.name, "x-amazon-apigateway-") {
			return RESTExport
		}
	}
	for _, schemes := range []*node{root.get("securityDefinitions"), root.get("components").get("securitySchemes")} {
		if schemes == nil {
			continue
		}
		for _, m := range schemes.members {
			if m.value.get("x-amazon-apigateway-authtype") != nil {
				return RESTExport
			}
		}
	}
	if strings.Contains(root.textOf("host"), ".execute-api.") {
		return RESTExport // HTTP APIs are exported as OpenAPI 3 only
	}
	return ""
}

func (s *stripper) three(out dict) (*openapi3.T, error) {
	out["openapi"] = s.root.textOf("openapi")
	if servers := s.servers("", s.root.get("servers")); servers != nil {
		out["servers"] = servers
	}
	out["components"] = dict{"securitySchemes": s.schemes("components", "securitySchemes")}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(b)
}

func (s *stripper) two(out dict) (*openapi3.T, error) {
	out["swagger"] = "2.0"
	out["basePath"] = s.root.textOf("basePath")
	if host := s.root.textOf("host"); !strings.Contains(host, "/") {
		out["host"] = host
	}
	out["schemes"] = []string{"https"}
	schemes := s.schemes("securityDefinitions")
	for _, one := range schemes {
		if d, ok := one.(dict); ok && d["type"] == "oauth2" {
			d["flow"] = "implicit" // the library wants one of the four; which one does not matter
		}
	}
	out["securityDefinitions"] = schemes
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var doc openapi2.T
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	return openapi2conv.ToV3(&doc)
}

// schemes are the security schemes that stand at a place, references among them
// followed.
func (s *stripper) schemes(place ...string) dict {
	at := s.root
	for _, name := range place {
		at = at.get(name)
	}
	out := dict{}
	if at == nil {
		return out
	}
	prefix := "#/" + strings.Join(place, "/") + "/"
	for _, m := range at.members {
		n := m.value
		for hops := 0; n.get("$ref") != nil && hops < maxHops; hops++ {
			name, local := pointer(n.textOf("$ref"), prefix)
			if !local {
				break
			}
			n = at.get(name)
		}
		if one := schemeOf(n); one != nil {
			out[m.name] = one
		}
	}
	return out
}

// maxHops bounds references to references.
const maxHops = 16

func schemeOf(n *node) dict {
	if n == nil || n.kind != object || n.get("$ref") != nil || n.textOf("type") == "" {
		return nil
	}
	one := dict{"type": n.textOf("type"), "scheme": n.textOf("scheme")}
	if t := n.textOf("x-amazon-apigateway-authtype"); t != "" {
		one["x-amazon-apigateway-authtype"] = t
	}
	if t := n.get("x-amazon-apigateway-authorizer").textOf("type"); t != "" {
		one["x-amazon-apigateway-authorizer"] = t
	}
	return one
}

// servers are those of the document, a path or an operation.
func (s *stripper) servers(path string, at *node) []dict {
	if at == nil {
		return nil
	}
	var out []dict
	for _, n := range at.items {
		address := n.textOf("url")
		if address == "" {
			s.notes = append(s.notes, Problem{Path: path, Kind: BadShape, What: "servers", Why: "a server has no url and is left out"})
			continue
		}
		variables := dict{}
		if v := n.get("variables"); v != nil {
			for _, m := range v.members {
				variables[m.name] = dict{"default": m.value.textOf("default")}
			}
		}
		out = append(out, dict{"url": address, "variables": variables})
	}
	return out
}

var errSecurity = errors.New("must be a list of objects that give each scheme a list of scopes")

// securityOf reads requirement objects. A null is no empty list: what it stands
// for is not guessed.
func securityOf(at *node) ([]map[string][]string, error) {
	if at.kind != list {
		return nil, errSecurity
	}
	out := make([]map[string][]string, 0, len(at.items))
	for _, n := range at.items {
		if n.kind != object {
			return nil, errSecurity
		}
		requirement := make(map[string][]string, len(n.members))
		for _, m := range n.members {
			if m.value.kind != list {
				return nil, errSecurity
			}
			scopes := make([]string, 0, len(m.value.items))
			for _, scope := range m.value.items {
				if scope.kind != text {
					return nil, errSecurity
				}
				scopes = append(scopes, scope.text)
			}
			requirement[m.name] = scopes
		}
		out = append(out, requirement)
	}
	return out, nil
}

// pointer reads a reference to a member right below a place of the same
// document (RFC 6901, percent-encoded as in RFC 3986).
func pointer(ref, prefix string) (name string, ok bool) {
	tail, ok := strings.CutPrefix(ref, prefix)
	if !ok || strings.Contains(tail, "/") {
		return "", false
	}
	name, err := url.PathUnescape(tail)
	if err != nil {
		return "", false
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name), true
}
