package migrations

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/layout"
)

// The lock is one item of the ledger: who holds it, a name of this holding that no
// other has (lease), and until when. Every transaction of a step renews it and is
// conditional on it, so a run that was stopped for longer than its lease, and comes
// to again, can change nothing any more.
const (
	lockKey        = "lock"
	ownerAttribute = "owner"
	leaseAttribute = "lease"
	untilAttribute = "expires" // milliseconds since 1970; not named ttl: see TTLAttribute
)

const (
	// leaseFor is longer than a breaking step's wait (layout.Settle), which comes
	// between two renewals.
	leaseFor = 2 * layout.Settle
	// clockSkew is how wrong clocks may be. A lease that ended longer ago is over; one
	// that has not is taken over after it was seen unchanged for as long as it lasts,
	// by our own clock (as Amazon's DynamoDB lock client does). A clock that is more
	// wrong than that costs a run that is at work its lock, and nothing else.
	clockSkew = 5 * time.Minute
	lockPoll  = 250 * time.Millisecond
)

// ErrLockLost: this run was stopped for so long that another one took over.
var ErrLockLost = errors.New("another run has taken over the lock")

// Lock is who holds the lock of a table's migrations. The zero Lock is held by nobody.
type Lock struct {
	Owner string
	Until time.Time

	lease string
}

func lockOf(it item) Lock {
	if it == nil {
		return Lock{}
	}
	l := Lock{Owner: cmp.Or(textOf(it[ownerAttribute]), "nobody named"), lease: textOf(it[leaseAttribute])}
	if n, ok := it[untilAttribute].(*types.AttributeValueMemberN); ok {
		if ms, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			l.Until = time.UnixMilli(ms)
		}
	}
	return l
}

func (r *run) holder(ctx context.Context) (Lock, error) {
	it, err := r.get(ctx, key(lockKey))
	if err != nil {
		return Lock{}, fmt.Errorf("read lock: %w", err)
	}
	return lockOf(it), nil
}

// lock waits until this run holds the lock. What a killed run held is taken over
// when its lease has ended.
func (r *run) lock(ctx context.Context) error {
	r.lease = rand.Text()
	var seen Lock
	var since time.Time
	for {
		held, err := r.holder(ctx)
		if err != nil {
			return err
		}
		now := r.o.Now()
		if held != seen {
			seen, since = held, now
			if held.lease != "" || held.Owner != "" {
				r.o.Progress(fmt.Sprintf("locked by %s until %s: waiting", held.Owner, held.Until.UTC().Format(time.RFC3339)))
			}
		}
		free := held == Lock{} || now.Sub(held.Until) > clockSkew || now.Sub(since) >= leaseFor
		if free {
			switch taken, err := r.takeLock(ctx, held); {
			case err != nil:
				return err
			case taken:
				return nil
			}
		}
		if err := r.o.sleep(ctx, lockPoll); err != nil {
			return fmt.Errorf("wait for the lock that %s holds: %w", cmp.Or(held.Owner, "another run"), err)
		}
	}
}

// takeLock takes the lock from a holding that was seen to be over, or where there
// is none. false if another run was quicker.
func (r *run) takeLock(ctx context.Context, from Lock) (bool, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &r.table, Key: key(lockKey),
		UpdateExpression:         aws.String("SET #lease = :lease, #owner = :owner, #until = :until"),
		ExpressionAttributeNames: map[string]string{"#lease": leaseAttribute, "#owner": ownerAttribute, "#until": untilAttribute},
		ExpressionAttributeValues: item{
			":lease": text(r.lease), ":owner": text(r.o.By), ":until": r.until(),
			":mine": text(r.lease), // a request sent twice
		},
		ConditionExpression: aws.String("attribute_not_exists(pk) OR #lease = :mine"),
	}
	if from != (Lock{}) {
		in.ConditionExpression = aws.String("(#lease = :from AND #until = :was) OR #lease = :mine")
		in.ExpressionAttributeValues[":from"] = text(from.lease)
		in.ExpressionAttributeValues[":was"] = millis(from.Until)
	}
	_, err := r.client.UpdateItem(ctx, in)
	switch {
	case isConditionFailed(err), isBusy(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("take lock: %w", err)
	}
	return true, nil
}

func (r *run) until() types.AttributeValue { return millis(r.o.Now().Add(leaseFor)) }

func millis(t time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.UnixMilli(), 10)}
}

// renewal is the action that makes a transaction conditional on the lock, and
// holds it for another lease.
func (r *run) renewal() types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &r.table, Key: key(lockKey),
		UpdateExpression:          aws.String("SET #until = :until"),
		ConditionExpression:       aws.String("#lease = :lease"),
		ExpressionAttributeNames:  map[string]string{"#until": untilAttribute, "#lease": leaseAttribute},
		ExpressionAttributeValues: item{":until": r.until(), ":lease": text(r.lease)},
	}}
}

// unlockWithin bounds giving the lock back, which outlives an interrupt.
const unlockWithin = 5 * time.Second

// unlock gives the lock back. Where that fails it ends with its lease.
func (r *run) unlock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockWithin)
	defer cancel()
	_, _ = r.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &r.table, Key: key(lockKey), ConditionExpression: aws.String("#lease = :lease"),
		ExpressionAttributeNames: map[string]string{"#lease": leaseAttribute}, ExpressionAttributeValues: item{":lease": text(r.lease)},
	})
}

func isConditionFailed(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

// isBusy reports whether a transaction that is under way holds the item.
func isBusy(err error) bool {
	var busy *types.TransactionConflictException
	return errors.As(err, &busy)
}
