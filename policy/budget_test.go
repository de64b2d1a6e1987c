package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

func tableOf(complete bool, list ...mapping.Permission) *mapping.Table {
	t, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: list, Trust: tabletest.Trust, Complete: complete})
	if err != nil {
		panic(err)
	}
	return t
}

func compileWithin(t *mapping.Table, budget int) *policy.Compiled {
	return policy.Prepare(t).Compile(t.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now, budget)
}

func reported(list []policy.Collision, arn string) bool {
	return slices.ContainsFunc(list, func(c policy.Collision) bool { return mapping.Match(c.Deny, arn) })
}

// TestGlobsAreCutBetweenCharacters: what is made shorter stays UTF-8, and matches.
func TestGlobsAreCutBetweenCharacters(t *testing.T) {
	p := tabletest.Permission
	for name, c := range map[string]struct {
		table     *mapping.Table
		path      string
		wantAllow bool
	}{
		"allow": {tableOf(true, p("GET", "ü", "s1"), p("GET", "é", "s1")), "/ü", true},
		"deny":  {tableOf(false, p("GET", "ü/{a}/{b}/{c}/{d}", "s1"), p("GET", "ü/a/{y}/{y}/{p+}", "s2")), "/ü/a/1/1/1", false},
	} {
		for budget := 301; budget < 1200; budget++ {
			doc := compileWithin(c.table, budget).Document(policy.Request{End: end})
			if got := evaluate(doc, "GET", c.path, tabletest.Now); (got == policy.Allowed) != c.wantAllow {
				t.Errorf("%s, budget %d: GET %s is %v", name, budget, c.path, got)
				break
			}
			for _, s := range doc.Statement {
				for _, r := range s.Resource {
					if !utf8.ValidString(r) {
						t.Fatalf("%s, budget %d: %s %q", name, budget, s.Effect, r)
					}
				}
			}
		}
	}
}

// TestConnectStaysAsItIs, however little room there is.
func TestConnectStaysAsItIs(t *testing.T) {
	p := tabletest.Permission
	table := tableOf(true, p("GET", "{x}", "s1"), p("$connect", "", "s1"))
	for budget := 301; budget < 1200; budget++ {
		for _, s := range compileWithin(table, budget).Document(policy.Request{End: end}).Statement {
			for _, r := range s.Resource {
				if strings.HasSuffix(r, "/$*") {
					t.Fatalf("budget %d: %s %s", budget, s.Effect, r)
				}
			}
		}
	}
}

// TestTooLargeIsWhatDoesNotFit, for every budget.
func TestTooLargeIsWhatDoesNotFit(t *testing.T) {
	p := tabletest.Permission
	table := tableOf(true, p("GET", "x/é/k", "s1"), p("GET", "x/u/b", "s1"), p("GET", "x/u/c", "s2"))
	for budget := 1; budget < 1200; budget++ {
		if c := compileWithin(table, budget); c.TooLarge() != (c.Size() > budget) {
			t.Fatalf("budget %d: %d bytes, too large: %v", budget, c.Size(), c.TooLarge())
		}
	}
}

// TestCollisionsOfPatternsAreReported, with the standing Denies.
func TestCollisionsOfPatternsAreReported(t *testing.T) {
	p := tabletest.Permission
	for _, c := range []struct {
		table *mapping.Table
		path  string
	}{
		{tableOf(true, p("GET", "*/*/*", "s1")), "/us/.%2Eers/xx"},
		{tableOf(true, p("GET", "*/*/*", "s1")), "/a/..%2/b"},
		{tableOf(false, p("GET", "*/", "s1"), p("GET", "{x}/ab/{x}/{x}", "s2")), "/1/ab/1/1/1/"},
		{tableOf(false, p("GET", "1/{p+}", "s1"), p("GET", "{p+}", "s1"), p("GET", "{x}/{x}/1/{x}", "")), "/a/b/1/a/users"},
	} {
		compiled := compileWithin(c.table, 0)
		if !c.table.Permits(tabletest.Caller("s1"), "GET", c.path, tabletest.Now) {
			t.Fatalf("%s is not permitted", c.path)
		}
		if got := evaluate(compiled.Document(policy.Request{End: end}), "GET", c.path, tabletest.Now); got != policy.Allowed && !reported(compiled.Report().Collisions, arn("GET", c.path)) {
			t.Errorf("GET %s is %v, and no collision says so: %+v", c.path, got, compiled.Report().Collisions)
		}
	}
}

// TestACollisionNamesTheRouteOfItsWitness.
func TestACollisionNamesTheRouteOfItsWitness(t *testing.T) {
	p := tabletest.Permission
	table := tableOf(false, p("POST", "{y}/", "s1"), p("POST", "*", "s1"), p("POST", "{y}", "s2"))
	for _, c := range compileWithin(table, 0).Report().Collisions {
		if c.Route == "POST /{y}/" && !strings.HasSuffix(c.Witness, "/") {
			t.Errorf("%+v", c)
		}
	}
}

// TestTheExplicitDenyLeavesOutWhatIsAllowedNow, not what begins to be later.
func TestTheExplicitDenyLeavesOutWhatIsAllowedNow(t *testing.T) {
	p := tabletest.Permission
	soon := tabletest.Now.Add(time.Minute).Format(time.RFC3339)
	table := tableOf(true, p("GET", "{a}/{b}/{c}/{d}/{p+}", "s1", "expiresAt", soon), p("GET", "{a}/{b}/{c}/{d}/{e}", "s1"), p("GET", "{a}/{b}/{c}/{d}", ""))
	all := policy.Document{Statement: []policy.Statement{{Action: policy.Strings{policy.Invoke}, Effect: policy.Allow, Resource: policy.Strings{"*"}}}}
	for _, budget := range []int{1, 100, 300, 310, 400, 500} {
		for _, until := range []time.Time{end, {}} {
			doc := compileWithin(table, budget).Document(policy.Request{End: until, ExplicitDeny: true})
			if got := policy.EvaluateBoth(doc, &all, arn("GET", "/1/2/3/4"), tabletest.Now, netip.Addr{}); got != policy.ExplicitlyDenied {
				t.Errorf("budget %d, end %v: %v", budget, until, got)
			}
		}
	}
}

// TestACollisionNamesTheRouteThatPermitsItsWitness.
func TestACollisionNamesTheRouteThatPermitsItsWitness(t *testing.T) {
	p := tabletest.Permission
	table := tableOf(true, p("GET", "a/{x}/a", "s1"), p("GET", "a/a/{p+}", "s1"), p("GET", "u/{y}/A/", "s1"), p("GET", "u/k/{y}", "s1"))
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	for budget := 0; budget < 2000; budget += 7 {
		for _, c := range compileWithin(table, budget).Report().Collisions {
			_, path, _ := strings.Cut(c.Witness, " ")
			if !slices.ContainsFunc(table.Readings(held, "GET", path), func(r mapping.Reading) bool { return r.Route != nil && r.Route.String() == c.Route }) {
				t.Fatalf("budget %d: %+v", budget, c)
			}
		}
	}
}

// TestCollisionsOfPatternsFurtherDown are found below routes that are not held.
func TestCollisionsOfPatternsFurtherDown(t *testing.T) {
	p := tabletest.Permission
	for _, c := range []struct {
		table *mapping.Table
		path  string
	}{
		{tableOf(false, p("GET", "**/", "s1"), p("GET", "{x}/a/a/", ""), p("GET", "{x}", ""), p("GET", "{x}/{y}", "")), "/a/a/a/a/"},
		{tableOf(false, p("GET", "**/", "s1"), p("GET", "a/{x}", ""), p("GET", "{x}/{y}", ""), p("GET", "{x}", "")), "/a/a/a/"},
		{tableOf(false, p("GET", "*/", "s1"), p("GET", "{x}/{y}/{z}", ""), p("GET", "{x}/{y}", ""), p("GET", "{x}", "")), "/a/a/a/a/"},
	} {
		compiled := compileWithin(c.table, 0)
		if !c.table.Permits(tabletest.Caller("s1"), "GET", c.path, tabletest.Now) {
			t.Fatalf("%s is not permitted", c.path)
		}
		if got := evaluate(compiled.Document(policy.Request{End: end}), "GET", c.path, tabletest.Now); got != policy.Allowed && !reported(compiled.Report().Collisions, arn("GET", c.path)) {
			t.Errorf("GET %s is %v, and no collision says so: %+v", c.path, got, compiled.Report().Collisions)
		}
	}
}

// TestACollisionNamesWhatIsHeld: a held route of one of its readings, or the pattern.
func TestACollisionNamesWhatIsHeld(t *testing.T) {
	p := tabletest.Permission
	table := tableOf(false, p("GET", "*/", "s1"), p("GET", "{x}", "s1"), p("GET", "{p+}", ""), p("GET", "a/*/*/b/", "s2"))
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	for _, c := range compileWithin(table, 0).Report().Collisions {
		_, route, _ := strings.Cut(c.Route, " /")
		_, path, _ := strings.Cut(c.Witness, " ")
		named := route == "*/"
		for _, r := range table.Readings(held, "GET", path) {
			named = named || r.Held && r.Route.String() == c.Route
		}
		if !named {
			t.Errorf("%+v", c)
		}
	}
}

// TestCollisionsOfPatternsAreFoundWhereverRoutingLeads, past routes that are not held.
func TestCollisionsOfPatternsAreFoundWhereverRoutingLeads(t *testing.T) {
	p := tabletest.Permission
	for _, c := range []struct {
		table *mapping.Table
		path  string
	}{
		{tableOf(false, p("GET", "*/a*/", "s1"), p("GET", "a/{x}/{y}", "")), "/a/a/a/a/"},
		{tableOf(false, p("GET", "a/*/*", "s1"), p("GET", "{x}/{y}", "")), "/a/a/a/"},
		{tableOf(false, p("GET", "ü*/", "s1"), p("GET", "{x}", "")), "/üa/üa/"},
	} {
		compiled := compileWithin(c.table, 0)
		if !c.table.Permits(tabletest.Caller("s1"), "GET", c.path, tabletest.Now) {
			t.Fatalf("%s is not permitted", c.path)
		}
		if got := evaluate(compiled.Document(policy.Request{End: end}), "GET", c.path, tabletest.Now); got != policy.Allowed && !reported(compiled.Report().Collisions, arn("GET", c.path)) {
			t.Errorf("GET %s is %v, and no collision says so: %+v", c.path, got, compiled.Report().Collisions)
		}
	}
}
