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

// hangingWorld lives in a synctest bubble, whose clock moves when all wait.
func hangingWorld(t *testing.T) *world {
	w := newWorld(t, 2)
	c := w.config()
	c.Now = time.Now
	w.clock.Advance(time.Since(w.clock.Now())) // tokens are minted for the bubble's time
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	return w
}

func TestAHangingProviderCostsThreeSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := w.good(t)
		w.idp.Fail(idp.Hang)
		start := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { w.wantUnavailableLater(t, raw, "timed out") })
		}
		wg.Wait()
		if took := time.Since(start); took != fetchTimeout {
			t.Errorf("20 callers waited %v, want %v", took, fetchTimeout)
		}
		if got := w.idp.Fetches().Discovery; got != 1 {
			t.Errorf("%d fetches for 20 callers", got)
		}
	})
}

// wantUnavailableLater may run outside the test's own goroutine.
func (w *world) wantUnavailableLater(t *testing.T, raw, detail string) {
	_, err := w.verifier.Verify(context.Background(), raw)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), detail) {
		t.Errorf("got %v, want an outage with %q", err, detail)
	}
}

func TestAHangingProviderHoldsGoodTokensUpForAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 10 * time.Hour})
		w.wantGood(t, raw)
		w.idp.Fail(idp.Hang)
		waitFor(overdue - time.Second)
		start := time.Now()
		w.wantGood(t, raw)
		if took := time.Since(start); took != staleWait {
			t.Errorf("waited %v, want %v", took, staleWait)
		}
		waitFor(fetchTimeout) // the fetch ends without us
		start = time.Now()
		w.idp.Fail(idp.Healthy)
		waitFor(maxBackoff)
		w.wantGood(t, raw)
		if took := time.Since(start); took != maxBackoff {
			t.Errorf("a healed provider still costs %v", took-maxBackoff)
		}
	})
}

// An instance that slept for hours asks before it believes an old key; where the
// issuer does not answer, the key counts, and nobody waits so long again.
func TestAHangingProviderCostsASleeperOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		w.wantGood(t, raw)
		w.idp.Fail(idp.Hang)
		waitFor(20 * time.Hour)
		for _, want := range []time.Duration{fetchTimeout, 0} {
			start := time.Now()
			w.wantGood(t, raw)
			if took := time.Since(start); took != want {
				t.Errorf("waited %v, want %v", took, want)
			}
		}
		waitFor(maxBackoff)
		start := time.Now()
		w.wantGood(t, raw)
		if took := time.Since(start); took != staleWait {
			t.Errorf("waited %v, want %v", took, staleWait)
		}
		waitFor(flightLife)
	})
}

// waitFor lets the bubble's clock move on.
func waitFor(d time.Duration) { <-time.After(d) }

func TestACallerThatGivesUpLeavesTheFetchToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := w.good(t)
		slow := make(chan struct{})
		healthy := w.net.byHost["login.example"]
		w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			<-slow
			healthy.ServeHTTP(rw, r)
		})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := w.verifier.Verify(ctx, raw)
			if ReasonOf(err) != ReasonCanceled || !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnavailable) {
				t.Errorf("the one that gave up got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := w.verifier.Verify(context.Background(), raw); err != nil {
				t.Errorf("the one that waited got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(slow)
		wg.Wait()
		w.wantFetches(t, 1)
	})
}
