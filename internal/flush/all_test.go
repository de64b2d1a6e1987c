package flush_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/flush"
	"scopegate/mapping"
)

// Sleeps in this package's tests are inside synctest's bubbles: they move its clock
// and take no time.

func stages(n int) []mapping.API {
	var list []mapping.API
	for i := range n {
		list = append(list, stage(fmt.Sprintf("s%04d", n-i))) // not in order
	}
	return list
}

// seen counts the flushes of each stage since the last call.
func (w *world) seen() map[mapping.API]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := map[mapping.API]int{}
	for _, f := range w.flushed {
		m[f.api]++
	}
	w.flushed = nil
	return m
}

// since are the stages flushed since a time.
func (w *world) since(at time.Time) map[mapping.API]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := map[mapping.API]bool{}
	for _, f := range w.flushed {
		if !f.at.Before(at) {
			m[f.api] = true
		}
	}
	return m
}

func TestEveryStageIsFlushedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{apis: stages(7)}
		c := w.new(t)
		r := c.Begin(t.Context(), "a").Done(t.Context())
		if r.Flush != "scheduled" || r.Reason != "" || len(w.seen()) != 7 || len(w.jobs) != 1 || w.jobs[0].ARN != "" {
			t.Fatalf("%+v, jobs %+v", r, w.jobs)
		}
		time.Sleep(time.Until(w.jobs[0].Due))
		if err := c.Run(t.Context(), w.jobs[0]); err != nil || len(w.seen()) != 7 {
			t.Errorf("the job: %v", err)
		}
	})
}

// TestManyStagesAreFlushedInTime: the answer comes soon, jobs do the rest at the
// pace that API Gateway allows for, each stage after the job was due, and by then
// effectiveBy has not passed.
func TestManyStagesAreFlushedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{apis: stages(300), takes: 100 * time.Millisecond}
		c := w.new(t)
		begun := time.Now()
		r := c.Begin(t.Context(), "a").Done(t.Context())
		if took := time.Since(begun); took > 5*time.Second || r.Flush != "scheduled" || r.Reason == "" {
			t.Fatalf("%+v after %s", r, took)
		}
		if least := begun.Add(ttl + flush.Margin); !r.EffectiveBy.After(least) {
			t.Errorf("300 stages are effective by %s, as one would be", r.EffectiveBy)
		}
		second := w.jobs[0]
		if n := len(w.seen()); n < 20 || n > 45 {
			t.Errorf("%d flushed at once, want what the budget allows for", n)
		}
		early := w.early()
		if len(early) != 1 {
			t.Fatalf("the rest is left to %+v", early)
		}
		for _, j := range []flush.Job{early[0], second} {
			time.Sleep(time.Until(j.Due))
			w.finish(t, c, j)
			if n := len(w.since(j.Due)); n != 300 {
				t.Errorf("%d stages flushed after %s, when the job was due", n, j.Due)
			}
		}
		if time.Now().After(*r.EffectiveBy) {
			t.Errorf("the second flush ended at %s, after %s", time.Now(), r.EffectiveBy)
		}
	})
}

// finish runs a job and those that it leaves behind.
func (w *world) finish(t *testing.T, c *flush.Coordinator, j flush.Job) {
	t.Helper()
	for queue := []flush.Job{j}; len(queue) > 0; queue = queue[1:] {
		w.mu.Lock()
		w.jobs = nil
		w.mu.Unlock()
		time.Sleep(time.Until(queue[0].Due))
		if err := c.Run(t.Context(), queue[0]); err != nil {
			t.Fatal(err)
		}
		queue = append(queue, w.jobs...)
	}
}

func TestOfManyStagesThoseThatFailAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(api mapping.API, n int) error
		flush  string
		words  []string
	}{
		"one websocket": {func(api mapping.API, _ int) error {
			if api.Stage == "s0002" {
				return flush.ErrNoCache
			}
			return nil
		}, "scheduled", []string{"1 of 8 stages", "s0002", "WebSocket"}},
		"all elsewhere": {func(mapping.API, int) error { return flush.ErrElsewhere }, "impossible", []string{"8 of 8 stages", "and 3 more"}},
		"one fails": {func(api mapping.API, _ int) error {
			if api.Stage == "s0002" {
				return errors.New(strings.Repeat("x", 5000))
			}
			return flush.ErrNoCache
		}, "failed", []string{"1 of 8 stages", "s0002", "tried again"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{apis: stages(8), answer: c.answer}
				r := w.new(t).Begin(t.Context(), "a").Done(t.Context())
				if r.Flush != c.flush || len(r.Reason) > 1100 {
					t.Errorf("%+v", r)
				}
				for _, word := range c.words {
					if !strings.Contains(r.Reason, word) {
						t.Errorf("%q does not say %q", r.Reason, word)
					}
				}
			})
		})
	}
}

func TestStagesThatCannotBeListedAreFlushedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{apis: stages(3), apisErr: errors.New("dial 10.0.0.7")}
		c := w.new(t)
		r := c.Begin(t.Context(), "a").Done(t.Context())
		if r.Flush != "failed" || strings.Contains(r.Reason, "10.0.0.7") || len(w.early()) != 1 {
			t.Fatalf("%+v, jobs %+v", r, w.jobs)
		}
		j := w.early()[0]
		time.Sleep(time.Until(j.Due))
		if err := c.Run(t.Context(), j); err == nil {
			t.Error("a job that could not list the stages is done")
		}
		w.apisErr = nil
		if err := c.Run(t.Context(), j); err != nil || len(w.seen()) != 3 {
			t.Errorf("the job: %v", err)
		}
	})
}

// TestOfManyStagesTheOneThatFailsIsTriedAgainAlone by its own job, whose failure
// the queue hears of.
func TestOfManyStagesTheOneThatFailsIsTriedAgainAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		w := &world{apis: stages(6), answer: func(api mapping.API, _ int) error {
			if broken && api.Stage == "s0003" {
				return errors.New("no")
			}
			return nil
		}}
		c := w.new(t)
		if err := c.Run(t.Context(), flush.Job{ID: "x", Due: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if len(w.jobs) != 1 || w.jobs[0].Stage != "s0003" || len(w.failures) == 0 {
			t.Fatalf("jobs %+v, told of %v", w.jobs, w.failures)
		}
		time.Sleep(time.Until(w.jobs[0].Due))
		if err := c.Run(t.Context(), w.jobs[0]); err == nil {
			t.Error("a job that failed is done")
		}
		broken = false
		w.seen()
		if err := c.Run(t.Context(), w.jobs[0]); err != nil || len(w.seen()) != 1 {
			t.Errorf("tried again: %v", err)
		}
	})
}

func TestAJobThatComesTooEarlyIsScheduledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := w.new(t)
		j := flush.Job{ID: "x", Due: time.Now().Add(time.Hour), ARN: stage("dev").ARN, Stage: "dev"}
		if err := c.Run(t.Context(), j); err != nil || w.count() != 0 || len(w.jobs) != 1 || w.jobs[0].ID != "x" || !w.jobs[0].Due.Equal(j.Due) {
			t.Errorf("%v, %d flushes, jobs %+v", err, w.count(), w.jobs)
		}
		w.refuse = func(int) error { return errors.New("no") }
		if err := c.Run(t.Context(), j); err == nil {
			t.Error("a job that could not be scheduled again is done")
		}
		j.Due = time.Now().Add(24 * time.Hour)
		if err := c.Run(t.Context(), j); err == nil {
			t.Error("a job of tomorrow is scheduled forever")
		}
	})
}

func TestAStageWithoutACacheIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answer: func(_ mapping.API, n int) error {
			return []error{flush.ErrNoCache, flush.ErrElsewhere, flush.ErrBusy}[n-1]
		}}
		c := w.new(t)
		for i, fails := range []bool{false, false, true} {
			err := c.Run(t.Context(), flush.Job{ID: "x", Due: time.Now(), ARN: stage("dev").ARN, Stage: "dev"})
			if (err != nil) != fails {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

func FuzzParseJob(f *testing.F) {
	for _, s := range []string{
		`{"id":"x","due":"2026-01-01T00:00:00Z"}`, `{"id":"x","due":"2026-01-01T00:00:00Z","arn":"arn:aws:execute-api:us-east-1:219852565112:a","stage":"dev"}`,
		`{"id":"x","due":"2026-01-01T00:00:00Z","afterArn":"arn:aws:execute-api:us-east-1:219852565112:a","afterStage":"dev","more":1}`,
		`{"id":"x","due":"2026-01-01T00:00:00Z","stage":"dev"}`, `[]`, ``, `{"id":"","due":"x"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := flush.ParseJob(text)
		if err != nil {
			return
		}
		api := mapping.API{ARN: j.ARN, Stage: j.Stage}
		if _, err := mapping.ParseAPI(j.ARN, j.Stage); err != nil && api != (mapping.API{}) {
			t.Errorf("%s: names %v: %v", text, api, err)
		}
		if j.ID == "" || j.Due.IsZero() {
			t.Errorf("%s: %+v", text, j)
		}
	})
}

// TestAStageThatWasFlushedBeforeIsFlushedForALaterChange of all stages too.
func TestAStageThatWasFlushedBeforeIsFlushedForALaterChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{apis: stages(3)}
		c := w.new(t)
		for n := 1; n <= 3; n++ {
			if r := c.Begin(t.Context(), "a").Done(t.Context()); r.Flush != "scheduled" || r.Reason != "" || w.count() != 3*n {
				t.Fatalf("%+v, %d flushes, want %d", r, w.count(), 3*n)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestAFlushThatBeganBeforeAJobWasDueDoesNotServeIt, though it ended after: API
// Gateway may have emptied the cache at its beginning.
func TestAFlushThatBeganBeforeAJobWasDueDoesNotServeIt(t *testing.T) {
	for name, all := range map[string]bool{"one stage": false, "all": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{apis: stages(1), takes: 2 * time.Second}
				c := w.new(t)
				job := flush.Job{ID: "x", Due: time.Now().Add(time.Second)}
				if !all {
					job.ARN, job.Stage = w.apis[0].ARN, w.apis[0].Stage
				}
				if r := c.Begin(t.Context(), "a", w.apis[0]).Done(t.Context()); r.Reason != "" {
					t.Fatalf("%+v", r)
				}
				if err := c.Run(t.Context(), job); err != nil || w.count() != 2 {
					t.Errorf("%v, %d flushes; want one more", err, w.count())
				}
			})
		})
	}
}

// TestAJobFromFarAheadIsAnError: some clock is wrong; handed on it would come back
// for days, and nobody would hear of it.
func TestAJobFromFarAheadIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		err := w.new(t).Run(t.Context(), flush.Job{ID: "x", Due: time.Now().Add(100 * time.Hour), ARN: stage("dev").ARN, Stage: "dev"})
		if err == nil || len(w.jobs) > 0 || len(w.failures) != 1 {
			t.Errorf("%v, jobs %+v, told of %v", err, w.jobs, w.failures)
		}
	})
}

// TestWhatIsTooMuchOnceMoreIsLeftToAnotherJob: the one of before has been.
func TestWhatIsTooMuchOnceMoreIsLeftToAnotherJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := w.new(t, func(c *flush.Config) { c.Owner = flush.Budget{PerSecond: 0.001, Burst: 1} })
		for n := range 3 {
			p := c.Begin(t.Context(), "a", stage("dev"))
			p.Done(t.Context())
			if got := len(w.early()); got != min(n, 1) {
				t.Fatalf("after change %d: %d jobs soon", n, got)
			}
			if n > 0 {
				time.Sleep(time.Minute)
				w.mu.Lock()
				w.jobs = nil
				w.mu.Unlock()
			}
		}
	})
}

// TestAllOwnersTogetherHaveABudget, and who finds it empty keeps the own one.
func TestAllOwnersTogetherHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := w.new(t, func(c *flush.Config) {
			c.Owner, c.Whole = flush.Budget{PerSecond: 0.001, Burst: 1}, flush.Budget{PerSecond: 1, Burst: 1}
		})
		for i, want := range []int{1, 1, 2} {
			owner := min(i, 1)
			if i == 2 {
				time.Sleep(time.Second)
			}
			c.Begin(t.Context(), fmt.Sprint(owner), stage(fmt.Sprint(owner))).Done(t.Context())
			if w.count() != want {
				t.Fatalf("change %d: %d flushes, want %d", i, w.count(), want)
			}
		}
	})
}
