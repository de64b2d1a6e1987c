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
	"scopegate/internal/lint"
	"scopegate/mapping"
	"scopegate/store"
)

// commitTimeout bounds a commit, which goes on when the client has gone away:
// half-told outcomes help nobody. With the first flush after it, which bounds
// itself, it leaves API Gateway's 29 s (AWS: "Amazon API Gateway quotas") to an
// answer.
const commitTimeout = 20 * time.Second

// change begins a change to a table that is at a revision, in the name of who
// asks.
func (s *service) change(ctx context.Context, api mapping.API, at store.Revision) store.Change {
	return store.Change{
		ID: ulid.Make().String(), API: api, If: at,
		By: principalID(ctx), RequestID: requestID(ctx), At: s.Now(),
	}
}

// write is a change and the table that it was decided on.
type write struct {
	before store.Snapshot // its head alone will do for changes of the head, and deletions
	change store.Change
	force  bool // whatever the guard finds
}

// commit is the one way in which tables are changed. It asks the guard whether
// the change is one to make, makes the second flush certain before the change is
// made, makes it, and flushes. The error is the answer to give; without one the
// change was made, and nothing that comes after may say otherwise.
func (s *service) commit(ctx context.Context, w write) (edited, error) {
	done, err := s.begin(w.change.API).commit(ctx, w)
	if err != nil {
		return edited{}, s.problem(ctx, err)
	}
	return done, nil
}

// maxAttempts bounds how often edit starts over. Each time somebody else's change
// was made, so that many together get ahead.
const maxAttempts = 100

// edit changes a table as it is found: decide is shown the table, says what is to
// change in it, and is asked again where somebody else changes the table in
// between. Each time it is seen anew whether the caller may. Nothing is written
// where decide adds nothing to the change. The error is the answer to give.
func (s *service) edit(ctx context.Context, api mapping.API, force bool, decide func(store.Snapshot, *store.Change) error) (edited, error) {
	writer := s.begin(api)
	for range maxAttempts {
		before, _, err := s.load(ctx, api)
		if err != nil {
			return edited{}, err
		}
		w := write{before, s.change(ctx, api, before.Revision), force}
		if err := decide(before, &w.change); err != nil {
			return edited{}, err
		}
		if isEmpty(w.change) {
			return unchanged(before.Meta), nil
		}
		done, err := writer.commit(ctx, w)
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
	return !touchesItems(c) && c.Head == nil && !c.Delete
}

func touchesItems(c store.Change) bool {
	return len(c.Put)+len(c.Remove)+len(c.PutRoutes)+len(c.RemoveRoutes) > 0
}

// edited is what became of a change.
type edited struct {
	after    store.Meta
	flushed  flush.Result
	warnings []lint.Finding
}

// unchanged is what becomes of a change that changes nothing: nothing to flush.
func unchanged(m store.Meta) edited {
	return edited{after: m}
}

// Outcome is what the answer to every change says.
type Outcome struct {
	Revision string `json:"revision" doc:"The table's revision after the change"`
	flush.Result
	Warnings []lint.Finding `json:"warnings,omitempty" doc:"What lint finds that the change brings, and that refuses no write"`
}

func (e edited) changed() Outcome {
	return Outcome{e.after.Revision.String(), e.flushed, e.warnings}
}

// writer makes one change, perhaps at several revisions until one fits: its
// second flush is scheduled once.
type writer struct {
	s       *service
	api     mapping.API
	pending flush.Pending
}

func (s *service) begin(api mapping.API) *writer { return &writer{s: s, api: api} }

func (w *writer) commit(ctx context.Context, c write) (edited, error) {
	warnings, err := w.s.guard(ctx, c)
	if err == nil {
		err = ctx.Err() // nothing was begun yet
	}
	if err != nil {
		return edited{}, err
	}
	committing, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	flushing, end := uncancelled(ctx)
	defer end()
	if w.pending == nil {
		w.pending = w.s.flusherOf(c).Begin(committing, flushOwner(ctx), w.api)
	}
	after, err := store.CommitSettled(committing, w.s.Store, c.change)
	switch {
	case errors.Is(err, store.ErrUnknown):
		// It may have been made, perhaps long after Begin, and who asks for it
		// again then finds nothing to change, and so nothing to flush.
		w.pending.Done(flushing)
		return edited{}, err
	case err != nil:
		return edited{}, err
	}
	return edited{after, w.pending.Done(flushing), warnings}, nil
}

// uncancelled is ctx without its client, but with its deadline: where there is
// one, as in a Lambda function, nothing goes on after it.
func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	free := context.WithoutCancel(ctx)
	if until, ok := ctx.Deadline(); ok {
		return context.WithDeadline(free, until)
	}
	return free, func() {}
}
