// Package migrations makes the DynamoDB table and brings it up to date. In goes
// a table's name, or none such table yet; out comes a table that fits this
// code, with a ledger in it of the steps it has taken (partition "migrations").
//
// Steps are numbered and idempotent: a run that failed, or was killed, is run
// again. A run holds a lock in the ledger; a second one waits for it, and takes it
// over where the holder is gone. The table's layout version is the number of its
// newest step. Which code can read which table is package layout's: [Check].
package migrations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/layout"
)

// TTLAttribute is the attribute that DynamoDB's time to live looks at (epoch
// seconds). A permission's expiresAt is deliberately another one: an expired
// permission stays, and with it its route.
const TTLAttribute = "ttl"

// Errors to tell apart with errors.Is; others are outages or refusals of
// DynamoDB.
var (
	ErrNoTable = errors.New("there is no such table")
	ErrBehind  = layout.ErrBehind
	ErrAhead   = layout.ErrAhead
	// ErrMismatch: the table is none of ours, or was changed by hand.
	ErrMismatch = layout.ErrMismatch
)

// ReadClient is what Check needs of *dynamodb.Client.
type ReadClient = layout.Client

// Client is what Run needs of *dynamodb.Client.
type Client interface {
	ReadClient
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// Options say how far Run may go.
type Options struct {
	Create bool // make the table if it is missing
	// Protect switches DynamoDB's deletion protection on for a table that is
	// made. Leave it off for stand-ins on this machine only.
	Protect bool
	// Breaking takes steps that older programs cannot go on with, too. Without it
	// they are left for later, when the newer programs are deployed; an empty table
	// takes them all.
	Breaking bool
	DryRun   bool         // only report what would be done
	By       string       // who runs it, for the ledger and the lock; a person reads it
	Progress func(string) // told of each thing done; may be nil
	// Now is the clock of the ledger and of the lock; nil is the machine's.
	Now func() time.Time

	sleep func(context.Context, time.Duration) error // nil is real
}

// Report is what Run did, or would do.
type Report struct {
	Created bool
	Applied []Step // in order; those that were applied before are not in it
	Pending []Step // left for a run with Breaking
	Version int    // of the table's layout afterwards
}

// Steps are all there are, in order, numbered from 1. They are never changed
// once released, only added to; layout.Current is raised with each.
func Steps() []Step {
	return []Step{
		{Number: 1, Name: "keys pk and sk", apply: checkKeys},
		{Number: 2, Name: "time to live by attribute " + TTLAttribute, apply: enableTTL},
	}
}

// run is one run, whose lease is set while it holds the lock.
type run struct {
	client Client
	table  string
	steps  []Step
	o      Options
	lease  string
}

// Run brings a table up to date, and makes it first if it is missing and
// o.Create says so. Running it again, after a failure too, and several at once
// is safe: a step is taken once. Where nothing is to be done nothing is written.
// ErrNoTable, ErrAhead, ErrMismatch or ErrLockLost if it cannot.
func Run(ctx context.Context, client Client, table string, o Options) (Report, error) {
	return runSteps(ctx, client, table, Steps(), o)
}

func runSteps(ctx context.Context, client Client, table string, steps []Step, o Options) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.sleep == nil {
		o.sleep = wait
	}
	o.By = cmp.Or(o.By, "somebody")
	r := &run{client: client, table: table, steps: steps, o: o}
	report, err := r.all(ctx)
	if err != nil {
		return report, fmt.Errorf("migrate table %s: %w", table, err)
	}
	return report, nil
}

func (r *run) all(ctx context.Context) (Report, error) {
	var report Report
	exists, err := r.exists(ctx)
	if err != nil {
		return report, err
	}
	if !exists {
		if !r.o.Create {
			return report, ErrNoTable
		}
		report.Created = true
		r.o.Progress("create table " + r.table)
		if r.o.DryRun {
			report.Applied, report.Version = r.steps, len(r.steps)
			return report, nil
		}
		if err := r.create(ctx); err != nil {
			return report, err
		}
	}
	t, err := r.todo(ctx, &report)
	if err != nil || len(t.steps) == 0 {
		return report, err
	}
	if report.Version == 0 { // before the first item is written into it
		if err := r.checkKeys(ctx); err != nil {
			return report, err
		}
	}
	if r.o.DryRun {
		err = r.pretend(ctx, t, &report)
		return report, err
	}
	if err := r.lock(ctx); err != nil {
		return report, err
	}
	defer r.unlock(ctx)
	err = r.takeAll(ctx, &report)
	return report, err
}

// todo is what is to be done.
type todo struct {
	steps []Step
	empty bool // the table holds nothing that older code could misread, as yet
}

// todo reads the ledger, and fills in what it says of the table.
func (r *run) todo(ctx context.Context, report *Report) (todo, error) {
	ledger, err := Ledger(ctx, r.client, r.table)
	if err != nil {
		return todo{}, err
	}
	if err := r.code().Check(ledger); err != nil {
		return todo{}, err
	}
	if report.Version = version(ledger); report.Version > len(r.steps) {
		r.o.Progress(fmt.Sprintf("the table is at step %d, of a newer program; this one knows %d, and can go on", report.Version, len(r.steps)))
	}
	taken := done(ledger)
	var t todo
	for _, step := range r.steps {
		if !taken[step.Number] {
			t.steps = append(t.steps, step)
		}
	}
	first := slices.IndexFunc(t.steps, func(s Step) bool { return s.Breaking })
	if first < 0 {
		return t, nil
	}
	if t.empty, err = r.empty(ctx); err != nil {
		return todo{}, err
	}
	if !t.empty && !r.o.Breaking { // those after it may build upon it
		t.steps, report.Pending = t.steps[:first], t.steps[first:]
	}
	return t, nil
}

// empty reports whether the table lists no API, and nobody was ever revoked.
func (r *run) empty(ctx context.Context) (bool, error) {
	for _, partition := range []string{"apis", "revocations"} {
		out, err := r.client.Query(ctx, &dynamodb.QueryInput{
			TableName: &r.table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(1),
			KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: item{":pk": text(partition)},
		})
		if err != nil {
			return false, fmt.Errorf("look at its items: %w", err)
		}
		if len(out.Items) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// code is what this run knows of the layout. It needs nothing: it makes it.
func (r *run) code() layout.Code { return layout.Code{Newest: len(r.steps)} }

func (r *run) pretend(ctx context.Context, t todo, report *Report) error {
	for _, step := range t.steps {
		r.o.Progress(fmt.Sprintf("step %d: %s", step.Number, step.Name))
		report.Applied = append(report.Applied, step)
		report.Version = max(report.Version, step.Number)
	}
	held, err := r.holder(ctx)
	if err == nil && !held.free() {
		r.o.Progress(held.String())
	}
	return err
}

// takeAll takes what is to be done now that the lock is held: another run may have
// been quicker.
func (r *run) takeAll(ctx context.Context, report *Report) error {
	t, err := r.todo(ctx, report)
	if err != nil {
		return err
	}
	settle := layout.Settle
	switch {
	case t.empty && report.Created: // nobody can have read its ledger
		settle = 0
	case t.empty:
		settle = 2 * layout.Remembered
	}
	for _, step := range t.steps {
		r.o.Progress(fmt.Sprintf("step %d: %s", step.Number, step.Name))
		if err := r.take(ctx, step, settle); err != nil {
			return err
		}
		report.Applied = append(report.Applied, step)
		report.Version = max(report.Version, step.Number)
	}
	return nil
}

// Check reports whether the table fits this code: nil, ErrNoTable, ErrBehind
// or ErrAhead. ErrBehind also says that a step is missing which programs can do
// without: run scopegate migrate all the same. It costs one query.
func Check(ctx context.Context, client ReadClient, table string) error {
	ledger, err := Ledger(ctx, client, table)
	if err == nil {
		err = layout.Current.Check(ledger)
	}
	if err != nil {
		return fmt.Errorf("check table %s: %w", table, err)
	}
	taken := done(ledger)
	for _, step := range Steps() {
		if !taken[step.Number] {
			return fmt.Errorf("check table %s: step %d (%s) is missing: %w", table, step.Number, step.Name, ErrBehind)
		}
	}
	return nil
}
