//go:build deploy

package deploytest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	deployed "scopegate/internal/stack"
)

// standIn is moto, a stand-in of AWS that many use. It takes cfn-lint's warnings
// for errors, among them one on what osls writes (W3005, a needless DependsOn), so
// it is not to lint: lint_test.go does. It knows no HTTP APIs' routes and no
// authorizers, and passes over them.
const standIn = `
import sys
import moto.cloudformation.models as cloudformation
from moto.server import ThreadedMotoServer
cloudformation.validate_template_cfn_lint = lambda template: []
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
`

// startMoto starts a stand-in of AWS and gives its URL, or "" where it is not
// installed. It ends with the test.
func startMoto(t *testing.T) string {
	t.Helper()
	// Other versions know other services, and start otherwise.
	if exec.CommandContext(t.Context(), "python3", "-c", "import moto.server; assert moto.__version__.startswith('5.')").Run() != nil {
		return ""
	}
	// Not by a context, which would kill it: it ends when its input does.
	cmd := exec.Command("python3", "-c", standIn)
	cmd.Dir = t.TempDir()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("moto: %v", err)
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("moto did not start: %v", err)
	}
	return strings.TrimSpace(url)
}

// deployment is one stage on a stand-in.
type deployment struct {
	t         *testing.T
	endpoint  string
	scopegate string // the compiled command
	region    string
}

func newDeployment(t *testing.T, endpoint string) deployment {
	t.Helper()
	return deployment{t: t, endpoint: endpoint, scopegate: commandPath(t), region: "eu-west-1"}
}

func (d deployment) params(more ...string) []string {
	return least(append([]string{"region=" + d.region}, more...)...)
}

// run runs one of scripts/.
func (d deployment) run(script string, env []string, args ...string) (string, error) {
	d.t.Helper()
	root := Root(d.t)
	cmd := exec.CommandContext(d.t.Context(), filepath.Join(root, "scripts", script), append([]string{"moto"}, args...)...)
	cmd.Dir = d.t.TempDir() // scripts find the project by themselves
	cmd.Env = append(oslsEnv(), "AWS_ENDPOINT_URL="+d.endpoint, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
		"SCOPEGATE="+d.scopegate, "SLS_AWS_MONITORING_FREQUENCY=200") // ms
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// deploy packages and deploys as `make deploy STAGE=moto` does.
func (d deployment) deploy(params ...string) string {
	d.t.Helper()
	out, err := d.tryDeploy(nil, params...)
	if err != nil {
		d.t.Fatalf("deploy: %v\n%s", err, out)
	}
	return out
}

// refused deploys what must not be deployed, for a reason that it says.
func (d deployment) refused(want string, params ...string) {
	d.t.Helper()
	switch out, err := d.tryDeploy(nil, params...); {
	case err == nil:
		d.t.Errorf("it was deployed, and must not be: %s\n%s", want, out)
	case !strings.Contains(out, want) || strings.Contains(out, "Deploying scopegate"):
		d.t.Errorf("it must say %q before anything is deployed:\n%s", want, out)
	}
}

func (d deployment) tryDeploy(env []string, params ...string) (string, error) {
	d.t.Helper()
	defer alone(".")()
	dir := filepath.Join(d.t.TempDir(), "package")
	args := d.params(params...)
	if out, err := osls(d.t, ".", append([]string{"package", "--stage", "moto", "--package", dir}, args...)...).CombinedOutput(); err != nil {
		d.t.Fatalf("package: %v\n%s", err, out)
	}
	return d.run("deploy.sh", append([]string{"PACKAGE=" + dir}, env...), args...)
}

// failFirst leaves what the first deployment of a stack leaves that fails: osls makes
// a stack of the bucket for its packages alone before it makes the rest.
func (d deployment) failFirst() {
	d.t.Helper()
	defer alone(".")()
	dir := filepath.Join(d.t.TempDir(), "package")
	if out, err := osls(d.t, ".", append([]string{"package", "--stage", "moto", "--package", dir}, d.params()...)...).CombinedOutput(); err != nil {
		d.t.Fatalf("package: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cloudformation-template-create-stack.json"))
	if err != nil {
		d.t.Fatal(err)
	}
	in := &cloudformation.CreateStackInput{StackName: aws.String("scopegate-moto"), TemplateBody: aws.String(string(text))}
	if _, err := cloudformation.NewFromConfig(d.config()).CreateStack(d.t.Context(), in); err != nil {
		d.t.Fatal(err)
	}
}

func (d deployment) remove() string {
	d.t.Helper()
	defer alone(".")()
	out, err := d.run("remove.sh", nil, d.params()...)
	if err != nil {
		d.t.Fatalf("remove: %v\n%s", err, out)
	}
	return out
}

// removeFails removes what is not there: osls says why on its standard output, of which
// remove.sh takes the name of the table.
func (d deployment) removeFails(why string) {
	d.t.Helper()
	defer alone(".")()
	out, err := d.run("remove.sh", nil, d.params()...)
	if err == nil || !strings.Contains(out, why) {
		d.t.Errorf("remove: %v, must fail and say %q:\n%s", err, why, out)
	}
}

func (d deployment) config() aws.Config {
	return aws.Config{Region: d.region, BaseEndpoint: &d.endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
}

func (d deployment) stack() (deployed.Stack, error) {
	return deployed.Load(d.t.Context(), cloudformation.NewFromConfig(d.config()), "scopegate-moto")
}

// table is the name that the outputs of the stack have.
func (d deployment) table() string {
	d.t.Helper()
	s, err := d.stack()
	if err != nil {
		d.t.Fatal(err)
	}
	return s.Outputs[deployed.TableName]
}

// tables are those that exist.
func (d deployment) tables() []string {
	d.t.Helper()
	out, err := dynamodb.NewFromConfig(d.config()).ListTables(d.t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(out.TableNames)
	return out.TableNames
}

// TestDeployUpgradeRemoveDeployAgainAndAdopt: all of a stage's life, by the commands
// of the Makefile, on a stand-in of AWS.
func TestDeployUpgradeRemoveDeployAgainAndAdopt(t *testing.T) {
	t.Parallel()
	endpoint := startMoto(t)
	if endpoint == "" {
		t.Log("moto 5 is not installed: deployment to a stand-in of AWS is not tried")
		return
	}
	d := newDeployment(t, endpoint)

	out := d.deploy()
	inOrder(t, out, "There is no table of stack scopegate-moto in eu-west-1", "Deploying scopegate to stage moto", "at version", "Deployed.")
	s, err := d.stack()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		deployed.AuthorizerArn, deployed.AuthorizerName, deployed.AdminURL, deployed.TableName, deployed.TableArn, deployed.FlushQueueURL, deployed.AuthorizerFunction, deployed.AdminFunction,
	} {
		if s.Outputs[name] == "" {
			t.Errorf("output %s is missing", name)
		}
	}
	first := d.table()
	d.checkFunction("scopegate-moto-authorizer", "TABLE_NAME", first)
	d.checkFunction("scopegate-moto-admin", "FLUSH_QUEUE_URL", s.Outputs[deployed.FlushQueueURL])

	// An upgrade: the table before the code.
	inOrder(t, d.deploy("CACHE_TTL=10s"), "at version", "Deploying scopegate to stage moto", "Deployed.")
	equal(t, "the table after an upgrade", d.table(), first)
	d.checkFunction("scopegate-moto-authorizer", "CACHE_TTL", "10s")
	d.checkFunction("scopegate-moto-admin", "CACHE_TTL", "10s")

	inOrder(t, d.remove(), "Removed. The table "+first+" stays")
	if s, err := d.stack(); err == nil {
		t.Errorf("the stack is still there, %s", s.Status)
	}
	equal(t, "the tables after the stack was removed", d.tables(), []string{first})

	// A table that stayed behind does not stand in the way, nor does a first deployment
	// that failed.
	d.failFirst()
	inOrder(t, d.remove(), "Removed. The stack named no table")
	d.failFirst()
	inOrder(t, d.deploy(), "There is no table of stack scopegate-moto", "Deployed.")
	second := d.table()
	if second == first {
		t.Errorf("both stacks have table %s", first)
	}
	d.remove()

	d.refused("there is no such table", "tableName="+first+"x")
	inOrder(t, d.deploy("tableName="+first), "table "+first+" is at version", "Deploying scopegate", "Deployed.")
	equal(t, "the adopted table", d.table(), first)
	d.checkFunction("scopegate-moto-authorizer", "TABLE_NAME", first)

	// A tableName that is forgotten once would make an empty table: everybody denied.
	if out, err := d.tryDeploy(nil); err == nil || !strings.Contains(out, "tableName must be given") {
		t.Errorf("deployed without its table: %v\n%s", err, out)
	}
	equal(t, "the table after a tableName was forgotten", d.table(), first)
	d.deploy("tableName="+first, "CACHE_TTL=20s")

	// An earlier version does not come back to a table that it cannot read, in whatever
	// way it comes by it.
	d.note(first, "step#9000")
	d.refused("run a newer one", "tableName="+first)
	d.note(second, "step#9000")
	d.refused("run a newer one", "tableName="+second)
	d.remove()
	d.removeFails("does not exist")
	want := []string{first, second}
	slices.Sort(want)
	equal(t, "the tables in the end", d.tables(), want)
}

// note notes a step in a table's ledger that only later versions know, and that
// earlier ones cannot go on with.
func (d deployment) note(table, step string) {
	d.t.Helper()
	_, err := dynamodb.NewFromConfig(d.config()).PutItem(d.t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: step},
		"breaking": &types.AttributeValueMemberBOOL{Value: true},
	}})
	if err != nil {
		d.t.Fatal(err)
	}
}

// inOrder looks for each text after the one before.
func inOrder(t *testing.T, out string, texts ...string) {
	t.Helper()
	rest := out
	for _, text := range texts {
		_, after, found := strings.Cut(rest, text)
		if !found {
			t.Errorf("it does not say %q, or not in this order:\n%s", text, out)
			return
		}
		rest = after
	}
}

// checkFunction looks at a variable of a function's environment as it was deployed.
func (d deployment) checkFunction(name, variable, want string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	out, err := lambda.NewFromConfig(d.config()).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		d.t.Fatal(err)
	}
	if out.Environment == nil {
		d.t.Fatalf("%s has no environment", name)
	}
	equal(d.t, variable+" of "+name, out.Environment.Variables[variable], want)
}

// TestADeploymentIsOfOneAccount: osls looks for credentials in places of its own, and
// scopegate would bring up to date a table of another account. It is refused before
// anybody is asked.
func TestADeploymentIsOfOneAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := `{"service": {"provider": {"stage": "moto", "region": "eu-west-1"}, "custom": {"settings": {"table": "made", "tableName": {"Ref": "Table"}}}}}`
	if err := os.WriteFile(filepath.Join(dir, "serverless-state.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := filepath.Join(dir, "asked")
	if err := os.WriteFile(filepath.Join(dir, "scopegate"), []byte("#!/bin/sh\necho \"$@\" >>"+asked+"\nexit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env, args []string
		refused   bool
	}{
		"keys":                 {env: []string{"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x"}},
		"a profile":            {env: []string{"AWS_PROFILE=x"}},
		"a profile for osls":   {args: []string{"--aws-profile", "x"}, refused: true},
		"the same, in one":     {args: []string{"--aws-profile=x"}, refused: true},
		"a profile and keys":   {env: []string{"AWS_PROFILE=x", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x"}, refused: true},
		"the stage's profile":  {env: []string{"AWS_MOTO_PROFILE=x"}, refused: true},
		"the stage's own keys": {env: []string{"AWS_MOTO_ACCESS_KEY_ID=x", "AWS_MOTO_SECRET_ACCESS_KEY=x"}, refused: true},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(Root(t), "scripts", "deploy.sh"), append([]string{"moto"}, c.args...)...)
		cmd.Env = append(oslsEnv(), append(c.env, "PACKAGE="+dir, "SCOPEGATE="+filepath.Join(dir, "scopegate"))...)
		out, err := cmd.CombinedOutput()
		_, statErr := os.Stat(asked)
		if err == nil || strings.Contains(string(out), "account") != c.refused || os.IsNotExist(statErr) != c.refused {
			t.Errorf("%s: %v, scopegate asked: %v\n%s", name, err, statErr == nil, out)
		}
		_ = os.Remove(asked)
	}
}
