// Package callerarn tells whose AWS credentials a command runs with: the name
// that the audit trail keeps of a change made directly on DynamoDB. In go the
// SDK's settings of this machine; out comes the caller's ARN.
package callerarn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// Timeout bounds Of, credentials included: a person waits for it.
const Timeout = 10 * time.Second

// attempts of one question. The SDK's own three wait longer in between than
// Timeout allows for.
const attempts = 2

// Of asks AWS STS for the ARN of the caller, such as
// arn:aws:sts::219852565112:assumed-role/ops/ada (AWS: "GetCallerIdentity"; no
// permission is needed for it). Region, credentials and AWS_ENDPOINT_URL_STS are
// the SDK's own, as the environment and the profile give them.
//
// What it cannot find out is an error: a change must not be made in the name of
// nobody.
func Of(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	c, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}), config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, time.Second })
	}))
	if err != nil {
		return "", fmt.Errorf("ask AWS who is calling: read the SDK's settings: %w", err)
	}
	out, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask AWS who is calling (sts GetCallerIdentity): %w", err)
	}
	arn := aws.ToString(out.Arn)
	if arn == "" {
		return "", errors.New("ask AWS who is calling (sts GetCallerIdentity): the answer names no ARN")
	}
	return arn, nil
}
