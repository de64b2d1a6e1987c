package dynamo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// TestATableThatIsTooLargeIsReadFromItsItems, and packed again once it is not.
func TestATableThatIsTooLargeIsReadFromItsItems(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	random := rand.New(rand.NewPCG(1, 2))
	long := func(n int) (all []mapping.Permission) {
		for range n {
			var scope strings.Builder
			for scope.Len() < 1000 {
				fmt.Fprintf(&scope, "%c%x", 'a'+rune(random.IntN(26)), random.Uint64())
			}
			all = append(all, permission(t, `"resource":"many","scope":"`+scope.String()+`"`))
		}
		return all
	}
	m := commit(t, st, change(store.Revision{}, long(20)...))
	wantPacked(t, client, table, "small")
	large := change(m.Revision, long(700)...)
	m = commit(t, st, large)
	wantItems(t, client, table, "large")
	if it, ok := scan(t, client, table)["meta#"+api.ARN+"#dev snapshot"]; ok {
		t.Errorf("an item of %d attributes is left, which each load would read", len(it))
	}
	smaller := change(m.Revision)
	smaller.Remove = ids(large.Put)
	commit(t, st, smaller)
	wantPacked(t, client, table, "small again")
}

// TestWhatIsDeletedIsPackedNoMore, and in a new life only what is new.
func TestWhatIsDeletedIsPackedNoMore(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	for range 2 {
		m := commit(t, st, change(store.Revision{}, many(t, 3)...))
		wantPacked(t, client, table, "made")
		gone := change(m.Revision)
		gone.Delete = true
		commit(t, st, gone)
		for k := range scan(t, client, table) {
			if strings.HasSuffix(k, " snapshot") {
				t.Errorf("%s is left", k)
			}
		}
		if _, err := dynamo.NewReader(client, table).Load(t.Context(), api); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
}

// TestAnOlderProgramsChangeIsNeverHidden: it leaves the head's name and the item as
// they are, whatever it does; deleting and making anew as well.
func TestAnOlderProgramsChangeIsNeverHidden(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st, older := dynamo.New(client, table), dynamo.New(client, table)
	older.Plain()
	p := permission(t, `"resource":"a","scope":"s"`)
	m := commit(t, st, change(store.Revision{}, p))
	wantPacked(t, client, table, "made")
	named := find(t, client, table, " meta")["snapshot"]
	takes := change(m.Revision)
	takes.Remove = []string{p.ID()}
	m = commit(t, older, takes)
	if head := find(t, client, table, " meta"); !reflect.DeepEqual(head["snapshot"], named) {
		t.Fatalf("an older program is not simulated: %v", head)
	}
	wantItems(t, client, table, "a permission taken away by an older program")
	gone := change(m.Revision)
	gone.Delete = true
	commit(t, older, gone)
	wantPacked(t, client, table, "deleted by an older program") // one Query says that there is none
	m = commit(t, older, change(store.Revision{}, many(t, 1)...))
	wantItems(t, client, table, "made anew by an older program")
	m = commit(t, st, change(m.Revision, many(t, 1)...))
	wantPacked(t, client, table, "changed by a newer one")
	commit(t, older, change(m.Revision, many(t, 120)...))
	wantItems(t, client, table, "replaced by an older program")
}

// TestAPackedTableThatIsDamagedIsPassedOver: it is read from the items then.
func TestAPackedTableThatIsDamagedIsPassedOver(t *testing.T) {
	for name, spoil := range map[string]func(head, packed item){
		"data of another kind":   func(_, packed item) { packed["packed"] = s("text") },
		"without data":           func(_, packed item) { delete(packed, "packed") },
		"a bit of it":            func(_, packed item) { packed["packed"].(*types.AttributeValueMemberB).Value[9] ^= 1 },
		"its end":                func(_, packed item) { b := packed["packed"].(*types.AttributeValueMemberB); b.Value = b.Value[:20] },
		"a name of another kind": func(head, _ item) { head["snapshot"] = &types.AttributeValueMemberBOOL{Value: true} },
		"a later form":           func(head, _ item) { head["snapshot"] = s("2:of a later version") },
		"without a name":         func(head, _ item) { delete(head, "snapshot") },
	} {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		m := commit(t, st, change(store.Revision{}, many(t, 3)...))
		head, packed := find(t, client, table, " meta"), find(t, client, table, " snapshot")
		spoil(head, packed)
		put(t, client, table, head)
		put(t, client, table, packed)
		wantItems(t, client, table, name)
		commit(t, st, change(m.Revision, many(t, 1)...))
		wantPacked(t, client, table, name+", after the next change")
	}
}

// TestAFenceLeavesATablePacked: it changes nothing of it.
func TestAFenceLeavesATablePacked(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	m := commit(t, dynamo.New(client, table), change(store.Revision{}, many(t, 3)...))
	if _, err := dynamo.New(&deaf{Client: client}, table).Commit(t.Context(), change(m.Revision, many(t, 1)...)); !errors.Is(err, errHeld) {
		t.Fatal(err)
	}
	wantPacked(t, client, table, "fenced")
}

// TestItemsAndAttributesOfLaterVersionsAreInNobodysWay, beside the head.
func TestItemsOfLaterVersionsAreInNobodysWay(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	m := commit(t, dynamo.New(client, table), change(store.Revision{}, many(t, 3)...))
	for _, sk := range []string{"a later kind", "meta2", "snapshot2"} {
		put(t, client, table, item{"pk": s("meta#" + api.ARN + "#dev"), "sk": s(sk), "packed": &types.AttributeValueMemberB{Value: []byte("x")}})
	}
	it := find(t, client, table, " snapshot")
	it["x-future"] = s("kept or not")
	put(t, client, table, it)
	wantPacked(t, client, table, "beside other kinds")
	commit(t, dynamo.New(client, table), change(m.Revision, many(t, 1)...))
	wantPacked(t, client, table, "after a change")
	for _, sk := range []string{"a later kind", "meta2", "snapshot2"} {
		find(t, client, table, " "+sk)
	}
}

// TestItemsEditedByHandAreTold: the revision does not tell. Authorizers go by what was
// packed, and the next change, of anything in the table, packs what the items are.
func TestItemsEditedByHandAreTold(t *testing.T) {
	p := permission(t, `"resource":"a","scope":"s"`)
	for name, edit := range map[string]func(*testing.T, *dynamodb.Client, string){
		"a description": func(t *testing.T, client *dynamodb.Client, table string) {
			it := find(t, client, table, "perm#"+p.ID())
			it["description"] = s("edited")
			put(t, client, table, it)
		},
		"a permission that is gone": func(t *testing.T, client *dynamodb.Client, table string) {
			it := find(t, client, table, "perm#"+p.ID())
			if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item{"pk": it["pk"], "sk": it["sk"]}}); err != nil {
				t.Fatal(err)
			}
		},
		"a route that is gone": func(t *testing.T, client *dynamodb.Client, table string) {
			it := find(t, client, table, "route#"+routeOf(p).ID())
			if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item{"pk": it["pk"], "sk": it["sk"]}}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		m := commit(t, st, change(store.Revision{}, append(many(t, 2), p)...))
		if got, err := st.Verify(t.Context(), api); err != nil || got.Revision != m.Revision {
			t.Errorf("%s: untouched: %+v, %v", name, got, err)
		}
		edit(t, client, table)
		if _, err := st.Verify(t.Context(), api); !errors.Is(err, store.ErrEdited) {
			t.Errorf("%s: %v", name, err)
		}
		m = commit(t, st, change(m.Revision))
		wantPacked(t, client, table, name+", after a change of nothing")
		if _, err := st.Verify(t.Context(), api); err != nil {
			t.Errorf("%s, after a change of nothing: %v", name, err)
		}
		st.Plain()
		commit(t, st, change(m.Revision))
		if _, err := st.Verify(t.Context(), api); err != nil {
			t.Errorf("%s, after an older program's change: %v", name, err)
		}
	}
}

// TestAnItemThatWasMadeUnreadableByHandIsTold: authorizers go on with the table as it
// was packed, which is something else than that their calls fail.
func TestAnItemThatWasMadeUnreadableByHandIsTold(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	p := permission(t, `"resource":"a","scope":"s"`)
	m := commit(t, st, change(store.Revision{}, p))
	it := find(t, client, table, "perm#"+p.ID())
	it["sourceIp"] = s("192.0.2.1")
	put(t, client, table, it)
	if got, err := dynamo.NewReader(client, table).Load(t.Context(), api); err != nil || got.Revision != m.Revision {
		t.Errorf("authorizers: %+v, %v", got, err)
	}
	if _, err := st.Verify(t.Context(), api); !errors.Is(err, store.ErrEdited) || !strings.Contains(err.Error(), "sourceIp") {
		t.Errorf("packed: %v", err)
	}
	head := find(t, client, table, " meta") // as of a program of before: authorizers fail
	delete(head, "snapshot")
	put(t, client, table, head)
	if _, err := st.Verify(t.Context(), api); err == nil || errors.Is(err, store.ErrEdited) {
		t.Errorf("not packed: %v", err)
	}
}

// TestALaterVersionsRestrictionFailsAuthorizersToo: it packs in a form of its own, and
// the items have what this code would pass over.
func TestALaterVersionsRestrictionFailsAuthorizersToo(t *testing.T) {
	for _, form := range []string{"2:of a later version", ""} {
		client, table := dynamotest.NewTable(t)
		p := permission(t, `"resource":"a","scope":"s"`)
		commit(t, dynamo.New(client, table), change(store.Revision{}, p))
		head, it := find(t, client, table, " meta"), find(t, client, table, "perm#"+p.ID())
		head["revision"], it["sourceIp"] = &types.AttributeValueMemberN{Value: "2"}, s("192.0.2.1")
		if form != "" { // else it leaves the name of what was packed before
			head["snapshot"] = s(form)
		}
		put(t, client, table, head)
		put(t, client, table, it)
		if got, err := dynamo.NewReader(client, table).Load(t.Context(), api); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %+v, %v", form, got, err)
		}
	}
}
