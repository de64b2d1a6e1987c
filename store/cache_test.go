package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

// memory is a store that a test can read: what it holds, how it fails, and how
// often it was asked.
type memory struct {
	mu       sync.Mutex
	tables   map[mapping.API]store.Snapshot
	fails    error
	metas    int
	loads    int
	gate     chan struct{} // if not nil, a load waits for it
	hang     chan struct{} // if not nil, a read of the head waits for it
	canceled bool
}

func (m *memory) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	if m.hang != nil {
		select {
		case <-m.hang:
		case <-ctx.Done():
			return store.Meta{}, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metas++
	s, ok := m.tables[api]
	switch {
	case m.fails != nil:
		return store.Meta{}, m.fails
	case !ok:
		return store.Meta{}, fmt.Errorf("meta: %w", store.ErrNotFound)
	}
	return s.Meta, nil
}

func (m *memory) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	m.mu.Lock()
	m.loads++
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			m.mu.Lock()
			m.canceled = true
			m.mu.Unlock()
			return store.Snapshot{}, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.tables[api]
	switch {
	case m.fails != nil:
		return store.Snapshot{}, m.fails
	case !ok:
		return store.Snapshot{}, fmt.Errorf("load: %w", store.ErrNotFound)
	}
	return s, nil
}

func (m *memory) set(revision uint64, permissions ...mapping.Permission) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tables[tabletest.API] = store.Snapshot{
		Meta:        store.Meta{API: tabletest.API, Revision: store.Revision{Number: revision, Incarnation: "a"}},
		Permissions: permissions,
	}
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = err
}

func (m *memory) asked() (metas, loads int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.metas, m.loads
}

// rig is a Cache in front of memory, on a clock that only tests move.
type rig struct {
	*store.Cache
	*memory
	clock atomic.Int64
	stale atomic.Int64
}

var epoch = tabletest.Now

const (
	ttl      = 30 * time.Second
	maxStale = 5 * time.Minute
)

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{memory: &memory{tables: map[mapping.API]store.Snapshot{}}}
	r.Cache = r.cache(t, func() time.Time { return epoch.Add(time.Duration(r.clock.Load())) })
	r.set(1, tabletest.Permission("GET", "a", "s1"))
	return r
}

func (r *rig) cache(t testing.TB, now func() time.Time) *store.Cache {
	t.Helper()
	c, err := store.NewCache(r.memory, store.CacheConfig{
		TTL: ttl, MaxStale: maxStale, Size: 4, Trust: tabletest.Trust, Now: now,
		OnStale: func(mapping.API, error) { r.stale.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) at(d time.Duration) { r.clock.Store(int64(d)) }

func (r *rig) serve(t testing.TB) store.Served {
	t.Helper()
	s, err := r.Table(t.Context(), tabletest.API)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func opens(s store.Served, path string) bool {
	return s.Table.Permits(tabletest.Caller("s1"), "GET", path, epoch)
}

func TestWithinTheTTLTheStoreIsNotAsked(t *testing.T) {
	r := newRig(t)
	first := r.serve(t)
	r.set(2, tabletest.Permission("GET", "b", "s1"))
	r.at(ttl - 1)
	again := r.serve(t)
	if first.How != store.Miss || again.How != store.Hit || again.Table != first.Table || !opens(again, "/a") {
		t.Errorf("got %s, then %s", first.How, again.How)
	}
	if metas, loads := r.asked(); metas != 0 || loads != 1 {
		t.Errorf("%d meta reads and %d loads", metas, loads)
	}
}

func TestAfterTheTTLOneCheapReadDecides(t *testing.T) {
	r := newRig(t)
	first := r.serve(t)
	r.at(ttl)
	same := r.serve(t)
	if same.How != store.Same || same.Table != first.Table {
		t.Errorf("an unchanged table is served as %s", same.How)
	}
	r.at(2*ttl - 1)
	if s := r.serve(t); s.How != store.Hit {
		t.Errorf("the check began no new TTL: %s", s.How)
	}
	r.set(2, tabletest.Permission("GET", "b", "s1"))
	r.at(2 * ttl)
	moved := r.serve(t)
	if moved.How != store.Miss || moved.Revision.Number != 2 || opens(moved, "/a") || !opens(moved, "/b") {
		t.Errorf("a changed table is served as %s at %s", moved.How, moved.Revision)
	}
	if metas, loads := r.asked(); metas != 2 || loads != 2 {
		t.Errorf("%d meta reads and %d loads", metas, loads)
	}
}

// TestRevisionsAreComparedWhole: a table deleted and made anew may come to the
// same number.
func TestRevisionsAreComparedWhole(t *testing.T) {
	r := newRig(t)
	r.serve(t)
	s := r.tables[tabletest.API]
	s.Revision.Incarnation = "b"
	s.Permissions = nil
	r.tables[tabletest.API] = s
	r.at(ttl)
	if got := r.serve(t); opens(got, "/a") {
		t.Error("the predecessor's permissions are served")
	}
}

func TestUnknownAPIsAreRemembered(t *testing.T) {
	r := newRig(t)
	unknown := mapping.API{ARN: tabletest.API.ARN, Stage: "other"}
	for range 3 {
		if _, err := r.Table(t.Context(), unknown); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("got %v", err)
		}
	}
	if _, loads := r.asked(); loads != 1 {
		t.Errorf("%d loads for three requests", loads)
	}
	r.tables[unknown] = store.Snapshot{Meta: store.Meta{API: unknown, Revision: store.Revision{Number: 1}}}
	r.at(ttl)
	if _, err := r.Table(t.Context(), unknown); err != nil {
		t.Errorf("registered meanwhile: %v", err)
	}
}

func TestADeletedTableIsGoneAfterTheTTL(t *testing.T) {
	r := newRig(t)
	r.serve(t)
	delete(r.tables, tabletest.API)
	r.at(ttl)
	if _, err := r.Table(t.Context(), tabletest.API); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAnOldTableIsServedForMaxStaleThenTheOutageShows(t *testing.T) {
	r := newRig(t)
	r.serve(t)
	down := errors.New("connection refused")
	r.fail(down)
	r.at(ttl)
	if s := r.serve(t); s.How != store.Stale || !opens(s, "/a") {
		t.Errorf("served as %s", s.How)
	}
	if r.stale.Load() != 1 {
		t.Errorf("told %d times that a table is stale", r.stale.Load())
	}
	metas, _ := r.asked()
	r.at(ttl + time.Second)
	if s := r.serve(t); s.How != store.Stale {
		t.Errorf("served as %s", s.How)
	}
	if again, _ := r.asked(); again != metas {
		t.Error("a store that just failed was asked again at once")
	}
	r.at(ttl + maxStale - 1)
	if s := r.serve(t); s.How != store.Stale {
		t.Errorf("served as %s", s.How)
	}
	r.at(ttl + maxStale)
	if _, err := r.Table(t.Context(), tabletest.API); !errors.Is(err, down) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("after max-stale: %v", err)
	}
	r.fail(nil)
	r.at(ttl + maxStale + time.Second)
	if s := r.serve(t); s.How != store.Same || !opens(s, "/a") {
		t.Errorf("the store is back: served as %s", s.How)
	}
}

func TestAnOutageNeverComesOutAsAnUnknownAPI(t *testing.T) {
	r := newRig(t)
	unknown := mapping.API{ARN: tabletest.API.ARN, Stage: "other"}
	_, _ = r.Table(t.Context(), unknown)
	r.fail(errors.New("connection refused"))
	r.at(ttl)
	for _, api := range []mapping.API{unknown, tabletest.API} {
		for range 2 {
			if _, err := r.Table(t.Context(), api); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", api, err)
			}
		}
	}
	r.fail(nil)
	r.at(ttl + time.Second)
	if _, err := r.Table(t.Context(), tabletest.API); err != nil {
		t.Errorf("the store is back: %v", err)
	}
}

func TestAClockThatGoesBackMakesNothingLastLonger(t *testing.T) {
	r := newRig(t)
	r.at(time.Hour)
	r.serve(t)
	r.set(2)
	r.at(0)
	if s := r.serve(t); s.Revision.Number != 2 {
		t.Errorf("revision %s is served before its own time", s.Revision)
	}
}

// TestAFrozenProcessAsksAgain: the wall clock counts, so an instance that Lambda
// froze for an hour serves nothing from before.
func TestAFrozenProcessAsksAgain(t *testing.T) {
	r := newRig(t)
	r.serve(t)
	r.set(2)
	r.at(time.Hour)
	if s := r.serve(t); s.Revision.Number != 2 {
		t.Errorf("served revision %s", s.Revision)
	}
}

func TestSeveralMissesAtOnceMakeOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.gate = make(chan struct{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if s, err := r.Table(context.Background(), tabletest.API); err != nil || !opens(s, "/a") {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		close(r.gate)
		wg.Wait()
		if _, loads := r.asked(); loads != 1 {
			t.Errorf("%d loads for 50 requests", loads)
		}
	})
}

// TestOneCanceledRequestTakesNobodyWithIt: the load goes on for the others.
func TestOneCanceledRequestTakesNobodyWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.gate = make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan error, 1)
		go func() {
			_, err := r.Table(ctx, tabletest.API)
			first <- err
		}()
		synctest.Wait()
		second := make(chan error, 1)
		go func() {
			_, err := r.Table(context.Background(), tabletest.API)
			second <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the canceled one: %v", err)
		}
		close(r.gate)
		if err := <-second; err != nil || r.canceled {
			t.Errorf("the other one: %v", err)
		}
	})
}

// TestAHangingStoreIsGivenUp: a load ends after the time-out.
func TestAHangingStoreIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.gate = make(chan struct{})
		began := time.Now()
		if _, err := r.Table(context.Background(), tabletest.API); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != store.DefaultTimeout {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestTheLeastUsedTableGoesFirst(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		api := mapping.API{ARN: tabletest.API.ARN, Stage: fmt.Sprint("s", i)}
		r.tables[api] = store.Snapshot{Meta: store.Meta{API: api, Revision: store.Revision{Number: 1}}}
		if _, err := r.Table(t.Context(), api); err != nil {
			t.Fatal(err)
		}
	}
	_, before := r.asked()
	_, _ = r.Table(t.Context(), mapping.API{ARN: tabletest.API.ARN, Stage: "s4"})
	_, _ = r.Table(t.Context(), mapping.API{ARN: tabletest.API.ARN, Stage: "s0"})
	if _, loads := r.asked(); loads != before+1 {
		t.Errorf("%d loads, want that of the oldest alone", loads-before)
	}
}

// TestATableWithoutATrustListBelievesTheDefault, and one with a list only that.
func TestATableWithoutATrustListBelievesTheDefault(t *testing.T) {
	r := newRig(t)
	if !opens(r.serve(t), "/a") {
		t.Error("the default trust is not taken")
	}
	s := r.tables[tabletest.API]
	s.Revision.Number = 2
	s.Trust = []mapping.Trust{{Tenant: "9188040d-6c67-4c5b-b112-36a304b66dad", Audiences: []string{"api://orders"}}}
	r.tables[tabletest.API] = s
	r.at(ttl)
	if opens(r.serve(t), "/a") {
		t.Error("the default trust is taken beside the table's own")
	}
}
