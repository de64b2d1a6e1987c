package dynamo_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// interrupted has something happen before the register of generations is read
// or, if late is set, right after.
type interrupted struct {
	*dynamodb.Client
	event func()
	late  bool
}

func (d *interrupted) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	v, _ := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS)
	event := d.event
	if v == nil || !strings.HasPrefix(v.Value, "generations#") || event == nil {
		return d.Client.Query(ctx, in, o...)
	}
	d.event = nil
	if !d.late {
		event()
	}
	out, err := d.Client.Query(ctx, in, o...)
	if d.late {
		event()
	}
	return out, err
}

// TestCleanNeverRemovesWhatIsCurrentOrUnderWay although the table moves on, by one
// that is fenced off, a small and a large change, between any two of its reads.
func TestCleanNeverRemovesWhatIsCurrentOrUnderWay(t *testing.T) {
	for _, late := range []bool{false, true} {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		m := commit(t, st, change(store.Revision{}, many(t, 1)...))
		slow := dynamo.New(&interrupted{Client: client, late: late, event: func() {
			refused := dynamo.New(&refusing{Client: client, n: 99, codes: []string{"ValidationError"}}, table)
			if _, err := refused.Commit(t.Context(), change(m.Revision, many(t, 1)...)); err == nil || errors.Is(err, store.ErrUnknown) {
				t.Errorf("a change that is always refused: %v", err)
			}
			m = commit(t, st, change(m.Revision, many(t, 1)...))
			m = commit(t, st, change(m.Revision, many(t, 150)...))
		}}, table)
		if err := slow.Clean(t.Context(), api); err != nil {
			t.Fatal(err)
		}
		got, err := st.Load(t.Context(), api)
		if err != nil || len(got.Permissions) != 152 || got.Revision != m.Revision {
			t.Errorf("late %v: %d permissions at %s, want 152 at %s (%v)", late, len(got.Permissions), got.Revision, m.Revision, err)
		}
	}
}

// TestATableOfPatternsCanBeEmptied: patterns leave no routes behind, so the new
// generation has no items at all.
func TestATableOfPatternsCanBeEmptied(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	var all []mapping.Permission
	c := change(store.Revision{})
	for i := range 120 {
		p := permission(t, `"resource":"p`+strings.Repeat("x", i)+`/*","scope":"s"`)
		all = append(all, p)
		c.Remove = append(c.Remove, p.ID())
	}
	m := commit(t, st, change(store.Revision{}, all...))
	c.If = m.Revision
	commit(t, st, c)
	if got, err := st.Load(t.Context(), api); err != nil || len(got.Permissions) != 0 {
		t.Errorf("%d permissions are left, %v", len(got.Permissions), err)
	}
}

// cut carries the first transaction out; then the network is gone.
type cut struct {
	*dynamodb.Client
	gone bool
}

func (d *cut) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if !d.gone {
		_, _ = d.Client.TransactWriteItems(ctx, in, o...)
		d.gone = true
	}
	return nil, errHeld
}

func (d *cut) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if d.gone {
		return nil, errHeld
	}
	return d.Client.GetItem(ctx, in, o...)
}

// TestWhatIsUnknownIsNeverReportedAsNotDone: a repeat that cannot reach the
// store says nothing about the first try.
func TestWhatIsUnknownIsNeverReportedAsNotDone(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	m := commit(t, st, change(store.Revision{}))
	_, err := store.CommitSettled(t.Context(), dynamo.New(&cut{Client: client}, table), change(m.Revision, many(t, 1)...))
	got, loadErr := st.Load(t.Context(), api)
	if loadErr != nil || len(got.Permissions) != 1 || !errors.Is(err, store.ErrUnknown) {
		t.Errorf("%d permissions committed, answered %v (%v)", len(got.Permissions), err, loadErr)
	}
}

// late keeps the n-th transaction from being sent, counted from 1; its sender gives
// it up once event is through.
type late struct {
	*dynamodb.Client
	calls atomic.Int64
	n     int64
	event func(*dynamodb.TransactWriteItemsInput)
}

func (l *late) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if l.calls.Add(1) == l.n {
		l.event(in)
		return nil, errHeld
	}
	return l.Client.TransactWriteItems(ctx, in, o...)
}

// afterBatch has something happen once, after a batch was written.
type afterBatch struct {
	*dynamodb.Client
	event func()
}

func (a *afterBatch) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	out, err := a.Client.BatchWriteItem(ctx, in, o...)
	if event := a.event; event != nil {
		a.event = nil
		event()
	}
	return out, err
}

// TestARequestThatComesWhileItsStageIsRemovedAddsNothingToIt, however little of it
// is removed yet: nobody would ever find what it wrote.
func TestARequestThatComesWhileItsStageIsRemovedAddsNothingToIt(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	m := commit(t, st, change(store.Revision{}, many(t, 1)...))
	came := false
	l := &late{Client: client, n: 2, event: func(in *dynamodb.TransactWriteItemsInput) {
		commit(t, st, change(m.Revision, many(t, 1)...))
		cleaner := dynamo.New(&afterBatch{Client: client, event: func() {
			came = true
			if _, err := client.TransactWriteItems(t.Context(), in); err == nil {
				t.Error("a late request was carried out")
			}
		}}, table)
		if err := cleaner.Clean(t.Context(), api); err != nil {
			t.Error(err)
		}
	}}
	if _, err := dynamo.New(l, table).Commit(t.Context(), change(m.Revision, many(t, 250)...)); err == nil || !came {
		t.Errorf("%v, cleaned meanwhile: %t", err, came)
	}
	if left := litterOf(t, client, table, api); left != nil {
		t.Errorf("left: %q", left)
	}
}
