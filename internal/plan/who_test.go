package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/plan"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

func TestWhoCanTellsTheLeastThatPermitsACall(t *testing.T) {
	minute := ends(time.Minute)
	role := func(verb, resource, role string, more ...string) mapping.Permission {
		p := permission(verb, resource, "s1", more...)
		p.Requires = mapping.Requirement{Role: role}
		return p
	}
	of := func(verb, resource, name string, kind mapping.PrincipalType, tenant string, more ...string) mapping.Permission {
		p := role(verb, resource, name, more...)
		p.Requires.PrincipalType, p.Requires.Tenant = kind, tenant
		return p
	}
	list := func(p ...mapping.Permission) []mapping.Permission { return p }
	cases := map[string]struct {
		permissions  []mapping.Permission
		method, path string
		want         []string
		reason       mapping.Reason
	}{
		"alternatives": {
			list(permission("GET", "a", "s1"), role("ANY", "a", "R")), "GET", "/a", []string{"role R", "scope s1"}, mapping.NotHeld,
		},
		"less stands for more": {
			list(permission("GET", "a", "s1"), permission("GET", "a", "s1 s2")), "GET", "/a", []string{"scope s1"}, mapping.NotHeld,
		},
		"whoever stands for users, and for those of a tenant": {
			list(role("GET", "a", "R"), of("GET", "a", "R", mapping.User, ""), of("GET", "a", "R", "", tenantA)), "GET", "/a", []string{"role R"}, mapping.NotHeld,
		},
		"users do not stand for whoever": {
			list(of("GET", "a", "R", mapping.User, ""), of("GET", "a", "R", mapping.App, "")), "GET", "/a",
			[]string{"role R, principalType app", "role R, principalType user"}, mapping.NotHeld,
		},
		"until the first of them ends": {
			list(role("GET", "a", "R", minute...), of("GET", "a", "R", mapping.App, "", ends(time.Hour)...)), "GET", "/a",
			[]string{"role R until 1m0s", "role R, principalType app until 1h0m0s"}, mapping.NotHeld,
		},
		"unless more lasts longer": {
			list(permission("GET", "a", "s1", minute...), permission("GET", "a", "s1 s2")), "GET", "/a", []string{"scope s1 until 1m0s", "scope s1 s2"}, mapping.NotHeld,
		},
		"a pattern": {
			list(permission("GET", "a/*", "s1"), permission("GET", "a/{id}", "s2")), "GET", "/a/1", []string{"scope s1", "scope s2"}, mapping.NotHeld,
		},
		"two at once, where a path is two routes": {
			list(permission("GET", "a", "s1"), permission("GET", "a/", "s2")), "GET", "/a/", []string{"scope s1 s2"}, mapping.NotHeld,
		},
		"two at once, one of them of a tenant": {
			list(permission("GET", "a", "s1", "tenant", tenantA), permission("GET", "a/", "s2")), "GET", "/a/",
			[]string{"scope s1 s2, tenant " + tenantA}, mapping.NotHeld,
		},
		"nobody at once, of two tenants": {
			list(permission("GET", "a", "s1", "tenant", tenantA), permission("GET", "a/", "s2", "tenant", tenantB)), "GET", "/a/", []string{}, mapping.NotHeld,
		},
		"nobody at once, both a user and an app": {
			list(of("GET", "a", "R", mapping.User, ""), of("GET", "a/", "R", mapping.App, "")), "GET", "/a/", []string{}, mapping.NotHeld,
		},
		"nobody": {list(permission("GET", "a", "")), "GET", "/a", []string{}, mapping.NotHeld},
		"nobody, as no route is known": {
			list(permission("GET", "a", "s1")), "GET", "/b", []string{}, mapping.NoRoute,
		},
		"nobody any more": {
			list(permission("GET", "a", "s1", ends(-time.Minute)...)), "GET", "/a", []string{}, mapping.NotHeld,
		},
		"nobody, by a method of none": {list(permission("ANY", "a", "s1")), "TRACE", "/a", []string{}, mapping.UnknownMethod},
		"a WebSocket's connect":       {list(permission("$connect", "", "s1")), "$connect", "", []string{"scope s1"}, mapping.NotHeld},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			who, err := plan.WhoCan(snapshot(c.permissions...), c.method, c.path, options)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, w := range who.Ways {
				text := w.Requirement
				if !w.Until.IsZero() {
					text += " until " + w.Until.Sub(tabletest.Now).String()
				}
				got = append(got, text)
				if len(w.Permissions) == 0 {
					t.Errorf("%s rests on nothing", text)
				}
			}
			if !slices.Equal(got, c.want) || who.Reason != c.reason {
				t.Errorf("%q, %s; want %q, %s", got, who.Reason, c.want, c.reason)
			}
		})
	}
}

// TestWhoCanIsPermits: whoever brings what one of the ways asks for is permitted
// the call until that ends, and nobody else is.
func TestWhoCanIsPermits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdit(t)
		table := tableOf(t, e.before)
		method, path := drawRequest(t, e.before)
		who, err := plan.WhoCan(e.before, method, path, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range everybody() {
			if !table.Trusts(c) {
				continue
			}
			var until []time.Time
			for _, w := range who.Ways {
				if brings(c, w.Caller) {
					until = append(until, w.Until)
				}
			}
			if got := table.Permits(c, method, path, tabletest.Now); got != (len(until) > 0) {
				t.Fatalf("%s %s of %+v is %v, and the ways are %+v", method, path, c, got, who.Ways)
			}
			for _, end := range until {
				last := end.Add(-time.Second)
				if end.IsZero() {
					last = tabletest.Now.Add(24 * time.Hour)
				}
				if !table.Permits(c, method, path, last) {
					t.Fatalf("%s %s of %+v is not permitted at %v, and the ways are %+v", method, path, c, last, who.Ways)
				}
			}
		}
	})
}

// drawRequest draws one near the routes of a table, a hostile one perhaps.
func drawRequest(t *rapid.T, s store.Snapshot) (method, path string) {
	var names []string
	for _, r := range s.Routes {
		names = append(names, string(r.Verb)+" /"+r.Resource.String())
	}
	for _, p := range s.Permissions {
		names = append(names, string(p.Verb)+" /"+strings.ReplaceAll(p.Resource.String(), "*", "x/y"))
	}
	if len(names) == 0 {
		return tabletest.DrawMethod(t), tabletest.DrawPath(t)
	}
	method, path, _ = strings.Cut(rapid.SampledFrom(names).Draw(t, "near"), " ")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = rapid.SampledFrom([]string{"1", "a", "users", "%61", "foo", "a%2Fb"}).Draw(t, "value")
		}
	}
	if method == string(mapping.Any) {
		method = "GET"
	}
	return method, strings.Join(parts, "/") + rapid.SampledFrom([]string{"", "", "/", "%2F"}).Draw(t, "tail")
}

// everybody are callers of all grants that drawn permissions ask for, and of all
// origins.
func everybody() []mapping.Caller {
	var list []mapping.Caller
	for set := range 32 {
		c := mapping.Caller{Issuer: issuer}
		for i, scope := range tabletest.Scopes {
			if set>>i&1 == 1 {
				c.Scopes = append(c.Scopes, scope)
			}
		}
		if set&8 > 0 {
			c.Roles = []string{"R"}
		}
		if set&16 > 0 {
			c.Groups = []string{"G"}
		}
		for _, audience := range []string{"api://orders", "other"} {
			c.Audience = audience
			c.Tenant, c.PrincipalType = "", ""
			list = append(list, c)
			for _, tenant := range []string{tenantA, tenantB} {
				c.Tenant, c.PrincipalType = tenant, mapping.User
				list = append(list, c)
				if c.PrincipalType = mapping.App; len(c.Scopes) == 0 {
					list = append(list, c)
				}
			}
		}
	}
	return list
}

// brings reports whether a caller brings all that another does, who may leave open
// where he is from.
func brings(c mapping.Caller, w plan.Caller) bool {
	within := func(some, all []string) bool {
		return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
	}
	return within(w.Scopes, c.Scopes) && within(w.Roles, c.Roles) && within(w.Groups, c.Groups) &&
		(w.PrincipalType == "" || w.PrincipalType == c.PrincipalType) && (w.Tenant == "" || w.Tenant == c.Tenant)
}

// TestWhatCanIsPermits: a caller may call the routes that are told, until they
// end, and no others.
func TestWhatCanIsPermits(t *testing.T) {
	all := everybody()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdit(t)
		b := newBrute(t, edit{e.before, e.before})
		c := rapid.SampledFrom(all).Draw(t, "caller")
		issuer := c.Issuer
		if c.Tenant != "" {
			issuer = ""
		}
		list, err := plan.WhatCan(e.before, plan.Caller{
			Scopes: c.Scopes, Roles: c.Roles, Groups: c.Groups, PrincipalType: c.PrincipalType, Tenant: c.Tenant, Issuer: issuer, Audience: c.Audience,
		}, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range b.instants() {
			var told []plan.Access
			for _, r := range list {
				// What begins as the whole route may go on as a part of it.
				if r.Until.IsZero() || at.Before(r.Until) {
					told = append(told, plan.Access{Route: r.Route, Partly: r.Partly, Witness: r.Witness})
				}
				if len(r.Permissions) == 0 {
					t.Fatalf("%+v rests on nothing", r)
				}
			}
			if at.Equal(tabletest.Now) {
				b.compare(t, "what can", told, make([]bool, len(b.requests)), b.ask(b.before, c, at))
				continue
			}
			permitted := b.ask(b.before, c, at)
			for i, r := range b.requests {
				is := slices.ContainsFunc(told, func(a plan.Access) bool { return a.Route == r.of && !a.Partly })
				if r.own && is != permitted[i] {
					t.Fatalf("%s at %v: permitted %v, told %v", r.of, at, permitted[i], is)
				}
			}
		}
	})
}

// TestACallerOfNowhereIsOfWhomTheTableBelieves: what people do not say.
func TestACallerOfNowhereIsOfWhomTheTableBelieves(t *testing.T) {
	s := snapshot(permission("GET", "a", "s1", "principalType", "user", "tenant", tenantA))
	list, err := plan.WhatCan(s, plan.Caller{Scopes: []string{"s1"}}, options)
	if err != nil || len(list) != 1 || list[0].Route != "GET /a" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, stranger := range []plan.Caller{{Scopes: []string{"s1"}, Tenant: tenantB}, {Scopes: []string{"s1"}, Audience: "other"}, {Scopes: []string{"s1"}, Issuer: issuer}} {
		if list, err := plan.WhatCan(s, stranger, options); err != nil || len(list) > 0 {
			t.Errorf("%+v may call %+v, %v", stranger, list, err)
		}
	}
}
