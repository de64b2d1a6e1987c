package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxMarks bounds the characters of a YAML document that may each begin a value:
// the parser makes all of them before anything can be passed over. Large public
// documents have 50,000 in a megabyte.
const maxMarks = 1_000_000

// yamlReader takes over what matters of a parsed document. Aliases are followed
// where they matter only, each time counted anew, so that aliases of aliases
// cannot grow past the budget.
type yamlReader struct {
	budget
}

func parseYAML(b []byte) (*node, error) {
	if n := marks(b); n > maxMarks {
		return nil, fmt.Errorf("YAML: must have at most %d of the characters that begin values, has %d", maxMarks, n)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the document is empty")
		}
		return nil, fmt.Errorf("YAML: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("YAML: must be one document, with nothing behind it")
	}
	r := &yamlReader{}
	return r.value(&doc, document, 0)
}

func marks(b []byte) (n int) {
	for _, c := range b {
		switch c {
		case ':', ',', '-', '[', '{', '?', '&', '*', '!', '#':
			n++
		}
	}
	return n
}

func (r *yamlReader) value(y *yaml.Node, k *keep, depth int) (*node, error) {
	if err := r.spend(depth); err != nil {
		return nil, at(y, err)
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return r.value(y.Content[0], k, depth)
	case yaml.AliasNode:
		return r.value(y.Alias, k, depth+1)
	case yaml.MappingNode:
		n := &node{kind: object}
		return n, r.mapping(n, y, k, depth)
	case yaml.SequenceNode:
		return r.list(y, k, depth)
	}
	switch y.ShortTag() {
	case "!!null":
		return &node{kind: null}, nil
	case "!!str":
		return &node{kind: text, text: y.Value}, nil
	}
	return &node{kind: scalar, text: y.Value}, nil
}

func (r *yamlReader) list(y *yaml.Node, k *keep, depth int) (*node, error) {
	n := &node{kind: list}
	if !k.all {
		return n, nil
	}
	for _, item := range y.Content {
		value, err := r.value(item, k, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, value)
	}
	return n, nil
}

// mapping takes over the members of a mapping, then those that it merges (<<),
// which its own go before (YAML: "Merge Key Language-Independent Type").
func (r *yamlReader) mapping(n *node, y *yaml.Node, k *keep, depth int) error {
	var merged []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.ShortTag() == "!!merge":
			merged = append(merged, value)
			continue
		case key.Kind != yaml.ScalarNode:
			return at(key, errors.New("a name must be a string"))
		}
		if err := r.member(n, key, value, k, depth); err != nil {
			return err
		}
	}
	for _, m := range merged {
		if err := r.merge(n, m, k, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (r *yamlReader) member(n *node, key, value *yaml.Node, k *keep, depth int) error {
	inner := k.of(key.Value)
	kept := &node{kind: skipped}
	switch {
	case inner != nil:
		var err error
		if kept, err = r.value(value, inner, depth+1); err != nil {
			return err
		}
	case !k.names:
		return nil
	default:
		if err := r.spend(depth); err != nil {
			return at(key, err)
		}
	}
	if err := n.add(key.Value, kept); err != nil {
		return at(key, err)
	}
	return nil
}

// merge adds the members of a merged mapping, or of several, that are not there.
func (r *yamlReader) merge(n *node, y *yaml.Node, k *keep, depth int) error {
	if err := r.spend(depth); err != nil {
		return at(y, err)
	}
	switch y.Kind {
	case yaml.AliasNode:
		return r.merge(n, y.Alias, k, depth+1)
	case yaml.SequenceNode:
		for _, one := range y.Content {
			if err := r.merge(n, one, k, depth+1); err != nil {
				return err
			}
		}
		return nil
	case yaml.MappingNode:
		from := &node{kind: object}
		if err := r.mapping(from, y, k, depth); err != nil {
			return err
		}
		for _, m := range from.members {
			if n.get(m.name) != nil {
				continue
			}
			if err := n.add(m.name, m.value); err != nil {
				return at(y, err)
			}
		}
		return nil
	}
	return at(y, errors.New("<< must merge mappings"))
}

func at(y *yaml.Node, err error) error {
	return fmt.Errorf("YAML: line %d: %w", y.Line, err)
}
