package token

import (
	"bytes"
	"hash/maphash"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads JSON more strictly than any parser at hand, and without
// making values of what nobody asks for: unsigned bytes of strangers come here.
// The text must be RFC 8259's in valid UTF-8 without a byte order mark, and an
// object may name a member once (RFC 8725, 3.7, and RFC 7515, 4: "the Header
// Parameter names MUST be unique"). encoding/json would take the last one and
// fold case. Fuzz tests hold both this and go-jose's strict parser against it.

const (
	// maxDepth bounds nesting; tokens of real issuers nest three deep.
	maxDepth = 32
	// maxMembers bounds an object: 8 KB could hold more, no real token does.
	maxMembers = 128
	// maxList bounds what scp, roles and groups list together, maxAudiences what aud
	// does, for the same reason. Entra lists 200 groups at most, and one audience;
	// Keycloak lists each client that the user has a role in as an audience.
	maxList      = 512
	maxAudiences = 128
)

// object visits the members of a JSON object that fills the text, with decoded
// names and the values' own text. It reports false, at times after some visits,
// for any other text, for a name that comes twice and when a visit does. Names
// and values point into the text.
func object(text []byte, visit func(name, value []byte) bool) bool {
	if !utf8.Valid(text) {
		return false
	}
	var slots nameSlots
	var few [40][]byte // on the stack, enough for nearly all
	seen := few[:0]
	i := expect(text, skipSpace(text, 0), '{')
	if i < 0 {
		return false
	}
	if end := expect(text, skipSpace(text, i), '}'); end >= 0 {
		return skipSpace(text, end) == len(text)
	}
	for {
		start := skipSpace(text, i)
		end := scanString(text, start)
		if end < 0 {
			return false
		}
		name, ok := unquote(text[start:end])
		if !ok {
			return false
		}
		if seen, ok = slots.add(seen, name); !ok {
			return false
		}
		if i = expect(text, skipSpace(text, end), ':'); i < 0 {
			return false
		}
		start = skipSpace(text, i)
		if end = scanValue(text, start, 1); end < 0 || !visit(name, text[start:end]) {
			return false
		}
		i = skipSpace(text, end)
		if end = expect(text, i, '}'); end >= 0 {
			return skipSpace(text, end) == len(text)
		}
		if i = expect(text, i, ','); i < 0 {
			return false
		}
	}
}

// elements visits the elements of an array that object has found to be valid.
func elements(text []byte, visit func(value []byte) bool) bool {
	i := expect(text, 0, '[')
	if i < 0 {
		return false
	}
	if end := expect(text, skipSpace(text, i), ']'); end >= 0 {
		return true
	}
	for {
		start := skipSpace(text, i)
		end := scanValue(text, start, 1)
		if end < 0 || !visit(text[start:end]) {
			return false
		}
		i = skipSpace(text, end)
		if i = expect(text, i, ','); i < 0 {
			return true
		}
	}
}

// text decodes a JSON string. Half a surrogate would become U+FFFD, so that two
// strings could become one: a string that holds either is refused.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	b, ok := unquote(raw)
	if !ok || bytes.Contains(b, replacement) {
		return "", false
	}
	return string(b), true
}

var replacement = []byte(string(utf8.RuneError))

// unquote takes a scanned string out of its quotes. One without escapes, as
// nearly all are, stays where it is. It refuses half surrogates.
func unquote(raw []byte) ([]byte, bool) {
	inner := raw[1 : len(raw)-1]
	first := bytes.IndexByte(inner, '\\')
	if first < 0 {
		return inner, true
	}
	out := append(make([]byte, 0, len(inner)), inner[:first]...)
	for i := first; i < len(inner); {
		c := inner[i]
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		if c = inner[i+1]; c != 'u' {
			out = append(out, unescaped(c))
			i += 2
			continue
		}
		r := hex4(inner[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			if len(inner)-i < 6 || inner[i] != '\\' || inner[i+1] != 'u' {
				return nil, false
			}
			if r = utf16.DecodeRune(r, hex4(inner[i+2:])); r == utf8.RuneError {
				return nil, false
			}
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}

// unescaped is what the letter behind a backslash stands for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // " \ /
}

// hex4 reads four hexadecimal digits that the scanner has found to be such.
func hex4(digits []byte) rune {
	var r rune
	for _, c := range digits[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c&^0x20 - 'A' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// The scanners take a text and where in it something must begin, and give where
// it ends, or -1 if it is not that.

func skipSpace(text []byte, i int) int {
	for i >= 0 && i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

func expect(text []byte, i int, c byte) int {
	if i < 0 || i >= len(text) || text[i] != c {
		return -1
	}
	return i + 1
}

func scanValue(text []byte, i, depth int) int {
	if i >= len(text) || depth > maxDepth {
		return -1
	}
	switch text[i] {
	case '"':
		return scanString(text, i)
	case '{':
		return scanNested(text, i+1, '}', depth)
	case '[':
		return scanNested(text, i+1, ']', depth)
	case 't':
		return scanWord(text, i, "true")
	case 'f':
		return scanWord(text, i, "false")
	case 'n':
		return scanWord(text, i, "null")
	}
	return scanNumber(text, i)
}

// scanNested goes to the end of an object or array. Names in nested objects may
// repeat: nobody reads them but through object, which looks.
func scanNested(text []byte, i int, end byte, depth int) int {
	if e := expect(text, skipSpace(text, i), end); e >= 0 {
		return e
	}
	for {
		i = skipSpace(text, i)
		if end == '}' {
			i = expect(text, skipSpace(text, scanString(text, i)), ':')
			if i < 0 {
				return -1
			}
			i = skipSpace(text, i)
		}
		i = skipSpace(text, scanValue(text, i, depth+1))
		if e := expect(text, i, end); e >= 0 {
			return e
		}
		if i = expect(text, i, ','); i < 0 {
			return -1
		}
	}
}

func scanWord(text []byte, i int, word string) int {
	if len(text)-i < len(word) || string(text[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func scanString(text []byte, i int) int {
	if i = expect(text, i, '"'); i < 0 {
		return -1
	}
	for i < len(text) {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c != '\\':
			i++
		default:
			if i = scanEscape(text, i+1); i < 0 {
				return -1
			}
		}
	}
	return -1
}

func scanEscape(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	if text[i] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, text[i]) < 0 {
			return -1
		}
		return i + 1
	}
	if len(text)-i < len("u0000") {
		return -1
	}
	for _, c := range text[i+1 : i+5] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return -1
		}
	}
	return i + 5
}

// scanNumber is RFC 8259, 6: no plus, no leading zero, no point without digits.
func scanNumber(text []byte, i int) int {
	if e := expect(text, i, '-'); e >= 0 {
		i = e
	}
	if e := expect(text, i, '0'); e >= 0 {
		i = e
	} else if i = scanDigits(text, i); i < 0 {
		return -1
	}
	if e := expect(text, i, '.'); e >= 0 {
		if i = scanDigits(text, e); i < 0 {
			return -1
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return scanDigits(text, i)
	}
	return i
}

func scanDigits(text []byte, i int) int {
	start := i
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// nameSlots is a hash table of indices into a list of names, plus one; 0 is
// free. The hash is seeded, so that nobody can choose names that collide.
type nameSlots [2 * maxMembers]uint16

var nameSeed = maphash.MakeSeed()

// add appends a name to the list of those seen. It reports false for one that is
// there and when there is no more room.
func (s *nameSlots) add(seen [][]byte, name []byte) ([][]byte, bool) {
	if len(seen) == maxMembers {
		return seen, false
	}
	at := maphash.Bytes(nameSeed, name) % uint64(len(s))
	for s[at] != 0 {
		if string(seen[s[at]-1]) == string(name) {
			return seen, false
		}
		at = (at + 1) % uint64(len(s))
	}
	seen = append(seen, name)
	s[at] = uint16(len(seen))
	return seen, true
}
