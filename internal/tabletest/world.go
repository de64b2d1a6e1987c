package tabletest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"scopegate/mapping"
)

// World is a table, all that it was made of, and a caller of it.
type World struct {
	Source mapping.Source
	Table  *mapping.Table
	Caller mapping.Caller
	Held   mapping.Held // at Now
	// End is the last instant of the caller's token. It lies before, between and
	// after the expiries of permissions.
	End time.Time

	words []string // that the table's literals are drawn from
	verbs []string // and its verbs
}

// themes are words that tables draw their literals from: those of one theme
// begin alike, are parts of one another, or are written in odd characters.
var themes = [][]string{
	{"a", "b", "users", "me", "k:1"},
	{"f", "fo", "foo", "foox", "re", "registry", "registries"},
	{"v2", "user", "users", "users-admin", "reserved_ips", "reserved_ipv6"},
	{"a:b", "ü", ".x", "...", "A", "a", "GET", "x.y", "a b", `q"\`, "a@b,c;d&e", "\u2028"},
	{"a", "b"},
	{"ü", "üa", "é", "日本", "日光", "u"},
}

// themesOfVerbs let two methods share a glob, or none.
var themesOfVerbs = [][]string{
	{"GET"},
	{"GET", "PUT"},
	{"GET", "GET", "PUT", "POST", "HEAD"},
	{"GET", "POST", "ANY"},
	{"GET", "PUT", "POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "ANY"},
}

// DrawWorld draws a table of API, complete or not, and a caller.
func DrawWorld(t *rapid.T) World { return DrawWorldOf(t, API) }

// DrawWorldOf draws a table of any stage, and a caller.
func DrawWorldOf(t *rapid.T, api mapping.API) World {
	w := World{
		words: rapid.SampledFrom(themes).Draw(t, "words"),
		verbs: rapid.SampledFrom(themesOfVerbs).Draw(t, "verbs"),
	}
	w.Source = mapping.Source{API: api, Trust: Trust, Complete: rapid.IntRange(0, 3).Draw(t, "complete") > 0}
	w.Source.Permissions, w.Source.Routes = w.drawPermissions(t)
	w.Caller = Caller(rapid.SampledFrom(callers).Draw(t, "caller")...)
	minutes := rapid.SampledFrom([]time.Duration{60, 60, 60, 1, 2, 3}).Draw(t, "minutes of the token")
	w.End = Now.Add(minutes * time.Minute)
	if minutes < 60 && rapid.Bool().Draw(t, "between expiries") {
		w.End = w.End.Add(-30 * time.Second)
	}
	return w.Settle()
}

var callers = [][]string{{"s1"}, {"s1"}, {"s1", "s2"}, {"s1", "s2"}, {"s1", "s3"}, {"s2"}, {"s1", "s2", "s3"}, {}}

// Settle makes the table and the held set anew, after a change of Source or
// Caller.
func (w World) Settle() World {
	table, err := mapping.NewTable(w.Source)
	if err != nil {
		panic(err)
	}
	w.Table = table
	w.Held = table.Held(w.Caller, Now)
	return w
}

// Instants are those at which a policy may change its mind, none before Now:
// before, at and after each expiry and the token's end.
func (w World) Instants() []time.Time {
	list := []time.Time{Now}
	around := func(at time.Time) {
		for _, d := range []time.Duration{-time.Second, 0, time.Second} {
			if i := at.Add(d); i.After(Now) {
				list = append(list, i)
			}
		}
	}
	around(w.End)
	for _, p := range w.Source.Permissions {
		if !p.ExpiresAt.IsZero() {
			around(p.ExpiresAt)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}

// draft is what the permissions of one table are drawn with.
type draft struct {
	World
	routes   []string // drawn so far
	patterns bool
	expiring bool
}

func (w World) drawPermissions(t *rapid.T) ([]mapping.Permission, []mapping.Route) {
	d := &draft{World: w, patterns: rapid.IntRange(0, 3).Draw(t, "patterns") == 0, expiring: rapid.IntRange(0, 1).Draw(t, "expiring") == 1}
	var list []mapping.Permission
	var routes []mapping.Route
	ids := map[string]bool{}
	most := rapid.SampledFrom([]int{6, 12, 12, 12, 24}).Draw(t, "at most")
	for range rapid.IntRange(1, most).Draw(t, "permissions") {
		p := d.draw(t)
		p.API = w.Source.API
		if route, ok := p.Route(); ok && rapid.IntRange(0, 5).Draw(t, "only a route") == 0 {
			routes = append(routes, route)
			continue
		}
		if !ids[p.ID()] {
			ids[p.ID()] = true
			list = append(list, p)
		}
	}
	return list, routes
}

func (d *draft) draw(t *rapid.T) mapping.Permission {
	verb := rapid.SampledFrom(d.verbs).Draw(t, "verb")
	scope := rapid.SampledFrom([]string{"s1", "s1", "s1", "s2", "s2", "s3", "s1 s2", ""}).Draw(t, "scope")
	resource := d.drawRoute(t)
	d.routes = append(d.routes, resource)
	switch {
	case scope != "" && d.patterns && rapid.IntRange(0, 2).Draw(t, "pattern") == 0:
		resource = drawPatternOf(t, resource)
	case rapid.IntRange(0, 60).Draw(t, "connect") == 0:
		verb, resource = string(mapping.Connect), ""
	}
	if scope == "" || !d.expiring || rapid.IntRange(0, 2).Draw(t, "expires") == 0 {
		return Permission(verb, resource, scope)
	}
	at := Now.Add(time.Duration(rapid.IntRange(-1, 4).Draw(t, "expiry")) * time.Minute)
	return Permission(verb, resource, scope, "expiresAt", at.Format(time.RFC3339))
}

// drawRoute draws a route, often one that differs little from an earlier one.
func (d *draft) drawRoute(t *rapid.T) string {
	if len(d.routes) == 0 || rapid.IntRange(0, 2).Draw(t, "new") == 0 {
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "segments") {
			parts = append(parts, d.drawPart(t))
		}
		return d.drawTail(t, parts)
	}
	parts := strings.Split(strings.Trim(rapid.SampledFrom(d.routes).Draw(t, "earlier"), "/"), "/")
	last := len(parts) - 1
	if parts[last] == "" || parts[last] == "{p+}" {
		parts = parts[:last]
	}
	switch change := rapid.IntRange(0, 4).Draw(t, "change"); {
	case change <= 1 || len(parts) == 0:
		parts = append(parts, d.drawPart(t))
	case change == 2:
		parts[rapid.IntRange(0, len(parts)-1).Draw(t, "which")] = d.drawPart(t)
	case change == 3:
		parts = parts[:len(parts)-1]
	}
	return d.drawTail(t, parts)
}

func (d *draft) drawPart(t *rapid.T) string {
	if rapid.IntRange(0, 9).Draw(t, "parameter") < 4 {
		return "{" + rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name") + "}"
	}
	return rapid.SampledFrom(d.words).Draw(t, "word")
}

func (d *draft) drawTail(t *rapid.T, parts []string) string {
	route := strings.Join(parts, "/")
	switch rapid.IntRange(0, 15).Draw(t, "tail") {
	case 14:
		return strings.TrimPrefix(route+"/{p+}", "/")
	case 15:
		if route != "" {
			return route + "/"
		}
	}
	return route
}

// drawPatternOf draws a pattern that has something in common with a route.
func drawPatternOf(t *rapid.T, route string) string {
	parts := strings.Split(route, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "*"
		}
	}
	text := strings.Join(parts, "/")
	switch rapid.IntRange(0, 4).Draw(t, "shape") {
	case 0:
		text = text[:rapid.IntRange(0, len(text)).Draw(t, "cut")] + "*"
	case 1:
		text = "*" + text[rapid.IntRange(0, len(text)).Draw(t, "cut"):]
	case 2:
		text += "/*"
	case 3:
		text += "*/"
	}
	// Cut in the middle of a character or left without a * it is none.
	if r, err := mapping.ParseResource(text); err != nil || !r.IsPattern() {
		return "*"
	}
	return text
}

// String lists what a test of one table would need.
func (w World) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "complete: %v, caller: %q, the token ends %v later\n", w.Source.Complete, w.Caller.Scopes, w.End.Sub(Now))
	for _, p := range w.Source.Permissions {
		fmt.Fprintf(&b, "%s /%s needs %q", p.Verb, p.Resource, p.Requires)
		if !p.ExpiresAt.IsZero() {
			fmt.Fprintf(&b, " and ends %v later", p.ExpiresAt.Sub(Now))
		}
		b.WriteString("\n")
	}
	for _, r := range w.Source.Routes {
		fmt.Fprintf(&b, "%s /%s is registered\n", r.Verb, r.Resource)
	}
	return b.String()
}
