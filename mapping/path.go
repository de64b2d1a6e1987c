package mapping

import (
	"strconv"
	"strings"
)

// reading is one way to read a request path: its text without the leading
// slash, cut into segments, and whether one / follows the last.
type reading struct {
	text     string
	segments []string
	slash    bool
}

// room is where the segments of most paths find room without the heap.
type room [32]string

// read cuts a request path, its segments into room. ok is false where no route may
// ever be found: no leading slash, an empty inner segment, or a . or .. segment,
// which the gateway and the service behind it may resolve differently.
func read(path string, room []string) (r reading, ok bool) {
	text, rooted := strings.CutPrefix(path, "/")
	if !rooted {
		return reading{}, false
	}
	return cut(text, room, false)
}

// readDecoded cuts a path that was decoded already, without its leading slash:
// dots are plain in it. Those that were encoded twice are a value like any other.
func readDecoded(text string, room []string) (r reading, ok bool) {
	return cut(text, room, true)
}

func cut(text string, room []string, decoded bool) (r reading, ok bool) {
	r.text = text
	if text == "" {
		return r, true
	}
	rest, slash := strings.CutSuffix(text, "/")
	r.slash = slash
	for more := true; more; {
		var s string
		s, rest, more = strings.Cut(rest, "/")
		if s == "" || decoded && (s == "." || s == "..") || !decoded && isDots(s) {
			return reading{}, false
		}
		room = append(room, s)
	}
	r.segments = room
	return r, true
}

// withoutSlash is the reading that a REST API routes: /x/ goes to /x.
func (r reading) withoutSlash() reading {
	return reading{text: strings.TrimSuffix(r.text, "/"), segments: r.segments}
}

// isDots reports whether a segment is . or .., plain or percent-encoded.
func isDots(s string) bool {
	dots := 0
	for s != "" {
		switch {
		case s[0] == '.':
			s = s[1:]
		case len(s) >= 3 && s[0] == '%' && s[1] == '2' && (s[2] == 'e' || s[2] == 'E'):
			s = s[3:]
		default:
			return false
		}
		dots++
	}
	return dots == 1 || dots == 2
}

// percentDecode decodes once (RFC 3986, section 2.1). What is no valid escape
// stays as it is: HTTP APIs hand over paths that are decoded already, where a %
// may stand alone.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

func ordinal(n int) string { return strconv.Itoa(n) }
