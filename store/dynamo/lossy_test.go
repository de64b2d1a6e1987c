package dynamo_test

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/store/dynamo"
)

var errLossy = errors.New("lost by the test")

// loss is what goes wrong with calls to DynamoDB, at the n-th of them: all that
// the SDK retries is one call here.
type loss struct {
	name   string
	sent   bool // the n-th call is carried out, and its answer lost
	killed bool // all calls after it fail too, as those of a process that died
}

var losses = []loss{
	{"a call that is not sent", false, false},
	{"a call whose answer is lost", true, false},
	{"a process that dies before a call", false, true}, // which is after the one before it
}

// lossy is a client whose n-th call, counted from 1, suffers a loss; 0 for none.
type lossy struct {
	next  dynamo.Client
	loss  loss
	n     int64
	calls atomic.Int64
	// around, if not nil, is called before and after each call.
	around func()
}

// came reports whether there was an n-th call.
func (l *lossy) came() bool { return l.calls.Load() >= l.n }

func call[Out any](l *lossy, send func() (*Out, error)) (*Out, error) {
	if l.around != nil {
		l.around()
		defer l.around()
	}
	switch n := l.calls.Add(1); {
	case l.n == 0 || n < l.n || n > l.n && !l.loss.killed:
		return send()
	case n == l.n && l.loss.sent:
		_, _ = send()
	}
	return nil, errLossy
}

func (l *lossy) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return call(l, func() (*dynamodb.GetItemOutput, error) { return l.next.GetItem(ctx, in, o...) })
}

func (l *lossy) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return call(l, func() (*dynamodb.QueryOutput, error) { return l.next.Query(ctx, in, o...) })
}

func (l *lossy) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return call(l, func() (*dynamodb.TransactWriteItemsOutput, error) { return l.next.TransactWriteItems(ctx, in, o...) })
}

func (l *lossy) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	return call(l, func() (*dynamodb.BatchWriteItemOutput, error) { return l.next.BatchWriteItem(ctx, in, o...) })
}

func (l *lossy) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return call(l, func() (*dynamodb.UpdateItemOutput, error) { return l.next.UpdateItem(ctx, in, o...) })
}
