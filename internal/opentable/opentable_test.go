package opentable_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/dynamotest"
	"scopegate/internal/opentable"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

var api = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// alone leaves nothing of this machine's AWS settings to a test.
func alone(t *testing.T) {
	t.Helper()
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			os.Unsetenv(name) // t.Setenv puts it back
		}
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// Region, credentials and endpoint are the SDK's own settings; for an endpoint
// on this machine the endpoint alone suffices.
func TestOpenFollowsTheSettingsOfTheSDK(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	endpoint := dynamotest.Endpoint(t)
	alone(t)
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
	list, err := mapping.ParsePermissions(fmt.Appendf(nil, `[{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"x","scope":"s"}]`, api.ARN, api.Stage))
	if err != nil {
		t.Fatal(err)
	}
	m, err := store.Merge(t.Context(), dynamo.New(client, table), store.Batch{API: api, Permissions: list}, store.MergeOptions{By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	st, err := opentable.Open(t.Context(), opentable.Settings{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	got, err := st.Meta(t.Context(), api)
	if err != nil || got.Revision != m.Revision {
		t.Errorf("%+v, %v", got, err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	lambda, err := dynamo.OpenLambda([]string{"AWS_ENDPOINT_URL_DYNAMODB=" + endpoint}, dynamo.FunctionSettings{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lambda.Meta(t.Context(), api); err != nil || got.Revision != m.Revision {
		t.Errorf("with what Lambda says: %+v, %v", got, err)
	}
	t.Setenv("AWS_REGION", "eu-central-1")
	other, err := opentable.Connect(t.Context(), opentable.Settings{})
	if err != nil || other.Options().Region != "eu-central-1" {
		t.Errorf("AWS_REGION is not followed: %v", err)
	}
}

func TestOpenWithoutATableIsRefused(t *testing.T) {
	if _, err := opentable.Open(t.Context(), opentable.Settings{}); err == nil {
		t.Error("no error")
	}
	if _, err := dynamo.OpenLambda([]string{"AWS_REGION=x", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b"}, dynamo.FunctionSettings{}); err == nil {
		t.Error("no error with what Lambda says")
	}
}

// lambdaGives is what every function finds (AWS: "Defined runtime environment
// variables").
var lambdaGives = []string{
	"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=session",
	"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023", "AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
}

// sent is what a request would have told DynamoDB, and how often it was tried.
type sent struct {
	URL, Host, Region, Session, Agent string
	Tries                             int
}

// ask sends one request of a client's into the void.
func ask(t *testing.T, client *dynamodb.Client) sent {
	t.Helper()
	var s sent
	o := client.Options()
	o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		s.Tries++
		s.URL, s.Host, s.Session = r.URL.String(), r.Host, r.Header.Get("X-Amz-Security-Token")
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		if parts := strings.Split(credential, "/"); len(parts) > 3 {
			s.Region = parts[0] + " " + parts[2]
		}
		for _, word := range strings.Fields(r.UserAgent()) {
			if strings.HasPrefix(word, "app/") {
				s.Agent = word
			}
		}
		return nil, errors.New("void")
	})
	table := "x"
	synctest.Test(t, func(t *testing.T) { // the pauses between tries take no time
		if _, err := dynamodb.New(o).Query(t.Context(), &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &table}); err == nil {
			t.Error("the void answered")
		}
	})
	return s
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// TestLambdasEnvironmentMeansWhatTheSDKTakesItFor: the SDK's own configuration is
// the definition, for each setting that changes where a request goes and as whom.
func TestLambdasEnvironmentMeansWhatTheSDKTakesItFor(t *testing.T) {
	for name, more := range map[string][]string{
		"nothing else":        nil,
		"another region":      {"AWS_REGION=us-gov-west-1"},
		"the default region":  {"AWS_REGION=", "AWS_DEFAULT_REGION=cn-north-1"},
		"old names of keys":   {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_ACCESS_KEY=OLD", "AWS_SECRET_KEY=old"},
		"an endpoint":         {"AWS_ENDPOINT_URL_DYNAMODB=https://vpce.example.com"},
		"everyone's endpoint": {"AWS_ENDPOINT_URL=https://all.example.com"},
		"both endpoints":      {"AWS_ENDPOINT_URL=https://all.example.com", "AWS_ENDPOINT_URL_DYNAMODB=https://one.example.com/path"},
		"ignored endpoints":   {"AWS_ENDPOINT_URL=https://all.example.com", "AWS_ENDPOINT_URL_DYNAMODB=https://one.example.com", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=TRUE"},
		"endpoints counted":   {"AWS_ENDPOINT_URL=https://all.example.com", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false"},
		"FIPS":                {"AWS_USE_FIPS_ENDPOINT=true", "AWS_REGION=us-east-1"},
		"no FIPS":             {"AWS_USE_FIPS_ENDPOINT=False"},
		"dual stack":          {"AWS_USE_DUALSTACK_ENDPOINT=True"},
		"FIPS and dual stack": {"AWS_USE_FIPS_ENDPOINT=true", "AWS_USE_DUALSTACK_ENDPOINT=true", "AWS_REGION=us-east-1"},
		"one attempt":         {"AWS_MAX_ATTEMPTS=1"},
		"two, adaptive":       {"AWS_MAX_ATTEMPTS=2", "AWS_RETRY_MODE=adaptive"},
		"standard":            {"AWS_RETRY_MODE=standard"},
		"an account":          {"AWS_ACCOUNT_ID=123456789012"},
		"an account, not so":  {"AWS_ACCOUNT_ID=123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled"},
		"an account, surely":  {"AWS_ACCOUNT_ID=123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE=required"},
		"no account":          {"AWS_ACCOUNT_ID_ENDPOINT_MODE=required"},
		"a name":              {"AWS_SDK_UA_APP_ID=mine"},
		"an empty endpoint":   {"AWS_ENDPOINT_URL=https://all.example.com", "AWS_ENDPOINT_URL_DYNAMODB="},
		"an old name of one":  {"AWS_SECRET_ACCESS_KEY=", "AWS_SECRET_KEY=old"},
		"no session":          {"AWS_SESSION_TOKEN="},
		"FIPS, an endpoint":   {"AWS_ENDPOINT_URL_DYNAMODB=https://one.example.com/", "AWS_USE_FIPS_ENDPOINT=true"},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t)
			environ := slices.Concat(lambdaGives, more)
			for _, line := range environ {
				name, value, _ := strings.Cut(line, "=")
				t.Setenv(name, value)
			}
			client, err := opentable.Connect(t.Context(), opentable.Settings{Quiet: true})
			if err != nil {
				t.Fatal(err)
			}
			ours, err := dynamo.LambdaClient(environ, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := ask(t, ours), ask(t, client); got != want {
				t.Errorf("with what Lambda says\n%+v, with the SDK's configuration\n%+v", got, want)
			}
			got, want := ours.Options(), client.Options()
			if got.RetryMode != want.RetryMode || got.Retryer.MaxAttempts() != want.Retryer.MaxAttempts() || got.DisableClockSkewCorrection != want.DisableClockSkewCorrection {
				t.Errorf("retries: %v %d, want %v %d", got.RetryMode, got.Retryer.MaxAttempts(), want.RetryMode, want.Retryer.MaxAttempts())
			}
		})
	}
}

// TestTheBundleOfCertificatesIsHeeded by both, in place of the system's.
func TestTheBundleOfCertificatesIsHeeded(t *testing.T) {
	alone(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(w, `{"Items":[],"Count":0,"ScannedCount":0}`)
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = quiet()
	bundle := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(bundle, pemOf(server.Certificate()), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := append(slices.Clone(lambdaGives), "AWS_ENDPOINT_URL_DYNAMODB="+server.URL, "AWS_MAX_ATTEMPTS=1")
	if _, err := apis(t, environ); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("a certificate of nobody's: %v", err)
	}
	environ = append(environ, "AWS_CA_BUNDLE="+bundle)
	if _, err := apis(t, environ); err != nil {
		t.Errorf("one of the bundle's: %v", err)
	}
}

func apis(t *testing.T, environ []string) ([]mapping.API, error) {
	t.Helper()
	r, err := dynamo.OpenLambda(environ, dynamo.FunctionSettings{Table: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return r.APIs(context.Background())
}
