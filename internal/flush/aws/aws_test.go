package awsflush_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"scopegate/internal/flush"
	awsflush "scopegate/internal/flush/aws"
	"scopegate/internal/leaktest"
	"scopegate/mapping"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

// plane is as much of the services' wire as the clients speak.
type plane struct {
	mu       sync.Mutex
	asked    []string // method and path as sent
	traces   []string // of each, "" where it has none
	signed   []string // region/service
	answers  map[string]reply
	messages []message
}

type reply struct {
	status     int
	code, body string
}

type message struct {
	QueueURL     string `json:"QueueUrl"`
	MessageBody  string
	DelaySeconds int
}

func (p *plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	name := r.Method + " " + r.URL.EscapedPath()
	p.asked = append(p.asked, name)
	p.traces = append(p.traces, r.Header.Get("X-Amzn-Trace-Id"))
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	if len(scope) > 3 {
		p.signed = append(p.signed, scope[2]+"/"+scope[3])
	}
	a, ok := p.answers[name]
	if !ok && r.Header.Get("X-Amz-Target") == "AmazonSQS.SendMessage" {
		p.send(w, body)
		return
	}
	if !ok {
		a = reply{status: 404, code: "NotFoundException"}
	}
	if a.code != "" {
		w.Header().Set("X-Amzn-ErrorType", a.code)
		a.body = `{"message":"as it is"}`
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

func (p *plane) send(w http.ResponseWriter, body []byte) {
	var m message
	if json.Unmarshal(body, &m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.messages = append(p.messages, m)
	sum := md5.Sum([]byte(m.MessageBody))
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	fmt.Fprintf(w, `{"MessageId":"m","MD5OfMessageBody":%q}`, hex.EncodeToString(sum[:]))
}

// start serves the plane and has the SDK know nothing else.
func start(t *testing.T, p *plane) (aws.Config, string) {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_ENDPOINT_URL_API_GATEWAY": server.URL, "AWS_ENDPOINT_URL_APIGATEWAYV2": server.URL,
	} {
		t.Setenv(name, value)
	}
	c, err := awsflush.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTPClient = server.Client() // no time-out: a busy machine must not look like a retry
	return c, server.URL
}

func client(t *testing.T, p *plane, account string) *awsflush.Client {
	t.Helper()
	c, _ := start(t, p)
	client, err := awsflush.NewClient(c, func(context.Context) string { return account })
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func api(stage string) mapping.API {
	return mapping.API{ARN: "arn:aws:execute-api:eu-west-1:219852565112:rz8w6b1ik2", Stage: stage}
}

const (
	restPath    = "DELETE /restapis/rz8w6b1ik2/stages/dev/cache/authorizers"
	httpPath    = "DELETE /v2/apis/rz8w6b1ik2/stages/dev/cache/authorizers"
	defaultPath = "DELETE /v2/apis/rz8w6b1ik2/stages/%24default/cache/authorizers"
	getPath     = "GET /v2/apis/rz8w6b1ik2"
)

// TestTheDocumentedCallIsMade, for the region of the ARN, and the kind of an API
// is found out once.
func TestTheDocumentedCallIsMade(t *testing.T) {
	for name, c := range map[string]struct {
		stage   string
		answers map[string]reply
		asked   []string // twice
		want    error
	}{
		"rest":         {"dev", map[string]reply{restPath: {status: 202}}, []string{restPath, restPath}, nil},
		"http":         {"dev", map[string]reply{httpPath: {status: 204}}, []string{restPath, httpPath, httpPath}, nil},
		"http default": {"$default", map[string]reply{defaultPath: {status: 204}}, []string{defaultPath, defaultPath}, nil},
		"websocket": {"dev", map[string]reply{getPath: {status: 200, body: `{"protocolType":"WEBSOCKET"}`}},
			[]string{restPath, httpPath, getPath}, flush.ErrNoCache},
		"websocket that refuses": {"dev", map[string]reply{
			httpPath: {status: 400, code: "BadRequestException"}, getPath: {status: 200, body: `{"protocolType":"WEBSOCKET"}`},
		}, []string{restPath, httpPath, getPath}, flush.ErrNoCache},
		"no stage": {"dev", map[string]reply{getPath: {status: 200, body: `{"protocolType":"HTTP"}`}},
			[]string{restPath, httpPath, getPath, restPath, httpPath, getPath}, flush.ErrElsewhere},
		"neither": {"dev", nil, []string{restPath, httpPath, getPath, restPath, httpPath, getPath}, flush.ErrElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plane{answers: c.answers}
			client := client(t, p, "219852565112")
			for range 2 {
				if err := client.Flush(t.Context(), api(c.stage)); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
			if !slices.Equal(p.asked, c.asked) {
				t.Errorf("asked\n%v, want\n%v", p.asked, c.asked)
			}
			for _, s := range p.signed {
				if s != "eu-west-1/apigateway" {
					t.Errorf("signed for %s", s)
				}
			}
		})
	}
}

func TestAnAPIMadeAnewAsAnotherKindIsFound(t *testing.T) {
	p := &plane{answers: map[string]reply{restPath: {status: 202}}}
	client := client(t, p, "")
	if err := client.Flush(t.Context(), api("dev")); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.answers = map[string]reply{httpPath: {status: 204}}
	p.mu.Unlock()
	if err := client.Flush(t.Context(), api("dev")); err != nil {
		t.Errorf("as an HTTP API: %v", err)
	}
	p.mu.Lock()
	p.answers = map[string]reply{restPath: {status: 202}}
	p.mu.Unlock()
	if err := client.Flush(t.Context(), api("dev")); err != nil {
		t.Errorf("as a REST API again: %v", err)
	}
}

func TestAnotherAccountIsNotAsked(t *testing.T) {
	p := &plane{answers: map[string]reply{restPath: {status: 202}}}
	if err := client(t, p, "123456789012").Flush(t.Context(), api("dev")); !errors.Is(err, flush.ErrElsewhere) || len(p.asked) != 0 {
		t.Errorf("%v, asked %v", err, p.asked)
	}
}

// TestAFailureIsOfItsClass, and never "no such API".
func TestAFailureIsOfItsClass(t *testing.T) {
	busy := reply{status: 429, code: "TooManyRequestsException"}
	for name, c := range map[string]struct {
		answers map[string]reply
		want    error // nil: of no class
	}{
		"throttled":             {map[string]reply{restPath: busy}, flush.ErrBusy},
		"throttled, v2":         {map[string]reply{httpPath: busy}, flush.ErrBusy},
		"throttled, get":        {map[string]reply{getPath: busy}, flush.ErrBusy},
		"throttled, as of old":  {map[string]reply{restPath: {status: 400, code: "ThrottlingException"}}, flush.ErrBusy},
		"throttled, 400 in v2":  {map[string]reply{httpPath: {status: 400, code: "ThrottlingException"}}, flush.ErrBusy},
		"forbidden":             {map[string]reply{restPath: {status: 403, code: "AccessDeniedException"}}, flush.ErrForbidden},
		"forbidden, v2":         {map[string]reply{httpPath: {status: 403, code: "AccessDeniedException"}}, flush.ErrForbidden},
		"expired credentials":   {map[string]reply{restPath: {status: 403, code: "ExpiredTokenException"}}, flush.ErrForbidden},
		"broken":                {map[string]reply{restPath: {status: 500, code: "InternalFailure"}}, nil},
		"broken, v2":            {map[string]reply{httpPath: {status: 503, code: "ServiceUnavailable"}}, nil},
		"bad request, and HTTP": {map[string]reply{httpPath: {status: 400, code: "BadRequestException"}, getPath: {status: 200, body: `{"protocolType":"HTTP"}`}}, nil},
		"a proxy's 404":         {map[string]reply{restPath: {status: 404, body: "<html>"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := client(t, &plane{answers: c.answers}, "").Flush(t.Context(), api("dev"))
			if err == nil {
				t.Fatal("flushed")
			}
			for _, class := range []error{flush.ErrBusy, flush.ErrForbidden, flush.ErrElsewhere, flush.ErrNoCache} {
				if errors.Is(err, class) != (class == c.want) {
					t.Errorf("%v: is %v: %v", err, class, errors.Is(err, class))
				}
			}
		})
	}
}

func TestAJobIsAMessageWithADelay(t *testing.T) {
	p := &plane{}
	c, base := start(t, p)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	jobs, err := awsflush.NewJobs(c, base+"/219852565112/scopegate-flush", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range []struct {
		due  time.Duration
		want int
	}{{45 * time.Second, 45}, {44*time.Second + time.Millisecond, 45}, {0, 0}, {-time.Hour, 0}, {900 * time.Second, 900}, {time.Hour, 900}} {
		j := flush.Job{ID: fmt.Sprint(i), Due: now.Add(d.due), ARN: api("dev").ARN, Stage: "dev"}
		if err := jobs.Schedule(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		m := p.messages[i]
		back, err := flush.ParseJob([]byte(m.MessageBody))
		if err != nil || back != j || m.DelaySeconds != d.want || m.QueueURL != base+"/219852565112/scopegate-flush" {
			t.Errorf("%+v became %+v, %v", j, m, err)
		}
	}
	if p.signed[0] != "us-east-1/sqs" {
		t.Errorf("signed for %s", p.signed[0])
	}
}

// TestAJobIsNoLinkOfAChainToLambda, which takes jobs that come back for a loop and
// stops the seventeenth: the message does not carry the trace of the event that it
// was sent from.
func TestAJobIsNoLinkOfAChainToLambda(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "scopegate-prod-admin")
	t.Setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:16")
	p := &plane{answers: map[string]reply{restPath: {status: 202}}}
	c, base := start(t, p)
	jobs, err := awsflush.NewJobs(c, base+"/219852565112/scopegate-flush", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.Schedule(t.Context(), flush.Job{ID: "x", Due: time.Now(), ARN: api("dev").ARN, Stage: "dev"}); err != nil {
		t.Fatal(err)
	}
	if len(p.messages) != 1 || p.traces[0] != "" {
		t.Errorf("%d messages, sent with trace %q", len(p.messages), p.traces)
	}
}

func TestAQueueThatTakesNoMessageIsAnError(t *testing.T) {
	p := &plane{answers: map[string]reply{"POST /": {status: 400, code: "QueueDoesNotExist"}}}
	c, base := start(t, p)
	jobs, err := awsflush.NewJobs(c, base+"/1/q", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.Schedule(t.Context(), flush.Job{ID: "x", Due: time.Now()}); err == nil {
		t.Error("scheduled")
	}
}

func TestOnlyStandardQueuesAreTaken(t *testing.T) {
	c, _ := start(t, &plane{})
	for queue, want := range map[string]string{
		"https://sqs.us-east-1.amazonaws.com/1/q.fifo": "standard queue", "": "URL of a queue", "https://sqs.us-east-1.amazonaws.com/": "URL of a queue",
		"arn:aws:sqs:us-east-1:1:q": "URL of a queue", "https://sqs.eu-west-1.amazonaws.com/1/q": "", "http://127.0.0.1:9324/queue/q": "",
	} {
		_, err := awsflush.NewJobs(c, queue, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", queue, err, want)
		}
	}
}
