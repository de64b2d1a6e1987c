package policy_test

import (
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// checkFewer is rapid.Check for properties whose cases take long: of the fixed
// share it runs one for so many of the others. Asked for more than that, as make
// fuzz does, it runs all of them.
func checkFewer(t *testing.T, than int, property func(*rapid.T)) {
	checkOneIn(t, func(all int) int {
		if all > 10_000 {
			return 1
		}
		return than * slower
	}, property)
}

// checkLarge is checkFewer for those that never can be run as often.
func checkLarge(t *testing.T, than int, property func(*rapid.T)) {
	checkOneIn(t, func(int) int { return than * slower }, property)
}

func checkOneIn(t *testing.T, than func(all int) int, property func(*rapid.T)) {
	checks := flag.Lookup("rapid.checks")
	all := checks.Value.String()
	n, err := strconv.Atoi(all)
	if err != nil {
		t.Fatal(err)
	}
	defer set(t, checks, all)
	set(t, checks, strconv.Itoa(max(1, n/than(n))))
	rapid.Check(t, property)
}

func set(t *testing.T, f *flag.Flag, value string) {
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
}

// TestCallersOfAPublicAPIReachWhatTheyHoldAndNothingElse: of an API in the shape of
// public ones, half of its scopes, and a budget: over every route and many values
// the policy opens nothing that is not held, and refuses only what is reported.
func TestCallersOfAPublicAPIReachWhatTheyHoldAndNothingElse(t *testing.T) {
	checkLarge(t, 60, func(t *rapid.T) {
		source := tabletest.Shape(rapid.Uint64().Draw(t, "API"))
		w := tabletest.World{Source: source, End: end, Caller: tabletest.Caller(half(source, rapid.Uint64().Draw(t, "half"))...)}.Settle()
		exact := policy.Compile(w.Table, w.Held, tabletest.Now).Size()
		p := compiled(w, min(8000, max(1500, exact*rapid.IntRange(20, 100).Draw(t, "percent")/100)))
		values := valuesOf(source)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "values"), 13))
		var collisions []policy.Collision
		for _, verb := range mapping.Methods {
			for _, k := range w.Table.Templates(verb) {
				for _, path := range pathsOf(k.Resource, values, random) {
					want, got := w.Table.Decide(p.Held, string(verb), path), p.says(string(verb), path, tabletest.Now)
					if got == policy.Allowed && !want.Allowed {
						t.Fatalf("%s %s is allowed, and %s", verb, path, want.Reason)
					}
					if got == policy.Allowed || !want.Allowed {
						continue
					}
					if collisions == nil {
						collisions = p.compiled.Report().Collisions
					}
					if got == policy.NotMatched || !isReported(collisions, arn(string(verb), path), tabletest.Now) {
						t.Fatalf("%s %s is permitted and %v, and no collision says so; %+v", verb, path, got, p.compiled.Report())
					}
				}
			}
		}
	})
}

// half is a random half of the scopes.
func half(s mapping.Source, seed uint64) []string {
	random := rand.New(rand.NewPCG(seed, 11))
	var list []string
	for _, scope := range tabletest.GraphScopes(s) {
		if random.IntN(2) == 0 {
			list = append(list, scope)
		}
	}
	return list
}

// valuesOf lists texts for parameters: harmless ones, a literal of each length of
// route, and such as begin like literals or end like them.
func valuesOf(s mapping.Source) []string {
	list := []string{"1", "f81d4fae-7dec", "a.b"}
	seen := map[string]bool{}
	for _, p := range s.Permissions {
		for _, segment := range p.Resource.Segments() {
			if segment.Kind == mapping.Literal && !seen[segment.Text] {
				seen[segment.Text] = true
				list = append(list, segment.Text)
			}
		}
	}
	for _, text := range list[3:min(9, len(list))] {
		list = append(list, text+"x", "x"+text, text[:len(text)-1]+"-")
	}
	return list
}

// pathsOf lists paths of a route, with and without a slash at the end: with
// harmless values, and with random ones in the place of some of them.
func pathsOf(r mapping.Resource, values []string, random *rand.Rand) []string {
	var list []string
	for n := range 8 {
		path, params := "", 0
		for _, s := range r.Segments() {
			switch {
			case s.Kind == mapping.Literal:
				path += "/" + s.Text
				continue
			case n == 0 || random.IntN(3) == 0:
				path += "/1"
			default:
				path += "/" + values[random.IntN(len(values))]
			}
			params++
		}
		if path == "" {
			return []string{"/"}
		}
		list = append(list, path, path+"/")
		if params == 0 {
			break
		}
	}
	return list
}
