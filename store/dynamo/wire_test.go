package dynamo_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

type item = map[string]types.AttributeValue

var api = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func permission(t *testing.T, rest string) mapping.Permission {
	t.Helper()
	p, err := mapping.ParsePermission([]byte(`{"arn":"` + api.ARN + `","stage":"dev","httpVerb":"GET",` + rest + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// many makes n permissions on one route.
func many(t *testing.T, n int) []mapping.Permission {
	t.Helper()
	var all []mapping.Permission
	for range n {
		all = append(all, permission(t, `"resource":"many","scope":"`+ulid.Make().String()+`"`))
	}
	return all
}

func change(at store.Revision, put ...mapping.Permission) store.Change {
	return store.Change{ID: ulid.Make().String(), API: api, If: at, Put: put, By: "tid:oid", At: time.Unix(1, 0)}
}

func commit(t *testing.T, st *dynamo.Store, c store.Change) store.Meta {
	t.Helper()
	m, err := st.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// scan is every item of the table but the migrations' ledger, by "pk sk".
func scan(t *testing.T, client *dynamodb.Client, table string) map[string]item {
	t.Helper()
	all := map[string]item{}
	in := &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)}
	for {
		out, err := client.Scan(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range out.Items {
			if p := it["pk"].(*types.AttributeValueMemberS).Value; p != "migrations" {
				all[p+" "+it["sk"].(*types.AttributeValueMemberS).Value] = it
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(out.LastEvaluatedKey) == 0 {
			return all
		}
	}
}

// find is the one item whose key ends so.
func find(t *testing.T, client *dynamodb.Client, table, end string) item {
	t.Helper()
	var found []item
	for k, it := range scan(t, client, table) {
		if strings.HasSuffix(k, end) {
			found = append(found, it)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d items end with %s", len(found), end)
	}
	return found[0]
}

func put(t *testing.T, client *dynamodb.Client, table string, it item) {
	t.Helper()
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
		t.Fatal(err)
	}
}

func TestAPermissionIsStoredByTheNamesOfTheWireFormat(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	p := permission(t, `"resource":"orders/{id}","scope":"b a","role":"R","group":"g","principalType":"user",
		"tenant":"5F1C2B3A-0000-4000-8000-00000000000a","authenticated":true,"expiresAt":"2027-01-31T12:00:00Z","description":"d"`)
	commit(t, dynamo.New(client, table), change(store.Revision{}, p))
	got := find(t, client, table, "perm#"+p.ID())
	if pk := got["pk"].(*types.AttributeValueMemberS).Value; !strings.HasPrefix(pk, "api#"+api.ARN+"#dev#") {
		t.Errorf("partition %s", pk)
	}
	delete(got, "pk")
	delete(got, "sk")
	want := item{
		"arn": s(api.ARN), "stage": s("dev"), "httpVerb": s("GET"), "resource": s("orders/{id}"), "scope": s("a b"),
		"role": s("R"), "group": s("g"), "principalType": s("user"), "tenant": s("5f1c2b3a-0000-4000-8000-00000000000a"),
		"authenticated": &types.AttributeValueMemberBOOL{Value: true}, "expiresAt": s("2027-01-31T12:00:00Z"), "description": s("d"),
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberBOOL{})); diff != "" {
		t.Error(diff)
	}
}

// A later version's attributes and items survive an edit in place, a new
// generation, and are in nobody's way.
func TestWhatIsUnknownIsKept(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	p := permission(t, `"resource":"a","scope":"s","description":"old"`)
	m := commit(t, st, change(store.Revision{}, p))
	future := &types.AttributeValueMemberSS{Value: []string{"x", "y"}}
	for _, end := range []string{"perm#" + p.ID(), " meta", "route#" + routeOf(p).ID()} {
		it := find(t, client, table, end)
		it["future"] = future
		put(t, client, table, it)
	}
	kind := maps.Clone(find(t, client, table, "perm#"+p.ID()))
	kind["sk"] = s("kind#1")
	put(t, client, table, kind)

	check := func() {
		t.Helper()
		got, err := st.Load(t.Context(), api)
		if err != nil || len(got.Routes) < 1 || got.Permissions[slices.IndexFunc(got.Permissions, isSame(p))].Description != "new" {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, end := range []string{"perm#" + p.ID(), " meta", "route#" + routeOf(p).ID(), "kind#1"} {
			if !cmp.Equal(future, find(t, client, table, end)["future"], cmp.AllowUnexported(types.AttributeValueMemberSS{})) {
				t.Errorf("the unknown attribute of %s is lost", end)
			}
		}
	}
	renewed := permission(t, `"resource":"a","scope":"s","description":"new"`)
	m = commit(t, st, change(m.Revision, renewed))
	check()
	m = commit(t, st, change(m.Revision, append(many(t, 120), renewed)...))
	check()
	c := change(m.Revision)
	c.Delete = true
	commit(t, st, c)
	for k := range scan(t, client, table) {
		if !strings.HasPrefix(k, "audit#") && !strings.HasPrefix(k, "meta#") {
			t.Errorf("%s is left of a table that was deleted", k)
		}
	}
}

func routeOf(p mapping.Permission) mapping.Route { r, _ := p.Route(); return r }

func isSame(p mapping.Permission) func(mapping.Permission) bool {
	return func(o mapping.Permission) bool { return o.ID() == p.ID() }
}

// To leave an item out that cannot be read could change who gets in.
func TestWhatCannotBeReadIsAnError(t *testing.T) {
	number := &types.AttributeValueMemberN{Value: "1"}
	other := permission(t, `"resource":"b","scope":"s"`)
	faults := []struct {
		end   string
		spoil func(item)
	}{
		{"perm", func(it item) { delete(it, "scope") }},
		{"perm", func(it item) { it["scope"] = number }},
		{"perm", func(it item) { it["scope"] = &types.AttributeValueMemberB{Value: []byte("s")} }},
		{"perm", func(it item) { it["scope"] = s("other") }},
		{"perm", func(it item) { it["stage"] = s("prod") }},
		{"perm", func(it item) { it["expiresAt"] = s("soon") }},
		{"perm", func(it item) { it["sk"] = s("perm#" + other.ID()) }},
		{"perm", func(it item) { it["sk"] = s("perm#") }},
		{"route", func(it item) { it["resource"] = s("*") }},
		{"route", func(it item) { it["resource"] = s("b") }},
		{"route", func(it item) { it["stage"] = s("prod") }},
		{"route", func(it item) { it["httpVerb"] = number }},
		{"meta", func(it item) { delete(it, "incarnation") }},
		{"meta", func(it item) { delete(it, "revision") }},
		{"meta", func(it item) { delete(it, "generation") }},
		{"meta", func(it item) { it["arn"] = s(api.ARN + "x") }},
		{"meta", func(it item) { it["owners"] = s("me") }},
		{"meta", func(it item) { it["trust"] = &types.AttributeValueMemberB{Value: []byte("x")} }},
	}
	for i, f := range faults {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		p := permission(t, `"resource":"a","scope":"s"`)
		m := commit(t, st, change(store.Revision{}, p))
		it := find(t, client, table, map[string]string{"perm": "perm#" + p.ID(), "route": "route#" + routeOf(p).ID(), "meta": " meta"}[f.end])
		f.spoil(it)
		put(t, client, table, it)
		if got, err := st.Load(t.Context(), api); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("fault %d (%s): %+v, %v", i, f.end, got, err)
		}
		if _, err := st.Commit(t.Context(), change(m.Revision, other)); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("fault %d (%s): a change was answered %v", i, f.end, err)
		}
	}
}

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

// A generation that a crash left over is never seen, and Clean removes it; one
// that a writer may still be at work on stays.
func TestLeftoversAreRemovedAndWorkUnderWayIsNot(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	m := commit(t, st, change(store.Revision{}, many(t, 1)...))
	// The client holds the flip up (2 actions), after the new generation was
	// written, which is what a writer at work looks like.
	flip := &flipHeld{Client: client}
	large := change(m.Revision, many(t, 150)...)
	if _, err := dynamo.New(flip, table).Commit(t.Context(), large); !errors.Is(err, errHeld) {
		t.Fatal(err)
	}
	before := len(scan(t, client, table))
	if before < 150 {
		t.Fatalf("%d items: no generation was written", before)
	}
	if err := st.Clean(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	if after := len(scan(t, client, table)); after != before {
		t.Errorf("%d of %d items left while a writer may be at work", after, before)
	}
	commit(t, st, change(m.Revision, many(t, 1)...)) // now that writer is overtaken
	if err := st.Clean(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	left := slices.Collect(maps.Keys(scan(t, client, table)))
	// meta, apis, the generation in use, two permissions, a route, two records
	if len(left) != 8 {
		t.Errorf("left: %q", left)
	}
	if got, err := st.Load(t.Context(), api); err != nil || len(got.Permissions) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// flipHeld holds up transactions that change a head.
type flipHeld struct{ *dynamodb.Client }

func (f *flipHeld) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	for _, a := range in.TransactItems {
		if a.Update != nil && a.Update.ConditionExpression != nil {
			return nil, errHeld
		}
	}
	return f.Client.TransactWriteItems(ctx, in, o...)
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

// An outage must never look like an API that is not registered.
func TestAnOutageIsNotAnAnswer(t *testing.T) {
	server := dynamotest.StartServer(t)
	client, _ := dynamotest.WireClient(t, server.Endpoint)
	st := dynamo.New(client, dynamotest.TableOn(t, client))
	m := commit(t, st, change(store.Revision{}, many(t, 1)...))
	server.Kill()
	_, err := st.Meta(t.Context(), api)
	wantOutage(t, err)
	_, err = st.Load(t.Context(), api)
	wantOutage(t, err)
	_, err = st.Commit(t.Context(), change(m.Revision))
	wantOutage(t, err)
	_, err = st.APIs(t.Context())
	wantOutage(t, err)
	_, err = st.Audit(t.Context(), api, "", 1)
	wantOutage(t, err)
	_, err = dynamo.New(client, "no-such-table").Meta(t.Context(), api)
	wantOutage(t, err)
	server.Restart()
	got, err := st.Meta(t.Context(), api)
	if err != nil || got.Revision != m.Revision {
		t.Errorf("after the restart: %+v, %v", got, err)
	}
	_, err = dynamo.New(client, "no-such-table").Meta(t.Context(), api)
	wantOutage(t, err)
}

func wantOutage(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
	}
	for _, wrong := range []error{store.ErrConflict, store.ErrInvalid, store.ErrUnknown, store.ErrNotFound} {
		if errors.Is(err, wrong) {
			t.Errorf("%v is %v", err, wrong)
		}
	}
}
