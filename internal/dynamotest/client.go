package dynamotest

import (
	"context"
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/migrations"
)

// Client is a client of the shared server.
func Client(t testing.TB) *dynamodb.Client {
	t.Helper()
	client, _ := WireClient(t, Endpoint(t))
	return client
}

// WireClient is a client of the server at an endpoint, and the wire that its
// requests go over. It retries as often as the SDK does by default, but without
// the long pauses.
func WireClient(t testing.TB, endpoint string) (*dynamodb.Client, *Wire) {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	t.Cleanup(transport.CloseIdleConnections)
	wire := &Wire{next: transport}
	return dynamodb.New(dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:   &http.Client{Transport: wire, Timeout: 30 * time.Second},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxBackoff = 5 * time.Millisecond
			o.RateLimiter = unlimited{} // else a test of outages runs out of retries
		}),
	}), wire
}

// unlimited is no rate limit on retries.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

func (unlimited) AddTokens(uint) error { return nil }

// NewTable makes a table of the test's own on the shared server, migrated. It
// is deleted with the test.
func NewTable(t testing.TB) (*dynamodb.Client, string) {
	t.Helper()
	client := Client(t)
	return client, TableOn(t, client)
}

// TableOn makes a table of the test's own, migrated, with any client.
func TableOn(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	table := TableName()
	if _, err := migrations.Run(t.Context(), client, table, migrations.Options{Create: true}); err != nil {
		t.Fatal(err)
	}
	DropLater(t, client, table)
	return table
}

// DropLater deletes a table with the test. A server that the test killed keeps
// it.
func DropLater(t testing.TB, client *dynamodb.Client, table string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_, _ = client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(table)})
	})
}

// TableName is a name that no other test has.
func TableName() string { return "test-" + rand.Text() }
