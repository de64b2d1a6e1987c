//go:build !race

package policy_test

import (
	"testing"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/policy"
)

// A token that ends before a permission does, and one that ends after it.
func TestARequestBesideAnExpiryAllocatesNothing(t *testing.T) {
	ends := tabletest.Now.Add(2 * time.Hour)
	table := tabletest.Table(tabletest.Permission("GET", "a/{id}", "s1"), tabletest.Permission("GET", "b/{id}", "s1", "expiresAt", ends.Format(time.RFC3339)))
	c := policy.Compile(table, table.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now)
	for _, end := range []time.Time{ends.Add(-time.Hour), ends, ends.Add(time.Hour)} {
		r := policy.Request{ARN: policy.ARN{API: tabletest.API, Method: "GET", Path: "/b/1"}.String(), End: end}
		out := c.Append(nil, r)
		if got := testing.AllocsPerRun(100, func() { out = c.Append(out[:0], r); c.Decide(r, tabletest.Now) }); got != 0 {
			t.Errorf("a token until %v: %v allocations", end, got)
		}
	}
}

// What one request needs of a policy that is there leaves nothing for the garbage
// collector, however many routes it has.
func TestARequestAllocatesNothing(t *testing.T) {
	for _, n := range []int{1, 100} {
		c, r := manyAllowed(n)
		denied, undated, odd := r, r, r
		denied.Denied = true
		undated.End = time.Time{}
		odd.Denied, odd.ARN = true, odd.ARN+"/é"
		for name, r := range map[string]policy.Request{"allowed": r, "denied": denied, "without conditions": undated, "all denied": odd} {
			out := c.Append(nil, r)
			if got := testing.AllocsPerRun(100, func() { out = c.Append(out[:0], r) }); got != 0 {
				t.Errorf("%d routes, %s: Append makes %v allocations", n, name, got)
			}
			if got := testing.AllocsPerRun(100, func() { c.Append(nil, r) }); got > 1 {
				t.Errorf("%d routes, %s: Append to nothing makes %v allocations, want that of its size", n, name, got)
			}
			if got := testing.AllocsPerRun(100, func() { c.Decide(r, tabletest.Now) }); got != 0 {
				t.Errorf("%d routes, %s: Decide makes %v allocations", n, name, got)
			}
		}
		if got := testing.AllocsPerRun(100, func() { _, _ = policy.ParseARN(r.ARN) }); got != 0 {
			t.Errorf("ParseARN makes %v allocations", got)
		}
	}
}
