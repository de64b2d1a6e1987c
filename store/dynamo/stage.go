package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
	"scopegate/store"
)

// parallel is how many requests are made at a time while a stage is written or
// removed.
const parallel = 4

// stage is what one try of a change writes before its transaction, under a name
// of its own: the items of a new generation, the parts of its audit record's
// lists, or both. Nobody reads any of it until the transaction names it.
type stage struct {
	name     string
	from     head // what the change is conditional on
	changeID string
	items    []item
}

// stageItem registers a stage before it is written, together with the head that
// it is made from: once the table has moved past that head, or was fenced, the
// stage can no longer be named.
func stageItem(api mapping.API, st stage) item {
	it := key(generationsPK(api), st.name)
	it["fromRevision"] = &types.AttributeValueMemberN{Value: fmt.Sprint(st.from.Number)}
	it["fromIncarnation"] = text(st.from.Incarnation)
	it["fromFence"] = text(st.from.Fence)
	if st.changeID != "" {
		it["changeId"] = text(st.changeID)
	}
	return it
}

// laneKey is that of an item which each transaction of one writer of the stage is
// conditional on. Clean takes it away before it removes the stage, so that no
// request on its way can add to a stage that nobody would ever find again. There
// are several, since transactions that look at one item at once get into each
// other's way.
func laneKey(api mapping.API, name string, lane int) item {
	return key(generationsPK(api), fmt.Sprintf("%s#%d", name, lane))
}

// write registers a stage and writes it. errMoved if it was removed meanwhile,
// since the table moved on.
func (s *Store) write(ctx context.Context, api mapping.API, st stage) error {
	register := []types.TransactWriteItem{s.put(stageItem(api, st), nil)}
	chunks := s.chunks(st.items)
	lanes := min(parallel, len(chunks))
	for lane := range lanes {
		register = append(register, s.put(laneKey(api, st.name, lane), nil))
	}
	if err := s.transact(ctx, register, "stage", st.name); err != nil {
		return wrap(err, "register generation %s", st.name)
	}
	written := counter{total: len(st.items), report: store.Progress(ctx)}
	written.add(0)
	group, ctx := errgroup.WithContext(ctx)
	for lane := range lanes {
		group.Go(func() error {
			for i := lane; i < len(chunks); i += lanes {
				check := s.exists(laneKey(api, st.name, lane))
				if err := s.writeChunk(ctx, append(chunks[i], check), st.name, i); err != nil {
					return err
				}
				written.add(len(chunks[i]))
			}
			return nil
		})
	}
	return wrap(group.Wait(), "write generation %s", st.name)
}

// counter reports progress, one call at a time.
type counter struct {
	mu          sync.Mutex
	done, total int
	report      func(done, total int)
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	c.report(c.done, c.total)
}

// chunks cuts items into transactions, with room for a check. Transactions rather
// than batches: their tokens keep a request that was sent twice, and arrives late,
// from being carried out again after later changes.
func (s *Store) chunks(items []item) [][]types.TransactWriteItem {
	var all [][]types.TransactWriteItem
	var chunk []types.TransactWriteItem
	bytes := 0
	for _, it := range items {
		size := itemSize(it)
		if len(chunk) == maxActions-1 || len(chunk) > 0 && bytes+size > maxBytes {
			all, chunk, bytes = append(all, chunk), nil, 0
		}
		chunk, bytes = append(chunk, s.put(it, nil)), bytes+size
	}
	if len(chunk) > 0 { // DynamoDB refuses a transaction of nothing
		all = append(all, chunk)
	}
	return all
}

// writeChunk writes items, whose last action is the check of a lane.
func (s *Store) writeChunk(ctx context.Context, chunk []types.TransactWriteItem, stage string, i int) error {
	for try := 0; ; try++ {
		err := s.transact(ctx, chunk, "items", stage, fmt.Sprint(i))
		switch {
		case err == nil:
			return nil
		case laneGone(err):
			return fmt.Errorf("%w: %w", errMoved, err)
		case !worthRetry(err) || try == maxCommits-1:
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// laneGone reports whether a chunk failed for its one condition.
func laneGone(err error) bool {
	var cancelled *types.TransactionCanceledException
	return errors.As(err, &cancelled) && slices.ContainsFunc(cancelled.CancellationReasons,
		func(r types.CancellationReason) bool { return aws.ToString(r.Code) == "ConditionalCheckFailed" })
}
