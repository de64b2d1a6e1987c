package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/cli"
	"scopegate/internal/doctor"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// doctorRows runs doctor for programs, and gives its rows by part and check.
func doctorRows(t *testing.T, env []string, args ...string) (rows map[string]doctor.Row, code int, stderr string) {
	t.Helper()
	var out, errs output
	code = cli.Run(t.Context(), append([]string{"scopegate", "doctor", "--json"}, args...), env, nil, &out, &errs)
	var report doctor.Report
	if text := out.String(); text != "" {
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	rows = map[string]doctor.Row{}
	for _, r := range report.Rows {
		rows[r.Part+": "+r.Check] = r
	}
	return rows, code, errs.String()
}

// want checks the status of rows.
func want(t *testing.T, rows map[string]doctor.Row, expected map[string]doctor.Status) {
	t.Helper()
	for name, status := range expected {
		if r, ok := rows[name]; !ok || r.Status != status {
			t.Errorf("%s: %+v, want %s", name, r, status)
		}
	}
}

// without lists the statuses that must not occur.
func without(t *testing.T, rows map[string]doctor.Row, statuses ...doctor.Status) {
	t.Helper()
	for name, r := range rows {
		for _, s := range statuses {
			if r.Status == s {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// TestDoctorOfNothingAsksTheLocalGateway, and says of everything else that it was
// not run.
func TestDoctorOfNothingAsksTheLocalGateway(t *testing.T) {
	rows, code, errs := doctorRows(t, environment(t))
	if code != cli.OK || errs != "" {
		t.Errorf("ends with %d: %s", code, errs)
	}
	want(t, rows, map[string]doctor.Status{
		doctor.LocalREST + ": date-allow": doctor.OK, doctor.LocalHTTP + ": default-stage": doctor.OK,
		"REST API on AWS: date-allow": doctor.NotRun, "HTTP API on AWS: 401": doctor.NotRun, "DynamoDB table: table": doctor.NotRun,
	})
	without(t, rows, doctor.Note, doctor.Finding, doctor.Failed)
	if r := rows["REST API on AWS: date-allow"]; !strings.Contains(r.Seen, "not run here") || !strings.Contains(r.Seen, "--probe-rest") || r.Expected == "" {
		t.Errorf("%+v", r)
	}
	stdout, _, code := scopegate(t, "", "doctor")
	if code != cli.OK || !strings.Contains(stdout, "\nREST API on AWS\n  not run  cache, ") || !strings.Contains(stdout, " 0 findings, 0 failed, ") {
		t.Errorf("ends with %d:\n%s", code, stdout)
	}
}

// TestDoctorPrintsWhatToChange, for people.
func TestDoctorPrintsWhatToChange(t *testing.T) {
	var out, errs output
	env := environment(t, "ENTRA_TENANT_IDS="+idp.DefaultTenantID, "OIDC_AUDIENCES=x", "CACHE_TTL=1d")
	if code := cli.Run(t.Context(), []string{"scopegate", "doctor"}, env, nil, &out, &errs); code != cli.Negative || errs.String() != "" {
		t.Errorf("ends with %d: %s", code, &errs)
	}
	for _, line := range []string{
		"settings\n  finding  settings\n", "\n           expected  complete, known and without contradiction\n", "\n           seen      CACHE_TTL ",
		"\n           so        the function does not start", "\n           change    CACHE_TTL\n", " 1 findings, 0 failed, ",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, &out)
		}
	}
}

func TestDoctorOfTheLocalStackFindsNothing(t *testing.T) {
	ready := inProcess(t, environment(t))
	rows, code, errs := doctorRows(t, environment(t), "--dev", ready.AdminURL)
	if code != cli.OK || errs != "" {
		t.Errorf("ends with %d: %s", code, errs)
	}
	want(t, rows, map[string]doctor.Status{
		"settings: settings": doctor.OK, "admin API: healthz": doctor.OK, "admin API: closed": doctor.OK,
		"gateways: REST API is closed": doctor.OK, "gateways: HTTP API is closed": doctor.OK,
		"tables: arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 stage dev": doctor.OK, doctor.LocalREST + ": cache": doctor.OK,
	})
	without(t, rows, doctor.Note, doctor.Finding, doctor.Failed)
	// The folder of a dev that has ended, and no folder.
	dir := t.TempDir()
	if _, errs, code := scopegate(t, `[{"arn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2","stage":"dev","httpVerb":"GET","resource":"a","scope":"s"}]`, "import", "--data", dir, "-"); code != cli.OK {
		t.Fatal(errs)
	}
	rows, code, _ = doctorRows(t, environment(t), "--data", dir)
	want(t, rows, map[string]doctor.Status{"tables: arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 stage dev": doctor.OK})
	// As the other commands take it, with /v1 or without.
	beside, _, _ := doctorRows(t, environment(t), "--admin-url", ready.AdminURL+"/v1/")
	want(t, beside, map[string]doctor.Status{"admin API: healthz": doctor.OK, "admin API: closed": doctor.OK})
	if code != cli.OK {
		t.Errorf("--data ends with %d", code)
	}
	if _, code, errs = doctorRows(t, environment(t), "--data", t.TempDir()); code != cli.Negative || !strings.Contains(errs, "--data") {
		t.Errorf("no folder: %d, %s", code, errs)
	}
}

// TestDoctorExitCodes: a finding, a wrong command line, and what cannot be found out.
func TestDoctorExitCodes(t *testing.T) {
	provider := "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		says string // on standard error
		rows map[string]doctor.Status
	}{
		"wrong settings": {[]string{"ENTRA_TENANT_IDS=common", "OIDC_AUDIENCES=x"}, nil, cli.Negative, "", map[string]doctor.Status{"settings: settings": doctor.Finding}},
		"wrong admin settings": {[]string{"ADMIN_AUDIENCES=x", "FLUSH_AUTHORIZER_CACHE=off"}, nil, cli.Negative, "",
			map[string]doctor.Status{"settings of the admin API: settings": doctor.Finding}},
		"wrong table":      {[]string{"TABLE_NAME=x"}, nil, cli.Negative, "", map[string]doctor.Status{"DynamoDB table: settings": doctor.Finding}},
		"wrong endpoint":   {[]string{"AWS_ENDPOINT_URL_DYNAMODB=local"}, nil, cli.Negative, "", map[string]doctor.Status{"DynamoDB table: settings": doctor.Finding}},
		"somebody else's":  {[]string{"CACHE_TLL=5s"}, nil, cli.OK, "", map[string]doctor.Status{"settings: CACHE_TLL": doctor.Note}},
		"provider is away": {[]string{"ENTRA_TENANT_IDS=" + idp.DefaultTenantID, "OIDC_AUDIENCES=x", "ENTRA_AUTHORITY=" + provider, "ENTRA_STS=" + provider + "/sts"}, nil, cli.Failed, "", nil},
		"admin is away":    {nil, []string{"--admin-url", "http://127.0.0.1:1"}, cli.Failed, "", map[string]doctor.Status{"admin API: healthz": doctor.Failed}},
		"probe is away":    {nil, []string{"--probe-rest", "http://127.0.0.1:1/probe"}, cli.Failed, "half a minute", map[string]doctor.Status{"REST API on AWS: probe": doctor.Failed}},
		"no URL of an API": {nil, []string{"--probe-http", "def456"}, cli.Usage, "must be that of an API", nil},
		"no dev":           {nil, []string{"--dev", "http://127.0.0.1:1"}, cli.Failed, "is scopegate dev running?", nil},
		"no admin URL":     {nil, []string{"--admin-url", "admin.example"}, cli.Usage, "must be a URL", nil},
		"a secret in it":   {[]string{"SCOPEGATE_ADMIN=https://ada:hunter2@127.0.0.1:1"}, nil, cli.Usage, "must hold no user or password", nil},
		"dev and stack":    {nil, []string{"--dev", "http://127.0.0.1:1", "--stack", "x"}, cli.Usage, "dev stack", nil},
		"an argument":      {nil, []string{"x"}, cli.Usage, "Usage", nil},
	} {
		t.Run(name, func(t *testing.T) {
			rows, code, errs := doctorRows(t, environment(t, c.env...), c.args...)
			if code != c.code || !strings.Contains(errs, c.says) || strings.Contains(fmt.Sprint(rows, errs), "hunter2") {
				t.Errorf("ends with %d, want %d: %s", code, c.code, errs)
			}
			want(t, rows, c.rows)
		})
	}
}

func TestDoctorFindsWhatToDoAboutADynamoDBTable(t *testing.T) {
	_, table := dynamotest.NewTable(t)
	endpoint := dynamotest.Endpoint(t)
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
	rows, code, errs := doctorRows(t, environment(t, "AWS_ENDPOINT_URL_DYNAMODB="+endpoint, "TABLE_NAME="+table))
	if code != cli.OK {
		t.Errorf("ends with %d: %s", code, errs)
	}
	want(t, rows, map[string]doctor.Status{
		"DynamoDB table: layout": doctor.OK, "DynamoDB table: time to live": doctor.OK, "tables: list": doctor.Note,
	})
	rows, code, _ = doctorRows(t, environment(t, "AWS_ENDPOINT_URL_DYNAMODB="+endpoint, "TABLE_NAME="+dynamotest.TableName()))
	want(t, rows, map[string]doctor.Status{"DynamoDB table: layout": doctor.Finding})
	if r := rows["DynamoDB table: layout"]; code != cli.Negative || !strings.Contains(r.Change, "scopegate migrate --create") {
		t.Errorf("no table: %d, %+v", code, r)
	}
}

// TestDoctorFindsItemsThatWereEditedByHand: authorizers do not go by them.
func TestDoctorFindsItemsThatWereEditedByHand(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	endpoint := dynamotest.Endpoint(t)
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
	const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"
	list, err := mapping.ParsePermissions([]byte(`[{"arn":"` + arn + `","stage":"dev","httpVerb":"GET","resource":"a","scope":"s"}]`))
	if err != nil {
		t.Fatal(err)
	}
	batch := store.Batch{API: list[0].API, Permissions: list}
	if _, err := store.Merge(t.Context(), dynamo.New(client, table), batch, store.MergeOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	found := func(status doctor.Status, code int) {
		t.Helper()
		rows, got, errs := doctorRows(t, environment(t, "AWS_ENDPOINT_URL_DYNAMODB="+endpoint, "TABLE_NAME="+table))
		want(t, rows, map[string]doctor.Status{"tables: " + arn + " stage dev": status})
		if got != code {
			t.Errorf("ends with %d, want %d: %s", got, code, errs)
		}
	}
	found(doctor.OK, cli.OK)
	all, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range all.Items {
		if sk, ok := it["sk"].(*types.AttributeValueMemberS); ok && strings.HasPrefix(sk.Value, "perm#") {
			it["description"] = &types.AttributeValueMemberS{Value: "edited in the console"}
			if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
				t.Fatal(err)
			}
		}
	}
	found(doctor.Finding, cli.Negative)
}

// cloud is as much of AWS as doctor asks about a stack, and the admin API of it.
type cloud struct {
	url string

	mu        sync.Mutex
	outputs   map[string]string
	status    string
	functions map[string]map[string]string // settings by the function's name
	caller    string
	forbidden bool
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	form, _ := url.ParseQuery(string(body))
	name, isFunction := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	switch {
	case form.Get("Action") == "DescribeStacks":
		c.describe(w)
	case form.Get("Action") == "GetCallerIdentity":
		fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`, c.caller)
	case r.Header.Get("X-Amz-Target") == "AmazonSQS.GetQueueAttributes":
		fmt.Fprint(w, `{"Attributes":{"VisibilityTimeout":"180","RedrivePolicy":"{}"}}`)
	case isFunction:
		name = strings.TrimSuffix(name, "/configuration")
		timeout := map[bool]int{true: 29, false: 10}[strings.HasSuffix(name, "admin")]
		json.NewEncoder(w).Encode(map[string]any{
			"State": "Active", "LastUpdateStatus": "Successful", "Runtime": "provided.al2023", "Architectures": []string{"arm64"}, "Timeout": timeout,
			"Role": "arn:aws:iam::219852565112:role/scopegate-t-AdminRole", "Environment": map[string]any{"Variables": c.functions[name]},
		})
	case strings.HasSuffix(r.URL.Path, "/cache/authorizers") || strings.HasPrefix(r.URL.Path, "/v2/apis/"):
		status, code := http.StatusNotFound, "NotFoundException"
		if c.forbidden {
			status, code = http.StatusForbidden, "AccessDeniedException"
		}
		w.Header().Set("X-Amzn-ErrorType", code)
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"no"}`)
	case r.URL.Path == "/healthz":
		fmt.Fprint(w, `{}`)
	case r.URL.Path == "/v1/apis":
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

func (c *cloud) describe(w http.ResponseWriter) {
	fmt.Fprint(w, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>`+
		`<StackName>scopegate-t</StackName><StackId>arn:aws:cloudformation:us-east-1:219852565112:stack/scopegate-t/1</StackId>`+
		`<CreationTime>2026-01-02T03:04:05Z</CreationTime><StackStatus>`, c.status, `</StackStatus><Outputs>`)
	for key, value := range c.outputs {
		fmt.Fprintf(w, `<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>`, key, value)
	}
	fmt.Fprint(w, `</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`)
}

// deploy is a stack in order, and the environment of an operator's shell.
func deploy(t *testing.T) (*cloud, []string) {
	t.Helper()
	_, table := dynamotest.NewTable(t)
	provider, err := idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(provider)
	t.Cleanup(issuer.Close)
	provider.SetBaseURL(issuer.URL)
	c := &cloud{status: "UPDATE_COMPLETE", caller: "arn:aws:sts::219852565112:assumed-role/ops/ada"}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	c.outputs = map[string]string{
		"AuthorizerFunction": "scopegate-t-authorizer", "AdminFunction": "scopegate-t-admin", "TableName": table,
		"FlushQueueUrl": server.URL + "/219852565112/flush", "AdminUrl": server.URL,
	}
	both := func() map[string]string {
		return map[string]string{"TABLE_NAME": table, "ENTRA_TENANT_IDS": provider.TenantID(), "ENTRA_AUTHORITY": provider.Authority(),
			"ENTRA_STS": provider.STS(), "OIDC_AUDIENCES": provider.Audience()}
	}
	c.functions = map[string]map[string]string{"scopegate-t-authorizer": both(), "scopegate-t-admin": both()}
	for name, value := range map[string]string{"ADMIN_TENANT_IDS": provider.TenantID(), "ADMIN_AUDIENCES": "api://admin", "FLUSH_QUEUE_URL": c.outputs["FlushQueueUrl"]} {
		c.functions["scopegate-t-admin"][name] = value
	}
	env := environment(t)
	for name, value := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.URL, "AWS_ENDPOINT_URL_DYNAMODB": dynamotest.Endpoint(t), "AWS_ACCESS_KEY_ID": "local",
		"AWS_SECRET_ACCESS_KEY": "local", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value) // the SDK reads the process's own
		env = append(env, name+"="+value)
	}
	return c, env
}

func TestDoctorOfADeployedStack(t *testing.T) {
	c, env := deploy(t)
	rows, code, errs := doctorRows(t, env, "--stack", "scopegate-t")
	if code != cli.OK || errs != "" {
		t.Errorf("in order: ends with %d: %s", code, errs)
	}
	want(t, rows, map[string]doctor.Status{
		"stack: scopegate-t": doctor.OK, "functions: scopegate-t-authorizer": doctor.OK, "functions: CACHE_TTL agrees": doctor.OK,
		"settings of scopegate-t-admin: settings": doctor.OK, "DynamoDB table: layout": doctor.OK, "flush: queue: visibility": doctor.OK,
		"flush: queue: dead letters": doctor.OK, "flush: permission": doctor.Note, "admin API: healthz": doctor.OK, "admin API: closed": doctor.OK,
	})
	without(t, rows, doctor.Finding, doctor.Failed)
	for name, s := range map[string]struct {
		spoil func()
		row   string
		want  doctor.Status
		code  int
	}{
		"another TTL":        {func() { c.functions["scopegate-t-authorizer"]["CACHE_TTL"] = "5m" }, "functions: CACHE_TTL agrees", doctor.Finding, cli.Negative},
		"a missing setting":  {func() { delete(c.functions["scopegate-t-admin"], "ADMIN_AUDIENCES") }, "settings of scopegate-t-admin: settings", doctor.Finding, cli.Negative},
		"under way":          {func() { c.status = "UPDATE_IN_PROGRESS" }, "stack: scopegate-t", doctor.Finding, cli.Negative},
		"no queue":           {func() { delete(c.outputs, "FlushQueueUrl") }, "flush: output", doctor.Finding, cli.Negative},
		"no table":           {func() { c.outputs["TableName"] = "elsewhere" }, "DynamoDB table: layout", doctor.Finding, cli.Negative},
		"no admin URL":       {func() { delete(c.outputs, "AdminUrl") }, "admin API: output", doctor.Finding, cli.Negative},
		"admin is away":      {func() { c.outputs["AdminUrl"] = "http://127.0.0.1:1" }, "admin API: healthz", doctor.Failed, cli.Failed},
		"no right to flush":  {func() { c.forbidden = true }, "flush: permission", doctor.Note, cli.OK},
		"nor the function's": {func() { c.forbidden, c.caller = true, "arn:aws:sts::219852565112:assumed-role/scopegate-t-AdminRole/x" }, "flush: permission", doctor.Finding, cli.Negative},
		"the provider is off": {func() {
			for _, settings := range c.functions {
				settings["ENTRA_AUTHORITY"] = "http://127.0.0.1:1"
			}
		}, "", "", cli.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			fresh, env := deploy(t)
			c = fresh
			s.spoil()
			rows, code, errs := doctorRows(t, env, "--stack", "scopegate-t")
			if code != s.code {
				t.Errorf("ends with %d, want %d: %s", code, s.code, errs)
			}
			if s.row != "" {
				want(t, rows, map[string]doctor.Status{s.row: s.want})
			}
		})
	}
}

func TestDoctorOfAStackThatIsNone(t *testing.T) {
	c, env := deploy(t)
	c.status = "DELETE_COMPLETE"
	if _, code, errs := doctorRows(t, env, "--stack", "scopegate-t"); code != cli.Negative || !strings.Contains(errs, "no such stack") {
		t.Errorf("removed: %d, %s", code, errs)
	}
	t.Setenv("AWS_REGION", "")
	if _, code, errs := doctorRows(t, env, "--stack", "scopegate-t"); code != cli.Usage || !strings.Contains(errs, "AWS_REGION") {
		t.Errorf("no region: %d, %s", code, errs)
	}
}
