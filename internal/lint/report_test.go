package lint_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// ask decides about a request written as "GET /users/1" by the definition and by
// a policy, at an instant as findings give it.
func (w world) ask(t rapid.TB, k lint.Caller, doc policy.Document, request, from string) (permitted bool, says policy.Decision) {
	t.Helper()
	now := tabletest.Now
	if from != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, from); err != nil || !now.After(tabletest.Now) {
			t.Fatalf("from %q: %v", from, err)
		}
	}
	method, path, _ := strings.Cut(request, " ")
	arn := policy.ARN{API: tabletest.API, Method: method, Path: path}.String()
	return w.table.Permits(principal(k), method, path, now), policy.Evaluate(doc, arn, now, netip.Addr{})
}

// parameter is a segment of a route that stands for others.
var parameter = regexp.MustCompile(`\{[^}]*\}`)

// checkWitnesses looks whether every witness of a result shows what its finding
// says.
func checkWitnesses(t rapid.TB, of lint.Table, r lint.Result) {
	t.Helper()
	w := worldOf(t, of, r)
	documents := map[string]policy.Document{}
	for _, f := range r.Findings {
		if f.Witness == "" {
			continue
		}
		k := callerNamed(t, r, f.Callers[0])
		if _, known := documents[k.Name]; !known {
			documents[k.Name] = w.document(k)
		}
		if f.Kind == lint.WholeCollision && !strings.Contains(f.Route, "*") {
			for _, value := range []string{"1", "zz", "a.b", "users"} {
				request := parameter.ReplaceAllString(f.Route, value)
				if _, says := w.ask(t, k, documents[k.Name], request, f.From); says == policy.Allowed {
					t.Errorf("%s is not closed whole: %s is open", f.Route, request)
				}
			}
		}
		permitted, says := w.ask(t, k, documents[k.Name], f.Witness, f.From)
		switch f.Kind {
		case lint.Collision, lint.WholeCollision, lint.Encoding:
			if !permitted || says != policy.ExplicitlyDenied {
				t.Errorf("%s of %s: %s: permitted %t, %s", f.Kind, k.Name, f.Witness, permitted, says)
			}
		case lint.Unguarded, lint.Folded:
			if permitted || says != policy.Allowed {
				t.Errorf("%s of %s: %s: permitted %t, %s", f.Kind, k.Name, f.Witness, permitted, says)
			}
		default:
			t.Errorf("a %s has witness %s", f.Kind, f.Witness)
		}
	}
}

// TestCollisionsAndUnguardedPaths shows what a policy with wildcards can't tell
// apart, for whom, and by which request.
func TestCollisionsAndUnguardedPaths(t *testing.T) {
	p := tabletest.Permission
	cases := map[string]struct {
		permissions []mapping.Permission
		kinds       []lint.Kind // found, each once
		errors      int
	}{
		"literals": {
			[]mapping.Permission{p("GET", "a", "s1"), p("GET", "a/b", "s2")}, nil, 0,
		},
		"a parameter alone": {
			[]mapping.Permission{p("GET", "u/{id}", "s1")}, nil, 0,
		},
		"a value that is a sibling's literal": {
			[]mapping.Permission{p("GET", "u/{id}", "s1"), p("GET", "u/{id}/a/{x}", "s1"), p("GET", "u/{id}/settings", "s2")},
			[]lint.Kind{lint.Collision, lint.Unguarded}, 0,
		},
		"a route that is closed on every path": {
			[]mapping.Permission{p("GET", "u/{id}", "s1"), p("GET", "u/{id}/a/settings", "s1"), p("GET", "u/{id}/settings", "s2")},
			[]lint.Kind{lint.WholeCollision, lint.Unguarded}, 1,
		},
		"the same route, where nothing is denied": {
			[]mapping.Permission{p("GET", "u/{id}", "s1"), p("GET", "u/{id}/a/settings", "s1"), p("GET", "u/{id}/settings", "s1")},
			[]lint.Kind{lint.Unguarded}, 0,
		},
		"an unknown path below a held one": {
			[]mapping.Permission{p("GET", "u/{id}", "s1"), p("GET", "u/{id}/posts", "s1")}, []lint.Kind{lint.Unguarded}, 0,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			list := table(c.permissions...)
			r := check(t, list, options)
			var kinds []lint.Kind
			for _, f := range told(r) {
				kinds = append(kinds, f.Kind)
			}
			if got := slices.Compact(kinds); !slices.Equal(got, c.kinds) || r.Errors() != c.errors {
				t.Errorf("found %q, %d errors, want %q, %d errors", got, r.Errors(), c.kinds, c.errors)
			}
			checkWitnesses(t, list, r)
		})
	}
}

// TestAWholeRouteThatOnlyManyScopesTogetherCloseIsAWarning: who holds what one
// permission requires can call it.
func TestAWholeRouteThatOnlyManyScopesTogetherCloseIsAWarning(t *testing.T) {
	p := tabletest.Permission
	list := table(p("GET", "u/{id}", "s1"), p("GET", "u/{id}/a/settings", "s2"), p("GET", "u/{id}/settings", ""))
	r := check(t, list, options)
	at := slices.IndexFunc(r.Findings, func(f lint.Finding) bool { return f.Route == "GET /u/{id}/a/settings" })
	if at < 0 || r.Findings[at].Kind != lint.Collision || !slices.Equal(r.Findings[at].Callers, []string{"all scopes"}) || r.Errors() > 0 {
		t.Errorf("found %+v", r.Findings)
	}
	checkWitnesses(t, list, r)
}

func TestCallersWithTheSameCollisionShareOneFinding(t *testing.T) {
	p := tabletest.Permission
	list := table(p("GET", "u/{id}", "s1"), p("GET", "u/{id}", "s2"), p("GET", "u/{id}/a/{x}", "s1"), p("GET", "u/{id}/a/{x}", "s2"), p("GET", "u/{id}/settings", ""))
	r := check(t, list, options)
	seen := map[string]bool{}
	for _, f := range r.Findings {
		if f.Kind != lint.Collision {
			continue
		}
		if key := f.Route + " " + f.Resource; seen[key] {
			t.Errorf("%s stands there twice", key)
		} else {
			seen[key] = true
		}
		if want := []string{"scope s1", "scope s2", "all scopes"}; !slices.Equal(f.Callers, want) {
			t.Errorf("%s: callers %q, want %q", f.Route, f.Callers, want)
		}
	}
	if len(seen) == 0 {
		t.Error("no collision was found")
	}
}

// TestAWholeRouteThatIsClosedLaterIsAWarning: as long as the permission lasts
// that lifts the Deny, every path of the route is open.
func TestAWholeRouteThatIsClosedLaterIsAWarning(t *testing.T) {
	p := tabletest.Permission
	later := tabletest.Now.Add(10 * time.Minute).Format(time.RFC3339)
	list := table(p("GET", "u/{id}", "s1"), p("GET", "u/{id}/a/settings", "s1"), p("GET", "u/{id}/settings", "s1", "expiresAt", later))
	r := check(t, list, options)
	at := slices.IndexFunc(r.Findings, func(f lint.Finding) bool { return f.Kind == lint.WholeCollision })
	if at < 0 || r.Findings[at].From != later || r.Errors() > 0 {
		t.Errorf("found %+v", told(r))
	}
	checkWitnesses(t, list, r)
}

// TestWhatIsDeniedForItsEncodingIsANote, since it is so beside every wildcard; one
// for each Deny, whatever the route.
func TestWhatIsDeniedForItsEncodingIsANote(t *testing.T) {
	p := tabletest.Permission
	list := table(p("GET", "u/{id}", "s1"), p("GET", "v/{id}", "s1"), p("POST", "u/{id}", "s2"))
	r := check(t, list, options)
	seen := map[string]bool{}
	for _, f := range r.Findings {
		if f.Severity != lint.Note || f.Kind != lint.Encoding || !strings.Contains(f.Witness, "%") || seen[f.Resource] {
			t.Errorf("found %+v", f)
		}
		seen[f.Resource] = true
	}
	if len(seen) == 0 || r.Notes() != len(seen) || r.Warnings() > 0 {
		t.Errorf("%d notes, %d warnings", r.Notes(), r.Warnings())
	}
	checkWitnesses(t, list, r)
	if plain := check(t, table(p("GET", "u", "s1")), options); plain.Notes() > 0 {
		t.Errorf("without a wildcard: %+v", plain.Findings)
	}
}

// TestToDenyEveryEncodingIsMoreThanANote: that is done to make a policy fit.
func TestToDenyEveryEncodingIsMoreThanANote(t *testing.T) {
	for glob, want := range map[string]bool{
		"*%2E*": true, "*%6*": true, "*/..%2*": true, "*%2F..*": true,
		"*%*": false, "*/?*/": false, "*/.*": false, "GET/u/a%3?b": false, "GET/u/?*": false,
	} {
		if got := lint.IsEncoding(glob); got != want {
			t.Errorf("%s: %t, want %t", glob, got, want)
		}
	}
}

// TestEveryWitnessAndEverySizeIsReal, over random tables: what is printed can be
// tried.
func TestEveryWitnessAndEverySizeIsReal(t *testing.T) {
	witnesses := 0
	rapid.Check(t, func(rt *rapid.T) {
		list := table(tabletest.DrawPermissions(rt)...)
		r := check(t, list, options)
		for _, f := range r.Findings {
			if f.Witness != "" {
				witnesses++
			}
		}
		checkWitnesses(rt, list, r)
		checkCallers(rt, list, r)
	})
	if witnesses == 0 {
		t.Error("no table had a witness")
	}
}

// folding is a complete table whose caller holds all of some long subtrees, and
// next to nothing of another, so that only folding makes his policy fit.
func folding() lint.Table {
	var list []mapping.Permission
	for _, group := range []string{"customers", "invoices", "shipments"} {
		for i := range 40 {
			list = append(list, tabletest.Permission("GET", fmt.Sprintf("v1/%s/of/the/company/%d-%x/summary", group, i, i*7919), "s1"))
		}
	}
	for i := range 3 {
		list = append(list, tabletest.Permission("GET", fmt.Sprintf("v1/secrets/%d", i), "s2"))
	}
	of := table(list...)
	of.Complete = true
	return of
}

func TestWhatFoldingOpensIsToldFromWhatNoPolicyCanGuard(t *testing.T) {
	list := folding()
	r := check(t, list, options)
	one := callerNamed(t, r, "scope s1")
	if !one.Fits || len(one.Steps) == 0 {
		t.Fatalf("scope s1: %d of %d bytes, steps %q", one.Bytes, r.Budget, one.Steps)
	}
	if n := len(found(r, lint.Folded)); n == 0 {
		t.Errorf("folding opens nothing: %+v", r.Findings)
	}
	if got := found(r, lint.Unguarded); len(got) > 0 {
		t.Errorf("unguarded without folding: %q", got)
	}
	checkWitnesses(t, list, r)

	exact := check(t, list, within(1_000_000))
	if got := found(exact, lint.Folded, lint.Unguarded); len(got) > 0 {
		t.Errorf("with room for all of it: %q", got)
	}
}

func TestATableThatMayNotListAllIsNotFolded(t *testing.T) {
	list := folding()
	list.Complete = false
	r := check(t, list, options)
	if got := found(r, lint.Folded); len(got) > 0 {
		t.Errorf("folded: %q", got)
	}
	if got := found(r, lint.TooLarge); len(got) == 0 {
		t.Error("it should not fit")
	}
}
