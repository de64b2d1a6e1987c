package mapping_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// knownShape is KnowsShape as it reads: a look at every route.
func knownShape(table *mapping.Table, v mapping.Verb, bare string) bool {
	return slices.ContainsFunc(table.Templates(v), func(t *mapping.Template) bool {
		return strings.TrimSuffix(t.Resource.Shape(), "/") == bare
	})
}

// A shape is known exactly if a route of the method has it, with or without a
// slash at its end.
func TestKnowsShapeIsALookAtEveryRoute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tabletest.DrawTable(t)
		verb := rapid.SampledFrom(append(mapping.Methods, mapping.Connect, "ANY", "get", "")).Draw(t, "verb")
		var shapes []string
		for range 5 {
			r, err := mapping.ParseResource(tabletest.DrawRoute(t))
			if err != nil {
				t.Fatal(err)
			}
			shapes = append(shapes, strings.TrimSuffix(r.Shape(), "/"), r.String(), r.Shape())
		}
		for _, route := range table.Templates(verb) {
			bare := route.BareShape()
			if want := strings.TrimSuffix(route.Resource.Shape(), "/"); bare != want {
				t.Fatalf("BareShape of %v: %q, want %q", route, bare, want)
			}
			shapes = append(shapes, bare, "/"+bare, bare+"/{}", bare+"/{+}", bare+"/a")
		}
		for _, s := range append(shapes, "", "/", "//", "{}", "{+}", "a/") {
			if got, want := table.KnowsShape(verb, s), knownShape(table, verb, s); got != want {
				t.Fatalf("KnowsShape(%q, %q) is %v, want %v", verb, s, got, want)
			}
		}
	})
}

// A set of permissions is held until the first of them ends.
func TestHeldUntilIsTheFirstOfTheEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tabletest.DrawTable(t)
		held := table.Held(tabletest.DrawCaller(t), tabletest.Now)
		var want time.Time
		if ends := table.Ends(held); len(ends) > 0 {
			want = ends[0]
		}
		if got := table.HeldUntil(held); !got.Equal(want) {
			t.Fatalf("HeldUntil is %v, want %v", got, want)
		}
	})
}

// The name of a template is its route's, however often it is asked for.
func TestATemplateIsNamedAsItsRoute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, verb := range mapping.Methods {
			for _, route := range tabletest.DrawTable(t).Templates(verb) {
				want := mapping.Route{Verb: verb, Resource: route.Resource}.String()
				if first, second := route.String(), route.String(); first != want || second != want {
					t.Fatalf("%q, then %q, want %q", first, second, want)
				}
			}
		}
	})
}
