package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	"scopegate/bench/internal/wire"
	"scopegate/internal/layout"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// weighing is a client that adds up what is read and written, but for the ledger, of
// one unit, which is read beside what is weighed.
type weighing struct {
	*dynamodb.Client
	calls, bytes, units int
	written             float64 // units, as the server reckons them
}

func (w *weighing) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, err := w.Client.Query(ctx, in, o...)
	if partition, ok := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS); err != nil || ok && partition.Value == layout.Partition {
		return out, err
	}
	w.weigh(out.Items...)
	return out, nil
}

func (w *weighing) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := w.Client.GetItem(ctx, in, o...)
	if err == nil {
		w.weigh(out.Item)
	}
	return out, err
}

func (w *weighing) weigh(items ...map[string]types.AttributeValue) {
	page := 0
	for _, item := range items {
		page += wire.Size(item)
	}
	w.calls++
	w.bytes += page
	w.units += int(wire.Units(page))
}

func (w *weighing) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := w.Client.TransactWriteItems(ctx, in, o...)
	if err == nil {
		for _, c := range out.ConsumedCapacity {
			w.written += *c.CapacityUnits
		}
	}
	return out, err
}

// tableSizes are the routes of the tables that are weighed.
var tableSizes = []int{10, 100, 1000, 10_000}

// BenchmarkLoad weighs what an instance reads when it loads a table, at its start and
// after each change of the table: where the table is packed into one item, and where
// it is not, as after a change by a program of before there was that.
func BenchmarkLoad(b *testing.B) {
	w := newWorld(b)
	client := &weighing{Client: w.client}
	for _, routes := range tableSizes {
		table := w.fill(routes)
		for _, packed := range []bool{true, false} {
			if !packed {
				w.unpack(table)
			}
			b.Run(fmt.Sprintf("routes=%d/packed=%t", routes, packed), func(b *testing.B) {
				b.ReportAllocs()
				began, loads := w.processor(), 0.0
				for b.Loop() {
					client.calls, client.bytes, client.units = 0, 0, 0
					_, err := dynamo.NewReader(client, w.table).Load(b.Context(), table)
					w.must(err)
					loads++
				}
				b.ReportMetric(float64(w.processor()-began)/1e6/loads, "CPU-ms/load")
				b.ReportMetric(float64(client.bytes)/1000, "KB/load")
				b.ReportMetric(float64(client.units), "units/load")
				b.ReportMetric(float64(client.calls), "calls/load")
			})
		}
	}
}

// BenchmarkChange weighs what a change of one permission writes.
func BenchmarkChange(b *testing.B) {
	w := newWorld(b)
	client := &weighing{Client: w.client}
	for _, routes := range tableSizes {
		table := w.fill(routes)
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			began, changes := w.processor(), 0.0
			for b.Loop() {
				client.written = 0
				w.change(client, table)
				changes++
			}
			b.ReportMetric(float64(w.processor()-began)/1e6/changes, "CPU-ms/change")
			b.ReportMetric(client.written, "units/change")
		})
	}
}

// change puts one permission into a table, on a route that is there.
func (w *world) change(client dynamo.Client, table mapping.API) {
	w.t.Helper()
	st := dynamo.New(client, w.table)
	now, err := st.Meta(w.t.Context(), table)
	w.must(err)
	p, err := mapping.ParsePermission(fmt.Appendf(nil, `{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"customers/{id}/orders-0","scope":"more"}`, table.ARN, table.Stage))
	w.must(err)
	_, err = st.Commit(w.t.Context(), store.Change{ID: ulid.Make().String(), API: table, If: now.Revision, Put: []mapping.Permission{p}, By: "test", At: epoch})
	w.must(err)
}

// processor is the processor time of this process, which the server's is not in.
func (w *world) processor() time.Duration {
	var u syscall.Rusage
	w.must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// unpack takes away the item that a table is packed into.
func (w *world) unpack(table mapping.API) {
	w.t.Helper()
	_, err := w.client.DeleteItem(w.t.Context(), &dynamodb.DeleteItemInput{TableName: &w.table, Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "meta#" + table.ARN + "#" + table.Stage}, "sk": &types.AttributeValueMemberS{Value: "snapshot"},
	}})
	w.must(err)
}

// fill makes a table of so many routes, each with a permission.
func (w *world) fill(routes int) mapping.API {
	w.t.Helper()
	table := mapping.API{ARN: api.ARN, Stage: fmt.Sprintf("routes-%d", routes)}
	var lines []string
	for i := range routes {
		lines = append(lines, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"customers/{id}/orders-%d","scope":"orders-%d.read"}`, table.ARN, table.Stage, i, i))
	}
	list, err := mapping.ParsePermissions([]byte("[" + strings.Join(lines, ",") + "]"))
	w.must(err)
	_, err = store.Merge(w.t.Context(), dynamo.New(w.client, w.table), store.Batch{API: table, Permissions: list}, store.MergeOptions{By: "test"})
	w.must(err)
	return table
}

// TestALoadIsWeighed: the figures of the benchmark are of everything that is read. A
// packed table is one call, whatever its size, and a fraction of the bytes.
func TestALoadIsWeighed(t *testing.T) {
	w := newWorld(t)
	table := w.fill(100)
	load := func() *weighing {
		t.Helper()
		client := &weighing{Client: w.client}
		snapshot, err := dynamo.NewReader(client, w.table).Load(t.Context(), table)
		w.must(err)
		if len(snapshot.Permissions) != 100 || len(snapshot.Routes) != 100 {
			t.Errorf("%d permissions, %d routes", len(snapshot.Permissions), len(snapshot.Routes))
		}
		return client
	}
	packed := load()
	w.unpack(table)
	items := load()
	if packed.calls != 1 || packed.bytes < 400 || items.calls != 3 || items.bytes < 100*len(table.ARN) || packed.units > 2 || 5*packed.units > items.units {
		t.Errorf("packed: %+v, items: %+v", packed, items)
	}
}

// TestWhatAChangeWritesIsWeighed: by the server, where it tells.
func TestWhatAChangeWritesIsWeighed(t *testing.T) {
	w := newWorld(t)
	client := &weighing{Client: w.client}
	w.change(client, w.fill(10))
	if client.written < 8 { // permission, head, audit record, packed table: two units each
		t.Errorf("%v units", client.written)
	}
}
