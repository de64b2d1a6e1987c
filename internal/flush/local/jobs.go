// Package localflush is what flushing needs on one machine: jobs in a file instead of a
// queue, and gateways of this process instead of API Gateway. In go jobs and
// stages; out come calls of the Coordinator when jobs are due, and empty caches.
package localflush

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"scopegate/gateway"
	"scopegate/internal/flush"
)

// Bounds of the queue.
const (
	// mostJobs is how many are kept: each is one change within CACHE_TTL.
	mostJobs = 10_000
	// lockWithin is how long Open waits for another process to let go of the file.
	lockWithin = time.Second
	// again is how long a job that failed waits for its next attempt.
	again = 5 * time.Second
	// glance is how often the clock is looked at: it may be set, and a laptop
	// sleeps, while timers don't notice either.
	glance = time.Second
	// working bounds one attempt.
	working = 30 * time.Second
)

// Run makes a flush that was scheduled: [flush.Coordinator.Run].
type Run func(context.Context, flush.Job) error

// Config puts Jobs together.
type Config struct {
	Now  func() time.Time // wall clock; nil means time.Now
	Most int              // jobs kept; 0 means 10,000
	// OnDropped hears of jobs that are given up; nil is nobody.
	OnDropped func(flush.Job, error)
}

// Jobs is a flush.Jobs in a file: a job that was acknowledged is there after a
// crash. Each runs when it is due, at least once, until it succeeds. It is given
// up when its flush could not change anything any more: gateway.MaxTTL after it
// was due no cache keeps anything from before. Jobs is safe for concurrent use.
type Jobs struct {
	Config
	db *bbolt.DB

	turn  sync.Mutex // of who runs jobs
	mu    sync.Mutex
	retry map[string]time.Time // by key: jobs that failed, and when they are tried again
	woken chan struct{}
	stop  context.CancelFunc // nil before Start
	ended chan struct{}
}

var _ flush.Jobs = (*Jobs)(nil)

var bucket = []byte("jobs")

// record is a job in the file. Turn tells two acknowledgements of one job apart.
type record struct {
	Turn uint64          `json:"turn"`
	Job  json.RawMessage `json:"job"`
}

// Open opens the file, or makes it, readable by its owner only. Nothing runs
// before Start.
func Open(path string, c Config) (*Jobs, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Most == 0 {
		c.Most = mostJobs
	}
	if c.OnDropped == nil {
		c.OnDropped = func(flush.Job, error) {}
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWithin})
	if err != nil {
		return nil, fmt.Errorf("open jobs %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open jobs %s: %w", path, errors.Join(err, db.Close()))
	}
	return &Jobs{Config: c, db: db, retry: map[string]time.Time{}, woken: make(chan struct{}, 1), ended: make(chan struct{})}, nil
}

// key puts jobs into the order in which they are due; nobody was due before 1970.
func key(j flush.Job) []byte {
	due := max(0, j.Due.UnixNano())
	return append(binary.BigEndian.AppendUint64(nil, uint64(due)), j.ID...)
}

func dueOf(key []byte) time.Time {
	if len(key) < 8 {
		return time.Time{} // of a broken file: looked at, and dropped
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(key))).UTC()
}

// Schedule is flush.Jobs': when it returns without an error, the job is on disk.
func (q *Jobs) Schedule(ctx context.Context, j flush.Job) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("keep flush job: %w", err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("keep flush job: %w", err)
	}
	if _, err := flush.ParseJob(text); err != nil { // what could not be run later is refused now
		return fmt.Errorf("keep flush job: %w", err)
	}
	err = q.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		if b.Get(key(j)) == nil && b.Stats().KeyN >= q.Most {
			return fmt.Errorf("%d jobs are waiting already", q.Most)
		}
		turn, err := b.NextSequence()
		if err != nil {
			return err
		}
		value, err := json.Marshal(record{turn, text})
		if err != nil {
			return err
		}
		return b.Put(key(j), value)
	})
	if err != nil {
		return fmt.Errorf("keep flush job: %w", err)
	}
	select {
	case q.woken <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}

// Start has due jobs run from now on, also those of an earlier process.
func (q *Jobs) Start(run Run) {
	ctx, cancel := context.WithCancel(context.Background())
	q.stop = cancel
	go func() {
		defer close(q.ended)
		for ctx.Err() == nil {
			q.RunDue(ctx, run)
			timer := time.NewTimer(glance)
			select {
			case <-ctx.Done():
			case <-q.woken:
			case <-timer.C:
			}
			timer.Stop()
		}
	}()
}

// RunDue runs what is due now, one job after the other, and says how many
// succeeded. Those that failed are tried again by a later call.
func (q *Jobs) RunDue(ctx context.Context, run Run) (done int) {
	q.turn.Lock()
	defer q.turn.Unlock()
	now := q.Now()
	for after := []byte(nil); ctx.Err() == nil; {
		k, r, ok := q.next(after, now)
		if !ok {
			return done
		}
		after = k
		if q.one(ctx, run, k, r) {
			done++
		}
	}
	return done
}

// next is the first job after a key that is due and may be tried.
func (q *Jobs) next(after []byte, now time.Time) (k []byte, r record, ok bool) {
	_ = q.db.View(func(tx *bbolt.Tx) error { // it fails when the file is closed: nothing is due then
		c := tx.Bucket(bucket).Cursor()
		for key, value := c.Seek(after); key != nil && !dueOf(key).After(now); key, value = c.Next() {
			if bytes.Equal(key, after) || q.waits(key, now) {
				continue
			}
			k, ok = bytes.Clone(key), true
			r = record{}
			_ = json.Unmarshal(value, &r) // a broken one has no job, which is found out by who runs it
			return nil
		}
		return nil
	})
	return k, r, ok
}

// waits reports whether a job failed a moment ago.
func (q *Jobs) waits(key []byte, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at, ok := q.retry[string(key)]
	return ok && now.Before(at) && at.Sub(now) <= again // a clock that went back keeps nobody waiting
}

// one runs a job and forgets it if it succeeded, or is given up.
func (q *Jobs) one(ctx context.Context, run Run, k []byte, r record) bool {
	j, err := flush.ParseJob(r.Job)
	if err != nil {
		q.OnDropped(j, err)
		q.forget(k, r.Turn)
		return false
	}
	attempt, cancel := context.WithTimeout(ctx, working)
	defer cancel()
	err = run(attempt, j)
	late := q.Now().Sub(j.Due) > gateway.MaxTTL
	switch {
	case err == nil:
		q.forget(k, r.Turn)
		return true
	case ctx.Err() != nil: // the process ends: the next one tries
	case late:
		q.OnDropped(j, err)
		q.forget(k, r.Turn)
	default:
		q.mu.Lock()
		q.retry[string(k)] = q.Now().Add(again)
		q.mu.Unlock()
	}
	return false
}

// forget takes a job away, unless it was scheduled once more meanwhile. A file
// that cannot be written keeps it: it then runs again, which does no harm.
func (q *Jobs) forget(k []byte, turn uint64) {
	_ = q.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		var now record
		if json.Unmarshal(b.Get(k), &now) == nil && now.Turn != turn {
			return nil
		}
		return b.Delete(k)
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.retry, string(k))
}

// Close waits for the job that runs, and closes the file. What is not due yet
// stays for the next process.
func (q *Jobs) Close() error {
	if q.stop != nil {
		q.stop()
		<-q.ended
	}
	if err := q.db.Close(); err != nil {
		return fmt.Errorf("close jobs: %w", err)
	}
	return nil
}
