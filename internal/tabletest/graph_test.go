package tabletest_test

import (
	"reflect"
	"strings"
	"sync"
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// large is made once: it takes half a second, and ten times that with the race
// detector.
var large = sync.OnceValue(func() mapping.Source { return tabletest.Graph(10_000, 700) })

func routesOf(s mapping.Source) map[string]bool {
	routes := map[string]bool{}
	for _, p := range s.Permissions {
		routes[string(p.Verb)+" /"+p.Resource.Shape()] = true
	}
	return routes
}

func TestGraphHasAsManyRoutesAndScopesAsAsked(t *testing.T) {
	for _, c := range []struct {
		routes, scopes int
		source         mapping.Source
	}{
		{1, 1, tabletest.Graph(1, 1)},
		{100, 12, tabletest.Graph(100, 12)},
		{1000, 3, tabletest.Graph(1000, 3)},
		{10_000, 700, large()},
	} {
		if got := len(routesOf(c.source)); got != c.routes {
			t.Errorf("%d routes, want %d", got, c.routes)
		}
		if got := len(tabletest.GraphScopes(c.source)); got != c.scopes {
			t.Errorf("%d routes: %d scopes, want %d", c.routes, got, c.scopes)
		}
	}
}

func TestGraphIsInTheShapeOfMicrosofts(t *testing.T) {
	s := large()
	routes := routesOf(s)
	for _, r := range []string{
		"GET /users/delta", "GET /users/{}", "GET /me/messages", "GET /users/{}/messages/delta", "PATCH /users/{}/messages/{}",
		"GET /sites/{}/lists/{}/items/{}", "GET /drives/{}/items/{}/children", "GET /me/drive/items/{}", "GET /groups/{}/events",
		"POST /groups", "DELETE /groups/{}", "GET /deviceManagement/policies/{}",
	} {
		if !routes[r] {
			t.Errorf("%s is missing", r)
		}
	}
	verbs := map[mapping.Verb]int{}
	registered := 0
	for _, p := range s.Permissions {
		verbs[p.Verb]++
		if p.Registered {
			registered++
		}
	}
	for _, v := range []mapping.Verb{"GET", "POST", "PATCH", "DELETE", "PUT"} {
		if verbs[v] == 0 {
			t.Errorf("no %s", v)
		}
	}
	if registered < 100 || registered > 1000 {
		t.Errorf("%d routes are registered only", registered)
	}
	if alternatives := len(s.Permissions); alternatives < 15_000 {
		t.Errorf("%d permissions for 10,000 routes: too few alternatives", alternatives)
	}
}

func TestGraphScopesOpenWhatTheirNamesSay(t *testing.T) {
	for _, p := range large().Permissions {
		for _, scope := range p.Requires.Scopes {
			if strings.Contains(scope, ".Read") && !strings.Contains(scope, ".ReadWrite") && p.Verb != "GET" {
				t.Fatalf("%s opens %s /%s", scope, p.Verb, p.Resource)
			}
			if strings.HasPrefix(scope, "Mail.") && !strings.Contains(p.Resource.String(), "messages") {
				t.Fatalf("%s opens %s /%s", scope, p.Verb, p.Resource)
			}
		}
	}
}

func TestGraphIsTheSameEveryTime(t *testing.T) {
	if !reflect.DeepEqual(tabletest.Graph(500, 40), tabletest.Graph(500, 40)) {
		t.Error("two sources differ")
	}
	s := tabletest.Graph(500, 40)
	if !reflect.DeepEqual(tabletest.GraphCaller(s, 60), tabletest.GraphCaller(s, 60)) {
		t.Error("two callers differ")
	}
}

func TestGraphCallersHoldAboutAsManyRoutesAsAsked(t *testing.T) {
	s := large()
	table, err := mapping.NewTable(s)
	if err != nil {
		t.Fatal(err)
	}
	registered := 0
	for _, p := range s.Permissions {
		if p.Registered {
			registered++
		}
	}
	for _, c := range []struct {
		caller mapping.Caller
		want   int
	}{
		{tabletest.GraphCaller(s, 300), 300},
		{tabletest.Caller(tabletest.GraphScopes(s)...), 10_000 - registered},
	} {
		held := table.Held(c.caller, tabletest.Now)
		n := 0
		for _, v := range mapping.Methods {
			for _, route := range table.Templates(v) {
				if held.Holds(route) {
					n++
				}
			}
		}
		if n < c.want*95/100 || n > c.want*105/100 {
			t.Errorf("%d scopes hold %d routes, want about %d", len(c.caller.Scopes), n, c.want)
		}
	}
}
