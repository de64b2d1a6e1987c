package dynamo_test

import (
	"testing"
	"time"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
)

func TestAReaderForAuthorizersLeavesStampsOut(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	commit(t, dynamo.New(client, table), change(store.Revision{}, many(t, 2)...))
	got, err := dynamo.NewReader(client, table).Load(t.Context(), api)
	if err != nil || len(got.Permissions) != 2 || got.Stamps != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// A stamp says nothing about who gets in: a table is served without it, and the
// next change writes what it can.
func TestAStampThatCannotBeReadFailsNothing(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	p := permission(t, `"resource":"a","scope":"s"`)
	m := commit(t, st, change(store.Revision{}, p))
	it := find(t, client, table, "perm#"+p.ID())
	it["x-stamp"] = s("me, soon")
	put(t, client, table, it)
	got, err := st.Load(t.Context(), api)
	if err != nil || len(got.Permissions) != 1 || got.Stamps[p.ID()] != (store.Stamp{}) {
		t.Fatalf("%+v, %v", got, err)
	}
	commit(t, st, change(m.Revision, permission(t, `"resource":"a","scope":"s","description":"d"`)))
	got, err = st.Load(t.Context(), api)
	want := store.Stamp{UpdatedBy: "tid:oid", UpdatedAt: time.Unix(1, 0).UTC()}
	if err != nil || got.Stamps[p.ID()] != want {
		t.Errorf("%+v, %v", got.Stamps, err)
	}
}
