package policy_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// budget is what an answer of 8,192 bytes leaves for the policy document.
const budget = 7_500

// graph is a table of 10,000 routes and 700 scopes, made once.
var graph = sync.OnceValues(func() (*mapping.Table, mapping.Source) {
	source := tabletest.Graph(10_000, 700)
	table, err := mapping.NewTable(source)
	if err != nil {
		panic(err)
	}
	return table, source
})

// BenchmarkPrepare reports besides the time how much memory a prepared table
// keeps beyond the table, and the table beyond its permissions.
func BenchmarkPrepare(b *testing.B) {
	_, large := graph()
	small := mapping.Source{API: tabletest.API, Permissions: shop(), Trust: tabletest.Trust}
	for _, c := range []struct {
		name   string
		source mapping.Source
	}{
		{"10,000 routes, 700 scopes", large},
		{"104 permissions", small},
	} {
		table, err := mapping.NewTable(c.source)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				policy.Prepare(table)
			}
			b.ReportMetric(kept(func() any { return policy.Prepare(table) }), "prepared-B")
			b.ReportMetric(kept(func() any { t, _ := mapping.NewTable(c.source); return t }), "table-B")
		})
	}
}

// kept measures the heap that what make returns keeps alive, in bytes.
func kept(make func() any) float64 {
	var before, after runtime.MemStats
	// Twice: what finalizers and pools hold goes with the second collection.
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	made := make()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(made)
	return float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

// BenchmarkCompileLarge compiles for callers of the large table, without a
// budget and within one.
func BenchmarkCompileLarge(b *testing.B) {
	table, source := graph()
	prepared := policy.Prepare(table)
	for _, c := range []struct {
		name   string
		caller mapping.Caller
	}{
		{"300 routes", tabletest.GraphCaller(source, 300)},
		{"all routes", tabletest.Caller(tabletest.GraphScopes(source)...)},
	} {
		held := table.Held(c.caller, tabletest.Now)
		for _, limit := range []int{0, budget} {
			b.Run(fmt.Sprintf("%s, budget %d", c.name, limit), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					prepared.Compile(held, tabletest.Now, limit)
				}
				b.ReportMetric(float64(prepared.Compile(held, tabletest.Now, limit).Report().Bytes), "document-B")
			})
		}
	}
}

// BenchmarkCompile compiles for callers of a table of 104 permissions.
func BenchmarkCompile(b *testing.B) {
	permissions := shop()
	table := tabletest.Table(permissions...)
	prepared := policy.Prepare(table)
	for _, n := range []int{1, 4, 8} {
		var held []string
		for _, p := range permissions {
			for _, s := range p.Requires.Scopes {
				if len(held) < 3*n {
					held = append(held, s)
				}
			}
		}
		set := table.Held(tabletest.Caller(held...), tabletest.Now)
		b.Run(fmt.Sprintf("%d routes held", set.Len()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				prepared.Compile(set, tabletest.Now, budget)
			}
		})
	}
}

func BenchmarkPermits(b *testing.B) {
	table := tabletest.Table(shop()...)
	held := table.Held(tabletest.Caller("orders.read"), tabletest.Now)
	b.ReportAllocs()
	for b.Loop() {
		table.Decide(held, "GET", "/v2/orders/7/actions/8")
	}
}
