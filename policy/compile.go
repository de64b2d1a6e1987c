package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"scopegate/mapping"
)

// Prepared is a table made ready for [Prepared.Compile]: what is the same for
// every caller is worked out once per revision of the table. It is immutable
// and safe for concurrent use.
type Prepared struct {
	table  *mapping.Table
	tree   *tree
	prefix string // of every resource: up to and with the slash after the stage
}

// Prepare works out what Compile needs to know of a table.
func Prepare(t *mapping.Table) *Prepared {
	return &Prepared{table: t, tree: newTree(t), prefix: t.API().ARN + "/" + t.API().Stage + "/"}
}

// Compiled is what a set of held permissions makes of a table: the part of a
// policy that is the same for each of the caller's requests, and what a [Report]
// on it needs. It is safe for concurrent use.
type Compiled struct {
	Kept
	prepared *Prepared
	slices   []slice
	step     step
	budget   int
}

// Kept is of a compiled policy what requests need. It holds nothing of the table
// (but for one that is [Kept.TooLarge], whose rules are made of it when somebody
// wants to see them), so that it may be remembered for longer. It is safe for
// concurrent use.
type Kept struct {
	// cut is the instant from which on it says nothing any more, zero for none:
	// further permissions end there. It is due to be made anew at renew.
	cut, renew time.Time
	rules      func() rules // of a policy that is much too large only made when asked for
	ready      *ready       // nil for one that is too large, and now and then for others
	tooLarge   bool
	least      int // bytes, of one that is too large
}

// rules are what is allowed and denied, and when.
type rules struct{ allows, denies []rule }

// rule is one resource and when it counts. A zero time is an open end.
type rule struct {
	resource    string
	from, until time.Time
}

// Compile is Prepare and [Prepared.Compile] without a budget, for callers who
// ask once.
func Compile(t *mapping.Table, h mapping.Held, now time.Time) *Compiled {
	return Prepare(t).Compile(h, now, 0)
}

// Compile turns the permissions that a caller holds at the instant now into
// resources. It promises:
//
//   - Sound: what the document allows on a known route, Permits allows. {id}
//     becomes ?* and, since that crosses /, each known route that it would
//     reach and that is not held is denied, in both spellings (R and R/), as is
//     what lies below it (users/?*/?*) wherever nothing held does.
//   - Not longer than the permission: one that expires has an Allow of its own
//     that ends then, and the denials that it lifted come back at that instant.
//   - Small: the budget is the bytes that the minified document of a request
//     that is allowed may have, 0 for any number. Where what is exact does not
//     fit, the policy is made smaller step by step, never less sound; the
//     [Report] says how. Of one that can't fit [Kept.TooLarge] is true.
//
// Nothing of a request enters: what varies between requests is added by
// [Kept.Document].
func (p *Prepared) Compile(h mapping.Held, now time.Time, budget int) *Compiled {
	l := ladder{budget: budget}
	l.blank = Compiled{prepared: p, budget: budget}
	l.blank.slices, l.blank.cut = p.slices(h, now)
	if !l.blank.cut.IsZero() {
		l.blank.renew = now.Add(l.blank.cut.Sub(now) / 2)
	}
	l.views = viewsOf(p, l.blank.slices)
	for _, s := range p.steps() {
		if l.inVain(s) {
			continue
		}
		if c := l.try(s); c != nil {
			return c
		}
	}
	if l.best != nil {
		return l.best
	}
	return l.listed()
}

// listed is the exact policy, whatever its size. It is far too large most of the
// time, and then only made when somebody wants to see it.
func (l *ladder) listed() *Compiled {
	c := l.compiled(step{})
	c.tooLarge = true
	c.rules = sync.OnceValue(func() rules {
		made, _ := c.draft(viewsOf(c.prepared, c.slices), 0)
		return made
	})
	v := l.views[0]
	c.least = max(l.budget+1, v.cost(v.choose(step{})))
	// Where listing was nowhere near, it is twice as large as there was room for;
	// of a tiny budget that says nothing.
	if !l.far || l.budget < 2*statementBytes {
		c.tooLarge = c.size() > l.budget
	}
	return c
}

func (l *ladder) compiled(s step) *Compiled {
	c := l.blank
	c.step = s
	return &c
}

// ladder tries steps in order.
type ladder struct {
	blank  Compiled // what all policies have in common
	budget int
	views  []*view
	// slashless are the views in which a slash at the end of a path is given up.
	slashless []*view
	best      *Compiled // the smallest so far; too large
	far       bool      // listing is nowhere near the budget
	ended     bool
}

// inVain reports whether a step can't be of use after those before it: where
// listing is nowhere near the budget, only folding subtrees without the slashes
// of literal routes may be.
func (l *ladder) inVain(s step) bool {
	nearly := l.best != nil && l.best.size() < l.budget+l.budget/10
	return l.ended || l.far && !(s.fold && s.noSlash) || s.fold && s.prices != usualPrices && !nearly
}

// try answers the policy of a step, nil if it does not fit.
func (l *ladder) try(s step) *Compiled {
	views := l.views
	if s.noSlash {
		for _, v := range l.views[len(l.slashless):] {
			l.slashless = append(l.slashless, v.withoutSlashes())
		}
		views = l.slashless
	}
	room := max(l.budget-statementBytes, 0)
	for range mostTries {
		c := l.compiled(s)
		made, outcome := c.draft(views, room)
		if outcome != drafted {
			l.far = l.far || outcome == hopeless || outcome == tooFar && !s.fold
			l.ended = outcome == hopeless && s.fold && s.noSlash
			return nil
		}
		c.rules = func() rules { return made }
		size := c.size()
		if l.budget == 0 || size <= l.budget {
			c.settle(made, c.prepared.prefix)
			return c
		}
		c.tooLarge, c.least = true, size
		if l.best == nil || size < l.best.size() {
			l.best = c
		}
		if len(l.blank.slices) == 1 || room <= size-l.budget {
			return nil
		}
		// The slices of time differ in more than was reckoned with.
		room -= size - l.budget
	}
	return nil
}

// mostTries bounds the attempts at one step.
const mostTries = 3

// viewsOf are the table as the caller sees it in each slice of time.
func viewsOf(p *Prepared, in []slice) []*view {
	var list []*view
	for _, s := range in {
		list = append(list, newView(p, s.held))
	}
	return list
}

// statementBytes is what the document takes beside its resources.
const statementBytes = 300

// outcome says what became of a step.
type outcome uint8

const (
	drafted    outcome = iota
	impossible         // what it gives up is held as such
	tooFar             // the policy is so much too large that other steps come first
	hopeless           // its Denies alone are: wider Allows need only more
)

// draft makes the rules of each slice of time, of at most room bytes each if it
// can, and joins those that last.
func (c *Compiled) draft(views []*view, room int) (rules, outcome) {
	allows, denies := map[string][]bool{}, map[string][]bool{}
	for i, v := range views {
		if !v.possible(c.step) {
			return rules{}, impossible
		}
		a, d, o := v.draft(c.step, room)
		if o != drafted {
			return rules{}, o
		}
		note(allows, a, i, len(views))
		note(denies, d, i, len(views))
	}
	return rules{c.lasting(allows, Allow), withoutCovered(c.lasting(denies, Deny))}, drafted
}

func note(in map[string][]bool, globs []string, slice, of int) {
	for _, g := range globs {
		if in[g] == nil {
			in[g] = make([]bool, of)
		}
		in[g][slice] = true
	}
}

// lasting turns the slices in which something is needed into stretches of time.
func (c *Compiled) lasting(needed map[string][]bool, effect string) []rule {
	var list []rule
	for _, glob := range sorted(needed) {
		resource := c.prepared.prefix + glob
		if effect == Deny {
			resource = fit(resource)
		}
		for _, w := range windows(needed[glob], c.slices) {
			w.resource = resource
			list = append(list, w)
		}
	}
	return list
}

// size is the bytes of the minified document of a request that is allowed.
func (c *Kept) size() int {
	doc := c.Document(Request{End: sizingEnd})
	n := len(`{"Version":"","Statement":[]}`) + len(Version) - 1
	for _, s := range doc.Statement {
		n += s.size() + 1
	}
	return n
}

// sizingEnd stands for the end of a token where only its length counts.
var sizingEnd = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)

// Keep gives what requests need of the policy, without the table.
func (c *Compiled) Keep() *Kept {
	kept := c.Kept
	return &kept
}

// slice is a stretch of time in which the caller holds the same permissions.
type slice struct {
	from time.Time // zero for the first, which is now
	held mapping.Held
}

// mostSlices bounds the slices of one policy, horizon how far they reach: no
// token lives as long, and no policy is kept as long by API Gateway.
const (
	mostSlices = 6
	horizon    = 48 * time.Hour
)

// slices cuts the time from now on where permissions end. Where they are too many
// or too far away the last slice has an end, cut, behind which nothing is said.
func (p *Prepared) slices(h mapping.Held, now time.Time) (list []slice, cut time.Time) {
	list = []slice{{held: h}}
	for _, end := range p.table.Ends(h) {
		switch {
		case !end.After(now):
		case len(list) == mostSlices || end.Sub(now) > horizon:
			return list, end
		default:
			list = append(list, slice{from: end, held: p.table.At(h, end)})
		}
	}
	return list, time.Time{}
}

// Renew reports whether the policy is to be compiled anew at an instant, although
// the caller holds the same: permissions end that it did not look at yet.
func (c *Kept) Renew(now time.Time) bool { return !c.renew.IsZero() && now.After(c.renew) }

// windows turns the slices in which something is needed into stretches of time.
func windows(needed []bool, of []slice) []rule {
	var list []rule
	for i := 0; i < len(needed); i++ {
		if !needed[i] {
			continue
		}
		w := rule{from: of[i].from}
		for i++; i < len(needed) && needed[i]; i++ {
		}
		if i < len(needed) {
			w.until = of[i].from
		}
		list = append(list, w)
	}
	return list
}

// fit keeps a Deny within the longest ARN that API Gateway takes by making it
// wider.
func fit(resource string) string {
	runes := []rune(resource)
	if len(runes) <= MaxResource {
		return resource
	}
	return string(runes[:MaxResource-1]) + "*"
}

// withoutCovered drops the rules that another one, which counts at least as
// long, says already.
func withoutCovered(rules []rule) []rule {
	// Wide globs are short: looked at first, they are there to cover the others.
	byLength := slices.SortedStableFunc(slices.Values(rules), func(a, b rule) int {
		return cmp.Compare(len(a.resource), len(b.resource))
	})
	var kept []rule
	var wide wideGlobs
	same := map[rule]bool{}
	for _, r := range byLength {
		if same[r] || wide.cover(r.resource, func(i int) bool { return kept[i].lasts(r) }) {
			continue
		}
		same[r] = true
		wide.add(r.resource, len(kept))
		kept = append(kept, r)
	}
	slices.SortFunc(kept, func(a, b rule) int { return strings.Compare(a.resource, b.resource) })
	return kept
}

// lasts reports whether r counts whenever s does.
func (r rule) lasts(s rule) bool {
	return !r.from.After(s.from) && (r.until.IsZero() || !s.until.IsZero() && !s.until.After(r.until))
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
