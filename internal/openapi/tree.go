package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// kind is what stands at one place of a document.
type kind uint8

const (
	null    kind = iota
	skipped      // something that does not matter
	text
	scalar // a number or a boolean, as it is written
	list
	object
)

// node is a part of a document. It holds only what matters: see keep.
type node struct {
	kind    kind
	text    string
	members []member
	items   []*node
	index   map[string]*node
}

type member struct {
	name  string
	value *node
}

// get is a member of an object, nil if it has none of that name.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	return n.index[name]
}

// textOf is the text of a member; numbers count, as in "swagger: 2.0".
func (n *node) textOf(name string) string {
	if m := n.get(name); m != nil && (m.kind == text || m.kind == scalar) {
		return m.text
	}
	return ""
}

// add puts a member into an object. That a name stands there twice is an error:
// one of the two would be lost.
func (n *node) add(name string, value *node) error {
	if _, twice := n.index[name]; twice {
		return fmt.Errorf("%q stands there twice", short(name))
	}
	if n.index == nil {
		n.index = map[string]*node{}
	}
	n.index[name] = value
	n.members = append(n.members, member{name, value})
	return nil
}

// keep says what matters at one place of a document.
type keep struct {
	all     bool             // everything below
	names   bool             // the names of the members that do not matter
	members map[string]*keep // what matters of these
	rest    *keep            // and of all others
}

var (
	whole    = &keep{all: true}
	scheme   = &keep{members: map[string]*keep{"$ref": whole, "type": whole, "scheme": whole, "x-amazon-apigateway-authtype": whole, "x-amazon-apigateway-authorizer": {members: map[string]*keep{"type": whole}}}}
	action   = &keep{members: map[string]*keep{"$ref": whole, "security": whole, "servers": whole, "isDefaultRoute": whole, "x-amazon-apigateway-auth": whole}}
	pathItem = &keep{
		names: true,
		members: map[string]*keep{
			"$ref": whole, "servers": whole, "additionalOperations": {names: true}, anyMethod: action,
			"get": action, "put": action, "post": action, "delete": action, "options": action, "head": action, "patch": action,
		},
	}
	document = &keep{
		names: true,
		members: map[string]*keep{
			"openapi": whole, "swagger": whole, "info": {members: map[string]*keep{"title": whole}},
			"servers": whole, "host": whole, "basePath": whole, "security": whole, "paths": {rest: pathItem},
			"components":          {members: map[string]*keep{"securitySchemes": {rest: scheme}, "pathItems": {rest: pathItem}}},
			"securityDefinitions": {rest: scheme},
		},
	}
)

// of is what matters of a member; nil is nothing.
func (k *keep) of(name string) *keep {
	if k.all {
		return k
	}
	if m, ok := k.members[name]; ok {
		return m
	}
	return k.rest
}

// budget counts what is kept of a document.
type budget struct{ nodes int }

var errTooMany = fmt.Errorf("must hold at most %d values in its paths and security (aliases written out)", MaxNodes)

func (b *budget) spend(depth int) error {
	b.nodes++
	if b.nodes > MaxNodes {
		return errTooMany
	}
	if depth > maxDepth {
		return fmt.Errorf("must nest at most %d levels deep", maxDepth)
	}
	return nil
}

// parse reads the parts of a document that matter.
func parse(b []byte) (*node, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("read OpenAPI: a document must be at most %d bytes, this has %d", MaxBytes, len(b))
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	root, err := parseEither(b)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	if root.kind != object {
		return nil, errors.New("read OpenAPI: a document must be an object with paths")
	}
	return root, nil
}

// parseEither takes YAML for JSON where it could be both, as every { is.
func parseEither(b []byte) (*node, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) {
		return parseYAML(b)
	}
	if json.Valid(b) {
		return parseJSON(b)
	}
	root, err := parseYAML(b)
	if err != nil {
		_, err = parseJSON(b) // says where the fault is
	}
	return root, err
}

// short cuts what an error repeats of a document.
func short(s string) string {
	const most = 120
	runes := []rune(s[:min(len(s), 4*most)])
	if len(runes) <= most {
		return s
	}
	return string(slices.Concat(runes[:most], []rune("…")))
}
