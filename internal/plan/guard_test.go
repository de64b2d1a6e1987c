package plan_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/authorizer"
	"scopegate/internal/lint"
	"scopegate/internal/plan"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
)

// flat writes findings by kind, route and caller.
func flat(list []lint.Finding) []string {
	texts := []string{}
	for _, f := range list {
		for _, caller := range f.Callers {
			texts = append(texts, fmt.Sprintf("%s %s %s", f.Kind, f.Route, caller))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// TestWhatAWriteRefuses shows which changes make somebody's calls impossible.
func TestWhatAWriteRefuses(t *testing.T) {
	closed := func(last string) []mapping.Permission {
		return []mapping.Permission{permission("GET", "u/{id}", "s1"), permission("GET", "u/{id}/a/settings", "s1"), permission("GET", "u/{id}/settings", last)}
	}
	var many []mapping.Permission
	for i := range 60 {
		many = append(many, permission("GET", fmt.Sprintf("a/long/way/to/number/%d/of/%x", i, i*7919), "s1"))
	}
	list := func(p ...mapping.Permission) []mapping.Permission { return p }
	cases := map[string]struct {
		before, after     []mapping.Permission
		blocked, warnings []string
	}{
		"nothing changes":       {closed("s2"), closed("s2"), nil, nil},
		"a route that is sound": {closed("s1"), append(closed("s1"), permission("GET", "x", "s1")), nil, nil},
		"a route that can be called on no path": {
			closed("s1"), closed("s2"), []string{"whole_collision GET /u/{id}/a/settings scope s1"}, nil,
		},
		"in a table that is new": {nil, closed("s2"), []string{"whole_collision GET /u/{id}/a/settings scope s1"}, nil},
		"one that was so before": {
			closed("s2"), append(closed("s2"), permission("GET", "u/{id}/more", "s1"), permission("GET", "u/{id}/other", "s3")), nil, nil,
		},
		"one that was so before, for somebody else": {
			closed("s2"), append(closed("s2"), permission("GET", "u/{id}", "s3"), permission("GET", "u/{id}/a/settings", "s3")),
			[]string{"whole_collision GET /u/{id}/a/settings scope s3"}, nil,
		},
		"one that begins later": {
			closed("s1"), append(closed("s2"), permission("GET", "u/{id}/settings", "s1", ends(time.Minute)...)),
			nil, []string{"whole_collision GET /u/{id}/a/settings scope s1"},
		},
		"a policy that does not fit":       {many[:1], many, []string{"too_large  scope s1"}, nil},
		"one that does not fit any more":   {many[:20], many, []string{"too_large  scope s1"}, nil},
		"one that did not fit before":      {many, append(many[:50:50], permission("GET", "y", "s1")), nil, nil},
		"one that nearly does":             {many[:1], many[:30], nil, []string{"large  scope s1"}},
		"one that nearly did not":          {many[:30], many[:25], nil, nil},
		"several scopes that are too many": {many[:1], append(many[:20:20], scoped("s2", many[20:40])...), nil, nil},
		"an end":                           {many, list(), nil, nil},
	}
	o := options
	o.MaxBytes = 448 + 3520 // of which 3520 are the policy document's
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			before, after := snapshot(c.before...), snapshot(c.after...)
			if c.before == nil {
				before = store.Snapshot{}
			}
			blocks, warnings, err := plan.Guard(t.Context(), before, after, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := flat(blocks); !slices.Equal(got, c.blocked) {
				t.Errorf("blocked by %q, want %q", got, c.blocked)
			}
			if got := flat(warnings); !slices.Equal(got, c.warnings) {
				t.Errorf("warned of %q, want %q", got, c.warnings)
			}
		})
	}
}

// scoped are permissions with another scope.
func scoped(scope string, list []mapping.Permission) []mapping.Permission {
	list = slices.Clone(list)
	for i := range list {
		list[i].Requires.Scopes = []string{scope}
	}
	return list
}

// trouble is what makes calls of a caller impossible, asked of his policy alone.
func trouble(t *rapid.T, s store.Snapshot, k lint.Caller, budget int) map[string]bool {
	found := map[string]bool{}
	if s.API == (mapping.API{}) {
		return found
	}
	trust := s.Trust
	if len(trust) == 0 {
		trust = tabletest.Trust
	}
	table, err := mapping.NewTable(mapping.Source{API: s.API, Permissions: s.Permissions, Routes: s.Routes, Complete: s.Complete != nil, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	c := mapping.Caller{Issuer: k.Issuer, Tenant: k.Tenant, PrincipalType: k.PrincipalType, Scopes: k.Scopes, Roles: k.Roles, Groups: k.Groups}
	if c.Tenant != "" {
		c.Issuer = "https://idp.example"
	}
	for _, e := range trust {
		if e.Tenant == c.Tenant && (e.Tenant != "" || e.Issuer == c.Issuer) {
			c.Audience = e.Audiences[0]
		}
	}
	held := table.Held(c, tabletest.Now)
	if held.Len() == 0 {
		return found
	}
	compiled := policy.Prepare(table).Compile(held, tabletest.Now, budget)
	if compiled.TooLarge() {
		found["too_large "] = true
	}
	for _, x := range compiled.Report().Collisions {
		if x.Whole && x.From == "" {
			found["whole_collision "+x.Route] = true
		}
	}
	return found
}

// TestAWriteRefusesWhatIsNewAndNothingElse: for each caller of a single permission
// set what his policy before and after says, on random edits; and a plan says that
// it will be refused.
func TestAWriteRefusesWhatIsNewAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdit(t)
		for _, s := range []*store.Snapshot{&e.before, &e.after} {
			s.Permissions = s.Permissions[:min(len(s.Permissions), 6)] // policies take their time
		}
		if rapid.IntRange(0, 9).Draw(t, "new") == 0 {
			e.before = store.Snapshot{}
		}
		o := options
		o.MaxBytes = rapid.SampledFrom([]int{8192, 1500, 1024, 800}).Draw(t, "bytes")
		blocks, warnings, err := plan.Guard(t.Context(), e.before, e.after, o)
		if err != nil {
			t.Fatal(err)
		}
		budget := authorizer.DocumentBudget(o.MaxBytes)
		want := []string{}
		for _, k := range singles(t, e.after, budget) {
			was := trouble(t, e.before, k, budget)
			for one := range trouble(t, e.after, k, budget) {
				if !was[one] {
					want = append(want, one+" "+k.Name)
				}
			}
		}
		slices.Sort(want)
		if got := flat(blocks); !slices.Equal(got, want) {
			t.Fatalf("blocked by %q, want %q", got, want)
		}
		if rapid.IntRange(0, 2).Draw(t, "planned") == 0 {
			p, err := plan.Make(t.Context(), e.before, e.after, o)
			if got := flat(p.Blocking); err != nil || !slices.Equal(got, want) {
				t.Fatalf("the plan is blocked by %q, want %q, %v", got, want, err)
			}
		}
		for _, f := range warnings {
			if f.Severity != lint.Warning {
				t.Fatalf("warned of %+v", f)
			}
		}
	})
}

// singles are the callers of a single permission set that lint makes up.
func singles(t *rapid.T, s store.Snapshot, budget int) []lint.Caller {
	of := lint.Table{API: s.API, Routes: s.Routes, Complete: s.Complete != nil, Trust: s.Trust}
	for _, p := range s.Permissions {
		of.Entries = append(of.Entries, lint.Entry{Permission: p})
	}
	c, err := lint.New(of, lint.Options{Now: tabletest.Now, Budget: budget, Configured: tabletest.Trust})
	if err != nil {
		t.Fatal(err)
	}
	return c.Singles()
}

func TestWhereEachRouteHasAPolicyOfItsOwnNoneIsTooLarge(t *testing.T) {
	o := options
	o.RouteScope, o.MaxBytes = true, 500
	before, after := store.Snapshot{}, snapshot(permission("GET", "u/{id}", "s1"), permission("GET", "u/{id}/x", "s1"))
	blocks, warnings, err := plan.Guard(t.Context(), before, after, o)
	if len(blocks)+len(warnings) > 0 || err != nil {
		t.Errorf("%v, %v, %v", blocks, warnings, err)
	}
	p, err := plan.Make(t.Context(), before, after, o)
	if len(p.Findings)+len(p.Policies)+len(p.Blocking) > 0 || p.Truncated || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAnEndedContextIsAnErrorAndNoVerdict(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	after := snapshot(permission("GET", "a", "s1"))
	if _, _, err := plan.Guard(ctx, store.Snapshot{}, after, options); !errors.Is(err, context.Canceled) {
		t.Errorf("guard: %v", err)
	}
	if _, err := plan.Make(ctx, store.Snapshot{}, after, options); !errors.Is(err, context.Canceled) {
		t.Errorf("plan: %v", err)
	}
}
