package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// lostAnswer checks that a commit whose answer is lost is answered all the
// same. Where no answer can get lost, asking twice is what remains.
func lostAnswer(t *testing.T, h Harness) {
	s := h.Store
	at := store.Revision{}
	for i := range 3 {
		c := change(dev, at)
		c.Put, c.Head = scoped(t, dev, 2, fmt.Sprint("lost", i)), &store.Head{Name: fmt.Sprint(i)}
		if h.LoseNextAnswer != nil {
			h.LoseNextAnswer()
		}
		m := commit(t, s, c)
		wantSame(t, load(t, s, dev).Meta, m)
		wantSame(t, m, commit(t, s, c))
		wantChain(t, s, dev, i+1)
		at = m.Revision
	}
}

// attempt is one change to a table of its own, and how to tell what became of it.
type attempt struct {
	s      store.Store
	change store.Change
	before store.Snapshot
	after  []mapping.Permission
}

// kinds of changes: edits in place, and large ones that need a new generation;
// to a table that is there, making one, deleting one.
var kinds = []string{"small", "large", "first", "large first", "delete"}

func newAttempt(t *testing.T, s store.Store, kind string) attempt {
	t.Helper()
	api := mapping.API{ARN: arn, Stage: ulid.Make().String()}
	a := attempt{s: s}
	old := scoped(t, api, 10, "old")
	if kind == "first" || kind == "large first" {
		a.change = change(api, store.Revision{})
	} else {
		m := create(t, s, api, old...)
		a.before = load(t, s, api)
		a.change = change(api, m.Revision)
	}
	switch kind {
	case "small", "first":
		a.change.Put, a.change.Head = scoped(t, api, 5, "new"), fullHead()
	case "large", "large first":
		a.change.Put = scoped(t, api, 105, "new")
	case "delete":
		a.change.Delete = true
		return a
	}
	a.after = a.change.Put
	if a.before.Revision != (store.Revision{}) {
		a.change.Remove = permissionIDs(old)
	}
	return a
}

// read is the table as it is now, zero if there is none.
func (a attempt) read(t *testing.T, s store.Store) store.Snapshot {
	t.Helper()
	got, err := s.Load(t.Context(), a.change.API)
	if errors.Is(err, store.ErrNotFound) {
		return store.Snapshot{}
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// settle checks that the change is made whole or not at all and that the answer
// says which; then that the same change again is made, once, and stays so.
func (a attempt) settle(t *testing.T, answer store.Meta, err error) {
	t.Helper()
	got := a.read(t, a.s)
	made := records(t, a.s, a.change) == 1
	switch {
	case err == nil:
		if !made {
			t.Error("answered as made, and there is no audit record")
		}
		a.wantMade(t, answer, got)
	case made && !errors.Is(err, store.ErrUnknown):
		t.Errorf("answered %v, and the change is made", err)
	case !made:
		wantSame(t, a.before, got)
	}
	again, err := a.s.Commit(t.Context(), a.change)
	if err != nil {
		t.Fatalf("the same change again: %v", err)
	}
	a.wantMade(t, again, a.read(t, a.s))
	if n := records(t, a.s, a.change); n != 1 {
		t.Errorf("%d audit records of the change", n)
	}
}

func (a attempt) wantMade(t *testing.T, answer store.Meta, got store.Snapshot) {
	t.Helper()
	if a.change.Delete {
		wantSame(t, store.Snapshot{}, got)
		return
	}
	wantSame(t, snapshotOf(answer, a.after), got)
	if want := a.change.If.Number + 1; answer.Revision.Number != want {
		t.Errorf("revision %s, want number %d", answer.Revision, want)
	}
}

// crashes cuts the connection at every request of a commit, with and without
// that request being carried out. Where there is none, cancelledAnywhere is
// what can come in between, and crashes checks that an unbroken commit settles.
func crashes(t *testing.T, h Harness) {
	unknown := 0
	for _, kind := range kinds {
		if h.CutAfter == nil {
			a := newAttempt(t, h.Store, kind)
			m, err := h.Store.Commit(t.Context(), a.change)
			a.s = h.Reopen()
			a.settle(t, m, err)
			h.Store = a.s
			continue
		}
		for _, lost := range []bool{false, true} {
			for n, cut := 0, true; cut; n++ {
				a := newAttempt(t, h.Store, kind)
				restore := h.CutAfter(n, lost)
				m, err := h.Store.Commit(t.Context(), a.change)
				cut = restore()
				if errors.Is(err, store.ErrUnknown) {
					unknown++
				}
				a.settle(t, m, err)
			}
		}
	}
	if h.CutAfter != nil && unknown == 0 {
		t.Error("no cut left the outcome unknown, so none came at the transaction")
	}
}

// cancelledAnywhere cancels the context at every request of a commit; where
// there are none, at every look that the commit takes at it. The store can be
// asked all the while, so no outcome stays unknown.
func cancelledAnywhere(t *testing.T, h Harness) {
	for _, kind := range kinds {
		for n, came := 0, true; came; n++ {
			a := newAttempt(t, h.Store, kind)
			came = false
			ctx, cancel := context.WithCancel(t.Context())
			burn := func() { came = true; cancel() }
			if h.BeforeRequest != nil {
				h.BeforeRequest(n, burn)
			} else {
				ctx = &fuse{Context: ctx, burn: burn, left: int64(n)}
			}
			m, err := h.Store.Commit(ctx, a.change)
			cancel()
			if h.BeforeRequest != nil {
				h.BeforeRequest(0, func() {})
			}
			if errors.Is(err, store.ErrUnknown) {
				t.Errorf("request %d of a %s change cancelled: %v", n, kind, err)
			}
			if n == 0 && err == nil {
				t.Errorf("a %s change whose first request is cancelled was made", kind)
			}
			a.settle(t, m, err)
		}
	}
}

// fuse is a context that ends when it is looked at for the n-th time.
type fuse struct {
	context.Context
	burn func()
	left int64
}

func (f *fuse) look() {
	if atomic.AddInt64(&f.left, -1) == -1 {
		f.burn()
	}
}

func (f *fuse) Err() error { f.look(); return f.Context.Err() }

func (f *fuse) Done() <-chan struct{} { f.look(); return f.Context.Done() }
