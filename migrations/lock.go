package migrations

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
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

// holding is who holds the lock. The zero holding is nobody's.
type holding struct {
	owner string
	until time.Time // zero: it cannot be read
	item  item      // as it is stored, whatever that is
}

func holdingOf(it item) holding {
	if it == nil {
		return holding{}
	}
	l := holding{owner: cmp.Or(textOf(it[ownerAttribute]), "nobody named"), item: it}
	if n, ok := it[untilAttribute].(*types.AttributeValueMemberN); ok {
		if ms, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			l.until = time.UnixMilli(ms)
		}
	}
	return l
}

// String is the holding as a progress line.
func (h holding) String() string {
	if h.until.IsZero() {
		return "locked by " + h.owner
	}
	return fmt.Sprintf("locked by %s until %s", h.owner, h.until.UTC().Format(time.RFC3339))
}

func (h holding) free() bool { return h.item == nil }

// over reports whether it ended so long ago that no clock can be that wrong.
func (h holding) over(now time.Time) bool {
	return !h.until.IsZero() && now.Sub(h.until) > clockSkew
}

// condition holds while the lock is exactly this one. A lock that a person or a
// later version wrote otherwise must not be there for ever.
func (h holding) condition(values item) string {
	if h.free() {
		return "attribute_not_exists(pk)"
	}
	one := func(name, value string, stored types.AttributeValue) string {
		if stored == nil {
			return "attribute_not_exists(" + name + ")"
		}
		values[value] = stored
		return name + " = " + value
	}
	return "attribute_exists(pk) AND " + one("#lease", ":from", h.item[leaseAttribute]) + " AND " + one("#until", ":was", h.item[untilAttribute])
}

func (r *run) holder(ctx context.Context) (holding, error) {
	it, err := r.get(ctx, key(lockKey))
	if err != nil {
		return holding{}, fmt.Errorf("read lock: %w", err)
	}
	return holdingOf(it), nil
}

// lock waits until this run holds the lock. What a killed run held is taken over
// when its lease has ended. A lock whose taking was not answered may be held: it is
// given back.
func (r *run) lock(ctx context.Context) error {
	r.lease = rand.Text()
	err := r.awaitLock(ctx)
	if err != nil {
		r.unlock(ctx)
	}
	return err
}

func (r *run) awaitLock(ctx context.Context) error {
	var seen holding
	var since time.Time
	for {
		held, err := r.holder(ctx)
		if err != nil {
			return err
		}
		now := r.o.Now()
		if !reflect.DeepEqual(held, seen) {
			seen, since = held, now
			if !held.free() {
				r.o.Progress(held.String() + ": waiting")
			}
		}
		if held.free() || held.over(now) || now.Sub(since) >= leaseFor {
			switch taken, err := r.takeLock(ctx, held); {
			case err != nil:
				return err
			case taken:
				return nil
			}
		}
		if err := r.o.sleep(ctx, lockPoll); err != nil {
			return fmt.Errorf("wait for the lock that %s holds: %w", cmp.Or(held.owner, "another run"), err)
		}
	}
}

// takeLock takes the lock from a holding that was seen to be over, or where there
// is none. false if another run was quicker.
func (r *run) takeLock(ctx context.Context, from holding) (bool, error) {
	values := item{
		":lease": text(r.lease), ":owner": text(r.o.By), ":until": r.until(),
		":mine": text(r.lease), // a request sent twice
	}
	condition := "(" + from.condition(values) + ") OR #lease = :mine"
	_, err := r.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &r.table, Key: key(lockKey), ConditionExpression: &condition,
		UpdateExpression:          aws.String("SET #lease = :lease, #owner = :owner, #until = :until"),
		ExpressionAttributeNames:  map[string]string{"#lease": leaseAttribute, "#owner": ownerAttribute, "#until": untilAttribute},
		ExpressionAttributeValues: values,
	})
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
