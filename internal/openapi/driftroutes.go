package openapi

import (
	"fmt"
	"slices"
	"strings"

	"scopegate/mapping"
)

// fate is what became of a route for one method. The zero fate is "as it should
// be".
type fate struct {
	list    *[]Drifted
	by, why string
}

// judge asks for the fate of a route for each method that it stands for, and
// reports ANY once where all of them fare alike.
func judge(r mapping.Route, of func(mapping.Verb) fate) {
	verbs := r.Verb.Methods()
	fates := make([]fate, len(verbs))
	same := true
	for i, v := range verbs {
		fates[i] = of(v)
		same = same && fates[i] == fates[0]
	}
	if same {
		verbs = []mapping.Verb{r.Verb}
	}
	for i, v := range verbs {
		if f := fates[i]; f.list != nil {
			*f.list = append(*f.list, Drifted{Route: name(v, r.Resource), By: f.by, Why: f.why})
		}
	}
}

// tables finds the fates of the table's routes.
func (c *comparison) tables() {
	c.refined, c.within = map[routeKey]int{}, map[routeKey][]string{}
	for _, r := range c.table.routes {
		judge(r, func(v mapping.Verb) fate { return c.tableFate(v, r.Resource) })
	}
}

func (c *comparison) tableFate(v mapping.Verb, r mapping.Resource) fate {
	switch {
	case v == mapping.Connect:
		return fate{list: &c.report.Orphaned, why: "a document describes no WebSocket API"}
	case c.document.declares(r, v):
		return fate{}
	}
	found, whole := c.document.answering(v, r)
	for _, t := range found {
		c.refined[routeKey{t.Resource.Shape(), v}]++
	}
	by := templates(found)
	switch {
	// HTTP APIs go on to {proxy+} and $default, REST APIs answer 403 (AWS: "Create
	// routes for HTTP APIs in API Gateway").
	case c.document.shapes[r.Shape()] && (c.kind != HTTPExport || !whole):
		return fate{list: &c.report.Unreachable, why: "the document declares the path, not this method"}
	case len(found) == 0:
		return fate{list: &c.report.Orphaned}
	case !whole:
		return fate{list: &c.report.Orphaned, by: by, why: "the document has a part of its paths only"}
	}
	for _, t := range found {
		if !greedy(t.Resource) && c.table.declares(t.Resource, v) {
			return fate{&c.report.Unreachable, by, "API Gateway routes its requests to the other, which the table knows as well: Scopegate refuses what the two route differently"}
		}
	}
	for _, t := range found {
		key := routeKey{t.Resource.Shape(), v}
		c.within[key] = append(c.within[key], r.Shape())
	}
	return fate{list: &c.report.Within, by: by}
}

// patterns finds those of the table that no route of the document meets.
func (c *comparison) patterns() {
	for _, p := range c.current(c.table.patterns) {
		met := slices.ContainsFunc(c.document.routes, func(r mapping.Route) bool {
			sameVerb := p.Verb == r.Verb || p.Verb == mapping.Any || r.Verb == mapping.Any
			return sameVerb && meets(p.Resource.String(), r.Resource)
		})
		if !met {
			c.report.Orphaned = append(c.report.Orphaned, Drifted{Route: name(p.Verb, p.Resource), Why: "a pattern that meets no route of the document"})
		}
	}
}

// documents finds the fates of the document's routes.
func (c *comparison) documents() {
	for _, r := range c.document.routes {
		judge(r, func(v mapping.Verb) fate { return c.documentFate(v, r.Resource) })
		if c.Requirements {
			c.differ(r)
		}
	}
}

func (c *comparison) documentFate(v mapping.Verb, r mapping.Resource) fate {
	if c.table.declares(r, v) {
		return fate{}
	}
	found, whole := c.table.answering(v, r)
	if whole {
		return fate{list: &c.report.Covered, by: templates(found)}
	}
	if patterns := c.covering(v, r); len(patterns) > 0 {
		return fate{list: &c.report.Covered, by: name(patterns[0].Verb, patterns[0].Resource), why: "a pattern"}
	}
	n := c.refined[routeKey{r.Shape(), v}]
	switch {
	case n > 0 && greedy(r):
		return fate{list: &c.report.Covered, why: fmt.Sprintf("the table has %d of its routes; whatever else it stands for is denied", n)}
	case n > 0 || len(found) > 0:
		return fate{list: &c.report.Unmapped, by: templates(found), why: "the table has a part of its paths only"}
	}
	return fate{list: &c.report.Unmapped}
}

// covering lists the table's patterns that grant every path of a route.
func (c *comparison) covering(v mapping.Verb, r mapping.Resource) []mapping.Permission {
	return slices.DeleteFunc(c.current(c.table.patterns), func(p mapping.Permission) bool {
		return p.Verb != v && p.Verb != mapping.Any || !p.Resource.Covers(r)
	})
}

func templates(list []*mapping.Template) string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

func greedy(r mapping.Resource) bool {
	s := r.Segments()
	return len(s) > 0 && s[len(s)-1].Kind == mapping.Greedy
}

func byShape(a, b mapping.Resource, v, w mapping.Verb) int {
	if c := strings.Compare(a.Shape(), b.Shape()); c != 0 {
		return c
	}
	return rank(v) - rank(w)
}
