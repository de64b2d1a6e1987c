package mapping_test

import (
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// BenchmarkParsePermission reads one permission as a store gives it back.
func BenchmarkParsePermission(b *testing.B) {
	doc, err := tabletest.Permission("GET", "orders/{id}/items/{item}", "orders.read", "description", "orders of the shop").MarshalJSON()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapping.ParsePermission(doc); err != nil {
			b.Fatal(err)
		}
	}
}
