package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// oneOfManyPlaces lists n routes of n segments, each with a literal at a place of
// its own, {x} elsewhere, and end. Whether a segment is the literal counts for each
// place: routing has 2ⁿ states.
func oneOfManyPlaces(n int, end string) []mapping.Resource {
	var list []mapping.Resource
	for i := range n {
		parts := slices.Repeat([]string{"{x}"}, n)
		parts[i] = "a"
		r, err := mapping.ParseResource(strings.Join(parts, "/") + end)
		if err != nil {
			panic(err)
		}
		list = append(list, r)
	}
	return list
}

// statesOf counts the states that are worked out ahead.
func statesOf(first *state) int {
	seen := map[*state]bool{}
	queue := []*state{first}
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s == nil || seen[s] {
			continue
		}
		seen[s] = true
		queue = append(queue, s.other)
		for _, next := range s.words {
			queue = append(queue, next)
		}
	}
	return len(seen)
}

// TestStatesWorkedOutAheadAreFew: some for each route, however many there would be.
func TestStatesWorkedOutAheadAreFew(t *testing.T) {
	const places = 14
	tr := newTree(worldTable(oneOfManyPlaces(places, "/{p+}")))
	most := mostStates * (len(tr.routes) + 1)
	for _, m := range tr.root.sorted {
		if all := statesOf(newRouting(m, 1<<places+places)); all < 1<<places {
			t.Errorf("the table was to have %d states and has %d", 1<<places, all)
		}
		// The last one looked at has two more at most: after a and after another text.
		if n := statesOf(tr.routing[m]); n > most+2 || n < most {
			t.Errorf("%d states are worked out ahead, and %d may be", n, most)
		}
	}
}

// TestRoutingGoesOnWhereNoStateIsKnown: behind the states that are worked out
// ahead, and where there are more literals, too.
func TestRoutingGoesOnWhereNoStateIsKnown(t *testing.T) {
	for _, end := range []string{"", "/", "/b", "/{p+}"} {
		routes := oneOfManyPlaces(10, end)
		table := worldTable(routes)
		tr := newTree(table)
		rapid.Check(t, func(t *rapid.T) {
			segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", fresh, fresh, fresh, "b"}), 8, 13).Draw(t, "path")
			bare, slash := gateway(routes, segments, false), gateway(routes, segments, true)
			for i, s := range steppers(tr) {
				for _, segment := range segments {
					s = s.step(segment)
				}
				end, endSlash := s.ends()
				if placeOf(tr, routes, end) != bare || placeOf(tr, routes, endSlash) != slash {
					t.Fatalf("%v: /%s is of route %d, with a slash of %d, and automaton %d says otherwise", routes, strings.Join(segments, "/"), bare, slash, i)
				}
			}
		})
	}
}

// TestAWalkEndsWithinItsSteps, and what it looks at stays as short as the routes
// and the glob: a {name+} takes any number of segments, and as many states may
// be made anew for them.
func TestAWalkEndsWithinItsSteps(t *testing.T) {
	for _, c := range []struct {
		routes []mapping.Resource
		glob   string
		ends   bool
	}{
		{oneOfManyPlaces(10, "/{p+}"), "GET/*", true},
		{oneOfManyPlaces(10, "/{p+}"), "GET/*a/*", true},
		{oneOfManyPlaces(10, "/{p+}"), "*a*a*b*", true},
		{manyWays(), manyWays()[0].Glob(), false},
	} {
		glob := c.glob
		if !c.ends {
			glob = "GET/" + glob
		}
		g, ok := newGlobber(glob)
		if !ok {
			t.Fatalf("%s is too long", glob)
		}
		longest := 0
		w := walker{globber: g}
		w.enter = func(*node, *state, *positions) bool { return true }
		w.visit = func(p instance) bool { longest = max(longest, len(p.segments)); return true }
		if ended := w.walk(newTree(worldTable(c.routes))); ended != c.ends {
			t.Errorf("%s: that the walk came to its end is %v", glob, ended)
		}
		// On the way back each segment is one more step.
		if w.steps > mostSteps+len(c.routes[0].Segments())+len(glob) {
			t.Errorf("%s: %d steps", glob, w.steps)
		}
		if most := 1 + len(c.routes[0].Segments()) + len(glob); longest > most {
			t.Errorf("%s: an instance has %d segments, and %d are enough", glob, longest, most)
		}
	}
}

// manyWays lists routes of which the first one's glob reaches the second one's
// paths in more ways than anybody can look at: each of its ?* may take any number
// of segments, and each of its literals may be what a {x} takes.
func manyWays() []mapping.Resource {
	const pairs = 15
	var list []mapping.Resource
	for _, s := range []string{strings.Repeat("{x}/a/", pairs), strings.Repeat("{x}/{x}/", pairs), "{p+}/", "known/"} {
		r, err := mapping.ParseResource(strings.TrimSuffix(s, "/"))
		if err != nil {
			panic(err)
		}
		list = append(list, r)
	}
	return list
}

// TestWhatIsTooMuchToTellApartIsNotOpened: where a walk is cut off the policy
// denies the Allow that it could not look behind, and nothing else of the caller's.
func TestWhatIsTooMuchToTellApartIsNotOpened(t *testing.T) {
	routes := manyWays()
	var permissions []mapping.Permission
	for i, r := range routes {
		scope := "others"
		if i == 0 || i == 3 {
			scope = "mine"
		}
		permissions = append(permissions, tabletest.Permission("GET", r.String(), scope))
	}
	table := tabletest.Table(permissions...)
	caller := tabletest.Caller("mine")
	compiled := Prepare(table).Compile(table.Held(caller, tabletest.Now), tabletest.Now, 8192)
	doc := compiled.Document(Request{End: tabletest.Now.Add(time.Hour)})
	ask := func(path string) Decision {
		arn := ARN{API: tabletest.API, Method: "GET", Path: path}.String()
		return Evaluate(doc, arn, tabletest.Now, netip.Addr{})
	}
	own := "/" + strings.TrimSuffix(strings.Repeat("1/a/", strings.Count(routes[0].String(), "a")), "/")
	if !table.Permits(caller, "GET", own, tabletest.Now) || ask(own) != ExplicitlyDenied {
		t.Errorf("%s is permitted, and the policy says %v to what it could not look behind", own, ask(own))
	}
	if ask("/known") != Allowed {
		t.Errorf("/known, which is known for certain, is %v", ask("/known"))
	}
	for _, path := range []string{strings.Replace(own, "/a/", "/1/", 1), own + "/", strings.Replace(own, "/a/", "/1/a/", 1), own + "/1/a", strings.Replace(own, "1/a/", "", 1), "/1"} {
		if !table.Permits(caller, "GET", path, tabletest.Now) && ask(path) == Allowed {
			t.Errorf("%s is allowed and not permitted", path)
		}
	}
	v := newView(Prepare(table), table.Held(caller, tabletest.Now))
	if v.spares("GET/" + routes[1].Glob()) {
		t.Error("a Deny is said to harm nothing, and nobody could look at all that it matches")
	}
}
