package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// manyRoutes is a table of n routes that are held beside as many that are not, and
// what is held.
func manyRoutes(n int) (*policy.Prepared, mapping.Held) {
	var list []mapping.Permission
	for i := range n {
		list = append(list, tabletest.Permission("GET", fmt.Sprintf("resources-%d/{id}", i), "s1"), tabletest.Permission("GET", fmt.Sprintf("others-%d/{id}", i), "s2"))
	}
	table := tabletest.Table(list...)
	return policy.Prepare(table), table.Held(tabletest.Caller("s1"), tabletest.Now)
}

// manyAllowed is the policy of n such routes, and a request for the last of them.
func manyAllowed(n int) (*policy.Compiled, policy.Request) {
	prepared, held := manyRoutes(n)
	path := fmt.Sprintf("/resources-%d/7", n-1)
	return prepared.Compile(held, tabletest.Now, 0), policy.Request{ARN: policy.ARN{API: tabletest.API, Method: "GET", Path: path}.String(), End: tabletest.Now.Add(time.Hour)}
}

// BenchmarkRequest measures what one request costs of a policy that is there:
// writing it and reading it once more, each beside the way through the Document.
func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		c, r := manyAllowed(n)
		denied := r
		denied.Denied = true
		var out []byte
		for _, way := range []struct {
			name string
			run  func()
		}{
			{"Append", func() { out = c.Append(out[:0], r) }},
			{"Append denied", func() { out = c.Append(out[:0], denied) }},
			{"Document, marshalled", func() { out = written(b, c.Document(r)) }},
			{"Decide", func() { c.Decide(r, tabletest.Now) }},
			{"Document, evaluated", func() { policy.Evaluate(c.Document(r), r.ARN, tabletest.Now, netip.Addr{}) }},
		} {
			b.Run(fmt.Sprintf("%d routes/%s", n, way.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					way.run()
				}
			})
		}
	}
}

// BenchmarkRemembered measures how much memory a policy keeps beyond its table, in
// bytes, beside those of its document.
func BenchmarkRemembered(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d routes", n), func(b *testing.B) {
			prepared, held := manyRoutes(n)
			for b.Loop() {
				prepared.Compile(held, tabletest.Now, 0)
			}
			b.ReportMetric(kept(func() any { return prepared.Compile(held, tabletest.Now, 0) }), "kept-B")
			_, r := manyAllowed(n)
			b.ReportMetric(float64(len(prepared.Compile(held, tabletest.Now, 0).Append(nil, r))), "document-B")
		})
	}
}
