package plan

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"scopegate/internal/lint"
	"scopegate/mapping"
)

// Text writes a plan for people: what changes, who gains, who loses, how large
// policies become, what lint then finds, and what a write would refuse. Nothing of
// a plan is left out but policies that stay as they are. The error is w's.
func Text(w io.Writer, p Plan) error {
	t := &text{Plan: p}
	t.changes()
	t.access("gains", "nobody gains anything", p.Gains, p.GainsTotal)
	t.access("losses", "nobody loses anything", p.Losses, p.LossesTotal)
	t.list("routes that nobody may call", p.Orphans)
	t.sizes()
	t.findings("resolved", p.Resolved, func(p Policy) int { return p.Before })
	after := func(p Policy) int { return p.After }
	t.findings("new findings", p.Findings, after)
	t.findings("refused unless forced", p.Blocking, after)
	if p.Truncated {
		t.line("This is not all of it: there was too much, or no time to make every policy.")
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// text is a plan being written.
type text struct {
	Plan
	strings.Builder
}

// line writes one line, in which nothing moves a terminal's cursor.
func (t *text) line(format string, args ...any) {
	t.WriteString(plain(fmt.Sprintf(format, args...)) + "\n")
}

// plain is a text without control characters.
func plain(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// changes writes what is put and taken away.
func (t *text) changes() {
	q, r := t.Permissions, t.Routes
	t.line("plan for %s %s, against revision %s", t.ARN, t.Stage, t.Revision)
	t.line("")
	t.line("permissions: %d added, %d removed, %d changed, %d unchanged", len(q.Added), len(q.Removed), len(q.Changed), q.Unchanged)
	for _, p := range q.Added {
		t.line("  + %s", describe(p))
	}
	for _, p := range q.Removed {
		t.line("  - %s", describe(p))
	}
	for _, c := range q.Changed {
		t.line("  ~ %s: %s", describe(c.Before), strings.Join(c.changes(), ", "))
	}
	if len(r.Added)+len(r.Removed) > 0 {
		t.line("routes: %d registered, %d deleted", len(r.Added), len(r.Removed))
	}
	for _, name := range r.Added {
		t.line("  + %s", name)
	}
	for _, name := range r.Removed {
		t.line("  - %s", name)
	}
	for _, f := range t.Head {
		t.line("%s: %s -> %s", f.Field, valueText(f.Field, f.Before), valueText(f.Field, f.After))
	}
	t.line("")
}

// describe is a permission as people write it.
func describe(p mapping.Permission) string {
	place := string(p.Verb)
	if p.Verb != mapping.Connect {
		place += " /" + p.Resource.String()
	}
	requires := p.Requires.String()
	if p.Registered {
		requires = "registered: nobody"
	}
	if !p.ExpiresAt.IsZero() {
		requires += ", until " + p.ExpiresAt.Format(time.RFC3339)
	}
	return place + " (" + requires + ")"
}

// changes says what of a permission becomes what.
func (c Changed) changes() []string {
	var list []string
	if b, a := c.Before, c.After; !b.ExpiresAt.Equal(a.ExpiresAt) {
		list = append(list, "until "+untilText(a.ExpiresAt))
	}
	if b, a := c.Before.Description, c.After.Description; b != a {
		list = append(list, fmt.Sprintf("description %q -> %q", b, a))
	}
	if b, a := c.Before.Resource.String(), c.After.Resource.String(); b != a {
		list = append(list, "written /"+a)
	}
	return list
}

func untilText(at time.Time) string {
	if at.IsZero() {
		return "further notice"
	}
	return at.Format(time.RFC3339)
}

// access writes gains or losses: callers to whom the same happens together.
func (t *text) access(title, none string, list []Access, total int) {
	if len(list) == 0 {
		t.line("%s: %s", title, none)
		t.line("")
		return
	}
	t.line("%s", title)
	for _, g := range grouped(list) {
		for _, name := range g.callers {
			t.line("  %s", name)
		}
		for _, route := range g.routes {
			t.line("      %s", route)
		}
	}
	if n := total - len(list); n > 0 {
		t.line("  and %d more", n)
	}
	t.line("")
}

// group are callers who gain or lose the same.
type group struct{ callers, routes []string }

// grouped puts callers together, in the order of the list.
func grouped(list []Access) []group {
	var names []string
	of := map[string][]Access{}
	for _, a := range list {
		name := a.who()
		if of[name] == nil {
			names = append(names, name)
		}
		of[name] = append(of[name], a)
	}
	var groups []group
	at := map[string]int{}
	for _, name := range names {
		routes := routeTexts(of[name])
		key := strings.Join(routes, "\n")
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, group{routes: routes})
		}
		groups[i].callers = append(groups[i].callers, name)
	}
	return groups
}

// who is the caller that an access is told of.
func (a Access) who() string {
	name := a.Requirement
	if a.Caller.PrincipalType != "" {
		name += ", " + string(a.Caller.PrincipalType)
	}
	if from := a.Caller.Tenant + a.Caller.Issuer; from != "" {
		name += ", of " + from
	}
	if a.Caller.Audience != "" {
		name += ", for " + a.Caller.Audience
	}
	return name
}

// routeTexts are the routes of one caller, the methods of one path together.
func routeTexts(list []Access) []string {
	type place struct {
		path        string
		from, until time.Time
		witness     string
	}
	var places []place
	methods := map[place][]mapping.Verb{}
	for _, a := range list {
		method, path, _ := strings.Cut(a.Route, " ")
		p := place{path, a.From.UTC(), a.Until.UTC(), a.Witness}
		if methods[p] == nil {
			places = append(places, p)
		}
		methods[p] = append(methods[p], mapping.Verb(method))
	}
	slices.SortStableFunc(places, func(x, y place) int { return cmp.Compare(x.path, y.path) })
	texts := make([]string, len(places))
	for i, p := range places {
		text := strings.TrimSpace(methodsText(methods[p]) + " " + p.path)
		if p.witness != "" {
			text += ", not as such but as " + p.witness
		}
		if !p.from.IsZero() {
			text += ", from " + p.from.Format(time.RFC3339)
		}
		if !p.until.IsZero() {
			text += ", until " + p.until.Format(time.RFC3339)
		}
		texts[i] = text
	}
	return texts
}

func methodsText(verbs []mapping.Verb) string {
	if len(verbs) == len(mapping.Methods) {
		return string(mapping.Any)
	}
	texts := make([]string, len(verbs))
	for i, v := range verbs {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

func (t *text) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.line("%s", title)
	for _, one := range items {
		t.line("  %s", one)
	}
	t.line("")
}

// sizes writes the policies that change, and those that do not fit.
func (t *text) sizes() {
	list := slices.DeleteFunc(slices.Clone(t.Policies), func(p Policy) bool { return p.Before == p.After && p.Fits })
	if len(list) == 0 || t.Budget == 0 {
		return
	}
	t.line("policies that change, in bytes (%d may be)", t.Budget)
	var rows strings.Builder
	columns := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, p := range list {
		fits := ""
		if !p.Fits {
			fits = ": does not fit"
		}
		fmt.Fprintf(columns, "%d\t->\t%d\t%d %%\t  %s%s\n", p.Before, p.After, 100*p.After/t.Budget, plain(p.Name), fits)
	}
	columns.Flush()
	for row := range strings.Lines(rows.String()) {
		t.line("%s", strings.TrimRight(row, "\n"))
	}
	t.line("")
}

// findings writes what lint says.
func (t *text) findings(title string, list []lint.Finding, bytes func(Policy) int) {
	if len(list) == 0 {
		return
	}
	r := lint.Result{ARN: t.ARN, Stage: t.Stage, MaxBytes: t.MaxBytes, Budget: t.Budget}
	for _, p := range t.Policies {
		r.Callers = append(r.Callers, lint.Caller{Name: p.Name, Bytes: bytes(p)})
	}
	t.line("%s", title)
	for _, f := range list {
		name := strings.ReplaceAll(string(f.Kind), "_", " ")
		for i, line := range r.Lines(f, 0) {
			if i > 0 {
				name = ""
			}
			t.line("  %-7s  %-15s  %s", severityText(f, i), name, line)
		}
	}
	t.line("")
}

func severityText(f lint.Finding, line int) string {
	if line > 0 {
		return ""
	}
	return string(f.Severity)
}
