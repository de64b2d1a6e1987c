package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/layout"
	"scopegate/store"
)

// fits reports whether this code can read the table: nil, store.ErrVersion with
// layout.ErrAhead or layout.ErrBehind, or an outage.
func (r *Reader) fits(ctx context.Context) error {
	err := r.code.Fits(ctx, r.client, r.table)
	if errors.Is(err, layout.ErrAhead) || errors.Is(err, layout.ErrBehind) {
		return fmt.Errorf("%w: %w", store.ErrVersion, err)
	}
	return err
}

// fitting queries a partition and looks, side by side with that, whether the
// table is one that this code can read: no round trip more than without.
//
// A breaking step that comes between the two is noticed all the same: it changes
// every revision, which the head read afterwards tells. And where a head says that
// nothing has changed, what was read before was read rightly: then nothing is asked.
func (r *Reader) fitting(ctx context.Context, in *dynamodb.QueryInput, partition string) ([]item, error) {
	beside := make(chan error, 1)
	go func() { beside <- r.fits(ctx) }()
	items, err := r.query(ctx, in, partition, 0)
	fit := <-beside
	if errors.Is(fit, store.ErrVersion) {
		return nil, fit // it says more than what went wrong with the query
	}
	return items, cmp.Or(err, fit)
}
