package policy

import (
	"slices"
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

// literalPrefix is the length of the text before the first wildcard.
func literalPrefix(glob string) int {
	if i := strings.IndexAny(glob, "*?"); i >= 0 {
		return i
	}
	return len(glob)
}

// wideGlobs finds, among many globs, those that cover one. A glob that covers
// another begins as that one does up to its own first wildcard.
type wideGlobs struct {
	byPrefix map[string][]wideGlob
	lengths  []int // of the prefixes, in order
}

type wideGlob struct {
	tail string // behind the prefix
	text string // the longest literal text of it
	at   int
}

// add takes in a glob under a number.
func (w *wideGlobs) add(glob string, at int) {
	n := literalPrefix(glob)
	if n == len(glob) {
		return // it covers itself alone
	}
	if w.byPrefix == nil {
		w.byPrefix = map[string][]wideGlob{}
	}
	if i, known := slices.BinarySearch(w.lengths, n); !known {
		w.lengths = slices.Insert(w.lengths, i, n)
	}
	wide := wideGlob{tail: glob[n:], at: at}
	for _, text := range strings.FieldsFunc(wide.tail, func(c rune) bool { return c == '*' || c == '?' }) {
		if len(text) > len(wide.text) {
			wide.text = text
		}
	}
	w.byPrefix[glob[:n]] = append(w.byPrefix[glob[:n]], wide)
}

// cover reports whether one that f agrees to covers the glob.
func (w *wideGlobs) cover(glob string, f func(at int) bool) bool {
	most := literalPrefix(glob)
	for _, n := range w.lengths {
		if n > most {
			return false
		}
		for _, wide := range w.byPrefix[glob[:n]] {
			// The text is looked for first: that is quick, and it is seldom there.
			if strings.Contains(glob[n:], wide.text) && f(wide.at) && covers(wide.tail, glob[n:]) {
				return true
			}
		}
	}
	return false
}
