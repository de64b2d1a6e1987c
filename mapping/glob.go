package mapping

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether an IAM glob matches all of s: * stands for any
// characters, / and none included, ? for any one character; case counts (AWS:
// "IAM JSON policy elements: Resource"). A character is one of UTF-8, or a byte
// that is none.
//
// Globs come from documents and s from clients, so neither may make it slow: it
// takes 2·len(glob) + 11·len(s) + len(s)²/64 steps at most. For the longest
// method ARN (1,600 bytes) that is 58,000 besides reading the glob.
func Match(glob, s string) bool {
	matched, _ := match(glob, s)
	return matched
}

// patience is how many steps for each byte of s may be in vain before match
// goes another way. A glob that people write needs about one.
const patience = 8

// match goes back to the last * only: to match as little as possible before it
// was never wrong. It also says how many steps it took.
func match(glob, s string) (matched bool, steps int) {
	read := len(glob)
	glob, s, same := cutEnds(glob, s)
	// All but the stars take at least a byte each.
	if !same || len(glob) > len(s) && len(glob)-strings.Count(glob, "*") > len(s) {
		return false, read
	}
	g, i := 0, 0
	after, mark, vain := -1, 0, 0 // after is the place behind the last *
	var run string                // what stands there
	for i < len(s) {
		if size, n := matchRune(glob[g:], s[i:]); n > 0 {
			g, i = g+size, i+n
			continue
		}
		switch {
		case g < len(glob) && glob[g] == '*':
			g = len(glob) - len(strings.TrimLeft(glob[g:], "*"))
			after, mark, run = g, i, literal(glob[g:])
		case after < 0:
			return false, read + i
		default:
			vain += i - mark + 1
			g, mark = after, mark+runeLen(s[mark:])
		}
		if g == len(glob) {
			return true, read + i + vain
		}
		if vain > patience*len(s) {
			matched, more := matchSlowly(glob[after-1:], s[mark:])
			return matched, read + mark + vain + more
		}
		n := strings.Index(s[mark:], run)
		if n < 0 {
			return false, read + len(s) + vain
		}
		mark += n
		i = mark
	}
	return strings.Trim(glob[g:], "*") == "", read + i + vain
}

// cutEnds takes from both what the glob says in ASCII before its first and
// after its last wildcard, which is nearly all of two ARNs, and reports whether
// it is the same.
func cutEnds(glob, s string) (string, string, bool) {
	n := 0
	for ; n < len(glob) && isLiteral(glob[n]); n++ {
		if n == len(s) || s[n] != glob[n] {
			return "", "", false
		}
	}
	glob, s = glob[n:], s[n:]
	g, i := len(glob), len(s)
	for ; g > 0 && isLiteral(glob[g-1]); g, i = g-1, i-1 {
		if i == 0 || s[i-1] != glob[g-1] {
			return "", "", false
		}
	}
	return glob[:g], s[:i], true
}

// isLiteral reports whether a byte of a glob is a character that stands for
// itself. Such a one is never part of another character.
func isLiteral(b byte) bool { return b < utf8.RuneSelf && b != '*' && b != '?' }

// literal is how a glob begins, up to its first wildcard; nothing if that is no
// UTF-8, where half a character might be found in a whole one.
func literal(glob string) string {
	n := 0
	for n < len(glob) && glob[n] != '*' && glob[n] != '?' {
		n++
	}
	if !utf8.ValidString(glob[:n]) {
		return ""
	}
	return glob[:n]
}

// matchRune is how many bytes the characters have that glob and s begin with, 0
// if the first doesn't match the second or is a *.
func matchRune(glob, s string) (size, n int) {
	if glob == "" || glob[0] == '*' {
		return 0, 0
	}
	n = runeLen(s)
	if glob[0] == '?' {
		return 1, n
	}
	// A byte alone may be half a character.
	if !strings.HasPrefix(glob, s[:n]) {
		return 0, 0
	}
	return n, n
}

// matchSlowly goes through s once with all places of the glob that can be
// reached, 64 in a step: for what would go back and forth in match. Place n is
// before the n-th character of the glob that is no star.
func matchSlowly(glob, s string) (matched bool, steps int) {
	p := readPlaces(glob)
	at := make([]uint64, len(p.stay))
	at[0] = 1
	for i := 0; i < len(s); {
		n := runeLen(s[i:])
		p.step(at, s[i:i+n])
		steps += len(at)
		i += n
	}
	return at[p.end/64]>>(p.end%64)&1 == 1, steps + len(glob)
}

// places is a glob as sets of places.
type places struct {
	stay []uint64 // after a *
	any  []uint64 // before a ?
	// before a character of that many bytes with that byte there: one set for
	// each character would be too many, a glob may be all of Unicode
	literal map[bytePlace][]uint64
	scratch []uint64
	end     int
}

type bytePlace struct {
	size, index int
	value       byte
}

func readPlaces(glob string) places {
	words := (len(glob)-strings.Count(glob, "*"))/64 + 1
	set := func() []uint64 { return make([]uint64, words) }
	p := places{stay: set(), any: set(), scratch: set(), literal: map[bytePlace][]uint64{}}
	for g := 0; g < len(glob); {
		n := runeLen(glob[g:])
		word, bit := p.end/64, uint64(1)<<(p.end%64)
		switch glob[g] {
		case '*':
			p.stay[word] |= bit
		case '?':
			p.any[word] |= bit
			p.end++
		default:
			p.literals(glob[g:g+n], words, word, bit)
			p.end++
		}
		g += n
	}
	return p
}

func (p places) literals(char string, words, word int, bit uint64) {
	for i := range len(char) {
		key := bytePlace{len(char), i, char[i]}
		if p.literal[key] == nil {
			p.literal[key] = make([]uint64, words)
		}
		p.literal[key][word] |= bit
	}
}

// step moves the set of reached places over one character.
func (p places) step(at []uint64, char string) {
	hits := p.hits(char)
	carry := uint64(0)
	for w := range at {
		hit := p.any[w]
		if hits != nil {
			hit |= hits[w]
		}
		moved := at[w] & hit
		at[w] = at[w]&p.stay[w] | moved<<1 | carry
		carry = moved >> 63
	}
}

// hits are the places before a character, nil for none. They are good until the
// next call.
func (p places) hits(char string) []uint64 {
	hits := p.literal[bytePlace{len(char), 0, char[0]}]
	if len(char) == 1 || hits == nil {
		return hits
	}
	copy(p.scratch, hits)
	for i := 1; i < len(char); i++ {
		more := p.literal[bytePlace{len(char), i, char[i]}]
		if more == nil {
			return nil
		}
		for w := range p.scratch {
			p.scratch[w] &= more[w]
		}
	}
	return p.scratch
}

func runeLen(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}
