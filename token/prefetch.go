package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// patience is how long the issuers of a host wait for those before them, all in all.
const patience = time.Second

// Prefetch loads the keys of all issuers. Its error joins those of the issuers
// that did not answer and does no harm: use tries again.
//
// Issuers of different hosts are asked side by side, those of one host, as the two
// of an Entra tenant are, one after the other: so they share a connection, whose TLS
// handshake is the dearest part of a start (Entra speaks HTTP/1.1 only, where
// requests side by side need a connection each). A host that takes long is not waited
// for: its other issuers are then asked all at once, however many tenants there are.
func (v *Verifier) Prefetch(ctx context.Context) error {
	errs := make([]error, len(v.issuers))
	hosts := map[string][]int{}
	for i, is := range v.issuers {
		host := hostOf(is.discovery)
		hosts[host] = append(hosts[host], i)
	}
	var wg sync.WaitGroup
	for _, list := range hosts {
		wg.Go(func() { v.prefetchInTurn(ctx, list, errs) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// prefetchInTurn loads the keys of the issuers listed, and returns when all have
// them or an error.
func (v *Verifier) prefetchInTurn(ctx context.Context, list []int, errs []error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	turns, over := context.WithTimeout(ctx, patience)
	defer over()
	for _, i := range list {
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			if err := v.issuers[i].keys.prefetch(ctx); err != nil {
				errs[i] = fmt.Errorf("keys of %s: %w", v.issuers[i].iss, err)
			}
		})
		select {
		case <-done:
		case <-turns.Done():
		}
	}
}
