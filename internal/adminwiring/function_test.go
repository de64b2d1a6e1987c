package adminwiring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/zap"

	"scopegate/internal/flush"
	"scopegate/internal/lambdaproxy"
)

const queueURL = "https://sqs.us-east-1.amazonaws.com/219852565112/scopegate-flush"

// jobs notes what was run.
type jobs struct {
	mu  sync.Mutex
	ids []string
	err error
}

func (j *jobs) run(_ context.Context, job flush.Job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ids = append(j.ids, job.ID)
	if strings.HasPrefix(job.ID, "bad") {
		return errors.New("no")
	}
	return j.err
}

func function(j *jobs, queue string) *Function {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Write(append([]byte(r.URL.Path+" "), b...))
	})
	return &Function{proxy: lambdaproxy.Proxy{Handler: echo}, run: j.run, queue: nameOf(queue), log: zap.NewNop()}
}

func sqsRecord(id, body string) string {
	b, _ := json.Marshal(body)
	return fmt.Sprintf(`{"messageId":%q,"receiptHandle":"h","body":%s,"attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{},`+
		`"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:219852565112:scopegate-flush","awsRegion":"us-east-1"}`, id, b)
}

func job(id string) string { return `{"id":"` + id + `","due":"2026-01-01T00:00:00Z"}` }

// TestOnlyWhatFailedComesAgain: the messages of an event are told apart.
func TestOnlyWhatFailedComesAgain(t *testing.T) {
	var j jobs
	event := `{"Records":[` + strings.Join([]string{
		sqsRecord("m1", job("a")), sqsRecord("m2", job("bad")), sqsRecord("m3", "nonsense"), sqsRecord("m4", job("b")),
	}, ",") + `]}`
	out, err := function(&j, queueURL).Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	var b batch
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(b.Failures, func(a, b failure) int { return strings.Compare(a.ID, b.ID) })
	slices.Sort(j.ids)
	if !slices.Equal(b.Failures, []failure{{"m2"}, {"m3"}}) || !slices.Equal(j.ids, []string{"a", "b", "bad"}) {
		t.Errorf("%s, ran %v", out, j.ids)
	}
	j.ids = nil
	if out, err = function(&j, queueURL).Invoke(t.Context(), []byte(`{"Records":[`+sqsRecord("m1", job("a"))+`]}`)); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("all well: %s, %v", out, err)
	}
}

func TestWhatIsNoEventOfTheQueueIsAnError(t *testing.T) {
	good := sqsRecord("m1", job("a"))
	for name, event := range map[string]string{
		"empty": ``, "null": `null`, "list": `[]`, "nothing": `{}`, "no records": `{"Records":[]}`, "null records": `{"Records":null}`,
		"lower case":      `{"records":[` + good + `]}`,
		"more":            `{"Records":[` + good + `],"x":1}`,
		"and a request":   `{"Records":[` + good + `],"httpMethod":"GET","path":"/","requestContext":{}}`,
		"another source":  `{"Records":[` + strings.ReplaceAll(good, `"aws:sqs"`, `"aws:sns"`) + `]}`,
		"another queue":   `{"Records":[` + strings.ReplaceAll(good, ":scopegate-flush", ":other") + `]}`,
		"another account": `{"Records":[` + strings.ReplaceAll(good, "219852565112", "123456789012") + `]}`,
		"no ARN":          `{"Records":[` + strings.ReplaceAll(good, "arn:aws:sqs", "x") + `]}`,
		"no id":           `{"Records":[` + sqsRecord("", job("a")) + `]}`,
		"one of two":      `{"Records":[` + good + `,{}]}`,
		"a schedule":      `{"source":"aws.events","detail-type":"Scheduled Event"}`,
		"an authorizer's": `{"type":"TOKEN","authorizationToken":"x","methodArn":"x"}`,
	} {
		var j jobs
		if out, err := function(&j, queueURL).Invoke(t.Context(), []byte(event)); !errors.Is(err, ErrUnknownEvent) || len(j.ids) > 0 {
			t.Errorf("%s: %s, %v, ran %v", name, out, err, j.ids)
		}
	}
}

// TestNoRequestPassesForAnEventOfTheQueue, whatever the client puts where.
func TestNoRequestPassesForAnEventOfTheQueue(t *testing.T) {
	var j jobs
	queue := `{"Records":[` + sqsRecord("m1", job("a")) + `]}`
	text, _ := json.Marshal(queue)
	for _, event := range []string{
		`{"httpMethod":"POST","path":"/Records","requestContext":{},"body":` + string(text) + `}`,
		`{"httpMethod":"POST","path":"/x","requestContext":{},"headers":{"Records":` + string(text) + `,"eventSource":"aws:sqs"}}`,
		`{"httpMethod":"POST","path":"/x","requestContext":{},"queryStringParameters":{"Records":` + string(text) + `}}`,
		`{"version":"2.0","rawPath":"/x","requestContext":{"http":{"method":"POST"},"authorizer":{"lambda":` + queue + `}}}`,
	} {
		out, err := function(&j, queueURL).Invoke(t.Context(), []byte(event))
		if err != nil || !strings.Contains(string(out), `"statusCode":200`) || len(j.ids) > 0 {
			t.Errorf("%s: %s, %v, ran %v", event, out, err, j.ids)
		}
	}
}

func FuzzInvoke(f *testing.F) {
	f.Add([]byte(`{"Records":[` + sqsRecord("m1", job("a")) + `]}`))
	f.Add([]byte(`{"httpMethod":"POST","path":"/x","requestContext":{},"body":"x"}`))
	f.Add([]byte(`{"Records":[{"eventSource":"aws:sqs"}]}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		var j jobs
		out, err := function(&j, queueURL).Invoke(t.Context(), event)
		if err == nil && !json.Valid(out) {
			t.Errorf("%s: answered %s", event, out)
		}
		if err != nil && !errors.Is(err, ErrUnknownEvent) {
			t.Errorf("%s: %v", event, err)
		}
		if len(j.ids) > 0 && lambdaproxy.Is(event) {
			t.Errorf("%s: a request reached the flush", event)
		}
	})
}

func TestAStandInsQueueIsKnownByItsName(t *testing.T) {
	for _, c := range []struct {
		url, arn string
		want     bool
	}{
		{"http://127.0.0.1:9324/queue/flush", "arn:aws:sqs:elasticmq:000000000000:flush", true},
		{"http://127.0.0.1:9324/queue/flush", "arn:aws:sqs:elasticmq:000000000000:other", false},
		{"", "arn:aws:sqs:us-east-1:219852565112:any", true}, {"", "arn:aws:sns:us-east-1:219852565112:any", false},
		{queueURL, "arn:aws-cn:sqs:cn-north-1:219852565112:scopegate-flush", true},
	} {
		if got := nameOf(c.url).is(c.arn); got != c.want {
			t.Errorf("%s is of %s: %v", c.arn, c.url, got)
		}
	}
}

func TestTheAccountIsTheFunctionsOwn(t *testing.T) {
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: "arn:aws:lambda:us-east-1:219852565112:function:admin"})
	if got := Account(ctx); got != "219852565112" {
		t.Errorf("%q", got)
	}
	if got := Account(t.Context()); got != "" {
		t.Errorf("outside: %q", got)
	}
}
