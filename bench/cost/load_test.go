package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/layout"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// unit is what one read unit reads, strongly consistent, in bytes (AWS: "DynamoDB
// on-demand capacity mode"); a Query's items are summed before they are rounded up.
const unit = 4096

// weighing is a client that adds up the bytes of what Queries answer.
type weighing struct {
	*dynamodb.Client
	bytes int
	units int
}

func (w *weighing) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, err := w.Client.Query(ctx, in, o...)
	if partition, ok := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS); err != nil || ok && partition.Value == layout.Partition {
		return out, err // the ledger, of one unit, is read beside what is weighed
	}
	page := 0
	for _, item := range out.Items {
		for name, v := range item {
			page += len(name) + sizeOf(v)
		}
	}
	w.bytes += page
	w.units += (page + unit - 1) / unit
	return out, nil
}

// sizeOf follows AWS ("DynamoDB item sizes and formats"), generously for numbers.
func sizeOf(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value) + 1
	case *types.AttributeValueMemberM:
		n := 3
		for name, part := range v.Value {
			n += 1 + len(name) + sizeOf(part)
		}
		return n
	case *types.AttributeValueMemberL:
		n := 3
		for _, part := range v.Value {
			n += 1 + sizeOf(part)
		}
		return n
	}
	return 1
}

// BenchmarkLoad weighs what an instance reads when it loads a table: at its start,
// and after each change of the table.
func BenchmarkLoad(b *testing.B) {
	for _, routes := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			w := newWorld(b)
			client := &weighing{Client: w.client}
			table := mapping.API{ARN: api.ARN, Stage: fmt.Sprintf("routes-%d", routes)}
			w.fill(table, routes)
			reader := dynamo.NewReader(client, w.table)
			for b.Loop() {
				client.bytes, client.units = 0, 0
				_, err := reader.Load(b.Context(), table)
				w.must(err)
			}
			b.ReportMetric(float64(client.bytes)/1000, "KB/load")
			b.ReportMetric(float64(client.units), "units/load")
		})
	}
}

// fill makes a table of so many routes, each with a permission.
func (w *world) fill(table mapping.API, routes int) {
	w.t.Helper()
	var lines []string
	for i := range routes {
		lines = append(lines, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"customers/{id}/orders-%d","scope":"orders-%d.read"}`, table.ARN, table.Stage, i, i))
	}
	list, err := mapping.ParsePermissions([]byte("[" + strings.Join(lines, ",") + "]"))
	w.must(err)
	_, err = store.Merge(w.t.Context(), dynamo.New(w.client, w.table), store.Batch{API: table, Permissions: list}, store.MergeOptions{By: "test"})
	w.must(err)
}

// TestALoadIsWeighed: the figures of the benchmark are of everything that is read.
func TestALoadIsWeighed(t *testing.T) {
	w := newWorld(t)
	client := &weighing{Client: w.client}
	snapshot, err := dynamo.NewReader(client, w.table).Load(t.Context(), api)
	w.must(err)
	text := fmt.Sprint(snapshot.Permissions[0])
	if client.units != 1 || client.bytes < len("orders/{id}")+len("orders.read") || client.bytes > unit {
		t.Errorf("%d bytes, %d units of %s", client.bytes, client.units, text)
	}
}
