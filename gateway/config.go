package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"scopegate/mapping"
	"scopegate/policy"
)

// Authorizer is the Lambda function that the gateway invokes: payload is the
// event, the first result the function's response. An error is what Lambda
// would report; its text is the errorMessage, and exactly "Unauthorized" means
// 401 (AWS: "Output from an API Gateway Lambda authorizer"), anything else 500.
// It must be safe for concurrent use. aws-lambda-go's lambda.Handler is one.
type Authorizer interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// AuthorizerFunc is a function as an [Authorizer].
type AuthorizerFunc func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke calls f.
func (f AuthorizerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// Flavour is the kind of API, its authorizer's event and form of response. The
// zero Flavour is none, and New refuses it.
type Flavour uint8

// The flavours, by the names of AWS's developer guide.
const (
	RESTToken    Flavour = iota + 1 // REST API, TOKEN authorizer
	RESTRequest                     // REST API, REQUEST authorizer
	HTTPv1                          // HTTP API, payload format 1.0, IAM response
	HTTPv2                          // HTTP API, payload format 2.0, IAM response
	HTTPv2Simple                    // HTTP API, payload format 2.0, simple response
	WebSocket                       // WebSocket API, REQUEST authorizer on $connect
)

var flavourNames = map[Flavour]string{
	RESTToken: "REST TOKEN", RESTRequest: "REST REQUEST", HTTPv1: "HTTP API 1.0",
	HTTPv2: "HTTP API 2.0", HTTPv2Simple: "HTTP API 2.0 simple", WebSocket: "WebSocket",
}

// String names the flavour for people.
func (f Flavour) String() string { return flavourNames[f] }

func (f Flavour) isREST() bool { return f == RESTToken || f == RESTRequest }
func (f Flavour) isHTTP() bool { return f == HTTPv1 || f == HTTPv2 || f == HTTPv2Simple }

// Limits of API Gateway (AWS: "Amazon API Gateway quotas").
const (
	MaxTTL         = time.Hour        // of the authorizer cache
	MaxMethodARN   = 1600             // bytes; longer is answered with 414
	MaxHeaders     = 10240            // bytes, request line and header values together
	MaxAnswer      = 8192             // bytes of the authorizer's whole answer; documented for WebSocket APIs, reported for REST
	DefaultTimeout = 10 * time.Second // for the authorizer's answer; documented for HTTP APIs
)

// Config is one API with its authorizer.
type Config struct {
	Flavour Flavour

	// ARN is the API's, arn:{partition}:execute-api:{region}:{account}:{apiId}.
	ARN string

	// Stages are the deployed stages, by exact name; others are not routed.
	// REST and WebSocket stages are served under /{stage}/…; on HTTP APIs
	// $default is served at the root, the others under /{stage}/….
	Stages []string

	// StageVariables holds each stage's variables; optional.
	StageVariables map[string]map[string]string

	// Authorizer is what is called; required.
	Authorizer Authorizer

	// AuthorizerTTL is how long an answer is kept, 0 (not at all) to MaxTTL. It
	// must be 0 on WebSocket APIs, which have no such cache.
	AuthorizerTTL time.Duration

	// AuthorizerTimeout bounds one call; 0 is DefaultTimeout.
	AuthorizerTimeout time.Duration

	// CacheSize bounds the remembered answers of all stages; 0 is 4096. The
	// least recently used goes first.
	CacheSize int

	// IdentitySources are what the authorizer's answer depends on, and the key
	// of its cache: method.request.header.X, method.request.querystring.X,
	// stageVariables.X and context.X on REST APIs, $request.header.X,
	// $request.querystring.X, $stageVariables.X and $context.X on HTTP APIs,
	// route.request.… on WebSocket APIs. A request without one of them is
	// answered with 401 without a call. nil is the Authorization header, an
	// empty list is none (then AuthorizerTTL must be 0).
	IdentitySources []string

	// TokenRegex is the token validation expression of a REST TOKEN authorizer:
	// a token without a match is answered with 401 without a call. As a whole
	// it matches only if it says so with ^ and $.
	TokenRegex string

	// ResourcePolicy is the resource policy of a REST API; optional. It is
	// combined by AWS's table: a Deny of either denies, then an Allow of either
	// allows. Its Principal counts as "*", its resources must be whole ARNs.
	ResourcePolicy *policy.Document

	// Backend answers what is allowed; nil is Echo. It finds the caller with
	// FromContext.
	Backend http.Handler

	// Now is the clock of cache, events and policy conditions; nil is time.Now.
	Now func() time.Time

	// OnDecision is told of every request once it is answered; optional. It is
	// called from many goroutines at once.
	OnDecision func(Decision)
}

// New checks c and returns the gateway as an http.Handler, safe for concurrent
// use. The error names every fault. Serve it by itself, best with its Server: an
// http.ServeMux in front would clean the path that the authorizer must see.
func New(c Config) (*Gateway, error) {
	c.setDefaults()
	faults := c.faults()
	sources, err := parseSources(c.Flavour, c.IdentitySources)
	faults = append(faults, err)
	tokens, err := regexp.Compile(c.TokenRegex)
	if err != nil {
		faults = append(faults, fmt.Errorf("token validation expression: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return newGateway(c, sources, tokens)
}

func (c *Config) setDefaults() {
	if c.IdentitySources == nil {
		c.IdentitySources = []string{sourcePrefix(c.Flavour) + "header.Authorization"}
	}
	if c.AuthorizerTimeout == 0 {
		c.AuthorizerTimeout = DefaultTimeout
	}
	if c.CacheSize == 0 {
		c.CacheSize = 4096
	}
	if c.Backend == nil {
		c.Backend = Echo()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

func (c *Config) faults() []error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(flavourNames[c.Flavour] == "", "flavour: none chosen")
	fault(c.Authorizer == nil, "authorizer: missing")
	fault(len(c.Stages) == 0, "stages: at least one is needed")
	fault(c.AuthorizerTTL < 0 || c.AuthorizerTTL > MaxTTL, "authorizer TTL %v: must be 0 to %v", c.AuthorizerTTL, MaxTTL)
	fault(c.AuthorizerTTL > 0 && c.Flavour == WebSocket, "authorizer TTL: WebSocket APIs have no authorizer cache")
	fault(c.AuthorizerTTL > 0 && len(c.IdentitySources) == 0, "identity sources: caching needs at least one")
	fault(c.AuthorizerTimeout < 0, "authorizer timeout %v: must not be negative", c.AuthorizerTimeout)
	fault(c.CacheSize < 0, "cache size %d: must not be negative", c.CacheSize)
	fault(c.TokenRegex != "" && c.Flavour != RESTToken, "token validation expression: only REST TOKEN authorizers have one")
	fault(c.ResourcePolicy != nil && !c.Flavour.isREST(), "resource policy: only REST APIs have one")
	for _, stage := range c.Stages {
		_, err := mapping.ParseAPI(c.ARN, stage)
		fault(err != nil, "API: %w", err)
		fault(stage == defaultStage && !c.Flavour.isHTTP(), "stage %s: only HTTP APIs have it", stage)
	}
	return faults
}
