package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// standing lists the denials that every policy with a wildcard carries, for all
// methods alike. API Gateway matches a policy against the path as it was sent;
// how it decodes a path before it routes is not documented. So what Permits
// denies in the decoded path is denied in the raw one:
//
//   - empty, . and .. segments, the .. also beside an encoded slash;
//   - a character that nobody needs to encode (RFC 3986, section 2.3) where it
//     could hide a denied literal;
//   - an encoded slash where the policy protects a route: orders/1%2Fsecret
//     could be read as orders/1/secret.
//
// A step that gives up more has wider ones in their place.
func standing(s step, hidden charset, protects bool) []string {
	list := []string{emptySegment}
	if s.noSlash {
		list = append(list, anySlash)
	}
	if s.noDots {
		list = append(list, "*/.*")
	} else {
		list = append(list, "*/.", "*/..", "*/./*", "*/../*")
	}
	if s.noEscapes {
		return append(list, "*%*")
	}
	list = append(list, "*%2e*", "*%2E*")
	if protects {
		list = append(list, "*%2F*", "*%2f*")
	} else {
		list = append(list, "*%2F..*", "*%2f..*", "*/..%2*")
	}
	last, encodings := "", escapes()
	for c := range byte(0x80) {
		if !hidden.has(c) {
			continue
		}
		for _, e := range encodings[c] {
			if e != last {
				list = append(list, e)
			}
			last = e
		}
	}
	return list
}

// escapes are the Denies of each character's encodings, listed when they are first
// needed: no function starts the sooner for them.
var escapes = sync.OnceValue(func() (list [0x80][]string) {
	for c := range byte(0x80) {
		for _, e := range escapesOf(c) {
			list[c] = append(list[c], "*"+e+"*")
		}
	}
	return list
})

// emptySegment matches every path with one, written as a method and a path.
const emptySegment = "*//*"

// anySlash matches every path that ends with a slash, but the root.
const anySlash = "*/?*/"

// isUnreserved reports whether a character never needs to be encoded (RFC 3986,
// section 2.3).
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// escapesOf lists the ways to percent-encode an unreserved character. Those of
// a to o share one: nothing else but a backtick begins so.
func escapesOf(c byte) []string {
	switch {
	case 'a' <= c && c <= 'o':
		return []string{"%6"}
	case !isUnreserved(c):
		return nil
	}
	const upper, lower = "0123456789ABCDEF", "0123456789abcdef"
	forms := []string{string([]byte{'%', upper[c>>4], upper[c&15]}), string([]byte{'%', lower[c>>4], lower[c&15]})}
	return slices.Compact(forms)
}

// mostReserved bounds the spellings of one literal: 2 for each such character.
const mostReserved = 4

// reservedSpellings lists the other ways in which a literal with characters that
// clients may encode (foo:bar) can be written. They can't be denied everywhere,
// as values hold them rightfully.
func reservedSpellings(literal string) []string {
	if !slices.ContainsFunc([]byte(literal), func(c byte) bool { return !isUnreserved(c) }) {
		return nil
	}
	spellings := []string{""}
	reserved := 0
	for _, c := range literal {
		forms := []string{string(c)}
		if c > 0x7f || !isUnreserved(byte(c)) {
			if reserved++; reserved > mostReserved {
				return []string{reservedAsStars(literal)}
			}
			forms = append(forms, escapedRune(c))
		}
		var longer []string
		for _, s := range spellings {
			for _, f := range forms {
				longer = append(longer, s+f)
			}
		}
		spellings = longer
	}
	return spellings[1:] // the first is the literal itself
}

// escapedRune is a character percent-encoded; ? stands for a digit that may be
// written in two cases.
func escapedRune(c rune) string {
	if c > 0x7f {
		return strings.Repeat("%??", len(string(c)))
	}
	return fmt.Sprintf("%%%X?", c>>4)
}

// reservedAsStars is a literal of very many such characters: too many spellings
// to list, so one that is wider.
func reservedAsStars(literal string) string {
	return strings.Map(func(c rune) rune {
		if c > 0x7f || !isUnreserved(byte(c)) {
			return '*'
		}
		return c
	}, literal)
}
