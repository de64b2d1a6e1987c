package token

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// barrage is a flood of tokens from several goroutines: unknown kids and forged
// signatures under the real one in turn, for both issuers of the tenant.
type barrage struct {
	s          *stage
	kid        string
	claims     [2]string // v1, v2
	next       atomic.Int64
	unexpected atomic.Int64
	first      sync.Once
	example    error
}

const (
	barrageTokens  = 20_000 // half of them under random kids, half forged
	barrageWorkers = 8
)

func newBarrage(s *stage) *barrage {
	return &barrage{s: s, kid: s.ring.kid(), claims: [2]string{s.ring.ringClaims("1.0"), s.ring.ringClaims("2.0")}}
}

// fire sends tokens until n are sent; the clock goes on as they do, and stays
// within one interval.
func (b *barrage) fire(n int64) {
	var wg sync.WaitGroup
	step := promisedInterval / 30
	for range barrageWorkers {
		wg.Go(func() {
			for i := b.next.Add(1); i <= n; i = b.next.Add(1) {
				if i%(n/28) == 0 {
					b.s.clock.Advance(step)
				}
				b.send(i)
			}
		})
	}
	wg.Wait()
}

func (b *barrage) send(i int64) {
	kid, want := b.kid, ReasonSignature
	if i%2 == 0 {
		kid, want = randomKid(i), ReasonKey
	}
	err := b.s.verify(unsigned(header(kid), b.claims[i/2%2], int(i)))
	if ReasonOf(err) != want || !errors.Is(err, ErrRefused) {
		b.unexpected.Add(1)
		b.first.Do(func() { b.example = fmt.Errorf("token %d: %w, want %s", i, err, want) })
	}
}

// randomKid is as long as a kid may reasonably be, so that a memory of kids shows.
func randomKid(i int64) string {
	r := rand.New(rand.NewPCG(4, uint64(i)))
	return fmt.Sprintf("%0200x", r.Uint64())
}

// report tells of answers that should have been others and of too many fetches.
func (b *barrage) report(t *testing.T) {
	t.Helper()
	b.reportAnswers(t)
	fetches := b.s.ring.account().keyFetches()
	if len(fetches) != 2 {
		t.Errorf("keys of %d issuers were fetched, want 2", len(fetches))
	}
	for path, n := range fetches {
		if n > promisedFetches {
			t.Errorf("%s was fetched %d times in one interval, want %d at most", path, n, promisedFetches)
		}
	}
}

func (b *barrage) reportAnswers(t *testing.T) {
	t.Helper()
	if n := b.unexpected.Load(); n != 0 {
		t.Errorf("%d tokens had another answer than they should, e.g. %v", n, b.example)
	}
}

func TestTenThousandUnknownKidsAndTenThousandForgeriesFetchTwiceWhenCold(t *testing.T) {
	b := newBarrage(newStage())
	b.fire(barrageTokens)
	b.report(t)
	b.s.want(t, "a good token after it", b.s.ring.genuine(b.kid), "good")
}

func TestTenThousandUnknownKidsAndTenThousandForgeriesFetchTwiceWhenWarm(t *testing.T) {
	s := newStage()
	s.want(t, "a good token before it", s.ring.genuine(s.ring.kid()), "good")
	b := newBarrage(s)
	b.fire(barrageTokens)
	b.report(t)
	s.want(t, "a good token after it", s.ring.genuine(b.kid), "good")
}

// A map with an entry per kid would keep 2 MB of kids alone.
func TestAFloodOfKidsLeavesNoMemoryBehind(t *testing.T) {
	b := newBarrage(newStage())
	b.fire(400) // whatever is made once, is made
	before := retained()
	b.next.Store(0)
	b.fire(barrageTokens)
	after := retained()
	b.reportAnswers(t)
	if grown := int64(after) - int64(before); grown > 512<<10 {
		t.Errorf("%d KB are retained after 10,000 kids", grown>>10)
	}
	runtime.KeepAlive(b)
}

// retained is the heap in use by what is reachable.
func retained() uint64 {
	for range 2 { // the second time takes what finalizers and pools had kept
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Failed fetches back off, whoever asks: a provider that is down is not kept down.
func TestAFloodAtAProviderThatIsDownAsksItRarely(t *testing.T) {
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprint("warm ", warm), func(t *testing.T) {
			s := newStage()
			if warm {
				s.want(t, "a good token", s.ring.genuine(s.ring.kid()), "good")
			}
			s.ring.fail(fault{"down", status(503), status(503)})
			kidsPerSecond(s, 0, promisedInterval/time.Second)
			asked := 0
			for _, n := range s.ring.account().asked {
				asked += n
			}
			if most := int(promisedInterval/promisedBackoff) + 10; asked > most {
				t.Errorf("it was asked %d times in %v, want %d at most", asked, promisedInterval, most)
			}
		})
	}
}

// The flood takes what fetches there are; the new key must be found all the same,
// wherever in the flood its first token comes.
func TestARotationAmidAFloodIsFoundWithinOneInterval(t *testing.T) {
	for _, at := range []time.Duration{0, 1, 9, 10, 11, 150, 290, 299, 300, 301, 310, 599} {
		t.Run(fmt.Sprint(at*time.Second), func(t *testing.T) {
			s := newStage()
			s.want(t, "a good token", s.ring.genuine(s.ring.kid()), "good")
			kidsPerSecond(s, 0, at)
			kid, _ := s.ring.rotate(1)
			rotated := s.ring.genuine(kid)
			found := -1
			for second := range int(promisedInterval/time.Second) + 1 {
				kidsPerSecond(s, 10_000*second, 1)
				good := s.verify(rotated) == nil
				if good && found < 0 {
					found = second
				}
				if !good && found >= 0 {
					t.Fatalf("found after %d s, lost again after %d s", found, second)
				}
			}
			if found < 0 {
				t.Errorf("the new key was not found within %v", promisedInterval)
			}
			if most := s.ring.account().forcedInAnInterval(); most > promisedFetches {
				t.Errorf("unknown kids caused %d fetches in one interval, want %d at most", most, promisedFetches)
			}
		})
	}
}

// kidsPerSecond sends some unknown kids a second for so many seconds.
func kidsPerSecond(s *stage, from int, seconds time.Duration) {
	for second := range int(seconds) {
		for i := range 3 {
			_ = s.verify(s.ring.forged(fmt.Sprintf("kid-%d", from+10*second+i), i))
		}
		s.clock.Advance(time.Second)
	}
}
