package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/layout"
	"scopegate/store"
)

// fits reports whether this code can read the table, and could up to now: nil,
// store.ErrVersion with layout.ErrAhead or layout.ErrBehind, or an outage. A reader
// for authorizers asks it after what it has read, for ledger's reasons.
func (r *Reader) fits(ctx context.Context) error {
	if r.ledger == nil {
		return r.askLedger(ctx)
	}
	return r.ledger.fits(ctx, r.askLedger)
}

func (r *Reader) askLedger(ctx context.Context) error {
	err := r.code.Fits(ctx, r.client, r.table)
	if errors.Is(err, layout.ErrAhead) || errors.Is(err, layout.ErrBehind) {
		return fmt.Errorf("%w: %w", store.ErrVersion, err)
	}
	return err
}

// fitting queries a partition and looks whether the table is one that this code can
// read.
//
// A Store asks side by side with the query: no round trip more than without. A
// reader for authorizers asks afterwards, and mostly knows: at a start all its reads
// go over one connection, and a second one would cost more than what is waited for.
//
// A breaking step that comes between the two is noticed all the same: it changes
// every revision, which the head read afterwards tells. And where a head says that
// nothing has changed, what was read before was read rightly: then nothing is asked.
func (r *Reader) fitting(ctx context.Context, in *dynamodb.QueryInput, partition string) ([]item, error) {
	if r.ledger != nil {
		items, err := r.query(ctx, in, partition, 0)
		if err == nil {
			err = r.fits(ctx)
		}
		return items, err
	}
	beside := make(chan error, 1)
	go func() { beside <- r.fits(ctx) }()
	items, err := r.query(ctx, in, partition, 0)
	fit := <-beside
	if errors.Is(fit, store.ErrVersion) {
		return nil, fit // it says more than what went wrong with the query
	}
	return items, cmp.Or(err, fit)
}

// goodFor is how long after its beginning a reading of the ledger is good for what
// else was read. A breaking step that is not in it waits for longer before it changes
// anything (layout.Settle), so that nothing which was read by then can be of it.
const goodFor = layout.Remembered

// ledger remembers that the table fits, so that what is read together, as at a
// start, takes one reading of the ledger. That it does not fit, or did not answer, is
// not remembered. It is for one table and safe for concurrent use.
type ledger struct {
	now   func() time.Time
	turn  chan struct{} // held by who looks or asks: those who come together ask once
	began time.Time     // of the newest reading that said that the table fits; zero for none
}

// SetClock has a reader go by another clock than time.Now in how long a reading of the
// ledger is good. It must be called before anything else, on what NewReader gave.
func (r *Reader) SetClock(now func() time.Time) {
	if r.ledger != nil {
		r.ledger.now = now
	}
}

func newLedger() *ledger { return &ledger{now: time.Now, turn: make(chan struct{}, 1)} }

// fits answers for everything that was read before it was called: either a reading
// that began a short while ago is good for all of it, or ask, which comes after it.
func (l *ledger) fits(ctx context.Context, ask func(context.Context) error) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("read ledger: %w", ctx.Err())
	}
	defer func() { <-l.turn }()
	now := l.now()
	if l.good(now) {
		return nil
	}
	l.began = time.Time{}
	if err := ask(ctx); err != nil {
		return err
	}
	l.began = now
	return nil
}

// good goes by both clocks: the monotonic one stands still while Lambda freezes an
// instance, and the wall clock may be set back.
func (l *ledger) good(now time.Time) bool {
	if l.began.IsZero() {
		return false
	}
	wall := now.Round(0).Sub(l.began.Round(0))
	return wall >= 0 && wall <= goodFor && now.Sub(l.began) <= goodFor
}
