package flush_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/flush"
	"scopegate/mapping"
)

// answering is how long an authorizer may take: an answer from the old table may
// be on its way that long after the last instance forgot it.
const answering = 10 * time.Second

// plannedChange is one change of a random run.
type plannedChange struct {
	at, takes time.Duration // when it begins, how long its commit takes
	owner     string
	stage     int // -1: all
}

// run is a random life of a coordinator.
type run struct {
	changes  []plannedChange
	stages   int
	takes    time.Duration // of a flush
	busy     []bool        // whether API Gateway refuses the n-th flush
	twice    bool          // the queue delivers everything twice
	requeued time.Duration // until the queue brings a failed job again
}

func drawRun(t *rapid.T) run {
	r := run{
		stages: rapid.IntRange(1, 60).Draw(t, "stages"),
		takes:  time.Duration(rapid.IntRange(0, 900).Draw(t, "takes")) * time.Millisecond,
		busy:   rapid.SliceOfN(rapid.Bool(), 0, 20).Draw(t, "busy"),
		twice:  rapid.Bool().Draw(t, "twice"), requeued: 7 * time.Second,
	}
	for range rapid.IntRange(1, 15).Draw(t, "changes") {
		r.changes = append(r.changes, plannedChange{
			at:    time.Duration(rapid.IntRange(0, 20_000).Draw(t, "at")) * time.Millisecond,
			takes: time.Duration(rapid.IntRange(0, 8_000).Draw(t, "commit takes")) * time.Millisecond,
			owner: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner"), stage: rapid.IntRange(-1, r.stages-1).Draw(t, "stage"),
		})
	}
	return r
}

// sqs brings jobs when their delay has passed, those that fail again.
type sqs struct {
	run
	w  *world
	co *flush.Coordinator
	wg sync.WaitGroup
}

func (q *sqs) Schedule(_ context.Context, j flush.Job) error {
	times := 1
	if q.twice {
		times = 2
	}
	for range times {
		q.deliver(j, min(time.Until(j.Due), 900*time.Second))
	}
	return nil
}

func (q *sqs) deliver(j flush.Job, in time.Duration) {
	q.wg.Go(func() {
		time.Sleep(in)
		if q.co.Run(context.Background(), j) != nil {
			q.deliver(j, q.requeued)
		}
	})
}

// live makes the changes of a run and gives back every promise that was broken.
func (r run) live(t *testing.T) (broken []error) {
	w := &world{takes: r.takes, apis: stages(r.stages)}
	w.answer = func(_ mapping.API, n int) error {
		if n < len(r.busy) && r.busy[n] {
			return flush.ErrBusy
		}
		return nil
	}
	q := &sqs{run: r, w: w}
	q.co = w.new(t, func(c *flush.Config) { c.Jobs = q })
	var mu sync.Mutex
	var changes sync.WaitGroup
	type promise struct {
		stage     int
		committed time.Time
		flush.Result
	}
	var promises []promise
	for _, c := range r.changes {
		changes.Go(func() {
			time.Sleep(c.at)
			var apis []mapping.API
			if c.stage >= 0 {
				apis = w.apis[c.stage : c.stage+1]
			}
			p := q.co.Begin(context.Background(), c.owner, apis...)
			time.Sleep(c.takes)
			committed := time.Now()
			result := p.Done(context.Background())
			mu.Lock()
			defer mu.Unlock()
			promises = append(promises, promise{c.stage, committed, result})
		})
	}
	changes.Wait()
	q.wg.Wait()
	for _, p := range promises {
		for i, api := range w.apis {
			if p.stage >= 0 && p.stage != i {
				continue
			}
			if p.Flush != "scheduled" || p.EffectiveBy == nil {
				broken = append(broken, fmt.Errorf("answered %+v", p.Result))
				break
			}
			if !w.emptied(api, p.committed.Add(ttl+answering), *p.EffectiveBy, len(r.busy) > 0) {
				broken = append(broken, fmt.Errorf("%s, changed at %s: no flush from %s on that had ended by %s", api.Stage, p.committed, p.committed.Add(ttl+answering), p.EffectiveBy))
			}
		}
	}
	return broken
}

// emptied reports whether a flush of a stage that succeeded began since one time
// and had ended by another, which does not count where API Gateway refused some.
func (w *world) emptied(api mapping.API, since, by time.Time, refused bool) bool {
	for n, f := range w.flushed {
		good := w.answer(api, n+1) == nil
		if f.api == api && good && !f.at.Before(since) && (refused || !f.at.Add(w.takes).After(by)) {
			return true
		}
	}
	return false
}

// TestByEffectiveByNothingOldIsCached: whatever happens side by side, each stage
// that changed is flushed once more when no instance answers from its old table
// any more, and in time.
func TestByEffectiveByNothingOldIsCached(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := drawRun(rt)
		var broken []error
		synctest.Test(t, func(t *testing.T) { broken = r.live(t) })
		for _, err := range broken {
			rt.Error(err)
		}
	})
}
