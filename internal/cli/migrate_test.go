package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	"scopegate/internal/cli"
	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// awsOf sets the environment of the SDK, which reads the process's own, and gives
// the same for the command.
func awsOf(t *testing.T, more ...string) []string {
	t.Helper()
	all := append([]string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + dynamotest.Endpoint(t), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
	}, more...)
	for _, line := range all {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
	return environment(t, all...)
}

// stacks answers DescribeStacks as CloudFormation does, of one stack.
func stacks(t *testing.T, status, table string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("StackName") != "scopegate-test" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>scopegate-test</StackName>
<StackId>arn:aws:cloudformation:us-east-1:219852565112:stack/scopegate-test/1</StackId><StackStatus>%s</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>
<Outputs><member><OutputKey>TableName</OutputKey><OutputValue>%s</OutputValue></member></Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, status, table)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func migrate(t *testing.T, env []string, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs output
	code = cli.Run(t.Context(), append([]string{"scopegate", "migrate"}, args...), env, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

const one = `[{"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev", "httpVerb": "GET", "resource": "my-resource", "scope": "email"}]`

// TestMigrateOfAStackWorksOnItsTable, the seed too, whatever TABLE_NAME says.
func TestMigrateOfAStackWorksOnItsTable(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	env := awsOf(t, "TABLE_NAME=another-table", "AWS_ENDPOINT_URL_CLOUDFORMATION="+stacks(t, "UPDATE_COMPLETE", table))
	stdout, stderr, code := migrate(t, env, one, "--stack", "scopegate-test", "--seed", "-")
	if code != cli.OK || !strings.Contains(stdout, "table "+table+" is at version") || !strings.Contains(stdout, "dev: 1 added") || !strings.Contains(stderr, "table "+table+"\n") {
		t.Fatalf("%d\n%s\n%s", code, stdout, stderr)
	}
	api, err := mapping.ParseAPI("arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "dev")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dynamo.New(client, table).Load(t.Context(), api); err != nil || len(got.Permissions) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestMigrateOfAStackThatIsNotReadyChangesNothing, and a missing table is not made:
// it is CloudFormation's.
func TestMigrateOfAStackThatIsNotReadyChangesNothing(t *testing.T) {
	missing := dynamotest.TableName()
	for name, c := range map[string]struct{ stack, status, want string }{
		"no such stack":   {"other", "CREATE_COMPLETE", "there is no such stack"},
		"being changed":   {"scopegate-test", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"},
		"rolled back":     {"scopegate-test", "ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE"},
		"without a table": {"scopegate-test", "CREATE_COMPLETE", "the stack names it, and does not have it"},
	} {
		t.Run(name, func(t *testing.T) {
			env := awsOf(t, "AWS_ENDPOINT_URL_CLOUDFORMATION="+stacks(t, c.status, missing))
			stdout, stderr, code := migrate(t, env, "", "--stack", c.stack)
			if code != cli.Negative || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("%d\n%s\n%s", code, stdout, stderr)
			}
			if _, err := dynamotest.Client(t).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &missing}); err == nil {
				t.Error("the table was made")
			}
		})
	}
	t.Run("nobody answers", func(t *testing.T) {
		env := awsOf(t, "AWS_ENDPOINT_URL_CLOUDFORMATION=http://127.0.0.1:1")
		if _, stderr, code := migrate(t, env, "", "--stack", "scopegate-test"); code != cli.Failed {
			t.Errorf("%d\n%s", code, stderr)
		}
	})
}

// TestASeedDoesNotBringBackWhatWasRemoved: deployments run it again and again.
func TestASeedDoesNotBringBackWhatWasRemoved(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	env := awsOf(t, "TABLE_NAME="+table)
	if _, stderr, code := migrate(t, env, one, "--seed", "-"); code != cli.OK {
		t.Fatal(stderr)
	}
	st := dynamo.New(client, table)
	api, err := mapping.ParseAPI("arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "dev")
	if err != nil {
		t.Fatal(err)
	}
	s, err := st.Load(t.Context(), api)
	if err != nil || len(s.Permissions) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	_, err = st.Commit(t.Context(), store.Change{API: api, ID: ulid.Make().String(), If: s.Revision, By: "t:o", At: time.Unix(1e9, 0), Remove: []string{s.Permissions[0].ID()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := migrate(t, env, one, "--seed", "-"); code != cli.OK || !strings.Contains(stderr, "is not merged again") {
		t.Fatalf("%d %s", code, stderr)
	}
	if s, err = st.Load(t.Context(), api); err != nil || len(s.Permissions) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestATableThatIsNewerIsNoOutage for any command: it will be so the next time.
func TestATableThatIsNewerIsNoOutage(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	env := awsOf(t, "TABLE_NAME="+table)
	if _, stderr, code := migrate(t, env, one, "--seed", "-"); code != cli.OK {
		t.Fatal(stderr)
	}
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: "step#9000"},
		"name": &types.AttributeValueMemberS{Value: "of tomorrow"}, "breaking": &types.AttributeValueMemberBOOL{Value: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"migrate"}, {"apis"}, {"import", "-"}, {"explain", "--scope", "email", "--api", "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "--stage", "dev", "GET", "/my-resource"},
	} {
		var out, errs output
		code := cli.Run(t.Context(), append([]string{"scopegate"}, args...), env, strings.NewReader(one), &out, &errs)
		if code != cli.Negative || out.String() != "" || !strings.Contains(errs.String(), "step 9000 (of tomorrow) of the table is unknown here") {
			t.Errorf("%v: %d\n%s\n%s", args, code, out.String(), errs.String())
		}
	}
}

// TestATableIsNotMadeAgainstOnesWill, on a stand-in, where a missing one is made
// unasked.
func TestATableIsNotMadeAgainstOnesWill(t *testing.T) {
	missing := dynamotest.TableName()
	env := awsOf(t, "TABLE_NAME="+missing)
	if stdout, stderr, code := migrate(t, env, "", "--create=false"); code != cli.Negative || stdout != "" || !strings.Contains(stderr, "there is no such table") {
		t.Errorf("%d\n%s\n%s", code, stdout, stderr)
	}
	if _, err := dynamotest.Client(t).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &missing}); err == nil {
		t.Error("the table was made")
	}
	t.Cleanup(func() { dropTable(t, missing) })
	if _, stderr, code := migrate(t, env, ""); code != cli.OK {
		t.Errorf("%d\n%s", code, stderr)
	}
}
