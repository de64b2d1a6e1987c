package token

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/idp"
)

// What is refused whoever signed it is no reason to ask the provider: neither
// cold nor for an unknown kid.
func TestATokenThatIsWrongAnywayCausesNoFetch(t *testing.T) {
	w := newWorld(t, 2)
	wrong := map[Reason]string{
		ReasonExpired:  w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}, Expired: true}, nil),
		ReasonAudience: w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}, Audience: "api://billing"}, nil),
		ReasonTenant:   w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}, TenantID: otherTenant, Issuer: w.v2()}, nil),
		ReasonPurpose:  w.claimsJSON(t, idp.Spec{}, nil),
	}
	w.idp.Fail(idp.Down)
	for reason, claims := range wrong {
		w.wantReason(t, unsigned(header("unknown"), claims, 0), reason)
	}
	if got := w.idp.Fetches(); got != (idp.Fetches{}) {
		t.Errorf("fetches: %+v", got)
	}
	w.idp.Fail(idp.Healthy)
	w.wantGood(t, w.good(t))
	for reason, claims := range wrong {
		w.wantReason(t, unsigned(header("unknown"), claims, 0), reason)
		// Under a known kid the signature comes first.
		w.wantReason(t, unsigned(header(w.idp.KeyID()), claims, 0), ReasonSignature)
	}
	w.wantFetches(t, 1)
}

// slow holds the provider's answers back until it is closed.
func (w *world) slow() chan struct{} {
	gate := make(chan struct{})
	healthy := w.net.byHost["login.example"]
	w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
			healthy.ServeHTTP(rw, r)
		case <-r.Context().Done():
		}
	})
	return gate
}

func TestOnlyOneCallerWaitsForAnHourlyRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 10 * time.Hour})
		w.wantGood(t, raw)
		waitFor(refreshAfter)
		gate := w.slow()
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { w.wantGood(t, raw) })
		synctest.Wait()
		for range 20 {
			w.wantGood(t, raw)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("others waited %v", took)
		}
		wg.Wait()
		close(gate)
		synctest.Wait()
		w.wantFetches(t, 2)
	})
}

// Lambda may freeze the process in the midst of a fetch. The wall clock goes on,
// the fetch never ends.
func TestAFetchThatWasFrozenIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2) // its clock is the wall; the bubble's is the frozen one
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		gate := w.slow()
		ctx, giveUp := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := w.verifier.Verify(ctx, raw); !errors.Is(err, context.Canceled) {
				t.Errorf("the one before the freeze got %v", err)
			}
		})
		synctest.Wait()
		giveUp()
		wg.Wait()
		w.net.mu.Lock()
		w.net.byHost["login.example"] = w.idp // the frozen one keeps the old handler
		w.net.mu.Unlock()
		w.clock.Advance(time.Hour)
		start := time.Now()
		w.wantGood(t, raw)
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v for a dead fetch", took)
		}
		// What the dead one brings late counts for nothing.
		fetched := w.keysOf().fetched
		close(gate)
		synctest.Wait()
		w.wantGood(t, raw)
		if !w.keysOf().fetched.Equal(fetched) {
			t.Error("an older answer replaced a newer one")
		}
	})
}

func TestEveryFetchIsReported(t *testing.T) {
	w := newWorld(t, 2)
	var got []Refresh // heard before the caller goes on
	c := w.config()
	c.OnRefresh = func(r Refresh) { got = append(got, r) }
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 10 * time.Hour})
	w.idp.Fail(idp.Down)
	w.wantUnavailable(t, raw)
	w.idp.Fail(idp.Healthy)
	w.clock.Advance(firstBackoff)
	w.wantGood(t, raw)
	w.idp.Fail(idp.EmptyKeys)
	w.clock.Advance(2 * time.Hour)
	w.wantGood(t, raw)
	want := []struct {
		keys   int
		age    time.Duration
		reason Reason
	}{{0, 0, ReasonDiscovery}, {1, 0, ""}, {1, 2 * time.Hour, ReasonKeys}}
	for i, r := range got {
		if r.Issuer != w.v2() || r.Keys != want[i].keys || r.Age != want[i].age || ReasonOf(r.Err) != want[i].reason {
			t.Errorf("report %d: %+v, want %+v", i, r, want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d reports", len(got))
	}
}

// What hears of fetches may be at fault; those who wait for the keys get them.
func TestAPanicOfOnRefreshHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, 2)
	c := w.config()
	c.OnRefresh = func(Refresh) { panic("a bug") }
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	w.wantGood(t, w.good(t))
}

// Only 200 brings keys (RFC 9110, 15): a redirect to nowhere and 304 do not.
func TestKeysOfAnAnswerThatIsNo200AreNone(t *testing.T) {
	for _, code := range []int{201, 204, 206, 300, 302, 304, 305, 307, 308, 404, 500} {
		w := newWorld(t, 2)
		keys := w.set()
		w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/keys") {
				w.idp.ServeHTTP(rw, r)
				return
			}
			rw.WriteHeader(code)
			_, _ = rw.Write([]byte(keys))
		})
		w.wantUnavailable(t, w.good(t))
	}
}

// connections counts how often a client was told to drop its idle connections.
type connections struct {
	http.RoundTripper
	dropped int
}

func (c *connections) CloseIdleConnections() { c.dropped++ }

// A connection that was idle while the process was frozen is not used again.
func TestConnectionsOfBeforeAFreezeAreDropped(t *testing.T) {
	w := newWorld(t, 2)
	c := w.config()
	transport := &connections{RoundTripper: w.net}
	c.HTTPClient = &http.Client{Transport: transport}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	w.wantGood(t, w.good(t))
	before := transport.dropped
	w.clock.Advance(idleTimeout - time.Second)
	w.wantReason(t, w.unknownKid(t), ReasonKey)
	w.wantFetches(t, 2)
	if transport.dropped != before {
		t.Error("a connection is dropped that was just used")
	}
	w.clock.Advance(refreshAfter)
	w.wantGood(t, w.good(t))
	if transport.dropped != before+1 {
		t.Errorf("dropped %d times after an hour", transport.dropped-before)
	}
}

// A panic in the midst of a fetch is an outage, and the next fetch is made.
func TestAPanicInAFetchIsAnOutage(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	w.net.byHost["login.example"] = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") })
	w.wantUnavailable(t, raw)
	w.net.byHost["login.example"] = w.idp
	w.clock.Advance(firstBackoff)
	w.wantGood(t, raw)
}
