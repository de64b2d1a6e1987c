package plan

import (
	"cmp"
	"fmt"
	"slices"

	"scopegate/mapping"
)

// mostJoint bounds the pairs of requirements that are looked at.
const mostJoint = 2000

// joint are two requirements that somebody may meet at once.
type joint struct{ parts [2]needs }

// joints lists the pairs on which a request may rest that neither opens alone: of a
// path with a slash at its end both readings must be permitted, and one permission
// may open the one, another the other. What opens both readings does so alone. More
// says that there are others.
func (c *comparison) joints(known []mapping.Requirement) (list []joint, more bool) {
	seen := map[string]bool{}
	for _, q := range known {
		seen[needsOf(q).key()] = true
	}
	tried := 0
	for _, s := range []*side{c.before, c.after} {
		d := newDeciders(s)
		for _, t := range c.targets {
			for _, path := range t.paths {
				first, second := d.apart(t.method, path)
				for _, x := range first {
					for _, y := range second {
						j := joint{[2]needs{needsOf(s.permissions[x].Requires), needsOf(s.permissions[y].Requires)}}
						if tried++; len(list) == mostJoint || tried > mostTried {
							return list, true
						}
						if n, ok := j.needs(); ok && !seen[n.key()] {
							seen[n.key()] = true
							list = append(list, j)
						}
					}
				}
			}
		}
	}
	return list, false
}

// apart lists the permissions that open one of the two readings of a path alone.
func (d deciders) apart(method mapping.Verb, path string) (first, second []string) {
	readings := d.table.Readings(mapping.Held{}, string(method), path)
	if len(readings) != 2 {
		return nil, nil
	}
	var of [2][]string
	for i, r := range readings {
		for _, one := range d.reading(method, r) {
			of[i] = append(of[i], one.id)
		}
	}
	without := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(other, id) })
	}
	return without(of[0], of[1]), without(of[1], of[0])
}

// needs are those of both; ok is false if nobody can meet them.
func (j joint) needs() (needs, bool) { return j.parts[0].and(j.parts[1]) }

// jointClass is the result of a caller who brings both, as [comparison.class], without
// what he gains and loses by bringing one of them.
func (c *comparison) jointClass(j joint) func(mapping.Caller) int {
	return func(k mapping.Caller) int {
		r := c.results[c.class(k)]
		r = result{slices.Clone(r.gains), slices.Clone(r.losses)}
		for _, n := range j.parts {
			alone := k
			alone.Scopes, alone.Roles, alone.Groups = n.scopes, n.roles, n.groups
			part := c.results[c.class(alone)]
			r.gains = slices.DeleteFunc(r.gains, func(a Access) bool { return slices.ContainsFunc(part.gains, a.same) })
			r.losses = slices.DeleteFunc(r.losses, func(a Access) bool { return slices.ContainsFunc(part.losses, a.same) })
		}
		return c.number(r)
	}
}

// same reports whether the same is told of two callers.
func (a Access) same(b Access) bool {
	return a.Route == b.Route && a.Witness == b.Witness && a.From.Equal(b.From) && a.Until.Equal(b.Until)
}

// and are both needs at once; ok is false if nobody can meet them.
func (n needs) and(m needs) (both needs, ok bool) {
	if n.kind != "" && m.kind != "" && n.kind != m.kind || n.tenant != "" && m.tenant != "" && n.tenant != m.tenant {
		return n, false
	}
	return needs{
		scopes: union(n.scopes, m.scopes...), roles: union(n.roles, m.roles...), groups: union(n.groups, m.groups...),
		kind: cmp.Or(n.kind, m.kind), tenant: cmp.Or(n.tenant, m.tenant),
	}, true
}

// key is equal for equal needs.
func (n needs) key() string {
	return fmt.Sprintf("%q", []any{n.scopes, n.roles, n.groups, n.kind, n.tenant})
}
