package lint_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

func checker(t rapid.TB, of lint.Table, o lint.Options) *lint.Checker {
	t.Helper()
	c, err := lint.New(of, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPoliciesThatRestOnTheSameAreTheSame: of two tables a caller gets one and the
// same policy and report if it rests on the same, whatever else they hold.
func TestPoliciesThatRestOnTheSameAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := tabletest.DrawWorld(t)
		w.Source.Permissions = w.Source.Permissions[:min(len(w.Source.Permissions), 6)] // policies take their time
		var some []mapping.Permission
		routes := slices.Clone(w.Source.Routes)
		for _, p := range w.Source.Permissions {
			switch fate := rapid.IntRange(0, 4).Draw(t, "fate"); {
			case fate == 1 && !p.Registered:
				ended := p
				ended.ExpiresAt = tabletest.Now.Add(time.Minute)
				some = append(some, ended)
			case fate > 1:
				some = append(some, p)
			}
			if r, ok := p.Route(); ok && rapid.IntRange(0, 20).Draw(t, "deleted") > 0 {
				routes = append(routes, r)
			}
		}
		all := lint.Table{API: w.Source.API, Entries: entries(w.Source.Permissions...), Routes: routes, Complete: w.Source.Complete, Trust: w.Source.Trust}
		less := all
		less.Entries = entries(some...)
		o := within(rapid.SampledFrom([]int{7680, 700}).Draw(t, "budget"))
		a, b := checker(t, all, o), checker(t, less, o)
		var memo lint.Memo
		callers := a.Callers()
		a.Weigh(t.Context(), callers, &memo)
		memoed := b.Weigh(t.Context(), callers, &memo)
		plain := b.Weigh(t.Context(), callers, nil)
		if got, want := mustJSON(t, b.Result(t.Context(), memoed)), mustJSON(t, b.Result(t.Context(), plain)); got != want {
			t.Fatalf("with what is known of another table:\n%s\nwithout:\n%s", got, want)
		}
	})
}

func mustJSON(t rapid.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWhatWasNotMadeIsSaid: at the end of its time Weigh says whose policies it
// did not make, and finds nothing about them.
func TestWhatWasNotMadeIsSaid(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := checker(t, table(tabletest.Permission("GET", "u/{id}", "s1"), tabletest.Permission("GET", "u/me", "s2")), options)
	w := c.Weigh(ctx, c.Callers(), nil)
	want := []string{"scope s1", "scope s2", "all scopes"}
	if got := w.Unmade(); !slices.Equal(got, want) {
		t.Errorf("not made: %q, want %q", got, want)
	}
	found := w.Findings()
	if len(found) != 1 || found[0].Kind != lint.Unchecked || !slices.Equal(found[0].Callers, want) || len(w.Callers()) > 0 {
		t.Errorf("found %+v, callers %+v", found, w.Callers())
	}
}

// TestWhatIsKnownNeedsNoTime: at the end of it the memo still answers.
func TestWhatIsKnownNeedsNoTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := checker(t, table(tabletest.Permission("GET", "u/{id}", "s1"), tabletest.Permission("GET", "u/me", "s2")), options)
	var memo lint.Memo
	made := c.Weigh(t.Context(), c.Singles(), &memo)
	w := c.Weigh(ctx, c.Callers(), &memo)
	if got := w.Unmade(); !slices.Equal(got, []string{"all scopes"}) || len(w.Callers()) != 2 {
		t.Errorf("not made: %q, made %+v", got, w.Callers())
	}
	// Whoever was not looked at before is not told as news.
	if got := made.Since(c.Weigh(ctx, c.Singles(), nil)).Findings(); len(got) != 1 || got[0].Kind != lint.Unchecked {
		t.Errorf("since nobody knows when: %+v", got)
	}
}

// TestWhatWasSoBeforeIsNoNews, of each caller by himself.
func TestWhatWasSoBeforeIsNoNews(t *testing.T) {
	p := tabletest.Permission
	before := []mapping.Permission{p("GET", "u/{id}", "s1"), p("GET", "u/{id}/a/settings", "s1"), p("GET", "u/{id}/settings", "s2")}
	other := []mapping.Permission{p("GET", "u/{id}", "s3"), p("GET", "u/{id}/a/settings", "s3")}
	weighed := func(list []mapping.Permission) lint.Weights {
		c := checker(t, table(list...), options)
		return c.Weigh(t.Context(), c.Callers(), nil)
	}
	was, is := weighed(before), weighed(append(slices.Clone(before), other...))
	if got := is.Since(is).Findings(); len(got) > 0 {
		t.Errorf("since itself: %+v", got)
	}
	for _, f := range is.Since(was).Findings() {
		if slices.Contains(f.Callers, "scope s1") || slices.Contains(f.Callers, "scope s2") {
			t.Errorf("it was so before: %+v", f)
		}
		if f.Kind == lint.WholeCollision && !slices.Equal(f.Callers, []string{"scope s3"}) {
			t.Errorf("of somebody else: %+v", f)
		}
	}
	if n := len(found(lint.Result{Findings: is.Since(was).Findings()}, lint.WholeCollision)); n != 1 {
		t.Errorf("%d routes are closed to scope s3, want 1", n)
	}
}
