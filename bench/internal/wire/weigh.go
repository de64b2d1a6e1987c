package wire

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// unit is what one read unit reads, strongly consistent, in bytes (AWS: "DynamoDB
// on-demand capacity mode"); a Query's items are summed before they are rounded up.
const unit = 4096

// Weighing is a client that adds up what reads cost. It is safe for concurrent use.
type Weighing struct {
	*dynamodb.Client
	Gets, Queries atomic.Int64 // calls, however often the SDK sends them
	Units         atomic.Int64
}

// GetItem is dynamodb.Client's.
func (w *Weighing) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	w.Gets.Add(1)
	out, err := w.Client.GetItem(ctx, in, o...)
	if err == nil {
		w.Units.Add(Units(Size(out.Item)))
	}
	return out, err
}

// Query is dynamodb.Client's.
func (w *Weighing) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	w.Queries.Add(1)
	out, err := w.Client.Query(ctx, in, o...)
	if err != nil {
		return out, err
	}
	page := 0
	for _, item := range out.Items {
		page += Size(item)
	}
	w.Units.Add(Units(page))
	return out, nil
}

// Units are the read units of so many bytes, strongly consistent; nothing costs one
// too.
func Units(bytes int) int64 { return int64(max(1, (bytes+unit-1)/unit)) }

// Size is that of an item as AWS reckons it ("DynamoDB item sizes and formats"),
// generously for numbers.
func Size(item map[string]types.AttributeValue) int {
	n := 0
	for name, v := range item {
		n += len(name) + sizeOf(v)
	}
	return n
}

func sizeOf(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberB:
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

// Counting is a transport that counts the bytes of answers' bodies.
type Counting struct {
	Next  http.RoundTripper
	Bytes atomic.Int64
}

// RoundTrip is http.RoundTripper's.
func (c *Counting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.Next.RoundTrip(r)
	if err == nil {
		answer.Body = &countedBody{answer.Body, &c.Bytes}
	}
	return answer, err
}

type countedBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}
