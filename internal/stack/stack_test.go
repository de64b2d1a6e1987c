package stack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/stack"
)

// fake answers as CloudFormation does.
type fake struct {
	stacks []types.Stack
	err    error
	asked  string
}

func (f *fake) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	f.asked = aws.ToString(in.StackName)
	return &cloudformation.DescribeStacksOutput{Stacks: f.stacks}, f.err
}

const id = "arn:aws-us-gov:cloudformation:us-gov-west-1:219852565112:stack/scopegate-prod/5c1f"

func deployed(status types.StackStatus, outputs ...string) types.Stack {
	s := types.Stack{StackName: aws.String("scopegate-prod"), StackId: aws.String(id), StackStatus: status}
	for i := 0; i < len(outputs); i += 2 {
		s.Outputs = append(s.Outputs, types.Output{OutputKey: &outputs[i], OutputValue: &outputs[i+1]})
	}
	return s
}

func load(t *testing.T, s types.Stack) stack.Stack {
	t.Helper()
	got, err := stack.Load(t.Context(), &fake{stacks: []types.Stack{s}}, "scopegate-prod")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAStackSaysWhereItIsAndWhatItHolds(t *testing.T) {
	client := &fake{stacks: []types.Stack{deployed(types.StackStatusUpdateComplete, "TableName", "t-1", "AdminUrl", "https://a.example/")}}
	got, err := stack.Load(t.Context(), client, "scopegate-prod")
	if err != nil {
		t.Fatal(err)
	}
	want := stack.Stack{
		Name: "scopegate-prod", Partition: "aws-us-gov", Region: "us-gov-west-1", Account: "219852565112", Status: "UPDATE_COMPLETE",
		Outputs: map[string]string{"TableName": "t-1", "AdminUrl": "https://a.example/"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if client.asked != "scopegate-prod" {
		t.Errorf("asked for stack %q", client.asked)
	}
}

// TestEachGetterReadsItsOutput: one exchanged for another would send an operator
// to the wrong place.
func TestEachGetterReadsItsOutput(t *testing.T) {
	getters := map[string]func(stack.Stack) (string, error){
		"TableName": stack.Stack.TableName, "TableArn": stack.Stack.TableARN, "AuthorizerArn": stack.Stack.AuthorizerARN,
		"AuthorizerFunction": stack.Stack.AuthorizerFunction, "AdminFunction": stack.Stack.AdminFunction,
		"AdminUrl": stack.Stack.AdminURL, "FlushQueueUrl": stack.Stack.FlushQueueURL,
	}
	var outputs []string
	for name := range getters {
		outputs = append(outputs, name, "https://"+name+".example")
	}
	full, empty := load(t, deployed(types.StackStatusCreateComplete, outputs...)), load(t, deployed(types.StackStatusCreateComplete))
	for name, get := range getters {
		if got, err := get(full); err != nil || got != "https://"+name+".example" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := get(empty); got != "" || !errors.Is(err, stack.ErrMismatch) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s missing: %q, %v", name, got, err)
		}
	}
}

func TestAddressesAreURLsWithoutATrailingSlash(t *testing.T) {
	for value, want := range map[string]string{
		"https://a.example/": "https://a.example", "https://a.example/v": "https://a.example/v", "http://127.0.0.1:5000/1/q": "http://127.0.0.1:5000/1/q",
		"a.example": "", "https://": "", "ftp://a.example": "", "": "", "://": "",
	} {
		got, err := load(t, deployed(types.StackStatusCreateComplete, "AdminUrl", value)).AdminURL()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}

// TestOnlyASettledStackIsReady: in every state that CloudFormation knows.
func TestOnlyASettledStackIsReady(t *testing.T) {
	ready := map[types.StackStatus]bool{
		"CREATE_COMPLETE": true, "UPDATE_COMPLETE": true, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": true, "UPDATE_ROLLBACK_COMPLETE": true,
		"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": true, "IMPORT_COMPLETE": true, "IMPORT_ROLLBACK_COMPLETE": true,
	}
	for _, status := range types.StackStatus("").Values() {
		if status == types.StackStatusDeleteComplete {
			continue // as good as none: below
		}
		s := deployed(status)
		s.StackStatusReason = aws.String("because of this")
		err := load(t, s).Ready()
		switch {
		case ready[status] && err != nil:
			t.Errorf("%s: %v", status, err)
		case !ready[status] && (!errors.Is(err, stack.ErrNotReady) || !strings.Contains(err.Error(), string(status)) || !strings.Contains(err.Error(), "because of this")):
			t.Errorf("%s: %v, want ErrNotReady that names the state and why", status, err)
		}
	}
	if err := (stack.Stack{}).Ready(); !errors.Is(err, stack.ErrNotReady) {
		t.Errorf("the zero Stack: %v", err)
	}
}

func TestAStackThatIsNotThereIsToldFromAnOutage(t *testing.T) {
	missing := &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack with id x does not exist"}
	for name, c := range map[string]struct {
		client   fake
		notFound bool
	}{
		"unknown":           {fake{err: fmt.Errorf("operation: %w", missing)}, true},
		"removed":           {fake{stacks: []types.Stack{deployed(types.StackStatusDeleteComplete)}}, true},
		"none":              {fake{}, true},
		"malformed name":    {fake{err: &smithy.GenericAPIError{Code: "ValidationError", Message: "1 validation error detected"}}, false},
		"not allowed":       {fake{err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "User … does not exist"}}, false},
		"nobody answers":    {fake{err: errors.New("connection refused")}, false},
		"an id of no stack": {fake{stacks: []types.Stack{{StackId: aws.String("arn:aws:dynamodb:r:1:table/x")}}}, false},
		"no id":             {fake{stacks: []types.Stack{{}}}, false},
	} {
		got, err := stack.Load(t.Context(), &c.client, "x")
		if err == nil || errors.Is(err, stack.ErrNotFound) != c.notFound || got.Name != "" || got.Outputs != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	client := &fake{stacks: []types.Stack{deployed(types.StackStatusCreateComplete)}}
	if _, err := stack.Load(t.Context(), client, ""); err == nil || client.asked != "" {
		t.Errorf("no name: %v, asked %q", err, client.asked)
	}
}

// TestTheRealClientReadsWhatCloudFormationSends: the wire format of a stack and
// of an unknown name, as AWS documents them.
func TestTheRealClientReadsWhatCloudFormationSends(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/xml")
		if r.Form.Get("Action") != "DescribeStacks" || r.Form.Get("StackName") != "scopegate-prod" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id other does not exist</Message></Error><RequestId>r</RequestId></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>scopegate-prod</StackName><StackId>%s</StackId><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>
<Outputs><member><OutputKey>TableName</OutputKey><OutputValue>t-1</OutputValue><ExportName>scopegate-prod-TableName</ExportName></member></Outputs>
</member></Stacks></DescribeStacksResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeStacksResponse>`, id)
	}))
	defer server.Close()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_REGION": "us-gov-west-1", "AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	client, err := stack.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Load(t.Context(), client, "scopegate-prod")
	if err != nil {
		t.Fatal(err)
	}
	if table, err := s.TableName(); err != nil || table != "t-1" || s.Region != "us-gov-west-1" || s.Ready() != nil {
		t.Errorf("%+v, table %q, %v", s, table, err)
	}
	if _, err := stack.Load(t.Context(), client, "other"); !errors.Is(err, stack.ErrNotFound) {
		t.Errorf("an unknown name: %v, want ErrNotFound", err)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := stack.Open(t.Context()); !errors.Is(err, stack.ErrNoRegion) {
		t.Errorf("without a region: %v, want ErrNoRegion", err)
	}
}
