package openapi

import (
	"strings"

	"scopegate/mapping"
)

// mark is one place of a route's text: a character, one of a class, or any
// number of a class.
type mark struct {
	char  rune // of a literal
	class class
	many  bool
}

type class uint8

const (
	exactly class = iota // char
	inner                // anything but /
	anything
)

func (m mark) takes(c rune) bool {
	switch m.class {
	case exactly:
		return m.char == c
	case inner:
		return c != '/'
	}
	return true
}

// marksOf are the paths of a route: {name} is one or more characters that are no
// /, {name+} one or more of any.
func marksOf(r mapping.Resource) []mark {
	var out []mark
	for i, s := range r.Segments() {
		if i > 0 {
			out = append(out, mark{char: '/'})
		}
		switch s.Kind {
		case mapping.Param:
			out = append(out, mark{class: inner}, mark{class: inner, many: true})
		case mapping.Greedy:
			out = append(out, mark{class: inner}, mark{class: anything, many: true})
		default:
			for _, c := range s.Text {
				out = append(out, mark{char: c})
			}
		}
	}
	if r.TrailingSlash() {
		out = append(out, mark{char: '/'})
	}
	return out
}

// meets reports whether a pattern, whose * crosses /, matches a path of the
// route.
func meets(pattern string, r mapping.Resource) bool {
	_, met := meeting(pattern, r, 0)
	return met
}

// meeting finds a path of the route that a pattern, whose * crosses /, matches: one
// with values that no other route knows, where there is such a one, and so many more
// segments where {name+} and a * take any. It walks the pairs of positions of the two,
// each once.
func meeting(pattern string, r mapping.Resource, more int) (path string, met bool) {
	p, marks := []rune(pattern), marksOf(r)
	seen := make([]bool, (len(p)+1)*(len(marks)+1))
	var walk func(i, j int, path string) bool
	found := "/"
	walk = func(i, j int, path string) bool {
		at := i*(len(marks)+1) + j
		if seen[at] {
			return false
		}
		seen[at] = true
		star := i < len(p) && p[i] == '*'
		many := j < len(marks) && marks[j].many
		if star && many {
			path += free
			if marks[j].class == anything {
				path += strings.Repeat("/"+free, more)
			}
		}
		switch {
		case i == len(p) && j == len(marks):
			found = path
			return true
		case star && walk(i+1, j, path), many && walk(i, j+1, path):
			return true
		case j == len(marks) || i == len(p):
			return false
		case star:
			return !many && walk(i, j+1, path+marks[j].any())
		case !marks[j].takes(p[i]):
			return false
		case many:
			return walk(i+1, j, path+string(p[i]))
		}
		return walk(i+1, j+1, path+string(p[i]))
	}
	met = walk(0, 0, "/")
	return found, met
}

// any is what a * matches in the place of the mark.
func (m mark) any() string {
	if m.class == exactly {
		return string(m.char)
	}
	return free
}
