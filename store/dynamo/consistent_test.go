package dynamo_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// consistent complains of each read that may answer with what was before.
type consistent struct {
	*dynamodb.Client
	t             *testing.T
	gets, queries atomic.Int64
}

func (c *consistent) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	c.gets.Add(1)
	if !aws.ToBool(in.ConsistentRead) {
		c.t.Errorf("GetItem of %v is not consistent", in.Key)
	}
	return c.Client.GetItem(ctx, in, o...)
}

func (c *consistent) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	c.queries.Add(1)
	if !aws.ToBool(in.ConsistentRead) {
		c.t.Errorf("Query of %v is not consistent", in.ExpressionAttributeValues)
	}
	return c.Client.Query(ctx, in, o...)
}

// TestEveryReadIsConsistent (AWS: "DynamoDB read consistency"): CACHE_TTL, and that
// a change is found again in the trail, count from the change. A server on one
// machine never answers with anything older, so that no other test would tell.
func TestEveryReadIsConsistent(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	c := &consistent{Client: client, t: t}
	st := dynamo.New(c, table)
	m := commit(t, st, change(store.Revision{}, many(t, 120)...))
	bulk := change(m.Revision)
	bulk.Delete = true
	commit(t, st, bulk)
	if _, err := st.Revoke(t.Context(), revoking("a:b")); err != nil {
		t.Fatal(err)
	}
	reader := dynamo.NewReader(c, table)
	_, metaErr := reader.Meta(t.Context(), api)
	_, loadErr := reader.Load(t.Context(), api)
	if metaErr == nil || loadErr == nil {
		t.Error("the table is there still")
	}
	for name, read := range map[string]func() error{
		"APIs":        func() error { _, err := reader.APIs(t.Context()); return err },
		"Audit":       func() error { _, err := reader.Audit(t.Context(), api, "", 10); return err },
		"AuditDetail": func() error { _, err := reader.AuditDetail(t.Context(), api, bulk.ID); return err },
		"Revocations": func() error { _, err := reader.Revocations(t.Context()); return err },
		"revision":    func() error { _, err := reader.RevocationsRevision(t.Context()); return err },
		"their audit": func() error { _, err := reader.RevocationAudit(t.Context(), "", 10); return err },
		"Clean":       func() error { return st.Clean(t.Context(), api) },
	} {
		before := c.gets.Load() + c.queries.Load()
		if err := read(); err != nil || c.gets.Load()+c.queries.Load() == before {
			t.Errorf("%s: %v, nothing read: %t", name, err, err == nil)
		}
	}
}
