// Package opentable opens the DynamoDB table with all that the AWS SDK's own
// configuration knows: profiles, SSO, roles, a machine's metadata. In go the
// table's name and the environment; out come a store or a client.
//
// It is for the command and the admin API. The authorizer starts too often to link
// all this: dynamo.OpenLambda reads what Lambda gives it, and a test here holds
// that both mean the same.
package opentable

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"

	"scopegate/store/dynamo"
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
func Open(ctx context.Context, s Settings) (*dynamo.Store, error) {
	if s.Table == "" {
		return nil, errors.New("open DynamoDB table: no table is named")
	}
	client, err := Connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return dynamo.Own(client, s.Table), nil
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
	if dynamo.IsLoopback(os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")) {
		options = append(options, config.WithDefaultRegion("us-east-1"))
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("read AWS configuration: %w", err)
	}
	// The SDK's own client, which has AWS_CA_BUNDLE by now, cannot close its
	// connections; a plain one with its transport can. DynamoDB never redirects.
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = &http.Client{Transport: dynamo.KeepAlive(b.GetTransport()), Timeout: b.GetTimeout(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return dynamodb.NewFromConfig(cfg), nil
}
