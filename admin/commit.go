package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

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
	done, err := s.begin(ctx, c.API).commit(ctx, c)
	if err != nil {
		return store.Meta{}, flush.Result{}, s.problem(ctx, err)
	}
	return done.after, done.flushed, nil
}

// maxAttempts bounds how often edit starts over. Each time somebody else's change
// was made, so that many together get ahead.
const maxAttempts = 100

// edit changes a table as it is found: decide is shown the table, says what is to
// change in it, and is asked again where somebody else changes the table in
// between. Each time it is seen anew whether the caller may. Nothing is written
// where decide adds nothing to the change. The error is the answer to give.
func (s *service) edit(ctx context.Context, api mapping.API, decide func(store.Snapshot, *store.Change) error) (edited, error) {
	var w *writer
	for range maxAttempts {
		before, _, err := s.load(ctx, api)
		if err != nil {
			return edited{}, err
		}
		c := s.change(ctx, api, before.Revision)
		if err := decide(before, &c); err != nil {
			return edited{}, err
		}
		if isEmpty(c) {
			return edited{after: before.Meta, flushed: flush.Result{Flush: "off", Reason: "nothing has changed"}}, nil
		}
		if w == nil {
			w = s.begin(ctx, api)
		}
		done, err := w.commit(ctx, c)
		switch {
		case err == nil:
			return done, nil
		case !errors.Is(err, store.ErrConflict):
			return edited{}, s.problem(ctx, err)
		}
	}
	s.Log.Warn("change given up", zap.String("requestId", requestID(ctx)), zap.Int("attempts", maxAttempts))
	return edited{}, retryLater(huma.NewError(http.StatusServiceUnavailable, "others change the table too often now; nothing was changed"))
}

func isEmpty(c store.Change) bool {
	return len(c.Put)+len(c.Remove)+len(c.PutRoutes)+len(c.RemoveRoutes) == 0 && c.Head == nil && !c.Delete
}

// edited is what became of a change.
type edited struct {
	after   store.Meta
	flushed flush.Result
}

func (e edited) changed() Changed {
	return Changed{Revision: e.after.Revision.String(), Result: e.flushed}
}

// writer makes one change, perhaps at several revisions until one fits: its
// second flush is scheduled once.
type writer struct {
	s       *service
	pending flush.Pending
}

func (s *service) begin(ctx context.Context, api mapping.API) *writer {
	return &writer{s, s.Flusher.Begin(context.WithoutCancel(ctx), principalID(ctx), api)}
}

func (w *writer) commit(ctx context.Context, c store.Change) (edited, error) {
	if err := ctx.Err(); err != nil {
		return edited{}, err // nothing was begun yet
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	after, err := store.CommitSettled(ctx, w.s.Store, c)
	if err != nil {
		return edited{}, err
	}
	return edited{after, w.pending.Done(ctx)}, nil
}
