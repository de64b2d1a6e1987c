package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/dynamotest"
	"scopegate/internal/layout"
	"scopegate/migrations"
)

type item = map[string]types.AttributeValue

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

// clock is moved by those who wait for it.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(2e9, 0).Add(time.Duration(c.since.Load())) }

func (c *clock) options(by string) migrations.Options {
	o := migrations.Options{Create: true, Breaking: true, By: by, Now: c.now}
	return o.Sleeping(func(ctx context.Context, d time.Duration) error {
		c.since.Add(int64(d))
		return ctx.Err()
	})
}

// count is the action that counts in an item of the test's own: done twice, it
// shows.
func count(table string) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &table, Key: item{"pk": s("migrations"), "sk": s("counter")}, UpdateExpression: aws.String("ADD n :one"),
		ExpressionAttributeValues: item{":one": &types.AttributeValueMemberN{Value: "1"}},
	}}
}

func counted(t *testing.T, client *dynamodb.Client, table string) string {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item{"pk": s("migrations"), "sk": s("counter")}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	n, ok := out.Item["n"].(*types.AttributeValueMemberN)
	if !ok {
		return "0"
	}
	return n.Value
}

// counting are the real steps and one that counts to three in parts, each once.
func counting(table string) []migrations.Step {
	const parts = 3
	return append(migrations.Steps(), migrations.NewStep(all+1, "count", true, func(ctx context.Context, w *migrations.Work) error {
		for i := len(w.Cursor()); i < parts; i++ {
			if err := w.Commit(ctx, strings.Repeat("|", i+1), count(table)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// contents are all items, without the times and names that each run makes anew.
func contents(t *testing.T, client *dynamodb.Client, table string) []string {
	t.Helper()
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, it := range out.Items {
		line := ""
		for _, name := range slices.Sorted(maps.Keys(it)) {
			switch v := it[name].(type) {
			case *types.AttributeValueMemberS:
				if name == "startedAt" || name == "appliedAt" || name == "by" {
					v = &types.AttributeValueMemberS{Value: "…"}
				}
				line += name + "=" + v.Value + " "
			case *types.AttributeValueMemberN:
				line += name + "=" + v.Value + " "
			case *types.AttributeValueMemberBOOL:
				line += fmt.Sprintf("%s=%v ", name, v.Value)
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// TestARunKilledAnywhereIsCompletedByTheNext: the n-th request and all after it
// fail, the giving back of the lock too, with and without the n-th being carried
// out, for every n until a run needs fewer. The next run takes the lock over when
// its lease has ended, and the table is the same as if nothing had happened.
func TestARunKilledAnywhereIsCompletedByTheNext(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	time := new(clock)
	if _, err := migrations.RunSteps(t.Context(), client, table, counting(table), time.options("undisturbed")); err != nil {
		t.Fatal(err)
	}
	want := contents(t, client, table)
	for _, lost := range []bool{false, true} {
		for n, failed := 0, true; failed; n++ {
			client, wire := dynamotest.WireClient(t, dynamotest.Endpoint(t))
			table := dynamotest.TableName()
			time := new(clock)
			restore := wire.CutAfter(n, lost)
			_, err := migrations.RunSteps(t.Context(), client, table, counting(table), time.options("killed"))
			if failed = restore(); !failed && err != nil {
				t.Fatalf("request %d: nothing failed, and Run answers %v", n, err)
			}
			report, err := migrations.RunSteps(t.Context(), client, table, counting(table), time.options("next"))
			if err != nil || report.Version != all+1 {
				t.Fatalf("after request %d failed (lost: %v): %+v, %v", n, lost, report, err)
			}
			if diff := cmp.Diff(want, drained(contents(t, client, table))); diff != "" {
				t.Fatalf("after request %d failed (lost: %v):\n%s", n, lost, diff)
			}
			if _, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// drained is a table's contents without the lock that a run left which had done
// everything but give it back: it ends with its lease, and is in nobody's way.
func drained(lines []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "sk=lock ") })
}

// TestTwoRunsAtOnceTakeAStepOnce: the step goes on only when every other run has
// been seen to wait for it.
func TestTwoRunsAtOnceTakeAStepOnce(t *testing.T) {
	const runs = 4
	client, table := dynamotest.NewTable(t)
	var taken atomic.Int32
	waiting := make(chan struct{}, runs)
	steps := append(migrations.Steps(), migrations.NewStep(all+1, "once", false, func(ctx context.Context, w *migrations.Work) error {
		taken.Add(1)
		for range runs - 1 {
			select {
			case <-waiting:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return w.Commit(ctx, "counted", count(table))
	}))
	var applied atomic.Int32
	var group sync.WaitGroup
	for i := range runs {
		group.Go(func() {
			var said sync.Once
			o := migrations.Options{By: fmt.Sprint("run ", i), Progress: func(line string) {
				if strings.HasPrefix(line, "locked by run ") {
					said.Do(func() { waiting <- struct{}{} })
				}
			}}
			report, err := migrations.RunSteps(t.Context(), client, table, steps, o)
			if err != nil || report.Version != all+1 {
				t.Errorf("%+v, %v", report, err)
			}
			applied.Add(int32(len(report.Applied)))
		})
	}
	group.Wait()
	if n := counted(t, client, table); taken.Load() != 1 || applied.Load() != 1 || n != "1" {
		t.Errorf("the step was entered %d times, reported %d times and counts %s", taken.Load(), applied.Load(), n)
	}
}

// TestARunThatWasStoppedCannotGoOn: while it was stopped in its step another one
// took over, by the lease's end or by a clock that is wrong by hours, and did it.
func TestARunThatWasStoppedCannotGoOn(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"its lease has ended": 0, "the other's clock is wrong": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			client, table := dynamotest.NewTable(t)
			late := new(clock)
			late.since.Store(int64(ahead))
			steps := append(migrations.Steps(), migrations.NewStep(all+1, "stopped", false, func(ctx context.Context, w *migrations.Work) error {
				if _, err := migrations.RunSteps(ctx, client, table, counting(table), late.options("second")); err != nil {
					t.Errorf("the second run: %v", err)
				}
				return w.Commit(ctx, "|", count(table))
			}))
			_, err := migrations.RunSteps(t.Context(), client, table, steps, new(clock).options("first"))
			if !errors.Is(err, migrations.ErrLockLost) {
				t.Errorf("the first run: %v, want ErrLockLost", err)
			}
			if n := counted(t, client, table); n != "3" {
				t.Errorf("counted %s times, want 3", n)
			}
			if waited := time.Duration(late.since.Load()) - ahead; ahead == 0 && waited < migrations.LeaseFor {
				t.Errorf("the lock was taken over after %s, its lease is %s", waited, migrations.LeaseFor)
			}
		})
	}
}

// TestAnInterruptGivesTheLockBack, so that the next run need not wait.
func TestAnInterruptGivesTheLockBack(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	ctx, cancel := context.WithCancel(t.Context())
	steps := append(migrations.Steps(), migrations.NewStep(all+1, "interrupted", false, func(ctx context.Context, _ *migrations.Work) error {
		cancel()
		return ctx.Err()
	}))
	if _, err := migrations.RunSteps(ctx, client, table, steps, new(clock).options("first")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	next := new(clock)
	if _, err := migrations.RunSteps(t.Context(), client, table, counting(table), next.options("next")); err != nil {
		t.Fatal(err)
	}
	if waited := time.Duration(next.since.Load()); waited >= migrations.LeaseFor {
		t.Errorf("the next run waited %s for a lock that was given back", waited)
	}
}

// TestABreakingStepIsLeftForLater unless it is asked for, and those after it too;
// an empty table takes it, since nobody can be reading it.
func TestABreakingStepIsLeftForLater(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	fill := func(sk string) {
		t.Helper()
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item{"pk": s("apis"), "sk": s(sk)}}); err != nil {
			t.Fatal(err)
		}
	}
	fill("arn#dev")
	nothing := func(context.Context, *migrations.Work) error { return nil }
	old := layout.Code{Newest: all + 1}
	var waited []time.Duration
	steps := append(migrations.Steps(), migrations.NewStep(all+1, "before", false, nothing),
		migrations.NewStep(all+2, "breaking", true, func(ctx context.Context, _ *migrations.Work) error {
			if len(waited) != 1 || waited[0] != layout.Settle {
				t.Errorf("it waited %v before its first change, want %s", waited, layout.Settle)
			}
			return nil
		}), migrations.NewStep(all+3, "after", false, nothing))
	report, err := migrations.RunSteps(t.Context(), client, table, steps, migrations.Options{})
	if err != nil || report.Version != all+1 || len(report.Applied) != 1 || len(report.Pending) != 2 || report.Pending[0].Number != all+2 {
		t.Fatalf("without leave: %+v, %v", report, err)
	}
	if err := old.Fits(t.Context(), client, table); err != nil {
		t.Errorf("older code before the step: %v", err)
	}
	o := migrations.Options{Breaking: true}.Sleeping(func(ctx context.Context, d time.Duration) error {
		waited = append(waited, d)
		if err := old.Fits(ctx, client, table); !errors.Is(err, layout.ErrAhead) {
			t.Errorf("older code while the step waits: %v, want ErrAhead", err)
		}
		return nil
	})
	if report, err = migrations.RunSteps(t.Context(), client, table, steps, o); err != nil || report.Version != all+3 || len(report.Pending) != 0 {
		t.Fatalf("with leave: %+v, %v", report, err)
	}
	if err := old.Fits(t.Context(), client, table); !errors.Is(err, layout.ErrAhead) {
		t.Errorf("older code after the step: %v, want ErrAhead", err)
	}
	empty := dynamotest.TableName() // not even there
	o = migrations.Options{Create: true}.Sleeping(func(context.Context, time.Duration) error { return errors.New("it waits") })
	steps[all+1] = migrations.NewStep(all+2, "breaking", true, nothing)
	if report, err = migrations.RunSteps(t.Context(), client, empty, steps, o); err != nil || report.Version != all+3 {
		t.Errorf("an empty table: %+v, %v", report, err)
	}
}

// TestABreakingStepOfAnEmptyTableWaitsForReadingsOfTheLedger: authorizers of before may
// be at it, and take what they read of the ledger to be good for layout.Remembered.
func TestABreakingStepOfAnEmptyTableWaitsForReadingsOfTheLedger(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	var waited time.Duration
	steps := append(migrations.Steps(), migrations.NewStep(all+1, "breaking", true, func(context.Context, *migrations.Work) error {
		if waited <= layout.Remembered {
			t.Errorf("it waited %v before its first change, want more than %v", waited, layout.Remembered)
		}
		return nil
	}))
	o := migrations.Options{}.Sleeping(func(_ context.Context, d time.Duration) error { waited += d; return nil })
	if report, err := migrations.RunSteps(t.Context(), client, table, steps, o); err != nil || report.Version != all+1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestADryRunSaysWhoHoldsTheLock, and writes nothing.
func TestADryRunSaysWhoHoldsTheLock(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	var said []string
	steps := append(migrations.Steps(), migrations.NewStep(all+1, "held", false, func(ctx context.Context, _ *migrations.Work) error {
		before := contents(t, client, table)
		o := migrations.Options{DryRun: true, Progress: func(line string) { said = append(said, line) }}
		if _, err := migrations.RunSteps(ctx, client, table, counting(table), o); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, contents(t, client, table)); diff != "" {
			t.Error(diff)
		}
		return nil
	}))
	if _, err := migrations.RunSteps(t.Context(), client, table, steps, migrations.Options{By: "the holder"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(said, "\n"), "locked by the holder until 20") {
		t.Errorf("said %q", said)
	}
}
