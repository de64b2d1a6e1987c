package yamljson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
)

// FromJSON writes one JSON value as YAML that every reader reads as the same:
// text that could be anything else is in double quotes. (The writer of the YAML
// library leaves some of it bare.) The error says what is wrong with the JSON.
func FromJSON(data []byte) ([]byte, error) {
	if err := CheckJSON(data); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	root, err := read(d)
	if err != nil {
		return nil, fmt.Errorf("write as YAML: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("write as YAML: nothing may follow the value")
	}
	var p printer
	p.value(root, 0)
	return p.out.Bytes(), nil
}

// node is a value of JSON, members in their order.
type node struct {
	scalar json.Token // nil unless it is one
	open   json.Delim // 0 for a scalar
	names  []string   // of an object
	items  []node
}

func read(d *json.Decoder) (node, error) {
	t, err := d.Token()
	if err != nil {
		return node{}, err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return node{scalar: t}, nil
	}
	n := node{open: open}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return n, err
			}
			text, _ := name.(string)
			n.names = append(n.names, text)
		}
		item, err := read(d)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
	_, err = d.Token()
	return n, err
}

type printer struct{ out bytes.Buffer }

// value writes a value where the cursor stands, which is at its indent, with what
// ends its last line.
func (p *printer) value(n node, indent int) {
	switch {
	case n.open == 0:
		p.scalar(n.scalar)
		p.out.WriteByte('\n')
	case len(n.items) == 0:
		p.out.WriteString(map[json.Delim]string{'{': "{}\n", '[': "[]\n"}[n.open])
	}
	for i, item := range n.items {
		if i > 0 {
			p.indent(indent)
		}
		if n.open == '[' {
			p.out.WriteString("- ")
			p.value(item, indent+1)
			continue
		}
		p.scalar(n.names[i])
		p.out.WriteByte(':')
		if len(item.items) > 0 {
			p.out.WriteByte('\n')
			p.indent(indent + 1)
		} else {
			p.out.WriteByte(' ')
		}
		p.value(item, indent+1)
	}
}

func (p *printer) indent(n int) { p.out.WriteString(strings.Repeat("  ", n)) }

func (p *printer) scalar(t json.Token) {
	switch v := t.(type) {
	case nil:
		p.out.WriteString("null")
	case string:
		p.out.WriteString(spelled(v))
	default: // bool, json.Number
		fmt.Fprint(&p.out, v)
	}
}

// bare is text that is the same without quotes: words of harmless characters
// with single spaces between them.
var bare = regexp.MustCompile(`^[A-Za-z/$][A-Za-z0-9/$._+{}*@=:-]*( [A-Za-z0-9/$._+{}*@=:-]+)*$`)

// spelled writes text, in quotes unless it is sure to be read as it is.
func spelled(s string) string {
	if bare.MatchString(s) && !strings.Contains(s+" ", ": ") && kindOf(s) == text {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case !unicode.IsPrint(r) && r != ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
