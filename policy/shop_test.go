package policy_test

import (
	"strings"
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// shop is an API in the shape of public ones: collections, items, actions below
// items, fixed names beside {id}, and a read and a write scope for each.
func shop() []mapping.Permission {
	var list []mapping.Permission
	add := func(verb, resource, scope string) {
		list = append(list, tabletest.Permission(verb, resource, scope))
	}
	for _, c := range []string{"orders", "customers", "products", "invoices", "refunds", "shipments", "carts", "coupons"} {
		read, write := c+".read", c+".write"
		add("GET", "v2/"+c, read)
		add("POST", "v2/"+c, write)
		add("GET", "v2/"+c+"/{id}", read)
		add("PUT", "v2/"+c+"/{id}", write)
		add("DELETE", "v2/"+c+"/{id}", write)
		add("GET", "v2/"+c+"/export", c+".export")
		add("GET", "v2/"+c+"/{id}/actions", read)
		add("POST", "v2/"+c+"/{id}/actions", write)
		add("GET", "v2/"+c+"/{id}/actions/{action_id}", read)
		add("GET", "v2/"+c+"/{id}/secrets", c+".secrets")
		add("GET", "v2/"+c+"/{id}/notes/{note}", "notes.read "+read)
		add("ANY", "v2/"+c+"/{id}/tags/{tag}", write)
		add("GET", "v2/"+c+"/internal/{path+}", "")
	}
	return list
}

// paths lists instances of a route: harmless values, and values that are other
// routes' literals, each with and without a slash at the end.
func paths(r mapping.Resource) []string {
	var list []string
	for _, value := range []string{"123", "export", "actions", "internal", "secrets", "a.b"} {
		path := ""
		for _, s := range r.Segments() {
			if s.Kind == mapping.Literal {
				path += "/" + s.Text
			} else {
				path += "/" + value
			}
		}
		list = append(list, path, path+"/")
	}
	return list
}

// TestEverySingleScopeCallerReachesWhatItListsAndNothingElse, over every route,
// from one cached policy; under-allows are collisions with a Deny, never gaps.
func TestEverySingleScopeCallerReachesWhatItListsAndNothingElse(t *testing.T) {
	permissions := shop()
	table := tabletest.Table(permissions...)
	scopes := map[string]bool{}
	for _, p := range permissions {
		for _, s := range p.Requires.Scopes {
			scopes[s] = true
		}
	}
	asked := 0
	for scope := range scopes {
		caller := tabletest.Caller(scope)
		doc := answer(table, caller, "GET", "/nothing")
		for _, p := range permissions {
			for _, verb := range p.Verb.Methods() {
				for _, path := range paths(p.Resource) {
					asked++
					want := table.Permits(caller, string(verb), path, tabletest.Now)
					got := evaluate(doc, string(verb), path, tabletest.Now)
					if got == policy.Allowed && !want {
						t.Errorf("%s: %s %s is allowed and not permitted", scope, verb, path)
					}
					if got == policy.NotMatched && want {
						t.Errorf("%s: %s %s is permitted, and nothing in the policy says so", scope, verb, path)
					}
					if got == policy.ExplicitlyDenied && want && !strings.Contains(path, "actions/actions") && !strings.Contains(path, "export") && !strings.Contains(path, "internal") && !strings.Contains(path, "secrets") {
						t.Errorf("%s: %s %s is permitted and denied, without a value that is a literal", scope, verb, path)
					}
				}
			}
		}
	}
	if asked < 20_000 {
		t.Errorf("only %d requests were looked at", asked)
	}
}
