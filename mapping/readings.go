package mapping

import "strings"

// Reading is one way in which a request path is read, and the route that it
// finds.
type Reading struct {
	Path  string    // with its leading slash
	Route *Template // nil if none is found
	Held  bool      // a permission of the set names the route
	// Pattern says that a pattern of the set matches the path.
	Pattern bool
}

// Readings lists how [Table.Decide] reads a path: as it was sent, without its
// last slash, and both of them percent-decoded where that makes a difference.
// It is empty for methods and paths that nothing can be found for. Explanations
// show it; decisions are Decide's.
func (t *Table) Readings(h Held, method, path string) []Reading {
	verb := Verb(method)
	root := t.root(verb)
	var paths []reading
	for _, p := range distinctTexts(path) {
		r, ok := read(p)
		if !ok {
			return nil
		}
		paths = append(paths, r)
		if r.slash {
			paths = append(paths, r.withoutSlash())
		}
	}
	patterns := t.Patterns(h, verb)
	list := make([]Reading, 0, len(paths))
	for _, r := range paths {
		route := root.find(r.segments, r.slash)
		list = append(list, Reading{Path: "/" + r.text, Route: route, Held: h.Holds(route), Pattern: matchAny(patterns, r.text)})
	}
	return list
}

func distinctTexts(path string) []string {
	if decoded := percentDecode(path); strings.Contains(path, "%") && decoded != path {
		return []string{path, decoded}
	}
	return []string{path}
}
