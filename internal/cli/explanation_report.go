package cli

import (
	"fmt"
	"strings"

	"scopegate/authorizer"
	"scopegate/policy"
)

// reportRows writes the report on a compiled policy for people, its resources
// without what all of them begin with.
func reportRows(out *strings.Builder, x authorizer.Explanation, wanted bool) {
	if !wanted {
		return
	}
	r := x.Report()
	short := func(resource string) string { return resource }
	if arn, err := policy.ParseARN(x.MethodARN); err == nil {
		short = func(resource string) string { return strings.TrimPrefix(resource, arn.API.String()+"/") }
	}
	size := fmt.Sprint(r.Bytes)
	if r.Budget > 0 {
		size += fmt.Sprintf(" of %d", r.Budget)
	}
	rows(out, "report", []string{size + " bytes without what this call adds, " + counted(r.Resources, "resource")})
	steps := r.Steps
	if len(steps) == 0 {
		steps = []string{"none: the policy is exact"}
	}
	rows(out, "steps", steps)
	var folds, guards, collisions, unguarded []string
	for _, f := range r.Folds {
		folds = append(folds, fmt.Sprintf("%s stands for %s", short(f.Resource), strings.Join(f.Routes, ", ")))
	}
	for _, g := range r.Guards {
		guards = append(guards, short(g))
	}
	for _, c := range r.Collisions {
		collisions = append(collisions, collisionText(c, short(c.Deny)))
	}
	for _, u := range r.Unguarded {
		unguarded = append(unguarded, unguardedText(u, short(u.Allow)))
	}
	rows(out, "folds", folds)
	rows(out, "guards", guards)
	rows(out, "collides", collisions)
	rows(out, "unguarded", unguarded)
}

// collisionText says what collides. Of the Denies of all methods the report names
// one route.
func collisionText(c policy.Collision, deny string) string {
	route, how := c.Route, "some paths of it are"
	if strings.HasPrefix(deny, "*") {
		route, how = route+" and others", "some paths of them are"
	} else if c.Whole {
		how = "every path of it is"
	}
	text := fmt.Sprintf("%s: %s denied by %s, such as %s", route, how, deny, c.Witness)
	if c.From != "" {
		text += ", from " + c.From + " on"
	}
	return text
}

// rows writes lines under one name; none says so.
func rows(out *strings.Builder, name string, lines []string) {
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	for _, line := range lines {
		fmt.Fprintf(out, "%-9s %s\n", name, printable(line))
		name = ""
	}
}
