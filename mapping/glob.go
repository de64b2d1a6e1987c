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
	// All but the stars take at least a byte each.
	if len(glob) > len(s) && len(glob)-strings.Count(glob, "*") > len(s) {
		return false, len(glob)
	}
	g := literalPrefix(glob, s)
	i, star, mark, vain := g, -1, 0, 0
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, mark = g, i
			g++
			continue
		case g < len(glob) && glob[g] == '?':
			g++
			i += runeLen(s[i:])
			continue
		case g < len(glob) && glob[g] == s[i]:
			if n := sameRune(glob[g:], s[i:]); n > 0 {
				g += n
				i += n
				continue
			}
		}
		if star < 0 {
			return false, i
		}
		if vain += i - mark + 1; vain > patience*len(s) {
			matched, more := matchSlowly(glob[star:], s[mark:])
			return matched, star + mark + vain + more
		}
		mark += runeLen(s[mark:])
		g, i = star+1, mark
	}
	return strings.Trim(glob[g:], "*") == "", len(glob) + i + vain
}

// literalPrefix is how far both are the same ASCII characters, up to the first
// wildcard: nearly all of two ARNs.
func literalPrefix(glob, s string) int {
	for i := range min(len(glob), len(s)) {
		if c := glob[i]; c != s[i] || c == '*' || c == '?' || c >= utf8.RuneSelf {
			return i
		}
	}
	return min(len(glob), len(s))
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
	end     int
}

type bytePlace struct {
	size, index int
	value       byte
}

func readPlaces(glob string) places {
	words := (len(glob)-strings.Count(glob, "*"))/64 + 1
	p := places{stay: make([]uint64, words), any: make([]uint64, words), literal: map[bytePlace][]uint64{}}
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
	var sets [utf8.UTFMax][]uint64
	known := true
	for i := range len(char) {
		sets[i] = p.literal[bytePlace{len(char), i, char[i]}]
		known = known && sets[i] != nil
	}
	carry := uint64(0)
	for w := range at {
		hit := uint64(0)
		if known {
			hit = ^hit
			for i := range len(char) {
				hit &= sets[i][w]
			}
		}
		moved := at[w] & (hit | p.any[w])
		at[w] = at[w]&p.stay[w] | moved<<1 | carry
		carry = moved >> 63
	}
}

// sameRune is the number of bytes of the character that both begin with, 0 if
// they begin with different ones. Their first bytes are the same. Comparing
// bytes alone would take one half of a character for a whole one.
func sameRune(a, b string) int {
	n := runeLen(a)
	if n != runeLen(b) || a[:n] != b[:n] {
		return 0
	}
	return n
}

func runeLen(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}
