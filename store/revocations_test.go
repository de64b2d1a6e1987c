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

	"pgregory.net/rapid"

	"scopegate/store"
)

// revoking is a store of revocations that a test can read.
type revoking struct {
	mu        sync.Mutex
	all       store.Revocations
	fails     error
	revisions int
	loads     int
	gate      chan struct{} // if not nil, a read waits for it
	canceled  bool
}

func (s *revoking) wait(ctx context.Context) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			s.mu.Lock()
			s.canceled = true
			s.mu.Unlock()
			return ctx.Err()
		}
	}
	return nil
}

func (s *revoking) RevocationsRevision(ctx context.Context) (store.Revision, error) {
	s.mu.Lock()
	s.revisions++
	revision, err := s.all.Revision, s.fails
	s.mu.Unlock()
	return revision, errors.Join(err, s.wait(ctx))
}

func (s *revoking) Revocations(ctx context.Context) (store.Revocations, error) {
	s.mu.Lock()
	s.loads++
	all, err := s.all, s.fails
	s.mu.Unlock()
	if err := errors.Join(err, s.wait(ctx)); err != nil {
		return store.Revocations{}, err
	}
	return all, nil
}

// set replaces the list, as of a revision.
func (s *revoking) set(revision store.Revision, list ...store.Revocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = store.Revocations{Revision: revision, List: list}
}

func (s *revoking) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (s *revoking) hold(gate chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}

func (s *revoking) asked() (revisions, loads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revisions, s.loads
}

const (
	eve = "9188040d-6c67-4c5b-b112-36a304b66dad:00000000-0000-4000-8000-00000000000e"
	bob = "9188040d-6c67-4c5b-b112-36a304b66dad:00000000-0000-4000-8000-00000000000b"
)

const skew = time.Minute

func at(revision uint64) store.Revision {
	return store.Revision{Number: revision, Incarnation: "a"}
}

// revoked is a revocation at so long after the epoch.
func revoked(principal string, after time.Duration) store.Revocation {
	at := epoch.Add(after)
	return store.Revocation{PrincipalID: principal, At: at, Until: at.Add(store.MinRevocation), By: "test"}
}

// revocationRig is a RevocationCache in front of revoking, on a clock that only
// tests move.
type revocationRig struct {
	*store.RevocationCache
	*revoking
	clock atomic.Int64
	stale atomic.Int64
}

func newRevocationRig(list ...store.Revocation) *revocationRig {
	r := &revocationRig{revoking: &revoking{}}
	r.RevocationCache = r.cache(func() time.Time { return epoch.Add(time.Duration(r.clock.Load())) })
	r.set(at(1), list...)
	return r
}

func (r *revocationRig) cache(now func() time.Time) *store.RevocationCache {
	return store.NewRevocationCache(r.revoking, store.RevocationConfig{
		TTL: ttl, Skew: skew, Now: now, OnStale: func(error) { r.stale.Add(1) },
	})
}

func (r *revocationRig) at(d time.Duration) { r.clock.Store(int64(d)) }

// want asks about a principal's token that was issued at the epoch.
func (r *revocationRig) want(t testing.TB, principal string, want bool) {
	t.Helper()
	got, err := r.Revoked(context.Background(), principal, epoch)
	if err != nil || got != want {
		t.Errorf("after %v: %s is revoked: %v, %v", time.Duration(r.clock.Load()), principal[len(principal)-1:], got, err)
	}
}

// fails asks about everybody and wants an outage.
func (r *revocationRig) wantOutage(t testing.TB, cause error) {
	t.Helper()
	for _, principal := range []string{eve, bob, "nobody"} {
		if got, err := r.Revoked(t.Context(), principal, epoch); got || !errors.Is(err, cause) {
			t.Errorf("after %v: %s is revoked: %v, %v; want the outage", time.Duration(r.clock.Load()), principal, got, err)
		}
	}
}

func TestTokensIssuedUntilTheRevocationAndTheSkewAreRefused(t *testing.T) {
	r := newRevocationRig(revoked(eve, time.Hour))
	r.at(time.Hour)
	for _, c := range []struct {
		why       string
		principal string
		issued    time.Duration
		want      bool
	}{
		{"long before", eve, 0, true},
		{"at that time", eve, time.Hour, true},
		{"within the skew", eve, time.Hour + skew, true},
		{"after the skew", eve, time.Hour + skew + time.Second, false},
		{"another principal's", bob, 0, false},
		{"nobody's", "", 0, false},
	} {
		got, err := r.Revoked(t.Context(), c.principal, epoch.Add(c.issued))
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.why, got, err)
		}
	}
	if got, err := r.Revoked(t.Context(), eve, time.Time{}); err != nil || !got {
		t.Errorf("a token that does not say when it was issued: %v, %v", got, err)
	}
}

func TestARevocationEnds(t *testing.T) {
	r := newRevocationRig(revoked(eve, 0))
	r.at(store.MinRevocation - 1)
	r.want(t, eve, true)
	r.at(store.MinRevocation)
	r.want(t, eve, false)
	r.at(store.MinRevocation - 1) // an ended one is still known, should the clock have been wrong
	r.want(t, eve, true)
}

// TestTheRuleEqualsItsDefinition over random lists, times of issue and instants.
func TestTheRuleEqualsItsDefinition(t *testing.T) {
	minutes := func(t *rapid.T, label string) time.Duration {
		return time.Duration(rapid.IntRange(-120, 120).Draw(t, label)) * time.Minute
	}
	rapid.Check(t, func(t *rapid.T) {
		var list []store.Revocation
		for i := range rapid.IntRange(0, 4).Draw(t, "revocations") {
			at := epoch.Add(minutes(t, "at"))
			list = append(list, store.Revocation{PrincipalID: fmt.Sprint("p", i), At: at, Until: at.Add(minutes(t, "lasts"))})
		}
		r := newRevocationRig(list...)
		r.at(minutes(t, "now"))
		issued, who := epoch.Add(minutes(t, "issued")), fmt.Sprint("p", rapid.IntRange(0, 4).Draw(t, "who"))
		want := false
		for _, v := range list {
			active := epoch.Add(time.Duration(r.clock.Load())).Before(v.Until)
			want = want || v.PrincipalID == who && active && issued.Sub(v.At) <= skew
		}
		if got, err := r.Revoked(context.Background(), who, issued); err != nil || got != want {
			t.Fatalf("%s, issued %v: %v, %v, want %v", who, issued, got, err, want)
		}
	})
}

func TestRevocationsAreReadOnceAndThenAskedForTheirRevision(t *testing.T) {
	r := newRevocationRig(revoked(eve, 0))
	for _, after := range []time.Duration{0, ttl - 1, ttl, 2*ttl - 1, 2 * ttl} {
		r.at(after)
		r.want(t, eve, true)
		r.want(t, bob, false)
	}
	if revisions, loads := r.asked(); revisions != 2 || loads != 1 {
		t.Errorf("%d reads of the revision and %d of the list", revisions, loads)
	}
}

// TestWithoutAnyRevocationTheListIsEmptyNotUnknown: nor is it read again and again.
func TestWithoutAnyRevocationTheListIsEmptyNotUnknown(t *testing.T) {
	r := newRevocationRig()
	r.set(store.Revision{})
	for i := range 3 {
		r.at(time.Duration(i) * ttl)
		r.want(t, eve, false)
	}
	if revisions, loads := r.asked(); revisions != 2 || loads != 1 {
		t.Errorf("%d reads of the revision and %d of the list", revisions, loads)
	}
	r.set(at(1), revoked(eve, 0))
	r.at(3 * ttl)
	r.want(t, eve, true)
}

func TestAMovedRevisionIsReadAfterTheTTL(t *testing.T) {
	for name, next := range map[string]store.Revision{"number": at(2), "incarnation": {Number: 1, Incarnation: "b"}} {
		t.Run(name, func(t *testing.T) {
			r := newRevocationRig(revoked(bob, 0))
			r.want(t, bob, true)
			r.set(next, revoked(eve, 0))
			r.at(ttl - 1)
			r.want(t, eve, false)
			r.want(t, bob, true)
			r.at(ttl)
			r.want(t, eve, true)
			r.want(t, bob, false)
		})
	}
}

// TestWhoIsRevokedAgainLosesTheNewTokensToo.
func TestWhoIsRevokedAgainLosesTheNewTokensToo(t *testing.T) {
	r := newRevocationRig(revoked(eve, -2*time.Hour))
	r.want(t, eve, false) // issued since
	r.set(at(2), revoked(eve, 0))
	r.at(ttl)
	r.want(t, eve, true)
}

func TestRevocationsAreBelievedForAMinutePastTheTTLThenTheOutageShows(t *testing.T) {
	r := newRevocationRig(revoked(eve, 0))
	r.want(t, eve, true)
	down := errors.New("connection refused")
	r.fail(down)
	r.at(ttl)
	r.want(t, eve, true)
	r.want(t, bob, false)
	if r.stale.Load() != 1 {
		t.Errorf("told %d times that revocations are stale", r.stale.Load())
	}
	before, _ := r.asked()
	r.at(ttl + time.Second)
	r.want(t, bob, false)
	if again, _ := r.asked(); again != before {
		t.Error("a store that just failed was asked again at once")
	}
	r.at(ttl + time.Minute - 1)
	r.want(t, bob, false)
	r.at(ttl + time.Minute)
	r.wantOutage(t, down)
	r.fail(nil)
	r.at(ttl + time.Minute + time.Second)
	r.want(t, eve, true)
	r.want(t, bob, false)
}

func TestRevocationsNeverReadAreAnOutage(t *testing.T) {
	r := newRevocationRig(revoked(eve, 0))
	down := errors.New("connection refused")
	r.fail(down)
	r.wantOutage(t, down)
	_, before := r.asked()
	r.wantOutage(t, down)
	if _, loads := r.asked(); loads != before {
		t.Error("a store that just failed was asked again at once")
	}
	if r.stale.Load() != 0 {
		t.Error("nothing was served, and it was called stale")
	}
	if err := r.Load(t.Context()); !errors.Is(err, down) {
		t.Errorf("Load: %v", err)
	}
	r.fail(nil)
	r.at(time.Second)
	r.want(t, eve, true)
}

// TestAListThatCannotBeReadIsAnOutage although its revision can: it has moved, and
// what is new is not known.
func TestAListThatCannotBeReadIsAnOutage(t *testing.T) {
	half := &halfRead{revoking: &revoking{}}
	half.set(at(1))
	now := epoch
	c := store.NewRevocationCache(half, store.RevocationConfig{TTL: ttl, Skew: skew, Now: func() time.Time { return now }})
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	half.set(at(2), revoked(eve, 0))
	half.broken = errors.New("throttled")
	now = epoch.Add(ttl)
	if got, err := c.Revoked(t.Context(), eve, epoch); err != nil || got {
		t.Errorf("within the minute: %v, %v", got, err)
	}
	now = epoch.Add(ttl + store.RevocationsMaxStale)
	if got, err := c.Revoked(t.Context(), eve, epoch); got || !errors.Is(err, half.broken) {
		t.Errorf("after it: %v, %v", got, err)
	}
}

// halfRead tells its revision and not its list.
type halfRead struct {
	*revoking
	broken error
}

func (h *halfRead) Revocations(ctx context.Context) (store.Revocations, error) {
	if h.broken != nil {
		return store.Revocations{}, h.broken
	}
	return h.revoking.Revocations(ctx)
}

// TestAFrozenInstanceBelievesNoOldRevocations: the wall clock counts.
func TestAFrozenInstanceBelievesNoOldRevocations(t *testing.T) {
	r := newRevocationRig()
	r.want(t, eve, false)
	r.set(at(2), revoked(eve, 0))
	r.at(time.Hour)
	r.want(t, eve, true)
	r.at(2 * time.Hour)
	r.fail(errors.New("connection refused"))
	r.wantOutage(t, r.fails)
}

// TestARefreshThatWasFrozenIsOfThePast: neither its answer nor its failure counts
// two hours later.
func TestARefreshThatWasFrozenIsOfThePast(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known %v", known), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRevocationRig()
				if known {
					r.want(t, eve, false)
					r.at(ttl)
				}
				gate := make(chan struct{})
				r.hold(gate)
				r.Refresh(context.Background())
				synctest.Wait()
				r.set(at(2), revoked(eve, 0))
				r.hold(nil)
				r.at(2 * time.Hour)
				thawed := make(chan bool)
				go func() {
					got, err := r.Revoked(context.Background(), eve, epoch)
					thawed <- got && err == nil
				}()
				synctest.Wait()
				close(gate)
				if !<-thawed {
					t.Error("what was read two hours ago is believed")
				}
			})
		})
	}
}

func TestManyCallsMakeOneReadOfRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRevocationRig(revoked(eve, 0))
		gate := make(chan struct{})
		r.hold(gate)
		r.Refresh(context.Background())
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan error, 1)
		go func() {
			_, err := r.Revoked(ctx, eve, epoch)
			first <- err
		}()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { r.want(t, eve, true) })
		}
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the canceled call: %v", err)
		}
		close(gate)
		wg.Wait()
		if _, loads := r.asked(); loads != 1 || r.canceled {
			t.Errorf("%d reads, canceled: %v", loads, r.canceled)
		}
	})
}

// TestAHangingStoreOfRevocations holds up calls for its time-out at most, and for
// a moment where the old list is still believed.
func TestAHangingStoreOfRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRevocationRig()
		began := time.Now()
		r.RevocationCache = r.cache(func() time.Time { return epoch.Add(time.Since(began)) })
		gate := make(chan struct{})
		r.hold(gate)
		if _, err := r.Revoked(context.Background(), eve, epoch); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != store.DefaultTimeout {
			t.Errorf("never read: %v after %v", err, time.Since(began))
		}
		r.hold(nil)
		<-time.After(time.Second) // virtual time
		if err := r.Load(context.Background()); err != nil {
			t.Fatal(err)
		}
		<-time.After(ttl) // virtual time
		r.hold(gate)
		asked := time.Now()
		if got, err := r.Revoked(context.Background(), eve, epoch); err != nil || got || time.Since(asked) > time.Second {
			t.Errorf("known: %v, %v after %v", got, err, time.Since(asked))
		}
		r.set(at(2), revoked(eve, 0))
		close(gate)
		synctest.Wait()
		r.hold(nil)
		<-time.After(ttl) // virtual time
		if got, err := r.Revoked(context.Background(), eve, epoch); err != nil || !got {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	})
}

func TestRefreshStartsOnlyWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRevocationRig()
		for range 3 {
			r.Refresh(context.Background())
			synctest.Wait()
		}
		if revisions, loads := r.asked(); revisions != 0 || loads != 1 {
			t.Errorf("%d reads of the revision and %d of the list", revisions, loads)
		}
	})
}

// revocationBug is a store with a bug.
type revocationBug struct{ *revoking }

func (revocationBug) Revocations(context.Context) (store.Revocations, error) { panic("a bug") }

func TestAPanicWhileRevocationsAreReadIsAnOutage(t *testing.T) {
	c := store.NewRevocationCache(revocationBug{&revoking{}}, store.RevocationConfig{TTL: ttl})
	if got, err := c.Revoked(t.Context(), eve, epoch); got || err == nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestAWarmCheckCostsNoAllocation, whatever the number of revocations.
func TestAWarmCheckCostsNoAllocation(t *testing.T) {
	var list []store.Revocation
	for i := range 10_000 {
		list = append(list, revoked(fmt.Sprintf("9188040d-6c67-4c5b-b112-36a304b66dad:%08d-0000-4000-8000-000000000000", i), 0))
	}
	r := newRevocationRig(list...)
	ctx := t.Context()
	r.want(t, eve, false)
	if n := testing.AllocsPerRun(100, func() {
		r.Refresh(ctx)
		if got, err := r.Revoked(ctx, list[5000].PrincipalID, epoch); !got || err != nil {
			t.Error("not revoked")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
