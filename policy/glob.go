package policy

import (
	"strings"
	"unicode/utf8"
)

// covers reports whether the IAM glob wide matches everything that narrow
// matches. It may say no where the answer is yes, never the other way: a * of
// narrow is only ever met by a * of wide, a ? by a ? or a *.
func covers(wide, narrow string) bool {
	w, n := 0, 0
	star, mark := -1, 0
	for n < len(narrow) {
		_, size := utf8.DecodeRuneInString(narrow[n:])
		switch {
		case w < len(wide) && wide[w] == '*':
			star, mark = w, n
			w++
		case w < len(wide) && wide[w] == '?' && narrow[n] != '*':
			w++
			n += size
		case w < len(wide) && narrow[n] != '?' && narrow[n] != '*' && strings.HasPrefix(wide[w:], narrow[n:n+size]):
			w += size
			n += size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(narrow[mark:])
			mark += size
			w, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(wide[w:], "*") == ""
}

// meet reports whether some string is matched by both globs. It walks the pairs
// of positions of the two, each once.
func meet(one, other string) bool {
	a, b := []rune(one), []rune(other) // ? is one character, not one byte
	seen := make([]bool, (len(a)+1)*(len(b)+1))
	var walk func(i, j int) bool
	walk = func(i, j int) bool {
		at := i*(len(b)+1) + j
		if seen[at] {
			return false
		}
		seen[at] = true
		switch {
		case i == len(a) && j == len(b):
			return true
		case i < len(a) && a[i] == '*':
			return walk(i+1, j) || j < len(b) && walk(i, j+1)
		case j < len(b) && b[j] == '*':
			return walk(i, j+1) || i < len(a) && walk(i+1, j)
		case i == len(a) || j == len(b):
			return false
		}
		return (a[i] == b[j] || a[i] == '?' || b[j] == '?') && walk(i+1, j+1)
	}
	return walk(0, 0)
}

// hasWildcard reports whether the glob matches more than itself.
func hasWildcard(glob string) bool { return strings.ContainsAny(glob, "*?") }
