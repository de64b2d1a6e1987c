package policy_test

import (
	"fmt"
	"testing"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// BenchmarkStart measures what the first call of an instance makes of a table's
// permissions: the table, the table prepared, and the policy of a caller who holds
// one route or a hundred of them.
func BenchmarkStart(b *testing.B) {
	list := []mapping.Permission{tabletest.Permission("GET", "orders/{id}", "one"), tabletest.Permission("GET", "orders/export", "none")}
	for i := range 100 {
		list = append(list, tabletest.Permission("GET", fmt.Sprintf("r%d", i), "hundred"))
	}
	source := mapping.Source{API: tabletest.API, Permissions: list, Trust: tabletest.Trust}
	table, err := mapping.NewTable(source)
	if err != nil {
		b.Fatal(err)
	}
	prepared := policy.Prepare(table)
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"NewTable", func() { _, _ = mapping.NewTable(source) }},
		{"Prepare", func() { policy.Prepare(table) }},
		{"Compile one route", func() { prepared.Compile(table.Held(tabletest.Caller("one"), tabletest.Now), tabletest.Now, budget) }},
		{"Compile a hundred", func() {
			prepared.Compile(table.Held(tabletest.Caller("hundred"), tabletest.Now), tabletest.Now, budget)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run()
			}
		})
	}
}
