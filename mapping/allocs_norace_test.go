//go:build !race

package mapping_test

import (
	"strings"
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// Deciding about a request leaves nothing for the garbage collector: known and
// unknown routes, those of patterns, and paths of up to 32 segments.
func TestDecidingAllocatesNothing(t *testing.T) {
	p := tabletest.Permission
	table := tabletest.Table(
		p("GET", "orders/{id}", "s1"), p("GET", "orders/{id}/notes/{note}", "s1"), p("GET", "orders/export", "s2"), p("GET", "files/{path+}", "s1"),
		p("GET", "reports/*", "s1"), p("GET", "*/summary", "s1"), p("ANY", "x*", "s2"), p("$connect", "", "s1"),
		p("GET", "gone/{id}", "s1", "expiresAt", "2040-01-01T00:00:00Z"),
	)
	held := table.Held(tabletest.Caller("s1"), now)
	requests := [][2]string{
		{"GET", "/orders/7"}, {"GET", "/orders/7/"}, {"GET", "/orders/7/notes/8"}, {"GET", "/orders/export"}, {"GET", "/unknown"}, {"GET", "/"},
		{"GET", "/reports/2030/01"}, {"GET", "/a/b/c/summary"}, {"GET", "/files" + strings.Repeat("/a", 31)}, {"GET", "/a//b"}, {"GET", "no slash"},
		{"POST", "/orders/7"}, {"TRACE", "/orders/7"}, {"$connect", ""}, {"$connect", "/"},
	}
	for _, r := range requests {
		if n := testing.AllocsPerRun(100, func() { table.Decide(held, r[0], r[1]) }); n != 0 {
			t.Errorf("Decide %s %s: %v allocations", r[0], r[1], n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { table.Decide(held, "GET", "/orders/%37") }); n > 1 {
		t.Errorf("Decide of a path that is percent-encoded: %v allocations, want 1 at most", n)
	}
	route := table.Decide(held, "GET", "/orders/7").Route
	for name, f := range map[string]func(){
		"HeldUntil":       func() { table.HeldUntil(held) },
		"KnowsShape":      func() { table.KnowsShape("GET", "orders/{}/notes/{}") },
		"BareShape":       func() { _ = route.BareShape() },
		"Template.String": func() { _ = route.String() },
		"Resource.String": func() { _ = route.Resource.String() },
		"Trusts":          func() { table.Trusts(tabletest.Caller()) },
		"ParseAPI":        func() { _, _ = mapping.ParseAPI(tabletest.API.ARN, tabletest.API.Stage) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
