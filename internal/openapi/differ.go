package openapi

import (
	"slices"

	"scopegate/mapping"
)

// differ compares what a route of the document requires with what the table
// requires of its requests. Routes of which the document says nothing, or the
// table knows nothing, are left out.
func (c *comparison) differ(r mapping.Route) {
	says := requirements(c.document.permissions[routeKey{r.Resource.Shape(), r.Verb}])
	if len(says) == 0 {
		return
	}
	verbs := r.Verb.Methods()
	found := make([]*Difference, len(verbs))
	same := true
	for i, v := range verbs {
		found[i] = c.difference(says, v, r.Resource)
		same = same && equal(found[i], found[0])
	}
	if same {
		verbs = []mapping.Verb{r.Verb}
	}
	for i, v := range verbs {
		if d := found[i]; d != nil {
			d.Route = name(v, r.Resource)
			c.report.Differing = append(c.report.Differing, *d)
		}
	}
}

func equal(a, b *Difference) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Table, b.Table) && slices.Equal(a.Narrower, b.Narrower)
}

func (c *comparison) difference(says []mapping.Requirement, v mapping.Verb, r mapping.Resource) *Difference {
	has, known := c.required(v, r)
	all := slices.Concat(has, c.requiredOfSome(v, r))
	wider, narrower := beyond(all, says), []string(nil)
	if known {
		narrower = beyond(says, has)
	}
	if len(wider)+len(narrower) == 0 {
		return nil
	}
	return &Difference{Document: texts(says), Table: texts(all), Wider: wider, Narrower: narrower}
}

// requiredOfSome are the alternatives that the table has for some requests of a
// route: of its routes that stand within it, of those that answer for a part of it
// each, and of patterns. What they let in is not less open for being a part.
func (c *comparison) requiredOfSome(v mapping.Verb, r mapping.Resource) []mapping.Requirement {
	shapes := slices.Clone(c.within[routeKey{r.Shape(), v}])
	if !c.table.declares(r, v) {
		found, _ := c.table.answering(v, r)
		for _, t := range found {
			shapes = append(shapes, t.Resource.Shape())
		}
	}
	var list []mapping.Permission
	for _, shape := range shapes {
		list = append(list, c.table.permissions[routeKey{shape, v}]...)
		list = append(list, c.table.permissions[routeKey{shape, mapping.Any}]...)
	}
	for _, p := range c.table.patterns {
		if (p.Verb == v || p.Verb == mapping.Any) && c.opens(p, v, r) {
			list = append(list, p)
		}
	}
	return requirements(c.current(list))
}

// opens reports whether a pattern grants a path for which the document has no more
// specific route than this one.
func (c *comparison) opens(p mapping.Permission, v mapping.Verb, r mapping.Resource) bool {
	depth := 0
	if greedy(r) {
		depth = c.document.depth
	}
	for more := range depth + 1 {
		path, met := meeting(p.Resource.String(), r, more)
		if !met {
			return false
		}
		if t := c.document.routing.Decide(mapping.Held{}, string(v), path).Route; t != nil && t.Resource.Shape() == r.Shape() {
			return true
		}
	}
	return false
}

// required are the alternatives that the table has for requests of a route: those
// of the one route that answers, and of patterns that grant all of it.
func (c *comparison) required(v mapping.Verb, r mapping.Resource) (alternatives []mapping.Requirement, known bool) {
	shape := r.Shape()
	if !c.table.declares(r, v) {
		found, whole := c.table.answering(v, r)
		if len(found) > 1 || len(found) == 1 && !whole {
			return nil, false
		}
		if len(found) == 1 {
			shape, known = found[0].Resource.Shape(), true
		}
	} else {
		known = true
	}
	var list []mapping.Permission
	if known {
		list = slices.Concat(c.table.permissions[routeKey{shape, v}], c.table.permissions[routeKey{shape, mapping.Any}])
	}
	patterns := c.covering(v, r)
	list = append(list, patterns...)
	return requirements(c.current(list)), known || len(patterns) > 0
}

func requirements(list []mapping.Permission) []mapping.Requirement {
	var out []mapping.Requirement
	for _, p := range list {
		if !p.Registered {
			out = append(out, p.Requires)
		}
	}
	return out
}

// beyond lists the alternatives that let callers in whom no other one does.
func beyond(list, others []mapping.Requirement) []string {
	var out []mapping.Requirement
	for _, q := range list {
		if !slices.ContainsFunc(others, q.Implies) {
			out = append(out, q)
		}
	}
	return texts(out)
}

func texts(list []mapping.Requirement) []string {
	out := make([]string, len(list))
	for i, q := range list {
		out[i] = q.String()
	}
	slices.Sort(out)
	return slices.Compact(out)
}
