package flush

import (
	"context"
	"sync"
	"time"
)

// Budget bounds how often something is done: PerSecond in the long run, Burst at
// once.
type Budget struct {
	PerSecond float64
	Burst     int
}

// bucket holds what is left of a budget. It goes by the machine's own clock, not
// by a settable one: what it spares is real. Its monotonic reading is left out:
// while Lambda freezes the instance it stands still, and no budget would fill up
// between two requests.
type bucket struct {
	budget Budget
	mu     sync.Mutex
	left   float64
	at     time.Time
}

func newBucket(b Budget) *bucket {
	return &bucket{budget: b, left: float64(b.Burst), at: time.Now().Round(0)}
}

// take takes one if there is one, and else says how long until there is.
func (b *bucket) take() (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now().Round(0)
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left = min(b.left+passed*b.budget.PerSecond, float64(b.budget.Burst))
	}
	b.at = now // also where the clock was put back: else nothing would come until it is there again
	if b.left >= 1 {
		b.left--
		return 0, true
	}
	if b.budget.PerSecond <= 0 {
		return time.Hour, false
	}
	return time.Duration((1-b.left)/b.budget.PerSecond*float64(time.Second)) + time.Millisecond, false
}

// giveBack returns one that was taken and not used.
func (b *bucket) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.left+1, float64(b.budget.Burst))
}

// wait takes one, as soon as there is one; false if ctx ends first.
func (b *bucket) wait(ctx context.Context) bool {
	for {
		d, ok := b.take()
		if ok {
			return true
		}
		if until, bounded := ctx.Deadline(); bounded && time.Until(until) < d {
			return false
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}
