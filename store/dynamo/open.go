package dynamo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
)

// Settings say where the tables are kept. Region, endpoint and credentials
// are the SDK's own settings: AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB, …
type Settings struct {
	Table string // required
	// AttemptTimeout bounds each HTTP request; the SDK sends up to three for
	// one call. Default 5 s.
	AttemptTimeout time.Duration
	// Quiet keeps the SDK's own log from standard error: errors say it all, and a
	// person who has no credentials is not helped by where they were looked for.
	Quiet bool
}

// Open connects to the table. It sends nothing: a fault shows at first use.
// Close closes its connections.
func Open(ctx context.Context, s Settings) (*Store, error) {
	if s.Table == "" {
		return nil, errors.New("open DynamoDB table: no table is named")
	}
	client, err := Connect(ctx, s)
	if err != nil {
		return nil, err
	}
	st := New(client, s.Table)
	if h, ok := client.Options().HTTPClient.(interface{ CloseIdleConnections() }); ok {
		st.release = h.CloseIdleConnections
	}
	return st, nil
}

// Connect makes the client that Open uses. For an endpoint on this machine
// region and credentials need not be set; DynamoDB's stand-ins take any.
func Connect(ctx context.Context, s Settings) (*dynamodb.Client, error) {
	timeout := s.AttemptTimeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(timeout)),
	}
	if s.Quiet {
		options = append(options, config.WithLogger(logging.Nop{}))
	}
	if IsLoopback(os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")) {
		options = append(options, config.WithDefaultRegion("us-east-1"))
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, wrap(err, "read AWS configuration")
	}
	// The SDK's own client, which has AWS_CA_BUNDLE by now, cannot close its
	// connections; a plain one with its transport can. DynamoDB never redirects.
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = &http.Client{Transport: b.GetTransport(), Timeout: b.GetTimeout(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return dynamodb.NewFromConfig(cfg), nil
}

// IsLoopback reports whether an endpoint's URL names this machine, so that it
// cannot be AWS.
func IsLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

var _ Client = (*dynamodb.Client)(nil)
