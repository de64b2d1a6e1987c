package dynamo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// bulk makes a table by one change whose lists take several parts.
func bulk(t *testing.T, st *dynamo.Store) store.Change {
	t.Helper()
	c := change(store.Revision{}, many(t, 120)...)
	for i := range c.Put {
		c.Put[i].Description = strings.Repeat("d", 500)
	}
	commit(t, st, c)
	return c
}

// What a record lists is what was done, or there is an error.
func TestListsThatAreNotThoseOfTheRecordAreAnError(t *testing.T) {
	for name, spoil := range map[string]func(*dynamodb.Client, string, item){
		"gone": func(client *dynamodb.Client, table string, it item) {
			_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item{"pk": it["pk"], "sk": it["sk"]}})
			if err != nil {
				t.Fatal(err)
			}
		},
		"text": func(client *dynamodb.Client, table string, it item) { it["lists"] = s("x"); put(t, client, table, it) },
		"no gzip": func(client *dynamodb.Client, table string, it item) {
			it["lists"] = binary("x")
			put(t, client, table, it)
		},
		"cut": func(client *dynamodb.Client, table string, it item) {
			b := it["lists"].(*types.AttributeValueMemberB).Value
			it["lists"] = binary(string(b[:len(b)/2]))
			put(t, client, table, it)
		},
	} {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		c := bulk(t, st)
		spoil(client, table, find(t, client, table, "#000000"))
		if got, err := st.AuditDetail(t.Context(), api, c.ID); !errors.Is(err, store.ErrIncomplete) {
			t.Errorf("%s: %d added, %v", name, len(got.Added), err)
		}
		if page, err := st.Audit(t.Context(), api, "", 10); err != nil || len(page) != 1 || page[0].Counts.Put != 120 {
			t.Errorf("%s: the trail: %+v, %v", name, page, err)
		}
	}
}

func binary(text string) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: []byte(text)}
}

// Another bulk change's lists do not pass for a record's own.
func TestListsOfAnotherChangeAreAnError(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	first := bulk(t, st)
	m, err := st.Meta(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	it := find(t, client, table, "#000000")
	second := change(m.Revision, many(t, 120)...)
	commit(t, st, second)
	for k, other := range scan(t, client, table) {
		if strings.HasPrefix(k, "auditparts#") && strings.Contains(k, second.ID) {
			other["lists"] = it["lists"]
			put(t, client, table, other)
		}
	}
	if got, err := st.AuditDetail(t.Context(), api, second.ID); !errors.Is(err, store.ErrIncomplete) {
		t.Errorf("%d added, %v", len(got.Added), err)
	}
	if got, err := st.AuditDetail(t.Context(), api, first.ID); err != nil || len(got.Added) != 120 {
		t.Errorf("%d added, %v", len(got.Added), err)
	}
}

// A bulk change of before lists were kept is told apart: they are lost.
func TestARecordOfBeforeListsWereKeptSaysSo(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	c := change(store.Revision{}, many(t, 2)...)
	commit(t, st, c)
	it := find(t, client, table, " "+c.ID)
	delete(it, "added")
	delete(it, "routesAdded")
	put(t, client, table, it)
	got, err := st.AuditDetail(t.Context(), api, c.ID)
	if err != nil || !got.Unlisted || got.Counts.Put != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// One record that cannot be read hides none of the others, and is never taken
// for no record: the same change is not made twice.
func TestADamagedRecordSaysSo(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	var changes []store.Change
	at := store.Revision{}
	for range 3 {
		c := change(at, many(t, 1)...)
		at = commit(t, st, c).Revision
		changes = append(changes, c)
	}
	it := find(t, client, table, " "+changes[1].ID)
	it["added"] = s("everything")
	put(t, client, table, it)
	page, err := st.Audit(t.Context(), api, "", 10)
	if err != nil || len(page) != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	for i, r := range page {
		if r.ChangeID != changes[2-i].ID || r.API != api || (r.Damaged != "") != (i == 1) {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if _, err := st.AuditDetail(t.Context(), api, changes[1].ID); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("alone: %v", err)
	}
	_, err = st.Commit(t.Context(), changes[1])
	wantOutage(t, err)
}

// The generations of a bulk change are those that the table had.
func TestABulkRecordNamesBothGenerations(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	generation := func() string {
		return find(t, client, table, " meta")["generation"].(*types.AttributeValueMemberS).Value
	}
	m := commit(t, st, change(store.Revision{}, many(t, 1)...))
	first := generation()
	large := change(m.Revision, many(t, 150)...)
	m = commit(t, st, large)
	second := generation()
	small := change(m.Revision, many(t, 1)...)
	m = commit(t, st, small)
	gone := change(m.Revision)
	gone.Delete = true
	commit(t, st, gone)
	for id, want := range map[string][2]string{large.ID: {first, second}, small.ID: {"", ""}, gone.ID: {second, ""}} {
		r, err := st.AuditDetail(t.Context(), api, id)
		if err != nil || r.GenerationBefore != want[0] || r.GenerationAfter != want[1] {
			t.Errorf("%q to %q, want %q, %v", r.GenerationBefore, r.GenerationAfter, want, err)
		}
	}
}

// The parts of a change that was made are never touched again.
func TestCleaningKeepsTheListsOfChangesThatWereMade(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	var made []store.Change
	at := store.Revision{}
	for range 4 {
		c := change(at, many(t, 120)...)
		at = commit(t, st, c).Revision
		made = append(made, c)
	}
	gone := change(at)
	gone.Delete = true
	commit(t, st, gone)
	if err := st.Clean(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	for _, c := range made {
		if r, err := st.AuditDetail(t.Context(), api, c.ID); err != nil || len(r.Added) != 120 {
			t.Errorf("%d added, %v", len(r.Added), err)
		}
	}
	if r, err := st.AuditDetail(t.Context(), api, gone.ID); err != nil || len(r.Removed) != 480 {
		t.Errorf("%d removed, %v", len(r.Removed), err)
	}
	if left := litterOf(t, client, table, api); left != nil {
		t.Errorf("left: %q", left)
	}
}

func TestProgressOfALargeChangeGrowsToItsWhole(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	var seen []int
	whole := 0
	c := change(store.Revision{}, many(t, 450)...)
	ctx := store.WithProgress(t.Context(), func(done, total int) { seen, whole = append(seen, done), total })
	m, err := st.Commit(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	// 450 permissions, their route and the lists of the audit record
	if len(seen) != 6 || seen[0] != 0 || seen[5] != whole || whole != 452 {
		t.Errorf("%v of %d", seen, whole)
	}
	for i := range seen[1:] {
		if seen[i+1] <= seen[i] {
			t.Errorf("%v does not grow", seen)
		}
	}
	seen = nil
	if _, err := st.Commit(ctx, change(m.Revision, many(t, 1)...)); err != nil || seen != nil {
		t.Errorf("of a small change: %v, %v", seen, err)
	}
}
