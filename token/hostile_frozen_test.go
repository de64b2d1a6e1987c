package token

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// freeze holds the first request to the keys until it is released: the process is
// frozen, its timers with it, and only the wall clock moves. Then it answers with
// the keys of the time when it was asked.
func (s *stage) freeze() (release chan struct{}) {
	release = make(chan struct{})
	var held atomic.Bool
	s.ring.answerInstead(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/keys") || held.Swap(true) {
			return false
		}
		old := jwks(ringJWK(s.ring.kid()))
		<-release
		says(old)(w, r)
		return true
	})
	return release
}

// frozen runs a test in a bubble where one request is held in the midst of its
// fetch, and lets it go at the end.
func frozen(t *testing.T, test func(t *testing.T, s *stage, release func())) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		held := s.freeze()
		release := sync.OnceFunc(func() { close(held); synctest.Wait() })
		raw := s.ring.genuine(s.ring.kid())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.verify(raw) }) // any answer: its caller is long gone
		synctest.Wait()
		defer wg.Wait()
		defer release()
		test(t, s, release)
	})
}

// verifyWithin gives the answer and how long it took by the bubble's clock.
func (s *stage) verifyWithin(raw string, patience time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	_, err := s.verifier.Verify(ctx, raw)
	return time.Since(start), err
}

func TestAFrozenProcessIsNotTiedToItsDeadFetch(t *testing.T) {
	for _, by := range []time.Duration{10 * time.Second, time.Minute, time.Hour, 25 * time.Hour} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			frozen(t, func(t *testing.T, s *stage, _ func()) {
				s.clock.Advance(by)
				took, err := s.verifyWithin(s.ring.genuine(s.ring.kid()), time.Minute)
				if err != nil || took > promisedPatience {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

// The dead fetch may come back to life with what was true when it was asked.
func TestAFetchThatOutlivedAFreezeReplacesNoNewerKeys(t *testing.T) {
	frozen(t, func(t *testing.T, s *stage, release func()) {
		old := s.ring.genuine(s.ring.kid())
		s.clock.Advance(time.Minute)
		kid, _ := s.ring.rotate(1)
		if _, err := s.verifyWithin(s.ring.genuine(kid), time.Minute); err != nil {
			t.Fatalf("the new key's token: %v", err)
		}
		release()
		if _, err := s.verifyWithin(old, time.Minute); verdict(err) != "refused" {
			t.Errorf("the removed key's token is %s (%v)", verdict(err), err)
		}
		if _, err := s.verifyWithin(s.ring.genuine(kid), time.Minute); err != nil {
			t.Errorf("the new key's token: %v", err)
		}
	})
}
