package policy

import (
	"slices"
	"strings"
)

// merge lists the Denies of a draft. While the policy does not fit it puts wider
// ones in the place of several, as long as they match nothing that is permitted.
func (d *draft) merge() []string {
	m := merger{draft: d, denies: map[string]bool{}}
	for need := range d.uses {
		m.denies[need] = true
	}
	for changed := true; changed && !d.fits(); {
		changed = false
		all := sorted(m.denies)
		swaps := slices.Concat(siblings(all), twins(all), endings(all), lookalikes(all))
		for i := range swaps {
			swaps[i].gain = m.gain(swaps[i])
		}
		best(swaps)
		for _, s := range swaps {
			if s.gain <= 0 || d.fits() {
				break
			}
			changed = m.swap(s) || changed
		}
	}
	for _, deny := range sorted(m.denies) {
		if d.fits() {
			break
		}
		m.squeeze(deny)
	}
	return sorted(m.denies)
}

// squeeze writes a Deny with as little text as still spares what is permitted.
func (m *merger) squeeze(deny string) {
	short := shorten(deny, 0, m.spares)
	if short == deny {
		return
	}
	delete(m.denies, deny)
	if !m.denies[short] {
		m.denies[short] = true
		m.bytes += m.price(short)
	}
	m.bytes -= m.price(deny)
}

// shorten leaves out as much of a glob's text as it may: a part in the middle,
// behind the first keep bytes, and its end. What is shorter matches more.
func shorten(glob string, keep int, may func(string) bool) string {
	short := shortEnd(glob, keep, may)
	for i := len(short) - 2; i > keep; i-- {
		if short[i] != '/' {
			continue
		}
		from, to := keep, i-1
		for from < to {
			if half := (from + to) / 2; may(joinStar(short, half, i)) {
				to = half
			} else {
				from = half + 1
			}
		}
		if s := joinStar(short, to, i); len(s) < len(short) && may(s) {
			return shortEnd(s, keep, may)
		}
	}
	return short
}

// joinStar is the head, as far as it ends with a character, and the tail, and
// whatever is between.
func joinStar(text string, head, tail int) string {
	return strings.TrimRight(text[:whole(text, head)], "*") + "*" + text[tail:]
}

// shortEnd leaves out the end. A longer beginning matches less: the shortest one
// that will do is found by halving.
func shortEnd(glob string, keep int, may func(string) bool) string {
	text := strings.TrimSuffix(glob, "*")
	from, to := max(keep, strings.LastIndexByte(text, '/')+2), len(text)
	for from < to {
		if half := (from + to) / 2; may(text[:whole(text, half)] + "*") {
			to = half
		} else {
			from = half + 1
		}
	}
	if short := text[:whole(text, min(to, len(text)))] + "*"; len(short) < len(glob) && may(short) {
		return short
	}
	return glob
}

type merger struct {
	*draft
	denies map[string]bool
}

// gain counts those of a swap that are there still.
func (m *merger) gain(s swap) int {
	bytes := -m.price(s.wide)
	if m.denies[s.wide] {
		bytes = 0
	}
	for _, n := range s.narrow {
		if n != s.wide && m.denies[n] {
			bytes += m.price(n)
		}
	}
	return bytes
}

func (m *merger) swap(s swap) bool {
	gain := m.gain(s)
	if gain <= 0 || !m.spares(s.wide) {
		return false
	}
	for _, n := range s.narrow {
		delete(m.denies, n)
	}
	m.denies[s.wide] = true
	m.bytes -= gain
	return true
}

// endings are globs that end alike, whatever stands before.
func endings(globs []string) []swap {
	groups := map[string][]string{}
	for _, g := range globs {
		for i := range len(g) {
			if g[i] == '/' && i < len(g)-1 {
				groups["*"+g[i:]] = append(groups["*"+g[i:]], g)
			}
		}
	}
	var list []swap
	for _, wide := range sorted(groups) {
		if len(wide) > len("*/?*") {
			list = append(list, swap{wide: wide, narrow: groups[wide]})
		}
	}
	return list
}
