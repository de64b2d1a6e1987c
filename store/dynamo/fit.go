package dynamo

import (
	"cmp"
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/layout"
)

// fits reports whether this code can read the table: nil, layout.ErrAhead,
// layout.ErrBehind, or an outage.
func (r *Reader) fits(ctx context.Context) error {
	return r.code.Fits(ctx, r.client, r.table)
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
	if errors.Is(fit, layout.ErrAhead) || errors.Is(fit, layout.ErrBehind) {
		return nil, fit // it says more than what went wrong with the query
	}
	return items, cmp.Or(err, fit)
}
