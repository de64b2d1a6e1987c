package dynamo_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// deaf is a client whose every transaction with more than min actions is kept
// back, unanswered, as if the network held it up.
type deaf struct {
	*dynamodb.Client
	min  int
	held []*dynamodb.TransactWriteItemsInput
}

var errHeld = errors.New("held up by the test")

func (d *deaf) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if len(in.TransactItems) < d.min {
		return d.Client.TransactWriteItems(ctx, in, o...)
	}
	d.held = append(d.held, in)
	return nil, errHeld
}

// Answered with an error, nothing was written, nor ever will be: a request that
// arrives late must come to nothing.
func TestATransactionThatArrivesLateIsNotCommitted(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	late := &deaf{Client: client}
	slow := dynamo.New(late, table)
	p := permission(t, `"resource":"a","scope":"s"`)

	fail := func(c store.Change, before error) {
		t.Helper()
		if _, err := slow.Commit(t.Context(), c); !errors.Is(err, errHeld) || errors.Is(err, store.ErrUnknown) {
			t.Fatalf("%v, want the cause, settled", err)
		}
		for _, in := range late.held {
			var cancelled *types.TransactionCanceledException
			if _, err := client.TransactWriteItems(t.Context(), in); !errors.As(err, &cancelled) {
				t.Errorf("the late transaction: %v, want it cancelled", err)
			}
		}
		late.held = nil
		if _, err := st.Meta(t.Context(), api); !errors.Is(err, before) {
			t.Errorf("afterwards: %v, want %v", err, before)
		}
	}
	first := change(store.Revision{}, p)
	fail(first, store.ErrNotFound)
	fail(first, store.ErrNotFound) // a second fence, on the tombstone of the first
	m := commit(t, st, first)
	second := change(m.Revision, permission(t, `"resource":"b","scope":"s"`))
	fail(second, nil)
	commit(t, st, second)
}

// A revocation too, the first there ever was and a later one; so is the end of one.
func TestARevocationThatArrivesLateIsNotMade(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	late := &deaf{Client: client}
	slow := dynamo.New(late, table)
	remove := revoking("a:b")
	remove.Put, remove.Remove = nil, "a:b"
	for i, c := range []store.RevocationChange{revoking("a:b"), revoking("a:c"), remove} {
		for range 2 { // a second fence, on the first
			if _, err := slow.Revoke(t.Context(), c); !errors.Is(err, errHeld) || errors.Is(err, store.ErrUnknown) {
				t.Fatalf("change %d: %v, want the cause, settled", i, err)
			}
			for _, in := range late.held {
				var cancelled *types.TransactionCanceledException
				if _, err := client.TransactWriteItems(t.Context(), in); !errors.As(err, &cancelled) {
					t.Errorf("change %d, late: %v, want it cancelled", i, err)
				}
			}
			late.held = nil
			if got, err := st.RevocationsRevision(t.Context()); err != nil || got.Number != uint64(i) {
				t.Errorf("change %d, answered as not made: revision %s, %v", i, got, err)
			}
		}
		if _, err := st.Revoke(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// Another's change in the mean time is a conflict, and that is settled too.
func TestAHeldUpTransactionThatWasOvertakenIsAConflict(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	m := commit(t, st, change(store.Revision{}))
	overtaken := overtake{Client: client, first: func() { commit(t, st, change(m.Revision, many(t, 1)...)) }}
	_, err := dynamo.New(&overtaken, table).Commit(t.Context(), change(m.Revision))
	if !errors.Is(err, store.ErrConflict) || !errors.Is(err, errHeld) {
		t.Errorf("%v, want ErrConflict and the cause", err)
	}
}

// overtake has something happen before a transaction, which then is held up.
type overtake struct {
	*dynamodb.Client
	first func()
}

func (o *overtake) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	o.first()
	return nil, errHeld
}

// One read settles a lost answer, even where nothing can be written any more.
func TestALostAnswerIsFoundWithoutWriting(t *testing.T) {
	client, wire := dynamotest.WireClient(t, dynamotest.Endpoint(t))
	st := dynamo.New(client, dynamotest.TableOn(t, client))
	sent := false
	wire.Decide(func(operation string, _ int) dynamotest.Fate {
		switch operation {
		case "TransactWriteItems":
			if !sent {
				sent = true
				return dynamotest.Lose
			}
			return dynamotest.Refuse
		case "UpdateItem":
			return dynamotest.Refuse
		}
		return dynamotest.Deliver
	})
	commit(t, st, change(store.Revision{}, many(t, 1)...))
}

// litterOf is what of an API is neither in use nor a record.
func litterOf(t *testing.T, client *dynamodb.Client, table string, of mapping.API) []string {
	t.Helper()
	var left []string
	all := scan(t, client, table)
	key := of.ARN + "#" + of.Stage
	generation, _ := all["meta#"+key+" meta"]["generation"].(*types.AttributeValueMemberS)
	for k := range all {
		partition, name, _ := strings.Cut(k, " ")
		kind, rest, _ := strings.Cut(partition, "#")
		switch {
		case kind == "api" && strings.HasPrefix(rest, key+"#"):
			if generation == nil || rest != key+"#"+generation.Value {
				left = append(left, k)
			}
		case kind == "generations" && rest == key:
			if generation == nil || !strings.HasPrefix(name, generation.Value) {
				left = append(left, k)
			}
		case kind == "auditparts" && rest == key:
			id, try, _ := strings.Cut(name, "#")
			stage, _ := all["audit#"+key+" "+id]["partsOf"].(*types.AttributeValueMemberS)
			if stage == nil || !strings.HasPrefix(try, stage.Value+"#") {
				left = append(left, k)
			}
		}
	}
	return left
}

// events has something happen before the n-th transaction from now, counted from 0.
type events struct {
	*dynamodb.Client
	calls atomic.Int64
	n     int64
	event func()
}

func (e *events) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if e.calls.Add(1) == e.n+1 {
		e.event()
	}
	return e.Client.TransactWriteItems(ctx, in, o...)
}

// Cleaning beside a writer takes nothing from it, wherever it is.
func TestWorkUnderWayIsNotRemoved(t *testing.T) {
	for n := int64(0); ; n++ {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		m := commit(t, st, change(store.Revision{}, many(t, 1)...))
		came := false
		e := &events{Client: client, n: n, event: func() {
			came = true
			if err := st.Clean(t.Context(), api); err != nil {
				t.Error(err)
			}
		}}
		c := change(m.Revision, many(t, 250)...)
		commit(t, dynamo.New(e, table), c)
		if got, err := st.Load(t.Context(), api); err != nil || len(got.Permissions) != 251 {
			t.Errorf("transaction %d: %d permissions, %v", n, len(got.Permissions), err)
		}
		if r, err := st.AuditDetail(t.Context(), api, c.ID); err != nil || len(r.Added) != 250 {
			t.Errorf("transaction %d: %d added, %v", n, len(r.Added), err)
		}
		if left := litterOf(t, client, table, api); left != nil {
			t.Errorf("transaction %d: left: %q", n, left)
		}
		if !came {
			if n < 5 {
				t.Errorf("a large change made %d transactions", n)
			}
			return
		}
	}
}

// A large change that is overtaken, wherever it is, leaves nothing behind: even
// requests that come after its generation was removed add nothing to it.
func TestALargeChangeThatLosesARaceLeavesNothing(t *testing.T) {
	for n := int64(0); ; n++ {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		m := commit(t, st, change(store.Revision{}, many(t, 1)...))
		came := false
		e := &events{Client: client, n: n, event: func() {
			came = true
			commit(t, st, change(m.Revision, many(t, 1)...))
			if err := st.Clean(t.Context(), api); err != nil {
				t.Error(err)
			}
		}}
		_, err := dynamo.New(e, table).Commit(t.Context(), change(m.Revision, many(t, 250)...))
		if !came {
			return
		}
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("transaction %d: %v, want ErrConflict", n, err)
		}
		if left := litterOf(t, client, table, api); left != nil {
			t.Errorf("transaction %d: left: %q", n, left)
		}
		if got, err := st.Load(t.Context(), api); err != nil || len(got.Permissions) != 2 {
			t.Errorf("transaction %d: %d permissions, %v", n, len(got.Permissions), err)
		}
	}
}

// refusing answers the first n transactions with a cancellation.
type refusing struct {
	*dynamodb.Client
	n     int
	codes []string
	calls int
}

func (r *refusing) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if r.calls++; r.calls > r.n {
		return r.Client.TransactWriteItems(ctx, in, o...)
	}
	var reasons []types.CancellationReason
	for _, code := range r.codes {
		reasons = append(reasons, types.CancellationReason{Code: aws.String(code)})
	}
	return nil, &types.TransactionCanceledException{CancellationReasons: reasons}
}

func TestCancelledTransactionsAreToldApart(t *testing.T) {
	tests := []struct {
		name  string
		codes []string
		n     int
		calls int
		ok    bool
	}{
		{"a conflict with one that comes to nothing is tried again", []string{"None", "TransactionConflict"}, 3, 4, true},
		{"throttling is tried again", []string{"ThrottlingError", "None"}, 2, 3, true},
		{"a failed condition at the same revision is tried again", []string{"ConditionalCheckFailed"}, 1, 2, true},
		{"what never passes is not", []string{"None", "ValidationError"}, 99, 1, false},
		{"throttling that does not end is an outage", []string{"ThrottlingError"}, 99, 12, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, table := dynamotest.NewTable(t)
			r := &refusing{Client: client, n: test.n, codes: test.codes}
			st := dynamo.New(r, table)
			_, err := st.Commit(t.Context(), change(store.Revision{}))
			if (err == nil) != test.ok || r.calls != test.calls {
				t.Errorf("%v after %d transactions, want ok %v after %d", err, r.calls, test.ok, test.calls)
			}
			for _, wrong := range []error{store.ErrConflict, store.ErrInvalid, store.ErrUnknown, store.ErrNotFound} {
				if errors.Is(err, wrong) {
					t.Errorf("%v is %v", err, wrong)
				}
			}
		})
	}
}

// partial leaves all but the first request of a batch unprocessed.
type partial struct{ *dynamodb.Client }

func (p *partial) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	left := map[string][]types.WriteRequest{}
	for table, requests := range in.RequestItems {
		left[table] = requests[1:]
		in.RequestItems[table] = requests[:1]
	}
	out, err := p.Client.BatchWriteItem(ctx, in, o...)
	if out != nil {
		out.UnprocessedItems = left
	}
	return out, err
}

func TestUnprocessedItemsAreSentAgain(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(&partial{client}, table)
	m := commit(t, st, change(store.Revision{}, many(t, 8)...))
	c := change(m.Revision)
	c.Delete = true
	commit(t, st, c)
	for k := range scan(t, client, table) {
		if strings.HasPrefix(k, "api#") || strings.HasPrefix(k, "generations#") {
			t.Errorf("%s is left", k)
		}
	}
}
