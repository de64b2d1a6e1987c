package awsdoctor_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/doctor"
	awsdoctor "scopegate/internal/doctor/aws"
	"scopegate/internal/flush"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

// plane answers the SDK's requests as it is told, by method and path or by target.
func plane(t *testing.T, answers map[string]string) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Method + " " + r.URL.Path
		if target := r.Header.Get("X-Amz-Target"); target != "" {
			name = target
		}
		answer, ok := answers[name]
		code, body, refused := strings.Cut(answer, "!")
		switch {
		case !ok:
			w.Header().Set("X-Amzn-ErrorType", "NotFoundException")
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"none"}`)
		case refused:
			w.Header().Set("X-Amzn-ErrorType", code)
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, body)
		default:
			io.WriteString(w, answer)
		}
	}))
	t.Cleanup(server.Close)
	return aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(), Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
}

const (
	functionPath = "GET /2015-03-31/functions/scopegate-t-admin/configuration"
	queueTarget  = "AmazonSQS.GetQueueAttributes"
	queueURL     = "https://sqs.eu-west-1.amazonaws.com/219852565112/q"
)

func TestAFunctionIsReadAsItIs(t *testing.T) {
	c := plane(t, map[string]string{functionPath: `{"State":"Active","LastUpdateStatus":"Successful","Runtime":"provided.al2023","Architectures":["arm64"],
		"Timeout":29,"Role":"arn:aws:iam::219852565112:role/admin","Environment":{"Variables":{"TABLE_NAME":"x"}}}`})
	got, err := awsdoctor.Function(t.Context(), c, "scopegate-t-admin")
	want := doctor.FunctionFacts{Name: "scopegate-t-admin", State: "Active", Update: "Successful", Runtime: "provided.al2023", Arch: "arm64",
		Timeout: 29 * time.Second, Role: "arn:aws:iam::219852565112:role/admin", Environment: map[string]string{"TABLE_NAME": "x"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for name, answer := range map[string]string{
		"denied": "AccessDeniedException!no", "settings that nobody may read": `{"Environment":{"Error":{"ErrorCode":"KMSAccessDenied","Message":"no"}}}`,
	} {
		if f, err := awsdoctor.Function(t.Context(), plane(t, map[string]string{functionPath: answer}), "scopegate-t-admin"); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f, err := awsdoctor.Function(t.Context(), plane(t, map[string]string{functionPath: `{}`}), "scopegate-t-admin"); err != nil || f.Environment == nil {
		t.Errorf("without settings: %+v, %v", f, err)
	}
}

func TestAQueueIsReadAsItIs(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   doctor.QueueFacts
		fails  bool
	}{
		"in order":        {`{"Attributes":{"VisibilityTimeout":"180","RedrivePolicy":"{}"}}`, doctor.QueueFacts{Visibility: 180 * time.Second, DeadLetters: true}, false},
		"no dead letters": {`{"Attributes":{"VisibilityTimeout":"30"}}`, doctor.QueueFacts{Visibility: 30 * time.Second}, false},
		"no number":       {`{"Attributes":{"VisibilityTimeout":"soon"}}`, doctor.QueueFacts{}, true},
		"none":            {`{}`, doctor.QueueFacts{}, true},
		"denied":          {"AccessDenied!no", doctor.QueueFacts{}, true},
	} {
		got, err := awsdoctor.Queue(t.Context(), plane(t, map[string]string{queueTarget: c.answer}), queueURL)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := awsdoctor.Queue(t.Context(), plane(t, nil), "queue"); err == nil || awsdoctor.Outage(err) {
		t.Errorf("no URL: %v", err)
	}
}

// TestAFlushIsTriedOnNothing: the API that is named does not exist, and what comes
// of it tells who may flush from who may not.
func TestAFlushIsTriedOnNothing(t *testing.T) {
	const rest, http = "DELETE /restapis/scopegate-doctor/stages/doctor/cache/authorizers", "DELETE /v2/apis/scopegate-doctor/stages/doctor/cache/authorizers"
	for name, c := range map[string]struct {
		answers map[string]string
		want    error
	}{
		"may": {nil, flush.ErrElsewhere}, "may not, REST": {map[string]string{rest: "AccessDeniedException!no"}, flush.ErrForbidden},
		"may not, HTTP": {map[string]string{http: "AccessDeniedException!no"}, flush.ErrForbidden},
		"may not look":  {map[string]string{"GET /v2/apis/scopegate-doctor": "AccessDeniedException!no"}, flush.ErrForbidden},
	} {
		for _, region := range []string{"eu-west-1", "cn-north-1", "us-gov-west-1"} {
			sdk := plane(t, c.answers)
			sdk.Region = region
			if err := awsdoctor.TryFlush(t.Context(), sdk); !errors.Is(err, c.want) {
				t.Errorf("%s in %s: %v, want %v", name, region, err, c.want)
			}
		}
	}
	if err := awsdoctor.TryFlush(t.Context(), plane(t, map[string]string{rest: "{}"})); err == nil {
		t.Error("an API that does not exist was flushed")
	}
}

func TestWhoseRoleItIs(t *testing.T) {
	const role = "arn:aws:iam::219852565112:role/path/scopegate-admin"
	for caller, want := range map[string]bool{
		"arn:aws:sts::219852565112:assumed-role/scopegate-admin/ada": true, "arn:aws:sts::219852565112:assumed-role/admin/ada": false,
		"arn:aws:sts::111111111111:assumed-role/scopegate-admin/ada": false, "arn:aws:iam::219852565112:user/scopegate-admin": false,
		"arn:aws:sts::219852565112:assumed-role//ada": false, "": false,
	} {
		if got := awsdoctor.SameRole(caller, role); got != want {
			t.Errorf("%s: %v", caller, got)
		}
	}
}

func TestErrorsOfTheSDKAreOutages(t *testing.T) {
	if !awsdoctor.Outage(fmt.Errorf("read: %w", &smithy.OperationError{Err: errors.New("x")})) || awsdoctor.Outage(errors.New("item perm#1")) || awsdoctor.Outage(nil) {
		t.Error("taken for each other")
	}
}

func TestOpenReadsTheSDKsOwnSettings(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_PROFILE", "")
	for region, want := range map[string]string{"": "us-east-1", "eu-west-1": "eu-west-1"} {
		if c, err := awsdoctor.Open(t.Context(), region); err != nil || c.Region != want {
			t.Errorf("%q: %q, %v", region, c.Region, err)
		}
	}
	t.Setenv("AWS_PROFILE", "nobody-has-this-profile")
	if _, err := awsdoctor.Open(t.Context(), ""); err == nil {
		t.Error("a profile that is not there is taken")
	}
}
