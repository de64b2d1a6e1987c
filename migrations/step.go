package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/layout"
)

// Step is one numbered change of the table's layout.
type Step struct {
	Number int
	Name   string
	// Breaking: code that does not know the step cannot read the table from its
	// beginning on, and fails; see package layout for what such a step must do.
	Breaking bool

	// apply makes the change. It is idempotent, or makes it with work.commit alone:
	// a run that was killed in the midst of it is followed by another one.
	apply func(context.Context, *work) error
}

// work is what a step works with, while its run holds the lock.
type work struct {
	*run
	step Step
	// cursor is how far the step has come, in whatever words it uses; "" at first.
	cursor string
}

// take takes a step: it is noted as begun, applied, and noted as taken. A breaking one
// settles in between: what older programs are at, or know of the ledger, is over then.
func (r *run) take(ctx context.Context, step Step, settle time.Duration) error {
	w := &work{run: r, step: step}
	fail := func(err error) error { return fmt.Errorf("step %d (%s): %w", step.Number, step.Name, err) }
	if err := w.begin(ctx); err != nil {
		return fail(err)
	}
	if step.Breaking && settle > 0 {
		r.o.Progress(fmt.Sprintf("step %d: waiting %s for what older programs are at", step.Number, settle))
		if err := r.o.sleep(ctx, settle); err != nil {
			return fail(err)
		}
	}
	if err := step.apply(ctx, w); err != nil {
		return fail(err)
	}
	if err := w.finish(ctx); err != nil {
		return fail(fmt.Errorf("note it in the ledger: %w", err))
	}
	return nil
}

// begin notes the step, or finds how far an earlier run has come with it.
func (w *work) begin(ctx context.Context) error {
	it, err := w.get(ctx, stepKey(w.step.Number))
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	if it != nil {
		w.cursor = textOf(it[cursorAttribute])
		return nil
	}
	note := stepKey(w.step.Number)
	note[layout.NameAttribute] = text(w.step.Name)
	note[layout.BegunAttribute] = stamp(w.o.Now())
	note[layout.BreakingAttribute] = &types.AttributeValueMemberBOOL{Value: w.step.Breaking}
	note[byAttribute] = text(w.o.By)
	err = w.transact(ctx, types.TransactWriteItem{Put: &types.Put{
		TableName: &w.table, Item: note, ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}})
	if err != nil {
		return fmt.Errorf("note its beginning in the ledger: %w", err)
	}
	return nil
}

// commit makes a part of the step, together with how far it has come then: the
// part is made once, whatever happens to this run and whoever else is at it. There
// may be 98 actions (AWS: "Quotas in Amazon DynamoDB", 100 in a transaction). A
// step that takes long must commit more often than every leaseFor.
func (w *work) commit(ctx context.Context, cursor string, actions ...types.TransactWriteItem) error {
	note := &types.Update{
		TableName: &w.table, Key: stepKey(w.step.Number),
		UpdateExpression:          aws.String("SET #cursor = :cursor"),
		ConditionExpression:       aws.String("attribute_exists(pk) AND attribute_not_exists(#cursor) AND attribute_not_exists(#done)"),
		ExpressionAttributeNames:  map[string]string{"#cursor": cursorAttribute, "#done": layout.DoneAttribute},
		ExpressionAttributeValues: item{":cursor": text(cursor)},
	}
	if w.cursor != "" {
		note.ConditionExpression = aws.String("#cursor = :was AND attribute_not_exists(#done)")
		note.ExpressionAttributeValues[":was"] = text(w.cursor)
	}
	if err := w.transact(ctx, append(actions, types.TransactWriteItem{Update: note})...); err != nil {
		return err
	}
	w.cursor = cursor
	return nil
}

// finish notes the step as taken.
func (w *work) finish(ctx context.Context) error {
	return w.transact(ctx, types.TransactWriteItem{Update: &types.Update{
		TableName: &w.table, Key: stepKey(w.step.Number),
		UpdateExpression:          aws.String("SET #done = :now"),
		ConditionExpression:       aws.String("attribute_exists(pk) AND attribute_not_exists(#done)"),
		ExpressionAttributeNames:  map[string]string{"#done": layout.DoneAttribute},
		ExpressionAttributeValues: item{":now": stamp(w.o.Now())},
	}})
}

// transact makes a transaction while the lock is held, ErrLockLost if it is not.
// The SDK gives each call a token, so that a request that it sends twice is
// carried out once. If the answer stays away nothing is known: the run fails, and
// the next one finds out from the ledger.
func (w *work) transact(ctx context.Context, actions ...types.TransactWriteItem) error {
	const tries = 20
	for try := 1; ; try++ {
		_, err := w.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: append([]types.TransactWriteItem{w.renewal()}, actions...),
		})
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			return err
		}
		reasons := cancelled.CancellationReasons
		if len(reasons) > 0 && aws.ToString(reasons[0].Code) == "ConditionalCheckFailed" {
			return ErrLockLost
		}
		if try == tries || !conflicts(reasons) {
			return err
		}
		if err := w.o.sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// conflicts reports whether another transaction was in the way, and nothing else.
func conflicts(reasons []types.CancellationReason) bool {
	any := false
	for _, r := range reasons {
		switch aws.ToString(r.Code) {
		case "", "None":
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			any = true
		default:
			return false
		}
	}
	return any
}
