package main_test

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

const (
	account   = "219852565112"
	api       = "arn:aws:execute-api:us-east-1:" + account + ":rz8w6b1ik2"
	audience  = "api://scopegate-admin"
	flushPath = "DELETE /restapis/rz8w6b1ik2/stages/dev/cache/authorizers"
	queuePath = "/" + account + "/scopegate-flush"
	queueARN  = "arn:aws:sqs:us-east-1:" + account + ":scopegate-flush"
)

var bootstrap string

// TestMain compiles the function as it is shipped, for this machine.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		panic(err)
	}
	if bootstrap, err = lambdaruntime.Build(context.Background(), dir, "scopegate/functions/admin"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// plane is API Gateway's control plane and the queue, as far as the function
// speaks to them.
type plane struct {
	mu       sync.Mutex
	status   int // of a flush
	closed   bool
	flushed  []string
	messages []message
}

type message struct {
	MessageBody  string
	DelaySeconds int
}

func (p *plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" {
		p.flushed = append(p.flushed, r.Method+" "+r.URL.EscapedPath())
		w.WriteHeader(p.status)
		return
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil || p.closed {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.messages = append(p.messages, m)
	sum := md5.Sum([]byte(m.MessageBody))
	fmt.Fprintf(w, `{"MessageId":"m","MD5OfMessageBody":%q}`, hex.EncodeToString(sum[:]))
}

// set changes how the plane answers; take gives what was asked since. What the SDK
// has sent twice, for want of an answer, counts once.
func (p *plane) set(status int, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.closed = status, closed
}

func (p *plane) take() (flushed []string, messages []message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	flushed = slices.Compact(p.flushed)
	messages = slices.CompactFunc(p.messages, func(a, b message) bool { return a.MessageBody == b.MessageBody })
	p.flushed, p.messages = nil, nil
	return flushed, messages
}

// world is the function and what it talks to.
type world struct {
	*lambdaruntime.Runtime
	plane    *plane
	provider *idp.Provider
	admin    string // a token
}

func start(t *testing.T, settings ...string) *world {
	t.Helper()
	w := &world{plane: &plane{status: http.StatusAccepted}}
	aws := httptest.NewServer(w.plane)
	t.Cleanup(aws.Close)
	var err error
	if w.provider, err = idp.New(idp.Options{}); err != nil {
		t.Fatal(err)
	}
	provider := httptest.NewServer(w.provider)
	t.Cleanup(provider.Close)
	w.provider.SetBaseURL(provider.URL)
	endpoint := dynamotest.Endpoint(t)
	client, _ := dynamotest.WireClient(t, endpoint)
	env := append([]string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL_DYNAMODB=" + endpoint,
		"AWS_ENDPOINT_URL_API_GATEWAY=" + aws.URL, "AWS_ENDPOINT_URL_APIGATEWAYV2=" + aws.URL, "FLUSH_QUEUE_URL=" + aws.URL + queuePath,
		"TABLE_NAME=" + dynamotest.TableOn(t, client), "ENTRA_AUTHORITY=" + w.provider.Authority(), "ENTRA_STS=" + w.provider.STS(),
		"ADMIN_TENANT_IDS=" + w.provider.TenantID(), "ADMIN_AUDIENCES=" + audience,
		"ENTRA_TENANT_IDS=" + w.provider.TenantID(), "OIDC_AUDIENCES=" + w.provider.Audience(),
	}, settings...)
	w.Runtime, err = lambdaruntime.Start(t.Context(), bootstrap, env, lambdaruntime.Options{
		Timeout: 25 * time.Second, FunctionARN: "arn:aws:lambda:us-east-1:" + account + ":function:scopegate-admin",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("stop the function: %v", err)
		}
		if t.Failed() {
			t.Logf("the function's log:\n%s", w.Logs())
		}
	})
	w.admin = w.mint(t, idp.Spec{Audience: audience, Scopes: []string{"Mappings.ReadWrite"}, Roles: []string{"Mappings.Admin"}})
	return w
}

func (w *world) mint(t *testing.T, s idp.Spec) string {
	t.Helper()
	raw, err := w.provider.Mint(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// request is what a client sends.
type request struct {
	token, method, path, body, match string
}

// event is the request as API Gateway hands it on.
func (r request) event(t *testing.T, shape string) []byte {
	t.Helper()
	headers := map[string]string{"content-type": "application/json", "host": "admin.example"}
	if r.token != "" {
		headers["authorization"] = "Bearer " + r.token
	}
	if r.match != "" {
		headers["if-match"] = r.match
	}
	path, query, _ := strings.Cut(r.path, "?")
	e := map[string]any{"headers": headers, "body": base64.StdEncoding.EncodeToString([]byte(r.body)), "isBase64Encoded": true}
	switch shape {
	case "http-2.0":
		e["version"], e["rawPath"], e["rawQueryString"] = "2.0", "/live"+path, query
		e["requestContext"] = map[string]any{"requestId": "from-the-gateway", "stage": "live", "http": map[string]any{"method": r.method, "sourceIp": "192.0.2.7"}}
		return encode(t, e)
	case "http-1.0":
		e["version"] = "1.0"
	}
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values[name] = value
		}
	}
	e["httpMethod"], e["path"], e["queryStringParameters"] = r.method, path, values
	e["requestContext"] = map[string]any{"requestId": "from-the-gateway", "stage": "live", "identity": map[string]any{"sourceIp": "192.0.2.7"},
		"authorizer": map[string]any{"claims": map[string]any{"roles": "Mappings.Admin"}}}
	return encode(t, e)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type answer struct {
	StatusCode        int
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Body              string
}

func (a answer) header(name string) string {
	return a.Headers[name] + strings.Join(a.MultiValueHeaders[name], ",")
}

func (w *world) ask(t *testing.T, shape string, r request) answer {
	t.Helper()
	out, err := w.Invoke(t.Context(), r.event(t, shape))
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return a
}

func document(routes ...string) string {
	var list []string
	for _, r := range routes {
		list = append(list, fmt.Sprintf(`{"arn":%q,"stage":"dev","httpVerb":"GET","resource":%q,"scope":"email"}`, api, r))
	}
	return fmt.Sprintf(`{"arn":%q,"stage":"dev","permissions":[%s]}`, api, strings.Join(list, ","))
}

const (
	tablePath    = "/v1/apis/rz8w6b1ik2/dev"
	documentPath = tablePath + "/document"
)

// register makes the table of the API and forgets what it had flushed.
func (w *world) register(t *testing.T) (tag string) {
	t.Helper()
	a := w.ask(t, "rest", request{w.admin, "PUT", tablePath, `{"arn":"` + api + `"}`, ""})
	if a.StatusCode != 201 {
		t.Fatalf("register: %+v", a)
	}
	w.plane.take()
	return a.header("Etag")
}
