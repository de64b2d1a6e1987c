package dynamo_test

import (
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
		"x-stamp": s(`{"createdBy":"tid:oid","createdAt":"1970-01-01T00:00:01Z"}`),
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberBOOL{})); diff != "" {
		t.Error(diff)
	}
}

// A later version's restriction of a permission must not be passed over.
func TestAnUnknownRestrictionFailsTheRead(t *testing.T) {
	for _, name := range []string{"Tenant", "sourceIp", "X-note"} {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		p := permission(t, `"resource":"a","scope":"s"`)
		commit(t, st, change(store.Revision{}, p))
		it := find(t, client, table, "perm#"+p.ID())
		it[name] = s("8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11")
		put(t, client, table, it)
		if got, err := st.Load(t.Context(), api); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("with %s: %d permissions, %v", name, len(got.Permissions), err)
		}
	}
}

// A later version's annotations and items survive an edit in place, a new
// generation, and are in nobody's way.
func TestWhatIsUnknownIsKept(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	p := permission(t, `"resource":"a","scope":"s","description":"old"`)
	m := commit(t, st, change(store.Revision{}, p))
	future := &types.AttributeValueMemberSS{Value: []string{"x", "y"}}
	for _, end := range []string{"perm#" + p.ID(), " meta", "route#" + routeOf(p).ID()} {
		it := find(t, client, table, end)
		it["x-future"] = future
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
			if !cmp.Equal(future, find(t, client, table, end)["x-future"], cmp.AllowUnexported(types.AttributeValueMemberSS{})) {
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
		if !strings.HasPrefix(k, "audit") && !strings.HasPrefix(k, "meta#") {
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
