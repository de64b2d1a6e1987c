package adminwiring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"scopegate/internal/flush"
	"scopegate/internal/lambdaproxy"
)

// Function is the Lambda function of the admin API, a lambda.Handler: requests
// come from API Gateway, flushes that are due from the queue.
type Function struct {
	proxy lambdaproxy.Proxy
	run   func(context.Context, flush.Job) error
	queue queueName
	log   *zap.Logger
}

// Function makes the function of the parts. queueURL is FLUSH_QUEUE_URL: events
// of another queue are refused; empty takes any.
func (p *Parts) Function(queueURL string) *Function {
	f := &Function{run: p.Run, queue: nameOf(queueURL), log: p.log}
	f.proxy = lambdaproxy.Proxy{Handler: p.Handler, OnFailure: func(ctx context.Context, cause any) {
		p.log.Error("request not answered", zap.String("requestId", lambdaproxy.RequestID(ctx)), zap.String("cause", fmt.Sprint(cause)))
	}}
	return f
}

// Invoke answers one event. What a client sends stands in strings of a request's
// event, never beside Records, so that no request passes for an event of the
// queue. The error wraps ErrUnknownEvent if the payload is neither.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := f.proxy.Invoke(ctx, payload)
	if !errors.Is(err, lambdaproxy.ErrNoProxyEvent) {
		return out, err
	}
	records, err := f.records(payload)
	if err != nil {
		f.log.Error("event not answered", zap.Error(err))
		return nil, err
	}
	return json.Marshal(batch{f.flush(ctx, records)})
}

// record is one message of an event of SQS (AWS: "Using Lambda with Amazon SQS").
type record struct {
	MessageID      string `json:"messageId"`
	Body           string `json:"body"`
	EventSource    string `json:"eventSource"`
	EventSourceARN string `json:"eventSourceARN"`
}

// records takes the messages out of an event of the queue, and of nothing else.
func (f *Function) records(payload []byte) ([]record, error) {
	var members map[string]json.RawMessage // names are exact here, unlike a struct's
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, unknown("no JSON object")
	}
	list, ok := members["Records"]
	if !ok || len(members) != 1 {
		return nil, unknown("Records do not stand alone")
	}
	var records []record
	if err := json.Unmarshal(list, &records); err != nil || len(records) == 0 {
		return nil, unknown("no list of Records")
	}
	for _, r := range records {
		if r.EventSource != "aws:sqs" || r.MessageID == "" {
			return nil, unknown("a record is no message of SQS")
		}
		if !f.queue.is(r.EventSourceARN) {
			return nil, unknown("a message is of another queue, " + r.EventSourceARN)
		}
	}
	return records, nil
}

// batch says which messages come again (AWS: "Implementing partial batch
// responses": ReportBatchItemFailures).
type batch struct {
	Failures []failure `json:"batchItemFailures"`
}

type failure struct {
	ID string `json:"itemIdentifier"`
}

// atOnce bounds how many jobs of one event run side by side.
const atOnce = 4

func (f *Function) flush(ctx context.Context, records []record) []failure {
	failed := []failure{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, r := range records {
		group.Go(func() error {
			if err := f.one(ctx, r); err != nil {
				f.log.Warn("flush job not done, it comes again", zap.String("message", r.MessageID), zap.Error(err))
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, failure{r.MessageID})
			}
			return nil
		})
	}
	_ = group.Wait() // each error is a failure of its message
	return failed
}

func (f *Function) one(ctx context.Context, r record) error {
	j, err := flush.ParseJob([]byte(r.Body))
	if err != nil {
		return err
	}
	return f.run(ctx, j)
}

// queueName is what the URL and the ARN of a queue have in common.
type queueName struct{ account, name string }

func nameOf(queueURL string) queueName {
	u, err := url.Parse(queueURL)
	if err != nil || queueURL == "" {
		return queueName{}
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	q := queueName{name: parts[len(parts)-1]}
	if len(parts) == 2 && len(parts[0]) == 12 && strings.Trim(parts[0], "0123456789") == "" {
		q.account = parts[0] // stand-ins of SQS have other paths
	}
	return q
}

// is reports whether an ARN names the queue: arn:aws:sqs:{region}:{account}:{name}.
func (q queueName) is(arn string) bool {
	p := strings.Split(arn, ":")
	if len(p) != 6 || p[2] != "sqs" {
		return false
	}
	return (q.name == "" || q.name == p[5]) && (q.account == "" || q.account == p[4])
}

// Account is the account that the function runs in, out of its own ARN; "" outside
// an invocation.
func Account(ctx context.Context) string {
	c, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return ""
	}
	if p := strings.Split(c.InvokedFunctionArn, ":"); len(p) > 4 {
		return p[4]
	}
	return ""
}
