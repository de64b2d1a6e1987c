package mapping

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
	view := t.view(h, verb)
	var list []Reading
	for _, r := range readings(path) {
		route := view.root.find(r.segments, r.slash)
		list = append(list, Reading{Path: "/" + r.text, Route: route, Held: h.Holds(route), Pattern: view.matches(r)})
	}
	return list
}

// readings are all ways to read a path; none if one of them is malformed.
func readings(path string) []reading {
	raw, ok := read(path, nil)
	if !ok {
		return nil
	}
	list := spellings(raw)
	if text := percentDecode(raw.text); text != raw.text {
		decoded, ok := readDecoded(text, nil)
		if !ok {
			return nil
		}
		list = append(list, spellings(decoded)...)
	}
	return list
}

func spellings(r reading) []reading {
	if r.slash {
		return []reading{r, r.withoutSlash()}
	}
	return []reading{r}
}
