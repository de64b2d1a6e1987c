package authorizer

import (
	"encoding/binary"
	"math/bits"
)

// scanner goes once through JSON text and checks all of it (RFC 8259). It knows
// fewer documents than encoding/json does: a method that gives up says nothing
// about the text but that somebody else must read it. It allocates nothing.
type scanner struct {
	text []byte
	at   int
}

// span is a string between its quotes, as it is written.
type span struct {
	text    []byte
	escaped bool // it holds a backslash: text is not what it says
	wide    bool // it holds bytes beyond ASCII, which may be no UTF-8
}

// peek is the next byte that is no white space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take goes behind the next byte if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// ended reports whether nothing but white space is left.
func (s *scanner) ended() bool {
	s.peek()
	return s.at == len(s.text)
}

// member goes to the next member's value and gives its name. more is false
// behind the object's end.
func (s *scanner) member(first bool) (name span, more, ok bool) {
	if s.take('}') {
		return span{}, false, true
	}
	if !first && !s.take(',') {
		return span{}, false, false
	}
	if name, ok = s.string(); !ok {
		return span{}, false, false
	}
	return name, true, s.take(':')
}

// item goes to the next value of an array. more is false behind its end.
func (s *scanner) item(first bool) (more, ok bool) {
	if s.take(']') {
		return false, true
	}
	return true, first || s.take(',')
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// string reads a string, eight bytes at a time: a header's value is long, and
// nearly all of it is of no interest.
func (s *scanner) string() (found span, ok bool) {
	if !s.take('"') {
		return span{}, false
	}
	begin := s.at
	for {
		wide := s.plain()
		found.wide = found.wide || wide
		if s.at >= len(s.text) {
			return span{}, false
		}
		switch s.text[s.at] {
		case '"':
			found.text = s.text[begin:s.at]
			s.at++
			return found, true
		case '\\':
			found.escaped = true
			if !s.escape() {
				return span{}, false
			}
		default:
			return span{}, false // a control character
		}
	}
}

// plain goes to the next quote, backslash or control character, or to the end,
// and reports whether it passed bytes beyond ASCII.
func (s *scanner) plain() (wide bool) {
	text, at := s.text, s.at
	seen := uint64(0)
	for ; at+8 <= len(text); at += 8 {
		w := binary.LittleEndian.Uint64(text[at:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// Of each byte that is 0, or less than a space, the high bit; of bytes
		// behind such a one it may be set too, so that only the first counts.
		stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
		if stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			seen |= w & (1<<(8*n) - 1)
			s.at = at + n
			return seen&highs != 0
		}
		seen |= w
	}
	for ; at < len(text); at++ {
		if c := text[at]; c == '"' || c == '\\' || c < ' ' {
			break
		}
		seen |= uint64(text[at])
	}
	s.at = at
	return seen&highs != 0
}

// escape goes behind an escape sequence.
func (s *scanner) escape() bool {
	rest := s.text[s.at:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		if len(rest) < 6 {
			return false
		}
		for _, c := range rest[2:6] {
			if !isHex(c) {
				return false
			}
		}
		s.at += 6
		return true
	}
	return false
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// mostNested bounds the arrays and objects within each other: a bit for each.
const mostNested = 64

// skip goes behind a value of any kind, however little it is needed: what is no
// JSON must not be read as if it were some.
func (s *scanner) skip() bool {
	depth, objects := 0, uint64(0) // bit i: what is i levels further out is an object
	for {
		opened := false
		switch c := s.peek(); c {
		case '{', '[':
			if depth == mostNested {
				return false
			}
			s.at++
			depth, objects, opened = depth+1, objects<<1, true
			if c == '{' {
				objects |= 1
			}
		default:
			if !s.scalar(c) {
				return false
			}
		}
		// To the next value, which may be several levels further out.
		for {
			if depth == 0 {
				return true
			}
			more, ok := s.next(objects&1 != 0, opened)
			if !ok {
				return false
			}
			if more {
				break
			}
			depth, objects, opened = depth-1, objects>>1, false
		}
	}
}

// next goes to the next value of an object or array.
func (s *scanner) next(object, first bool) (more, ok bool) {
	if object {
		_, more, ok = s.member(first)
		return more, ok
	}
	return s.item(first)
}

// scalar goes behind a value that begins with c and is no array or object.
func (s *scanner) scalar(c byte) bool {
	switch c {
	case '"':
		_, ok := s.string()
		return ok
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) word(w string) bool {
	rest := s.text[s.at:]
	if len(rest) < len(w) || string(rest[:len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

// number reads int [ frac ] [ exp ] (RFC 8259, section 6).
func (s *scanner) number() bool {
	s.is('-')
	if !s.is('0') && !s.digits() {
		return false
	}
	if s.is('.') && !s.digits() {
		return false
	}
	if s.is('e') || s.is('E') {
		_ = s.is('+') || s.is('-')
		return s.digits()
	}
	return true
}

// is goes behind the very next byte if it is c.
func (s *scanner) is(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	begin := s.at
	for s.at < len(s.text) && isDigit(s.text[s.at]) {
		s.at++
	}
	return s.at > begin
}
