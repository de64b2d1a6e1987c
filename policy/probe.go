package policy

import (
	"strings"
	"time"
	"unicode/utf8"

	"scopegate/mapping"
)

// probe tells in a few instructions of nearly every request that a rule's glob
// does not match it: by the ASCII characters that the glob spells out, which must
// all be there, and by how it begins.
type probe struct {
	must  charset
	plain int // bytes behind the prefix, up to the first that is a wildcard or not ASCII
}

func probes(list []rule, prefix string) []probe {
	made := make([]probe, len(list))
	for at, r := range list {
		glob := r.resource[len(prefix):]
		p := &made[at]
		for p.plain < len(glob) && isPlain(glob[p.plain]) {
			p.plain++
		}
		for i := range len(glob) {
			if isPlain(glob[i]) {
				p.must.addAll(glob[i : i+1])
			}
		}
	}
	return made
}

// isPlain reports whether a byte of a glob is a character that stands for itself
// and is never part of another one.
func isPlain(c byte) bool { return c < utf8.RuneSelf && c != '*' && c != '?' }

// plainPrefix reports whether a glob that begins so matches nothing but what
// begins so, and the rest of it the rest.
func plainPrefix(s string) bool {
	for i := range len(s) {
		if !isPlain(s[i]) {
			return false
		}
	}
	return true
}

// decide evaluates the rules: an explicit Deny wins, then an Allow.
func (q *ready) decide(arn string, now, end time.Time) Decision {
	text, ours := strings.CutPrefix(arn, q.prefix)
	if !ours {
		return NotMatched
	}
	var there charset
	there.addAll(text)
	if q.matches(q.denies, q.denied, text, &there, now, end, false) {
		return ExplicitlyDenied
	}
	if q.matches(q.allows, q.allowed, text, &there, now, end, true) {
		return Allowed
	}
	return NotMatched
}

// matches reports whether one of the rules matches what stands behind the prefix,
// and counts. Without an end only those do that count from the start, and they do
// so for good; with one no Allow counts from then on.
func (q *ready) matches(list []rule, by []probe, text string, there *charset, now, end time.Time, ends bool) bool {
	for i := range by {
		p := &by[i]
		if !p.must.within(there) || p.plain > len(text) {
			continue
		}
		r := &list[i]
		glob := r.resource[len(q.prefix):]
		if glob[:p.plain] != text[:p.plain] || !mapping.Match(glob[p.plain:], text[p.plain:]) {
			continue
		}
		switch {
		case end.IsZero():
			if r.from.IsZero() {
				return true
			}
		case now.Before(r.from) || !r.until.IsZero() && !now.Before(r.until) || ends && !now.Before(end):
		default:
			return true
		}
	}
	return false
}
