package stack

import (
	"context"
	"errors"
	"fmt"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go/logging"
)

// attemptTimeout bounds each HTTP request; the SDK sends up to three.
const attemptTimeout = 10 * time.Second

// ErrNoRegion: the SDK's settings name none. It is the caller's to mend, unlike
// an outage.
var ErrNoRegion = errors.New("AWS_REGION: must be given")

// Open makes the client that Load uses, from the SDK's own settings (AWS_REGION,
// AWS_PROFILE, AWS_ENDPOINT_URL_CLOUDFORMATION, …). It sends nothing: missing
// credentials show at first use.
func Open(ctx context.Context) (*cloudformation.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
		config.WithLogger(logging.Nop{}), // errors say it all
	)
	if err != nil {
		return nil, fmt.Errorf("read AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, ErrNoRegion
	}
	return cloudformation.NewFromConfig(cfg), nil
}
