package mapping_test

import (
	"testing"

	"scopegate/mapping"
)

// TestCoversNamesEveryPath: what the one grants, the other grants; a route is
// covered by itself and by patterns alone.
func TestCoversNamesEveryPath(t *testing.T) {
	for _, c := range []struct {
		wide, narrow string
		want         bool
	}{
		{"orders/{id}", "orders/{name}", true},
		{"orders/{id}", "orders/me", false},
		{"orders/{id+}", "orders/{id}", false},
		{"orders/*", "orders/{id}", true},
		{"orders/*", "orders/{id}/lines", true},
		{"orders/*", "orders", false},
		{"orders/*/lines", "orders/{id}/lines", true},
		{"orders/1*", "orders/{id}", false},
		{"*", "orders/*", true},
		{"orders/*", "*", false},
	} {
		wide, err := mapping.ParseResource(c.wide)
		if err != nil {
			t.Fatal(err)
		}
		narrow, err := mapping.ParseResource(c.narrow)
		if err != nil {
			t.Fatal(err)
		}
		if got := wide.Covers(narrow); got != c.want {
			t.Errorf("%s covers %s: %v, want %v", c.wide, c.narrow, got, c.want)
		}
	}
}

// TestImpliesMeansEveryCaller: whoever meets the one meets the other.
func TestImpliesMeansEveryCaller(t *testing.T) {
	a, ab := mapping.Requirement{Scopes: []string{"a"}}, mapping.Requirement{Scopes: []string{"a", "b"}}
	app := mapping.Requirement{Scopes: []string{"a"}, PrincipalType: mapping.App}
	role := mapping.Requirement{Role: "r"}
	any := mapping.Requirement{Authenticated: true}
	for _, c := range []struct {
		p, q mapping.Requirement
		want bool
	}{{ab, a, true}, {a, ab, false}, {app, a, true}, {a, app, false}, {a, role, false}, {a, any, true}, {any, a, false}} {
		if got := c.p.Implies(c.q); got != c.want {
			t.Errorf("%s implies %s: %v, want %v", c.p, c.q, got, c.want)
		}
	}
}
