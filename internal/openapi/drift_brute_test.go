package openapi_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/openapi"
	"scopegate/mapping"
	"scopegate/store"
)

// withScopes gives drawn routes a scope each, and some to nobody.
func withScopes(t *rapid.T, label string, routes []string) []string {
	for i, one := range routes {
		routes[i] = strings.TrimSuffix(one, " s") + " " + rapid.SampledFrom([]string{"r", "r", "w", "registered"}).Draw(t, label+" needs")
	}
	return routes
}

// TestWithoutDriftNobodyIsLetInWhomTheDocumentDoesNot: on every request that a
// route of the document stands for which says what it needs. The tables are the
// document's own, with routes and patterns of other needs beside.
func TestWithoutDriftNobodyIsLetInWhomTheDocumentDoesNot(t *testing.T) {
	paths := calls()
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, openapi.HTTPExport, withScopes(t, "document", someRoutes(t, "document"))...)
		s := drawBeside(t, d)
		if drift(t, d, s).Drifted() {
			return
		}
		document, table := believing(t, snapshotOf(d)), believing(t, s)
		for _, scope := range []string{"r", "w"} {
			c := mapping.Caller{Issuer: "https://idp.example", Audience: "api", Scopes: []string{scope}}
			for _, v := range mapping.Methods {
				for _, path := range paths {
					route := document.Decide(mapping.Held{}, string(v), path).Route
					if route == nil || !says(d, v, route.Resource) {
						continue
					}
					if table.Permits(c, string(v), path, noon) && !document.Permits(c, string(v), path, noon) {
						t.Fatalf("%s %s is open to %s, which the document does not say of %s, and there is no drift: %v", v, path, scope, route, s.Permissions)
					}
				}
			}
		}
	})
}

// drawBeside is a document's table, or one without some of it, with more in it.
func drawBeside(t *rapid.T, d openapi.Result) store.Snapshot {
	lines := withScopes(t, "table", someRoutes(t, "table"))[:rapid.IntRange(0, 1).Draw(t, "beside")]
	if rapid.Bool().Draw(t, "a pattern") {
		text := rapid.SampledFrom([]string{"a/*", "*", "*/a", "a*", "*/*", "a/a*", "*b", "a/*/b"}).Draw(t, "pattern")
		lines = append(lines, "GET "+text+" "+rapid.SampledFrom([]string{"r", "w"}).Draw(t, "its scope"))
	}
	s := snapshot(t, lines...)
	for _, p := range d.Permissions {
		if rapid.IntRange(0, 5).Draw(t, "left out") > 0 {
			s.Permissions = append(s.Permissions, p)
		}
	}
	return s
}

func believing(t *rapid.T, s store.Snapshot) *mapping.Table {
	table, err := mapping.NewTable(mapping.Source{
		API: api, Permissions: s.Permissions, Routes: s.Routes, Trust: []mapping.Trust{{Issuer: "https://idp.example", Audiences: []string{"api"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// says reports whether a document says what a route needs.
func says(d openapi.Result, v mapping.Verb, r mapping.Resource) bool {
	return slices.ContainsFunc(d.Permissions, func(p mapping.Permission) bool {
		return !p.Registered && p.Resource.Shape() == r.Shape() && slices.Contains(p.Verb.Methods(), v)
	})
}
