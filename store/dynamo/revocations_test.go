package dynamo_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	"scopegate/internal/dynamotest"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

var _ store.RevocationReader = (*dynamo.Reader)(nil)

func revoking(principal string) store.RevocationChange {
	at := time.Unix(1, 5)
	return store.RevocationChange{ID: ulid.Make().String(), By: "tid:oid", At: at, Put: &store.Revocation{
		PrincipalID: principal, At: at, Until: at.Add(store.MinRevocation), By: "tid:oid"}}
}

// DynamoDB may remove a revocation that has ended, never one that has not; and
// nothing else carries a time to live.
func TestOnlyRevocationsHaveATimeToLiveAndItIsAfterTheirEnd(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	commit(t, st, change(store.Revision{}, permission(t, `"resource":"a","scope":"s","expiresAt":"2027-01-31T12:00:00Z"`)))
	c := revoking("a:b")
	if _, err := st.Revoke(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for k, it := range scan(t, client, table) {
		ttl, ok := it[migrations.TTLAttribute].(*types.AttributeValueMemberN)
		if ok != (k == "revocations principal#a:b") {
			t.Errorf("%s: time to live %v", k, it[migrations.TTLAttribute])
		}
		if ok && ttl.Value != fmt.Sprint(c.Put.Until.Unix()+1) {
			t.Errorf("time to live %s of a revocation until %d", ttl.Value, c.Put.Until.Unix())
		}
	}
}

// To leave a revocation out that cannot be read would let its principal in.
func TestARevocationThatCannotBeReadIsAnError(t *testing.T) {
	for i, f := range []struct {
		end   string
		spoil func(item)
	}{
		{"principal#a:b", func(it item) { delete(it, "at") }},
		{"principal#a:b", func(it item) { delete(it, "until") }},
		{"principal#a:b", func(it item) { it["at"] = s("soon") }},
		{"principal#a:b", func(it item) { it["principalId"] = s("a:c") }},
		{"principal#a:b", func(it item) { it["by"] = &types.AttributeValueMemberB{Value: []byte("x")} }},
		{"revocations meta", func(it item) { delete(it, "incarnation") }},
		{"revocations meta", func(it item) { it["revision"] = s("1") }},
	} {
		client, table := dynamotest.NewTable(t)
		st := dynamo.New(client, table)
		if _, err := st.Revoke(t.Context(), revoking("a:b")); err != nil {
			t.Fatal(err)
		}
		it := find(t, client, table, f.end)
		f.spoil(it)
		put(t, client, table, it)
		if got, err := st.Revocations(t.Context()); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("fault %d: %+v, %v", i, got, err)
		}
	}
}

// One record that cannot be read hides none of the others.
func TestADamagedRecordOfRevocationsSaysSo(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	var ids []string
	for _, principal := range []string{"a:b", "a:c", "a:d"} {
		c := revoking(principal)
		if _, err := st.Revoke(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	it := find(t, client, table, "audit#revocations "+ids[1])
	it["at"] = s("soon")
	put(t, client, table, it)
	got, err := st.RevocationAudit(t.Context(), "", 10)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, r := range got {
		if r.ChangeID != ids[2-i] || (r.Damaged != "") != (i == 1) {
			t.Errorf("record %d: %+v", i, r)
		}
	}
}

func TestAnOutageOfRevocationsIsNotAnAnswer(t *testing.T) {
	server := dynamotest.StartServer(t)
	client, _ := dynamotest.WireClient(t, server.Endpoint)
	st := dynamo.New(client, dynamotest.TableOn(t, client))
	server.Kill()
	_, err := st.RevocationsRevision(t.Context())
	wantOutage(t, err)
	_, err = st.Revocations(t.Context())
	wantOutage(t, err)
	_, err = st.RevocationAudit(t.Context(), "", 1)
	wantOutage(t, err)
	_, err = st.Revoke(t.Context(), revoking("a:b"))
	wantOutage(t, err)
}
