package policy

import (
	"slices"
	"strconv"
	"strings"

	"scopegate/mapping"
)

// free stands, in an instance, for any text that is no literal of the table. A
// slash keeps it from ever being one.
const free = "/"

// instance is one way in which the glob of a held route runs over a path of a
// known route: the path's segments, free where neither names a literal.
type instance struct {
	segments []string
	slash    bool
	// hidden are the places of literals of the known route that the glob's
	// wildcards run over: a client may spell them in another way.
	hidden []int
}

// glob is the IAM form of all the paths that run the same way.
func (p instance) glob() string {
	parts := make([]string, len(p.segments))
	for i, s := range p.segments {
		parts[i] = s
		if s == free {
			parts[i] = "?*"
		}
	}
	glob := strings.Join(parts, "/")
	if p.slash {
		glob += "/"
	}
	return glob
}

// respelt lists the instance in the other spellings of its hidden literals.
func (p instance) respelt() []instance {
	list := []instance{p}
	for _, at := range p.hidden {
		forms := append([]string{p.segments[at]}, reservedSpellings(p.segments[at])...)
		if len(list)*len(forms) > mostSpellings {
			return []instance{p.widened()}
		}
		var longer []instance
		for _, q := range list {
			for _, form := range forms {
				longer = append(longer, q.with(at, form))
			}
		}
		list = longer
	}
	return list[1:] // the first is the instance itself
}

// mostSpellings bounds the spellings of one instance: beyond it one wider Deny
// stands for all of them.
const mostSpellings = 16

func (p instance) widened() instance {
	for _, at := range p.hidden {
		p = p.with(at, reservedAsStars(p.segments[at]))
	}
	return p
}

func (p instance) with(at int, segment string) instance {
	p.segments = slices.Clone(p.segments)
	p.segments[at] = segment
	return p
}

// aligner finds instances. A ?* of the allowed glob takes one or more whole
// segments, since paths with empty segments are denied anyway.
type aligner struct {
	allowed, known []mapping.Segment
	longest        int  // the longest path to look at where known ends in {name+}
	routed         bool // a {name} of allowed takes one segment, as in routing
	visit          func(segments []string, hidden []int) (more bool)
	seen           map[string]bool // paths begun, by how far allowed has come
}

// mostSteps bounds one comparison: a route of very many parameters against
// another would otherwise take for ever.
const mostSteps = 20_000

// run visits every instance of which no shorter one says the same. It answers
// false when it ended early: visit wanted no more, or it takes too many steps.
//
// Free segments are enough to look at: where a path of the known route holds
// some literal instead that neither route names, more specific routes may win
// it, never fewer. So whatever route wins the instance wins, or loses to a
// known route that has instances of its own.
func (a aligner) run() bool {
	a.seen = map[string]bool{}
	return a.step(0, nil, nil)
}

func (a aligner) step(i int, path []string, hidden []int) bool {
	key := strconv.Itoa(i) + " " + strings.Join(path, "\n")
	if a.seen[key] {
		return true
	}
	a.seen[key] = true
	if len(a.seen) > mostSteps {
		return false
	}
	if i == len(a.allowed) {
		if !a.fits(len(path)) {
			return true
		}
		return a.visit(path, hidden)
	}
	s := a.allowed[i]
	if s.Kind == mapping.Literal {
		if !a.takes(len(path), s.Text) {
			return true
		}
		return a.step(i+1, append(slices.Clip(path), s.Text), hidden)
	}
	for a.reaches(len(path)) {
		text := a.text(len(path))
		if text != free {
			hidden = append(slices.Clip(hidden), len(path))
		}
		path = append(slices.Clip(path), text)
		if !a.step(i+1, path, hidden) {
			return false
		}
		if a.routed && s.Kind == mapping.Param {
			break // in routing a parameter is one segment
		}
	}
	return true
}

// at is the known route's segment for the j-th segment of a path.
func (a aligner) at(j int) (mapping.Segment, bool) {
	if j < len(a.known) {
		return a.known[j], true
	}
	if a.endless() {
		return a.known[len(a.known)-1], true
	}
	return mapping.Segment{}, false
}

func (a aligner) endless() bool {
	return len(a.known) > 0 && a.known[len(a.known)-1].Kind == mapping.Greedy
}

func (a aligner) fits(n int) bool {
	return n == len(a.known) || n > len(a.known) && a.endless()
}

func (a aligner) reaches(j int) bool {
	_, ok := a.at(j)
	return ok && (j < len(a.known) || j < a.longest)
}

func (a aligner) takes(j int, literal string) bool {
	s, ok := a.at(j)
	return ok && (s.Kind != mapping.Literal || s.Text == literal)
}

func (a aligner) text(j int) string {
	if s, _ := a.at(j); s.Kind == mapping.Literal {
		return s.Text
	}
	return free
}
