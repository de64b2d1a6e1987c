// Package stack reads what a deployed Scopegate consists of. In goes the name of
// its CloudFormation stack; out come the stack's state, place and outputs, so that
// nobody has to copy a table's name from a console.
//
// Outputs are named as serverless.yml declares them. Nothing is changed here, and
// one request is made: DescribeStacks.
package stack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// Outputs of the stack.
const (
	AuthorizerArn      = "AuthorizerArn"
	AuthorizerName     = "AuthorizerName"
	AdminURL           = "AdminUrl"
	TableName          = "TableName"
	TableArn           = "TableArn"
	FlushQueueURL      = "FlushQueueUrl"
	AuthorizerFunction = "AuthorizerFunction"
	AdminFunction      = "AdminFunction"
)

// Errors to tell apart with errors.Is; others are outages or refusals of AWS.
var (
	ErrNotFound = errors.New("there is no such stack")
	// ErrNotReady: it is being made, changed or removed, or that failed.
	ErrNotReady = errors.New("the stack is not ready")
	// ErrMismatch: it is a stack, but none of ours, or of another version.
	ErrMismatch = errors.New("the stack is not as Scopegate deploys it")
)

// Client is what Load needs of *cloudformation.Client.
type Client interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

// Stack is a deployed stack. The zero Stack is not ready and has no outputs.
type Stack struct {
	Name                       string
	Partition, Region, Account string // where it is, read from its ARN
	Status                     string // as CloudFormation has it, such as UPDATE_COMPLETE
	Reason                     string // what CloudFormation says about the status, often ""
	Outputs                    map[string]string
}

// Load reads a stack, whatever state it is in: see Ready. name is a stack's name
// or ARN. ErrNotFound if there is none, ErrMismatch for an answer that cannot be
// read.
func Load(ctx context.Context, client Client, name string) (Stack, error) {
	s, err := load(ctx, client, name)
	if err != nil {
		return Stack{}, fmt.Errorf("read stack %s: %w", name, err)
	}
	return s, nil
}

func load(ctx context.Context, client Client, name string) (Stack, error) {
	if name == "" { // CloudFormation would list all there are
		return Stack{}, errors.New("no stack is named")
	}
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if isNotFound(err) {
		return Stack{}, ErrNotFound
	}
	if err != nil {
		return Stack{}, err
	}
	// A removed one is still found by its ARN.
	found := slices.DeleteFunc(out.Stacks, func(s types.Stack) bool { return s.StackStatus == types.StackStatusDeleteComplete })
	if len(found) == 0 {
		return Stack{}, ErrNotFound
	}
	return of(found[0])
}

func of(found types.Stack) (Stack, error) {
	s := Stack{
		Name: aws.ToString(found.StackName), Status: string(found.StackStatus), Reason: aws.ToString(found.StackStatusReason),
		Outputs: map[string]string{},
	}
	// arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{id}
	parts := strings.SplitN(aws.ToString(found.StackId), ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "cloudformation" || parts[3] == "" {
		return Stack{}, fmt.Errorf("its id is %q, must be the ARN of a stack: %w", aws.ToString(found.StackId), ErrMismatch)
	}
	s.Partition, s.Region, s.Account = parts[1], parts[3], parts[4]
	for _, o := range found.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return s, nil
}

// isNotFound: CloudFormation answers a name that it does not know as it answers
// a malformed one, but for the text (AWS: DescribeStacks).
func isNotFound(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	return api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist")
}

// settled are the states in which what the outputs name is there, and stays. A
// rolled back update is the version before it; a rolled back creation is nothing.
var settled = []types.StackStatus{
	types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusUpdateRollbackComplete,
	types.StackStatusUpdateCompleteCleanupInProgress, types.StackStatusUpdateRollbackCompleteCleanupInProgress,
	types.StackStatusImportComplete, types.StackStatusImportRollbackComplete,
}

// Ready is nil if the stack can be worked with, else ErrNotReady with its state.
func (s Stack) Ready() error {
	if slices.Contains(settled, types.StackStatus(s.Status)) {
		return nil
	}
	if s.Reason != "" {
		return fmt.Errorf("stack %s is %s (%s): %w", s.Name, s.Status, s.Reason, ErrNotReady)
	}
	return fmt.Errorf("stack %s is %s: %w", s.Name, s.Status, ErrNotReady)
}

// Output is the value of an output, ErrMismatch if it is missing or empty.
func (s Stack) Output(name string) (string, error) {
	if v := s.Outputs[name]; v != "" {
		return v, nil
	}
	return "", fmt.Errorf("stack %s: output %s: must be given: %w", s.Name, name, ErrMismatch)
}

// TableName is the DynamoDB table's; it is in the stack's region.
func (s Stack) TableName() (string, error) { return s.Output(TableName) }

// TableARN is the DynamoDB table's.
func (s Stack) TableARN() (string, error) { return s.Output(TableArn) }

// AuthorizerARN is what consumers' authorizers name.
func (s Stack) AuthorizerARN() (string, error) { return s.Output(AuthorizerArn) }

// AuthorizerFunction is the name of the authorizer's Lambda function.
func (s Stack) AuthorizerFunction() (string, error) { return s.Output(AuthorizerFunction) }

// AdminFunction is the name of the admin API's Lambda function.
func (s Stack) AdminFunction() (string, error) { return s.Output(AdminFunction) }

// AdminURL is where the admin API is served: https, without a trailing slash.
func (s Stack) AdminURL() (string, error) { return s.url(AdminURL) }

// FlushQueueURL is that of the SQS queue of flushes that are due.
func (s Stack) FlushQueueURL() (string, error) { return s.url(FlushQueueURL) }

// url is an output that must be an address. Plain http is for stand-ins, which
// have it; what is asked of AWS goes over TLS whatever this says.
func (s Stack) url(name string) (string, error) {
	v, err := s.Output(name)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", fmt.Errorf("stack %s: output %s is %q, must be a URL: %w", s.Name, name, v, ErrMismatch)
	}
	return strings.TrimSuffix(v, "/"), nil
}
