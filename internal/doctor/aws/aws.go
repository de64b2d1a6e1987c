// Package awsdoctor reads for doctor how the parts of a deployment on AWS are set
// up. In go clients of the SDK and the names of queue and functions; out come
// doctor's facts. Everything is read, nothing is changed.
package awsdoctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"scopegate/internal/doctor"
	awsflush "scopegate/internal/flush/aws"
	"scopegate/mapping"
)

// attemptTimeout bounds each HTTP request; the SDK sends up to three.
const attemptTimeout = 10 * time.Second

// Open reads the SDK's own settings. It sends nothing. region, if not "", goes
// before the environment's.
func Open(ctx context.Context, region string) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
		config.WithLogger(logging.Nop{}), // errors say it all
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read AWS configuration: %w", err)
	}
	return c, nil
}

// Outage reports an error of a call of the SDK: it says nothing of what was to be
// read.
func Outage(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation)
}

// Queue reads how the queue of a URL is set up.
func Queue(ctx context.Context, c aws.Config, url string) (doctor.QueueFacts, error) {
	if err := awsflush.CheckQueue(url); err != nil {
		return doctor.QueueFacts{}, fmt.Errorf("queue %q: %w", url, err)
	}
	out, err := sqs.NewFromConfig(c).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &url,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameVisibilityTimeout, sqstypes.QueueAttributeNameRedrivePolicy},
	})
	if err != nil {
		return doctor.QueueFacts{}, fmt.Errorf("read the queue's attributes: %w", err)
	}
	seconds, err := strconv.Atoi(out.Attributes[string(sqstypes.QueueAttributeNameVisibilityTimeout)])
	if err != nil {
		return doctor.QueueFacts{}, fmt.Errorf("read the queue's attributes: VisibilityTimeout: %w", err)
	}
	return doctor.QueueFacts{
		Visibility:  time.Duration(seconds) * time.Second,
		DeadLetters: out.Attributes[string(sqstypes.QueueAttributeNameRedrivePolicy)] != "",
	}, nil
}

// Function reads how a Lambda function is set up.
func Function(ctx context.Context, c aws.Config, name string) (doctor.FunctionFacts, error) {
	out, err := lambda.NewFromConfig(c).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return doctor.FunctionFacts{}, fmt.Errorf("read the configuration of function %s: %w", name, err)
	}
	f := doctor.FunctionFacts{
		Name: name, State: string(out.State), Update: string(out.LastUpdateStatus), Runtime: string(out.Runtime),
		Timeout: time.Duration(aws.ToInt32(out.Timeout)) * time.Second, Role: aws.ToString(out.Role), Environment: map[string]string{},
	}
	for _, a := range out.Architectures {
		f.Arch = string(a)
	}
	if out.Environment == nil {
		return f, nil
	}
	if e := out.Environment.Error; e != nil { // KMS refuses to decrypt them, say
		return f, fmt.Errorf("read the settings of function %s: %s", name, aws.ToString(e.Message))
	}
	f.Environment = out.Environment.Variables
	return f, nil
}

// absent is an API that nobody has: API ids have ten letters and digits.
const absent = "scopegate-doctor"

// TryFlush asks API Gateway to flush an API that does not exist. The error is of
// flush's classes: ErrElsewhere means that everything but the API is there. (Of its
// ARN region and id count, the partition does not.)
func TryFlush(ctx context.Context, c aws.Config) error {
	client, err := awsflush.NewClient(c, nil)
	if err != nil {
		return err
	}
	err = client.Flush(ctx, mapping.API{ARN: "arn:aws:execute-api:" + c.Region + ":000000000000:" + absent, Stage: "doctor"})
	if err == nil {
		return errors.New("API Gateway says that it has flushed an API that does not exist")
	}
	return err
}

// SameRole reports whether a caller, as STS names him, has a role: the ARN of an
// assumed role holds the role's name without its path.
func SameRole(caller, role string) bool {
	_, session, ok := strings.Cut(caller, ":assumed-role/")
	name, _, _ := strings.Cut(session, "/")
	return ok && name != "" && strings.HasSuffix(role, "/"+name) && accountOf(caller) == accountOf(role)
}

func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}
