package dynamo_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/store/dynamo"
)

// quickWire answers each request at once, before its body is read, as the quickest server
// would, and keeps it. It counts how often it is told to close its connections.
type quickWire struct {
	sent   []*http.Request
	closed int
}

func (w *quickWire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.sent = append(w.sent, r)
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader([]byte(`{"Items":[],"Count":0,"ScannedCount":0}`))), Request: r,
	}, nil
}

func (w *quickWire) CloseIdleConnections() { w.closed++ }

// TestABodyThatIsStillToBeSentStaysWhole after the SDK is done with the answer:
// net/http then reads what is left and closes it, and drops the connection if either
// is an error.
func TestABodyThatIsStillToBeSentStaysWhole(t *testing.T) {
	wire := &quickWire{}
	client, err := dynamo.LambdaClient(lambdaEnviron(), 0)
	if err != nil {
		t.Fatal(err)
	}
	o := client.Options()
	h := &http.Client{Transport: dynamo.KeepAlive(wire)}
	o.HTTPClient = h
	in := &dynamodb.QueryInput{TableName: aws.String("tables"), KeyConditionExpression: aws.String("pk = x")}
	if _, err := dynamodb.New(o).Query(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if len(wire.sent) != 1 {
		t.Fatalf("%d requests", len(wire.sent))
	}
	r := wire.sent[0]
	b, err := io.ReadAll(r.Body)
	if err != nil || int64(len(b)) != r.ContentLength || !strings.Contains(string(b), `"TableName":"tables"`) {
		t.Errorf("%q of %d bytes, %v", b, r.ContentLength, err)
	}
	if err := r.Body.Close(); err != nil {
		t.Errorf("closing it: %v", err)
	}
	h.CloseIdleConnections()
	if wire.closed != 1 {
		t.Error("the connections are not closed")
	}
}

// TestTheFunctionsClientKeepsItsConnections: it has that transport.
func TestTheFunctionsClientKeepsItsConnections(t *testing.T) {
	client, err := dynamo.LambdaClient(lambdaEnviron(), 0)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := client.Options().HTTPClient.(*http.Client)
	if !ok || h.Timeout == 0 {
		t.Fatalf("its HTTP client is %T", client.Options().HTTPClient)
	}
	if _, plain := h.Transport.(*http.Transport); plain {
		t.Error("it hands the SDK's bodies to net/http")
	}
}
