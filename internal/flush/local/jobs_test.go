package localflush_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"scopegate/gateway"
	"scopegate/internal/flush"
	localflush "scopegate/internal/flush/local"
	"scopegate/internal/leaktest"
	"scopegate/mapping"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

var dev = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

func job(id string, due time.Time) flush.Job {
	return flush.Job{ID: id, Due: due, ARN: dev.ARN, Stage: dev.Stage}
}

// runner notes which jobs run, and fails while told to.
type runner struct {
	mu    sync.Mutex
	ran   []string
	early []string
	fails error
	now   func() time.Time
}

func (r *runner) run(_ context.Context, j flush.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran = append(r.ran, j.ID)
	if r.now().Before(j.Due) {
		r.early = append(r.early, j.ID)
	}
	return r.fails
}

func (r *runner) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ran)
}

func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = err
}

func open(t *testing.T, path string, c localflush.Config) *localflush.Jobs {
	t.Helper()
	q, err := localflush.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, q) })
	return q
}

func closed(t *testing.T, q *localflush.Jobs) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

func schedule(t *testing.T, q *localflush.Jobs, jobs ...flush.Job) {
	t.Helper()
	for _, j := range jobs {
		if err := q.Schedule(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJobsRunWhenTheyAreDueInOrderAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, r := time.Now(), &runner{now: time.Now}
		q := open(t, filepath.Join(t.TempDir(), "jobs.db"), localflush.Config{})
		q.Start(r.run)
		schedule(t, q, job("c", began.Add(45*time.Second)), job("b", began.Add(30*time.Second)), job("a", began))
		synctest.Wait()
		if got := r.all(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("at once: %v", got)
		}
		<-time.After(46 * time.Second) // virtual time
		synctest.Wait()
		if got := r.all(); !slices.Equal(got, []string{"a", "b", "c"}) || len(r.early) > 0 {
			t.Errorf("ran %v, too early %v", got, r.early)
		}
		<-time.After(time.Hour) // virtual time
		if got := r.all(); len(got) != 3 {
			t.Errorf("ran %v", got)
		}
		closed(t, q) // within the bubble: the worker must have ended
	})
}

// TestAnAcknowledgedJobSurvivesACrash: what was on disk when Schedule returned is
// all that the next process finds.
func TestAnAcknowledgedJobSurvivesACrash(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	path := filepath.Join(t.TempDir(), "jobs.db")
	q := open(t, path, localflush.Config{Now: clock})
	schedule(t, q, job("a", now.Add(45*time.Second)))
	content, err := os.ReadFile(path) // the process is gone: nothing is closed
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "jobs.db")
	if err := os.WriteFile(left, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &runner{now: clock}
	next := open(t, left, localflush.Config{Now: clock})
	if done := next.RunDue(t.Context(), r.run); done != 0 || len(r.ran) != 0 {
		t.Errorf("before it is due: %v", r.ran)
	}
	now = now.Add(45 * time.Second)
	if done := next.RunDue(t.Context(), r.run); done != 1 || !slices.Equal(r.ran, []string{"a"}) {
		t.Errorf("when it is due: %d done, %v", done, r.ran)
	}
	closed(t, next)
	if done := open(t, left, localflush.Config{Now: clock}).RunDue(t.Context(), r.run); done != 0 {
		t.Error("what was done is done again after the next start")
	}
}

// TestAJobThatFailsIsTriedAgainUntilNoCacheCouldHoldAnything.
func TestAJobThatFailsIsTriedAgainUntilNoCacheCouldHoldAnything(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	due := now
	clock := func() time.Time { return now }
	var dropped []string
	r := &runner{now: clock, fails: errors.New("throttled")}
	q := open(t, filepath.Join(t.TempDir(), "jobs.db"), localflush.Config{Now: clock, OnDropped: func(j flush.Job, err error) {
		if !errors.Is(err, r.fails) {
			t.Errorf("dropped for %v", err)
		}
		dropped = append(dropped, j.ID)
	}})
	schedule(t, q, job("a", due), job("b", due.Add(2*gateway.MaxTTL)))
	for _, c := range []struct {
		after    time.Duration
		attempts int
	}{{0, 1}, {time.Second, 1}, {5 * time.Second, 2}, {gateway.MaxTTL, 3}} {
		now = due.Add(c.after)
		q.RunDue(t.Context(), r.run)
		if len(r.ran) != c.attempts || len(dropped) != 0 {
			t.Errorf("%v after it was due: %d attempts, dropped %v", c.after, len(r.ran), dropped)
		}
	}
	now = due // a clock that went back keeps nobody waiting
	q.RunDue(t.Context(), r.run)
	if len(r.ran) != 4 {
		t.Errorf("after the clock went back: %d attempts", len(r.ran))
	}
	now = due.Add(gateway.MaxTTL + 10*time.Second)
	q.RunDue(t.Context(), r.run)
	q.RunDue(t.Context(), r.run)
	if !slices.Equal(dropped, []string{"a"}) || len(r.ran) != 5 {
		t.Errorf("dropped %v after %d attempts", dropped, len(r.ran))
	}
	r.fail(nil)
	now = due.Add(2 * gateway.MaxTTL)
	if done := q.RunDue(t.Context(), r.run); done != 1 || r.ran[5] != "b" {
		t.Errorf("the other job: %v", r.ran)
	}
}

// TestAJobThatIsScheduledAgainWhileItRunsIsNotLost: the Coordinator does so with
// one that came too early.
func TestAJobThatIsScheduledAgainWhileItRunsIsNotLost(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	q := open(t, filepath.Join(t.TempDir(), "jobs.db"), localflush.Config{Now: func() time.Time { return now }})
	j := job("a", now)
	schedule(t, q, j)
	again := func(ctx context.Context, j flush.Job) error { return q.Schedule(ctx, j) }
	if done := q.RunDue(t.Context(), again); done != 1 {
		t.Errorf("%d done", done)
	}
	r := &runner{now: func() time.Time { return now }}
	if done := q.RunDue(t.Context(), r.run); done != 1 {
		t.Error("the job is lost")
	}
	if done := q.RunDue(t.Context(), r.run); done != 0 {
		t.Error("the job runs for ever")
	}
}

func TestAJobThatIsCutOffByTheEndOfTheProcessStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	q := open(t, path, localflush.Config{})
	running := make(chan struct{})
	q.Start(func(ctx context.Context, _ flush.Job) error {
		close(running)
		<-ctx.Done()
		return ctx.Err()
	})
	schedule(t, q, job("a", time.Now()))
	<-running
	closed(t, q)
	r := &runner{now: time.Now}
	if done := open(t, path, localflush.Config{}).RunDue(t.Context(), r.run); done != 1 {
		t.Error("the job is lost")
	}
}

func TestWhatCannotBeKeptIsNotAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	q := open(t, path, localflush.Config{Most: 2})
	now := time.Now()
	schedule(t, q, job("a", now), job("b", now), job("b", now)) // the same one again takes no room
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx context.Context
		job flush.Job
	}{
		"one too many":  {t.Context(), job("c", now)},
		"no id":         {t.Context(), job("", now)},
		"no time":       {t.Context(), job("c", time.Time{})},
		"no such stage": {t.Context(), flush.Job{ID: "c", Due: now, ARN: dev.ARN, Stage: "a stage"}},
		"canceled":      {canceled, job("c", now)},
	} {
		if err := q.Schedule(c.ctx, c.job); err == nil {
			t.Errorf("%s: acknowledged", name)
		}
	}
	if _, err := localflush.Open(path, localflush.Config{}); err == nil {
		t.Error("two processes have the file open")
	}
	closed(t, q)
	if err := q.Schedule(t.Context(), job("c", now)); err == nil {
		t.Error("acknowledged after the end")
	}
}

// TestABrokenRecordHoldsUpNobody.
func TestABrokenRecordHoldsUpNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	q := open(t, path, localflush.Config{})
	schedule(t, q, job("a", time.Now()))
	closed(t, q)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("jobs"))
		return errors.Join(b.Put([]byte("x"), []byte("{")), b.Put(make([]byte, 9), []byte(`{"turn":1,"job":{"id":"x"}}`)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	var dropped int
	q = open(t, path, localflush.Config{OnDropped: func(flush.Job, error) { dropped++ }})
	r := &runner{now: time.Now}
	if done := q.RunDue(t.Context(), r.run); done != 1 || dropped != 2 {
		t.Errorf("%d done, %d dropped", done, dropped)
	}
	if q.RunDue(t.Context(), r.run); dropped != 2 {
		t.Error("a broken record is looked at for ever")
	}
}

func TestGatewaysAreFlushedByStage(t *testing.T) {
	allow := gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("none is called here") })
	make1 := func(flavour gateway.Flavour, ttl time.Duration) *gateway.Gateway {
		g, err := gateway.New(gateway.Config{Flavour: flavour, ARN: dev.ARN, Stages: []string{"dev"}, Authorizer: allow, AuthorizerTTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	socket := make1(gateway.WebSocket, 0)
	rest := make1(gateway.RESTToken, time.Hour)
	c := localflush.Gateways(func(api mapping.API) []*gateway.Gateway {
		return map[string][]*gateway.Gateway{"dev": {rest}, "socket": {socket}}[api.Stage]
	})
	if err := c.Flush(t.Context(), dev); err != nil {
		t.Errorf("REST: %v", err)
	}
	if err := c.Flush(t.Context(), mapping.API{ARN: dev.ARN, Stage: "socket"}); !errors.Is(err, flush.ErrNoCache) {
		t.Errorf("WebSocket: %v", err)
	}
	if err := c.Flush(t.Context(), mapping.API{ARN: dev.ARN, Stage: "none"}); err != nil {
		t.Errorf("a stage that nobody serves: %v", err)
	}
}
