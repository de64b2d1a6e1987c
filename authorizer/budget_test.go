package authorizer_test

import (
	"fmt"
	"strings"
	"testing"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// TestTheInvokingDenyNeverBreaksTheBudget: where only the request's own Deny is
// too much, the answer is deny-all.
func TestTheInvokingDenyNeverBreaksTheBudget(t *testing.T) {
	held := restToken(api+"/dev/GET/my-resource", "Bearer "+good)
	out, err := start(t, nil).Invoke(t.Context(), []byte(held))
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, func(c *authorizer.Config) { c.MaxBytes = len(out) - 200 })
	if _, err := ask(t, a, held); err != nil {
		t.Fatalf("the held route: %v", err)
	}
	got, err := ask(t, a, restToken(api+"/dev/GET/"+strings.Repeat("n", 400), "Bearer "+good))
	if err != nil || len(got.PolicyDocument.Statement) != 1 || got.PolicyDocument.Statement[0].Resource[0] != "*" {
		t.Errorf("%d statements, %v", len(got.PolicyDocument.Statement), err)
	}
	got, err = ask(t, a, restToken(api+"/dev/GET/n", "Bearer "+good))
	if err != nil || len(got.PolicyDocument.Statement) == 1 {
		t.Errorf("a Deny that fits: %d statements, %v", len(got.PolicyDocument.Statement), err)
	}
}

// TestScopesInTheContextMakeWayForThePolicy: they are left out whole, and
// truncated says so, where the answer would be too large with them.
func TestScopesInTheContextMakeWayForThePolicy(t *testing.T) {
	many := claims(append([]string{"s1"}, strings.Fields(strings.Repeat("a-scope ", 30))...)...)
	held := restToken(api+"/dev/GET/my-resource", "Bearer "+good)
	with := func(maxBytes int) bench {
		return start(t, func(c *authorizer.Config) { c.Verifier, c.MaxBytes = verifier{good: many}, maxBytes })
	}
	out, err := with(0).Invoke(t.Context(), []byte(held))
	if err != nil {
		t.Fatal(err)
	}
	for spare, want := range map[int]string{0: "", -1: "true"} {
		got, err := ask(t, with(len(out)+spare), held)
		if err != nil || got.Context["truncated"] != want || (got.Context["scp"] == "") != (want != "") {
			t.Errorf("with %d bytes to spare: %v, %v", spare, got.Context, err)
		}
	}
}

// TestACompleteTableIsFoldedIntoTheBudget: what does not fit as it is written
// does in a table that lists every route, and opens no more of them.
func TestACompleteTableIsFoldedIntoTheBudget(t *testing.T) {
	var many []mapping.Permission
	for i := range 80 {
		many = append(many, tabletest.Permission("GET", fmt.Sprintf("v2/resource-number-%d-with-a-long-name", i), "s1"))
	}
	many = append(many, tabletest.Permission("GET", "v2/secret", "s2"))
	table, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: many, Trust: tabletest.Trust, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, func(c *authorizer.Config) { c.Tables = tables{table: table} })
	got, err := ask(t, a, restToken(api+"/dev/GET/v2/resource-number-1-with-a-long-name", "Bearer "+good))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"v2/resource-number-79-with-a-long-name": true, "v2/secret": false, "v2/secret/": false} {
		if open := decides(got.PolicyDocument, api+"/dev/GET/"+path) == policy.Allowed; open != want {
			t.Errorf("%s is open: %v", path, open)
		}
	}
}

// TestThePolicyMakesRoomForTheExplicitDeny: POLICY_EXPLICIT_DENY names what is
// allowed once more, and what fits without it still does.
func TestThePolicyMakesRoomForTheExplicitDeny(t *testing.T) {
	var many []mapping.Permission
	for i := range 50 {
		many = append(many, tabletest.Permission("GET", fmt.Sprintf("v2/resource-number-%d-with-a-long-name", i), "s1"))
	}
	table, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: many, Trust: tabletest.Trust, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, func(c *authorizer.Config) { c.Tables, c.ExplicitDeny = tables{table: table}, true })
	got, err := ask(t, a, restToken(api+"/dev/GET/v2/resource-number-1-with-a-long-name", "Bearer "+good))
	if err != nil {
		t.Fatal(err)
	}
	if d := decides(got.PolicyDocument, api+"/dev/POST/v2/other"); d != policy.ExplicitlyDenied {
		t.Errorf("what is not allowed is %v", d)
	}
}
