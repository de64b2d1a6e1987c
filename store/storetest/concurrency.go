package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

// writersAtOnce has each of 50 writers add one permission, reading the revision
// again after each conflict.
func writersAtOnce(t *testing.T, h Harness) {
	const writers = 50
	s := h.Store
	create(t, s, dev)
	all := scoped(t, dev, writers, "writer")
	var group sync.WaitGroup
	for _, p := range all {
		group.Go(func() {
			for {
				m, err := s.Meta(t.Context(), dev)
				if err != nil {
					t.Error(err)
					return
				}
				c := change(dev, m.Revision)
				c.Put = []mapping.Permission{p}
				_, err = s.Commit(t.Context(), c)
				if err == nil {
					return
				}
				if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	got := load(t, s, dev)
	wantSame(t, snapshotOf(got.Meta, all), got)
	if got.Revision.Number != writers+1 {
		t.Errorf("revision %s after %d changes", got.Revision, writers+1)
	}
	wantChain(t, s, dev, writers+1)
	added := map[string]bool{}
	for _, r := range audit(t, s, dev) {
		for _, p := range r.Added {
			added[p.ID()] = true
		}
	}
	if len(added) != writers {
		t.Errorf("the audit trail names %d of %d permissions", len(added), writers)
	}
}

func sameChange(t *testing.T, h Harness) {
	s := h.Store
	c := change(dev, store.Revision{})
	c.Put, c.Head = scoped(t, dev, 2, "a"), fullHead()
	first := commit(t, s, c)
	wantSame(t, first, commit(t, s, c))
	later := change(dev, first.Revision)
	later.Remove, later.Head = permissionIDs(c.Put[:1]), &store.Head{Name: "later"}
	second := commit(t, s, later)
	// Both are answered as the first time, though neither would pass any more.
	wantSame(t, first, commit(t, s, c))
	wantSame(t, second, commit(t, s, later))
	again := c
	again.If = second.Revision
	wantSame(t, first, commit(t, s, again))
	large := change(dev, second.Revision)
	large.Put = scoped(t, dev, 150, "large")
	third := commit(t, s, large)
	wantSame(t, third, commit(t, s, large))
	gone := change(dev, third.Revision)
	gone.Delete = true
	deleted := commit(t, s, gone)
	wantSame(t, deleted, commit(t, s, gone))
	wantSame(t, third, commit(t, s, large))
	if got := audit(t, s, dev); len(got) != 4 {
		t.Errorf("%d audit records of 4 changes", len(got))
	}
}

func sameChangeAtOnce(t *testing.T, h Harness) {
	s := h.Store
	at := store.Revision{}
	for i, n := range []int{1, 150, 2} {
		c := change(dev, at)
		c.Put = scoped(t, dev, n, fmt.Sprint("same", i))
		answers := make([]store.Meta, 8)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() {
				var err error
				if answers[i], err = s.Commit(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, a := range answers {
			wantSame(t, answers[0], a)
		}
		wantChain(t, s, dev, i+1)
		at = answers[0].Revision
	}
}

// batch is n permissions that belong together: a reader must see all of one
// batch and nothing of another.
func batch(t testing.TB, n, number int) []mapping.Permission {
	return scoped(t, dev, n, fmt.Sprintf("batch-%d", number))
}

// swap is the change that replaces one batch by the next.
func swap(t testing.TB, at store.Revision, n, number int) store.Change {
	c := change(dev, at)
	c.Remove, c.Put = permissionIDs(batch(t, n, number)), batch(t, n, number+1)
	return c
}

// wantBatch checks that a snapshot is exactly one batch, that of its revision.
func wantBatch(t testing.TB, s store.Snapshot, n int) {
	t.Helper()
	number := int(s.Revision.Number) - 1
	want := snapshotOf(s.Meta, batch(t, n, number))
	if !slices.Equal(permissionIDs(want.Permissions), permissionIDs(s.Permissions)) {
		t.Errorf("revision %s: %d permissions that are not batch %d", s.Revision, len(s.Permissions), number)
	}
}

// readersAndWriter lets readers run freely against a writer whose every change
// swaps a whole batch, every other one by a new generation.
func readersAndWriter(t *testing.T, h Harness) {
	const changes = 24
	for _, n := range []int{20, 60} { // in one transaction, by a new generation
		s := h.Store
		at := create(t, s, dev, batch(t, n, 0)...)
		base := at.Revision.Number - 1
		var done atomic.Bool
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				newest := uint64(0)
				for last := false; !last; {
					last = done.Load()
					got, err := s.Load(t.Context(), dev)
					if err != nil {
						t.Error(err)
						return
					}
					if got.Revision.Number < newest {
						t.Errorf("revision %s after number %d", got.Revision, newest)
					}
					newest = got.Revision.Number
					got.Revision.Number -= base
					wantBatch(t, got, n)
				}
			})
		}
		for i := range changes {
			at = commit(t, s, swap(t, at.Revision, n, i))
		}
		done.Store(true)
		group.Wait()
		c := change(dev, at.Revision)
		c.Delete = true
		commit(t, s, c)
	}
}

// tornReads puts a change in between any two requests of a load of a table that
// takes several pages, small changes and new generations by turns. Without a
// server a load has no requests: then a change is committed while each load
// is under way, wherever that is.
func tornReads(t *testing.T, h Harness) {
	s := h.Store
	const n = 20
	filler := bulky(t, 700)
	c := change(dev, store.Revision{})
	c.Put = append(batch(t, n, 0), filler...)
	at := commit(t, s, c)
	number := 0
	write := func() {
		c := swap(t, at.Revision, n, number)
		if number%2 == 1 { // too many actions for one transaction
			for i := range 70 {
				c.PutRoutes = append(c.PutRoutes, route(t, dev, "PUT", fmt.Sprintf("r%d/%d", number, i)))
			}
		}
		at = commit(t, s, c)
		number++
	}
	check := func() {
		got := load(t, s, dev)
		rest := got.Permissions[:0:0]
		for _, p := range got.Permissions {
			if len(p.Description) == 0 {
				rest = append(rest, p)
			}
		}
		if len(got.Permissions) != n+len(filler) {
			t.Errorf("%d permissions, want %d", len(got.Permissions), n+len(filler))
		}
		got.Permissions = rest
		wantBatch(t, got, n)
	}
	if h.BeforeRequest == nil {
		for range 8 {
			var group sync.WaitGroup
			group.Go(write)
			check()
			group.Wait()
		}
		return
	}
	for request := 0; ; request++ {
		for range 2 {
			came := false
			h.BeforeRequest(request, func() { came = true; write() })
			check()
			if !came {
				if request < 4 {
					t.Fatalf("a load of several pages made %d requests", request)
				}
				h.BeforeRequest(0, func() {})
				return
			}
		}
	}
}

func cancelled(t *testing.T, h Harness) {
	s := h.Store
	m := create(t, s, dev, scoped(t, dev, 1, "a")...)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	c := change(dev, m.Revision)
	c.Put = scoped(t, dev, 2, "b")
	_, err := s.Commit(over, c)
	wantErr(t, err, context.Canceled)
	_, err = s.Meta(over, dev)
	wantErr(t, err, context.Canceled)
	_, err = s.Load(over, dev)
	wantErr(t, err, context.Canceled)
	_, err = s.APIs(over)
	wantErr(t, err, context.Canceled)
	_, err = s.Audit(over, dev, "", 10)
	wantErr(t, err, context.Canceled)
	wantSame(t, snapshotOf(m, scoped(t, dev, 1, "a")), load(t, s, dev))
	wantChain(t, s, dev, 1)
}
