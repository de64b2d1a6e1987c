package dynamo_test

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// TestWhatALaterVersionWroteSurvivesEveryKindOfChange: a document that replaces the
// table, small and in a new generation, going back to an earlier revision, and the
// tidying after them. Kinds of items and attributes that nobody here knows stay as
// they are; so do partitions.
func TestWhatALaterVersionWroteSurvivesEveryKindOfChange(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	p := permission(t, `"resource":"a","scope":"s"`)
	first := commit(t, st, change(store.Revision{}, p))
	future := &types.AttributeValueMemberM{Value: item{"b": &types.AttributeValueMemberB{Value: []byte{0, 1}}}}
	kept := []string{"perm#" + p.ID(), "route#" + routeOf(p).ID(), " meta"}
	for _, end := range kept {
		it := find(t, client, table, end)
		it["x-future"] = future
		put(t, client, table, it)
	}
	kind := maps.Clone(find(t, client, table, "perm#"+p.ID()))
	kind["sk"] = s("group#1")
	put(t, client, table, kind)
	for _, pk := range []string{"groups#x", "revocationsets"} {
		put(t, client, table, item{"pk": s(pk), "sk": s("later#" + pk), "x-future": future})
		kept = append(kept, "later#"+pk)
	}
	kept = append(kept, "group#1")
	check := func(when string) {
		t.Helper()
		for _, end := range kept {
			got := find(t, client, table, end)["x-future"]
			if !cmp.Equal(types.AttributeValue(future), got, cmp.AllowUnexported(types.AttributeValueMemberM{}, types.AttributeValueMemberB{})) {
				t.Errorf("%s: %s has lost what it held", when, end)
			}
		}
	}
	replace := func(when string, to store.Snapshot) store.Meta {
		t.Helper()
		from, err := st.Load(t.Context(), api)
		if err != nil {
			t.Fatal(err)
		}
		to.Meta = from.Meta
		if to.Routes == nil {
			to.Routes = from.Routes
		}
		c, err := store.ReplaceBy(from, to)
		if err != nil {
			t.Fatal(err)
		}
		base := change(from.Revision)
		c.ID, c.By, c.At = base.ID, base.By, base.At
		m := commit(t, st, c)
		check(when)
		return m
	}
	replace("a document", store.Snapshot{Permissions: append(many(t, 2), p)})
	replace("a large document", store.Snapshot{Permissions: append(many(t, 120), p)})
	back, err := store.At(t.Context(), st, api, first.Revision)
	if err != nil {
		t.Fatal(err)
	}
	replace("going back", back)
	if err := st.Clean(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	check("tidied")
}

// TestARevocationKeepsWhatALaterVersionWrote, when it is made again.
func TestARevocationKeepsWhatALaterVersionWrote(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	first := revocationOf("t:somebody")
	first.Put.Reason = "lost laptop"
	if _, err := st.Revoke(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"principal#t:somebody", "revocations meta"} {
		it := find(t, client, table, end)
		it["x-future"] = s("kept")
		put(t, client, table, it)
	}
	if _, err := st.Revoke(t.Context(), revocationOf("t:somebody")); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"principal#t:somebody", "revocations meta"} {
		if it := find(t, client, table, end); !cmp.Equal(types.AttributeValue(s("kept")), it["x-future"], cmp.AllowUnexported(types.AttributeValueMemberS{})) {
			t.Errorf("%s has lost what it held: %v", end, it)
		}
	}
	if it := find(t, client, table, "principal#t:somebody"); it["reason"] != nil || it["ttl"] == nil {
		t.Errorf("what is known of it is not the new revocation's: %v", it)
	}
	all, err := st.Revocations(t.Context())
	if err != nil || len(all.List) != 1 || all.List[0].Reason != "" {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestAChangeOfPermissionsLeavesTheHeadsOwnWordsAlone: what a later version put into
// an entry of owners or trust is not known here, and nobody changed the head.
func TestAChangeOfPermissionsLeavesTheHeadsOwnWordsAlone(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	first := change(store.Revision{}, many(t, 1)...)
	first.Head = &store.Head{Name: "orders", Owners: []store.Owner{{Tenant: "11111111-2222-4333-8444-555555555555", Role: "owner"}}}
	m := commit(t, st, first)
	head := find(t, client, table, " meta")
	owner := head["owners"].(*types.AttributeValueMemberL).Value[0].(*types.AttributeValueMemberM)
	owner.Value["until"] = s("2030")
	put(t, client, table, head)
	for _, n := range []int{2, 120} { // the second makes a new generation
		m = commit(t, st, change(m.Revision, many(t, n)...))
		got, ok := find(t, client, table, " meta")["owners"].(*types.AttributeValueMemberL)
		if !ok || len(got.Value) != 1 || !cmp.Equal(got.Value[0], types.AttributeValue(owner), cmp.AllowUnexported(types.AttributeValueMemberM{}, types.AttributeValueMemberS{})) {
			t.Errorf("after a change of %d permissions the owners are %+v", n, got)
		}
		if len(m.Owners) != 1 || m.Name != "orders" {
			t.Errorf("answered with %+v", m)
		}
	}
}

// TestTheListOfAPIsPassesOverOtherKinds, and not over a name that is damaged.
func TestTheListOfAPIsPassesOverOtherKinds(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	commit(t, st, change(store.Revision{}, many(t, 1)...))
	put(t, client, table, item{"pk": s("apis"), "sk": s("index#later")})
	if all, err := st.APIs(t.Context()); err != nil || len(all) != 1 || all[0] != api {
		t.Errorf("%v, %v", all, err)
	}
	put(t, client, table, item{"pk": s("apis"), "sk": s("arn:aws:execute-api:damaged")})
	if all, err := st.APIs(t.Context()); err == nil {
		t.Errorf("beside a damaged name: %v", all)
	}
}
