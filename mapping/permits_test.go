package mapping_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

var now = tabletest.Now

func TestPermits(t *testing.T) {
	p := tabletest.Permission
	table := tabletest.Table(
		p("GET", "orders", "s1"),
		p("GET", "orders/{id}", "s1"),
		p("GET", "orders/export", "s2"),
		p("ANY", "orders/{id}/notes", "s1"),
		p("GET", "orders/{id}/secret", ""),
		p("GET", "files/{path+}", "s1"),
		p("GET", "files/private/{path+}", "s2"),
		p("GET", "slash/", "s1"),
		p("GET", "pub*", "s1"),
		p("GET", "old", "s1", "expiresAt", now.Format(time.RFC3339)),
		p("GET", "", "s1"),
		p("POST", "both", "s1 s2"),
		p("$connect", "", "s1"),
	)
	cases := []struct {
		method, path string
		want         bool
		reason       mapping.Reason
	}{
		{"GET", "/orders", true, mapping.HeldRoute},
		{"GET", "/", true, mapping.HeldRoute},
		{"GET", "/orders/7", true, mapping.HeldRoute},
		{"GET", "/orders/7/", true, mapping.HeldRoute},
		{"GET", "/orders/", false, mapping.SlashSpelling},
		{"GET", "/slash/", true, mapping.HeldRoute},
		{"GET", "/slash", false, mapping.NoRoute},
		{"GET", "/orders/export", false, mapping.NotHeld},
		{"GET", "/orders/export/", false, mapping.NotHeld},
		{"GET", "/orders/%65xport", false, mapping.OtherReading},
		{"GET", "/orders/export%2F", false, mapping.OtherReading},
		{"GET", "/orders/7%2Fsecret", false, mapping.OtherReading},
		{"GET", "/orders/7%2Fother", true, mapping.HeldRoute},
		{"GET", "/orders/100%", true, mapping.HeldRoute},
		{"GET", "/order%73", false, mapping.NoRoute},
		{"DELETE", "/orders/7/notes", true, mapping.HeldRoute},
		{"DELETE", "/orders/7", false, mapping.NoRoute},
		{"GET", "/orders/7/secret", false, mapping.NotHeld},
		{"GET", "/orders/7/unknown", false, mapping.NoRoute},
		{"GET", "/files/a/b/c", true, mapping.HeldRoute},
		{"GET", "/files/a/b/", true, mapping.HeldRoute},
		{"GET", "/files/", false, mapping.NoRoute},
		{"GET", "/files/private/x", false, mapping.NotHeld},
		{"GET", "/files/private", true, mapping.HeldRoute},
		{"GET", "/public/x/y", true, mapping.HeldPattern},
		{"GET", "/pub", true, mapping.HeldPattern},
		{"GET", "/old", false, mapping.NotHeld},
		{"POST", "/both", false, mapping.NotHeld},
		{"GET", "//orders", false, mapping.MalformedPath},
		{"GET", "/orders//7", false, mapping.MalformedPath},
		{"GET", "/files/../orders", false, mapping.MalformedPath},
		{"GET", "/files/%2E%2e/x", false, mapping.MalformedPath},
		{"GET", "/files/.", false, mapping.MalformedPath},
		{"GET", "/files/a%2F%2Fb", false, mapping.MalformedPath},
		{"GET", "/pub/%252e%252e/x", true, mapping.HeldPattern},
		{"GET", "/files/a%2F..%2Fb", false, mapping.MalformedPath},
		{"GET", "/files/%2Fb", false, mapping.MalformedPath},
		{"GET", "orders", false, mapping.MalformedPath},
		{"GET", "", false, mapping.MalformedPath},
		{"get", "/orders", false, mapping.UnknownMethod},
		{"TRACE", "/orders", false, mapping.UnknownMethod},
		{"ANY", "/orders/7/notes", false, mapping.UnknownMethod},
		{"GET", "/ORDERS", false, mapping.NoRoute},
		{"$connect", "", true, mapping.HeldRoute},
		{"$connect", "/", false, mapping.MalformedPath},
	}
	caller := tabletest.Caller("s1")
	for _, c := range cases {
		got := table.Decide(table.Held(caller, now), c.method, c.path)
		if got.Allowed != c.want || got.Reason != c.reason {
			t.Errorf("%s %s: got %v (%s), want %v (%s)", c.method, c.path, got.Allowed, got.Reason, c.want, c.reason)
		}
	}
}

func TestTheZeroTablePermitsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table mapping.Table
		if table.Permits(tabletest.DrawCaller(t), tabletest.DrawMethod(t), tabletest.DrawPath(t), now) {
			t.Fatal("the zero table permitted a call")
		}
	})
}

func TestTheZeroCallerHoldsNothing(t *testing.T) {
	q := mapping.Requirement{Authenticated: true}
	if q.HeldBy(mapping.Caller{Scopes: []string{"s1"}}) {
		t.Error("a caller whom no issuer vouches for is taken as authenticated")
	}
	if (mapping.Requirement{}).HeldBy(tabletest.Caller("s1")) {
		t.Error("the zero requirement is held")
	}
	if (mapping.Requirement{Tenant: tabletest.Trust[0].Tenant}).HeldBy(tabletest.Caller("s1")) {
		t.Error("a tenant alone is held")
	}
}

func TestAllThatIsRequiredMustHold(t *testing.T) {
	full := mapping.Requirement{
		Scopes: []string{"s1", "s2"}, Role: "r", Group: "g",
		PrincipalType: mapping.User, Tenant: tabletest.Trust[0].Tenant,
	}
	caller := tabletest.Caller("s2", "s1")
	caller.Roles, caller.Groups = []string{"r"}, []string{"g"}
	if !full.HeldBy(caller) {
		t.Fatal("a caller with all of it does not hold it")
	}
	for name, without := range map[string]func(*mapping.Caller){
		"scope":          func(c *mapping.Caller) { c.Scopes = []string{"s1"} },
		"role":           func(c *mapping.Caller) { c.Roles = nil },
		"group":          func(c *mapping.Caller) { c.Groups = nil },
		"known groups":   func(c *mapping.Caller) { c.GroupsUnknown = true },
		"principal type": func(c *mapping.Caller) { c.PrincipalType = mapping.App },
		"unknown type":   func(c *mapping.Caller) { c.PrincipalType = "" },
		"tenant":         func(c *mapping.Caller) { c.Tenant = "9188040d-6c67-4c5b-b112-36a304b66dad" },
		"scope by case":  func(c *mapping.Caller) { c.Scopes = []string{"S1", "s2"} },
	} {
		c := caller
		without(&c)
		if full.HeldBy(c) {
			t.Errorf("held without the right %s", name)
		}
	}
}

func TestCallersOutsideTheTrustListHoldNothing(t *testing.T) {
	p := tabletest.Permission
	open := p("GET", "x", "s1")
	any, err := mapping.ParsePermission([]byte(`{"arn":"` + tabletest.API.ARN + `","stage":"dev","httpVerb":"GET","resource":"y","authenticated":true}`))
	if err != nil {
		t.Fatal(err)
	}
	const foreign = "https://issuer.example/foreign"
	table, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: []mapping.Permission{open, any}, Trust: []mapping.Trust{
		{Tenant: tabletest.Trust[0].Tenant, Audiences: []string{"api://orders/"}},
		{Issuer: foreign, Audiences: []string{"a1"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	trusted := tabletest.Caller("s1")
	other := mapping.Caller{Issuer: foreign, Audience: "a1", Scopes: []string{"s1"}}
	for name, c := range map[string]struct {
		caller mapping.Caller
		want   bool
	}{
		"tenant":                    {trusted, true},
		"issuer":                    {other, true},
		"other tenant":              {change(trusted, func(c *mapping.Caller) { c.Tenant = "9188040d-6c67-4c5b-b112-36a304b66dad" }), false},
		"other audience":            {change(trusted, func(c *mapping.Caller) { c.Audience = "api://billing" }), false},
		"issuer's other audience":   {change(other, func(c *mapping.Caller) { c.Audience = "api://orders" }), false},
		"other issuer":              {change(other, func(c *mapping.Caller) { c.Issuer = foreign + "2" }), false},
		"no audience":               {change(trusted, func(c *mapping.Caller) { c.Audience = "" }), false},
		"unverified":                {change(trusted, func(c *mapping.Caller) { c.Issuer = "" }), false},
		"tenant of another's token": {change(other, func(c *mapping.Caller) { c.Tenant = tabletest.Trust[0].Tenant }), false},
	} {
		for _, path := range []string{"/x", "/y"} {
			if got := table.Permits(c.caller, "GET", path, now); got != c.want {
				t.Errorf("%s: %s is %v, want %v", name, path, got, c.want)
			}
		}
	}
}

func change(c mapping.Caller, f func(*mapping.Caller)) mapping.Caller {
	f(&c)
	return c
}

// TestPermitsAgreesWithItsDefinition compares with a second reading of the
// definition: all routes are filtered and sorted, no tree, no index.
func TestPermitsAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		permissions := tabletest.DrawPermissions(t)
		table := tabletest.Table(permissions...)
		caller := tabletest.DrawCaller(t)
		for range 20 {
			method, path := tabletest.DrawMethod(t), tabletest.DrawPath(t)
			got, want := table.Permits(caller, method, path, now), slow{permissions, caller, method}.permits(path)
			if got != want {
				t.Fatalf("%s %s: Permits says %v, the definition %v", method, path, got, want)
			}
		}
	})
}

// TestTakingAwayNeverPermitsMore: without a permission, or after it expired,
// nothing more is permitted, as long as its route stays registered.
func TestTakingAwayNeverPermitsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		permissions := tabletest.DrawPermissions(t)
		var routes []mapping.Route
		for _, p := range permissions {
			if r, ok := p.Route(); ok {
				routes = append(routes, r)
			}
		}
		build := func(list []mapping.Permission) *mapping.Table {
			table, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: list, Routes: routes, Trust: tabletest.Trust})
			if err != nil {
				t.Fatal(err)
			}
			return table
		}
		before := build(permissions)
		gone := rapid.IntRange(0, len(permissions)-1).Draw(t, "gone")
		after := build(slices.Delete(slices.Clone(permissions), gone, gone+1))
		caller := tabletest.DrawCaller(t)
		for range 20 {
			method, path := tabletest.DrawMethod(t), tabletest.DrawPath(t)
			if after.Permits(caller, method, path, now) && !before.Permits(caller, method, path, now) {
				t.Fatalf("%s %s is permitted only without %v", method, path, permissions[gone])
			}
			if later := now.Add(90 * time.Second); before.Permits(caller, method, path, later) && !before.Permits(caller, method, path, now) {
				t.Fatalf("%s %s is permitted only after an expiry", method, path)
			}
		}
	})
}

// slow is the definition of Permits, read once more.
type slow struct {
	permissions []mapping.Permission
	caller      mapping.Caller
	method      string
}

func (s slow) permits(path string) bool {
	verb := mapping.Verb(s.method)
	if !slices.Contains(mapping.Methods, verb) || !strings.HasPrefix(path, "/") {
		return false
	}
	raw := path[1:]
	decoded := lenientDecode(raw)
	plain := strings.NewReplacer("%2e", ".", "%2E", ".")
	if bad(raw) || bad(decoded) || bad(plain.Replace(raw)) {
		return false
	}
	for _, text := range []string{raw, strings.TrimSuffix(raw, "/"), decoded, strings.TrimSuffix(decoded, "/")} {
		if route := s.route(text); route != nil && !s.held(*route) && !s.pattern(text) {
			return false
		}
	}
	if s.pattern(raw) || s.route(raw) != nil {
		return true
	}
	bare := s.route(strings.TrimSuffix(raw, "/"))
	return bare != nil && s.held(*bare) && strings.HasSuffix(bare.Resource.Shape(), "}")
}

func bad(text string) bool {
	if text == "" {
		return false
	}
	for _, segment := range strings.Split(strings.TrimSuffix(text, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func lenientDecode(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	out := ""
	for s != "" {
		if len(s) >= 3 && s[0] == '%' {
			if d, err := url.PathUnescape(s[:3]); err == nil {
				out, s = out+d, s[3:]
				continue
			}
		}
		out, s = out+s[:1], s[1:]
	}
	return out
}

func (s slow) applies(p mapping.Permission) bool {
	return slices.Contains(p.Verb.Methods(), mapping.Verb(s.method))
}

func (s slow) pattern(text string) bool {
	return slices.ContainsFunc(s.permissions, func(p mapping.Permission) bool {
		return s.applies(p) && p.Resource.IsPattern() && p.HeldBy(s.caller, now) && mapping.Match(p.Resource.String(), text)
	})
}

// route filters the routes that match and sorts the rest by their kinds.
func (s slow) route(text string) *mapping.Permission {
	var fitting []mapping.Permission
	for _, p := range s.permissions {
		if s.applies(p) && !p.Resource.IsPattern() && fits(p.Resource, text) {
			fitting = append(fitting, p)
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	best := slices.MinFunc(fitting, func(a, b mapping.Permission) int {
		return slices.CompareFunc(a.Resource.Segments(), b.Resource.Segments(), func(x, y mapping.Segment) int {
			return int(x.Kind) - int(y.Kind)
		})
	})
	return &best
}

func fits(r mapping.Resource, text string) bool {
	segments := r.Segments()
	if len(segments) == 0 || text == "" {
		return len(segments) == 0 && text == ""
	}
	greedy := segments[len(segments)-1].Kind == mapping.Greedy
	body := strings.TrimSuffix(text, "/")
	if !greedy && r.TrailingSlash() != (body != text) {
		return false
	}
	parts := strings.Split(body, "/")
	if len(parts) < len(segments) || len(parts) > len(segments) && !greedy {
		return false
	}
	for i, s := range segments {
		if s.Kind == mapping.Literal && s.Text != parts[i] {
			return false
		}
	}
	return true
}

func (s slow) held(route mapping.Permission) bool {
	return slices.ContainsFunc(s.permissions, func(p mapping.Permission) bool {
		return s.applies(p) && !p.Resource.IsPattern() && p.Resource.Shape() == route.Resource.Shape() && p.HeldBy(s.caller, now)
	})
}
