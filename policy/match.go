package policy

import (
	"math/bits"
)

// globber runs an IAM glob over a path piece by piece. It stands at positions of
// the glob, several at a time since a * may end anywhere.
type globber struct {
	text  []rune
	words int // of positions
}

// positions is a set of places in a glob; place len(text) is its end.
type positions [8]uint64

// longestGlob is the longest text a globber takes, in characters: a resource's
// limit, MaxResource, leaves room for the end.
const longestGlob = 8*64 - 1

// newGlobber reads a glob. ok is false for one that is longer than any resource.
func newGlobber(glob string) (g globber, ok bool) {
	text := make([]rune, 0, len(glob))
	for _, c := range glob {
		if c == '*' && len(text) > 0 && text[len(text)-1] == '*' {
			continue
		}
		text = append(text, c)
	}
	if len(text) > longestGlob {
		return globber{}, false
	}
	return globber{text: text, words: len(text)/64 + 1}, true
}

// put adds a place, and those that a * there makes reachable.
func (g *globber) put(p *positions, at int) {
	p[at/64] |= 1 << (at % 64)
	if at < len(g.text) && g.text[at] == '*' {
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

// ends reports whether the whole glob is matched.
func (g *globber) ends(p *positions) bool {
	end := len(g.text)
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
			if at == len(g.text) {
				continue
			}
			switch t := g.text[at]; {
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
	if at == len(g.text) {
		return
	}
	switch g.text[at] {
	case '/':
	case '*':
		g.put(wild, at)
	case '?':
		g.put(wild, at+1)
	default:
		g.put(literal, at+1)
	}
}

// literals calls f for each way to take one segment without a wildcard: the text
// that the glob spells out, and where that leads.
func (g *globber) literals(p *positions, f func(segment string, next positions)) {
	g.each(p, func(at int) {
		end := at
		for end < len(g.text) && g.text[end] != '/' && g.text[end] != '*' && g.text[end] != '?' {
			end++
		}
		if end == at || end < len(g.text) && g.text[end] == '?' {
			return
		}
		var next positions
		g.put(&next, end)
		f(string(g.text[at:end]), next)
	})
}

// onlyLiterals reports whether no wildcard has a part in the next segment.
func (g *globber) onlyLiterals(p *positions) bool {
	only := true
	g.each(p, func(at int) {
		for at < len(g.text) && g.text[at] != '/' && only {
			only = g.text[at] != '*' && g.text[at] != '?'
			at++
		}
	})
	return only
}
