package awsflush

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"scopegate/internal/flush"
)

// MaxDelay is how long SQS keeps a message back at most (AWS: "Amazon SQS message
// timers").
const MaxDelay = 900 * time.Second

// Jobs keeps jobs in a standard SQS queue. One that is due later than MaxDelay
// from now comes back before it is due. It is safe for concurrent use.
type Jobs struct {
	client *sqs.Client
	url    string
	now    func() time.Time
}

// queueRegion finds the region in the host of a queue's URL: sqs.{region}.… and
// vpce-….sqs.{region}.vpce.….
var queueRegion = regexp.MustCompile(`(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.`)

// CheckQueue checks the form of a queue's URL. FIFO queues are refused: they take
// no delay for a single message.
func CheckQueue(queue string) error {
	u, err := url.Parse(queue)
	switch {
	case err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "":
		return errors.New("must be the URL of a queue, such as https://sqs.us-east-1.amazonaws.com/123456789012/scopegate-flush")
	case strings.HasSuffix(u.Path, ".fifo"):
		return errors.New("must be a standard queue: a FIFO queue delays all of its messages alike")
	}
	return nil
}

// NewJobs makes Jobs on the queue of a URL. Messages are sent to the URL's host,
// signed for its region. now is the wall clock; nil means time.Now.
func NewJobs(c aws.Config, queue string, now func() time.Time) (*Jobs, error) {
	if err := CheckQueue(queue); err != nil {
		return nil, fmt.Errorf("open the flush queue %q: %w", queue, err)
	}
	if now == nil {
		now = time.Now
	}
	u, err := url.Parse(queue)
	if err != nil {
		return nil, fmt.Errorf("open the flush queue: %w", err)
	}
	client := sqs.NewFromConfig(c, func(o *sqs.Options) {
		if o.BaseEndpoint == nil {
			o.BaseEndpoint = aws.String(u.Scheme + "://" + u.Host)
		}
		if m := queueRegion.FindStringSubmatch(u.Hostname()); m != nil {
			o.Region = m[1]
		}
		o.APIOptions = append(o.APIOptions, untraced)
	})
	return &Jobs{client: client, url: queue, now: now}, nil
}

// untraced keeps the SDK from telling the queue which event of Lambda a job comes
// of. Jobs that are not due, or that a sweep is not through with, come back to the
// function that sent them, and Lambda stops what looks like a loop: it would give
// the seventeenth message of a chain to the dead letters (AWS: "Use Lambda recursive
// loop detection to prevent infinite loops"). Jobs end by themselves.
func untraced(stack *middleware.Stack) error {
	_, err := stack.Build.Remove((&awsmiddleware.RecursionDetection{}).ID())
	return err
}

// Schedule is flush.Jobs'.
func (q *Jobs) Schedule(ctx context.Context, j flush.Job) error {
	body, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("write a flush job: %w", err)
	}
	_, err = q.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(q.url), MessageBody: aws.String(string(body)), DelaySeconds: delay(j.Due.Sub(q.now())),
	})
	if err != nil {
		return fmt.Errorf("send a flush job to the queue: %w", err)
	}
	return nil
}

// delay is a duration in whole seconds, rounded up: never too early for want of a
// fraction.
func delay(d time.Duration) int32 {
	d = min(max(d, 0), MaxDelay)
	return int32((d + time.Second - 1) / time.Second)
}
