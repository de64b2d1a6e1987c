package flush

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/mapping"
)

type nothing struct{}

func (nothing) Flush(context.Context, mapping.API) error { return nil }
func (nothing) Schedule(context.Context, Job) error      { return nil }

// TestOnlyTheWallClockCounts: Lambda freezes an instance between requests, and its
// monotonic clock with it.
func TestOnlyTheWallClockCounts(t *testing.T) {
	b := newBucket(Budget{PerSecond: 1, Burst: 1})
	_, _ = b.take()
	c, err := New(Config{Client: nothing{}, Jobs: nothing{}, APIs: func(context.Context) ([]mapping.API, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]time.Time{"a new budget": newBucket(ownerBudget).at, "a budget": b.at, "the coordinator": c.Now()} {
		if strings.Contains(at.String(), " m=") {
			t.Errorf("%s goes by %s", name, at)
		}
	}
}

// TestABudgetFillsUpThoughTheClockWasPutBack.
func TestABudgetFillsUpThoughTheClockWasPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(Budget{PerSecond: 1, Burst: 1})
		b.left, b.at = 0, b.at.Add(time.Hour)
		if wait, ok := b.take(); ok || wait > 2*time.Second {
			t.Errorf("%t, wait %s", ok, wait)
		}
		time.Sleep(time.Second)
		if wait, ok := b.take(); !ok {
			t.Errorf("empty still, wait %s", wait)
		}
	})
}
