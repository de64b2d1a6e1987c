package lint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

const (
	tenantA = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11" // tabletest.Trust's
	tenantB = "11111111-2222-4333-8444-555555555555"
	issuer  = "https://idp.example"
)

// TestCallers shows for which callers policies are made, each of whom holds
// something that the ones before him do not.
func TestCallers(t *testing.T) {
	type members = map[string]any
	r := func(m members) mapping.Permission {
		return requirement(t, "GET", fmt.Sprintf("r%x", len(fmt.Sprint(m))), m)
	}
	two := []mapping.Trust{{Tenant: tenantA, Audiences: []string{"a"}}, {Tenant: tenantB, Audiences: []string{"b", "c"}}}
	cases := map[string]struct {
		trust       []mapping.Trust
		permissions []mapping.Permission
		want        []string
	}{
		"nobody, where nothing is granted": {
			nil, []mapping.Permission{tabletest.Permission("GET", "a", "")}, []string{},
		},
		"any authenticated caller, who is everybody": {
			nil, []mapping.Permission{r(members{"authenticated": true})}, []string{"any authenticated", "everything, user"},
		},
		"every scope, and all of them": {
			nil, []mapping.Permission{r(members{"scope": "s1"}), r(members{"scope": "s2 s2"})},
			[]string{"scope s1", "scope s2", "all scopes"},
		},
		"scopes that count together only": {
			nil, []mapping.Permission{r(members{"scope": "s1 s2"})}, []string{"scope s1 s2", "all scopes"},
		},
		"roles and groups, alone and together": {
			nil, []mapping.Permission{r(members{"role": "R"}), r(members{"group": "gg"})}, []string{"role R", "group gg", "everything, user"},
		},
		"apps have no scopes": {
			nil, []mapping.Permission{r(members{"role": "R"}), r(members{"scope": "s1"})},
			[]string{"role R", "scope s1", "all scopes", "everything, user", "everything, app"},
		},
		"apps and users, where they hold something else": {
			nil, []mapping.Permission{r(members{"role": "R", "principalType": "app"}), r(members{"role": "R", "scope": "s1"})},
			[]string{"role R, app", "scope s1, role R", "everything, user", "everything, app"},
		},
		"what is held besides by everybody": {
			nil, []mapping.Permission{r(members{"authenticated": true}), r(members{"scope": "s1 s2"})},
			[]string{"any authenticated", "scope s1 s2", "all scopes"},
		},
		"one of several tenants, where it makes no difference": {
			two, []mapping.Permission{r(members{"scope": "s1"})}, []string{"scope s1, of " + tenantA, "all scopes, of " + tenantA},
		},
		"of each tenant, where it does": {
			two, []mapping.Permission{r(members{"scope": "s1"}), r(members{"scope": "s1", "tenant": tenantB})},
			[]string{"scope s1, of " + tenantA, "scope s1, of " + tenantB, "all scopes, of " + tenantA, "all scopes, of " + tenantB},
		},
		"of another issuer, who does not say what they are": {
			[]mapping.Trust{{Issuer: issuer, Audiences: []string{"a"}}},
			[]mapping.Permission{r(members{"scope": "s1"}), r(members{"scope": "s2", "principalType": "user"})}, []string{"scope s1", "all scopes"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			list := table(c.permissions...)
			if c.trust != nil {
				list.Trust = c.trust
			}
			got := names(check(t, list, options))
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("callers %q, want %q", got, c.want)
			}
		})
	}
}

// minified is what the authorizer would write of a policy.
func minified(t rapid.TB, document any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// checkCallers looks whether each caller comes with the size of the very policy
// that he would get, the largest first, under a name of his own.
func checkCallers(t rapid.TB, of lint.Table, r lint.Result) {
	t.Helper()
	w := worldOf(t, of, r)
	seen := map[string]bool{}
	for i, k := range r.Callers {
		if want := len(minified(t, w.document(k))); k.Bytes != want || k.Fits != (want <= r.Budget) {
			t.Errorf("%s: %d bytes, fits %t; the policy has %d", k.Name, k.Bytes, k.Fits, want)
		}
		if held := w.table.Held(principal(k), options.Now).Len(); held != k.Permissions || held == 0 {
			t.Errorf("%s: holds %d, is said to hold %d", k.Name, held, k.Permissions)
		}
		if i > 0 && r.Callers[i-1].Bytes < k.Bytes {
			t.Errorf("%s comes after %s, which is smaller", k.Name, r.Callers[i-1].Name)
		}
		if seen[k.Name] {
			t.Errorf("two callers are named %s", k.Name)
		}
		seen[k.Name] = true
	}
}

// TestNobodyIsForgotten: whoever holds a permission of a single requirement is
// among the callers, or one who holds the same.
func TestNobodyIsForgotten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := table(tabletest.DrawPermissions(rt)...)
		callers, err := lint.CallersOf(list, options)
		if err != nil {
			rt.Fatal(err)
		}
		w := worldOf(t, list, lint.Result{})
		known := map[string]bool{"": true}
		for _, k := range callers {
			known[w.table.Held(principal(k), options.Now).Key()] = true
		}
		wanted := [][]string{{"s1"}, {"s2"}, {"s3"}, {"s1", "s2", "s3"}}
		for _, e := range list.Entries {
			if e.Permission.ExpiresAt.IsZero() || e.Permission.ExpiresAt.After(options.Now) {
				wanted = append(wanted, e.Permission.Requires.Scopes)
			}
		}
		for _, scopes := range wanted {
			if !known[w.table.Held(tabletest.Caller(scopes...), options.Now).Key()] {
				rt.Fatalf("nobody holds what %q does", scopes)
			}
		}
	})
}

// long is a table of routes that no policy can say in fewer words: so many for
// each scope, named by numbers.
func long(numbers ...int) lint.Table {
	var list []mapping.Permission
	for i, n := range numbers {
		for j := range n {
			list = append(list, tabletest.Permission("GET", fmt.Sprintf("%x-%d-%x/of/a/route/without/parameters", i*7919+j*104729, j, j*j), fmt.Sprintf("s%d", i+1)))
		}
	}
	return table(list...)
}

// within are the options whose budget is so many bytes.
func within(budget int) lint.Options {
	o := options
	o.Budget = budget
	return o
}

func TestAPolicyThatDoesNotFitIsAnErrorAndALargeOneAWarning(t *testing.T) {
	list := long(30, 2)
	list.Entries = append(list.Entries, lint.Entry{Permission: requirement(t, "GET", "role", map[string]any{"role": "R"})})
	free := check(t, list, within(100_000))
	all, one := callerNamed(t, free, "all scopes").Bytes, callerNamed(t, free, "scope s1").Bytes
	every := callerNamed(t, free, "everything, user").Bytes
	cases := map[string]struct {
		budget   int
		findings []string
		errors   int
	}{
		"all within 80 %":         {every*5/4 + 1, nil, 0},
		"everything over 80 %":    {every*5/4 - 5, []string{"large everything, user"}, 0},
		"everything just fits":    {every, []string{"large everything, user", "large all scopes", "large scope s1"}, 0},
		"everything does not fit": {every - 1, []string{"too_large everything, user", "large all scopes", "large scope s1"}, 0},
		"all scopes do not fit":   {all - 1, []string{"too_large all scopes", "too_large everything, user", "large scope s1"}, 1},
		"a single one does not":   {one - 1, []string{"too_large all scopes", "too_large scope s1", "too_large everything, user"}, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := check(t, list, within(c.budget))
			var got []string
			for _, f := range r.Findings {
				got = append(got, string(f.Kind)+" "+strings.Join(f.Callers, ", "))
			}
			if !slices.Equal(got, c.findings) || r.Errors() != c.errors || r.Warnings() != len(c.findings)-c.errors {
				t.Errorf("found %q, %d errors, want %q, %d errors", got, r.Errors(), c.findings, c.errors)
			}
		})
	}
}

func TestOfWhatDoesNotFitItIsSaidWhatCostsMostAndWhatWouldFit(t *testing.T) {
	list := long(12, 3, 25)
	budget := callerNamed(t, check(t, list, within(100_000)), "scope s3").Bytes
	r := check(t, list, within(budget))
	all := callerNamed(t, r, "all scopes")
	if all.Fits || all.Advice == nil {
		t.Fatalf("all scopes: %d bytes of %d, advice %v", all.Bytes, r.Budget, all.Advice)
	}
	w := worldOf(t, list, r)
	var order []string
	for i, c := range all.Advice.Costs {
		order = append(order, c.Name)
		without := all
		without.Scopes = slices.DeleteFunc(slices.Clone(all.Scopes), func(s string) bool { return s == c.Name })
		if n := len(minified(t, w.document(without))); c.Bytes != n || c.Saves != all.Bytes-n || c.Kind != lint.OneScope {
			t.Errorf("without %s: %d bytes, saves %d; the policy has %d of %d", c.Name, c.Bytes, c.Saves, n, all.Bytes)
		}
		if i > 0 && all.Advice.Costs[i-1].Saves < c.Saves {
			t.Errorf("%s saves more than what stands before it", c.Name)
		}
	}
	if !slices.Equal(order, []string{"s3", "s1", "s2"}) {
		t.Errorf("costs most: %q", order)
	}
	fitting := all.Advice.Fitting
	if fitting == nil {
		t.Fatal("no set fits")
	}
	part := all
	part.Scopes = fitting.Scopes
	if n := len(minified(t, w.document(part))); n > r.Budget || n != fitting.Bytes || len(fitting.Scopes) == 0 {
		t.Errorf("%q fits with %d bytes; the policy has %d of %d", fitting.Scopes, fitting.Bytes, n, r.Budget)
	}
	for _, p := range fitting.Without {
		if slices.Contains(fitting.Scopes, p.Name) {
			t.Errorf("%s is both in what fits and left out", p.Name)
		}
	}
	if len(fitting.Scopes)+len(fitting.Without) != len(all.Scopes) {
		t.Errorf("%q and %v are not all scopes", fitting.Scopes, fitting.Without)
	}
}

// TestScopesThatOpenTheSameAreNotMissed: to take one of them away saves nothing.
func TestScopesThatOpenTheSameAreNotMissed(t *testing.T) {
	list := long(2)
	for i, e := range long(0, 20).Entries {
		place := lint.Entry{Place: 100 + i, Permission: e.Permission}
		again := requirement(t, "GET", e.Permission.Resource.String(), map[string]any{"scope": "s3"})
		list.Entries = append(list.Entries, place, lint.Entry{Place: 200 + i, Permission: again})
	}
	sizes := check(t, list, within(100_000))
	all := callerNamed(t, check(t, list, within(callerNamed(t, sizes, "scope s2").Bytes-1)), "all scopes")
	if all.Advice == nil || all.Advice.Fitting == nil || !slices.Equal(all.Advice.Fitting.Scopes, []string{"s1"}) || len(all.Advice.Fitting.Without) != 2 {
		t.Errorf("fits: %+v", all.Advice)
	}
}

// TestOfVeryManyScopesThoseThatMostPermissionsNeedAreLookedAt: the others are
// taken away last.
func TestOfVeryManyScopesThoseThatMostPermissionsNeedAreLookedAt(t *testing.T) {
	numbers := []int{}
	for i := range 160 {
		numbers = append(numbers, 1+i/150) // s151 to s160 open two routes
	}
	list := long(numbers...)
	all := callerNamed(t, check(t, list, within(1_000_000)), "all scopes").Bytes
	advice := callerNamed(t, check(t, list, within(all-1)), "all scopes").Advice
	if advice == nil || len(advice.Costs) != 150 || advice.Fitting == nil || len(advice.Fitting.Without) != 1 {
		t.Fatalf("advice %+v", advice)
	}
	for i, cost := range advice.Costs {
		if two := len(cost.Name) == 4 && cost.Name > "s150"; two != (i < 10) {
			t.Errorf("%d: %s saves %d", i, cost.Name, cost.Saves)
		}
	}
}

func TestEverythingIsNotAdvisedOnWhereAllScopesAre(t *testing.T) {
	list := long(12, 12)
	list.Entries = append(list.Entries, lint.Entry{Permission: requirement(t, "GET", "role", map[string]any{"role": "R"})})
	all := callerNamed(t, check(t, list, within(100_000)), "all scopes").Bytes
	r := check(t, list, within(all-1))
	if callerNamed(t, r, "all scopes").Advice == nil || callerNamed(t, r, "everything, user").Advice != nil {
		t.Error("one of the two is what there is to say")
	}
	r = check(t, list, within(all))
	advice := callerNamed(t, r, "everything, user").Advice
	if advice == nil || len(advice.Costs) != 3 || !slices.ContainsFunc(advice.Costs, func(c lint.Cost) bool { return c.Kind == lint.OneRole && c.Name == "R" }) {
		t.Errorf("where all scopes fit: %+v", advice)
	}
}

func TestWhatFitsHasRoomForNoSmallerScopeThatWasTakenAway(t *testing.T) {
	list := long(9, 1, 9)
	sizes := check(t, list, within(100_000))
	// s1 and s3 are the dearest, and one of them fits beside s2.
	budget := callerNamed(t, sizes, "all scopes").Bytes - callerNamed(t, sizes, "scope s2").Bytes/2
	fitting := callerNamed(t, check(t, list, within(budget)), "all scopes").Advice.Fitting
	if fitting == nil || len(fitting.Without) != 1 || !slices.Contains(fitting.Scopes, "s2") {
		t.Errorf("fits: %+v", fitting)
	}
}

func TestNothingIsAdvisedWhereEveryPartIsTooLarge(t *testing.T) {
	r := check(t, long(4, 5), within(200))
	if all := callerNamed(t, r, "all scopes"); all.Advice == nil || all.Advice.Fitting != nil || len(all.Advice.Costs) != 2 {
		t.Errorf("advice %+v", all.Advice)
	}
	if one := callerNamed(t, r, "scope s1"); one.Fits || one.Advice != nil {
		t.Errorf("a single scope has nothing to give up: %+v", one.Advice)
	}
}

func TestPoliciesAreMadeWithTheSettings(t *testing.T) {
	list := table(tabletest.Permission("GET", "a/{x}", "s1"))
	size := func(o lint.Options) int { return callerNamed(t, check(t, list, o), "scope s1").Bytes }
	plain := size(options)
	off, deny := options, options
	off.NoExpiry, deny.ExplicitDeny = true, true
	if without := size(off); without >= plain {
		t.Errorf("%d bytes with expiry, %d without", plain, without)
	}
	if with := size(deny); with <= plain {
		t.Errorf("%d bytes, %d with what is not allowed denied", plain, with)
	}
	w := worldOf(t, list, lint.Result{Budget: options.Budget})
	held := w.table.Held(tabletest.Caller("s1"), options.Now)
	if report := w.prepared.Compile(held, options.Now, options.Budget).Report(); report.Bytes != plain {
		t.Errorf("%d bytes, %d in the policy's report", plain, report.Bytes)
	}
}

func TestProgressCountsEveryPolicy(t *testing.T) {
	o := options
	var seen []int
	o.Progress = func(done, of int) { seen = append(seen, done, of) }
	check(t, long(1, 1), o)
	if want := []int{1, 3, 2, 3, 3, 3}; !slices.Equal(seen, want) {
		t.Errorf("progress %v, want %v", seen, want)
	}
}
