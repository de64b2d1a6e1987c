//go:build deploy

package deploytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"scopegate/internal/adminwiring"
	"scopegate/internal/config"
	"scopegate/internal/dynamotest"
	awsflush "scopegate/internal/flush/aws"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/store/dynamo"
)

// world is both functions, put together as their mains do it, with the settings of
// a template: what they ask of AWS goes to stand-ins, and their log is kept.
type world struct {
	t        *testing.T
	stack    *stack
	provider *idp.Provider
	tables   string // URL
	table    string
	wire     *dynamotest.Wire // of the functions
	log      *lines

	mu    sync.Mutex
	clock time.Time
}

// newWorld starts the stand-ins. tables is the URL of a DynamoDB.
func newWorld(t *testing.T, s *stack, tables string) *world {
	t.Helper()
	w := &world{t: t, stack: s, tables: tables, log: &lines{}, clock: time.Now()}
	w.table = dynamotest.TableOn(t, dynamotest.Client(t))
	var err error
	if w.provider, err = idp.New(idp.Options{Now: w.now}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.provider)
	t.Cleanup(server.Close)
	w.provider.SetBaseURL(server.URL)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// lines keeps log lines. It is safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take gives what was measured since.
func (l *lines) take(t *testing.T) []datum {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []datum
	for line := range strings.Lines(l.text.String()) {
		data, err := dataOf([]byte(line))
		if err != nil {
			t.Fatalf("log line %s: %v", line, err)
		}
		all = append(all, data...)
	}
	l.text.Reset()
	return all
}

// logger is as wiring.NewLog makes it, but for where it writes.
func (w *world) logger() *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.AddSync(w.log), zapcore.InfoLevel))
}

// settings are those of the template's function, but for where the stand-ins are.
func (w *world) settings(function string, role config.Role, more ...string) config.Settings {
	w.t.Helper()
	environ, err := w.stack.environment(function)
	if err != nil {
		w.t.Fatal(err)
	}
	environ = append(environ,
		"TABLE_NAME="+w.table, "ENTRA_AUTHORITY="+w.provider.Authority(), "ENTRA_STS="+w.provider.STS(),
		"ENTRA_TENANT_IDS="+w.provider.TenantID(), "OIDC_AUDIENCES="+w.provider.Audience())
	if role == config.AdminAPI {
		environ = append(environ, "ADMIN_TENANT_IDS="+w.provider.TenantID(), "ADMIN_AUDIENCES="+w.provider.Audience())
	}
	settings, err := config.Load(append(environ, more...), role)
	if err != nil {
		w.t.Fatal(err)
	}
	return settings
}

// authorizer is the authorizer function, started.
func (w *world) authorizer(more ...string) *wiring.Parts {
	w.t.Helper()
	client, wire := dynamotest.WireClient(w.t, w.tables)
	w.wire = wire
	parts, err := wiring.New(w.settings("authorizer", config.Authorizer, more...), dynamo.New(client, w.table), w.logger(), w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	parts.Prefetch(w.t.Context())
	return parts
}

// admin is the admin function, started; plane is the URL of API Gateway's control
// plane and of SQS.
func (w *world) admin(plane string) *adminwiring.Function { return w.adminAt(w.tables, plane) }

func (w *world) adminAt(tables, plane string) *adminwiring.Function {
	w.t.Helper()
	client, _ := dynamotest.WireClient(w.t, tables)
	c := adminwiring.Config{
		Settings: w.settings("admin", config.AdminAPI), Store: dynamo.New(client, w.table), Log: w.logger(), Now: w.now,
	}
	sdk := aws.Config{Region: region, BaseEndpoint: aws.String(plane), Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	var err error
	if c.Client, err = awsflush.NewClient(sdk, adminwiring.Account); err != nil {
		w.t.Fatal(err)
	}
	if c.Jobs, err = awsflush.NewJobs(sdk, c.Settings.Admin.FlushQueue, w.now); err != nil {
		w.t.Fatal(err)
	}
	parts, err := adminwiring.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	parts.Prefetch(w.t.Context())
	return parts.Function(c.Settings.Admin.FlushQueue)
}

func (w *world) mint(s idp.Spec) string {
	w.t.Helper()
	raw, err := w.provider.Mint(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// arn is that of an API of the world's account.
func (w *world) arn(id string) string {
	return "arn:" + w.stack.pseudo["AWS::Partition"] + ":execute-api:" + region + ":" + account + ":" + id
}

// ask asks the authorizer as a REST API does.
func (w *world) ask(parts *wiring.Parts, id, token string) error {
	event, err := json.Marshal(object{"type": "TOKEN", "methodArn": w.arn(id) + "/dev/GET/orders/7", "authorizationToken": "Bearer " + token})
	if err != nil {
		return err
	}
	_, err = parts.Authorizer.Invoke(w.t.Context(), event)
	return err
}

// askPatiently asks again while the authorizer cannot decide: on a busy machine its
// own time-outs may pass.
func (w *world) askPatiently(parts *wiring.Parts, id, token string) error {
	for end := time.Now().Add(within); ; {
		err := w.ask(parts, id, token)
		if err == nil || !strings.HasSuffix(err.Error(), "_unavailable") || time.Now().After(end) {
			return err
		}
		w.later(time.Second) // it asks its store no sooner
	}
}

// healthy is an authorizer that has answered one request, and its log is of one that
// never failed.
func (w *world) healthy(token string) *wiring.Parts {
	w.t.Helper()
	for end := time.Now().Add(within); ; {
		w.log.take(w.t)
		parts := w.authorizer()
		err := w.ask(parts, restID, token)
		if err == nil {
			return parts
		}
		if !strings.HasSuffix(err.Error(), "_unavailable") || time.Now().After(end) {
			w.t.Fatal(err)
		}
	}
}

// client sends requests to the admin function, as an HTTP API hands them on.
type client struct {
	w        *world
	function interface {
		Invoke(context.Context, []byte) ([]byte, error)
	}
	token string
}

type httpAnswer struct {
	StatusCode int
	Headers    map[string]string
	Body       string
}

// send fails the test unless the answer is one of success.
func (c client) send(method, path, match, body string) httpAnswer {
	c.w.t.Helper()
	headers := map[string]string{"authorization": "Bearer " + c.token, "content-type": "application/json", "host": "admin.example"}
	if match != "" {
		headers["if-match"] = match
	}
	rawPath, query, _ := strings.Cut(path, "?")
	out := c.invoke(object{
		"version": "2.0", "rawPath": rawPath, "rawQueryString": query, "headers": headers, "body": body,
		"requestContext": object{"requestId": "r", "stage": "$default", "http": object{"method": method, "sourceIp": "192.0.2.7"}},
	})
	var a httpAnswer
	if err := json.Unmarshal(out, &a); err != nil || a.StatusCode/100 != 2 {
		c.w.t.Fatalf("%s %s: %s (%v)", method, path, out, err)
	}
	return a
}

func (c client) invoke(event object) []byte {
	c.w.t.Helper()
	b, err := json.Marshal(event)
	if err != nil {
		c.w.t.Fatal(err)
	}
	ctx := lambdacontext.NewContext(c.w.t.Context(), &lambdacontext.LambdaContext{
		InvokedFunctionArn: c.w.stack.arn("AWS::Lambda::Function", "scopegate-admin"),
	})
	out, err := c.function.Invoke(ctx, b)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return out
}

// flush hands messages of the queue over and wants all of them, or none, done.
func (c client) flush(done bool, bodies ...string) {
	c.w.t.Helper()
	q, err := c.w.stack.flushQueue()
	if err != nil {
		c.w.t.Fatal(err)
	}
	name, err := c.w.stack.nameOf(q)
	if err != nil {
		c.w.t.Fatal(err)
	}
	var records []any
	for i, b := range bodies {
		records = append(records, object{"messageId": fmt.Sprint(i), "body": b, "eventSource": "aws:sqs", "eventSourceARN": c.w.stack.arn("AWS::SQS::Queue", name)})
	}
	out := c.invoke(object{"Records": records})
	if all := string(out) == `{"batchItemFailures":[]}`; all != done {
		c.w.t.Errorf("messages %v: %s", bodies, out)
	}
}
