package lint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// entries puts permissions into a file, one after the other.
func entries(permissions ...mapping.Permission) []lint.Entry {
	list := make([]lint.Entry, len(permissions))
	for i, p := range permissions {
		list[i] = lint.Entry{Place: i + 1, Permission: p}
	}
	return list
}

// table is one that trusts one tenant for one audience.
func table(permissions ...mapping.Permission) lint.Table {
	return lint.Table{API: tabletest.API, Entries: entries(permissions...), Trust: tabletest.Trust}
}

var options = lint.Options{Now: tabletest.Now, MaxBytes: 8192, Budget: 7680}

func check(t testing.TB, table lint.Table, o lint.Options) lint.Result {
	t.Helper()
	r, err := lint.Check(t.Context(), table, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// text is a finding in short: its kind and the places of its permissions.
func text(f lint.Finding) string {
	parts := []string{string(f.Kind)}
	for _, p := range f.Permissions {
		parts = append(parts, fmt.Sprint(p.Place))
	}
	return strings.Join(parts, " ")
}

// found lists the findings of some kinds.
func found(r lint.Result, kinds ...lint.Kind) []string {
	list := []string{}
	for _, f := range r.Findings {
		if slices.Contains(kinds, f.Kind) {
			list = append(list, text(f))
		}
	}
	return list
}

// told leaves out the notes.
func told(r lint.Result) []lint.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f lint.Finding) bool { return f.Severity == lint.Note })
}

// requirement parses a permission with other requirements than a scope.
func requirement(t testing.TB, verb, resource string, members map[string]any) mapping.Permission {
	t.Helper()
	doc := map[string]any{"arn": tabletest.API.ARN, "stage": tabletest.API.Stage, "httpVerb": verb, "resource": resource}
	for name, value := range members {
		doc[name] = value
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.ParsePermission(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// principal is a caller of a result, as the tests' own tables know him.
func principal(k lint.Caller) mapping.Caller {
	c := tabletest.Caller(k.Scopes...)
	c.Roles, c.Groups, c.PrincipalType, c.Tenant = k.Roles, k.Groups, k.PrincipalType, k.Tenant
	return c
}

// callerNamed finds a caller of a result.
func callerNamed(t rapid.TB, r lint.Result, name string) lint.Caller {
	t.Helper()
	at := slices.IndexFunc(r.Callers, func(k lint.Caller) bool { return k.Name == name })
	if at < 0 {
		t.Fatalf("no caller %q among %v", name, names(r))
	}
	return r.Callers[at]
}

func names(r lint.Result) []string {
	list := []string{}
	for _, k := range r.Callers {
		list = append(list, k.Name)
	}
	return list
}

// world answers about a table independently of package lint.
type world struct {
	table    *mapping.Table
	prepared *policy.Prepared
	budget   int
}

func worldOf(t rapid.TB, of lint.Table, r lint.Result) world {
	t.Helper()
	permissions := []mapping.Permission{}
	for _, e := range of.Entries {
		permissions = append(permissions, e.Permission)
	}
	m, err := mapping.NewTable(mapping.Source{API: of.API, Permissions: permissions, Routes: of.Routes, Complete: of.Complete, Trust: of.Trust})
	if err != nil {
		t.Fatal(err)
	}
	return world{m, policy.Prepare(m), r.Budget}
}

// document is the policy of a caller for a request that is allowed.
func (w world) document(k lint.Caller) policy.Document {
	held := w.table.Held(principal(k), tabletest.Now)
	return w.prepared.Compile(held, tabletest.Now, w.budget).Document(policy.Request{End: tabletest.Now.Add(time.Hour)})
}

func TestASoundTableHasNoFinding(t *testing.T) {
	p := tabletest.Permission
	r := check(t, table(p("GET", "orders", "orders.read"), p("POST", "orders", "orders.write"), p("GET", "health", "status")), options)
	if len(r.Findings) > 0 || r.Errors() > 0 || r.Warnings() > 0 {
		t.Errorf("found %+v", r.Findings)
	}
	if r.Permissions != 3 || r.Routes != 3 || r.Expired != 0 || r.ARN != tabletest.API.ARN || r.Stage != tabletest.API.Stage {
		t.Errorf("counted %+v", r)
	}
}

func TestAnEmptyTableHasNothingToSay(t *testing.T) {
	r := check(t, table(), options)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"findings":[]`, `"callers":[]`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

func TestPermissionsOfAnotherTableAreAnError(t *testing.T) {
	other := table(tabletest.Permission("GET", "a", "s1"))
	other.API.Stage = "prod"
	if _, err := lint.Check(t.Context(), other, options); err == nil {
		t.Error("a permission of dev is in the table of prod")
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lint.Check(ctx, table(tabletest.Permission("GET", "a", "s1")), options); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestExpiredPermissionsCountAndAreHeldByNobody(t *testing.T) {
	p := tabletest.Permission
	over := tabletest.Now.Format(time.RFC3339) // held before that instant
	r := check(t, table(p("GET", "a", "s1", "expiresAt", over), p("GET", "b", "s2")), options)
	if r.Permissions != 2 || r.Expired != 1 || r.Routes != 2 {
		t.Errorf("%d permissions, %d expired, %d routes", r.Permissions, r.Expired, r.Routes)
	}
	if got := names(r); !slices.Equal(got, []string{"all scopes", "scope s2"}) {
		t.Errorf("callers %q", got)
	}
}
