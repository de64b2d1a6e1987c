package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/idp"
)

// atOnce counts how many requests a host has at the same time.
type atOnce struct {
	http.Handler
	now, most atomic.Int32
}

func (a *atOnce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n := a.now.Add(1); n > a.most.Load() {
		a.most.Store(n) // the test wants 1: whoever is second stores 2 or more
	}
	defer a.now.Add(-1)
	time.Sleep(10 * time.Millisecond) // of the bubble's time, in which others may come
	a.Handler.ServeHTTP(w, r)
}

// TestAPrefetchAsksAHostOneThingAtATime, so that one connection is enough, and
// different hosts side by side.
func TestAPrefetchAsksAHostOneThingAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		entra, other := &atOnce{Handler: w.idp}, &atOnce{Handler: w.other}
		w.net.byHost = map[string]http.Handler{"login.example": entra, "other.example": other}
		start := time.Now()
		if err := w.verifier.Prefetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := entra.most.Load(); got != 1 {
			t.Errorf("%d requests at once to one host", got)
		}
		if took := time.Since(start); took != 40*time.Millisecond {
			t.Errorf("four requests to the one host and two to the other took %v, want those of the first", took)
		}
		if got := w.idp.Fetches(); got.Discovery != 2 || got.Keys != 2 {
			t.Errorf("fetches %+v", got)
		}
		w.wantGood(t, w.good(t))
	})
}

// halfHung hangs for one issuer of a tenant.
type halfHung struct{ http.Handler }

func (h halfHung) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/v2.0/") {
		<-r.Context().Done()
		return
	}
	h.Handler.ServeHTTP(w, r)
}

// TestAHangingIssuerDoesNotKeepItsNeighbourFromItsKeys: the next one is asked after a
// moment.
func TestAHangingIssuerDoesNotKeepItsNeighbourFromItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		w.net.byHost["login.example"] = halfHung{w.idp}
		start := time.Now()
		err := w.verifier.Prefetch(t.Context())
		if took := time.Since(start); took != fetchTimeout {
			t.Errorf("the prefetch took %v, want %v", took, fetchTimeout)
		}
		if !errors.Is(err, ErrUnavailable) || strings.Count(err.Error(), "keys of ") != 1 || !strings.Contains(err.Error(), w.idp.Authority()) {
			t.Errorf("got %v, want that the v2 issuer's keys are not there, and no other's", err)
		}
		asked := w.idp.Fetches()
		w.wantGood(t, mint(t, w.idp, idp.Spec{Version: "1.0", Scopes: []string{"a"}}))
		if got := w.idp.Fetches(); got != asked {
			t.Errorf("the keys of v1 were not there: %+v, then %+v", asked, got)
		}
	})
}

// TestASlowHostIsWaitedForOnceAndNotOnceForEachIssuer: ten tenants whose host takes
// its time have their keys within the time that a start has.
func TestASlowHostIsWaitedForOnceAndNotOnceForEachIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants, answer = 10, 400 * time.Millisecond
		w := hangingWorld(t)
		c := w.config()
		c.Now = time.Now
		c.TenantIDs = nil
		for i := range tenants {
			c.TenantIDs = append(c.TenantIDs, fmt.Sprintf("%08d-2222-4333-8444-555555555555", i))
		}
		w.net.byHost["login.example"] = slow{w.idp, answer}
		v, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_ = v.Prefetch(t.Context()) // what the provider says of tenants that are not its own is not asked here
		if took := time.Since(start); took > patience+2*answer {
			t.Errorf("%d tenants took %v", tenants, took)
		}
	})
}

// slow takes its time for each answer.
type slow struct {
	http.Handler
	answer time.Duration
}

func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.answer) // of the bubble's time
	s.Handler.ServeHTTP(w, r)
}

// TestAPrefetchEndsWithItsContext, however many issuers a host has.
func TestAPrefetchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		w.idp.Fail(idp.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := w.verifier.Prefetch(ctx); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took != 500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
		wg.Wait()
		waitFor(2 * fetchTimeout) // the fetches end by themselves
	})
}
