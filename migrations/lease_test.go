package migrations_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/internal/layout"
	"scopegate/migrations"
)

// TestALockThatCannotBeReadIsTakenOver, when it was seen unchanged for as long as a
// lease: a person, or a later version, wrote it otherwise.
func TestALockThatCannotBeReadIsTakenOver(t *testing.T) {
	for name, spoil := range map[string]item{
		"nothing in it": {}, "no lease": {"owner": s("me"), "expires": &types.AttributeValueMemberN{Value: "1"}},
		"no end": {"owner": s("me"), "lease": s("l")}, "an end that is text": {"lease": s("l"), "expires": s("soon")},
		"an end that is no whole number": {"lease": s("l"), "expires": &types.AttributeValueMemberN{Value: "1.5"}},
		"a lease that is a number":       {"lease": &types.AttributeValueMemberN{Value: "1"}, "expires": &types.AttributeValueMemberN{Value: "1"}},
		"a lease that is nothing":        {"lease": &types.AttributeValueMemberNULL{Value: true}, "expires": &types.AttributeValueMemberNULL{Value: true}},
	} {
		t.Run(name, func(t *testing.T) {
			client, table := dynamotest.NewTable(t)
			spoil["pk"], spoil["sk"] = s("migrations"), s("lock")
			if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: spoil}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			next := new(clock)
			o := next.options("next").Sleeping(func(ctx context.Context, d time.Duration) error {
				if next.since.Add(int64(d)) > int64(2*migrations.LeaseFor) {
					return errors.New("still locked")
				}
				return ctx.Err()
			})
			if _, err := migrations.RunSteps(ctx, client, table, counting(table), o); err != nil {
				t.Fatal(err)
			}
			if n := counted(t, client, table); n != "3" {
				t.Errorf("counted %s times, want 3", n)
			}
		})
	}
}

// TestALockWhoseTakingWasNotAnsweredIsGivenBack: it may have been taken, and the
// next run would wait for its lease to end.
func TestALockWhoseTakingWasNotAnsweredIsGivenBack(t *testing.T) {
	client, wire := dynamotest.WireClient(t, dynamotest.Endpoint(t))
	table := dynamotest.TableName()
	if _, err := migrations.Run(t.Context(), client, table, migrations.Options{Create: true}); err != nil {
		t.Fatal(err)
	}
	wire.Decide(func(operation string, _ int) dynamotest.Fate {
		if operation == "UpdateItem" {
			return dynamotest.Lose
		}
		return dynamotest.Deliver
	})
	if _, err := migrations.RunSteps(t.Context(), client, table, counting(table), new(clock).options("first")); err == nil {
		t.Fatal("the lock's answer was lost, and the run goes on")
	}
	wire.Decide(nil)
	next := new(clock)
	if _, err := migrations.RunSteps(t.Context(), client, table, counting(table), next.options("next")); err != nil {
		t.Fatal(err)
	}
	if waited := time.Duration(next.since.Load()); waited >= migrations.LeaseFor {
		t.Errorf("the next run waited %s for a lock that nobody holds", waited)
	}
}

// TestARunThatWasOvertakenChangesNothingWhileTheOtherIsAtIt: the lock is there, and
// is another's.
func TestARunThatWasOvertakenChangesNothingWhileTheOtherIsAtIt(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	with := func(apply func(context.Context, *migrations.Work) error) []migrations.Step {
		return append(migrations.Steps(), migrations.NewStep(all+1, "counts", false, apply))
	}
	_, err := migrations.RunSteps(t.Context(), client, table, with(func(ctx context.Context, first *migrations.Work) error {
		late := new(clock)
		_, err := migrations.RunSteps(ctx, client, table, with(func(ctx context.Context, second *migrations.Work) error {
			if err := first.Commit(ctx, "first", count(table)); !errors.Is(err, migrations.ErrLockLost) {
				t.Errorf("the first run, in the midst of the second: %v, want ErrLockLost", err)
			}
			return second.Commit(ctx, "second", count(table))
		}), late.options("second"))
		if err != nil {
			t.Errorf("the second run: %v", err)
		}
		return first.Commit(ctx, "first", count(table))
	}), new(clock).options("first"))
	if !errors.Is(err, migrations.ErrLockLost) {
		t.Errorf("the first run: %v, want ErrLockLost", err)
	}
	if n := counted(t, client, table); n != "1" {
		t.Errorf("counted %s times, want 1", n)
	}
}

// TestARunThatWasOvertakenLeavesTheOthersLockAlone when it ends, and the other is
// still at it.
func TestARunThatWasOvertakenLeavesTheOthersLockAlone(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	with := func(apply func(context.Context, *migrations.Work) error) []migrations.Step {
		return append(migrations.Steps(), migrations.NewStep(all+1, "counts", false, apply))
	}
	stopped, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := migrations.RunSteps(t.Context(), client, table, with(func(ctx context.Context, first *migrations.Work) error {
			close(stopped)
			<-goOn
			return first.Commit(ctx, "first", count(table))
		}), new(clock).options("first"))
		ended <- err
	}()
	<-stopped
	_, err := migrations.RunSteps(t.Context(), client, table, with(func(ctx context.Context, second *migrations.Work) error {
		close(goOn)
		if err := <-ended; !errors.Is(err, migrations.ErrLockLost) {
			t.Errorf("the first run: %v, want ErrLockLost", err)
		}
		return second.Commit(ctx, "second", count(table))
	}), new(clock).options("second"))
	if err != nil {
		t.Errorf("the second run: %v", err)
	}
}

// TestALeaseOutlastsTheWaitOfABreakingStep, between whose ends nothing renews it.
func TestALeaseOutlastsTheWaitOfABreakingStep(t *testing.T) {
	if migrations.LeaseFor < layout.Settle+30*time.Second {
		t.Errorf("a lease of %s, a wait of %s", migrations.LeaseFor, layout.Settle)
	}
}

// TestEachPartOfAStepRenewsTheLease, so that a step may take as long as it needs.
func TestEachPartOfAStepRenewsTheLease(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	now := new(clock)
	steps := append(migrations.Steps(), migrations.NewStep(all+1, "long", false, func(ctx context.Context, w *migrations.Work) error {
		for i := range 3 {
			now.since.Add(int64(migrations.LeaseFor - time.Second))
			if err := w.Commit(ctx, strconv.Itoa(i), count(table)); err != nil {
				return err
			}
			out, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: item{"pk": s("migrations"), "sk": s("lock")}, ConsistentRead: aws.Bool(true)})
			if err != nil {
				return err
			}
			until, _ := out.Item["expires"].(*types.AttributeValueMemberN)
			if want := strconv.FormatInt(now.now().Add(migrations.LeaseFor).UnixMilli(), 10); until == nil || until.Value != want {
				t.Errorf("part %d: the lock expires at %+v, want %s", i, until, want)
			}
		}
		return nil
	}))
	if _, err := migrations.RunSteps(t.Context(), client, table, steps, now.options("long")); err != nil {
		t.Fatal(err)
	}
}

// TestALockIsTakenOverAtOnceOnlyWhereNoClockCanBeThatWrong: its holder's clock may be
// minutes behind, and the holder at work.
func TestALockIsTakenOverAtOnceOnlyWhereNoClockCanBeThatWrong(t *testing.T) {
	for ended, waits := range map[time.Duration]bool{-time.Hour: true, time.Minute: true, 3 * time.Minute: true, 6 * time.Minute: false} {
		client, table := dynamotest.NewTable(t)
		next := new(clock)
		expires := strconv.FormatInt(next.now().Add(-ended).UnixMilli(), 10)
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item{
			"pk": s("migrations"), "sk": s("lock"), "owner": s("another"), "lease": s("l"), "expires": &types.AttributeValueMemberN{Value: expires},
		}}); err != nil {
			t.Fatal(err)
		}
		if _, err := migrations.RunSteps(t.Context(), client, table, counting(table), next.options("next")); err != nil {
			t.Fatal(err)
		}
		if waited := time.Duration(next.since.Load()); waits != (waited >= migrations.LeaseFor) {
			t.Errorf("a lease that ended %s ago: waited %s", ended, waited)
		}
	}
}

// cancelling has every n-th transaction cancelled for a reason.
type cancelling struct {
	*dynamodb.Client
	code  string
	n     int
	calls int
}

func (c *cancelling) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if c.calls++; c.calls%c.n == 0 {
		return nil, &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: aws.String("None")}, {Code: &c.code}}}
	}
	return c.Client.TransactWriteItems(ctx, in, o...)
}

// TestATransactionIsTriedAgainWhereAnotherWasInItsWay, and nowhere else.
func TestATransactionIsTriedAgainWhereAnotherWasInItsWay(t *testing.T) {
	for code, passes := range map[string]bool{
		"TransactionConflict": true, "ThrottlingError": true, "ProvisionedThroughputExceeded": true,
		"ConditionalCheckFailed": false, "ValidationError": false, "ItemCollectionSizeLimitExceeded": false,
	} {
		plain, table := dynamotest.NewTable(t)
		client := &cancelling{Client: plain, code: code, n: 2}
		_, err := migrations.RunSteps(t.Context(), client, table, counting(table), new(clock).options("x"))
		if (err == nil) != passes || !passes && client.calls != 2 {
			t.Errorf("%s: %v after %d calls", code, err, client.calls)
		}
		if n := counted(t, plain, table); passes && n != "3" {
			t.Errorf("%s: counted %s times, want 3", code, n)
		}
	}
}

// TestATableOfRevocationsAloneIsNotEmpty: older programs read them.
func TestATableOfRevocationsAloneIsNotEmpty(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item{"pk": s("revocations"), "sk": s("meta")}}); err != nil {
		t.Fatal(err)
	}
	report, err := migrations.RunSteps(t.Context(), client, table, counting(table), migrations.Options{})
	if err != nil || len(report.Applied) != 0 || len(report.Pending) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}
