package flush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
)

// errPutOff: the flush was not made now, a job will make it.
var errPutOff = errors.New("too many flushes at once")

// flush empties a stage's cache by a call that starts from now on. The flight may
// outlive ctx: others wait for it too.
func (c *Coordinator) flush(ctx context.Context, api mapping.API, pay func() bool) error {
	values := context.WithoutCancel(ctx)
	f := c.lanes.join(api, pay, func() error {
		ctx, cancel := context.WithTimeout(values, attempt)
		defer cancel()
		started := c.Now()
		if err := c.Client.Flush(ctx, api); err != nil {
			return err
		}
		c.flushed.Add(api, started)
		return nil
	})
	if f == nil {
		return errPutOff
	}
	return f.wait(ctx)
}

// affords reports whether owner and all together may flush once more now.
func (c *Coordinator) affords(owner string) func() bool {
	return func() bool {
		b := c.bucketOf(owner)
		if _, ok := b.take(); !ok {
			return false
		}
		if _, ok := c.whole.take(); !ok {
			b.giveBack()
			return false
		}
		return true
	}
}

// paid is for a flush whose budget was taken before. It must not be waited for
// while joining: others join too.
func paid() bool { return true }

func (c *Coordinator) bucketOf(owner string) *bucket {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.owners.Get(owner)
	if !ok {
		b = newBucket(c.Owner)
		c.owners.Add(owner, b)
	}
	return b
}

// outcome is what became of the flushes of one change.
type outcome struct {
	mu          sync.Mutex
	stages      int
	impossible  map[mapping.API]error
	putOff      int
	failed      map[mapping.API]error
	unlisted    bool // the stages are not known
	unscheduled bool // the second flush is not sure
}

func (o *outcome) note(api mapping.API, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	put := func(m *map[mapping.API]error) {
		if *m == nil {
			*m = map[mapping.API]error{}
		}
		(*m)[api] = err
	}
	switch {
	case err == nil:
	case impossible(err):
		put(&o.impossible)
	case errors.Is(err, errPutOff), errors.Is(err, ErrBusy):
		o.putOff++
	default:
		put(&o.failed)
	}
}

func impossible(err error) bool { return errors.Is(err, ErrNoCache) || errors.Is(err, ErrElsewhere) }

// some flushes the stages that were named.
func (c *Coordinator) some(ctx context.Context, owner string, apis []mapping.API) outcome {
	o := outcome{stages: len(apis)}
	var group errgroup.Group
	group.SetLimit(aside)
	for _, api := range apis {
		group.Go(func() error {
			err := c.flush(ctx, api, c.affords(owner))
			o.note(api, err)
			c.makeUp(ctx, api, err)
			return nil
		})
	}
	_ = group.Wait() // each error is noted
	return o.settled()
}

// settled hands an outcome over that nobody writes to any more.
func (o *outcome) settled() outcome {
	return outcome{stages: o.stages, impossible: o.impossible, putOff: o.putOff, failed: o.failed, unlisted: o.unlisted}
}

// makeUp has a job make the flush that could not be made now. That there is a
// second one anyway is why its own failure changes nothing.
func (c *Coordinator) makeUp(ctx context.Context, api mapping.API, err error) {
	if err == nil || impossible(err) {
		return
	}
	if !errors.Is(err, errPutOff) {
		c.OnFailure(ctx, api, err)
	}
	now := c.Now()
	c.mu.Lock()
	due, ok := c.put.Get(api)
	planned := ok && due.After(now)
	c.mu.Unlock()
	if planned {
		return // starts after this change: it counts for it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve/2)
	defer cancel()
	if c.later(ctx, api, now.Add(soon)) == nil {
		c.put.Add(api, now.Add(soon))
	}
}

// all flushes every stage, as far as time and budget go. What was flushed since
// the change was committed is.
func (c *Coordinator) all(ctx context.Context, committed time.Time) outcome {
	apis, err := c.list(ctx)
	if err != nil {
		c.makeUp(ctx, mapping.API{}, err)
		return outcome{unlisted: true}
	}
	o := &outcome{stages: len(apis)}
	reached := 0
	select {
	case c.sweep <- struct{}{}:
		reached = c.each(ctx, apis, committed, o.note)
	default: // another change's goes on
	}
	o.putOff += len(apis) - reached
	for api, err := range o.failed {
		c.OnFailure(ctx, api, err)
	}
	if len(o.failed) > 0 || o.putOff > 0 {
		c.makeUp(ctx, mapping.API{}, errPutOff)
	}
	return o.settled()
}

// list lists every stage, in order.
func (c *Coordinator) list(ctx context.Context) (apis []mapping.API, err error) {
	err = safely(func() error {
		apis, err = c.APIs(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the stages to flush: %w", err)
	}
	apis = slices.Clone(apis)
	slices.SortFunc(apis, compare)
	return apis, nil
}

// each flushes stages in order, a few at once, while the budget and ctx last, but
// for those that were flushed since. It says how many of them it is through with.
// The caller has taken c.sweep; each gives it back.
func (c *Coordinator) each(ctx context.Context, apis []mapping.API, since time.Time, note func(mapping.API, error)) (reached int) {
	defer func() { <-c.sweep }()
	var group errgroup.Group
	group.SetLimit(aside)
	for _, api := range apis {
		if c.due(api, since) {
			if ctx.Err() != nil || !c.whole.wait(ctx) {
				break
			}
			group.Go(func() error {
				note(api, c.flush(ctx, api, paid))
				return nil
			})
		}
		reached++
	}
	_ = group.Wait() // each error is noted
	return reached
}

// due reports whether a stage has not been flushed since.
func (c *Coordinator) due(api mapping.API, since time.Time) bool {
	started, ok := c.flushed.Get(api)
	return !ok || started.Before(since)
}
