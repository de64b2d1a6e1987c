//go:build deploy

package deploytest

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// recorder writes down what is asked of AWS over the wire, as IAM sees it. It is
// safe for concurrent use.
type recorder struct {
	mu       sync.Mutex
	calls    map[string]call
	problems []error // what could not be understood: it must not look like nothing
}

func newRecorder() *recorder { return &recorder{calls: map[string]call{}} }

func (r *recorder) add(calls ...call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range calls {
		r.calls[c.String()] = c
	}
}

func (r *recorder) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

// all are the calls so far, each once, in order of their texts.
func (r *recorder) all() ([]call, []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []call
	for _, c := range r.calls {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b call) int { return strings.Compare(a.String(), b.String()) })
	return list, slices.Clone(r.problems)
}

// tables stands in front of a DynamoDB: every request is written down, as one on
// the table of this ARN, and handed on. It gives the URL.
func (r *recorder) tables(t testing.TB, endpoint, tableARN string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // else the suite opens thousands of connections
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // its sender gave up
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return // its sender gave up
		}
		_, operation, _ := strings.Cut(q.Header.Get("X-Amz-Target"), ".")
		calls, err := dynamoCalls(operation, body, tableARN)
		if err != nil {
			r.problem("%s: %w", operation, err)
		}
		r.add(calls...)
		q.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// keyed is an item, or a key, as far as its partition goes.
type keyed struct {
	PK struct{ S string } `json:"pk"`
}

// dynamoRequest is what the requests of DynamoDB's API name items with.
type dynamoRequest struct {
	Key, Item                 keyed
	KeyConditionExpression    string
	ExpressionAttributeValues map[string]struct{ S string }
	TransactItems             []map[string]struct{ Key, Item keyed }
	RequestItems              map[string][]map[string]struct{ Key, Item keyed }
}

// dynamoCalls are what IAM sees of a request. A transaction is one call for each
// of its actions (AWS: "Using IAM with DynamoDB transactions"); whether all items
// of an action are one set of leading keys there is not said, so that both are
// asked for.
func dynamoCalls(operation string, body []byte, tableARN string) ([]call, error) {
	var q dynamoRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	on := func(action string, keys ...string) call {
		slices.Sort(keys)
		return call{"dynamodb:" + action, tableARN, map[string][]string{leadingKeys: slices.Compact(keys)}}
	}
	keys := map[string][]string{} // by action
	var calls []call
	switch operation {
	case "GetItem", "UpdateItem", "DeleteItem":
		keys[operation] = []string{q.Key.PK.S}
	case "PutItem":
		keys[operation] = []string{q.Item.PK.S}
	case "Query":
		if !strings.HasPrefix(q.KeyConditionExpression, "pk = :pk") {
			return nil, fmt.Errorf("condition %q: does not begin with the partition", q.KeyConditionExpression)
		}
		keys[operation] = []string{q.ExpressionAttributeValues[":pk"].S}
	case "BatchWriteItem":
		for _, list := range q.RequestItems {
			for _, one := range list {
				for _, w := range one {
					keys[operation] = append(keys[operation], w.Key.PK.S+w.Item.PK.S)
				}
			}
		}
	case "TransactWriteItems":
		actions := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
		for _, one := range q.TransactItems {
			for name, w := range one {
				key := w.Key.PK.S + w.Item.PK.S
				keys[actions[name]] = append(keys[actions[name]], key)
				calls = append(calls, on(actions[name], key))
			}
		}
	default:
		return []call{{action: "dynamodb:" + operation, resource: tableARN}}, nil
	}
	for action, list := range keys {
		if action == "" || len(list) == 0 || slices.Contains(list, "") {
			return nil, fmt.Errorf("no action, or no partition: %s", body)
		}
		calls = append(calls, on(action, list...))
	}
	return calls, nil
}

// The APIs that the control plane knows, one of each kind.
const (
	restID      = "rest000001"
	httpID      = "http000001"
	webSocketID = "sock000001"
)

// plane stands in for API Gateway's control plane and for SQS: every request is
// written down and answered as by AWS. It gives the URL.
func (r *recorder) plane(t testing.TB, s *stack) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		if _, operation, ok := strings.Cut(q.Header.Get("X-Amz-Target"), "AmazonSQS."); ok {
			r.queue(w, operation, body, s)
			return
		}
		scope := strings.Split(q.Header.Get("Authorization"), "/") // …/date/region/service/aws4_request
		if len(scope) < 5 || scope[3] != "apigateway" {
			r.problem("%s %s: signed %q: must be for apigateway", q.Method, q.URL.Path, q.Header.Get("Authorization"))
			return
		}
		// AWS: "Actions, resources, and condition keys for Amazon API Gateway
		// Management" and "… V2": the path is the resource, without V2's prefix.
		r.add(call{
			action:   "apigateway:" + q.Method,
			resource: "arn:" + s.pseudo["AWS::Partition"] + ":apigateway:" + scope[2] + "::" + strings.TrimPrefix(q.URL.Path, "/v2"),
		})
		answerPlane(w, q)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func answerPlane(w http.ResponseWriter, q *http.Request) {
	p := strings.Split(strings.Trim(q.URL.Path, "/"), "/")
	kind := p[0]
	id := p[1]
	if kind == "v2" {
		id = p[2]
	}
	switch {
	case kind == "restapis" && id == restID:
		w.WriteHeader(http.StatusAccepted)
	case kind == "v2" && id == httpID && q.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case kind == "v2" && id == webSocketID && q.Method == http.MethodGet:
		io.WriteString(w, `{"apiId":"`+webSocketID+`","protocolType":"WEBSOCKET"}`)
	default:
		w.Header().Set("X-Amzn-ErrorType", "NotFoundException")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message":"not found"}`)
	}
}

func (r *recorder) queue(w http.ResponseWriter, operation string, body []byte, s *stack) {
	var m struct{ QueueUrl, MessageBody string }
	if err := json.Unmarshal(body, &m); err != nil {
		r.problem("sqs:%s: %w", operation, err)
		return
	}
	r.add(call{action: "sqs:" + operation, resource: s.arn("AWS::SQS::Queue", path.Base(m.QueueUrl))})
	sum := md5.Sum([]byte(m.MessageBody))
	fmt.Fprintf(w, `{"MessageId":"m","MD5OfMessageBody":%q}`, hex.EncodeToString(sum[:]))
}
