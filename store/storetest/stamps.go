package storetest

import (
	"fmt"
	"testing"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// stamped follows one permission through edits in place, new generations,
// replacement, removal and a second life.
func stamped(t *testing.T, h Harness) {
	s := h.Store
	p := permission(t, dev, fields{"scope": "a"})
	renewed := permission(t, dev, fields{"scope": "a", "description": "renewed"})
	other := permission(t, dev, fields{"scope": "other"})
	at := store.Revision{}
	n := 0
	step := func(f func(*store.Change)) (string, time.Time) {
		t.Helper()
		n++
		c := change(dev, at)
		c.By, c.At = fmt.Sprint("by-", n), elsewhere(when.Add(time.Duration(n)*time.Hour))
		f(&c)
		at = commit(t, s, c).Revision
		return c.By, c.At.UTC()
	}
	want := func(p mapping.Permission, want store.Stamp) {
		t.Helper()
		wantSame(t, want, load(t, s, dev).Stamps[p.ID()])
	}
	for i, more := range []int{0, 120} { // in one transaction, by a new generation
		filler := scoped(t, dev, more, fmt.Sprint("more", i))
		put := func(more ...mapping.Permission) func(c *store.Change) {
			return func(c *store.Change) { c.Put = append(more, filler...) }
		}
		made, madeAt := step(put(p, other))
		stamp := store.Stamp{CreatedBy: made, CreatedAt: madeAt, UpdatedBy: made, UpdatedAt: madeAt}
		others := stamp
		if i > 0 { // it stayed since the first round
			others.CreatedBy, others.CreatedAt = "by-1", when.Add(time.Hour)
		}
		want(p, stamp)
		want(other, others)
		stamp.UpdatedBy, stamp.UpdatedAt = step(put(renewed))
		want(p, stamp)
		want(other, others)
		step(put()) // another's change
		want(p, stamp)
		step(func(c *store.Change) {
			c.Remove = append(permissionIDs(filler), p.ID())
		})
		if got, ok := load(t, s, dev).Stamps[p.ID()]; ok {
			t.Errorf("of a permission that is gone: %+v", got)
		}
		want(other, others)
	}
	step(func(c *store.Change) { c.Delete = true })
	at = store.Revision{}
	made, madeAt := step(func(c *store.Change) { c.Put = []mapping.Permission{p} })
	want(p, store.Stamp{CreatedBy: made, CreatedAt: madeAt, UpdatedBy: made, UpdatedAt: madeAt})
	if got := load(t, s, dev).Stamps; len(got) != 1 {
		t.Errorf("a table made anew has the stamps of its predecessor: %v", got)
	}
}
