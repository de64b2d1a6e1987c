package localflush

import (
	"context"
	"errors"

	"scopegate/gateway"
	"scopegate/internal/flush"
	"scopegate/mapping"
)

// Gateways is a flush.Client for gateways of this process: it gives all that
// serve a stage. A stage that none serves has no cache that could hold anything.
type Gateways func(mapping.API) []*gateway.Gateway

var _ flush.Client = Gateways(nil)

// Flush is flush.Client's.
func (g Gateways) Flush(_ context.Context, api mapping.API) error {
	var errs []error
	for _, one := range g(api) {
		err := one.Flush(api.Stage)
		if errors.Is(err, gateway.ErrNoCache) {
			err = flush.ErrNoCache
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
