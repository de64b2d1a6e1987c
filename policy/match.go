package policy

import (
	"math/bits"
	"strings"
)

// globber runs an IAM glob over a path piece by piece. It stands at positions of
// the glob, several at a time since a * may end anywhere.
type globber struct {
	glob   string
	places []place // one for each character, and one for the end
	words  int     // of positions
}

// place is one character of a glob.
type place struct {
	char     rune
	offset   int  // in the text
	end      int  // the place where the literal text that begins here ends
	wildcard bool // a wildcard follows that text
}

// positions is a set of places in a glob.
type positions [8]uint64

// longestGlob is the longest text a globber takes, in characters: a resource's
// limit, MaxResource, leaves room for the end.
const longestGlob = 8*64 - 1

// newGlobber reads a glob. ok is false for one that is longer than any resource.
func newGlobber(glob string) (g globber, ok bool) {
	for strings.Contains(glob, "**") {
		glob = strings.ReplaceAll(glob, "**", "*")
	}
	g = globber{glob: glob, places: make([]place, 0, len(glob)+1)}
	for i, c := range glob {
		g.places = append(g.places, place{char: c, offset: i})
	}
	if len(g.places) > longestGlob {
		return globber{}, false
	}
	g.places = append(g.places, place{offset: len(glob)})
	g.words = (len(g.places) + 63) / 64
	end, last := len(g.places)-1, len(g.places)-1
	for at := last; at >= 0; at-- {
		if c := g.places[at].char; at < last && (c == '/' || c == '*' || c == '?') {
			end = at
		}
		g.places[at].end = end
		g.places[at].wildcard = end < last && g.places[end].char != '/'
	}
	return g, true
}

// last is the place behind the glob.
func (g *globber) last() int { return len(g.places) - 1 }

// put adds a place, and those that a * there makes reachable.
func (g *globber) put(p *positions, at int) {
	p[at/64] |= 1 << (at % 64)
	if g.places[at].char == '*' {
		at++
		p[at/64] |= 1 << (at % 64)
	}
}

func (g *globber) start() positions {
	var p positions
	g.put(&p, 0)
	return p
}

func (g *globber) empty(p *positions) bool {
	for i := range g.words {
		if p[i] != 0 {
			return false
		}
	}
	return true
}

// done reports whether the whole glob is matched.
func (g *globber) done(p *positions) bool {
	end := g.last()
	return p[end/64]&(1<<(end%64)) != 0
}

// each calls f for every place of the set.
func (g *globber) each(p *positions, f func(at int)) {
	for i := range g.words {
		for w := p[i]; w != 0; w &= w - 1 {
			f(i*64 + bits.TrailingZeros64(w))
		}
	}
}

// step takes one character.
func (g *globber) step(p *positions, c rune) positions {
	var next positions
	for i := range g.words {
		for w := p[i]; w != 0; w &= w - 1 {
			at := i*64 + bits.TrailingZeros64(w)
			switch t := g.places[at].char; {
			case at == g.last():
			case t == '*':
				g.put(&next, at)
			case t == '?' || t == c:
				g.put(&next, at+1)
			}
		}
	}
	return next
}

// run takes a text.
func (g *globber) run(p *positions, text string) positions {
	q := *p
	for _, c := range text {
		if g.empty(&q) {
			return q
		}
		q = g.step(&q, c)
	}
	return q
}

// runFree takes any one segment that a wildcard of the glob has a part in, of
// whatever length: such a segment can always be one that no literal names.
func (g *globber) runFree(p *positions) positions {
	var literal, wild, all positions
	literal = *p
	for {
		var nextLiteral, nextWild positions
		g.each(&literal, func(at int) { g.stepAny(at, &nextLiteral, &nextWild) })
		g.each(&wild, func(at int) { g.stepAny(at, &nextWild, &nextWild) })
		grown := false
		for i := range g.words {
			grown = grown || nextWild[i]&^all[i] != 0
			all[i] |= nextWild[i]
		}
		if !grown && g.empty(&nextLiteral) {
			return all
		}
		literal, wild = nextLiteral, nextWild
	}
}

// stepAny takes any character but a slash: through a literal one of the glob or
// through a wildcard.
func (g *globber) stepAny(at int, literal, wild *positions) {
	if at == g.last() {
		return
	}
	switch g.places[at].char {
	case '/':
	case '*':
		g.put(wild, at)
	case '?':
		g.put(wild, at+1)
	default:
		g.put(literal, at+1)
	}
}

// spelt is one segment that the glob spells out without a wildcard, and where
// that leads.
type spelt struct {
	segment string
	next    positions
}

// literals lists the ways to take one segment without a wildcard: up to a slash,
// or to what may match one.
func (g *globber) literals(p *positions, list []spelt) []spelt {
	for i := range g.words {
		for w := p[i]; w != 0; w &= w - 1 {
			at := i*64 + bits.TrailingZeros64(w)
			end := g.places[at].end
			if end == at {
				continue
			}
			list = append(list, spelt{segment: g.glob[g.places[at].offset:g.places[end].offset]})
			g.put(&list[len(list)-1].next, end)
		}
	}
	return list
}

// onlyLiterals reports whether no wildcard has a part in the next segment.
func (g *globber) onlyLiterals(p *positions) bool {
	for i := range g.words {
		for w := p[i]; w != 0; w &= w - 1 {
			if g.places[i*64+bits.TrailingZeros64(w)].wildcard {
				return false
			}
		}
	}
	return true
}
