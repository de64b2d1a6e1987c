package dynamo

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// environment is what a function finds in its environment, as far as DynamoDB is
// concerned (AWS SDKs and Tools Reference Guide, "Settings reference"). Values that
// are given empty count as not given, as with the SDK.
type environment struct {
	values map[string]string
	faults []error
}

// refused are settings of the SDK that would change which table is read, or as
// whom, and that nothing here heeds. (The rest of the SDK's are of other services,
// or of its metadata client.)
var refused = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
	"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_DEFAULTS_MODE", "AWS_ENABLE_ENDPOINT_DISCOVERY", "AWS_AUTH_SCHEME_PREFERENCE", "AWS_SIGV4A_SIGNING_REGION_SET",
}

func parseEnvironment(environ []string) *environment {
	e := &environment{values: map[string]string{}}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "AWS_") {
			e.values[name] = value
		}
	}
	return e
}

func (e *environment) fault(name, rule string) {
	e.faults = append(e.faults, fmt.Errorf("%s %q: %s", name, e.values[name], rule))
}

// first is the first of the settings named that is given.
func (e *environment) first(names ...string) string {
	for _, name := range names {
		if v := e.values[name]; v != "" {
			return v
		}
	}
	return ""
}

// options are the client's, but for its HTTP client.
func (e *environment) options() dynamodb.Options {
	for _, name := range refused {
		if e.values[name] != "" {
			e.fault(name, "must not be set: the function has its credentials and its region from Lambda, and does not heed this")
		}
	}
	o := dynamodb.Options{
		Region:                     e.first("AWS_REGION", "AWS_DEFAULT_REGION"),
		Credentials:                e.credentials(),
		BaseEndpoint:               e.endpoint(),
		RetryMode:                  e.retryMode(),
		RetryMaxAttempts:           e.attempts(),
		AppID:                      e.values["AWS_SDK_UA_APP_ID"],
		AccountIDEndpointMode:      e.accountMode(),
		DisableClockSkewCorrection: e.flag("AWS_DISABLE_CLOCK_SKEW_CORRECTION") == "true",
	}
	switch e.flag("AWS_USE_FIPS_ENDPOINT") {
	case "true":
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
	case "false":
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
	}
	switch e.flag("AWS_USE_DUALSTACK_ENDPOINT") {
	case "true":
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	case "false":
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
	}
	if o.Region == "" && e.local() {
		o.Region = "us-east-1" // DynamoDB's stand-ins take any
	}
	if o.Region == "" {
		e.fault("AWS_REGION", "must be given: Lambda sets it")
	}
	return o
}

// local reports whether the endpoint is a stand-in on this machine.
func (e *environment) local() bool { return IsLoopback(e.values["AWS_ENDPOINT_URL_DYNAMODB"]) }

// credentials are those that Lambda hands to each execution environment, which
// live as long as it does.
func (e *environment) credentials() aws.CredentialsProvider {
	c := aws.Credentials{
		AccessKeyID:     e.first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
		SecretAccessKey: e.first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
		SessionToken:    e.values["AWS_SESSION_TOKEN"],
		AccountID:       e.values["AWS_ACCOUNT_ID"],
		Source:          "environment",
	}
	switch {
	case c.AccessKeyID != "" && c.SecretAccessKey != "":
	case e.local() && c.AccessKeyID == "":
		c = aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local", Source: "local"}
	default: // not with their values
		e.faults = append(e.faults, fmt.Errorf("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: must be given: Lambda sets them, from the function's role"))
	}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

func (e *environment) endpoint() *string {
	if e.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true" {
		return nil
	}
	if url := e.first("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"); url != "" {
		return &url
	}
	return nil
}

// flag is "true", "false" or "" for not given, in any case of letters.
func (e *environment) flag(name string) string {
	v := strings.ToLower(e.values[name])
	if v != "" && v != "true" && v != "false" {
		e.fault(name, "must be true or false")
	}
	return v
}

func (e *environment) retryMode() aws.RetryMode {
	v := e.values["AWS_RETRY_MODE"]
	if v == "" {
		return ""
	}
	mode, err := aws.ParseRetryMode(v)
	if err != nil {
		e.fault("AWS_RETRY_MODE", "must be standard or adaptive")
	}
	return mode
}

func (e *environment) attempts() int {
	v := e.values["AWS_MAX_ATTEMPTS"]
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		e.fault("AWS_MAX_ATTEMPTS", "must be a whole number from 1 on")
	}
	return n
}

func (e *environment) accountMode() aws.AccountIDEndpointMode {
	mode := cmp.Or(aws.AccountIDEndpointMode(e.values["AWS_ACCOUNT_ID_ENDPOINT_MODE"]), aws.AccountIDEndpointModePreferred)
	modes := []aws.AccountIDEndpointMode{aws.AccountIDEndpointModePreferred, aws.AccountIDEndpointModeRequired, aws.AccountIDEndpointModeDisabled}
	if !slices.Contains(modes, mode) {
		e.fault("AWS_ACCOUNT_ID_ENDPOINT_MODE", "must be preferred, required or disabled")
	}
	return mode
}

// roots are the certificates of AWS_CA_BUNDLE, in place of the system's; nil
// without it.
func (e *environment) roots() *x509.CertPool {
	file := e.values["AWS_CA_BUNDLE"]
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		e.fault("AWS_CA_BUNDLE", "must be a readable file of certificates (PEM)")
	}
	return pool
}

// transport keeps few connections, since each TLS handshake costs more than all
// that a load computes. DynamoDB speaks HTTP/1.1. A session is resumed where a
// connection was lost: an execution environment that slept lost them all.
func transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(2)},
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   10,
		IdleConnTimeout:       90 * time.Second,
	}
}
