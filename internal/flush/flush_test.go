package flush_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/flush"
	"scopegate/internal/leaktest"
	"scopegate/mapping"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

const ttl = 30 * time.Second

func stage(name string) mapping.API {
	return mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: name}
}

// world is a control plane and a queue that a test looks into.
type world struct {
	mu       sync.Mutex
	takes    time.Duration // of one flush
	answer   func(api mapping.API, n int) error
	flushed  []call
	jobs     []flush.Job
	refuse   func(n int) error // of scheduling
	asked    int
	apis     []mapping.API
	apisErr  error
	failures []error
}

type call struct {
	api mapping.API
	at  time.Time
}

func (w *world) Flush(ctx context.Context, api mapping.API) error {
	w.mu.Lock()
	w.flushed = append(w.flushed, call{api, time.Now()})
	takes, answer, n := w.takes, w.answer, len(w.flushed)
	w.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if answer != nil {
		return answer(api, n)
	}
	return nil
}

func (w *world) Schedule(_ context.Context, j flush.Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.refuse != nil {
		if err := w.refuse(w.asked); err != nil {
			return err
		}
	}
	w.jobs = append(w.jobs, j)
	return nil
}

func (w *world) list(context.Context) ([]mapping.API, error) { return w.apis, w.apisErr }

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.flushed)
}

func (w *world) new(t *testing.T, change ...func(*flush.Config)) *flush.Coordinator {
	t.Helper()
	config := flush.Config{Client: w, Jobs: w, APIs: w.list, TTL: ttl, OnFailure: func(_ context.Context, _ mapping.API, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failures = append(w.failures, err)
	}}
	for _, f := range change {
		f(&config)
	}
	c, err := flush.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOffSaysThatItIsOff(t *testing.T) {
	if got := (flush.Off{}).Begin(t.Context(), "a", stage("dev")).Done(t.Context()); got != (flush.Result{Flush: "off"}) {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	w := &world{}
	for name, c := range map[string]flush.Config{
		"nothing": {}, "no list": {Client: w, Jobs: w}, "no jobs": {Client: w, APIs: w.list}, "ttl": {Client: w, Jobs: w, APIs: w.list, TTL: -1},
	} {
		if _, err := flush.New(c); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func TestAChangeIsFlushedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := w.new(t)
		begun := time.Now()
		p := c.Begin(t.Context(), "a", stage("dev"))
		if len(w.jobs) != 1 || !w.jobs[0].Due.Equal(begun.Add(ttl+flush.Settle)) || w.jobs[0].Stage != "dev" || w.jobs[0].ID == "" {
			t.Fatalf("before the commit: jobs %+v", w.jobs)
		}
		if w.count() != 0 {
			t.Fatal("flushed before the commit")
		}
		time.Sleep(time.Second) // the commit
		r := p.Done(t.Context())
		if r.Flush != "scheduled" || r.Reason != "" || !r.EffectiveBy.Equal(begun.Add(time.Second+ttl+flush.Margin)) || w.count() != 1 {
			t.Fatalf("%+v, %d flushes", r, w.count())
		}
		time.Sleep(time.Until(w.jobs[0].Due))
		if err := c.Run(t.Context(), w.jobs[0]); err != nil || w.count() != 2 {
			t.Errorf("the job: %v, %d flushes", err, w.count())
		}
		if err := c.Run(t.Context(), w.jobs[0]); err != nil || w.count() != 2 {
			t.Errorf("the job once more: %v, %d flushes; want none more", err, w.count())
		}
	})
}

// TestASlowCommitMovesTheSecondFlush: the job that Begin scheduled would come
// before every authorizer has forgotten the old table.
func TestASlowCommitMovesTheSecondFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := w.new(t)
		p := c.Begin(t.Context(), "a", stage("dev"))
		time.Sleep(6 * time.Second)
		done := time.Now()
		r := p.Done(t.Context())
		if len(w.jobs) != 2 || !w.jobs[1].Due.Equal(done.Add(ttl+flush.Settle)) || !r.EffectiveBy.Equal(done.Add(ttl+flush.Margin)) {
			t.Errorf("%+v, jobs %+v", r, w.jobs)
		}
		if w.jobs[0].ID == w.jobs[1].ID {
			t.Error("two jobs of one id")
		}
	})
}

// TestAFlushUnderWayDoesNotCountForALaterChange, and all that wait share the next.
func TestAFlushUnderWayDoesNotCountForALaterChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{takes: time.Second}
		c := w.new(t)
		var wg sync.WaitGroup
		change := func() {
			p := c.Begin(t.Context(), "a", stage("dev"))
			committed := time.Now()
			wg.Go(func() {
				r := p.Done(t.Context())
				if r.Flush != "scheduled" || r.Reason != "" {
					t.Errorf("%+v", r)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				ended := time.Now()
				if !slices.ContainsFunc(w.flushed, func(f call) bool {
					return !f.at.Before(committed) && !f.at.Add(w.takes).After(ended)
				}) {
					t.Errorf("no flush began after the commit at %s and ended before the answer at %s: %v", committed, ended, w.flushed)
				}
			})
		}
		change()
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		for range 20 {
			change()
		}
		wg.Wait()
		if w.count() != 2 {
			t.Errorf("%d calls, want one under way and one for all that came later", w.count())
		}
	})
}

func TestWhatIsTooMuchIsLeftToAJobAndNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := w.new(t)
		var last flush.Result
		for range 8 {
			last = c.Begin(t.Context(), "a", stage("dev")).Done(t.Context())
		}
		if w.count() != 5 || last.Flush != "scheduled" || last.EffectiveBy == nil || last.Reason == "" {
			t.Fatalf("%d flushes, want 5; %+v", w.count(), last)
		}
		early := w.early()
		if len(early) != 1 {
			t.Fatalf("jobs soon: %+v, want one for the three changes", early)
		}
		other := c.Begin(t.Context(), "b", stage("dev")).Done(t.Context())
		if w.count() != 6 || other.Reason != "" {
			t.Errorf("another owner has no budget of its own: %+v", other)
		}
		time.Sleep(time.Until(early[0].Due))
		if err := c.Run(t.Context(), early[0]); err != nil || w.count() != 7 {
			t.Errorf("the job: %v, %d flushes", err, w.count())
		}
		if r := c.Begin(t.Context(), "a", stage("dev")).Done(t.Context()); r.Reason != "" || w.count() != 8 {
			t.Errorf("the budget does not fill up again: %+v", r)
		}
	})
}

// early are the jobs that come before any second flush.
func (w *world) early() []flush.Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []flush.Job
	for _, j := range w.jobs {
		if j.Due.Before(time.Now().Add(ttl)) {
			list = append(list, j)
		}
	}
	return list
}

func TestWhatBecameOfAFlushIsSaid(t *testing.T) {
	forbidden := fmt.Errorf("host 10.0.0.7: %w", flush.ErrForbidden)
	for name, c := range map[string]struct {
		answer       error
		flush, words string
		retried      bool
	}{
		"websocket": {flush.ErrNoCache, "impossible", "WebSocket", false},
		"elsewhere": {fmt.Errorf("it has no stage dev: %w", flush.ErrElsewhere), "impossible", "it has no stage dev", false},
		"busy":      {flush.ErrBusy, "scheduled", "follows in a few seconds", true},
		"forbidden": {forbidden, "failed", "refuses", true},
		"other":     {errors.New("dial 10.0.0.7: refused"), "failed", "did not empty", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{answer: func(mapping.API, int) error { return c.answer }}
				r := w.new(t).Begin(t.Context(), "a", stage("dev")).Done(t.Context())
				if r.Flush != c.flush || !strings.Contains(r.Reason, c.words) || strings.Contains(r.Reason, "10.0.0.7") {
					t.Errorf("%+v", r)
				}
				if (r.EffectiveBy != nil) != (c.flush == "scheduled") {
					t.Errorf("effective by %v", r.EffectiveBy)
				}
				if got := len(w.early()) == 1; got != c.retried || (len(w.failures) > 0) != c.retried {
					t.Errorf("tried again %v, told of %v", got, w.failures)
				}
			})
		})
	}
}

func TestAJobThatCannotBeScheduledIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{refuse: func(int) error { return errors.New("dial 10.0.0.7") }}
		r := w.new(t).Begin(t.Context(), "a", stage("dev")).Done(t.Context())
		if r.Flush != "failed" || r.EffectiveBy != nil || r.Reason == "" || strings.Contains(r.Reason, "10.0.0.7") || len(w.failures) == 0 {
			t.Errorf("%+v, told of %v", r, w.failures)
		}
		if w.count() != 1 {
			t.Error("the first flush was not made")
		}
		w = &world{refuse: func(n int) error {
			if n == 1 {
				return errors.New("once")
			}
			return nil
		}}
		if r := w.new(t).Begin(t.Context(), "a", stage("dev")).Done(t.Context()); r.Flush != "scheduled" || len(w.jobs) != 1 {
			t.Errorf("scheduled after the commit: %+v, %+v", r, w.jobs)
		}
	})
}

// TestTheAnswerDoesNotWaitForever, even for a client that went away.
func TestTheAnswerDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{takes: time.Hour}
		c := w.new(t)
		begun := time.Now()
		r := c.Begin(t.Context(), "a", stage("dev")).Done(t.Context())
		if took := time.Since(begun); took > 5*time.Second || r.Flush != "failed" {
			t.Errorf("%+v after %s", r, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun = time.Now()
		r = c.Begin(ctx, "a", stage("dev")).Done(ctx)
		if took := time.Since(begun); took > 1500*time.Millisecond || r.Flush != "scheduled" || r.Reason == "" {
			t.Errorf("with two seconds left: %+v after %s", r, took)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		w.mu.Lock()
		w.takes = 0
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if r := c.Begin(gone, "a", stage("dev")).Done(gone); r.Flush != "scheduled" || r.Reason != "" {
			t.Errorf("whose client went away: %+v", r)
		}
	})
}

func TestAPanicIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answer: func(mapping.API, int) error { panic("client") }}
		c := w.new(t)
		if r := c.Begin(t.Context(), "a", stage("dev")).Done(t.Context()); r.Flush != "failed" {
			t.Errorf("%+v", r)
		}
		if err := c.Run(t.Context(), flush.Job{ID: "x", Due: time.Now(), ARN: stage("dev").ARN, Stage: "dev"}); err == nil {
			t.Error("a job whose client panics is done")
		}
		w.refuse = func(int) error { panic("jobs") }
		if r := c.Begin(t.Context(), "a", stage("dev")).Done(t.Context()); r.Flush != "failed" {
			t.Errorf("%+v", r)
		}
		c = w.new(t, func(c *flush.Config) { c.APIs = func(context.Context) ([]mapping.API, error) { panic("list") } })
		if r := c.Begin(t.Context(), "a").Done(t.Context()); r.Flush != "failed" {
			t.Errorf("%+v", r)
		}
	})
}
