package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
	"scopegate/internal/dynamotest"
)

// way is one way to the tables: the flags that name it, and the environment.
type way struct {
	name string
	at   []string
	env  []string
	// direct: no admin API stands in front, by is who is recorded then.
	direct bool
}

// run runs a command there.
func (w way) run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs output
	all := slices.Concat([]string{"scopegate"}, args, w.at)
	code = cli.Run(t.Context(), all, slices.Concat(environment(t), w.env), strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

// ok runs a command that must succeed.
func (w way) ok(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, code := w.run(t, stdin, args...)
	if code != cli.OK {
		t.Fatalf("%v ends with %d:\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// into runs a command that must succeed and prints JSON.
func (w way) into(t *testing.T, into any, stdin string, args ...string) {
	t.Helper()
	stdout := w.ok(t, stdin, append(args, "--json")...)
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		t.Fatalf("%v: %v of\n%s", args, err, stdout)
	}
}

// adminToken is one that the admin API of a running dev takes.
func adminToken(t *testing.T, ready dev.Ready) string {
	t.Helper()
	raw, stderr, code := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--audience", ready.AdminAudience, "--scope", ready.AdminScope, "--role", ready.AdminRole)
	if code != cli.OK {
		t.Fatal(stderr)
	}
	return strings.TrimSpace(raw)
}

// everyWay runs a test on tables that hold the example, by each way there is: of
// the two to the admin API, which differ in where the token comes from, by one.
func everyWay(t *testing.T, test func(t *testing.T, w way)) {
	t.Run("dev", func(t *testing.T) {
		ready := inProcess(t, environment(t))
		test(t, way{name: "dev", at: []string{"--dev", ready.AdminURL}})
	})
	t.Run("data", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "tables")
		w := way{name: "data", at: []string{"--data", data}, direct: true}
		w.ok(t, seeds(t), "import", "-")
		test(t, w)
	})
	t.Run("dynamo", func(t *testing.T) { onDynamo(t, test) })
}

// onDynamo is the way to DynamoDB itself.
func onDynamo(t *testing.T, test func(t *testing.T, w way)) {
	table := dynamotest.TableName()
	t.Cleanup(func() { dropTable(t, table) })
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamotest.Endpoint(t))
	w := way{name: "dynamo", env: []string{"AWS_ENDPOINT_URL_DYNAMODB=" + os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"), "TABLE_NAME=" + table}, direct: true}
	if _, stderr, code := w.run(t, "", "migrate"); code != cli.OK {
		t.Fatal(stderr)
	}
	w.ok(t, seeds(t), "import", "-")
	test(t, w)
}

// seeds are the example as a file.
func seeds(t *testing.T) string {
	t.Helper()
	list, err := dev.Seeds()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var seedTable = []string{"--api", dev.SeedAPI.ARN, "--stage", dev.SeedAPI.Stage}

func with(args []string, more ...string) []string { return slices.Concat(more, args) }
