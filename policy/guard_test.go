package policy_test

import (
	"slices"
	"strings"
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// denied lists what the policy of a caller who holds s1 denies, after
// {api}/{stage}/ and without what every policy with a wildcard denies.
func denied(permissions ...mapping.Permission) []string {
	table := tabletest.Table(permissions...)
	doc := policy.Compile(table, table.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now).
		Document(policy.Request{ARN: arn("GET", "/"), End: end})
	var list []string
	for _, s := range doc.Statement {
		if s.Effect != policy.Deny {
			continue
		}
		for _, r := range s.Resource {
			glob := strings.TrimPrefix(r, tabletest.API.ARN+"/"+tabletest.API.Stage+"/")
			if !strings.HasPrefix(glob, "*") {
				list = append(list, glob)
			}
		}
	}
	slices.Sort(list)
	return list
}

// TestGuards shows what is denied beside a held route, and that it is no more
// than is needed.
func TestGuards(t *testing.T) {
	p := tabletest.Permission
	cases := map[string]struct {
		permissions []mapping.Permission
		want        []string
	}{
		"a literal needs none": {
			[]mapping.Permission{p("GET", "users", "s1"), p("GET", "users/admin", "s2")}, nil,
		},
		"what lies below a parameter": {
			[]mapping.Permission{p("GET", "users/{id}", "s1")}, []string{"GET/users/?*/?*"},
		},
		"not where something held lies there": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "users/{id}/posts/{post}", "s1")},
			[]string{"GET/users/?*/posts/?*/?*"},
		},
		"not where a held pattern lies there": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "*/photo", "s1")}, nil,
		},
		"not below a greedy parameter": {
			[]mapping.Permission{p("GET", "files/{path+}", "s1")}, nil,
		},
		"a sibling's literal, in both spellings": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "users/admin", "s2")},
			[]string{"GET/users/?*/?*", "GET/users/admin", "GET/users/admin/"},
		},
		"another method's route is no sibling": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("POST", "users/admin", "s2")},
			[]string{"GET/users/?*/?*"},
		},
		"ANY is every method's": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("ANY", "users/admin", "s2")},
			[]string{"GET/users/?*/?*", "GET/users/admin", "GET/users/admin/"},
		},
		"a registered route that nobody may call": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "users/admin", "")},
			[]string{"GET/users/?*/?*", "GET/users/admin", "GET/users/admin/"},
		},
		"a route that never wins needs none": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "{a}/{b}", "s2")},
			[]string{"GET/users/?*/?*"},
		},
		"a greedy catch-all, as far as the glob reaches it": {
			[]mapping.Permission{p("GET", "users/{id}/posts", "s1"), p("GET", "{all+}", "s2")},
			[]string{"GET/users/?*/?*/posts"},
		},
		"a catch-all, but for a longer held route": {
			[]mapping.Permission{p("GET", "a/{x}/b", "s1"), p("GET", "a/{x}/{y}/b", "s1"), p("GET", "{all+}", "s2")},
			[]string{"GET/a/?*/?*/?*/b"},
		},
		"not a catch-all that the glob never reaches": {
			[]mapping.Permission{p("GET", "users/{id}/posts", "s1"), p("GET", "admin/{all+}", "s2")}, nil,
		},
		"more than a segment under a parameter": {
			[]mapping.Permission{p("GET", "users/{id}/posts", "s1"), p("GET", "users/{id}/drafts/posts", "s2")},
			[]string{"GET/users/?*/drafts/posts"},
		},
		"a pattern is not restricted": {
			[]mapping.Permission{p("GET", "users/*", "s1"), p("GET", "users/admin", "s2")}, nil,
		},
		"a pattern's last slash is no opening": {
			[]mapping.Permission{p("GET", "users/*", "s1"), p("GET", "users", "s2")}, []string{"GET/users/"},
		},
		"a pattern lifts the guards that it covers": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "users/admin*", "s1"), p("GET", "users/admin", "s2"), p("GET", "users/root", "s2")},
			[]string{"GET/users/root", "GET/users/root/"},
		},
		"a pattern's slash, but of paths as long as the route": {
			[]mapping.Permission{p("GET", "a/*/", "s1"), p("GET", "users/{id}", "s1"), p("GET", "{x}", "s2")},
			[]string{"GET/users/?*/?*"},
		},
		"two literals that clients may encode, in every spelling": {
			[]mapping.Permission{p("GET", "{a}/{b}", "s1"), p("GET", "x:/y:", "s2")},
			[]string{"GET/?*/?*/?*", "GET/x%3?/y%3?", "GET/x%3?/y%3?/", "GET/x%3?/y:", "GET/x%3?/y:/", "GET/x:/y%3?", "GET/x:/y%3?/", "GET/x:/y:", "GET/x:/y:/"},
		},
		"the same literal twice": {
			[]mapping.Permission{p("GET", "{a}/{b}", "s1"), p("GET", "x:/x:", "s2")},
			[]string{"GET/?*/?*/?*", "GET/x%3?/x%3?", "GET/x%3?/x%3?/", "GET/x%3?/x:", "GET/x%3?/x:/", "GET/x:/x%3?", "GET/x:/x%3?/", "GET/x:/x:", "GET/x:/x:/"},
		},
		"the slash of a held literal": {
			[]mapping.Permission{p("GET", "users/{id}", "s1"), p("GET", "users/me", "s1")},
			[]string{"GET/users/?*/?*", "GET/users/me/"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := denied(c.permissions...); !slices.Equal(got, c.want) {
				t.Errorf("\ngot  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestHoldsWhole(t *testing.T) {
	p := tabletest.Permission
	table := tabletest.Table(
		p("GET", "a/{x}", "s1"), p("GET", "b/{x}", "s1"), p("GET", "b/admin", "s2"), p("GET", "c/{x}", "s1"), p("GET", "c/me", "s1"),
		p("GET", "d/{x}", "s1"), p("GET", "d/{x}/deep", "s2"), p("GET", "e/{p+}", "s1"), p("GET", "e/{x}/deep", "s2"), p("GET", "f/*", "s1"),
	)
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	for route, want := range map[string]bool{
		"a/{id}": true, "b/{id}": false, "b/admin": false, "c/{id}": true, "c/me": true, "d/{id}": true, "d/{id}/deep": false,
		"e/{p+}": false, "e/{id}": false, "f/{p+}": true, "f/x": true, "f": false, "{p+}": false, "unknown": false,
	} {
		r, err := mapping.ParseResource(route)
		if err != nil {
			t.Fatal(err)
		}
		if got := policy.Prepare(table).HoldsWhole(held, "GET", r); got != want {
			t.Errorf("%s: %v, want %v", route, got, want)
		}
	}
}

// TestManyParametersAreNoTrap: routes of very many parameters beside a catch-all
// and a very long route compile in a bounded number of steps, and stay sound.
func TestManyParametersAreNoTrap(t *testing.T) {
	p := tabletest.Permission
	params := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, "{p"+string(rune('a'+i))+"}")
		}
		return strings.Join(parts, "/")
	}
	long := strings.TrimSuffix(strings.Repeat("x/", 30), "/")
	for name, list := range map[string][]mapping.Permission{
		"catch-all":            {p("GET", params(11), "s1"), p("GET", "{all+}", "s2")},
		"catch-all, long":      {p("GET", params(6), "s1"), p("GET", long, "s2"), p("GET", "{all+}", "s2")},
		"named, long":          {p("GET", "orgs/{o}/repos/{r}/pulls/{p}/files/{f}", "s1"), p("GET", long, "s2"), p("GET", "{all+}", "s2")},
		"held catch-all below": {p("GET", params(6), "s1"), p("GET", params(6)+"/{rest+}", "s1"), p("GET", long, "s2"), p("GET", "{all+}", "s2")},
		"two of many":          {p("GET", params(8)+"/x/"+params(8), "s1"), p("GET", params(20), "s2"), p("GET", params(25), "s1")},
	} {
		t.Run(name, func(t *testing.T) {
			table := tabletest.Table(list...)
			caller := tabletest.Caller("s1")
			doc := answer(table, caller, "GET", "/")
			for _, path := range []string{"/" + long, "/" + long + "/", "/a/b", "/" + strings.Repeat("y/", 40) + "z", "/" + strings.Repeat("y/", 19) + "z"} {
				if evaluate(doc, "GET", path, tabletest.Now) == policy.Allowed && !table.Permits(caller, "GET", path, tabletest.Now) {
					t.Errorf("%s is allowed and not permitted", path)
				}
			}
		})
	}
}

// TestAnotherSpellingOfSomethingHeldHidesNothing: no encoding is denied for it.
func TestAnotherSpellingOfSomethingHeldHidesNothing(t *testing.T) {
	p := tabletest.Permission
	table := tabletest.Table(p("GET", "users/{id}", "s1"), p("GET", "users/search-status", "s1"))
	doc := answer(table, tabletest.Caller("s1"), "GET", "/users/1")
	for _, path := range []string{"/users/a%2Db", "/users/%61b", "/users/a%2Fb"} {
		if got := evaluate(doc, "GET", path, tabletest.Now); got != policy.Allowed {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestACatchAllThatOnlyTheBareReadingFinds: /a/a/1/ is of a/{x}/{y}/, which is
// held, and without its slash of {x}/a/{p+}, which is not.
func TestACatchAllThatOnlyTheBareReadingFinds(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "{x}/a/{p+}", "s2"), tabletest.Permission("GET", "a/{x}/{y}/", "s1"))
	doc := answer(table, tabletest.Caller("s1"), "GET", "/a/b/1/")
	if got := evaluate(doc, "GET", "/a/a/1/", tabletest.Now); got == policy.Allowed {
		t.Errorf("/a/a/1/ is %v", got)
	}
	if got := evaluate(doc, "GET", "/a/b/1/", tabletest.Now); got != policy.Allowed {
		t.Errorf("/a/b/1/ is %v", got)
	}
}
