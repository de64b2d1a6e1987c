package yamljson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// writer writes a tree as JSON.
type writer struct {
	out bytes.Buffer
}

func (w *writer) value(n *yaml.Node, depth int) error {
	if err := plain(n, depth); err != nil {
		return err
	}
	switch n.Kind {
	case yaml.MappingNode:
		return w.object(n, depth)
	case yaml.SequenceNode:
		return w.list(n, depth)
	case yaml.ScalarNode:
		return w.scalar(n)
	}
	return fault(n, "is nothing that JSON has")
}

// plain refuses what makes one value of another, or out of another's sight.
func plain(n *yaml.Node, depth int) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return fault(n, aliasText)
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		return fault(n, "tags (!) are not taken; text that begins with ! must be in quotes")
	case depth > MaxDepth:
		return fault(n, fmt.Sprintf("must not nest deeper than %d", MaxDepth))
	}
	return nil
}

func (w *writer) object(n *yaml.Node, depth int) error {
	w.out.WriteByte('{')
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, err := nameOf(key)
		switch {
		case err != nil:
			return err
		case seen[name]:
			return fault(key, fmt.Sprintf("must give %.100q once", name))
		case n.Style&yaml.FlowStyle != 0 && value.Kind == yaml.ScalarNode && value.Style == 0 && value.Value == "":
			return fault(key, fmt.Sprintf("%.100q has no value; text that begins with {, such as a resource, must be in quotes", name))
		}
		seen[name] = true
		if i > 0 {
			w.out.WriteByte(',')
		}
		if err := w.text(key, name); err != nil {
			return err
		}
		w.out.WriteByte(':')
		if err := w.value(value, depth+1); err != nil {
			return err
		}
	}
	w.out.WriteByte('}')
	return nil
}

// nameOf is the name of a member. One that would be no text as a value must be
// in quotes.
func nameOf(n *yaml.Node) (string, error) {
	if err := plain(n, 0); err != nil {
		return "", err
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", fault(n, "a name must be text; text that begins with [ or { must be in quotes")
	case quoted(n) || kindOf(n.Value) == text:
		return n.Value, nil
	case n.Value == "<<":
		return "", fault(n, "merge keys (<<) are not taken")
	}
	return "", fault(n, fmt.Sprintf("the name %.100q must be in quotes", n.Value))
}

// quoted reports whether a scalar is text whatever it says.
func quoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

func (w *writer) list(n *yaml.Node, depth int) error {
	w.out.WriteByte('[')
	for i, item := range n.Content {
		if i > 0 {
			w.out.WriteByte(',')
		}
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	w.out.WriteByte(']')
	return nil
}

// scalar writes a value that is one piece of text. What the library takes it for
// does not count.
func (w *writer) scalar(n *yaml.Node) error {
	if quoted(n) {
		return w.text(n, n.Value)
	}
	switch kindOf(n.Value) {
	case null:
		w.out.WriteString("null")
	case truth:
		w.out.WriteString(strings.ToLower(n.Value))
	case number:
		w.out.WriteString(n.Value)
	case unclear:
		return fault(n, fmt.Sprintf("%.100q is not text to every reader of YAML: put it into quotes, or write a number, true or false as JSON does", n.Value))
	default:
		return w.text(n, n.Value)
	}
	return nil
}

// text writes a string. Characters that only HTML gives a meaning stay as they
// are: they would make six bytes of one.
func (w *writer) text(n *yaml.Node, s string) error {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return fault(n, "cannot be written as JSON")
	}
	w.out.Truncate(w.out.Len() - len("\n"))
	return nil
}
