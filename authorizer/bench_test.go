package authorizer_test

import (
	"fmt"
	"testing"

	"go.uber.org/zap"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// BenchmarkInvoke measures one call with token and table in memory, for tables
// of several sizes and callers who hold the same few routes of each.
func BenchmarkInvoke(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		var list []mapping.Permission
		for i := range n {
			scope := "s2"
			if i < 5 {
				scope = "s1"
			}
			list = append(list, tabletest.Permission("GET", fmt.Sprintf("resources-%d/{id}", i), scope))
		}
		a := start(b, func(c *authorizer.Config) { c.Log = zap.NewNop() }, list...)
		event := []byte(restRequest(api+"/dev/GET/resources-1/7", "Bearer "+good, "/resources-1/{id}"))
		b.Run(fmt.Sprintf("%d routes", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Invoke(b.Context(), event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
