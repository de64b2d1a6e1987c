package mapping_test

import (
	"fmt"
	"time"

	"scopegate/mapping"
)

func ExampleTable_Permits() {
	permissions, err := mapping.ParsePermissions([]byte(`[
	  {"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev",
	   "httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read"},
	  {"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev",
	   "httpVerb": "GET", "resource": "orders/export", "role": "Auditor"}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := mapping.NewTable(mapping.Source{
		API:         permissions[0].API,
		Permissions: permissions,
		Trust:       []mapping.Trust{{Tenant: "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11", Audiences: []string{"api://orders"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	caller := mapping.Caller{
		Issuer: "https://sts.windows.net/8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11/", Tenant: "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11",
		Audience: "api://orders", Scopes: []string{"orders.read"},
	}
	now := time.Now()
	fmt.Println(table.Permits(caller, "GET", "/orders/7", now))
	fmt.Println(table.Permits(caller, "GET", "/orders/export", now))
	fmt.Println(table.Permits(caller, "GET", "/orders/%65xport", now))
	// Output:
	// true
	// false
	// false
}

func ExampleParsePermissions() {
	_, err := mapping.ParsePermissions([]byte(`[{"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2",
	  "stage": "dev", "httpVerb": "FETCH", "resource": "orders//{id}"}]`))
	for _, f := range mapping.Faults(err) {
		fmt.Println(f)
	}
	// Output:
	// permission 1: httpVerb "FETCH": must be GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, ANY (or *), or $connect
	// permission 1: resource "orders//{id}": must not have an empty segment (segment 2)
	// permission 1: scope "": must be given, or role, group or authenticated: a missing requirement is never public
}
