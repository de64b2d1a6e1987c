// Package migrations makes the DynamoDB table and brings it up to date. In goes
// a table's name, or none such table yet; out comes a table that fits this
// code, with a ledger in it of the steps it has taken (partition "migrations").
//
// Steps are numbered and idempotent: a run that failed is run again, and two
// runs at once do no harm. The table's layout version is the number of its
// newest step. [Check] tells whether table and code fit, both ways.
package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TTLAttribute is the attribute that DynamoDB's time to live looks at (epoch
// seconds). A permission's expiresAt is deliberately another one: an expired
// permission stays, and with it its route.
const TTLAttribute = "ttl"

// Errors to tell apart with errors.Is; others are outages or refusals of
// DynamoDB.
var (
	ErrNoTable = errors.New("there is no such table")
	ErrBehind  = errors.New("the table is older than this program: run scopegate migrate")
	ErrAhead   = errors.New("the table is newer than this program: run a newer one")
	// ErrMismatch: the table is none of ours, or was changed by hand.
	ErrMismatch = errors.New("the table cannot be used")
)

// ReadClient is what Check needs of *dynamodb.Client.
type ReadClient interface {
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Client is what Run needs of *dynamodb.Client.
type Client interface {
	ReadClient
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// Options say how far Run may go.
type Options struct {
	Create bool // make the table if it is missing
	// Protect switches DynamoDB's deletion protection on for a table that is
	// made. Leave it off for stand-ins on this machine only.
	Protect  bool
	DryRun   bool         // only report what would be done
	Progress func(string) // told of each thing done; may be nil
	// Now is the clock of the ledger; nil is the machine's.
	Now func() time.Time
}

// Report is what Run did, or would do.
type Report struct {
	Created bool
	Applied []Step // in order; those that were applied before are not in it
	Version int    // of the table's layout afterwards
}

// Step is one numbered change of the table's layout.
type Step struct {
	Number int
	Name   string
	apply  func(context.Context, run) error
}

// Steps are all there are, in order, numbered from 1. They are never changed
// once released, only added to.
func Steps() []Step {
	return []Step{
		{1, "keys pk and sk", checkKeys},
		{2, "time to live by attribute " + TTLAttribute, enableTTL},
	}
}

// run is what a step works with.
type run struct {
	client Client
	table  string
}

// Run brings a table up to date, and makes it first if it is missing and
// o.Create says so. Running it again, after a failure too, and several at once
// is safe. ErrNoTable, ErrAhead or ErrMismatch if it cannot.
func Run(ctx context.Context, client Client, table string, o Options) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := run{client, table}
	report, err := r.all(ctx, o)
	if err != nil {
		return report, fmt.Errorf("migrate table %s: %w", table, err)
	}
	return report, nil
}

func (r run) all(ctx context.Context, o Options) (Report, error) {
	var report Report
	exists, err := r.exists(ctx)
	if err != nil {
		return report, err
	}
	if !exists {
		if !o.Create {
			return report, ErrNoTable
		}
		report.Created = true
		o.Progress("create table " + r.table)
		if o.DryRun {
			report.Applied, report.Version = Steps(), len(Steps())
			return report, nil
		}
		if err := r.create(ctx, o); err != nil {
			return report, err
		}
	}
	done, err := ledger(ctx, r.client, r.table)
	if err != nil {
		return report, err
	}
	if report.Version = newest(done); report.Version > len(Steps()) {
		return report, ErrAhead
	}
	for _, step := range Steps() {
		if done[step.Number] {
			continue
		}
		o.Progress(fmt.Sprintf("step %d: %s", step.Number, step.Name))
		if !o.DryRun {
			if err := r.take(ctx, step, o.Now()); err != nil {
				return report, err
			}
		}
		report.Applied = append(report.Applied, step)
		report.Version = max(report.Version, step.Number)
	}
	return report, nil
}

// take applies a step and notes it in the ledger. A note that is there already
// is another run's, which applied the same step at the same time.
func (r run) take(ctx context.Context, step Step, now time.Time) error {
	if err := step.apply(ctx, r); err != nil {
		return fmt.Errorf("step %d (%s): %w", step.Number, step.Name, err)
	}
	_, err := r.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &r.table,
		Item: map[string]types.AttributeValue{
			"pk":        &types.AttributeValueMemberS{Value: partition},
			"sk":        &types.AttributeValueMemberS{Value: stepKey(step.Number)},
			"name":      &types.AttributeValueMemberS{Value: step.Name},
			"appliedAt": &types.AttributeValueMemberS{Value: now.UTC().Format(time.RFC3339)},
		},
		ConditionExpression: aws.String("attribute_not_exists(pk)"),
	})
	var there *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("step %d (%s): note it in the ledger: %w", step.Number, step.Name, err)
	}
	return nil
}

// Check reports whether the table fits this code: nil, ErrNoTable, ErrBehind
// or ErrAhead. It costs one query.
func Check(ctx context.Context, client ReadClient, table string) error {
	done, err := ledger(ctx, client, table)
	switch {
	case err != nil:
		return fmt.Errorf("check table %s: %w", table, err)
	case newest(done) > len(Steps()):
		return fmt.Errorf("check table %s: at step %d of %d: %w", table, newest(done), len(Steps()), ErrAhead)
	}
	for _, step := range Steps() {
		if !done[step.Number] {
			return fmt.Errorf("check table %s: step %d (%s) is missing: %w", table, step.Number, step.Name, ErrBehind)
		}
	}
	return nil
}
