package dynamo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// asker counts readings of the ledger.
type asker struct {
	asked int
	err   error
	held  chan struct{} // if not nil, each reading waits for it
}

func (a *asker) ask(context.Context) error {
	a.asked++
	if a.held != nil {
		<-a.held
	}
	return a.err
}

// TestALedgerIsReadAgainOnceItsReadingIsOldOrTheClockGoesBack.
func TestALedgerIsReadAgainOnceItsReadingIsOldOrTheClockGoesBack(t *testing.T) {
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newLedger()
	l.now = func() time.Time { return clock }
	a := &asker{}
	for i, step := range []struct {
		later time.Duration
		asked int
	}{{0, 1}, {goodFor, 1}, {1, 2}, {goodFor, 2}, {-goodFor, 2}, {-1, 3}, {time.Hour, 4}, {-time.Hour, 5}} {
		clock = clock.Add(step.later)
		if err := l.fits(t.Context(), a.ask); err != nil || a.asked != step.asked {
			t.Errorf("step %d: %v, %d readings, want %d", i, err, a.asked, step.asked)
		}
	}
}

// TestAReadingIsGoodByBothClocks: Lambda's freezing stops the monotonic one alone.
func TestAReadingIsGoodByBothClocks(t *testing.T) {
	began := time.Now()
	l := &ledger{began: began}
	for d, want := range map[time.Duration]bool{0: true, goodFor: true, goodFor + 1: false, -1: false} {
		if got := l.good(began.Add(d)); got != want {
			t.Errorf("%v later: %v", d, got)
		}
		if got := l.good(began.Round(0).Add(d)); got != want {
			t.Errorf("%v later by the wall clock: %v", d, got)
		}
	}
	if new(ledger).good(time.Time{}) {
		t.Error("good without any reading")
	}
}

// TestAFaultOfTheLedgerIsNotRemembered, and ends what was.
func TestAFaultOfTheLedgerIsNotRemembered(t *testing.T) {
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newLedger()
	l.now = func() time.Time { return clock }
	a := &asker{}
	read := func(asked int, want error) {
		t.Helper()
		if err := l.fits(t.Context(), a.ask); !errors.Is(err, want) || a.asked != asked {
			t.Errorf("%v after %d readings, want %v after %d", err, a.asked, want, asked)
		}
	}
	read(1, nil)
	clock = clock.Add(2 * goodFor)
	a.err = errors.New("no answer")
	read(2, a.err)
	read(3, a.err)
	clock = clock.Add(-2 * goodFor) // where the first reading would be good again
	read(4, a.err)
	a.err = nil
	read(5, nil)
	read(5, nil)
}

// TestThoseWhoComeTogetherReadTheLedgerOnce, and who has no more time waits for
// nobody.
func TestThoseWhoComeTogetherReadTheLedgerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		a := &asker{held: make(chan struct{})}
		const many = 5
		results := make(chan error, many)
		for range many {
			go func() { results <- l.fits(t.Context(), a.ask) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.fits(ctx, a.ask); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want no more time", err)
		}
		close(a.held)
		for range many {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if a.asked != 1 {
			t.Errorf("%d readings", a.asked)
		}
	})
}

// TestAReadingThatTookTooLongIsNotGoodForOthers: what they read may be later than
// what it is good for.
func TestAReadingThatTookTooLongIsNotGoodForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		a := &asker{held: make(chan struct{})}
		results := make(chan error, 2)
		for range 2 {
			go func() { results <- l.fits(t.Context(), a.ask) }()
		}
		synctest.Wait()
		time.Sleep(2 * goodFor)
		close(a.held)
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if a.asked != 2 {
			t.Errorf("%d readings", a.asked)
		}
	})
}
