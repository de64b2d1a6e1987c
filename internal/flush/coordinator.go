package flush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
)

// Bounds on what one change, and one job, may wait for.
const (
	scheduling = 2 * time.Second  // of Begin
	patience   = 4 * time.Second  // of Done: the change is committed, its answer must not time out
	attempt    = 3 * time.Second  // of one call of the Client
	working    = 20 * time.Second // of Run
	reserve    = time.Second      // what is left of a deadline for the answer itself
	late       = 4 * time.Second  // Done after Begin: from then on the job is too early (Settle less 10 s)
	soon       = 5 * time.Second  // until a flush that was put off is made
	aside      = 4                // calls of the Client at once
	farthest   = 3 * time.Hour    // ahead: CACHE_TTL is an hour at most
)

// remembered bounds how many owners and stages are remembered.
const remembered = 4096

// Budgets of calls to API Gateway's control plane, which takes 10 a second and 40
// at once of a whole account (AWS: "Amazon API Gateway quotas"): half of it is
// left to others. They are per process; what several processes send too much is
// refused by API Gateway (ErrBusy), and then a job makes up for it.
var (
	ownerBudget = Budget{PerSecond: 1, Burst: 5}
	wholeBudget = Budget{PerSecond: 5, Burst: 20}
)

// Config puts a Coordinator together. Zero budgets are the defaults.
type Config struct {
	Client Client                                       // required
	Jobs   Jobs                                         // required
	APIs   func(context.Context) ([]mapping.API, error) // every stage registered; required
	TTL    time.Duration                                // CACHE_TTL of the authorizer
	Now    func() time.Time                             // wall clock; nil means time.Now

	// Owner bounds the flushes of one owner, Whole those of all.
	Owner, Whole Budget

	// OnFailure hears of each flush and each job that failed, with the cause for
	// the log; the zero API stands for all stages. nil is nobody.
	OnFailure func(ctx context.Context, api mapping.API, err error)
}

// Coordinator is the Flusher of FLUSH_AUTHORIZER_CACHE=on. It shares calls for
// the same stage, keeps to budgets, and leaves to a job what it cannot do at
// once. Flushing more than 37 stages takes longer than Margin allows for: effectiveBy
// is then later, by 0.4 s for each stage more. It is safe for concurrent use, and
// leaves no goroutine behind for longer than one call of the Client may take (3 s).
type Coordinator struct {
	Config
	lanes  lanes
	whole  *bucket
	owners *lru.Cache[string, *bucket]
	// flushed is when the last flush that succeeded began: it serves every job that
	// was due by then.
	flushed *lru.Cache[mapping.API, time.Time]
	put     *lru.Cache[mapping.API, time.Time] // when a flush that was put off is due
	mu      sync.Mutex
	// sweep is held while every stage is flushed: one after the other, each is served
	// by what those before it flushed, instead of all of them sharing the budget.
	sweep chan struct{}
}

// New makes a Coordinator.
func New(c Config) (*Coordinator, error) {
	if c.Client == nil || c.Jobs == nil || c.APIs == nil {
		return nil, errors.New("make the flush coordinator: needs a client, jobs and the list of APIs")
	}
	if c.TTL < 0 {
		return nil, fmt.Errorf("make the flush coordinator: CACHE_TTL %s: must not be negative", c.TTL)
	}
	c.Now = wallClock(c.Now)
	if c.Owner == (Budget{}) {
		c.Owner = ownerBudget
	}
	if c.Whole == (Budget{}) {
		c.Whole = wholeBudget
	}
	if c.OnFailure == nil {
		c.OnFailure = func(context.Context, mapping.API, error) {}
	}
	co := &Coordinator{Config: c, whole: newBucket(c.Whole), sweep: make(chan struct{}, 1)}
	var errs [3]error
	co.owners, errs[0] = lru.New[string, *bucket](remembered)
	co.flushed, errs[1] = lru.New[mapping.API, time.Time](remembered)
	co.put, errs[2] = lru.New[mapping.API, time.Time](remembered)
	return co, errors.Join(errs[:]...)
}

// wallClock is a clock without a monotonic reading, which stands still while Lambda
// freezes the instance: what was due soon would be so for ever. nil means time.Now.
func wallClock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().Round(0) }
}

// Begin is Flusher's.
func (c *Coordinator) Begin(ctx context.Context, owner string, apis ...mapping.API) Pending {
	p := &pending{c: c, owner: owner, apis: distinct(apis)}
	p.schedule(ctx)
	return p
}

func distinct(apis []mapping.API) []mapping.API {
	apis = slices.Clone(apis)
	slices.SortFunc(apis, compare)
	return slices.Compact(apis)
}

func compare(a, b mapping.API) int {
	if n := strings.Compare(a.ARN, b.ARN); n != 0 {
		return n
	}
	return strings.Compare(a.Stage, b.Stage)
}

// pending is one change. Its methods are called one after another.
type pending struct {
	c      *Coordinator
	owner  string
	apis   []mapping.API // none is all
	begun  time.Time
	failed error // of scheduling the second flush
}

// schedule has the second flush made, whatever happens to this process.
func (p *pending) schedule(ctx context.Context) {
	ctx, cancel := within(ctx, scheduling)
	defer cancel()
	p.begun = p.c.Now()
	apis := p.apis
	if len(apis) == 0 {
		apis = []mapping.API{{}}
	}
	var group errgroup.Group
	group.SetLimit(aside)
	for _, api := range apis {
		group.Go(func() error { return p.c.later(ctx, api, p.begun.Add(p.c.TTL+Settle)) })
	}
	p.failed = group.Wait()
}

// later has a stage, or all of them, flushed by a job.
func (c *Coordinator) later(ctx context.Context, api mapping.API, due time.Time) error {
	return c.hand(ctx, Job{Due: due, ARN: api.ARN, Stage: api.Stage})
}

// hand gives a job, which gets an id of its own, to Jobs.
func (c *Coordinator) hand(ctx context.Context, j Job) error {
	if j.ID == "" {
		j.ID = ulid.Make().String()
	}
	j.Due = j.Due.UTC().Round(0)
	err := safely(func() error { return c.Jobs.Schedule(ctx, j) })
	if err != nil {
		err = fmt.Errorf("schedule a flush: %w", err)
		c.OnFailure(ctx, mapping.API{ARN: j.ARN, Stage: j.Stage}, err)
	}
	return err
}

// Done is Pending's.
func (p *pending) Done(ctx context.Context) Result {
	at := p.c.Now()
	ctx, cancel := within(ctx, patience)
	defer cancel()
	if p.failed != nil || at.Sub(p.begun) > late {
		p.schedule(ctx)
	}
	var o outcome
	if len(p.apis) == 0 {
		o = p.c.all(ctx, at)
	} else {
		o = p.c.some(ctx, p.owner, p.apis)
	}
	o.unscheduled = p.failed != nil
	return o.result(at.Add(p.c.TTL + Margin + p.c.beyond(o.stages)))
}

// within bounds what follows a change that is, or is about to be, committed: by
// d, and by what is left of the deadline, but not by a client that went away.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	until, bounded := ctx.Deadline()
	if left := time.Until(until) - reserve; bounded && left < d {
		d = left
	}
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// beyond is how much longer than Margin allows for it takes to flush n stages,
// after all of them are flushed for somebody else.
func (c *Coordinator) beyond(n int) time.Duration {
	if n < 2 || c.Whole.PerSecond <= 0 {
		return 0
	}
	takes := time.Duration(2 * float64(n) / c.Whole.PerSecond * float64(time.Second))
	return max(0, takes-(Margin-Settle)).Round(time.Second)
}

// safely makes an error of a panic: what others plug in must not take a
// committed change's answer away.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}
