package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
)

// target is a route by concrete method, or a pattern, and the requests that show
// who may call it: in them a parameter is a value that meets no literal and no
// pattern's text.
type target struct {
	name   string // as "GET /orders/{id}"
	method mapping.Verb
	// paths: the first stands for the target, the others, if no other target's,
	// may go another way: a slash at the end, or of {name+} and * another length.
	paths  []string
	greedy bool // it ends in {name+}
}

// targetsOf lists the routes and patterns of either table, sorted.
func targetsOf(b, a *side) []target {
	f := newFresh(b, a)
	var list []target
	for _, v := range append(slices.Clone(mapping.Methods), mapping.Connect) {
		known := map[string]bool{}
		for _, s := range []*side{a, b} {
			for _, t := range s.table.Templates(v) {
				if shape := t.Resource.Shape(); !known[shape] {
					known[shape] = true
					list = append(list, target{t.String(), v, f.instances(t, a, b), endsGreedy(t)})
				}
			}
		}
		for _, text := range patternsOf(v, b, a) {
			list = append(list, target{string(v) + " /" + text, v, f.matching(text), false})
		}
	}
	ownPaths(list)
	return list
}

// ownPaths leaves each path to the targets that it stands for, and those of a route
// of one length to it.
func ownPaths(list []target) {
	taken := map[string]int{} // by whom
	for i, t := range list {
		taken[string(t.method)+" "+t.paths[0]] = i
	}
	for i, t := range list {
		for _, path := range t.paths {
			if key := string(t.method) + " " + path; !t.greedy {
				if _, known := taken[key]; !known {
					taken[key] = i
				}
			}
		}
	}
	for i, t := range list {
		rest := slices.DeleteFunc(slices.Clone(t.paths[1:]), func(path string) bool {
			by, known := taken[string(t.method)+" "+path]
			return known && by != i
		})
		list[i].paths = append(t.paths[:1:1], rest...)
	}
}

// patternsOf lists the patterns of a method, each once, sorted.
func patternsOf(v mapping.Verb, sides ...*side) []string {
	var texts []string
	for _, s := range sides {
		for _, p := range s.permissions {
			if p.Resource.IsPattern() && slices.Contains(p.Verb.Methods(), v) {
				texts = append(texts, p.Resource.String())
			}
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// fresh makes requests of values that neither table knows.
type fresh struct {
	value   string
	longest int // segments of a route, or of the shortest path of a pattern
}

func newFresh(sides ...*side) fresh {
	f := fresh{}
	literals, globs := map[string]bool{}, ""
	for _, s := range sides {
		for _, p := range s.permissions {
			if text := p.Resource.String(); p.Resource.IsPattern() {
				globs += text
				f.longest = max(f.longest, 1+strings.Count(text, "/"))
			}
		}
		for _, r := range s.routes {
			segments := r.Resource.Segments()
			f.longest = max(f.longest, len(segments))
			for _, g := range segments {
				if g.Kind == mapping.Literal {
					literals[g.Text] = true
				}
			}
		}
	}
	fits := func(v string) bool { return !literals[v] && !strings.ContainsAny(globs, v) }
	for _, v := range []string{"1", "7", "x", "id", "any", "Q", "Z"} {
		if fits(v) {
			f.value = v
			return f
		}
	}
	for c := 'Ā'; ; c++ { // letters beyond Latin-1: there are more than a table's text has
		if fits(string(c)) {
			f.value = string(c)
			return f
		}
	}
}

// run is n values in a row.
func (f fresh) run(n int) string {
	return strings.TrimSuffix(strings.Repeat(f.value+"/", n), "/")
}

// matching are paths of a pattern. The first is, if there is such a one, of no
// route: what its last * stands for is longer than any. One that ends in / does not
// permit the path without it, so that a route which that finds takes it away; the
// others are of the lengths at which there may be none.
func (f fresh) matching(pattern string) []string {
	last := strings.LastIndexByte(pattern, '*')
	head := "/" + strings.ReplaceAll(pattern[:last], "*", f.value)
	var paths []string
	for n := f.longest + 1; n > 0; n-- {
		paths = append(paths, head+f.run(n)+pattern[last+1:])
		if !strings.HasSuffix(pattern, "/") {
			break
		}
	}
	return paths
}

// instances are paths of a route.
func (f fresh) instances(t *mapping.Template, sides ...*side) []string {
	if t.Verb == mapping.Connect {
		return []string{""}
	}
	var parts []string
	segments := t.Resource.Segments()
	for _, s := range segments {
		switch s.Kind {
		case mapping.Literal:
			parts = append(parts, s.Text)
		case mapping.Param:
			parts = append(parts, f.value)
		}
	}
	path := "/" + strings.Join(parts, "/")
	switch {
	case len(segments) == 0:
		return []string{path}
	case t.Resource.TrailingSlash():
		return []string{path + "/"}
	case !endsGreedy(t):
		return []string{path, path + "/"}
	}
	return f.lengths(t, strings.TrimSuffix(path, "/"), len(parts), sides)
}

func endsGreedy(t *mapping.Template) bool {
	s := t.Resource.Segments()
	return len(s) > 0 && s[len(s)-1].Kind == mapping.Greedy
}

// lengths are paths of a route that ends in {name+}, of those lengths that it
// decides, as others may be more specific for some. The longest stands for it.
func (f fresh) lengths(t *mapping.Template, path string, segments int, sides []*side) []string {
	var list []string
	longest := max(1, f.longest+1-segments)
	for n := longest; n > 0; n-- {
		one := path + "/" + f.run(n)
		if slices.ContainsFunc(sides, func(s *side) bool { return s.finds(t, one) }) {
			list = append(list, one, one+"/")
		}
	}
	if list == nil { // more specific ones decide all of its paths
		list = []string{path + "/" + f.run(longest)}
	}
	return list
}

// finds reports whether the path as it stands is one of the route.
func (s *side) finds(t *mapping.Template, path string) bool {
	readings := s.table.Readings(mapping.Held{}, string(t.Verb), path)
	return len(readings) > 0 && readings[0].Route != nil && readings[0].Route.Resource.Shape() == t.Resource.Shape()
}

// deciders tell on which permissions answers about requests rest.
type deciders struct {
	table    *mapping.Table
	naming   map[string][]decider // by method and shape
	patterns map[mapping.Verb][]decider
}

type decider struct {
	id      string
	glob    string // of a pattern
	expires time.Time
}

func newDeciders(s *side) deciders {
	d := deciders{table: s.table, naming: map[string][]decider{}, patterns: map[mapping.Verb][]decider{}}
	for id, p := range s.permissions {
		if p.Registered {
			continue
		}
		one := decider{id: id, expires: p.ExpiresAt}
		for _, v := range p.Verb.Methods() {
			if p.Resource.IsPattern() {
				one.glob = p.Resource.String()
				d.patterns[v] = append(d.patterns[v], one)
				continue
			}
			key := routeKey(v, p.Resource)
			d.naming[key] = append(d.naming[key], one)
		}
	}
	for _, list := range d.naming {
		sortDeciders(list)
	}
	for _, list := range d.patterns {
		sortDeciders(list)
	}
	return d
}

func routeKey(v mapping.Verb, r mapping.Resource) string { return string(v) + " " + r.Shape() }

func sortDeciders(list []decider) {
	slices.SortFunc(list, func(x, y decider) int { return strings.Compare(x.id, y.id) })
}

// of lists what an answer about a request rests on, and as a text all that
// matters to it: of two tables with equal texts the same callers get the same
// answer at any time, if both believe them.
func (d deciders) of(method mapping.Verb, path string) (list []decider, text string) {
	var b strings.Builder
	readings := d.table.Readings(mapping.Held{}, string(method), path)
	if method == mapping.Connect {
		for _, t := range d.table.Templates(method) {
			readings = []mapping.Reading{{Path: "/", Route: t}}
		}
	}
	for _, r := range readings {
		if r.Route != nil {
			fmt.Fprintf(&b, "route %s\n", r.Route.Resource.Shape())
		}
		for _, one := range d.reading(method, r) {
			list = append(list, one)
			fmt.Fprintf(&b, "%s %d\n", one.id, one.expires.Unix())
		}
		b.WriteString("\n")
	}
	return list, b.String()
}

// reading lists what permits one reading of a path.
func (d deciders) reading(method mapping.Verb, r mapping.Reading) (list []decider) {
	if r.Route != nil {
		list = slices.Clone(d.naming[routeKey(method, r.Route.Resource)])
	}
	for _, one := range d.patterns[method] {
		if mapping.Match(one.glob, strings.TrimPrefix(r.Path, "/")) {
			list = append(list, one)
		}
	}
	return list
}
