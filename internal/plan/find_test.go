package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/internal/lint"
	"scopegate/internal/plan"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

// kinds lists the kinds of findings, each once.
func kinds(list []lint.Finding) []lint.Kind {
	var all []lint.Kind
	for _, f := range list {
		if !slices.Contains(all, f.Kind) {
			all = append(all, f.Kind)
		}
	}
	return all
}

// TestAPlanFindsWhatIsNewAndWhatIsResolved, and not what was so before.
func TestAPlanFindsWhatIsNewAndWhatIsResolved(t *testing.T) {
	old := []mapping.Permission{permission("GET", "u/{id}", "s1"), permission("GET", "u/{id}/posts", "s1")} // unguarded below
	closed := append(slices.Clone(old), permission("GET", "u/{id}/a/settings", "s1"), permission("GET", "u/{id}/settings", "s2"))
	twice := append(slices.Clone(old), permission("ANY", "u/{id}", "s1"))
	stranger := append(slices.Clone(old), permission("GET", "x", "s1", "tenant", tenantB))
	cases := map[string]struct {
		before, after []mapping.Permission
		found         []lint.Kind
	}{
		"nothing":             {old, old, nil},
		"what policies close": {old, closed, []lint.Kind{lint.WholeCollision, lint.Unguarded}},
		"what says nothing":   {old, twice, []lint.Kind{lint.Duplicate}},
		"what nobody holds":   {old, stranger, []lint.Kind{lint.Unheld}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := planned(t, snapshot(c.before...), snapshot(c.after...))
			if got := kinds(p.Findings); !slices.Equal(got, c.found) {
				t.Errorf("found %q, want %q: %+v", got, c.found, p.Findings)
			}
			back := planned(t, snapshot(c.after...), snapshot(c.before...))
			if got := kinds(back.Resolved); !slices.Equal(got, c.found) || len(back.Findings) > 0 {
				t.Errorf("taken back, resolved %q, want %q; found %+v", got, c.found, back.Findings)
			}
		})
	}
}

// TestAPlanSaysWhatFoldingOpens: that a table is marked complete lets policies
// fold, and opens what no document declares.
func TestAPlanSaysWhatFoldingOpens(t *testing.T) {
	var list []mapping.Permission
	for _, group := range []string{"customers", "invoices", "shipments"} {
		for i := range 40 {
			list = append(list, permission("GET", fmt.Sprintf("v1/%s/of/the/company/%d-%x/summary", group, i, i*7919), "s1"))
		}
	}
	list = append(list, permission("GET", "v1/secrets/1", "s2"))
	before, after := snapshot(list...), snapshot(list...)
	after.Complete = &store.Complete{Source: "sha256:1", By: "me", At: tabletest.Now}
	p := planned(t, before, after)
	if !slices.Contains(kinds(p.Findings), lint.Folded) || !slices.Contains(kinds(p.Resolved), lint.TooLarge) || len(p.Blocking) > 0 {
		t.Errorf("found %q, resolved %q", kinds(p.Findings), kinds(p.Resolved))
	}
	if q := p.Policies[0]; q.Before <= p.Budget || q.After > p.Budget || !q.Fits {
		t.Errorf("%+v of %d bytes", q, p.Budget)
	}
	if len(p.Gains)+len(p.Losses) > 0 {
		t.Errorf("that it is complete changes what anybody may call: %+v, %+v", p.Gains, p.Losses)
	}
}

// TestAPlanWithoutTimeSaysWhatWasNotLookedAt, and tells who gains all the same.
func TestAPlanWithoutTimeSaysWhatWasNotLookedAt(t *testing.T) {
	o := options
	o.Patience = time.Nanosecond
	before := snapshot(permission("GET", "u/{id}", "s1"), permission("GET", "u/{id}/x", "s1"))
	after := snapshot(permission("GET", "u/{id}", "s1"), permission("GET", "y", "s2"), permission("GET", "y", "s3", "tenant", tenantB))
	p, err := plan.Make(t.Context(), before, after, o)
	if err != nil || !p.Truncated {
		t.Fatalf("truncated %v, %v", p.Truncated, err)
	}
	at := slices.IndexFunc(p.Findings, func(f lint.Finding) bool { return f.Kind == lint.Unchecked })
	if at < 0 || !slices.Equal(p.Findings[at].Callers, []string{"scope s1", "scope s2", "all scopes"}) {
		t.Errorf("found %+v", p.Findings)
	}
	if !slices.Contains(kinds(p.Findings), lint.Unheld) || slices.Contains(kinds(p.Resolved), lint.Unguarded) {
		t.Errorf("found %q, resolved %q", kinds(p.Findings), kinds(p.Resolved))
	}
	if got := short(p.Gains); !slices.Equal(got, []string{"scope s2 GET /y"}) {
		t.Errorf("gains %q", got)
	}
}

// TestOrphansAreRoutesThatNobodyMayCall: not even later, nor by a pattern.
func TestOrphansAreRoutesThatNobodyMayCall(t *testing.T) {
	p := planned(t, snapshot(), snapshot(
		permission("GET", "open", "s1"), permission("GET", "closed", ""), permission("GET", "ended", "s1", ends(-time.Hour)...),
		permission("GET", "strange", "s1", "tenant", tenantB), permission("GET", "matched/{id}", ""), permission("GET", "matched/*", "s1"),
		permission("$connect", "", ""),
	))
	if want := []string{"GET /closed", "GET /ended", "GET /strange", "$connect"}; !slices.Equal(p.Orphans, want) {
		t.Errorf("orphans %q, want %q", p.Orphans, want)
	}
}

// telling is a change with something of everything.
func telling(t *testing.T) plan.Plan {
	t.Helper()
	before := snapshot(
		permission("GET", "users/{id}", "users.read"), permission("GET", "users/admin", "users.admin"), permission("ANY", "orders/{id}", "orders.all"),
		permission("GET", "old", "users.read"),
	)
	after := snapshot(
		permission("GET", "users/{userId}", "users.read"), permission("ANY", "orders/{id}", "orders.all", ends(time.Hour)...), permission("GET", "old", ""),
		permission("GET", "u/{id}", "w"), permission("GET", "u/{id}/a/settings", "w"), permission("GET", "u/{id}/settings", "v"), permission("GET", "u/{id}/settings", "x"),
	)
	after.Name = "orders"
	return planned(t, before, after)
}

// TestTextTellsAllOfAPlan, in words: each line holds what belongs together.
func TestTextTellsAllOfAPlan(t *testing.T) {
	p := telling(t)
	var b strings.Builder
	if err := plan.Text(&b, p); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	has := func(lines []string, words ...string) bool {
		return slices.ContainsFunc(lines, func(line string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
		})
	}
	part := func(title string) []string {
		from := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, title) })
		if from < 0 {
			t.Fatalf("no part %q in\n%s", title, b.String())
		}
		return lines[from : from+slices.Index(lines[from:], "")]
	}
	for _, c := range []struct {
		part  string
		words []string
	}{
		{"plan", []string{tabletest.API.ARN, tabletest.API.Stage, "1-a"}},
		{"permissions", []string{"+ GET /u/{id} (scope w)"}},
		{"permissions", []string{"- GET /users/admin (scope users.admin)"}},
		{"permissions", []string{"~ ANY /orders/{id}", "until 2030-01-01T13:00:00Z"}},
		{"permissions", []string{"~ GET /users/{id}", "/users/{userId}"}},
		{"permissions", []string{"routes: 3 registered, 1 deleted"}},
		{"permissions", []string{"name", `"orders"`}},
		{"gains", []string{"scope users.read"}},
		{"gains", []string{"GET /users/admin"}},
		{"losses", []string{"ANY /orders/{id}, from 2030-01-01T13:00:00Z"}},
		{"routes that nobody", []string{"GET /old"}},
		{"policies", []string{"scope w", "0  ->"}},
		{"new findings", []string{"error", "whole collision", "GET /u/{id}/a/settings", "scope w"}},
		{"refused", []string{"whole collision"}},
	} {
		if !has(part(c.part), c.words...) {
			t.Errorf("%s: no line with %q in\n%s", c.part, c.words, b.String())
		}
	}
	// Who gains the same stands together.
	gains := part("gains")
	if at := slices.Index(gains, "  scope v"); at < 0 || gains[at+1] != "  scope x" || gains[at+2] != "      GET /u/{id}/settings" {
		t.Errorf("not together:\n%s", b.String())
	}
}

// TestAPlanFromTheNetworkReadsTheSame: the command gets plans as JSON.
func TestAPlanFromTheNetworkReadsTheSame(t *testing.T) {
	p := telling(t)
	sent, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got plan.Plan
	if err := json.Unmarshal(sent, &got); err != nil {
		t.Fatal(err)
	}
	var here, there strings.Builder
	if err := plan.Text(&here, p); err != nil {
		t.Fatal(err)
	}
	if err := plan.Text(&there, got); err != nil || here.String() != there.String() {
		t.Errorf("here\n%s\nthere (%v)\n%s", here.String(), err, there.String())
	}
	if bytes.Contains(sent, []byte("null")) && len(p.Head) == 0 {
		t.Errorf("lists are never null: %s", sent)
	}
}

// TestAnEmptyPlanHasNoNulls: programs range over its lists.
func TestAnEmptyPlanHasNoNulls(t *testing.T) {
	for name, o := range map[string]plan.Options{"policies": options, "routes": {Now: tabletest.Now, RouteScope: true}} {
		p, err := plan.Make(t.Context(), store.Snapshot{}, store.Snapshot{}, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p)
		if err != nil || bytes.Contains(b, []byte("null")) {
			t.Errorf("%s: %s, %v", name, b, err)
		}
		var text strings.Builder
		if err := plan.Text(&text, p); err != nil || !strings.Contains(text.String(), "nobody gains") || !strings.Contains(text.String(), "nobody loses") {
			t.Errorf("%s: %v\n%s", name, err, text.String())
		}
	}
}

// TestTextDoesNotMoveTheCursor: a plan may come from anywhere.
func TestTextDoesNotMoveTheCursor(t *testing.T) {
	p := plan.Plan{
		Head:   []plan.Field{{Field: "name", Before: "a", After: "\x1b[2J"}},
		Gains:  []plan.Access{{Requirement: "scope \x1b[2J", Route: "GET /\n\x1b[1A"}},
		Budget: 1, Policies: []plan.Policy{{Name: "\x1b\n", After: 2}}, Orphans: []string{"\x1b]0;"},
		Findings: []lint.Finding{{Kind: "later\x1b", Callers: []string{"\x1b"}}},
	}
	var b strings.Builder
	if err := plan.Text(&b, p); err != nil || strings.ContainsAny(b.String(), "\x1b\r") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
