package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

// TestAFailureIsNotServedAfterTheClockWentBack: the store is asked again.
func TestAFailureIsNotServedAfterTheClockWentBack(t *testing.T) {
	r := newRig(t)
	r.serve(t)
	r.fail(errors.New("connection refused"))
	r.at(10 * time.Minute)
	if _, err := r.Table(t.Context(), tabletest.API); err == nil {
		t.Fatal("the outage does not show")
	}
	r.fail(nil)
	r.at(10 * time.Second)
	if s := r.serve(t); !opens(s, "/a") {
		t.Errorf("served as %s", s.How)
	}
}

// panicking is a store with a bug.
type panicking struct{ *memory }

func (panicking) Load(context.Context, mapping.API) (store.Snapshot, error) { panic("a bug") }

// TestAPanicOfTheStoreIsAFailure of this one request, not the end of the process.
func TestAPanicOfTheStoreIsAFailure(t *testing.T) {
	c, err := store.NewCache(panicking{}, store.CacheConfig{TTL: ttl, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Table(t.Context(), tabletest.API); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestAHangingStoreHoldsUpNobodyWhoCanBeServed: the older table answers soon,
// and the refresh goes on.
func TestAHangingStoreHoldsUpNobodyWhoCanBeServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		began := time.Now()
		r.Cache = r.cache(t, func() time.Time { return epoch.Add(time.Since(began)) })
		r.serve(t)
		<-time.After(ttl) // virtual time
		r.hang = make(chan struct{})
		asked := time.Now()
		if s := r.serve(t); s.How != store.Stale || !opens(s, "/a") {
			t.Errorf("served as %s", s.How)
		}
		if took := time.Since(asked); took > time.Second {
			t.Errorf("held up for %v", took)
		}
		r.set(2)
		close(r.hang)
		synctest.Wait()
		if s := r.serve(t); s.Revision.Number != 2 {
			t.Errorf("the refresh did not go on: served revision %s", s.Revision)
		}
	})
}

// TestMaxStaleCountsFromWhenTheStoreWasAsked: a store that takes its whole
// time-out to fail does not use up the time for which the table may be served.
func TestMaxStaleCountsFromWhenTheStoreWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		began := time.Now()
		r.Cache = r.cache(t, func() time.Time { return epoch.Add(time.Since(began)) })
		r.serve(t)
		r.hang = make(chan struct{})
		<-time.After(ttl + maxStale - time.Second) // virtual time
		if s := r.serve(t); s.How != store.Stale {
			t.Errorf("served as %s", s.How)
		}
		<-time.After(10 * time.Second) // virtual time
		if _, err := r.Table(t.Context(), tabletest.API); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after max-stale: %v", err)
		}
	})
}

// late answers a read of the head with what was true when it was asked.
type late struct {
	*memory
	hold chan struct{}
	err  error
}

func (l *late) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	m, err := l.memory.Meta(ctx, api)
	if hold := l.hold; hold != nil {
		<-hold
		if l.err != nil {
			return store.Meta{}, l.err
		}
	}
	return m, err
}

// TestAFrozenRefreshIsOfThePast: Lambda froze an instance in the midst of a
// refresh. Hours later neither its answer nor its failure serves the old table.
func TestAFrozenRefreshIsOfThePast(t *testing.T) {
	for name, failure := range map[string]error{"answers": nil, "fails": errors.New("connection reset")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				l := &late{memory: r.memory}
				c, err := store.NewCache(l, store.CacheConfig{
					TTL: ttl, MaxStale: maxStale, Size: 4, Trust: tabletest.Trust,
					Now: func() time.Time { return epoch.Add(time.Duration(r.clock.Load())) },
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Table(t.Context(), tabletest.API); err != nil {
					t.Fatal(err)
				}
				hold := make(chan struct{})
				l.hold, l.err = hold, failure
				r.at(ttl)
				if s, err := c.Table(t.Context(), tabletest.API); err != nil || s.How != store.Stale {
					t.Fatalf("served as %s, %v", s.How, err)
				}
				r.set(2, tabletest.Permission("GET", "b", "s1")) // a is revoked
				r.at(2 * time.Hour)
				thawed := make(chan store.Served)
				go func() {
					s, _ := c.Table(context.Background(), tabletest.API)
					thawed <- s
				}()
				synctest.Wait()
				l.hold = nil
				close(hold)
				if s := <-thawed; s.Table == nil || opens(s, "/a") || !opens(s, "/b") {
					t.Errorf("two hours later: %s at %s", s.How, s.Revision)
				}
			})
		})
	}
}
