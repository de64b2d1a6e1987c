package token

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

var clockJumps = []time.Duration{
	time.Minute, time.Hour, 24 * time.Hour, 365 * 24 * time.Hour,
	-time.Minute, -time.Hour, -24 * time.Hour, -365 * 24 * time.Hour,
}

// jumpAmid lets the clock jump while the first request to a path is answered.
func (s *stage) jumpAmid(path string, by time.Duration) {
	var once sync.Once
	s.ring.answerInstead(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, path) {
			once.Do(func() { s.clock.Advance(by) })
		}
		return false
	})
}

// A fetch that took a day by the wall clock (a process frozen amid it) brings keys
// that are over before they are there: that says nothing against a token.
func TestAClockThatJumpsAmidAFetchMakesNoKeyUnknown(t *testing.T) {
	for _, by := range clockJumps {
		for _, path := range []string{"openid-configuration", "/keys"} {
			t.Run(fmt.Sprint(by, " ", path), func(t *testing.T) {
				s := newStage()
				kid := s.ring.kid()
				s.jumpAmid(path, by)
				err := s.verify(s.ring.genuine(kid))
				if reason := ReasonOf(err); reason == ReasonKey || reason == ReasonSignature {
					t.Errorf("the token amid the jump: %v", err)
				}
				s.want(t, "the next token", s.ring.genuine(kid), "good")
			})
		}
	}
}

// What such a fetch brought is neither kept longer nor does it hide a rotation.
func TestAClockThatJumpsAmidAFetchChangesNoPromise(t *testing.T) {
	for _, by := range clockJumps {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			s := newStage()
			old := s.ring.kid()
			s.jumpAmid("/keys", by)
			_ = s.verify(s.ring.genuine(old))
			kid, _ := s.ring.rotate(1)
			s.clock.Advance(promisedInterval)
			s.want(t, "the new key's token", s.ring.genuine(kid), "good")
			s.clock.Advance(promisedRefresh)
			s.want(t, "the removed key's token", s.ring.genuine(old), "refused")
		})
	}
}

func TestAWarmKeySetOutlivesEveryJump(t *testing.T) {
	for _, by := range clockJumps {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			s := newStage()
			old := s.ring.kid()
			s.want(t, "a good token", s.ring.genuine(old), "good")
			s.clock.Advance(by)
			s.want(t, "a good token after the jump", s.ring.genuine(old), "good")
			s.want(t, "a forgery after the jump", s.ring.forged(old, 1), "refused")
			kid, _ := s.ring.rotate(1)
			s.clock.Advance(promisedInterval)
			s.want(t, "the new key's token", s.ring.genuine(kid), "good")
			s.clock.Advance(promisedRefresh)
			s.want(t, "the removed key's token", s.ring.genuine(old), "refused")
		})
	}
}

// Fetches that a set-back clock puts into the future must not count as made in
// this interval: until it has come there again no rotation would be found.
func TestAClockSetBackDoesNotHideARotation(t *testing.T) {
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 365 * 24 * time.Hour} {
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			s := newStage()
			old := s.ring.kid()
			s.want(t, "a good token", s.ring.genuine(old), "good")
			s.want(t, "an unknown kid", s.ring.forged("unknown", 1), "refused")
			s.clock.Advance(-back)
			s.want(t, "a good token after the jump", s.ring.genuine(old), "good")
			kid, _ := s.ring.rotate(1)
			s.clock.Advance(promisedInterval)
			s.want(t, "the new key's token", s.ring.genuine(kid), "good")
		})
	}
}
