// Package awsflush is flush's way to AWS: API Gateway's control plane, which
// empties the authorizer caches, and the SQS queue that keeps the jobs. In go
// stages and jobs; out come calls of the SDK, and errors of the classes that
// package flush tells apart.
package awsflush

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	resttypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	httptypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/internal/flush"
	"scopegate/mapping"
)

// attemptTimeout leaves room for a second attempt within one call (3 s, see
// flush.Coordinator): a connection that Lambda's freeze has killed hangs.
const (
	attemptTimeout = 1400 * time.Millisecond
	attempts       = 2
)

// Open reads the SDK's own settings (AWS_REGION, credentials, AWS_ENDPOINT_URL_…)
// for NewClient and NewJobs. It sends nothing.
func Open(ctx context.Context) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = attempts, 200*time.Millisecond
			})
		}),
	)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read AWS configuration: %w", err)
	}
	return c, nil
}

// remembered bounds how many APIs' kinds are remembered, regions how many clients.
const (
	remembered = 4096
	regions    = 32
)

type kind uint8

const (
	unknown kind = iota
	rest
	httpAPI
	webSocket
)

// Client flushes through API Gateway's control plane. It is safe for concurrent
// use.
type Client struct {
	config  aws.Config
	account func(context.Context) string
	clients *lru.Cache[string, regional] // by region
	kinds   *lru.Cache[string, kind]     // by the API's ARN
}

// regional are the clients of one region.
type regional struct {
	rest *apigateway.Client
	http *apigatewayv2.Client
}

// NewClient makes a Client. account tells the account that calls are made from,
// "" if that is not known: APIs of other accounts are then asked for all the same,
// and not found. nil is not known.
func NewClient(c aws.Config, account func(context.Context) string) (*Client, error) {
	if account == nil {
		account = func(context.Context) string { return "" }
	}
	clients, err := lru.New[string, regional](regions)
	if err != nil {
		return nil, err
	}
	kinds, err := lru.New[string, kind](remembered)
	if err != nil {
		return nil, err
	}
	return &Client{config: c, account: account, clients: clients, kinds: kinds}, nil
}

// Flush is flush.Client's. What kind of API an ARN names it does not say, so that
// REST is tried first, then HTTP.
func (c *Client) Flush(ctx context.Context, api mapping.API) error {
	region, account := api.Region(), accountOf(api)
	if own := c.account(ctx); own != "" && own != account {
		return fmt.Errorf("%w: it is of account %s", flush.ErrElsewhere, account)
	}
	at := c.in(region)
	known, _ := c.kinds.Get(api.ARN)
	err := c.try(ctx, at, api, known)
	if known != unknown && errors.Is(err, flush.ErrElsewhere) {
		c.kinds.Remove(api.ARN) // made anew as another kind, perhaps
		err = c.try(ctx, at, api, unknown)
	}
	if err != nil {
		return fmt.Errorf("flush the authorizer cache of %s: %w", api, err)
	}
	return nil
}

func accountOf(api mapping.API) string {
	if p := strings.Split(api.ARN, ":"); len(p) == 6 {
		return p[4]
	}
	return ""
}

// in gives the clients of a region. Its partition's endpoints are the SDK's to
// know.
func (c *Client) in(region string) regional {
	if r, ok := c.clients.Get(region); ok {
		return r
	}
	r := regional{
		rest: apigateway.NewFromConfig(c.config, func(o *apigateway.Options) { o.Region = region }),
		http: apigatewayv2.NewFromConfig(c.config, func(o *apigatewayv2.Options) { o.Region = region }),
	}
	c.clients.Add(region, r)
	return r
}

// defaultStage is a stage that only HTTP APIs have.
const defaultStage = "$default"

func (c *Client) try(ctx context.Context, at regional, api mapping.API, known kind) error {
	if known == webSocket {
		return flush.ErrNoCache
	}
	if known != httpAPI && api.Stage != defaultStage {
		found, err := at.flushREST(ctx, api)
		if found || err != nil {
			c.remember(api, rest, found)
			return err
		}
	}
	found, err := at.flushHTTP(ctx, api)
	if found {
		c.remember(api, httpAPI, found)
		return nil
	}
	if err != nil && !isBadRequest(err) {
		return classify(err)
	}
	return c.why(ctx, at, api, err)
}

func (c *Client) remember(api mapping.API, k kind, found bool) {
	if found {
		c.kinds.Add(api.ARN, k)
	}
}

// flushREST makes FlushStageAuthorizersCache (AWS: DELETE
// /restapis/{id}/stages/{stage}/cache/authorizers, 202).
func (r regional) flushREST(ctx context.Context, api mapping.API) (found bool, err error) {
	_, err = r.rest.FlushStageAuthorizersCache(ctx, &apigateway.FlushStageAuthorizersCacheInput{
		RestApiId: aws.String(api.ID()), StageName: aws.String(api.Stage),
	})
	var absent *resttypes.NotFoundException
	if errors.As(err, &absent) {
		return false, nil
	}
	return err == nil, classify(err)
}

// flushHTTP makes ResetAuthorizersCache (AWS: DELETE
// /v2/apis/{id}/stages/{stage}/cache/authorizers, 204).
func (r regional) flushHTTP(ctx context.Context, api mapping.API) (found bool, err error) {
	_, err = r.http.ResetAuthorizersCache(ctx, &apigatewayv2.ResetAuthorizersCacheInput{
		ApiId: aws.String(api.ID()), StageName: aws.String(api.Stage),
	})
	var absent *httptypes.NotFoundException
	if errors.As(err, &absent) {
		return false, nil
	}
	return err == nil, err
}

// why finds out why there is nothing to flush: a WebSocket API has no cache, and
// else there is no such API or no such stage. refused is what was said instead.
func (c *Client) why(ctx context.Context, at regional, api mapping.API, refused error) error {
	out, err := at.http.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: aws.String(api.ID())})
	var absent *httptypes.NotFoundException
	switch {
	case errors.As(err, &absent):
		return fmt.Errorf("%w, or its stage %s is not deployed", flush.ErrElsewhere, api.Stage)
	case err != nil:
		return classify(err)
	case out.ProtocolType == httptypes.ProtocolTypeWebsocket:
		c.kinds.Add(api.ARN, webSocket)
		return flush.ErrNoCache
	case refused != nil:
		return classify(refused)
	}
	return fmt.Errorf("%w and the stage %s", flush.ErrElsewhere, api.Stage)
}

func isBadRequest(err error) bool {
	var r *smithyhttp.ResponseError
	return errors.As(err, &r) && r.HTTPStatusCode() == http.StatusBadRequest && !isThrottled(err)
}

func isThrottled(err error) bool {
	var a smithy.APIError
	if !errors.As(err, &a) {
		return false
	}
	_, ok := retry.DefaultThrottleErrorCodes[a.ErrorCode()]
	return ok
}

// classify wraps the classes of errors that package flush knows.
func classify(err error) error {
	if err == nil {
		return nil
	}
	status := 0
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) {
		status = r.HTTPStatusCode()
	}
	switch {
	case status == http.StatusTooManyRequests || isThrottled(err):
		return fmt.Errorf("%w: %w", flush.ErrBusy, err)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", flush.ErrForbidden, err)
	}
	return err
}
