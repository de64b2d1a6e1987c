package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/config"
	"scopegate/internal/doctor"
	"scopegate/internal/flush"
	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
)

// expect checks the one row of a check: its status, and that a finding says what
// follows and what to change.
func expect(t *testing.T, name string, rows []doctor.Row, check string, want doctor.Status, change string) {
	t.Helper()
	n := 0
	for _, r := range rows {
		if !strings.HasPrefix(r.Check, check) {
			continue
		}
		n++
		if r.Status != want || !strings.Contains(r.Change, change) || r.Part == "" || r.Expected == "" || r.Seen == "" ||
			want == doctor.Finding && (r.Consequence == "" || r.Change == "") {
			t.Errorf("%s: %+v, want %s to change %q", name, r, want, change)
		}
	}
	if n == 0 {
		t.Errorf("%s: no row of %s in %+v", name, check, rows)
	}
}

const tenant = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"

func TestSettingsThatStopAFunctionAreFindings(t *testing.T) {
	good := []string{"ENTRA_TENANT_IDS=" + tenant, "OIDC_AUDIENCES=api://orders"}
	s, ok, rows := doctor.Settings(doctor.PartSettings, good, config.Authorizer)
	if !ok || len(s.TenantIDs) != 1 || len(rows) != 1 {
		t.Errorf("%+v, %v, %+v", s, ok, rows)
	}
	expect(t, "good", rows, "settings", doctor.OK, "")
	_, ok, rows = doctor.Settings(doctor.PartSettings, []string{"ENTRA_TENANT_IDS=common", "OIDC_AUDIENCES=x", "CACHE_TTL=1d"}, config.Authorizer)
	if ok || len(rows) != 2 {
		t.Errorf("%v, %+v", ok, rows)
	}
	for _, r := range rows {
		if r.Status != doctor.Finding || r.Change != "ENTRA_TENANT_IDS" && r.Change != "CACHE_TTL" {
			t.Errorf("%+v", r)
		}
	}
}

// provider serves a local identity provider that misbehaves, and the settings that
// name it.
func provider(t *testing.T, f idp.Fault) (config.Settings, *http.Client) {
	t.Helper()
	p, err := idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.SetBaseURL(server.URL)
	p.Fail(f)
	s, err := config.Load([]string{"ENTRA_TENANT_IDS=" + p.TenantID(), "ENTRA_AUTHORITY=" + p.Authority(), "ENTRA_STS=" + p.STS(), "OIDC_AUDIENCES=" + p.Audience()}, config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	return s, server.Client()
}

func TestProvidersThatGiveNoKeysAreTold(t *testing.T) {
	for fault, want := range map[idp.Fault]doctor.Status{
		idp.Healthy: doctor.OK, idp.MalformedKey: doctor.OK,
		idp.Down: doctor.Failed,
		idp.HTML: doctor.Finding, idp.EmptyKeys: doctor.Finding, idp.WrongIssuer: doctor.Finding, idp.Redirect: doctor.Finding,
	} {
		s, client := provider(t, fault)
		rows := doctor.Providers(t.Context(), s, client, time.Now)
		change := map[bool]string{true: "ENTRA_TENANT_IDS", false: ""}[want == doctor.Finding]
		expect(t, string(fault), rows, "discovery and keys of http", want, change)
		if len(rows) != 3 { // two issuers, one clock
			t.Errorf("%s: %+v", fault, rows)
		}
	}
	s, _ := provider(t, idp.Healthy)
	s.Authority, s.STS = "http://127.0.0.1:1", "http://127.0.0.1:1/sts"
	rows := doctor.Providers(t.Context(), s, nil, time.Now)
	expect(t, "nobody there", rows, "discovery and keys of http", doctor.Failed, "")
	expect(t, "nobody there", rows, "clock", doctor.Failed, "")
}

func TestClocksThatDifferByMoreThanTheSkewAreFound(t *testing.T) {
	at := time.Date(2026, 7, 8, 9, 10, 11, 500_000_000, time.UTC)
	for name, c := range map[string]struct {
		ahead time.Duration // the server
		none  bool
		want  doctor.Status
	}{
		"the same": {0, false, doctor.OK}, "within the skew": {-60 * time.Second, false, doctor.OK}, "ahead": {61 * time.Second, false, doctor.Finding},
		"behind": {-63 * time.Second, false, doctor.Finding}, "no Date": {0, true, doctor.Note},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			if !c.none {
				w.Header().Set("Date", at.Add(c.ahead).Format(http.TimeFormat))
			}
		}))
		s := config.Settings{Issuers: nil, TenantIDs: []string{tenant}, Audiences: []string{"x"}, Authority: server.URL, STS: server.URL + "/sts", ClockSkew: time.Minute}
		rows := doctor.Providers(t.Context(), s, server.Client(), func() time.Time { return at })
		server.Close()
		expect(t, name, rows, "clock of 127.0.0.1", c.want, map[bool]string{true: "CLOCK_SKEW", false: ""}[c.want == doctor.Finding])
	}
}

// tables is a store that says what it is told to.
type tables struct {
	apis []mapping.API
	list error
	load error
}

func (f tables) APIs(context.Context) ([]mapping.API, error) { return f.apis, f.list }

func (f tables) Load(_ context.Context, api mapping.API) (store.Snapshot, error) {
	return store.Snapshot{Meta: store.Meta{API: api}}, f.load
}

func TestTablesThatCannotBeReadAreTold(t *testing.T) {
	one := []mapping.API{{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}}
	outage := errors.New("throttled")
	for name, c := range map[string]struct {
		tables tables
		check  string
		want   doctor.Status
		change string
	}{
		"in order":          {tables{apis: one}, "arn:", doctor.OK, ""},
		"none":              {tables{}, "list", doctor.Note, "import"},
		"no answer":         {tables{list: outage}, "list", doctor.Failed, ""},
		"a strange item":    {tables{apis: one, load: errors.New("item perm#1: attribute x")}, "arn:", doctor.Finding, "the item"},
		"edited by hand":    {tables{apis: one, load: fmt.Errorf("items: %w", store.ErrEdited)}, "arn:", doctor.Finding, "any change"},
		"throttled":         {tables{apis: one, load: fmt.Errorf("load: %w", outage)}, "arn:", doctor.Failed, ""},
		"deleted meanwhile": {tables{apis: one, load: store.ErrNotFound}, "arn:", doctor.Note, ""},
	} {
		rows := doctor.ReadTables(t.Context(), c.tables, func(err error) bool { return errors.Is(err, outage) })
		expect(t, name, rows, c.check, c.want, c.change)
	}
}

func TestALayoutThatDoesNotFitIsFound(t *testing.T) {
	for _, c := range []struct {
		err    error
		want   doctor.Status
		change string
	}{
		{nil, doctor.OK, ""}, {migrations.ErrNoTable, doctor.Finding, "TABLE_NAME"}, {migrations.ErrBehind, doctor.Finding, "scopegate migrate"},
		{migrations.ErrAhead, doctor.Finding, "version"}, {migrations.ErrMismatch, doctor.Finding, "TABLE_NAME"}, {errors.New("throttled"), doctor.Failed, ""},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("check table x: %w", err)
		}
		expect(t, fmt.Sprint(c.err), []doctor.Row{doctor.Fit(err)}, "layout", c.want, c.change)
	}
}

// describedTable answers as DynamoDB does of a table that is set up well, or not.
type describedTable struct {
	right  bool
	denied error
}

func (d describedTable) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	out := &dynamodb.DescribeTableOutput{Table: &types.TableDescription{DeletionProtectionEnabled: &d.right}}
	if d.right {
		out.Table.BillingModeSummary = &types.BillingModeSummary{BillingMode: types.BillingModePayPerRequest}
		out.Table.SSEDescription = &types.SSEDescription{Status: types.SSEStatusEnabled}
	}
	return out, nil
}

func (d describedTable) DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error) {
	status := map[bool]types.TimeToLiveStatus{true: types.TimeToLiveStatusEnabled, false: types.TimeToLiveStatusDisabled}[d.right]
	name := migrations.TTLAttribute
	return &dynamodb.DescribeTimeToLiveOutput{TimeToLiveDescription: &types.TimeToLiveDescription{TimeToLiveStatus: status, AttributeName: &name}}, d.denied
}

func (d describedTable) DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error) {
	status := map[bool]types.PointInTimeRecoveryStatus{true: types.PointInTimeRecoveryStatusEnabled, false: types.PointInTimeRecoveryStatusDisabled}[d.right]
	return &dynamodb.DescribeContinuousBackupsOutput{ContinuousBackupsDescription: &types.ContinuousBackupsDescription{
		PointInTimeRecoveryDescription: &types.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: status},
	}}, d.denied
}

// TestHowATableIsSetUp: every finding of migrations.Settings has its row, and each
// row comes out as it should.
func TestHowATableIsSetUp(t *testing.T) {
	denied := errors.New("AccessDeniedException")
	for name, c := range map[string]struct {
		table describedTable
		local bool
		want  map[string]doctor.Status
	}{
		"in order": {describedTable{right: true}, false, map[string]doctor.Status{
			"time to live": doctor.OK, "point-in-time recovery": doctor.OK, "deletion protection": doctor.OK, "billing mode": doctor.OK, "encryption": doctor.OK}},
		"all wrong": {describedTable{}, false, map[string]doctor.Status{
			"time to live": doctor.Finding, "point-in-time recovery": doctor.Finding, "deletion protection": doctor.Finding, "billing mode": doctor.Note, "encryption": doctor.Note}},
		"not told": {describedTable{true, denied}, false, map[string]doctor.Status{
			"time to live": doctor.Failed, "point-in-time recovery": doctor.Failed, "deletion protection": doctor.OK, "billing mode": doctor.OK, "encryption": doctor.OK}},
		"a stand-in":           {describedTable{}, true, map[string]doctor.Status{"time to live": doctor.Finding}},
		"a stand-in, in order": {describedTable{right: true}, true, map[string]doctor.Status{"time to live": doctor.OK}},
		"a silent stand-in":    {describedTable{false, denied}, true, nil},
	} {
		findings, err := migrations.Settings(t.Context(), c.table, "x")
		if err != nil {
			t.Fatal(err)
		}
		rows := doctor.Table(findings, c.local)
		if len(rows) != len(c.want) {
			t.Errorf("%s: %+v", name, rows)
		}
		for check, status := range c.want {
			expect(t, name, rows, check, status, "")
		}
		if wrong := len(rows) - (doctor.Report{Rows: rows}).Count(doctor.OK); !c.local && wrong != len(findings) {
			t.Errorf("%s: %d rows of %v", name, wrong, findings)
		}
	}
}

func TestHowTheQueueIsSetUp(t *testing.T) {
	const timeout = 29 * time.Second
	for _, c := range []struct {
		facts        doctor.QueueFacts
		visible, dlq doctor.Status
	}{
		{doctor.QueueFacts{Visibility: 6 * timeout, DeadLetters: true}, doctor.OK, doctor.OK},
		{doctor.QueueFacts{Visibility: timeout, DeadLetters: true}, doctor.Note, doctor.OK},
		{doctor.QueueFacts{Visibility: timeout - 1}, doctor.Finding, doctor.Finding},
	} {
		rows := doctor.Queue(c.facts, timeout)
		expect(t, c.facts.Visibility.String(), rows, "queue: visibility", c.visible, map[bool]string{true: "VisibilityTimeout", false: ""}[c.visible != doctor.OK])
		expect(t, c.facts.Visibility.String(), rows, "queue: dead", c.dlq, map[bool]string{true: "RedrivePolicy", false: ""}[c.dlq != doctor.OK])
	}
}

func TestFlushPermission(t *testing.T) {
	for _, c := range []struct {
		err     error
		asAdmin bool
		want    doctor.Status
		change  string
	}{
		{flush.ErrElsewhere, true, doctor.OK, ""}, {flush.ErrElsewhere, false, doctor.Note, "that role"},
		{flush.ErrForbidden, true, doctor.Finding, "apigateway:DELETE"}, {flush.ErrForbidden, false, doctor.Note, "admin function's role"},
		{flush.ErrBusy, true, doctor.Failed, ""}, {errors.New("no connection"), true, doctor.Failed, ""},
	} {
		expect(t, fmt.Sprint(c.err), []doctor.Row{doctor.FlushPermission(fmt.Errorf("flush: %w", c.err), c.asAdmin)}, "permission", c.want, c.change)
	}
}

// functions are both as serverless.yml makes them.
func functions() (authorizer, admin doctor.FunctionFacts) {
	both := map[string]string{"TABLE_NAME": "scopegate-t", "ENTRA_TENANT_IDS": tenant, "OIDC_AUDIENCES": "api://orders", "CACHE_TTL": "30s"}
	authorizer = doctor.FunctionFacts{Name: "authorizer", State: "Active", Update: "Successful", Runtime: "provided.al2023", Arch: "arm64",
		Timeout: 10 * time.Second, Environment: maps.Clone(both)}
	authorizer.Environment["OIDC_JWKS_FILE"] = "/opt/keys.json"
	admin = authorizer
	admin.Name, admin.Timeout, admin.Environment = "admin", 29*time.Second, both
	for name, value := range map[string]string{"ADMIN_TENANT_IDS": tenant, "ADMIN_AUDIENCES": "api://admin", "FLUSH_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/219852565112/q"} {
		both[name] = value
	}
	return authorizer, admin
}

func TestFunctionsAndTheirSettings(t *testing.T) {
	a, b := functions()
	if s, ok, rows := doctor.Functions(a, b); !ok || s.TableName != "scopegate-t" || (doctor.Report{Rows: rows}).Err() != nil {
		t.Errorf("in order: %v, %+v", ok, rows)
	}
	for name, c := range map[string]struct {
		spoil  func(authorizer, admin *doctor.FunctionFacts)
		check  string
		change string
		more   bool // findings than one
	}{
		"pending":            {func(a, _ *doctor.FunctionFacts) { a.State = "Pending" }, "authorizer", "deploy", false},
		"update failed":      {func(_, b *doctor.FunctionFacts) { b.Update = "Failed" }, "admin", "deploy", false},
		"slow authorizer":    {func(a, _ *doctor.FunctionFacts) { a.Timeout = 30 * time.Second }, "authorizer's time-out", "timeout", false},
		"hasty admin":        {func(_, b *doctor.FunctionFacts) { b.Timeout = 3 * time.Second }, "admin's time-out", "timeout", false},
		"authorizer's fault": {func(a, _ *doctor.FunctionFacts) { delete(a.Environment, "OIDC_AUDIENCES") }, "settings", "OIDC_AUDIENCES", false},
		"admin's fault":      {func(_, b *doctor.FunctionFacts) { delete(b.Environment, "ADMIN_AUDIENCES") }, "settings", "ADMIN_AUDIENCES", false},
		"table":              {func(_, b *doctor.FunctionFacts) { b.Environment["TABLE_NAME"] = "other" }, "TABLE_NAME agrees", "TABLE_NAME", false},
		"ttl":                {func(a, _ *doctor.FunctionFacts) { a.Environment["CACHE_TTL"] = "60s" }, "CACHE_TTL agrees", "CACHE_TTL", false},
		"bytes":              {func(a, _ *doctor.FunctionFacts) { a.Environment["POLICY_MAX_BYTES"] = "4096" }, "POLICY_MAX_BYTES agrees", "POLICY_MAX_BYTES", false},
		"expiry":             {func(a, _ *doctor.FunctionFacts) { a.Environment["POLICY_EXPIRY"] = "off" }, "POLICY_EXPIRY agrees", "POLICY_EXPIRY", false},
		"scope":              {func(a, _ *doctor.FunctionFacts) { a.Environment["POLICY_SCOPE"] = "route" }, "POLICY_SCOPE agrees", "POLICY_SCOPE", false},
		"explicit deny":      {func(a, _ *doctor.FunctionFacts) { a.Environment["POLICY_EXPLICIT_DENY"] = "on" }, "POLICY_EXPLICIT_DENY agrees", "POLICY_EXPLICIT_DENY", false},
		"tenants": {func(a, _ *doctor.FunctionFacts) {
			a.Environment["ENTRA_TENANT_IDS"] += " 9188040d-6c67-4c5b-b112-36a304b66dad"
		}, "ENTRA_TENANT_IDS agrees", "ENTRA_TENANT_IDS", false},
		"audiences": {func(a, _ *doctor.FunctionFacts) { a.Environment["OIDC_AUDIENCES"] = "api://other" }, "OIDC_AUDIENCES agrees", "OIDC_AUDIENCES", false},
		"issuers": {func(a, b *doctor.FunctionFacts) {
			a.Environment["OIDC_ISSUERS"], b.Environment["OIDC_ISSUERS"] = "https://a.example", "https://b.example"
			a.Environment["OIDC_AUDIENCES"] += " https://a.example=x"
			b.Environment["OIDC_AUDIENCES"] += " https://b.example=x"
		}, "OIDC_", "OIDC_", true},
		"sovereign cloud": {func(a, _ *doctor.FunctionFacts) {
			a.Environment["ENTRA_AUTHORITY"] = "https://login.microsoftonline.us"
		}, "ENTRA_AUTHORITY agrees", "ENTRA_AUTHORITY", false},
		"sts":  {func(a, _ *doctor.FunctionFacts) { a.Environment["ENTRA_STS"] = "https://sts.example" }, "ENTRA_STS agrees", "ENTRA_STS", false},
		"skew": {func(a, _ *doctor.FunctionFacts) { a.Environment["CLOCK_SKEW"] = "5s" }, "CLOCK_SKEW agrees", "CLOCK_SKEW", false},
	} {
		a, b := functions()
		c.spoil(&a, &b)
		_, _, rows := doctor.Functions(a, b)
		found := 0
		for _, r := range rows {
			if r.Status == doctor.OK {
				continue
			}
			found++
			if !strings.HasPrefix(r.Check, c.check) || r.Status != doctor.Finding || !strings.Contains(r.Change, c.change) || r.Consequence == "" {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if found < 1 || found > 1 && !c.more {
			t.Errorf("%s: %d findings in %+v", name, found, rows)
		}
	}
	a, b = functions() // audiences are a set
	a.Environment["OIDC_AUDIENCES"], b.Environment["OIDC_AUDIENCES"] = "api://orders api://bills", "api://bills api://orders"
	if _, _, rows := doctor.Functions(a, b); (doctor.Report{Rows: rows}).Err() != nil {
		t.Errorf("audiences in another order: %+v", rows)
	}
	a, b = functions() // an admin function that judges no callers has no tenants to agree about
	delete(b.Environment, "ENTRA_TENANT_IDS")
	delete(b.Environment, "OIDC_AUDIENCES")
	if _, _, rows := doctor.Functions(a, b); (doctor.Report{Rows: rows}).Err() != nil {
		t.Errorf("admin without callers: %+v", rows)
	}
}

func TestTheAdminAPIAnswersAndIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		health, apis     int
		healthy, isClose doctor.Status
	}{
		"in order": {200, 401, doctor.OK, doctor.OK}, "broken": {500, 401, doctor.Finding, doctor.OK},
		"open": {200, 200, doctor.OK, doctor.Finding}, "elsewhere": {302, 302, doctor.Finding, doctor.Finding},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status := map[string]int{"/healthz": c.health, "/v1/apis": c.apis}[r.URL.Path]
			if r.Header.Get("Authorization") != "" {
				status = http.StatusTeapot
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		rows := doctor.Admin(t.Context(), server.Client(), server.URL+"/")
		expect(t, name, rows, "healthz", c.healthy, "")
		expect(t, name, rows, "closed", c.isClose, "")
		expect(t, name, []doctor.Row{doctor.Gateway(t.Context(), server.Client(), "REST API", server.URL+"/v1/apis")}, "REST API is closed", c.isClose, "")
		server.Close()
	}
	for _, r := range doctor.Admin(t.Context(), nil, "http://127.0.0.1:1") {
		if r.Status != doctor.Failed {
			t.Errorf("%+v", r)
		}
	}
}

// TestAFindingGoesBeforeAFailure, and what was not run, or is only noted, is neither.
func TestAFindingGoesBeforeAFailure(t *testing.T) {
	row := func(s doctor.Status) doctor.Row { return doctor.Row{Status: s} }
	for name, c := range map[string]struct {
		rows []doctor.Row
		want error
	}{
		"nothing": {nil, nil}, "well": {[]doctor.Row{row(doctor.OK), row(doctor.Note), row(doctor.NotRun)}, nil},
		"failed": {[]doctor.Row{row(doctor.OK), row(doctor.Failed)}, doctor.ErrFailed}, "no status": {[]doctor.Row{{}}, doctor.ErrFailed},
		"both": {[]doctor.Row{row(doctor.Failed), row(doctor.Finding)}, doctor.ErrFinding},
	} {
		if err := (doctor.Report{Rows: c.rows}).Err(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
