package storetest

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// byID is a list of permissions in the order of their ids.
func byID(all []mapping.Permission) []mapping.Permission {
	return slices.SortedFunc(slices.Values(all), func(a, b mapping.Permission) int { return cmp.Compare(a.ID(), b.ID()) })
}

// auditBulk follows a table whose every change is too large for its record: in
// the trail it has counts and a hash, and alone all that it did.
func auditBulk(t *testing.T, h Harness) {
	s := h.Store
	large := bulky(t, 400)                                 // in bytes; several parts
	few := bulky(t, 440)[400:]                             // one transaction of DynamoDB's, though large
	short := scoped(t, dev, store.MaxListed+1, "numerous") // in number
	exact := scoped(t, dev, store.MaxListed-1, "fit")      // with a route: just not
	renewed := slices.Clone(few)
	for i := range renewed {
		renewed[i].Description = "renewed"
	}
	var at store.Revision
	step := func(f func(*store.Change), want store.Record) {
		t.Helper()
		c := change(dev, at)
		f(&c)
		m := commit(t, s, c)
		want.ChangeID, want.API, want.By, want.RequestID, want.At = c.ID, dev, c.By, c.RequestID, when
		want.Before, want.After, at = at, m.Revision, m.Revision
		light := audit(t, s, dev)[0]
		got := detail(t, s, dev, c.ID)
		unlisted := len(want.Added)+len(want.Removed)+len(want.RoutesAdded)+len(want.RoutesRemoved) != 0 && light.Unlisted
		want.Hash = light.Hash
		if unlisted != (light.Hash != "") || unlisted && light.Added != nil {
			t.Errorf("in the trail: unlisted %v, hash %q, %d added", light.Unlisted, light.Hash, len(light.Added))
		}
		if got.Unlisted {
			t.Error("alone, its lists are left out")
		}
		got.Added, want.Added, got.Removed, want.Removed = byID(got.Added), byID(want.Added), byID(got.Removed), byID(want.Removed)
		wantSame(t, want, got)
		wantSame(t, want.Counts, light.Counts)
		light.Unlisted, got.Added, got.Removed, got.RoutesAdded, got.RoutesRemoved = false, nil, nil, nil, nil
		if unlisted {
			wantSame(t, light, got)
		}
	}
	orders := []string{"GET /orders/{id}"}
	step(func(c *store.Change) { c.Put = exact },
		store.Record{Added: exact, RoutesAdded: orders, Counts: store.Counts{Put: len(exact), RoutesPut: 1}})
	if audit(t, s, dev)[0].Unlisted {
		t.Errorf("a record of %d is unlisted", store.MaxListed)
	}
	step(func(c *store.Change) { c.Put = large }, store.Record{Added: large, Counts: store.Counts{Put: len(large)}})
	step(func(c *store.Change) { c.Put = few }, store.Record{Added: few, Counts: store.Counts{Put: len(few)}})
	step(func(c *store.Change) { c.Put = renewed },
		store.Record{Added: renewed, Removed: few, Counts: store.Counts{Put: len(renewed)}})
	step(func(c *store.Change) { c.Put, c.Remove = short, permissionIDs(large) },
		store.Record{Added: short, Removed: large, Counts: store.Counts{Put: len(short), Removed: len(large)}})
	all := slices.Concat(exact, renewed, short)
	bulk := 0
	for _, r := range audit(t, s, dev) {
		if r.Unlisted {
			bulk++
		}
	}
	if bulk != 4 {
		t.Errorf("%d bulk changes, want 4", bulk)
	}
	deleted := change(dev, at)
	deleted.Delete = true
	commit(t, s, deleted)
	got := detail(t, h.Reopen(), dev, deleted.ID)
	wantSame(t, byID(all), byID(got.Removed))
	wantSame(t, orders, got.RoutesRemoved)
}

// auditMissing: a change that was never made has no record.
func auditMissing(t *testing.T, h Harness) {
	s := h.Store
	m := create(t, s, dev)
	lost := change(dev, store.Revision{})
	_, err := s.Commit(t.Context(), lost)
	wantErr(t, err, store.ErrConflict)
	for _, api := range []mapping.API{dev, {ARN: arn, Stage: "other"}, {}, {ARN: arn, Stage: "a#b"}} {
		for _, id := range []string{lost.ID, ulid.Make().String(), "", "x"} {
			_, err := s.AuditDetail(t.Context(), api, id)
			wantErr(t, err, store.ErrNotFound)
		}
	}
	made := audit(t, s, dev)[0]
	wantSame(t, made, detail(t, s, dev, made.ChangeID))
	if made.After != m.Revision {
		t.Errorf("after %s, want %s", made.After, m.Revision)
	}
	if _, err := s.AuditDetail(t.Context(), mapping.API{ARN: arn, Stage: "other"}, made.ChangeID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another table's record: %v", err)
	}
}
