package policy

import (
	"slices"

	"scopegate/mapping"
)

// step is how far a policy is made smaller.
type step struct {
	name string
}

// steps are tried in order until the policy fits.
func (p *Prepared) steps(budget int) []step {
	return []step{{}}
}

// draft lists what is to be allowed and denied, after {api}/{stage}/.
func (v *view) draft(s step) (allows, denies []string) {
	allows = v.exact()
	if v.connects() {
		allows = append(allows, string(mapping.Connect))
	}
	g := v.newGuards()
	for _, r := range v.heldRoutes() {
		g.depth(r)
	}
	for _, a := range allows {
		guard := a + "/?*"
		if _, made := g.needs[guard]; !made {
			guard = ""
		}
		if !slices.Contains(v.patterns, a) {
			g.against(a, guard)
		} else {
			g.slashPattern(a)
		}
	}
	denies = sorted(g.needs)
	if slices.ContainsFunc(allows, hasWildcard) {
		denies = append(denies, standing(g.hidden, g.protects)...)
	}
	return allows, denies
}

// connects reports whether the $connect of a WebSocket API is held.
func (v *view) connects() bool {
	return slices.ContainsFunc(v.table.Templates(mapping.Connect), v.set.Holds)
}

func (v *view) heldRoutes() []route {
	var list []route
	for i, r := range v.tree.routes {
		if v.held[i] {
			list = append(list, r)
		}
	}
	return list
}

// exact lists each held route and pattern but those that another one's glob
// covers.
func (v *view) exact() []string {
	var list []string
	for _, r := range v.heldRoutes() {
		list = append(list, r.glob)
	}
	list = append(list, v.patterns...)
	slices.Sort(list)
	list = slices.Compact(list)
	var rules []rule
	for _, a := range list {
		rules = append(rules, rule{resource: a})
	}
	list = list[:0]
	for _, r := range withoutCovered(rules) {
		list = append(list, r.resource)
	}
	return list
}
