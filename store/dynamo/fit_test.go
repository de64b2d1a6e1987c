package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	"scopegate/internal/dynamotest"
	"scopegate/internal/layout"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// note writes a step into the ledger as a newer program would.
func note(t *testing.T, client *dynamodb.Client, table string, number int, breaking bool) {
	t.Helper()
	put(t, client, table, item{
		"pk": s("migrations"), "sk": s(fmt.Sprintf("step#%04d", number)), "name": s("of a later version"),
		"breaking": &types.AttributeValueMemberBOOL{Value: breaking},
	})
}

func revocationOf(principal string) store.RevocationChange {
	at := time.Unix(1e9, 0).UTC()
	return store.RevocationChange{ID: ulid.Make().String(), By: "t:o", At: at,
		Put: &store.Revocation{PrincipalID: principal, At: at, Until: at.Add(store.MinRevocation), By: "t:o"}}
}

// everything that reads or writes items, on a store that has a table at revision m.
func everything(t *testing.T, st *dynamo.Store, m store.Meta) map[string]error {
	t.Helper()
	none := api
	none.Stage = "unknown"
	unregistered := change(store.Revision{}, permission(t, `"resource":"new","scope":"s"`))
	unregistered.API = none
	unregistered.Put = nil
	got := map[string]error{}
	_, got["load"] = st.Load(t.Context(), api)
	_, got["load of an unknown API"] = st.Load(t.Context(), none)
	_, got["head of an unknown API"] = st.Meta(t.Context(), none)
	_, got["list of APIs"] = st.APIs(t.Context())
	_, got["revocations"] = st.Revocations(t.Context())
	_, got["change"] = st.Commit(t.Context(), change(m.Revision, permission(t, `"resource":"b","scope":"s"`)))
	_, got["a new table"] = st.Commit(t.Context(), unregistered)
	_, got["revoke"] = st.Revoke(t.Context(), revocationOf("t:somebody"))
	at := time.Unix(1e9, 0).UTC()
	_, got["unrevoke"] = st.Revoke(t.Context(), store.RevocationChange{ID: ulid.Make().String(), By: "t:o", At: at, Remove: "t:other"})
	gone := change(m.Revision)
	gone.Delete = true
	_, got["delete"] = st.Commit(t.Context(), gone)
	_, got["a large change"] = st.Commit(t.Context(), change(m.Revision, many(t, 120)...))
	owners := change(m.Revision)
	owners.Head = &store.Head{Name: "renamed"}
	_, got["owners"] = st.Commit(t.Context(), owners)
	got["clean"] = st.Clean(t.Context(), api)
	return got
}

// TestATableThatIsNotForThisCodeFailsAndNeverDenies: a step that this code does
// not know and that breaks it, or one that it cannot do without. Nothing comes out
// as "not there", which a caller would be denied for, and nothing is written.
func TestATableThatIsNotForThisCodeFailsAndNeverDenies(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*testing.T, *dynamodb.Client, string, *dynamo.Store)
		want  error
	}{
		"ahead": {func(t *testing.T, client *dynamodb.Client, table string, _ *dynamo.Store) {
			note(t, client, table, 9001, true)
		}, layout.ErrAhead},
		"behind": {func(_ *testing.T, _ *dynamodb.Client, _ string, st *dynamo.Store) {
			st.Pretend(layout.Code{Newest: 9001, Needs: 9001})
		}, layout.ErrBehind},
	} {
		for _, revoked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, somebody revoked: %v", name, revoked), func(t *testing.T) {
				client, table := dynamotest.NewTable(t)
				st := dynamo.New(client, table)
				m := commit(t, st, change(store.Revision{}, permission(t, `"resource":"a","scope":"s"`)))
				if revoked {
					if _, err := st.Revoke(t.Context(), revocationOf("t:other")); err != nil {
						t.Fatal(err)
					}
				}
				left := item{"pk": s("generations#" + api.ARN + "#" + api.Stage), "sk": s("OLD"), "fromRevision": &types.AttributeValueMemberN{Value: "0"}}
				put(t, client, table, left) // which this code would remove
				c.spoil(t, client, table, st)
				before := scan(t, client, table)
				for call, err := range everything(t, st, m) {
					if !errors.Is(err, c.want) || !errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnknown) {
						t.Errorf("%s: %v, want %v", call, err, c.want)
					}
				}
				if after := scan(t, client, table); !reflect.DeepEqual(after, before) {
					t.Errorf("%d items, %d before, not the same", len(after), len(before))
				}
				if _, err := st.Meta(t.Context(), api); err != nil {
					t.Errorf("a head that says that nothing has changed needs no ledger: %v", err)
				}
			})
		}
	}
}

// TestAStepThatBreaksNothingStopsNobody, known or not.
func TestAStepThatBreaksNothingStopsNobody(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	note(t, client, table, 9001, false)
	st := dynamo.New(client, table)
	m := commit(t, st, change(store.Revision{}, permission(t, `"resource":"a","scope":"s"`)))
	for call, err := range everything(t, st, m) {
		// Each is made for the same revision, so that those after the first conflict.
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestAHeadOfALaterLayoutSaysWhatItIs, rather than what is wrong with it.
func TestAHeadOfALaterLayoutSaysWhatItIs(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	commit(t, st, change(store.Revision{}, permission(t, `"resource":"a","scope":"s"`)))
	head := find(t, client, table, " meta")
	delete(head, "incarnation")
	put(t, client, table, head)
	if _, err := st.Meta(t.Context(), api); err == nil || errors.Is(err, layout.ErrAhead) {
		t.Errorf("a damaged head: %v", err)
	}
	note(t, client, table, 9001, true)
	if _, err := st.Meta(t.Context(), api); !errors.Is(err, layout.ErrAhead) {
		t.Errorf("a head of a later layout: %v, want ErrAhead", err)
	}
}

// TestALedgerThatCannotBeReadIsAnOutage: it is neither a table that fits nor one
// that does not.
func TestALedgerThatCannotBeReadIsAnOutage(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	commit(t, dynamo.New(client, table), change(store.Revision{}, permission(t, `"resource":"a","scope":"s"`)))
	cut, wire := dynamotest.WireClient(t, dynamotest.Endpoint(t))
	wire.Decide(func(operation string, _ int) dynamotest.Fate {
		if operation == "Query" {
			return dynamotest.Refuse
		}
		return dynamotest.Deliver
	})
	_, err := dynamo.New(cut, table).Load(t.Context(), api)
	for _, wrong := range []error{store.ErrNotFound, layout.ErrAhead, layout.ErrBehind} {
		if err == nil || errors.Is(err, wrong) {
			t.Errorf("%v", err)
		}
	}
}

// noLedger is a DynamoDB whose ledger alone does not answer: the partition is
// throttled, say.
type noLedger struct{ *dynamodb.Client }

var errThrottled = errors.New("the ledger does not answer")

func (n noLedger) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if pk, ok := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS); ok && pk.Value == layout.Partition {
		return nil, errThrottled
	}
	return n.Client.Query(ctx, in, o...)
}

// TestWithoutItsLedgerNothingIsKnownOfATable: not that it is there, not that it is
// not, which callers would be denied for, and nothing is written.
func TestWithoutItsLedgerNothingIsKnownOfATable(t *testing.T) {
	for _, revoked := range []bool{false, true} {
		client, table := dynamotest.NewTable(t)
		whole := dynamo.New(client, table)
		m := commit(t, whole, change(store.Revision{}, permission(t, `"resource":"a","scope":"s"`)))
		if revoked {
			if _, err := whole.Revoke(t.Context(), revocationOf("t:other")); err != nil {
				t.Fatal(err)
			}
		}
		st := dynamo.New(noLedger{client}, table)
		before := scan(t, client, table)
		for call, err := range everything(t, st, m) {
			if !errors.Is(err, errThrottled) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrConflict) {
				t.Errorf("%s (somebody revoked: %v): %v, want an outage", call, revoked, err)
			}
		}
		if after := scan(t, client, table); !reflect.DeepEqual(after, before) {
			t.Errorf("%d items, %d before, not the same", len(after), len(before))
		}
		if _, err := st.Meta(t.Context(), api); err != nil {
			t.Errorf("a head that says that nothing has changed needs no ledger: %v", err)
		}
	}
}
