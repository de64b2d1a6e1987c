package dynamo_test

import (
	"slices"
	"strings"
	"testing"

	"scopegate/store/dynamo"
)

func lambdaEnviron(more ...string) []string {
	return append([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=a-secret", "AWS_SESSION_TOKEN=a-session"}, more...)
}

// TestLambdasEnvironmentIsHeededOrRefusedByName: each row names what the error
// must hold; several faults come together.
func TestLambdasEnvironmentIsHeededOrRefusedByName(t *testing.T) {
	for _, row := range []struct {
		more, want []string
	}{
		{[]string{"AWS_PROFILE=dev"}, []string{`AWS_PROFILE "dev"`}},
		{[]string{"AWS_DEFAULT_PROFILE=dev"}, []string{`AWS_DEFAULT_PROFILE "dev"`}},
		{[]string{"AWS_CONFIG_FILE=/x"}, []string{`AWS_CONFIG_FILE "/x"`}},
		{[]string{"AWS_SHARED_CREDENTIALS_FILE=/x"}, []string{"AWS_SHARED_CREDENTIALS_FILE"}},
		{[]string{"AWS_ROLE_ARN=r"}, []string{"AWS_ROLE_ARN"}},
		{[]string{"AWS_WEB_IDENTITY_TOKEN_FILE=/x"}, []string{"AWS_WEB_IDENTITY_TOKEN_FILE"}},
		{[]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://x"}, []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI"}},
		{[]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x"}, []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}},
		{[]string{"AWS_DEFAULTS_MODE=auto"}, []string{"AWS_DEFAULTS_MODE"}},
		{[]string{"AWS_ENABLE_ENDPOINT_DISCOVERY=true"}, []string{"AWS_ENABLE_ENDPOINT_DISCOVERY"}},
		{[]string{"AWS_AUTH_SCHEME_PREFERENCE=sigv4a"}, []string{"AWS_AUTH_SCHEME_PREFERENCE"}},
		{[]string{"AWS_SIGV4A_SIGNING_REGION_SET=*"}, []string{"AWS_SIGV4A_SIGNING_REGION_SET"}},
		{[]string{"AWS_USE_FIPS_ENDPOINT=yes"}, []string{`AWS_USE_FIPS_ENDPOINT "yes"`}},
		{[]string{"AWS_USE_DUALSTACK_ENDPOINT=1"}, []string{`AWS_USE_DUALSTACK_ENDPOINT "1"`}},
		{[]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=1"}, []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}},
		{[]string{"AWS_DISABLE_CLOCK_SKEW_CORRECTION=1"}, []string{"AWS_DISABLE_CLOCK_SKEW_CORRECTION"}},
		{[]string{"AWS_RETRY_MODE=legacy", "AWS_MAX_ATTEMPTS=none"}, []string{`AWS_RETRY_MODE "legacy"`, `AWS_MAX_ATTEMPTS "none"`}},
		{[]string{"AWS_MAX_ATTEMPTS=-1"}, []string{`AWS_MAX_ATTEMPTS "-1"`}},
		{[]string{"AWS_ACCOUNT_ID_ENDPOINT_MODE=maybe"}, []string{"AWS_ACCOUNT_ID_ENDPOINT_MODE"}},
		{[]string{"AWS_CA_BUNDLE=/does/not/exist"}, []string{"AWS_CA_BUNDLE"}},
		{[]string{"AWS_REGION="}, []string{"AWS_REGION"}},
		{[]string{"AWS_ACCESS_KEY_ID="}, []string{"AWS_ACCESS_KEY_ID"}},
		{[]string{"AWS_SECRET_ACCESS_KEY="}, []string{"AWS_SECRET_ACCESS_KEY"}},
		{[]string{"AWS_REGION=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, []string{"AWS_REGION", "AWS_ACCESS_KEY_ID"}},
		// A half of credentials for a stand-in is a mistake too.
		{[]string{"AWS_SECRET_ACCESS_KEY=", "AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1"}, []string{"AWS_SECRET_ACCESS_KEY"}},
	} {
		_, err := dynamo.OpenLambda(lambdaEnviron(row.more...), dynamo.FunctionSettings{Table: "tables"})
		if err == nil {
			t.Errorf("%v: no error", row.more)
			continue
		}
		for _, want := range row.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: the error does not name %s: %v", row.more, want, err)
			}
		}
		for _, secret := range []string{"a-secret", "a-session"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v: the error tells a secret", row.more)
			}
		}
	}
	for _, environ := range [][]string{lambdaEnviron(), {"AWS_ENDPOINT_URL_DYNAMODB=http://localhost:8000"}, slices.Concat(lambdaEnviron(), []string{"AWS_PROFILE=", "AWS_RETRY_MODE="})} {
		if _, err := dynamo.OpenLambda(environ, dynamo.FunctionSettings{Table: "tables"}); err != nil {
			t.Errorf("%v: %v", environ, err)
		}
	}
}

func TestOnlyThisMachineIsLoopback(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"http://127.0.0.1:8000": true, "http://localhost": true, "http://[::1]:1": true, "https://127.9.9.9/x": true,
		"": false, "http://127.0.0.1.example.com": false, "https://dynamodb.us-east-1.amazonaws.com": false,
		"http://10.0.0.1:8000": false, "http://localhost.example.com": false, "://": false,
	} {
		if got := dynamo.IsLoopback(endpoint); got != want {
			t.Errorf("IsLoopback(%q) = %v", endpoint, got)
		}
	}
}
