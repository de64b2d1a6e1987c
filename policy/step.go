package policy

import (
	"slices"
	"strings"

	"scopegate/mapping"
)

// step is how far a policy is made smaller, and what is given up for it.
type step struct {
	// depthless leaves out the Denies of what no route is known for.
	depthless bool
	// fold allows whole subtrees and denies the rest, by these prices.
	fold   bool
	prices prices
	// begins allows what begins alike.
	begins bool
	// short names no more of it than tells it from its known neighbours.
	short bool
	// noSlash denies every path with a slash at its end.
	noSlash bool
	// noDots denies every segment that begins with a dot.
	noDots bool
	// noEscapes denies every path with a percent sign.
	noEscapes bool
}

// steps are tried in order until the policy fits.
func (p *Prepared) steps() []step {
	if !p.table.Complete() {
		return []step{{}, {noSlash: true}, {noSlash: true, noDots: true}, {noSlash: true, noDots: true, noEscapes: true}}
	}
	fold := step{depthless: true, fold: true, prices: usualPrices}
	list := []step{{}, {depthless: true}, fold}
	fold.noSlash = true
	list = append(list, fold)
	fold.begins = true
	list = append(list, fold)
	fold.short = true
	list = append(list, fold)
	fold.noDots = true
	list = append(list, fold)
	fold.noEscapes = true
	list = append(list, fold)
	// The prices are guesses: where the policy nearly fits, others may do.
	for _, p := range []prices{{1.5, 40}, {1, 0}, {1.5, 0}} {
		fold.prices = p
		list = append(list, fold)
	}
	return list
}

// prices are what folding reckons with.
type prices struct {
	// deny is what a Deny costs, of what an Allow does: several may become one,
	// and others turn out to be needed.
	deny float64
	// margin is what a fold has to save at least, in bytes: a few are no reason to
	// allow more than GET/v2/?* where all that is held lies below it.
	margin float64
}

var usualPrices = prices{1, 40}

// names are what the report calls the step.
func (s step) names() []string {
	list := []string{}
	for _, n := range []struct {
		given bool
		name  string
	}{
		{s.depthless, "depth"}, {s.fold, "subtrees"}, {s.begins, "beginnings"}, {s.short, "short"},
		{s.noSlash, "slashes"}, {s.noDots, "dots"}, {s.noEscapes, "escapes"},
	} {
		if n.given {
			list = append(list, n.name)
		}
	}
	return list
}

// possible reports whether the step takes nothing away that is held as such.
func (v *view) possible(s step) bool {
	if (s.noSlash || s.noDots || s.noEscapes) && len(v.patterns) > 0 {
		return false
	}
	for i, r := range v.tree.routes {
		if v.held[i] && (s.noSlash && r.slash || s.noDots && r.dotted) {
			return false
		}
	}
	return true
}

// draft lists what is to be allowed and denied, after {api}/{stage}/, in at most
// room bytes if it can; 0 is any number.
func (v *view) draft(s step, room int) (allows, denies []string, o outcome) {
	allows = v.choose(s)
	if room > 0 && !s.begins && v.cost(allows) > room {
		return nil, nil, tooFar
	}
	d := v.newDraft(s, room)
	if !s.depthless {
		for _, guard := range v.depths() {
			d.depths[guard] = true
			d.use(guard)
		}
	}
	if o := d.allow(allows); o != drafted {
		return nil, nil, o
	}
	if v.connects() {
		d.add(string(mapping.Connect))
	}
	if s.short {
		d.compress()
	}
	return sorted(d.allows), append(d.merge(), d.standing()...), drafted
}

// allow adds Allows, and joins them as far as it must be, unless no joining and
// merging will make the policy fit.
func (d *draft) allow(globs []string) outcome {
	own := 0
	for _, a := range globs {
		d.add(a)
		own += d.price(a)
		switch {
		case d.room == 0:
		case d.allows[a].tooMany || d.bytes-own > mostDenies*d.room:
			return hopeless
		case d.bytes > mostTooLarge*d.room:
			return tooFar
		}
	}
	if d.room > 0 && !d.begins && d.bytes > worthMerging*d.room {
		return tooFar
	}
	d.join(twins)
	if d.begins {
		d.join(func(globs []string) []swap { return slices.Concat(siblings(globs), cousins(globs)) })
	}
	return drafted
}

// compress makes the text of Allows shorter, and joins what then looks alike.
func (d *draft) compress() {
	similar := func(globs []string) []swap {
		all := slices.Concat(siblings(globs), cousins(globs), lookalikes(globs))
		return slices.DeleteFunc(all, func(s swap) bool { return strings.HasPrefix(s.wide, "*") })
	}
	for before := 0; d.bytes != before && !d.fits(); {
		before = d.bytes
		d.join(similar)
		d.squeeze()
	}
}

// How many times too large a policy may be for the work to be worth while:
const (
	mostTooLarge = 3 // before joining and merging, which seldom save half
	mostDenies   = 2 // the Denies alone
	worthMerging = 2 // where the next steps are likely to do better than merging
)

// choice is what the Allows of a step depend on.
type choice struct {
	fold, begins, short, noSlash bool
	prices                       prices
}

// choose lists the Allows.
func (v *view) choose(s step) []string {
	key := choice{s.fold, s.begins, s.short, s.noSlash, s.prices}
	if !s.fold {
		key = choice{}
	}
	if list, known := v.chosen[key]; known {
		return list
	}
	var list []string
	if s.fold {
		list = append(v.folded(s), v.patterns...)
		slices.Sort(list)
		list = slices.Compact(list)
	} else {
		list = v.exact()
	}
	v.chosen[key] = list
	return list
}

// cost is about what a policy of these Allows takes: two often become one.
func (v *view) cost(allows []string) int {
	bytes := 0
	for _, a := range allows {
		bytes += v.price(a)
	}
	return bytes / 2
}

// connects reports whether the $connect of a WebSocket API is held.
func (v *view) connects() bool {
	return slices.ContainsFunc(v.table.Templates(mapping.Connect), v.set.Holds)
}

// exact lists each held route and pattern but those that another one's glob
// covers.
func (v *view) exact() []string {
	list := slices.Clone(v.patterns)
	for _, m := range v.tree.root.sorted {
		v.uncovered(m, &list)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > mostCompared {
		return list
	}
	return outermost(list)
}

// mostCompared bounds the Allows that are compared with one another. Of more
// than that none would fit.
const mostCompared = 1000

// uncovered lists the held routes of a subtree, but not those below a held
// parameter: its ?* crosses slashes.
func (v *view) uncovered(n *node, list *[]string) {
	if v.heldIn(n) == 0 {
		return
	}
	for _, r := range []int32{n.end, n.endSlash, n.greedy} {
		if v.holds(r) {
			*list = append(*list, v.tree.routes[r].glob)
		}
	}
	if v.holds(n.greedy) {
		return
	}
	if n.any != nil && v.holds(n.any.end) {
		*list = append(*list, v.tree.routes[n.any.end].glob)
		return
	}
	for _, c := range n.sorted {
		v.uncovered(c, list)
	}
	if n.any != nil {
		v.uncovered(n.any, list)
	}
}

// outermost drops the globs that another one covers.
func outermost(globs []string) []string {
	var rules []rule
	for _, g := range globs {
		rules = append(rules, rule{resource: g})
	}
	var list []string
	for _, r := range withoutCovered(rules) {
		list = append(list, r.resource)
	}
	return list
}

// depths lists the guards against what lies below held parameters and is known
// to nobody: {id} is one segment, ?* is any number of them. One is left out
// where something held lies there.
func (v *view) depths() []string {
	var list []string
	for i, r := range v.tree.routes {
		if v.held[i] && r.depth != "" && v.spares(r.depth) {
			list = append(list, r.depth)
		}
	}
	return list
}
