package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
	"scopegate/store/storetest"
)

// itemsOf is a table as it is read from its items: the definition of what a packed
// one must be. Zero if there is none.
func itemsOf(t *testing.T, client dynamo.Client, table string, of mapping.API) store.Snapshot {
	t.Helper()
	s, err := dynamo.New(client, table).Load(t.Context(), of)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	s.Stamps = nil
	return s
}

// agrees checks that authorizers read what the items say, and reports whether it was
// from the packed table.
func agrees(t *testing.T, client *dynamodb.Client, table string, of mapping.API) (packed bool) {
	t.Helper()
	want := itemsOf(t, client, table, of)
	counted := &readings{Client: client}
	reader, now := dynamo.NewReader(counted, table), time.Now()
	reader.SetClock(func() time.Time { return now }) // however busy this machine is
	got, err := reader.Load(t.Context(), of)
	if errors.Is(err, store.ErrNotFound) {
		got, err = store.Snapshot{}, nil
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("authorizers read, %v\n%+v\nthe items are\n%+v", err, got, want)
	}
	if counted.ledger != 1 {
		t.Errorf("the ledger was read %d times", counted.ledger)
	}
	return counted.queries == 1 && counted.gets == 0
}

// wantPacked checks that authorizers read what the items say, in one Query.
func wantPacked(t *testing.T, client *dynamodb.Client, table string, when string) {
	t.Helper()
	if !agrees(t, client, table, api) {
		t.Errorf("%s: the table is not read in one Query", when)
	}
}

// wantItems checks that authorizers read what the items say, from these.
func wantItems(t *testing.T, client *dynamodb.Client, table string, when string) {
	t.Helper()
	if agrees(t, client, table, api) {
		t.Errorf("%s: the table is read in one Query", when)
	}
}

// someChange is a change at random of a table as it is: of every kind there is, small
// and large.
func someChange(t *testing.T, random *rand.Rand, now store.Snapshot) store.Change {
	t.Helper()
	c := change(now.Revision)
	kind := random.IntN(12)
	for range random.IntN(4) {
		resource := []string{"", "a", "a/", "a/{id}", "a/{name}", "b/*", "c/{rest+}"}[random.IntN(7)]
		rest := fmt.Sprintf(`"resource":%q,"scope":"s%d","description":"%d"`, resource, random.IntN(3), random.IntN(9))
		if random.IntN(3) == 0 {
			rest += `,"expiresAt":"2030-01-01T00:00:00Z","role":"R","principalType":"user"`
		}
		p := permission(t, rest)
		if !strings.Contains(fmt.Sprint(ids(c.Put)), p.ID()) {
			c.Put = append(c.Put, p)
		}
	}
	switch {
	case now.Revision == store.Revision{}:
	case kind == 0:
		c = change(now.Revision)
		c.Delete = true
	case kind == 1:
		c.Put = append(c.Put, many(t, 105)...)
	case kind == 2:
		c.Put, c.Head = nil, &store.Head{Name: fmt.Sprint(random.IntN(9)), Owners: []store.Owner{{Tenant: "11111111-2222-4333-8444-555555555555", Role: "owner"}}}
	case kind == 3:
		r, err := mapping.NewRoute(api, "PUT", fmt.Sprintf("only/{p%d}", random.IntN(3)))
		if err != nil {
			t.Fatal(err)
		}
		c.PutRoutes = []mapping.Route{r}
	case kind < 8:
		for _, p := range now.Permissions {
			if random.IntN(3) == 0 && !strings.Contains(fmt.Sprint(ids(c.Put)), p.ID()) {
				c.Remove = append(c.Remove, p.ID())
			}
		}
	}
	return c
}

func ids(all []mapping.Permission) []string {
	var got []string
	for _, p := range all {
		got = append(got, p.ID())
	}
	return got
}

// TestAPackedTableIsWhatTheItemsAreAfterAnyChanges, by programs that pack and by those
// of before, in any order.
func TestAPackedTableIsWhatTheItemsAreAfterAnyChanges(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			client, table := dynamotest.NewTable(t)
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range 25 {
				now := itemsOf(t, client, table, api)
				st := dynamo.New(client, table)
				older := random.IntN(4) == 0
				if older {
					st.Plain()
				}
				c := someChange(t, random, now)
				commit(t, st, c)
				packed := agrees(t, client, table, api)
				if want := !older || c.Delete; packed != want || t.Failed() {
					t.Fatalf("change %d, by an older program %t: read from the packed table %t: %+v", i, older, packed, c)
				}
			}
		})
	}
}

// TestATableIsPackedWhateverNumberOfItemsChanges: at the edges of one transaction, in
// place and in a new generation.
func TestATableIsPackedWhateverNumberOfItemsChanges(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	m := commit(t, dynamo.New(client, table), change(store.Revision{}, permission(t, `"resource":"many","scope":"s"`)))
	for n := 96; n <= 99; n++ { // with head, record and packed table: 100 actions at 97
		m = commit(t, dynamo.New(client, table), change(m.Revision, many(t, n)...))
		wantPacked(t, client, table, fmt.Sprint(n, " permissions"))
		if left := litterOf(t, client, table, api); left != nil {
			t.Errorf("%d permissions: left: %q", n, left)
		}
	}
}

// torn is a client whose Queries of a head's partition answer with the item of another
// time, as AWS says they may.
type torn struct {
	*dynamodb.Client
	with item // in the place of the one of its key; nil for that it is not there
	key  string
}

func (c torn) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, err := c.Client.Query(ctx, in, o...)
	if pk := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS); err != nil || !strings.HasPrefix(pk.Value, "meta#") {
		return out, err
	}
	var items []item
	for _, it := range out.Items {
		if it["sk"].(*types.AttributeValueMemberS).Value != c.key {
			items = append(items, it)
		}
	}
	if c.with != nil {
		items = append(items, c.with)
	}
	out.Items = items
	return out, nil
}

// TestAQueryThatIsTornNeverMixesTwoTables: of head and packed table each may be of the
// time before a change or after it. What is read is the table of one revision.
func TestAQueryThatIsTornNeverMixesTwoTables(t *testing.T) {
	for name, next := range map[string]func(*testing.T, store.Meta) store.Change{
		"a small change":          func(t *testing.T, m store.Meta) store.Change { return change(m.Revision, many(t, 1)...) },
		"a large change":          func(t *testing.T, m store.Meta) store.Change { return change(m.Revision, many(t, 120)...) },
		"a change of nothing":     func(_ *testing.T, m store.Meta) store.Change { return change(m.Revision) },
		"a deletion":              func(_ *testing.T, m store.Meta) store.Change { c := change(m.Revision); c.Delete = true; return c },
		"a deletion, made anew":   func(_ *testing.T, m store.Meta) store.Change { c := change(m.Revision); c.Delete = true; return c },
		"an older program's":      func(t *testing.T, m store.Meta) store.Change { return change(m.Revision, many(t, 1)...) },
		"what was before is gone": func(t *testing.T, m store.Meta) store.Change { return change(m.Revision, many(t, 2)...) },
	} {
		t.Run(name, func(t *testing.T) {
			client, table := dynamotest.NewTable(t)
			st := dynamo.New(client, table)
			m := commit(t, st, change(store.Revision{}, many(t, 3)...))
			before := itemsOf(t, client, table, api)
			old := map[string]item{"meta": find(t, client, table, " meta"), "snapshot": find(t, client, table, " snapshot")}
			if name == "what was before is gone" {
				old["snapshot"] = nil
			}
			if strings.HasPrefix(name, "an older") {
				st.Plain()
			}
			commit(t, st, next(t, m))
			if strings.HasSuffix(name, "made anew") {
				commit(t, st, change(store.Revision{}, many(t, 3)...))
			}
			after := itemsOf(t, client, table, api)
			for sk, it := range old {
				got, err := dynamo.NewReader(torn{client, it, sk}, table).Load(t.Context(), api)
				switch {
				case errors.Is(err, store.ErrNotFound) && after.Revision == store.Revision{}:
				case sk == "meta" && err != nil && !errors.Is(err, store.ErrNotFound):
					// The head of before stays what the Query answers, the items of before are
					// gone: the load begins anew until it gives up, which is an outage.
				case err != nil:
					t.Errorf("%s of before: %v", sk, err)
				case reflect.DeepEqual(got, before) || reflect.DeepEqual(got, after):
				default:
					t.Errorf("%s of before: a table that never was: %+v", sk, got)
				}
			}
		})
	}
}

// TestAReaderSeesOneRevisionWhereverAChangeComesInBetween: before any of its calls.
func TestAReaderSeesOneRevisionWhereverAChangeComesInBetween(t *testing.T) {
	for _, older := range []bool{false, true} {
		for at := 1; ; at++ {
			client, table := dynamotest.NewTable(t)
			st := dynamo.New(client, table)
			if older {
				st.Plain()
			}
			m := commit(t, st, change(store.Revision{}, many(t, 3)...))
			before := itemsOf(t, client, table, api)
			calls := 0
			counted := &readings{Client: client, before: func(string) {
				if calls++; calls == at {
					commit(t, st, change(m.Revision, many(t, 120)...))
				}
			}}
			got, err := dynamo.NewReader(counted, table).Load(t.Context(), api)
			after := itemsOf(t, client, table, api)
			if err != nil || !reflect.DeepEqual(got, before) && !reflect.DeepEqual(got, after) {
				t.Errorf("before call %d: %+v, %v", at, got, err)
			}
			if at > calls {
				break
			}
		}
	}
}

// TestAChangeThatFailsAtAnyCallIsPackedAsItIsInTheItems: in one transaction, of every
// kind; those of several transactions are bulkKinds.
func TestAChangeThatFailsAtAnyCallIsPackedAsItIsInTheItems(t *testing.T) {
	first := many(t, 3)
	kinds := map[string]func(store.Meta) store.Change{
		"made": func(store.Meta) store.Change { return change(store.Revision{}, first...) },
		"edited": func(m store.Meta) store.Change {
			c := change(m.Revision, many(t, 2)...)
			c.Remove = ids(first[:1])
			return c
		},
		"renamed": func(m store.Meta) store.Change { c := change(m.Revision); c.Head = &store.Head{Name: "n"}; return c },
		"deleted": func(m store.Meta) store.Change { c := change(m.Revision); c.Delete = true; return c },
	}
	for kind, next := range kinds {
		for _, l := range losses {
			t.Run(kind+": "+l.name, func(t *testing.T) {
				t.Parallel()
				for n, came := int64(1), true; came; n++ {
					client, table := dynamotest.NewTable(t)
					var m store.Meta
					if kind != "made" {
						m = commit(t, dynamo.New(client, table), change(store.Revision{}, first...))
					}
					c := next(m)
					broken := &lossy{next: client, loss: l, n: n}
					_, err := dynamo.New(broken, table).Commit(t.Context(), c)
					came = broken.came()
					if !agrees(t, client, table, api) {
						t.Errorf("call %d: the table is not packed, %v", n, err)
					}
					if _, err := dynamo.New(client, table).Commit(t.Context(), c); err != nil {
						t.Errorf("call %d: once more: %v", n, err)
					}
					if !agrees(t, client, table, api) {
						t.Errorf("call %d: made, and not packed", n)
					}
				}
			})
		}
	}
}

// authorizers is a store whose tables are read as authorizers do.
type authorizers struct {
	*dynamo.Store
	reader *dynamo.Reader
}

func (a authorizers) Load(ctx context.Context, of mapping.API) (store.Snapshot, error) {
	return a.reader.Load(ctx, of)
}

// TestWhatAuthorizersReadKeepsTheContract: of all that is promised of tables, but for
// stamps, which they have no use for, and revocations, which they read as all do.
func TestWhatAuthorizersReadKeepsTheContract(t *testing.T) {
	left := append(storetest.RevocationCases(), "stamps say who made and who last wrote each permission",
		// At every call there is, which has tests of its own above.
		"a reader never sees half a change, wherever it comes in between",
		"a commit that breaks off anywhere is made whole or not at all", "a commit cancelled anywhere is made whole or not at all")
	storetest.RunBut(t, left, func(t *testing.T) storetest.Harness {
		client, wire := dynamotest.WireClient(t, dynamotest.Endpoint(t))
		table := dynamotest.TableOn(t, client)
		return storetest.Harness{
			Store: authorizers{dynamo.New(client, table), dynamo.NewReader(client, table)},
			Reopen: func() store.Store {
				again := dynamotest.Client(t)
				return authorizers{dynamo.New(again, table), dynamo.NewReader(again, table)}
			},
			BeforeRequest: wire.Before, LoseNextAnswer: wire.LoseCommit, CutAfter: wire.CutAfter,
		}
	})
}
