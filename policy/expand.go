package policy

import (
	"slices"
	"strings"

	"scopegate/mapping"
)

// mostExpansions bounds how far expand goes for one pair of routes. Beyond it
// the glob is denied as it stands: too little is opened, never too much.
const mostExpansions = 4096

// expand is compare for a known route that ends in {name+}, which holds paths of
// any length. It looks at the allowed glob with each {name} taking one segment,
// then with one of them taking two, and so on: as long as something held may lie
// in what is longer. Where nothing held does, one Deny ends it.
func (g *guards) expand(allowed, known mapping.Resource) {
	seen := map[string]bool{}
	var visit func(segments []mapping.Segment) bool
	visit = func(segments []mapping.Segment) bool {
		key := globOf(segments, allowed.TrailingSlash())
		if seen[key] {
			return true
		}
		seen[key] = true
		if len(seen) > mostExpansions {
			return false
		}
		g.exact(segments, allowed, known)
		for i, s := range segments {
			if s.Kind == mapping.Literal {
				continue
			}
			longer := slices.Insert(slices.Clone(segments), i, mapping.Segment{Kind: mapping.Param})
			if !reaches(longer, known) {
				continue
			}
			glob := globOf(longer, allowed.TrailingSlash())
			if !g.heldWithin(longer, glob) {
				g.globs[glob] = true
				g.protects = true
				continue
			}
			if len(longer) <= g.longest+len(allowed.Segments()) && !visit(longer) {
				return false
			}
		}
		return true
	}
	if !visit(allowed.Segments()) {
		g.globs[allowed.Glob()] = true
		g.protects = true
	}
}

// exact checks the paths in which each {name} takes one segment.
func (g *guards) exact(segments []mapping.Segment, allowed, known mapping.Resource) {
	a := aligner{allowed: segments, known: known.Segments(), longest: len(segments), routed: true}
	a.visit = func(path []string, hidden []int) bool {
		for _, slash := range spellings(allowed) {
			g.check(instance{segments: path, slash: slash, hidden: hidden})
		}
		return true
	}
	a.run()
}

// reaches reports whether a glob, given by its segments, matches a path of a
// route.
func reaches(segments []mapping.Segment, known mapping.Resource) bool {
	a := aligner{allowed: segments, known: known.Segments(), longest: max(len(segments), len(known.Segments())) + 1}
	a.visit = func([]string, []int) bool { return false }
	return !a.run()
}

// globOf is the IAM form of segments.
func globOf(segments []mapping.Segment, slash bool) string {
	parts := make([]string, len(segments))
	for i, s := range segments {
		parts[i] = "?*"
		if s.Kind == mapping.Literal {
			parts[i] = s.Text
		}
	}
	glob := strings.Join(parts, "/")
	if slash {
		glob += "/"
	}
	return glob
}
