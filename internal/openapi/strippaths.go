package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// methods are the members of a path item that are operations API Gateway knows;
// others are those that OpenAPI knows besides.
var (
	methods = []string{"get", "put", "post", "delete", "options", "head", "patch"}
	others  = []string{"trace", "connect", "query"} // query: OpenAPI 3.2
)

// paths strips the path items. One whose methods cannot be known is listed and
// left out.
func (s *stripper) paths() (dict, error) {
	at := s.root.get("paths")
	if at == nil || at.kind != object || len(at.members) == 0 {
		return nil, errors.New("read OpenAPI: paths: must be an object that holds at least one path")
	}
	out := dict{}
	for _, m := range at.members {
		if strings.HasPrefix(m.name, "x-") {
			continue
		}
		if !strings.HasPrefix(m.name, "/") {
			s.problem(m.name, "", BadPath, m.name, "a path must begin with /")
			continue
		}
		item := dict{}
		s.item(m.name, m.value, item, 0)
		if s.operations > MaxOperations {
			return nil, fmt.Errorf("read OpenAPI: a document must declare at most %d operations", MaxOperations)
		}
		out[m.name] = item
	}
	return out, nil
}

func (s *stripper) problem(path, method string, kind ProblemKind, what, why string) {
	s.problems = append(s.problems, Problem{Path: path, Method: method, Kind: kind, What: short(what), Why: why})
}

// item adds what a path item declares. Beside a $ref it may declare more (OpenAPI
// leaves open what that means; what both declare is listed).
func (s *stripper) item(path string, n *node, out dict, hops int) {
	if n == nil || n.kind != object {
		s.operations++
		s.problem(path, "", BadShape, "path item", "must be an object of methods")
		return
	}
	outer := s.closed
	s.closed = outer || n.get("security") != nil
	defer func() { s.closed = outer }()
	for _, m := range n.members {
		if s.operations > MaxOperations {
			return
		}
		s.member(path, m, out, hops)
	}
	if servers := s.servers(path, n.get("servers")); servers != nil {
		out["servers"] = servers
	}
}

func (s *stripper) member(path string, m member, out dict, hops int) {
	switch {
	case m.name == "$ref":
		s.reference(path, m.value, out, hops)
	case m.name == anyMethod || slices.Contains(methods, m.name):
		s.operations++
		s.operation(path, m, out)
	case slices.Contains(others, m.name):
		s.operations++
		s.problem(path, strings.ToUpper(m.name), BadMethod, m.name, "API Gateway routes GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS and ANY only")
	case m.name == "additionalOperations":
		for _, more := range m.value.members {
			s.operations++
			s.problem(path, more.name, BadMethod, more.name, "API Gateway routes GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS and ANY only")
		}
	case slices.Contains([]string{"summary", "description", "parameters", "servers"}, m.name), strings.HasPrefix(m.name, "x-"):
	case m.name == "security":
		s.problem(path, "", BadShape, m.name, "is no member of a path item; operations without security of their own are nobody's")
	default:
		s.operations++
		s.problem(path, "", BadShape, m.name, "is no member of a path item; methods are written in lower case")
	}
}

// reference follows a path item's $ref within the document, to another path or
// to components. No file and no address is ever read.
func (s *stripper) reference(path string, at *node, out dict, hops int) {
	s.operations++
	target := s.target(at.text)
	switch {
	case at.kind != text || target == nil:
		s.problem(path, "", BadReference, "$ref "+at.text, "is not followed: it must lead to a path or a path item of the same document (bundle the document into one file first)")
	case hops == maxHops:
		s.problem(path, "", BadReference, "$ref "+at.text, "references must not lead on endlessly")
	default:
		s.item(path, target, out, hops+1)
	}
}

func (s *stripper) target(ref string) *node {
	if name, ok := pointer(ref, "#/paths/"); ok {
		return s.root.get("paths").get(name)
	}
	if name, ok := pointer(ref, "#/components/pathItems/"); ok {
		return s.root.get("components").get("pathItems").get(name)
	}
	return nil
}

// operation strips one operation. Where its security cannot be read, the route
// stays and is nobody's.
func (s *stripper) operation(path string, m member, out dict) {
	one := dict{}
	_, twice := out[m.name]
	out[m.name] = one
	if kind, what, why := fault(m.value, twice); why != "" {
		s.problems = append(s.problems, Problem{Path: path, Method: verbOf(m.name), Kind: kind, What: short(what), Why: why, Registered: true})
		one[unread] = true
		return
	}
	if at := m.value.get("security"); at != nil {
		one["security"], _ = securityOf(at) // fault has seen that it can be read
	} else if s.unknown || s.closed {
		one[unread] = true
	}
	if servers := s.servers(path, m.value.get("servers")); servers != nil {
		one["servers"] = servers
	}
}

// fault says why the security of an operation cannot be known; why is "" where
// it can.
func fault(n *node, twice bool) (kind ProblemKind, what, why string) {
	auth := n.get("x-amazon-apigateway-auth").textOf("type")
	switch {
	case twice:
		return Conflict, "$ref", "the path item declares the method itself and by $ref"
	case n.kind != object:
		return BadShape, "operation", "must be an object"
	case n.get("$ref") != nil:
		return BadReference, "$ref " + n.textOf("$ref"), "an operation's $ref is not followed: OpenAPI has none there (bundle the document into one file first)"
	case strings.EqualFold(auth, "AWS_IAM"):
		return Security, "x-amazon-apigateway-auth " + auth, "API Gateway checks an AWS signature, no token is asked for"
	}
	if at := n.get("security"); at != nil {
		if _, err := securityOf(at); err != nil {
			return BadShape, "security", err.Error()
		}
	}
	return "", "", ""
}

func verbOf(name string) string {
	if name == anyMethod {
		return "ANY"
	}
	return strings.ToUpper(name)
}
