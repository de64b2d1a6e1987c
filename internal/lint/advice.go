package lint

import (
	"cmp"
	"context"
	"slices"
)

// Advice says what to take from a caller whose policy does not fit.
type Advice struct {
	// Costs are of scopes, roles and groups, the largest savings first: of all of
	// them, or of the 150 that most permissions need.
	Costs []Cost `json:"costs"`
	// Fitting is a caller with a part of them whose policy fits; nil if there is
	// none who holds anything.
	Fitting *Fitting `json:"fitting,omitempty"`
}

// Cost is what one scope, role or group makes a policy larger by.
type Cost struct {
	Part
	Bytes int `json:"bytes"` // of the policy without it
	Saves int `json:"saves"` // bytes; below 0 where the policy without it is larger
}

// Part is a scope, a role or a group.
type Part struct {
	Kind CallerKind `json:"kind"`
	Name string     `json:"name"`
}

// Fitting is a caller whose policy fits, and what was taken away for that.
type Fitting struct {
	Scopes  []string `json:"scopes,omitempty"`
	Roles   []string `json:"roles,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Bytes   int      `json:"bytes"`
	Without []Part   `json:"without"`
}

// parts are what a caller brings.
func (c Caller) parts() []Part {
	var list []Part
	for _, of := range []struct {
		kind  CallerKind
		names []string
	}{{OneScope, c.Scopes}, {OneRole, c.Roles}, {OneGroup, c.Groups}} {
		for _, name := range of.names {
			list = append(list, Part{of.kind, name})
		}
	}
	return list
}

// without is the caller who does not bring some parts.
func (c Caller) without(parts []Part) Caller {
	keep := func(kind CallerKind, names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(parts, Part{kind, name}) })
	}
	c.Scopes, c.Roles, c.Groups = keep(OneScope, c.Scopes), keep(OneRole, c.Roles), keep(OneGroup, c.Groups)
	return c
}

// advise works out advice for one of the callers, where it has several parts to
// take away. Everything is only looked at where all scopes together fit.
func (c *Checker) advise(ctx context.Context, w Weights, i int) error {
	k := w.list[i].Caller
	parts := k.parts()
	tooMany := k.Kind == Everything && slices.ContainsFunc(w.list, func(o Weight) bool {
		return o.Kind == AllScopes && !o.Fits && o.Tenant == k.Tenant && o.Issuer == k.Issuer
	})
	if k.Fits || k.Single() || len(parts) < 2 || tooMany {
		return nil
	}
	c.byUse(parts)
	looked := parts[:min(mostCosts, len(parts))]
	costs := make([]Cost, len(looked))
	err := c.all(ctx, len(looked), func(i int) {
		n := c.bytesOf(k.without(looked[i : i+1]))
		costs[i] = Cost{Part: looked[i], Bytes: n, Saves: k.Bytes - n}
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(costs, func(a, b Cost) int { return cmp.Compare(b.Saves, a.Saves) })
	order := slices.Clone(parts)
	for i, cost := range costs {
		order[i] = cost.Part
	}
	w.list[i].Advice = &Advice{Costs: costs, Fitting: c.fitting(ctx, k, order)}
	return ctx.Err()
}

// Bounds of the policies that are made for advice: one of a table of ten thousand
// routes may take seconds where it does not fit, since every step is tried.
const (
	mostCosts     = 150
	mostGivenBack = 30
)

// byUse sorts parts by how many permissions need them, the most needed first.
func (c *Checker) byUse(parts []Part) {
	uses := map[Part]int{}
	for _, e := range active(c.entries, c.Now) {
		q := e.Permission.Requires
		for _, s := range q.Scopes {
			uses[Part{OneScope, s}]++
		}
		uses[Part{OneRole, q.Role}]++
		uses[Part{OneGroup, q.Group}]++
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(uses[b], uses[a]) })
}

func (c *Checker) bytesOf(k Caller) int {
	return c.size(c.prepared.Compile(c.held(k), c.Now, c.Budget))
}

// fitting takes parts away, in order, until the policy fits, then gives back what
// has room, the last first. It need not be the largest such set: that would take
// trying all of them, since a policy with less to allow can be larger, as it has
// more to deny.
func (c *Checker) fitting(ctx context.Context, k Caller, parts []Part) *Fitting {
	fits := func(without []Part) bool { return ctx.Err() == nil && c.bytesOf(k.without(without)) <= c.Budget }
	few, enough := 0, len(parts) // without all but nothing is left
	for enough-few > 1 {
		if middle := (few + enough) / 2; fits(parts[:middle]) {
			enough = middle
		} else {
			few = middle
		}
	}
	without := slices.Clone(parts[:enough])
	for _, p := range slices.Backward(parts[max(0, enough-mostGivenBack):enough]) {
		fewer := slices.DeleteFunc(slices.Clone(without), func(o Part) bool { return o == p })
		if fits(fewer) {
			without = fewer
		}
	}
	rest := k.without(without)
	if len(rest.parts()) == 0 || !fits(without) {
		return nil
	}
	return &Fitting{Scopes: rest.Scopes, Roles: rest.Roles, Groups: rest.Groups, Bytes: c.bytesOf(rest), Without: without}
}
