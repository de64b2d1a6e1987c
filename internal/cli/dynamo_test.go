package cli_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rogpeppe/go-internal/testscript"

	"scopegate/internal/cli"
	"scopegate/internal/dynamotest"
)

// TestCommandLineOnDynamoDB runs scripts against a DynamoDB over the wire. $AWAY
// is the same one by a name that is not this machine's, through $PROXY.
func TestCommandLineOnDynamoDB(t *testing.T) {
	endpoint := dynamotest.Endpoint(t)
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(proxy.Close)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/dynamo", RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			table := dynamotest.TableName()
			e.Setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
			e.Setenv("TABLE_NAME", table)
			e.Setenv("AWAY", "http://dynamodb.example")
			e.Setenv("PROXY", proxy.URL)
			e.Defer(func() { dropTable(t, table) })
			return nil
		},
	})
}

func dropTable(t *testing.T, table string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
	defer cancel()
	// Some scripts make none.
	_, _ = dynamotest.Client(t).DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(table)})
}

func TestDevKeepsItsTablesInTheDynamoDBOfTheEnvironment(t *testing.T) {
	table := dynamotest.TableName()
	t.Cleanup(func() { dropTable(t, table) })
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamotest.Endpoint(t))
	env := environment(t, "AWS_ENDPOINT_URL_DYNAMODB="+os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"), "TABLE_NAME="+table)
	for _, name := range []string{"made anew", "found again"} {
		t.Run(name, func(t *testing.T) {
			ready := inProcess(t, env)
			raw, _, code := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "email")
			if code != cli.OK {
				t.Fatal("no token")
			}
			if status := get(t, ready, ready.RESTURL+"/dev/my-resource", raw[:len(raw)-1]); status != http.StatusOK {
				t.Errorf("my-resource: %d", status)
			}
			if want := "DynamoDB table " + table + " at " + os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"); ready.Store != want {
				t.Errorf("store is %q, want %q", ready.Store, want)
			}
		})
	}
}
