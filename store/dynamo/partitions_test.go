package dynamo_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/dynamotest"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// A table that lost its ledger is still known as ours by any item of the store's.
func TestMigrationsKnowEveryPartitionOfTheStore(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	st := dynamo.New(client, table)
	commit(t, st, change(store.Revision{}, many(t, 120)...))
	if _, err := st.Revoke(t.Context(), revoking("a:b")); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]item{}
	for k, it := range scan(t, client, table) {
		partition, _, _ := strings.Cut(k, " ")
		kind, _, _ := strings.Cut(partition, "#")
		kinds[kind] = it
	}
	if len(kinds) != 7 { // meta, api, audit, auditparts, generations, apis, revocations
		t.Errorf("%d kinds of partitions", len(kinds))
	}
	for kind, it := range kinds {
		client, table := dynamotest.NewTable(t)
		for _, step := range []string{"step#0001", "step#0002"} {
			_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item{"pk": s("migrations"), "sk": s(step)}})
			if err != nil {
				t.Fatal(err)
			}
		}
		put(t, client, table, it)
		if r, err := migrations.Run(t.Context(), client, table, migrations.Options{}); err != nil || len(r.Applied) != len(migrations.Steps()) {
			t.Errorf("%s: %+v, %v", kind, r, err)
		}
	}
}
