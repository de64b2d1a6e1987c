package dynamo_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/internal/layout"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// readings is a client that counts calls: the ledger's apart from others.
type readings struct {
	*dynamodb.Client
	mu            sync.Mutex
	ledger        int
	gets, queries int
	// before, if not nil, is called before each call of a partition.
	before func(partition string)
}

func (r *readings) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	r.note(in.Key["pk"], &r.gets)
	return r.Client.GetItem(ctx, in, o...)
}

func (r *readings) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	r.note(in.ExpressionAttributeValues[":pk"], &r.queries)
	return r.Client.Query(ctx, in, o...)
}

func (r *readings) note(partition types.AttributeValue, count *int) {
	pk := partition.(*types.AttributeValueMemberS).Value
	if r.before != nil {
		r.before(pk)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if pk == layout.Partition {
		count = &r.ledger
	}
	*count++
}

// TestAStartReadsTheLedgerOnce: the list of tables, the tables and the revocations,
// side by side.
func TestAStartReadsTheLedgerOnce(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	commit(t, st, change(store.Revision{}, many(t, 3)...))
	if _, err := st.Revoke(t.Context(), revoking("a:b")); err != nil {
		t.Fatal(err)
	}
	counted := &readings{Client: client}
	reader := dynamo.NewReader(counted, table)
	clock := time.Now()
	reader.SetClock(func() time.Time { return clock })
	unknown := api
	unknown.Stage = "unknown"
	var group sync.WaitGroup
	group.Go(func() {
		if all, err := reader.APIs(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("%v, %v", all, err)
		}
		if got, err := reader.Load(t.Context(), api); err != nil || len(got.Permissions) != 3 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := reader.Load(t.Context(), unknown); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
	group.Go(func() {
		if all, err := reader.Revocations(t.Context()); err != nil || len(all.List) != 1 {
			t.Errorf("%v, %v", all, err)
		}
	})
	group.Wait()
	if counted.ledger != 1 {
		t.Errorf("the ledger was read %d times", counted.ledger)
	}
}

// TestAStoreReadsTheLedgerEachTime: what is about to be written must not rest on what
// was read a while ago.
func TestAStoreReadsTheLedgerEachTime(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	m := commit(t, st, change(store.Revision{}, many(t, 3)...))
	note(t, client, table, 9001, true)
	for call, err := range everything(t, st, m) {
		if !errors.Is(err, layout.ErrAhead) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestABreakingStepBegunInBetweenIsNoticed: a reader knows the ledger when the step is
// noted. The step changes the table at the very end of its wait, and the reader is slow
// at any of its calls, or frozen in it. What it reads of a table that was changed is an
// error, and what it read before that, slow or not, is right.
func TestABreakingStepBegunInBetweenIsNoticed(t *testing.T) {
	for _, slow := range []time.Duration{0, dynamo.GoodFor, dynamo.GoodFor + 1, layout.Settle - 1, layout.Settle, time.Hour, -time.Hour} {
		for at := 1; ; at++ {
			client, table := dynamotest.NewTable(t)
			m := commit(t, dynamo.New(client, table), change(store.Revision{}, many(t, 3)...))
			clock := time.Now()
			counted := &readings{Client: client}
			reader := dynamo.NewReader(counted, table)
			reader.SetClock(func() time.Time { return clock })
			if _, err := reader.APIs(t.Context()); err != nil {
				t.Fatal(err)
			}
			calls, changed := 0, false
			counted.before = func(string) {
				if calls++; calls == at {
					note(t, client, table, 9001, true)
					clock = clock.Add(slow)
					if changed = slow >= layout.Settle; changed {
						changeLayout(t, client, table)
					}
				}
			}
			got, err := reader.Load(t.Context(), api)
			if at > calls {
				break
			}
			right := err == nil && len(got.Permissions) == 3 && got.Revision == m.Revision
			refused := errors.Is(err, layout.ErrAhead) && errors.Is(err, store.ErrVersion)
			if good := slow >= 0 && slow <= dynamo.GoodFor; !right && !refused || good && !right || changed && !refused {
				t.Errorf("slow by %v at call %d: %d permissions at %s, %v", slow, at, len(got.Permissions), got.Revision, err)
			}
		}
	}
}

// changeLayout does what a breaking step must: it changes the revision of the table;
// and what it likes, so that this code would read something else.
func changeLayout(t *testing.T, client *dynamodb.Client, table string) {
	t.Helper()
	head := find(t, client, table, api.Stage+" meta")
	head["revision"], head["generation"] = &types.AttributeValueMemberN{Value: "2"}, s("OTHER")
	put(t, client, table, head)
}
