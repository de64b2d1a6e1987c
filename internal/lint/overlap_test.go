package lint_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// TestShadowedAndDuplicate shows by the places of permissions which of them
// grants nothing of its own, and because of which.
func TestShadowedAndDuplicate(t *testing.T) {
	p := tabletest.Permission
	at := func(d time.Duration) string { return tabletest.Now.Add(d).Format(time.RFC3339) }
	later, sooner, over := at(2*time.Hour), at(time.Hour), at(-time.Second)
	cases := map[string]struct {
		permissions []mapping.Permission
		want        []string
	}{
		"different scopes are alternatives": {
			[]mapping.Permission{p("GET", "a", "s1"), p("GET", "a", "s2")}, nil,
		},
		"a scope beside the same scope and another": {
			[]mapping.Permission{p("GET", "a", "s1 s2"), p("GET", "a", "s1")}, []string{"shadowed 1 2"},
		},
		"of another route": {
			[]mapping.Permission{p("GET", "a", "s1 s2"), p("GET", "b", "s1")}, nil,
		},
		"of another method": {
			[]mapping.Permission{p("GET", "a", "s1 s2"), p("POST", "a", "s1")}, nil,
		},
		"the name of a parameter makes no other route": {
			[]mapping.Permission{p("GET", "a/{x}", "s1"), p("GET", "a/{y}", "s1 s2")}, []string{"shadowed 2 1"},
		},
		"a trailing slash does": {
			[]mapping.Permission{p("GET", "a/{x}", "s1"), p("GET", "a/{x}/", "s1 s2")}, nil,
		},
		"GET beside ANY says the same": {
			[]mapping.Permission{p("GET", "a", "s1"), p("ANY", "a", "s1")}, []string{"duplicate 1 2"},
		},
		"ANY is more than GET": {
			[]mapping.Permission{p("GET", "a", "s1"), p("ANY", "a", "s1 s2")}, nil,
		},
		"GET with more requirements than ANY": {
			[]mapping.Permission{p("ANY", "a", "s1"), p("GET", "a", "s1 s3")}, []string{"shadowed 2 1"},
		},
		"the same permission twice": {
			[]mapping.Permission{p("GET", "a", "s1"), p("get", "/a", "s1")}, []string{"duplicate 2 1"},
		},
		"the same permission twice, with another end": {
			[]mapping.Permission{p("GET", "a", "s1"), p("GET", "a", "s1", "expiresAt", later)}, []string{"conflicting 2 1"},
		},
		"a pattern over a route": {
			[]mapping.Permission{p("GET", "a/{x}", "s1"), p("GET", "a/*", "s1")}, []string{"shadowed 1 2"},
		},
		"a pattern over the end of a route": {
			[]mapping.Permission{p("GET", "a/{x}/b", "s1"), p("GET", "*/b", "s1")}, []string{"shadowed 1 2"},
		},
		"a pattern that needs what a parameter may not be": {
			[]mapping.Permission{p("GET", "a/{x}", "s1"), p("GET", "a/m*", "s1")}, nil,
		},
		"a pattern that a parameter's name matches": {
			[]mapping.Permission{p("GET", "a/{x}", "s1"), p("GET", "a/x*", "s1"), p("GET", "*x", "s1")}, nil,
		},
		"a pattern does not match the route above it": {
			[]mapping.Permission{p("GET", "a", "s1"), p("GET", "a/*", "s1")}, nil,
		},
		"a pattern over a greedy route": {
			[]mapping.Permission{p("GET", "a/{x+}", "s1"), p("GET", "a/*", "s1")}, []string{"shadowed 1 2"},
		},
		"a greedy route does not reach what a pattern does": {
			[]mapping.Permission{p("GET", "a/{x+}", "s1"), p("GET", "a/*", "s1 s2")}, nil,
		},
		"a greedy route is not the more specific one": {
			[]mapping.Permission{p("GET", "a/{x+}", "s1"), p("GET", "a/{x}", "s1")}, nil,
		},
		"a pattern over a pattern": {
			[]mapping.Permission{p("GET", "a/*/b", "s1"), p("GET", "a/*", "s1")}, []string{"shadowed 1 2"},
		},
		"two spellings of one pattern": {
			[]mapping.Permission{p("GET", "a/*", "s1"), p("GET", "a/**", "s1")}, []string{"duplicate 2 1"},
		},
		"a pattern of another scope": {
			[]mapping.Permission{p("GET", "a/{x}", "s1"), p("GET", "a/*", "s2")}, nil,
		},
		"by the one that stays": {
			[]mapping.Permission{p("GET", "a/{x}", "s1 s2"), p("GET", "a/{x}", "s1"), p("ANY", "*", "s1")},
			[]string{"shadowed 1 3", "shadowed 2 3"},
		},
		"one that ends earlier shadows none that ends later": {
			[]mapping.Permission{p("GET", "a", "s1", "expiresAt", sooner), p("GET", "a", "s1 s2", "expiresAt", later)}, nil,
		},
		"nor one that never ends": {
			[]mapping.Permission{p("GET", "a", "s1", "expiresAt", later), p("GET", "a", "s1 s2")}, nil,
		},
		"one that ends later shadows one that ends earlier": {
			[]mapping.Permission{p("GET", "a", "s1 s2", "expiresAt", sooner), p("GET", "a", "s1", "expiresAt", later)}, []string{"shadowed 1 2"},
		},
		"the same end": {
			[]mapping.Permission{p("GET", "a", "s1", "expiresAt", later), p("ANY", "a", "s1", "expiresAt", later)}, []string{"duplicate 1 2"},
		},
		"the same but longer": {
			[]mapping.Permission{p("GET", "a", "s1", "expiresAt", later), p("ANY", "a", "s1")}, []string{"shadowed 1 2"},
		},
		"one that has ended shadows nothing and is not shadowed": {
			[]mapping.Permission{p("GET", "a", "s1", "expiresAt", over), p("GET", "a", "s1 s2"), p("ANY", "a", "s1 s2 s3", "expiresAt", over)}, nil,
		},
		"registered beside a permission": {
			[]mapping.Permission{p("GET", "a", ""), p("GET", "a", "s1")}, []string{"duplicate 1 2"},
		},
		"in the order of the file": {
			[]mapping.Permission{p("GET", "a", ""), p("GET", "a", "s1"), p("ANY", "a", "s1")}, []string{"duplicate 1 2", "duplicate 2 3"},
		},
		"registered beside one that will end": {
			[]mapping.Permission{p("GET", "a", ""), p("GET", "a", "s1", "expiresAt", later)}, nil,
		},
		"registered ANY beside GET": {
			[]mapping.Permission{p("ANY", "a", ""), p("GET", "a", "s1")}, nil,
		},
		"registered GET beside registered ANY": {
			[]mapping.Permission{p("GET", "a", ""), p("ANY", "a", "")}, []string{"duplicate 1 2"},
		},
		"registered ANY beside all seven": {
			[]mapping.Permission{
				p("ANY", "a", ""), p("GET", "a", "s1"), p("POST", "a", "s1"), p("PUT", "a", "s1"), p("PATCH", "a", "s1"),
				p("DELETE", "a", "s1"), p("HEAD", "a", "s1"), p("OPTIONS", "a", "s1"),
			},
			[]string{"duplicate 1 2 3 4 5 6 7 8"},
		},
		"registered beside a pattern, which registers nothing": {
			[]mapping.Permission{p("GET", "a", ""), p("GET", "*", "s1")}, nil,
		},
		"$connect is no part of ANY": {
			[]mapping.Permission{p("$connect", "", "s1 s2"), p("ANY", "", "s1")}, nil,
		},
		"$connect beside $connect": {
			[]mapping.Permission{p("$connect", "", "s1 s2"), p("$connect", "", "s1")}, []string{"shadowed 1 2"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := check(t, table(c.permissions...), options)
			if got := found(r, lint.Shadowed, lint.Duplicate, lint.Conflicting); !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
			if got := found(r, lint.Conflicting); len(got) != r.Errors() {
				t.Errorf("%d errors, %q", r.Errors(), got)
			}
		})
	}
}

// TestWeakerRequirements shows which requirement everybody meets who meets
// another one.
func TestWeakerRequirements(t *testing.T) {
	const tenant = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"
	type members = map[string]any
	cases := map[string]struct {
		first, second members
		want          []string
	}{
		"any authenticated caller": {
			members{"scope": "s1"}, members{"authenticated": true}, []string{"shadowed 1 2"},
		},
		"authenticated beside a scope says nothing": {
			members{"scope": "s1"}, members{"scope": "s1", "authenticated": true}, []string{"duplicate 2 1"},
		},
		"a role in place of a scope": {
			members{"scope": "s1"}, members{"role": "R"}, nil,
		},
		"a role beside a scope": {
			members{"scope": "s1", "role": "R"}, members{"role": "R"}, []string{"shadowed 1 2"},
		},
		"another role": {
			members{"role": "R", "scope": "s1"}, members{"role": "Q"}, nil,
		},
		"a group beside a role": {
			members{"group": "g", "role": "R"}, members{"group": "g"}, []string{"shadowed 1 2"},
		},
		"another group": {
			members{"group": "g", "role": "R"}, members{"group": "h"}, nil,
		},
		"either kind of principal": {
			members{"role": "R", "principalType": "app"}, members{"role": "R"}, []string{"shadowed 1 2"},
		},
		"two kinds of principals": {
			members{"role": "R", "principalType": "app"}, members{"role": "R", "principalType": "user"}, nil,
		},
		"any tenant": {
			members{"role": "R", "tenant": tenant}, members{"role": "R"}, []string{"shadowed 1 2"},
		},
		"one tenant is less than any": {
			members{"role": "R", "group": "g"}, members{"role": "R", "tenant": tenant}, nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			list := table(requirement(t, "GET", "a", c.first), requirement(t, "GET", "a", c.second))
			got := found(check(t, list, options), lint.Shadowed, lint.Duplicate)
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// TestWhatIsShadowedOrDuplicateGrantsNothing: without all of them at once, and
// with their routes still registered, nobody is permitted more or less, now or
// later.
func TestWhatIsShadowedOrDuplicateGrantsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		permissions := tabletest.DrawPermissions(rt)
		beside := rapid.SampledFrom(permissions).Draw(rt, "beside") // so that no table is without
		shadowed := tabletest.Permission(string(beside.Verb), beside.Resource.String(), "s1 s2 s3")
		permissions = append(permissions, shadowed, tabletest.Permission(string(beside.Verb), beside.Resource.String(), "s2 s3"))
		gone := map[string]bool{}
		for _, f := range lint.Overlaps(context.Background(), entries(permissions...), options.Now) {
			if f.Kind == lint.Shadowed || f.Kind == lint.Duplicate {
				gone[f.Permissions[0].ID] = true
			}
		}
		if !gone[shadowed.ID()] {
			rt.Fatalf("%v is not shadowed", shadowed)
		}
		var routes []mapping.Route
		left := slices.DeleteFunc(slices.Clone(permissions), func(p mapping.Permission) bool {
			if r, ok := p.Route(); ok {
				routes = append(routes, r)
			}
			return gone[p.ID()]
		})
		before := tabletest.Table(permissions...)
		after, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: left, Routes: routes, Trust: tabletest.Trust})
		if err != nil {
			rt.Fatal(err)
		}
		for range 20 {
			caller, now := tabletest.DrawCaller(rt), tabletest.Now.Add(time.Duration(rapid.IntRange(0, 4).Draw(rt, "minutes"))*time.Minute)
			method, path := tabletest.DrawMethod(rt), tabletest.DrawPath(rt)
			if was, is := before.Permits(caller, method, path, now), after.Permits(caller, method, path, now); was != is {
				rt.Fatalf("%v: %s %s: was %t, is %t without %v", caller.Scopes, method, path, was, is, gone)
			}
		}
	})
}

// needless removes the permissions that are registered and duplicate, and checks
// that the table still knows the same routes.
func needless(t rapid.TB, permissions []mapping.Permission) (gone map[string]bool) {
	gone = map[string]bool{}
	for _, f := range lint.Overlaps(context.Background(), entries(permissions...), options.Now) {
		if f.Kind == lint.Duplicate && f.Permissions[0].Permission.Registered {
			gone[f.Permissions[0].ID] = true
		}
	}
	left := slices.DeleteFunc(slices.Clone(permissions), func(p mapping.Permission) bool { return gone[p.ID()] })
	before, after := tabletest.Table(permissions...), tabletest.Table(left...)
	for _, v := range mapping.Methods {
		shape := func(t *mapping.Template) string { return t.Resource.Shape() }
		if !slices.EqualFunc(before.Templates(v), after.Templates(v), func(a, b *mapping.Template) bool { return shape(a) == shape(b) }) {
			t.Fatalf("%s: routes %v, without %v %v", v, before.Templates(v), gone, after.Templates(v))
		}
	}
	return gone
}

// TestARegisteredDuplicateNamesNoRouteOfItsOwn: without those that are registered
// and duplicate the table knows the same routes.
func TestARegisteredDuplicateNamesNoRouteOfItsOwn(t *testing.T) {
	p := tabletest.Permission
	for _, permissions := range [][]mapping.Permission{
		{p("GET", "a", ""), p("GET", "a", "s1")},
		{p("GET", "a/{x}", "s1"), p("GET", "a/{y}", "")},
		{p("GET", "a", ""), p("ANY", "a", "")},
		{p("GET", "{p+}", ""), p("ANY", "{p+}", "s1 s2"), p("GET", "b", "")},
	} {
		if gone := needless(t, permissions); len(gone) != 1 {
			t.Errorf("%v: %v", permissions, gone)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		permissions := tabletest.DrawPermissions(rt)
		// Such a duplicate is rare by chance: most often one is made.
		registered := rapid.SampledFrom(permissions).Draw(rt, "registered as well")
		if _, ok := registered.Route(); ok {
			registered = p(string(registered.Verb), registered.Resource.String(), "")
			if !slices.ContainsFunc(permissions, func(p mapping.Permission) bool { return p.ID() == registered.ID() }) {
				permissions = append(permissions, registered)
			}
		}
		needless(rt, permissions)
	})
}
