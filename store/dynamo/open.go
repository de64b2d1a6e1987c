package dynamo

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// FunctionSettings are what OpenLambda needs beside the environment.
type FunctionSettings struct {
	Table          string        // required
	AttemptTimeout time.Duration // of each HTTP request; the SDK sends up to three for one call. Default 5 s
}

// OpenLambda reads tables with what Lambda's environment says, given as os.Environ
// does: region, credentials, endpoint, retries (see [environment]). It sends
// nothing: a fault of the wire shows at first use. The error joins all faults of
// the environment, each with its name.
//
// It stands in for the SDK's package config, whose other sources (profiles, SSO,
// roles, metadata services) Lambda does not have, and which costs each start a
// millisecond and megabytes. What of them is set stops the start: nothing is
// passed over in silence. Programs that people start use internal/opentable.
func OpenLambda(environ []string, s FunctionSettings) (*Reader, error) {
	if s.Table == "" {
		return nil, errors.New("open DynamoDB table: no table is named")
	}
	client, err := LambdaClient(environ, s.AttemptTimeout)
	if err != nil {
		return nil, wrap(err, "open DynamoDB table %s", s.Table)
	}
	return NewReader(client, s.Table), nil
}

// LambdaClient is the client that OpenLambda reads with; timeout bounds each of its
// HTTP requests, 0 is 5 s.
func LambdaClient(environ []string, timeout time.Duration) (*dynamodb.Client, error) {
	e := parseEnvironment(environ)
	options := e.options()
	roots := e.roots()
	if err := errors.Join(e.faults...); err != nil {
		return nil, err
	}
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	options.HTTPClient = &http.Client{
		Transport: KeepAlive(transport(roots)), Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // DynamoDB never does
	}
	return dynamodb.New(options), nil
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
