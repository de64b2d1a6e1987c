// Package flush empties API Gateway's authorizer caches after a change, twice: at
// once, and again when no authorizer answers from its old table any more. In go
// the stages that changed; out comes what may be promised about them.
//
// It knows no AWS SDK: internal/flush/aws holds the clients for API Gateway and
// SQS, internal/dev those of the local stack.
package flush

import (
	"context"
	"errors"
	"time"

	"scopegate/mapping"
)

// When caches have forgotten a change.
const (
	// Settle is how much later than CACHE_TTL after Begin the second flush is due:
	// an answer computed from the old table may be on its way to API Gateway's
	// cache for as long as an authorizer may take (10 s; AWS: "Control access to
	// HTTP APIs with AWS Lambda authorizers"), and the commit comes after Begin.
	Settle = 15 * time.Second
	// Margin is how much later than CACHE_TTL after the commit no cache answers as
	// before any more: Settle, and the time that the second flush takes. Where all
	// of many stages are flushed it is longer, see [Coordinator].
	Margin = 30 * time.Second
)

// Why a stage cannot be flushed, for errors.Is; any other error of a Client is a
// failure that may pass.
var (
	// ErrNoCache: WebSocket APIs have no authorizer cache.
	ErrNoCache = errors.New("a WebSocket API has no authorizer cache")
	// ErrElsewhere: the API is another account's, or there is none of that id.
	ErrElsewhere = errors.New("no API of this account has the id")
)

// What went wrong with a flush that may work later, for errors.Is. A Client wraps
// them where it knows; who reads the answer to a change is told no other cause.
var (
	// ErrBusy: API Gateway takes no more calls at this moment.
	ErrBusy = errors.New("API Gateway takes no more calls now")
	// ErrForbidden: these credentials may not flush (IAM: apigateway:DELETE).
	ErrForbidden = errors.New("API Gateway refuses this function to empty the cache")
)

// Client empties the authorizer cache of one stage. It must be safe for
// concurrent use.
type Client interface {
	Flush(ctx context.Context, api mapping.API) error
}

// Job is a flush to be made later.
type Job struct {
	ID  string    `json:"id"`
	Due time.Time `json:"due"`
	// ARN and Stage name the stage; neither stands for every stage registered.
	ARN   string `json:"arn,omitempty"`
	Stage string `json:"stage,omitempty"`
	// Since is from when on another flush of the stage makes this one needless; zero
	// is Due. A job that is handed on keeps it.
	Since time.Time `json:"since,omitzero"`
	// AfterARN and AfterStage are where a job for every stage goes on, in order of
	// ARN and stage: after this one.
	AfterARN   string `json:"afterArn,omitempty"`
	AfterStage string `json:"afterStage,omitempty"`
}

// Jobs keeps jobs durably until they are done: an SQS queue on AWS, a file in the
// local stack. A job may come back more than once; one that comes back before it
// is due is scheduled again by [Coordinator.Run]. It must be safe for concurrent
// use.
type Jobs interface {
	Schedule(ctx context.Context, j Job) error
}

// Result is what the answer to a change says of caches. The zero Result is that of
// a change by which no decision can become another: nothing is to be emptied.
type Result struct {
	// Flush is "scheduled", "off", "impossible" (Reason says why) or "failed".
	Flush string `json:"flush,omitempty" enum:"scheduled,off,impossible,failed"`
	// EffectiveBy is when no cache answers as before the change any more; nil if
	// that is the authorizer's TTL later.
	EffectiveBy *time.Time `json:"effectiveBy,omitempty"`
	Reason      string     `json:"flushReason,omitempty"`
}

// Flusher is what the admin API asks: Begin before a change is committed, so that
// the second flush cannot be forgotten by whatever happens afterwards; then Done.
type Flusher interface {
	// Begin schedules the second flush of the stages, or of all of them if none is
	// named. owner is who asks: each has a budget of flushes of its own. It never
	// fails: what it could not do is told by Done.
	Begin(ctx context.Context, owner string, apis ...mapping.API) Pending
}

// Pending is a change whose flush was begun.
type Pending interface {
	// Done is called once the change is committed, or may have been: it flushes now.
	// Of a change that was not committed it is not called; its second flush does no
	// harm.
	Done(ctx context.Context) Result
}
