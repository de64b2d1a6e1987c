package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"scopegate/mapping"
)

// comparison works out who may call what on one side only.
type comparison struct {
	before, after *side
	now           time.Time
	targets       []compared
	resting       map[string][]int  // the targets that rest on a permission, by its id
	classes       map[[2]string]int // by what is held before and after
	results       []result
	same          map[string]int // results by what they say
}

// compared is a target about which the two tables may disagree.
type compared struct {
	target
	instants []time.Time // now, and when a permission ends that it rests on
}

// result is what becomes of callers of one class; gains and losses have no
// caller and requirement yet.
type result struct{ gains, losses []Access }

// compare fills in gains and losses.
func (p *Plan) compare(ctx context.Context, b, a *side, o Options) error {
	c, err := newComparison(ctx, b, a, o.Now)
	if err != nil {
		return err
	}
	from, known := originsOf(b.table, a.table), requirements(b, a)
	for _, q := range known {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.note(c, from, q.String(), needsOf(q), c.class)
	}
	joints, more := c.joints(known)
	for _, j := range joints {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, _ := j.needs() // joints are of what somebody can meet
		p.note(c, from, n.String(), n, c.jointClass(j))
	}
	most := cmp.Or(o.Limit, DefaultLimit)
	p.GainsTotal, p.LossesTotal = len(p.Gains), len(p.Losses)
	p.Gains, p.Losses = bounded(p.Gains, most), bounded(p.Losses, most)
	p.Truncated = more || p.GainsTotal > most || p.LossesTotal > most
	return nil
}

// note adds what becomes of those who bring just what is needed.
func (p *Plan) note(c *comparison, from origins, requirement string, n needs, class func(mapping.Caller) int) {
	for _, r := range from.rows(n, class) {
		told := func(list []Access) []Access {
			list = slices.Clone(list)
			for i := range list {
				list[i].Requirement, list[i].Caller = requirement, n.shown(r.principal)
			}
			return list
		}
		p.Gains = append(p.Gains, told(c.results[r.class].gains)...)
		p.Losses = append(p.Losses, told(c.results[r.class].losses)...)
	}
}

func bounded[T any](list []T, most int) []T {
	if list == nil {
		return []T{}
	}
	return list[:min(len(list), most)]
}

// newComparison finds the targets about which the tables may disagree: those
// whose answers do not rest on the very same, or all if the tables do not believe
// the same. Each target is matched with every pattern: the error is that ctx is
// over.
func newComparison(ctx context.Context, b, a *side, now time.Time) (*comparison, error) {
	c := &comparison{before: b, after: a, now: now, resting: map[string][]int{}, classes: map[[2]string]int{}, same: map[string]int{}}
	all := !sameList(b.table.Trust(), a.table.Trust())
	db, da := newDeciders(b), newDeciders(a)
	for _, t := range targetsOf(b, a) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		differs, rests := all, []decider(nil)
		for _, path := range t.paths {
			lb, tb := db.of(t.method, path)
			la, ta := da.of(t.method, path)
			differs = differs || tb != ta
			rests = append(append(rests, lb...), la...)
		}
		if differs {
			c.add(t, rests)
		}
	}
	return c, nil
}

func (c *comparison) add(t target, rests []decider) {
	i := len(c.targets)
	one := compared{target: t, instants: []time.Time{c.now}}
	noted := map[string]bool{}
	for _, d := range rests {
		if d.expires.After(c.now) {
			one.instants = append(one.instants, d.expires)
		}
		if !noted[d.id] {
			noted[d.id] = true
			c.resting[d.id] = append(c.resting[d.id], i)
		}
	}
	slices.SortFunc(one.instants, time.Time.Compare)
	one.instants = slices.CompactFunc(one.instants, time.Time.Equal)
	c.targets = append(c.targets, one)
}

// class is the result of a caller, the same number for the same result.
func (c *comparison) class(k mapping.Caller) int {
	hb, ha := c.before.table.Held(k, c.now), c.after.table.Held(k, c.now)
	key := [2]string{hb.Key(), ha.Key()}
	if i, known := c.classes[key]; known {
		return i
	}
	i := c.number(c.result(hb, ha))
	c.classes[key] = i
	return i
}

// number is the place of a result among those there are.
func (c *comparison) number(r result) int {
	text := fmt.Sprint(r)
	i, known := c.same[text]
	if !known {
		i = len(c.results)
		c.same[text] = i
		c.results = append(c.results, r)
	}
	return i
}

// result compares the answers about every target that rests on something held.
func (c *comparison) result(hb, ha mapping.Held) (r result) {
	touched := map[int]bool{}
	for _, p := range append(c.before.table.Permissions(hb), c.after.table.Permissions(ha)...) {
		for _, i := range c.resting[p.ID()] {
			touched[i] = true
		}
	}
	b, a := holding{c.before.table, hb, map[time.Time]mapping.Held{}}, holding{c.after.table, ha, map[time.Time]mapping.Held{}}
	for _, i := range slices.Sorted(maps.Keys(touched)) {
		gains, losses := c.targets[i].differences(b, a)
		r.gains = append(r.gains, gains...)
		r.losses = append(r.losses, losses...)
	}
	return r
}

// holding is what a caller holds of one table as time goes on.
type holding struct {
	table *mapping.Table
	now   mapping.Held
	later map[time.Time]mapping.Held
}

func (h holding) permits(m mapping.Verb, path string, at time.Time) bool {
	held, known := h.later[at]
	if !known {
		held = h.table.At(h.now, at)
		h.later[at] = held
	}
	return h.table.Decide(held, string(m), path).Allowed
}

// differences are the stretches of time in which only one side permits it.
func (t compared) differences(b, a holding) (gains, losses []Access) {
	g, l := stretches{target: t.target}, stretches{target: t.target}
	for i, at := range t.instants {
		gained, lost := -1, -1
		for n, path := range slices.Backward(t.paths) {
			was, is := b.permits(t.method, path, at), a.permits(t.method, path, at)
			if is && !was {
				gained = n
			}
			if was && !is {
				lost = n
			}
		}
		if i == 0 {
			at = time.Time{}
		}
		g.note(at, gained)
		l.note(at, lost)
	}
	return g.list, l.list
}

// stretches puts together what is the same from one instant to the next.
type stretches struct {
	target
	list []Access
	open bool // the last one has no end yet
	path int  // the path that shows it
}

// note says which path shows a difference from an instant on, -1 for none.
func (s *stretches) note(at time.Time, path int) {
	if s.open && path == s.path {
		return
	}
	if s.open {
		s.list[len(s.list)-1].Until = at
	}
	s.open, s.path = path >= 0, path
	if !s.open {
		return
	}
	one := Access{Route: s.name, From: at}
	if path > 0 {
		one.Partly, one.Witness = true, string(s.method)+" "+s.paths[path]
	}
	s.list = append(s.list, one)
}
