package policy

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// swap is one glob in the place of several.
type swap struct {
	wide   string
	narrow []string
	gain   int // bytes
}

// join puts wider Allows in the place of several while that saves bytes and the
// policy does not fit, those that save most first.
func (d *draft) join(candidates func(allows []string) []swap) {
	for changed := true; changed && !d.fits(); {
		changed = false
		swaps := candidates(sorted(d.allows))
		for i := range swaps {
			swaps[i].gain = d.gain(swaps[i])
		}
		best(swaps)
		for _, s := range swaps {
			if s.gain <= 0 || d.fits() {
				break
			}
			if d.intact(s) && d.gain(s) > 0 {
				d.swap(s)
				changed = true
			}
		}
	}
}

// best puts the swaps that save most first; what saves the same in the order of
// the text, so that a policy does not depend on chance.
func best(swaps []swap) {
	slices.SortFunc(swaps, func(a, b swap) int {
		return cmp.Or(cmp.Compare(b.gain, a.gain), strings.Compare(a.wide, b.wide))
	})
}

func (d *draft) intact(s swap) bool {
	return !slices.ContainsFunc(s.narrow, func(n string) bool { return d.allows[n] == nil })
}

func (d *draft) swap(s swap) {
	for _, n := range s.narrow {
		d.drop(n)
	}
	d.add(s.wide)
}

// gain is how many bytes a swap saves: less than nothing for one that would need
// a Deny which matches what is permitted.
func (d *draft) gain(s swap) int {
	bytes := -d.price(s.wide)
	lost := map[string]int{}
	for _, n := range s.narrow {
		bytes += d.price(n)
		for need := range d.allows[n].needs {
			if lost[need]++; lost[need] == d.uses[need] {
				bytes += d.price(need)
			}
		}
	}
	if bytes <= 0 {
		return bytes // whatever the wide one needs makes it no better
	}
	wide := d.look(s.wide)
	if wide.tooMany {
		return -1
	}
	for need := range wide.needs {
		if lost[need] == 0 && !d.spares(need) {
			return -1
		}
		if d.uses[need] == lost[need] {
			bytes -= d.price(need)
		}
	}
	return bytes
}

// squeeze writes Allows with as little text as tells them from what is known and
// not held.
func (d *draft) squeeze() {
	for _, allow := range sorted(d.allows) {
		if d.fits() {
			return
		}
		at := strings.IndexByte(allow, '/') + 1
		if at == 0 {
			continue // $connect has no path
		}
		short := shorten(allow, at, func(wide string) bool {
			return d.allows[wide] == nil && d.gain(swap{wide: wide, narrow: []string{allow}}) > 0
		})
		if short != allow {
			d.swap(swap{wide: short, narrow: []string{allow}})
		}
	}
}

// twins are globs that differ in the method alone: GET and PUT have three
// letters, POST and HEAD four. The ? that stand for them may also match a slash:
// ????/users is GET//users, which the Deny of empty segments takes away.
func twins(globs []string) []swap {
	byPath := map[string][]string{}
	var order []string
	for _, g := range globs {
		method, path, _ := strings.Cut(g, "/")
		if len(method) != len("GET") && len(method) != len("POST") {
			continue
		}
		wide := strings.Repeat("?", len(method)) + "/" + path
		if byPath[wide] == nil {
			order = append(order, wide)
		}
		byPath[wide] = append(byPath[wide], g)
	}
	var list []swap
	for _, wide := range order {
		if narrow := byPath[wide]; len(narrow) > 1 {
			list = append(list, swap{wide: wide, narrow: narrow})
		}
	}
	return list
}

// siblings are globs that begin alike, method and all. The globs are in order.
func siblings(globs []string) []swap {
	var list []swap
	seen := map[string]bool{}
	for i := 1; i < len(globs); i++ {
		begin := commonPrefix(globs[i-1], globs[i])
		if seen[begin] || !strings.Contains(begin, "/") {
			continue
		}
		seen[begin] = true
		from, to := i-1, i+1
		for from > 0 && strings.HasPrefix(globs[from-1], begin) {
			from--
		}
		for to < len(globs) && strings.HasPrefix(globs[to], begin) {
			to++
		}
		list = append(list, swap{wide: strings.TrimRight(begin, "*") + "*", narrow: globs[from:to]})
	}
	return list
}

// mostKin bounds the groups that lookalikes looks at.
const mostKin = 64

// lookalikes are globs that begin alike and end alike.
func lookalikes(globs []string) []swap {
	var list []swap
	seen := map[string]bool{}
	for _, group := range append(siblings(globs), swap{wide: "*", narrow: globs}) {
		if len(group.narrow) <= mostKin || group.wide == "*" {
			list = append(list, endAlike(group, seen)...)
		}
	}
	return list
}

// endAlike are those of a group, whose beginning they share, that share an end.
func endAlike(group swap, seen map[string]bool) []swap {
	var list []swap
	byEnd := slices.Clone(group.narrow)
	slices.SortFunc(byEnd, func(a, b string) int { return strings.Compare(reversed(a), reversed(b)) })
	for i := 1; i < len(byEnd); i++ {
		end := commonSuffix(byEnd[i-1], byEnd[i])
		// The beginning and the end must not be the same text.
		if most := min(len(byEnd[i-1]), len(byEnd[i])) - len(group.wide) + 1; len(end) > most {
			end = end[len(end)-max(most, 0):]
		}
		wide := group.wide + strings.TrimLeft(end, "*")
		if seen[wide] || wide == group.wide || !utf8.ValidString(wide) {
			continue
		}
		seen[wide] = true
		var narrow []string
		for _, g := range group.narrow {
			if strings.HasSuffix(g, end) && covers(wide, g) {
				narrow = append(narrow, g)
			}
		}
		if len(narrow) > 1 {
			list = append(list, swap{wide: wide, narrow: narrow})
		}
	}
	return list
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func commonSuffix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	for n > 0 && !utf8.RuneStart(a[len(a)-n]) {
		n--
	}
	return a[len(a)-n:]
}

// cousins are globs of methods of one length of which one path covers another.
func cousins(globs []string) []swap {
	var list []swap
	for _, g := range globs {
		method, path, _ := strings.Cut(g, "/")
		if len(method) != len("GET") && len(method) != len("POST") {
			continue
		}
		wide := strings.Repeat("?", len(method)) + "/" + path
		var narrow []string
		for _, n := range globs {
			if n != wide && len(n) >= len(wide) && n[len(method)] == '/' && covers(wide, n) {
				narrow = append(narrow, n)
			}
		}
		if len(narrow) > 1 {
			list = append(list, swap{wide: wide, narrow: narrow})
		}
	}
	return list
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:whole(a, n)]
}

// whole is the end of the last character of the text's first n bytes.
func whole(text string, n int) int {
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}
