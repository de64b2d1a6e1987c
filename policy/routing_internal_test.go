package policy

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// The small world, in which the promises below are looked at exhaustively: routes
// of at most worldDepth segments, each one of three literals (two that one
// character tells apart, and one that begins with the first), {x} or {p+}, with
// and without a slash at the end.
const worldDepth = 3

var worldLiterals = []string{"a", "b", "ab"}

// fresh stands, in a path, for every text that is no literal.
const fresh = "f"

// worldRoutes lists the routes of up to depth segments over the literals.
func worldRoutes(depth int, literals ...string) []mapping.Resource {
	var list []mapping.Resource
	add := func(s string) {
		r, err := mapping.ParseResource(s)
		if err != nil {
			panic(err)
		}
		list = append(list, r)
	}
	add("")
	begins := []string{""}
	for range depth {
		var longer []string
		for _, begin := range begins {
			add(begin + "{p+}")
			for _, s := range append([]string{"{x}"}, literals...) {
				add(begin + s)
				add(begin + s + "/")
				longer = append(longer, begin+s+"/")
			}
		}
		begins = longer
	}
	return list
}

// worldTable is a table that knows the routes, for GET.
func worldTable(routes []mapping.Resource) *mapping.Table {
	s := mapping.Source{API: tabletest.API}
	for _, r := range routes {
		s.Routes = append(s.Routes, mapping.Route{API: tabletest.API, Verb: "GET", Resource: r})
	}
	t, err := mapping.NewTable(s)
	if err != nil {
		panic(err)
	}
	return t
}

// gateway is API Gateway's routing, told naively (AWS: "Routing API requests"):
// of the routes that match the path the one whose segments, from left to right,
// are first of a more specific kind. It is a place in routes, -1 for none.
func gateway(routes []mapping.Resource, segments []string, slash bool) int {
	best := -1
	for i, r := range routes {
		if fits(r, segments, slash) && (best < 0 || moreSpecific(r, routes[best])) {
			best = i
		}
	}
	return best
}

func fits(r mapping.Resource, segments []string, slash bool) bool {
	parts := r.Segments()
	greedy := isGreedy(r)
	if len(parts) > len(segments) || !greedy && (len(parts) != len(segments) || r.TrailingSlash() != slash) {
		return false
	}
	for i, p := range parts {
		if p.Kind == mapping.Literal && p.Text != segments[i] {
			return false
		}
	}
	return true
}

func moreSpecific(a, b mapping.Resource) bool {
	for i := range min(len(a.Segments()), len(b.Segments())) {
		if x, y := a.Segments()[i].Kind, b.Segments()[i].Kind; x != y {
			return x < y
		}
	}
	panic(fmt.Sprintf("%s and %s never match the same path", a, b))
}

// placeOf is where a route of the tree stands in the list.
func placeOf(tr *tree, routes []mapping.Resource, r int32) int {
	if r == none {
		return -1
	}
	return placeOfResource(routes, tr.routes[r].template)
}

func placeOfResource(routes []mapping.Resource, k *mapping.Template) int {
	if k == nil {
		return -1
	}
	return slices.IndexFunc(routes, func(r mapping.Resource) bool { return r.String() == k.Resource.String() })
}

// stepper is the automaton with some of its states worked out ahead, and how it
// is told of a segment that is no literal.
type stepper struct {
	at    *state
	other string
}

func (s stepper) step(segment string) stepper {
	if segment == fresh {
		segment = s.other
	}
	if s.at != nil {
		s.at = s.at.next(segment)
	}
	return s
}

// ends is where the routes of the path stand that ends here.
func (s stepper) ends() (bare, slash int32) {
	if s.at == nil {
		return none, none
	}
	return s.at.end, s.at.slash
}

// steppers are the automaton of GET with all its states known, none and some.
func steppers(tr *tree) []stepper {
	var list []stepper
	for _, m := range tr.root.sorted {
		list = append(list,
			stepper{tr.routing[m], free}, stepper{tr.routing[m], fresh},
			stepper{newRouting(m, 0), fresh}, stepper{newRouting(m, 0), free}, stepper{newRouting(m, 2), fresh})
	}
	return list
}

// checkRouting compares the automaton, the naive routing and the table's own on
// every path of up to deep segments of the literals and a fresh text.
func checkRouting(t interface{ Fatalf(string, ...any) }, routes []mapping.Resource, literals []string, deep int) {
	table := worldTable(routes)
	tr := newTree(table)
	letters := append(slices.Clone(literals), fresh)
	decided := func(segments []string, slash bool) int {
		v := table.DecideSpelling(mapping.Held{}, "GET", segments, slash, func(bool) bool { return false })
		return placeOfResource(routes, v.Route)
	}
	var below func(segments []string, at []stepper)
	below = func(segments []string, at []stepper) {
		bare, slash := gateway(routes, segments, false), gateway(routes, segments, true)
		for i, s := range at {
			end, endSlash := s.ends()
			if gotBare, gotSlash := placeOf(tr, routes, end), placeOf(tr, routes, endSlash); gotBare != bare || len(segments) > 0 && gotSlash != slash {
				t.Fatalf("%v: /%s ends at route %d, with a slash at %d, and automaton %d says %d and %d", routes, strings.Join(segments, "/"), bare, slash, i, gotBare, gotSlash)
			}
		}
		if got := decided(segments, false); got != bare {
			t.Fatalf("%v: /%s ends at route %d, and Decide says %d", routes, strings.Join(segments, "/"), bare, got)
		}
		if slash < 0 {
			slash = bare // what Decide then speaks of
		}
		if got := decided(segments, true); len(segments) > 0 && got != slash {
			t.Fatalf("%v: /%s/ ends at route %d, and Decide says %d", routes, strings.Join(segments, "/"), slash, got)
		}
		if len(segments) == deep {
			return
		}
		for _, letter := range letters {
			next := make([]stepper, len(at))
			for i, s := range at {
				next[i] = s.step(letter)
			}
			below(append(slices.Clip(segments), letter), next)
		}
	}
	below(nil, steppers(tr))
}

// eachSet calls f for every set of n of the routes, in the form of their places.
func eachSet(routes, n int, f func(places []int)) {
	var choose func(from int, places []int)
	choose = func(from int, places []int) {
		if len(places) == n {
			f(places)
			return
		}
		for i := from; i < routes; i++ {
			choose(i+1, append(slices.Clip(places), i))
		}
	}
	choose(0, nil)
}

func pick[T any](list []T, places []int) []T {
	var picked []T
	for _, i := range places {
		picked = append(picked, list[i])
	}
	return picked
}

// renamings lists, for each way to exchange the literals of the world, where each
// route then stands. Routing knows of two literals only whether they are the
// same, so one set of routes stands for all that are exchanged into it.
func renamings(routes []mapping.Resource) [][]int {
	place := map[string]int{}
	for i, r := range routes {
		place[r.String()] = i
	}
	a, b, ab := worldLiterals[0], worldLiterals[1], worldLiterals[2]
	var list [][]int
	for _, to := range [][]string{{a, ab, b}, {b, a, ab}, {b, ab, a}, {ab, a, b}, {ab, b, a}} {
		var moved []int
		for _, r := range routes {
			parts := strings.Split(r.String(), "/")
			for i, part := range parts {
				if at := slices.Index(worldLiterals, part); at >= 0 {
					parts[i] = to[at]
				}
			}
			moved = append(moved, place[strings.Join(parts, "/")])
		}
		list = append(list, moved)
	}
	return list
}

// isFirst reports whether a set comes before all that it can be renamed into.
func isFirst(places []int, renamings [][]int) bool {
	return !slices.ContainsFunc(renamings, func(moved []int) bool {
		image := pick(moved, places)
		slices.Sort(image)
		return slices.Compare(image, places) < 0
	})
}

// share says which of many equal cases to look at: one in n, and all of them
// where -rapid.checks asks for thoroughness, as make fuzz does.
func share(n int) int {
	checks := flag.Lookup("rapid.checks").Value.(flag.Getter).Get().(int)
	if checks >= 100_000 {
		return 1
	}
	return n
}

// TestRoutingIsAPIGateways: the automaton, the table's own routing and a naive
// telling of API Gateway's rule agree on every path of up to four segments for
// every set of up to two routes, every set of three of two segments and every
// set of three of one literal; of the other sets of three on a share.
func TestRoutingIsAPIGateways(t *testing.T) {
	routes := worldRoutes(worldDepth, worldLiterals...)
	renamed := renamings(routes)
	small := len(worldRoutes(2, worldLiterals...))
	sets, seen, every := 0, 0, share(301)
	for n := range 4 {
		eachSet(len(routes), n, func(places []int) {
			// The shallow routes come first in the list.
			if deep := n == 3 && places[2] >= small; deep {
				if seen++; seen%every != 0 {
					return
				}
			}
			if isFirst(places, renamed) {
				sets++
				checkRouting(t, pick(routes, places), worldLiterals, 4)
			}
		})
	}
	one := worldRoutes(worldDepth, worldLiterals[0])
	eachSet(len(one), 3, func(places []int) {
		sets++
		checkRouting(t, pick(one, places), worldLiterals[:1], 4)
	})
	if sets < 13_000 {
		t.Errorf("only %d sets of routes were looked at", sets)
	}
}

// TestRoutingOfManyRoutesIsAPIGateways, for random sets.
func TestRoutingOfManyRoutesIsAPIGateways(t *testing.T) {
	routes := worldRoutes(worldDepth, worldLiterals...)
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SliceOfNDistinct(rapid.IntRange(0, len(routes)-1), 4, 14, rapid.ID[int]).Draw(t, "routes")
		checkRouting(t, pick(routes, places), worldLiterals, 4)
	})
}
