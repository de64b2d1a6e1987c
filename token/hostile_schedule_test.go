package token

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// schedule drives a stage through floods, rotations, faults and time that passes,
// and knows what each answer may be. Its state is small: what was published when,
// and since when the provider answers.
//
// A failure prints the draws, one line each in the order they were made: the
// action's name ("rotate", "time passes" with its step, "a genuine token" with
// its index …), then the broken promise with the kid, both times and the answer.
// rapid shrinks the draws first and names the file under testdata/rapid from
// which -rapid.failfile repeats them.
type schedule struct {
	*stage
	kids    []*lifeOfAKey // oldest first
	healthy time.Time     // since when; zero = a fault is on
	serial  int
}

// lifeOfAKey is when a key was published and when it was taken away.
type lifeOfAKey struct {
	kid            string
	since, removed time.Time // removed: zero = still published
	token          string
	tokenMade      time.Time
}

func newSchedule() *schedule {
	s := &schedule{stage: newStage()}
	s.healthy = s.clock.Now()
	s.kids = []*lifeOfAKey{{kid: s.ring.kid(), since: s.healthy}}
	return s
}

func (s *schedule) rotate(keep int) {
	kid, removed := s.ring.rotate(keep)
	now := s.clock.Now()
	for _, k := range s.kids {
		if slices.Contains(removed, k.kid) {
			k.removed = now
		}
	}
	s.kids = append(s.kids, &lifeOfAKey{kid: kid, since: now})
}

func (s *schedule) fail(f fault) {
	s.ring.fail(f)
	if f.keys == nil && f.discovery == nil {
		s.healthy = s.clock.Now()
		return
	}
	s.healthy = time.Time{}
}

// tokenOf mints anew when the last one is about to end: these tests are about keys.
func (s *schedule) tokenOf(k *lifeOfAKey) string {
	if now := s.clock.Now(); k.token == "" || now.Sub(k.tokenMade) > 27*time.Hour {
		k.token, k.tokenMade = s.ring.genuine(k.kid), now
	}
	return k.token
}

// answersFor tells whether the provider has been healthy for that long and has
// been so since a moment.
func (s *schedule) answersFor(d time.Duration) bool {
	return !s.healthy.IsZero() && s.clock.Now().Sub(s.healthy) >= d
}

// known tells whether the verifier has the kid among keys that still count.
func (s *schedule) known(a account, kid string) bool {
	return a.delivered[kid] && s.clock.Now().Sub(a.lastGood()) < promisedEnd
}

func (s *schedule) checkGenuine(t rapid.TB, k *lifeOfAKey) {
	err := s.verify(s.tokenOf(k))
	a, now, answer := s.ring.account(), s.clock.Now(), verdict(err)
	told := fmt.Sprintf("a token under %s, published %v, removed %v, at %v: %s (%v)",
		k.kid, clockTime(k.since), clockTime(k.removed), clockTime(now), answer, err)
	switch answer {
	case "good":
		if now.Sub(a.lastGood()) >= promisedEnd {
			t.Fatalf("%s: the last keys came at %v", told, clockTime(a.lastGood()))
		}
		if !k.removed.IsZero() && now.Sub(k.removed) >= promisedRefresh && s.answersFor(promisedBackoff) {
			t.Fatalf("%s: it outlives its refresh", told)
		}
	case "refused":
		if ReasonOf(err) != ReasonKey || a.failing || s.known(a, k.kid) {
			t.Fatalf("%s: an outage or a known key comes out as a refusal", told)
		}
	case "outage":
		if !a.failing || s.known(a, k.kid) {
			t.Fatalf("%s: nobody failed", told)
		}
	default:
		t.Fatalf("%s", told)
	}
	due := k.removed.IsZero() && now.Sub(k.since) >= promisedInterval && s.answersFor(promisedBackoff)
	if due && answer != "good" {
		t.Fatalf("%s: it is overdue", told)
	}
}

func (s *schedule) checkForged(t rapid.TB, kid string, n int) {
	err := s.verify(s.ring.forged(kid, n))
	a, answer := s.ring.account(), verdict(err)
	known := s.known(a, kid)
	switch {
	case known && ReasonOf(err) != ReasonSignature,
		!known && a.failing && answer != "outage",
		!known && !a.failing && ReasonOf(err) != ReasonKey:
		t.Fatalf("a forgery under %s (known: %v, provider failing: %v) is %s (%v)", kid, known, a.failing, answer, err)
	}
}

func clockTime(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.Format("2 15:04:05")
}

// scheduledFaults are such that the provider gives no keys, or not where to find them.
var scheduledFaults = []fault{
	{"everything down", status(http.StatusServiceUnavailable), status(http.StatusServiceUnavailable)},
	{"keys down", nil, status(http.StatusInternalServerError)},
	{"discovery down", status(http.StatusBadGateway), nil},
	{"no keys", nil, says(`{"keys":[]}`)},
	{"no usable keys", nil, says(`{"keys":[{"kty":"oct","kid":"1-of-the-ring","k":"AAAA"}]}`)},
	{"a web page", says("<html>"), says("<html>")},
	{"half a document", nil, says(`{"keys":[{"kty":"RSA"`)},
}

// steps of time that stand near the promised figures.
var scheduledSteps = []time.Duration{
	time.Second, 9 * time.Second, 10 * time.Second, 29 * time.Second, time.Minute, 2 * time.Minute,
	promisedInterval - time.Second, promisedInterval, 20 * time.Minute, promisedRefresh, 6 * time.Hour, promisedEnd,
}

func (s *schedule) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"unknown kids": func(t *rapid.T) {
			for range rapid.IntRange(1, 12).Draw(t, "tokens") {
				s.serial++
				s.checkForged(t, fmt.Sprintf("unknown-%d", s.serial), s.serial)
			}
		},
		"forged signatures": func(t *rapid.T) {
			kid := s.recent(t).kid
			for range rapid.IntRange(1, 5).Draw(t, "tokens") {
				s.serial++
				s.checkForged(t, kid, s.serial)
			}
		},
		"a genuine token":    func(t *rapid.T) { s.checkGenuine(t, s.recent(t)) },
		"rotate":             func(*rapid.T) { s.rotate(2) },
		"rotate, drop all":   func(*rapid.T) { s.rotate(1) },
		"the provider heals": func(*rapid.T) { s.fail(fault{}) },
		"the provider fails": func(t *rapid.T) {
			i := rapid.IntRange(0, len(scheduledFaults)-1).Draw(t, "fault")
			s.fail(scheduledFaults[i])
		},
		"time passes": func(t *rapid.T) {
			s.clock.Advance(rapid.SampledFrom(scheduledSteps).Draw(t, "step"))
		},
		"": func(t *rapid.T) {
			if most := s.ring.account().forcedInAnInterval(); most > promisedFetches {
				t.Fatalf("unknown kids caused %d fetches in one interval", most)
			}
		},
	}
}

// recent draws one of the last kids.
func (s *schedule) recent(t *rapid.T) *lifeOfAKey {
	back := rapid.IntRange(1, min(4, len(s.kids))).Draw(t, "key from the newest")
	return s.kids[len(s.kids)-back]
}

func TestWhateverTheScheduleTheKeyPromisesHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSchedule()
		t.Repeat(s.actions())
		s.fail(fault{})
		s.clock.Advance(promisedInterval)
		for _, k := range s.kids {
			s.checkGenuine(t, k)
		}
		s.rotate(1)
		s.clock.Advance(promisedRefresh) // to the second
		for _, k := range s.kids {
			s.checkGenuine(t, k)
		}
	})
}

// With a clock that also goes back no figure holds to the second, but nothing is
// locked out or kept for ever: from the last jump on, the clock going as it
// should, the figures hold again.
func TestAClockThatJumpsAboutHarmsNothingForLong(t *testing.T) {
	jumps := []time.Duration{-time.Minute, -time.Hour, -24 * time.Hour, -365 * 24 * time.Hour, 24 * time.Hour, 365 * 24 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		s := newSchedule()
		t.Repeat(map[string]func(*rapid.T){
			"the clock jumps": func(t *rapid.T) { s.clock.Advance(rapid.SampledFrom(jumps).Draw(t, "by")) },
			"time passes": func(t *rapid.T) {
				s.clock.Advance(rapid.SampledFrom(scheduledSteps[:8]).Draw(t, "step"))
			},
			"unknown kids": func(t *rapid.T) {
				s.serial++
				s.checkNeverGood(t, fmt.Sprintf("unknown-%d", s.serial))
			},
			"forged signatures": func(t *rapid.T) { s.checkNeverGood(t, s.recent(t).kid) },
			"a genuine token":   func(t *rapid.T) { s.checkAnswers(t, s.tokenOf(s.recent(t))) },
			"rotate":            func(*rapid.T) { s.rotate(2) },
			"outage":            func(*rapid.T) { s.fail(scheduledFaults[0]) },
			"healthy":           func(*rapid.T) { s.fail(fault{}) },
		})
		s.fail(fault{})
		s.rotate(1)
		newest := s.kids[len(s.kids)-1]
		s.clock.Advance(2 * promisedInterval) // one, and what a small jump back hid of another
		s.want(t, "the new key's token", s.ring.genuine(newest.kid), "good")
		s.clock.Advance(promisedRefresh + promisedInterval)
		for _, k := range s.kids[:len(s.kids)-1] {
			s.want(t, "a removed key's token", s.ring.genuine(k.kid), "refused")
		}
	})
}

// checkAnswers takes any of the three answers, and nothing else.
func (s *schedule) checkAnswers(t rapid.TB, raw string) {
	if answer := verdict(s.verify(raw)); !slices.Contains([]string{"good", "refused", "outage"}, answer) {
		t.Fatalf("a genuine token is %s", answer)
	}
}

func (s *schedule) checkNeverGood(t rapid.TB, kid string) {
	s.serial++
	if err := s.verify(s.ring.forged(kid, s.serial)); err == nil {
		t.Fatalf("a forgery under %s is accepted", kid)
	}
}
