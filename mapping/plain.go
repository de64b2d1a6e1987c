package mapping

import (
	"bytes"
	"slices"
)

// plainObject reads an object as permissions are written nearly always: texts
// without escapes, true and false, each name once. A start of a function reads
// hundreds, and encoding/json would take most of that time. It gives what
// anyObject gives, or not ok: then anyObject says what it is. b is valid UTF-8.
func plainObject(b []byte) (members []member, ok bool) {
	p := plain{rest: b}
	if !p.take('{') {
		return nil, false
	}
	if p.take('}') {
		return nil, p.ended()
	}
	members = make([]member, 0, 8)
	for {
		name, ok := p.text()
		if !ok || !p.take(':') || len(members) == maxMembers {
			return nil, false
		}
		value, ok := p.value()
		if !ok || slices.ContainsFunc(members, func(m member) bool { return m.name == string(name) }) {
			return nil, false
		}
		members = append(members, member{string(name), value})
		if p.take('}') {
			return members, p.ended()
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

// plain is what is left of a JSON text.
type plain struct{ rest []byte }

// take takes one character behind white space.
func (p *plain) take(c byte) bool {
	p.skip()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// skip skips JSON's white space (RFC 8259, 2).
func (p *plain) skip() { p.rest = bytes.TrimLeft(p.rest, " \t\r\n") }

func (p *plain) ended() bool {
	p.skip()
	return len(p.rest) == 0
}

// text takes a string, without its quotes.
func (p *plain) text() ([]byte, bool) {
	if !p.take('"') {
		return nil, false
	}
	for i, c := range p.rest {
		switch {
		case c == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text, true
		case c < 0x20 || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// value takes a string, with its quotes, true or false.
func (p *plain) value() ([]byte, bool) {
	p.skip()
	whole := p.rest
	for _, word := range []string{"true", "false"} {
		if rest, ok := bytes.CutPrefix(whole, []byte(word)); ok {
			p.rest = rest
			return whole[:len(word)], true
		}
	}
	text, ok := p.text()
	if !ok {
		return nil, false
	}
	return whole[:len(text)+len(`""`)], true
}
