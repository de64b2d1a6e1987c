package admin

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

// commitTimeout bounds a commit and the first flush after it. Both go on when the
// client has gone away: half-told outcomes help nobody. It leaves API Gateway's
// 29 s (AWS: "Amazon API Gateway quotas") to an answer.
const commitTimeout = 20 * time.Second

// change begins a change to a table that is at a revision, in the name of who
// asks.
func (s *service) change(ctx context.Context, api mapping.API, at store.Revision) store.Change {
	return store.Change{
		ID: ulid.Make().String(), API: api, If: at,
		By: principalID(ctx), RequestID: requestID(ctx), At: s.Now(),
	}
}

// commit is the one way in which tables are changed. It makes the second flush
// certain before the change is made, makes it, and flushes. The error is the
// answer to give; without one the change was made, and nothing that comes after
// may say otherwise.
func (s *service) commit(ctx context.Context, c store.Change) (store.Meta, flush.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Meta{}, flush.Result{}, s.problem(ctx, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	pending := s.Flusher.Begin(ctx, c.By, c.API)
	after, err := store.CommitSettled(ctx, s.Store, c)
	if err != nil {
		return store.Meta{}, flush.Result{}, s.problem(ctx, err)
	}
	return after, pending.Done(ctx), nil
}
