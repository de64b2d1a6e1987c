package cli

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"scopegate/internal/adminclient"
	"scopegate/internal/callerarn"
	"scopegate/internal/config"
	"scopegate/internal/dev"
	"scopegate/internal/doctor"
	awsdoctor "scopegate/internal/doctor/aws"
	"scopegate/internal/opentable"
	"scopegate/internal/stack"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// doctorTimeout bounds one request of doctor's own.
const doctorTimeout = 15 * time.Second

// doctorClient keeps no connection: a look is over when its row is made.
func doctorClient() *http.Client {
	return &http.Client{Timeout: doctorTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
}

// connected is a connection as doctor reads tables.
type connected struct{ *connection }

// APIs implements doctor.Tables.
func (c connected) APIs(ctx context.Context) ([]mapping.API, error) {
	all, err := c.Client.APIs(ctx)
	apis := make([]mapping.API, 0, len(all))
	for _, a := range all {
		apis = append(apis, mapping.API{ARN: a.ARN, Stage: a.Stage})
	}
	return apis, err
}

// Load implements doctor.Tables.
func (c connected) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	return c.tables.Load(ctx, api)
}

// isOutage tells errors of a store, or of the way to it, from those of what is in
// it.
func isOutage(err error) bool {
	var problem *adminclient.Problem
	return awsdoctor.Outage(err) || errors.As(err, &problem) || errors.As(err, new(net.Error))
}

// examineDev looks at a running local stack.
func (p *program) examineDev(ctx context.Context, address string) ([]doctor.Row, error) {
	ready, err := readyOf(ctx, address)
	if err != nil {
		return nil, err
	}
	var environ []string
	for name, value := range ready.Settings {
		environ = append(environ, name+"="+value)
	}
	client := doctorClient()
	settings, ok, rows := doctor.Settings(doctor.PartSettings, environ, config.Authorizer)
	if ok {
		rows = append(rows, doctor.Providers(ctx, settings, client, time.Now)...)
	}
	c, err := p.connect(ctx, where{dev: address}, reading, config.Store)
	if err != nil {
		return nil, err
	}
	rows = append(rows, doctor.ReadTables(ctx, connected{c}, isOutage)...)
	if err := c.close(); err != nil {
		return nil, err
	}
	rows = append(rows, doctor.Admin(ctx, client, ready.AdminURL)...)
	rows = append(rows, gatewaysOf(ctx, client, ready)...)
	return append(rows, skipped(doctor.PartFlush, "permission", "the local stack flushes its own gateways")), nil
}

// gatewaysOf asks the gateways of the local stack for a table that is served under
// any host name: others' names need not resolve.
func gatewaysOf(ctx context.Context, client *http.Client, ready dev.Ready) []doctor.Row {
	isIP := func(address string) bool {
		u, err := url.Parse(address)
		return err == nil && net.ParseIP(u.Hostname()) != nil
	}
	var rows []doctor.Row
	for _, api := range ready.APIs {
		if !isIP(api.HTTPURL) {
			continue
		}
		if api.RESTURL != "" {
			rows = append(rows, doctor.Gateway(ctx, client, "REST API", api.RESTURL+"/doctor"))
		}
		return append(rows, doctor.Gateway(ctx, client, "HTTP API", api.HTTPURL+"/doctor"))
	}
	return []doctor.Row{skipped(doctor.PartGateways, "closed", "no table is served")}
}

// examineSettings looks at what the environment names, and at --data.
func (p *program) examineSettings(ctx context.Context, o doctorFlags) ([]doctor.Row, error) {
	rows := p.examineProviders(ctx)
	table := p.env("TABLE_NAME") != "" || p.env("AWS_ENDPOINT_URL_DYNAMODB") != ""
	switch {
	case o.data != "":
		more, err := p.examineFolder(ctx, o.data)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	case table:
		settings, ok, faults := p.storeSettings()
		if ok {
			faults = p.examineTable(ctx, settings.TableName)
		}
		rows = append(rows, faults...)
	default:
		rows = append(rows, skipped(doctor.PartTable, "table", "nothing is named: TABLE_NAME, --data DIR, --dev URL or --stack NAME"))
	}
	rows = append(rows, p.examineFlush(ctx, p.env("FLUSH_QUEUE_URL"), adminTimeout, "")...)
	admin, err := examineAdmin(ctx, cmp.Or(o.admin, p.env("SCOPEGATE_ADMIN")))
	return append(rows, admin...), err
}

// storeSettings are those that name the table.
func (p *program) storeSettings() (s config.Settings, ok bool, faults []doctor.Row) {
	if s, ok, faults = doctor.Settings(doctor.PartTable, p.environ, config.Store); !ok {
		return s, ok, faults
	}
	if err := dev.CheckEndpoint(p.env("AWS_ENDPOINT_URL_DYNAMODB")); err != nil {
		return s, false, []doctor.Row{{Part: doctor.PartTable, Check: "settings", Status: doctor.Finding, Expected: "the URL of a DynamoDB",
			Seen: err.Error(), Consequence: "no table can be read", Change: "AWS_ENDPOINT_URL_DYNAMODB"}}
	}
	return s, true, nil
}

// adminTimeout is the admin function's time-out where it cannot be read
// (serverless.yml).
const adminTimeout = 29 * time.Second

// examineAdmin asks the admin API at an address that another command would take, too.
func examineAdmin(ctx context.Context, address string) ([]doctor.Row, error) {
	if address == "" {
		return []doctor.Row{skipped(doctor.PartAdmin, "healthz", "nothing is named: --admin-url URL, SCOPEGATE_ADMIN, --dev URL or --stack NAME")}, nil
	}
	base, err := adminclient.BaseURL(address)
	if err != nil {
		return nil, err
	}
	return doctor.Admin(ctx, doctorClient(), base), nil
}

// examineProviders judges the settings of the environment, where there are any, as
// the functions do.
func (p *program) examineProviders(ctx context.Context) []doctor.Row {
	given := func(names ...string) bool {
		for _, name := range names {
			if p.env(name) != "" {
				return true
			}
		}
		return false
	}
	environ, rows := withoutUnknown(p.environ)
	if given("ADMIN_AUDIENCES", "ADMIN_TENANT_IDS") {
		_, _, admin := doctor.Settings("settings of the admin API", environ, config.AdminAPI)
		rows = append(rows, admin...)
	}
	if !given("ENTRA_TENANT_IDS", "OIDC_ISSUERS", "OIDC_AUDIENCES") {
		return append(rows, skipped(doctor.PartProviders, "discovery and keys", "nothing is named: ENTRA_TENANT_IDS, OIDC_ISSUERS, --dev URL or --stack NAME"))
	}
	settings, ok, found := doctor.Settings(doctor.PartSettings, environ, config.Authorizer)
	rows = append(rows, found...)
	if ok {
		rows = append(rows, doctor.Providers(ctx, settings, doctorClient(), time.Now)...)
	}
	return rows
}

// examineFolder reads the tables of an embedded store.
func (p *program) examineFolder(ctx context.Context, data string) ([]doctor.Row, error) {
	s, err := openStore(ctx, config.Settings{}, data, false)
	if err != nil {
		return nil, err
	}
	rows := doctor.ReadTables(ctx, s, isOutage)
	return rows, s.Close()
}

// examineTable looks at a DynamoDB table. Where it cannot be asked for its layout,
// nothing else is.
func (p *program) examineTable(ctx context.Context, table string) []doctor.Row {
	client, err := opentable.Connect(ctx, opentable.Settings{Table: table, Quiet: true})
	if err != nil {
		return []doctor.Row{p.broken(doctor.PartTable, "layout", err)}
	}
	err = migrations.Check(ctx, client, table)
	fit := doctor.Fit(err)
	rows := []doctor.Row{fit}
	if fit.Status == doctor.Failed {
		return []doctor.Row{p.broken(doctor.PartTable, fit.Check, err)}
	}
	if errors.Is(err, migrations.ErrNoTable) {
		return rows
	}
	findings, err := migrations.Settings(ctx, client, table)
	if err != nil {
		rows = append(rows, p.broken(doctor.PartTable, "set up", err))
	} else {
		rows = append(rows, doctor.Table(findings, dynamo.IsLoopback(p.endpoint()))...)
	}
	return append(rows, doctor.ReadTables(ctx, verified{dynamo.New(client, table)}, isOutage)...)
}

// verified is a store whose tables are compared with what authorizers read of them.
type verified struct{ *dynamo.Store }

func (v verified) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	return v.Verify(ctx, api)
}

// examineFlush looks at the queue, and whether API Gateway takes a flush. role is
// the admin function's, "" if it is not known.
func (p *program) examineFlush(ctx context.Context, queue string, timeout time.Duration, role string) []doctor.Row {
	if queue == "" {
		return []doctor.Row{skipped(doctor.PartFlush, "queue, permission", "nothing is named: FLUSH_QUEUE_URL or --stack NAME")}
	}
	c, err := awsdoctor.Open(ctx, "")
	if err != nil {
		return []doctor.Row{p.broken(doctor.PartFlush, "queue", err)}
	}
	var rows []doctor.Row
	if facts, err := awsdoctor.Queue(ctx, c, queue); err != nil {
		rows = append(rows, p.broken(doctor.PartFlush, "queue", err))
	} else {
		rows = append(rows, doctor.Queue(facts, timeout)...)
	}
	asAdmin := false
	if role != "" {
		caller, err := callerarn.Of(ctx)
		asAdmin = err == nil && awsdoctor.SameRole(caller, role) // else the row says that nothing is known
	}
	return append(rows, doctor.FlushPermission(awsdoctor.TryFlush(ctx, c), asAdmin))
}

// examineStack looks at a deployed stack.
func (p *program) examineStack(ctx context.Context, o doctorFlags) ([]doctor.Row, error) {
	client, err := stack.Open(ctx)
	if errors.Is(err, stack.ErrNoRegion) {
		return nil, usage(err)
	}
	if err != nil {
		return nil, err
	}
	s, err := stack.Load(ctx, client, o.stack)
	if errors.Is(err, stack.ErrNotFound) || errors.Is(err, stack.ErrMismatch) {
		return nil, negative(err)
	}
	if err != nil {
		return nil, err
	}
	rows := []doctor.Row{stackRow(s)}
	functions, timeout, role := p.examineFunctions(ctx, s)
	rows = append(rows, functions...)
	if table, err := s.TableName(); err != nil {
		rows = append(rows, missing(doctor.PartTable, err))
	} else {
		rows = append(rows, p.examineTable(ctx, table)...)
	}
	if queue, err := s.FlushQueueURL(); err != nil {
		rows = append(rows, missing(doctor.PartFlush, err))
	} else {
		rows = append(rows, p.examineFlush(ctx, queue, timeout, role)...)
	}
	address, err := s.AdminURL()
	if err != nil && o.admin == "" {
		return append(rows, missing(doctor.PartAdmin, err)), nil
	}
	admin, err := examineAdmin(ctx, cmp.Or(o.admin, address))
	return append(rows, admin...), err
}

func stackRow(s stack.Stack) doctor.Row {
	row := doctor.Row{Part: doctor.PartStack, Check: s.Name, Status: doctor.OK, Expected: "deployed, and nothing under way", Seen: s.Status + " in " + s.Region}
	if err := s.Ready(); err != nil {
		row.Status, row.Seen = doctor.Finding, err.Error()
		row.Consequence, row.Change = "what follows may be of two versions, or missing", "wait, or deploy again"
	}
	return row
}

// missing is a row of an output that a stack does not have.
func missing(part string, err error) doctor.Row {
	return doctor.Row{Part: part, Check: "output", Status: doctor.Finding, Expected: "the outputs of serverless.yml", Seen: err.Error(),
		Consequence: "what it names cannot be looked at", Change: "deploy this version"}
}

// examineFunctions looks at both functions and at the providers of their settings.
// Beside the rows it gives time-out and role of the admin function.
func (p *program) examineFunctions(ctx context.Context, s stack.Stack) (rows []doctor.Row, timeout time.Duration, role string) {
	c, err := awsdoctor.Open(ctx, s.Region)
	if err != nil {
		return []doctor.Row{p.broken(doctor.PartFunctions, "functions", err)}, adminTimeout, ""
	}
	var facts [2]doctor.FunctionFacts
	for i, output := range []func() (string, error){s.AuthorizerFunction, s.AdminFunction} {
		name, err := output()
		if err != nil {
			return []doctor.Row{missing(doctor.PartFunctions, err)}, adminTimeout, ""
		}
		if facts[i], err = awsdoctor.Function(ctx, c, name); err != nil {
			return []doctor.Row{p.broken(doctor.PartFunctions, name, err)}, adminTimeout, ""
		}
	}
	settings, ok, rows := doctor.Functions(facts[0], facts[1])
	if ok {
		rows = append(rows, doctor.Providers(ctx, settings, doctorClient(), time.Now)...)
	}
	return rows, facts[1].Timeout, facts[1].Role
}
