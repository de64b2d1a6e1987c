package migrations

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Work is what a step works with.
type Work = work

// NewStep makes a step of a test's own.
func NewStep(number int, name string, breaking bool, apply func(context.Context, *Work) error) Step {
	return Step{Number: number, Name: name, Breaking: breaking, apply: apply}
}

// RunSteps is Run with other steps.
var RunSteps = runSteps

// Cursor is how far the step has come.
func (w *work) Cursor() string { return w.cursor }

// Commit makes a part of the step.
func (w *work) Commit(ctx context.Context, cursor string, actions ...types.TransactWriteItem) error {
	return w.commit(ctx, cursor, actions...)
}

// Sleeping has waits made by f.
func (o Options) Sleeping(f func(context.Context, time.Duration) error) Options {
	o.sleep = f
	return o
}

// LeaseFor is how long the lock is held without being renewed.
const LeaseFor = leaseFor
