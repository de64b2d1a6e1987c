package dynamo_test

import (
	"testing"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// Region, credentials and endpoint are the SDK's own settings; for an endpoint
// on this machine the endpoint alone suffices.
func TestOpenFollowsTheSettingsOfTheSDK(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamotest.Endpoint(t))
	m := commit(t, dynamo.New(client, table), change(store.Revision{}, many(t, 1)...))
	st, err := dynamo.Open(t.Context(), dynamo.Settings{Table: table})
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
	t.Setenv("AWS_REGION", "eu-central-1")
	other, err := dynamo.Connect(t.Context(), dynamo.Settings{})
	if err != nil || other.Options().Region != "eu-central-1" {
		t.Errorf("AWS_REGION is not followed: %v", err)
	}
}

func TestOpenWithoutATableIsRefused(t *testing.T) {
	if _, err := dynamo.Open(t.Context(), dynamo.Settings{}); err == nil {
		t.Error("no error")
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
