//go:build deploy

package deploytest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	aTenant     = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"
	otherTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// params are --param flags: NAME=value each.
func params(list ...string) []string {
	var flags []string
	for _, p := range list {
		flags = append(flags, "--param", p)
	}
	return flags
}

// least is what a stage of one's own cannot do without.
func least(more ...string) []string {
	return params(append([]string{
		"ENTRA_TENANT_IDS=" + aTenant, "OIDC_AUDIENCES=api://orders", "ADMIN_TENANT_IDS=" + aTenant, "ADMIN_AUDIENCES=api://admin",
	}, more...)...)
}

func mine(more ...string) []string { return append([]string{"--stage", "mine"}, least(more...)...) }

func environment(template Template, function string) map[string]any {
	variables, _ := Part(template, "Resources", function+"LambdaFunction", "Properties", "Environment", "Variables").(map[string]any)
	return variables
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestSettingsThatAreNotGivenKeepTheCodesDefaults: none but the required ones is in
// the environment of a stage that gives no others.
func TestSettingsThatAreNotGivenKeepTheCodesDefaults(t *testing.T) {
	t.Parallel()
	template := Package(t, ".", mine()...)
	table, callers := map[string]any{"Ref": "Table"}, map[string]any{"ENTRA_TENANT_IDS": aTenant, "OIDC_AUDIENCES": "api://orders"}
	authorizer := map[string]any{"TABLE_NAME": table, "GOMAXPROCS": "1"}
	maps.Copy(authorizer, callers)
	equal(t, "the authorizer's environment", environment(template, "Authorizer"), authorizer)
	admin := map[string]any{"TABLE_NAME": table, "FLUSH_QUEUE_URL": map[string]any{"Ref": "FlushQueue"}, "ADMIN_TENANT_IDS": aTenant, "ADMIN_AUDIENCES": "api://admin"}
	maps.Copy(admin, callers)
	equal(t, "the admin function's environment", environment(template, "Admin"), admin)
}

// given is a value of each setting that a stage may give, unlike its default where
// no other one forbids that.
var given = map[string]string{
	"ENTRA_TENANT_IDS": aTenant + " " + otherTenant, "ENTRA_AUTHORITY": "https://login.microsoftonline.us", "ENTRA_STS": "https://sts.example",
	"OIDC_ISSUERS": "https://a.example", "OIDC_AUDIENCES": "api://orders https://a.example=one", "OIDC_ALGORITHMS": "https://a.example=ES256",
	"OIDC_JWKS_FILE": "/opt/keys.json", "CLOCK_SKEW": "5s", "CACHE_TTL": "10s", "CACHE_MAX_STALE": "1m", "CACHE_SIZE": "7",
	"TOKEN_CACHE_SIZE": "8", "TOKEN_CACHE_TTL": "9s", "INVALID_TOKEN": "deny", "HTTP_API_RESPONSE": "iam", "POLICY_SCOPE": "route",
	"POLICY_EXPLICIT_DENY": "on", "POLICY_MAX_BYTES": "4096", "POLICY_EXPIRY": "off", "ADMIN_AUDIENCES": "api://admin another",
	"ADMIN_TENANT_IDS": aTenant, "ADMIN_SCOPE": "Tables.Write", "ADMIN_ROLE": "Tables.Admin", "FLUSH_AUTHORIZER_CACHE": "off", "LOG_LEVEL": "warn",
}

// ofOne are the settings that one function alone reads.
var ofOne = map[string]string{
	"CACHE_MAX_STALE": "Authorizer", "CACHE_SIZE": "Authorizer", "TOKEN_CACHE_SIZE": "Authorizer", "TOKEN_CACHE_TTL": "Authorizer",
	"INVALID_TOKEN": "Authorizer", "HTTP_API_RESPONSE": "Authorizer",
	"ADMIN_AUDIENCES": "Admin", "ADMIN_TENANT_IDS": "Admin", "ADMIN_SCOPE": "Admin", "ADMIN_ROLE": "Admin", "FLUSH_AUTHORIZER_CACHE": "Admin",
}

// TestEachSettingOfTheREADMEIsAParameter: under its own name, and it reaches the
// functions that read it.
func TestEachSettingOfTheREADMEIsAParameter(t *testing.T) {
	t.Parallel()
	named := settingsOfREADME(t)
	ofStack := []string{"FLUSH_QUEUE_URL", "TABLE_NAME"} // the stack's own things
	equal(t, "the settings of README", named, slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(given)), ofStack...))))
	var list []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		list = append(list, name+"="+given[name])
	}
	template := Package(t, ".", append([]string{"--stage", "mine"}, params(list...)...)...)
	for _, function := range []string{"Authorizer", "Admin"} {
		got := environment(template, function)
		for name, value := range given {
			var want any
			if one := ofOne[name]; one == "" || one == function {
				want = value
			}
			equal(t, name+" of "+function, got[name], want)
		}
	}
}

// settingsOfREADME are the names in the table of the section "Settings", sorted.
func settingsOfREADME(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Settings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `[^|]*").FindAllString(section, -1) {
		for _, m := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(row, -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}

// TestAStageThatMustNotBeDeployedDoesNotPackage: what is missing, misspelt or of the
// wrong form is named, all of it at once.
func TestAStageThatMustNotBeDeployedDoesNotPackage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"nothing given": {[]string{"--stage", "mine"}, []string{
			`ENTRA_TENANT_IDS "": must be given`, `OIDC_AUDIENCES "": must be given`, `ADMIN_TENANT_IDS "": must be given`, `ADMIN_AUDIENCES "": must be given`,
		}},
		"of the wrong form": {mine("CACHE_TLL=5s", "ENTRA_TENANT_IDS=common", "accounts=123456789012 42", "alarmTopicArn=on-call", "tracing=yes",
			"logRetentionDays=many", "authorizerMemory=64", "authorizerProcessors=0", "tableName=a/b", "adminIssuer=http://idp.example", "layers=keys"), []string{
			`CACHE_TLL "5s": is no parameter`, `accounts "123456789012 42": must be`, `alarmTopicArn "on-call": must be`, `tracing "yes": must be`,
			`logRetentionDays "many": must be`, `authorizerMemory "64": must be`, `authorizerProcessors "0": must be`, `tableName "a/b": must be`, `adminIssuer "http://idp.example": must be`,
			`layers "keys": must be`,
		}},
		"of another region": {mine("region=eu-west-1", "alarmTopicArn="+topic, "layers=arn:aws:lambda:eu-west-2:111122223333:layer:keys:1"), []string{
			`alarmTopicArn "` + topic + `": must be of the stack's region, eu-west-1`, `layers "arn:aws:lambda:eu-west-2:111122223333:layer:keys:1": must be of the stack's region`,
		}},
		"two tenants of admins": {mine("ADMIN_TENANT_IDS=" + aTenant + " " + otherTenant), []string{`adminIssuer "": must be given`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out, err := TryPackage(t, ".", c.args...)
			if err == nil {
				t.Fatal("packaged")
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %s:\n%s", want, out)
				}
			}
		})
	}
}

// TestOtherIssuersAloneAreEnough: an authorizer may do without Entra.
func TestOtherIssuersAloneAreEnough(t *testing.T) {
	t.Parallel()
	template := Package(t, ".", append([]string{"--stage", "mine"}, params("OIDC_ISSUERS=https://a.example", "OIDC_AUDIENCES=https://a.example=x",
		"ADMIN_TENANT_IDS="+aTenant, "ADMIN_AUDIENCES=api://admin")...)...)
	if _, there := environment(template, "Authorizer")["ENTRA_TENANT_IDS"]; there {
		t.Error("ENTRA_TENANT_IDS is in the environment")
	}
}

// TestThePlaceholdersAreNeverDeployed: not under a stage's name of one's own, and not
// from a package of before; nothing is asked of AWS but who is asking.
func TestThePlaceholdersAreNeverDeployed(t *testing.T) {
	t.Parallel()
	var asked requests
	aws := httptest.NewServer(&asked)
	defer aws.Close()
	nobody := append([]string{"--stage", "mine"}, params("ENTRA_TENANT_IDS="+aTenant, "OIDC_AUDIENCES=api://x",
		"ADMIN_TENANT_IDS=00000000-0000-4000-8000-000000000000", "ADMIN_AUDIENCES=api://y")...)
	for name, c := range map[string]struct{ pack, deploy []string }{
		"as it comes": {nil, nil}, "a stage of one's own": {nobody, nobody}, "a package of before": {nobody, mine()},
	} {
		out, err := deployTo(t, aws.URL, c.pack, c.deploy)
		if err == nil || !strings.Contains(out, "cannot be deployed") || !strings.Contains(out, "ADMIN_TENANT_IDS") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for _, r := range asked.list() {
		if !strings.Contains(r, "Action=GetCallerIdentity&") {
			t.Errorf("AWS was asked %s", r)
		}
	}
}

// deployTo packages the root and deploys the package to an endpoint.
func deployTo(t *testing.T, endpoint string, pack, deploy []string) (string, error) {
	t.Helper()
	defer alone(".")()
	dir := filepath.Join(t.TempDir(), "package")
	out, err := osls(t, ".", append([]string{"package", "--package", dir}, pack...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("package: %v\n%s", err, out)
	}
	cmd := osls(t, ".", append([]string{"deploy", "--package", dir}, deploy...)...)
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+endpoint, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local")
	out, err = cmd.CombinedOutput()
	return string(out), err
}

// requests refuses every request, and keeps its path and body.
type requests struct {
	mu  sync.Mutex
	all []string
}

func (r *requests) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, req.Method+" "+req.URL.Path+" "+string(body))
	w.WriteHeader(http.StatusBadRequest)
}

func (r *requests) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// TestATableThatExistsIsAdopted: the stack makes none, and everything that names the
// table names that one.
func TestATableThatExistsIsAdopted(t *testing.T) {
	t.Parallel()
	template := Package(t, ".", mine("tableName=scopegate-mine-Table-1ABC")...)
	equal(t, "the table", Part(template, "Resources", "Table"), nil)
	equal(t, "TableName", Part(template, "Outputs", "TableName", "Value"), "scopegate-mine-Table-1ABC")
	arn := map[string]any{"Fn::Sub": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/scopegate-mine-Table-1ABC"}
	equal(t, "TableArn", Part(template, "Outputs", "TableArn", "Value"), arn)
	for _, function := range []string{"Authorizer", "Admin"} {
		equal(t, "TABLE_NAME of "+function, environment(template, function)["TABLE_NAME"], "scopegate-mine-Table-1ABC")
		statements := 0
		for _, s := range statementsOf(template, function+"Role") {
			actions, _ := Part(s, "Action").([]any)
			if slices.ContainsFunc(actions, func(a any) bool { return strings.HasPrefix(fmt.Sprint(a), "dynamodb:") }) {
				statements++
				equal(t, "the resource of "+Part(s, "Sid").(string), Part(s, "Resource"), any(arn))
			}
		}
		if statements == 0 {
			t.Errorf("%s: no statement names the table", function)
		}
	}
}

func statementsOf(template Template, role string) []any {
	policies, _ := Part(template, "Resources", role, "Properties", "Policies").([]any)
	var all []any
	for _, p := range policies {
		statements, _ := Part(p, "PolicyDocument", "Statement").([]any)
		all = append(all, statements...)
	}
	return all
}

// TestFurtherAccountsMayCallTheAuthorizer: each by the authorizers of its APIs, and
// nobody else's.
func TestFurtherAccountsMayCallTheAuthorizer(t *testing.T) {
	t.Parallel()
	resources, _ := Package(t, ".", mine("accounts=111122223333 444455556666")...)["Resources"].(map[string]any)
	got := map[string]any{}
	for id, r := range resources {
		if Part(r, "Type") == "AWS::Lambda::Permission" && strings.HasPrefix(id, "Authorizer") {
			equal(t, id+"'s principal", Part(r, "Properties", "Principal"), "apigateway.amazonaws.com")
			got[id] = Part(r, "Properties", "SourceArn", "Fn::Sub")
		}
	}
	equal(t, "the callers", got, map[string]any{
		"AuthorizerPermission":             "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*/authorizers/*",
		"AuthorizerPermission111122223333": "arn:${AWS::Partition}:execute-api:${AWS::Region}:111122223333:*/authorizers/*",
		"AuthorizerPermission444455556666": "arn:${AWS::Partition}:execute-api:${AWS::Region}:444455556666:*/authorizers/*",
	})
}

// TestTheOtherParametersCount: each where it belongs, and off or empty by default.
func TestTheOtherParametersCount(t *testing.T) {
	t.Parallel()
	const topic, layer = "arn:aws:sns:eu-central-1:123456789012:on-call", "arn:aws:lambda:eu-central-1:123456789012:layer:keys:3"
	with := Package(t, ".", mine("tracing=on", "alarmTopicArn="+topic, "logRetentionDays=90", "authorizerMemory=1024", "adminMemory=256",
		"layers="+layer, "adminIssuer=https://sts.windows.net/"+aTenant+"/", "region=eu-central-1")...)
	without := Package(t, ".", mine()...)
	xray := []any{map[string]any{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AWSXRayDaemonWriteAccess"}}
	for _, c := range []struct {
		path          []string
		with, without any
	}{
		{[]string{"AuthorizerLambdaFunction", "Properties", "TracingConfig", "Mode"}, "Active", "PassThrough"},
		{[]string{"AdminLambdaFunction", "Properties", "TracingConfig", "Mode"}, "Active", "PassThrough"},
		{[]string{"AuthorizerRole", "Properties", "ManagedPolicyArns"}, xray, []any{}},
		{[]string{"AdminRole", "Properties", "ManagedPolicyArns"}, xray, []any{}},
		{[]string{"AuthorizerFailed", "Properties", "AlarmActions"}, []any{topic}, []any{}},
		{[]string{"FlushDeadLetter", "Properties", "OKActions"}, []any{topic}, []any{}},
		{[]string{"AuthorizerLogGroup", "Properties", "RetentionInDays"}, 90.0, 30.0},
		{[]string{"AdminLogGroup", "Properties", "RetentionInDays"}, 90.0, 30.0},
		{[]string{"AuthorizerLambdaFunction", "Properties", "MemorySize"}, 1024.0, 512.0},
		{[]string{"AdminLambdaFunction", "Properties", "MemorySize"}, 256.0, 512.0},
		{[]string{"AuthorizerLambdaFunction", "Properties", "Layers"}, []any{layer}, []any{}},
		{[]string{"AdminLambdaFunction", "Properties", "Layers"}, []any{layer}, []any{}},
		{[]string{"HttpApiAuthorizerEntra", "Properties", "JwtConfiguration", "Issuer"}, "https://sts.windows.net/" + aTenant + "/", "https://login.microsoftonline.com/" + aTenant + "/v2.0"},
	} {
		name := strings.Join(c.path, ".")
		equal(t, name+" with the parameter", Part(with["Resources"], c.path...), c.with)
		equal(t, name+" without it", Part(without["Resources"], c.path...), c.without)
	}
	_, out, err := TryPackage(t, ".", mine("region=eu-central-1")...)
	if err != nil || !strings.Contains(out, "eu-central-1") {
		t.Errorf("the region: %v, %s", err, out)
	}
}
