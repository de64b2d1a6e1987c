package flush

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"scopegate/mapping"
)

// maxJob bounds the text of a job, in bytes.
const maxJob = 4096

// ParseJob reads a job as its JSON has it. What it lets through, [Coordinator.Run]
// can run; members that it does not know are a later version's, and left alone.
func ParseJob(text []byte) (Job, error) {
	if len(text) > maxJob {
		return Job{}, fmt.Errorf("read a flush job: must be at most %d bytes, is %d", maxJob, len(text))
	}
	var j Job
	if err := json.Unmarshal(text, &j); err != nil {
		return Job{}, fmt.Errorf("read a flush job: %w", err)
	}
	if err := j.check(); err != nil {
		return Job{}, fmt.Errorf("read a flush job: %w", err)
	}
	return j, nil
}

func (j Job) check() error {
	if j.ID == "" || j.Due.IsZero() {
		return errors.New("id and due: must be given")
	}
	for _, named := range []mapping.API{{ARN: j.ARN, Stage: j.Stage}, {ARN: j.AfterARN, Stage: j.AfterStage}} {
		if named == (mapping.API{}) {
			continue
		}
		if _, err := mapping.ParseAPI(named.ARN, named.Stage); err != nil {
			return err
		}
	}
	return nil
}

// Run makes a flush that was scheduled. A job that is not yet due is scheduled
// again with the rest. An error means that the job is not done, and that the queue
// must bring it again; a stage without a cache, or elsewhere, is done. It returns
// within 20 s, and a second before ctx's deadline.
func (c *Coordinator) Run(ctx context.Context, j Job) error {
	ctx, cancel := within(ctx, working)
	defer cancel()
	api := mapping.API{ARN: j.ARN, Stage: j.Stage}
	err := safely(func() error { return c.run(ctx, j, api) })
	if err != nil {
		err = fmt.Errorf("flush job %s: %w", j.ID, err)
		c.OnFailure(ctx, api, err)
	}
	return err
}

func (c *Coordinator) run(ctx context.Context, j Job, api mapping.API) error {
	if err := j.check(); err != nil {
		return err
	}
	now := c.Now()
	switch early := j.Due.Sub(now); {
	case early > farthest:
		return fmt.Errorf("due %s: must not be more than %s ahead", j.Due.Format(time.RFC3339), farthest)
	case early > 0:
		return c.hand(ctx, j)
	case api == mapping.API{}:
		return c.runAll(ctx, j)
	case !c.due(api, j.since()):
		return nil
	}
	if !c.whole.wait(ctx) {
		return errPutOff
	}
	if err := c.flush(ctx, api, paid); err != nil && !impossible(err) {
		return err
	}
	return nil
}

func (j Job) since() time.Time {
	if j.Since.IsZero() {
		return j.Due
	}
	return j.Since
}

// runAll flushes every stage. What it does not get to is left to a job that goes
// on there, and each stage that failed to one of its own: it alone is then tried
// again.
func (c *Coordinator) runAll(ctx context.Context, j Job) error {
	apis, err := c.list(ctx)
	if err != nil {
		return err
	}
	apis = after(apis, mapping.API{ARN: j.AfterARN, Stage: j.AfterStage})
	most, cancel := context.WithTimeout(ctx, time.Until(deadline(ctx))*3/4) // the rest is for handing on
	defer cancel()
	select {
	case c.sweep <- struct{}{}:
	case <-most.Done():
		return c.hand(ctx, Job{Due: c.Now().Add(soon), Since: j.since(), AfterARN: j.AfterARN, AfterStage: j.AfterStage})
	}
	var mu sync.Mutex
	var again []mapping.API
	reached := c.each(most, apis, j.since(), func(api mapping.API, err error) {
		if err == nil || impossible(err) {
			return
		}
		c.OnFailure(ctx, api, err)
		mu.Lock()
		defer mu.Unlock()
		again = append(again, api)
	})
	var errs []error
	for _, api := range again {
		errs = append(errs, c.later(ctx, api, c.Now().Add(soon)))
	}
	if reached < len(apis) {
		next := Job{Due: c.Now(), Since: j.since(), AfterARN: j.AfterARN, AfterStage: j.AfterStage}
		if reached > 0 {
			next.AfterARN, next.AfterStage = apis[reached-1].ARN, apis[reached-1].Stage
		} else {
			next.Due = next.Due.Add(soon)
		}
		errs = append(errs, c.hand(ctx, next))
	}
	return errors.Join(errs...)
}

func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline() // within has set one
	return at
}

// after is what comes after a stage in the order of the list.
func after(apis []mapping.API, last mapping.API) []mapping.API {
	for i, api := range apis {
		if compare(api, last) > 0 {
			return apis[i:]
		}
	}
	return nil
}
