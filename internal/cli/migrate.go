package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/spf13/cobra"

	"scopegate/internal/config"
	"scopegate/internal/opentable"
	"scopegate/internal/stack"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// migrateJSON is what migrate prints for programs.
type migrateJSON struct {
	Region   string               `json:"region"`
	Endpoint string               `json:"endpoint"`
	Table    string               `json:"table"`
	DryRun   bool                 `json:"dryRun"`
	Created  bool                 `json:"created"`
	Applied  []string             `json:"applied"`
	Pending  []string             `json:"pending,omitempty"`
	Version  int                  `json:"version"`
	Warnings []migrations.Finding `json:"warnings"`
	Seeded   []mergedLine         `json:"seeded,omitempty"`
	// SeededBefore is when the same document was merged by an earlier run.
	SeededBefore *time.Time `json:"seededBefore,omitempty"`
}

// migrateFlags are the flags of migrate.
type migrateFlags struct {
	stack, seed              string
	create, dryRun, breaking bool
	notCreate                bool // --create=false was given
	asJSON                   bool
}

const migrateLong = `Brings the layout of the DynamoDB table up to date: of the table of the deployed stack
--stack NAME, or of the one that the settings name (TABLE_NAME, AWS_REGION,
AWS_ENDPOINT_URL_DYNAMODB). Region, endpoint and table are printed first. A missing table is
made on a loopback endpoint (not with --create=false), or elsewhere with --create.

Running it again does no harm, after a failure or a kill too; where there is nothing to do
nothing is written. Of several runs at once one works and the others wait. What a killed run
had locked is free after 70 seconds.

Steps that programs of earlier versions cannot go on with are left out, and listed, unless
--breaking is given: deploy the new version first. Such programs fail from then on (500);
they never deny for it.

--seed FILE merges permissions afterwards, as import does, and records that in the table: the
same file is merged once, so that what was removed since does not come back.

How the table is set up is looked at too, without changing it: warnings on standard error.

` + exitCodes

func (p *program) migrateCommand() *cobra.Command {
	var m migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the DynamoDB table up to date",
		Long:  migrateLong,
		Example: `  AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000 scopegate migrate --seed permissions.json
  AWS_REGION=eu-central-1 scopegate migrate --stack scopegate-prod --dry-run
  AWS_REGION=eu-central-1 TABLE_NAME=scopegate-prod scopegate migrate --create`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&m.stack, "stack", "", "name of the deployed CloudFormation stack")
	f.BoolVar(&m.create, "create", false, "make the table if it is missing, also on AWS")
	f.BoolVar(&m.dryRun, "dry-run", false, "only say what would be done")
	f.BoolVar(&m.breaking, "breaking", false, "also steps that programs of earlier versions cannot go on with")
	f.StringVar(&m.seed, "seed", "", "JSON array of permissions to merge afterwards, once; - is standard input")
	f.BoolVar(&m.asJSON, "json", false, "print the result as JSON")
	cmd.MarkFlagsMutuallyExclusive("seed", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("stack", "create") // its table is CloudFormation's to make
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		m.notCreate = f.Changed("create") && !m.create
		return p.migrate(cmd.Context(), m)
	})
	return cmd
}

func (p *program) migrate(ctx context.Context, m migrateFlags) error {
	settings, err := p.settings(config.Store)
	if err != nil {
		return err
	}
	var seeds []mapping.Permission
	if m.seed != "" { // a bad file shows before anything is touched
		if seeds, _, err = p.readPermissions(m.seed, false); err != nil {
			return err
		}
		if _, err := store.Batches(seeds); err != nil {
			return negative(fmt.Errorf("nothing was written:\n%w", err))
		}
	}
	if m.stack != "" {
		if settings.TableName, err = p.tableOfStack(ctx, m.stack); err != nil {
			return err
		}
	}
	client, err := opentable.Connect(ctx, opentable.Settings{Table: settings.TableName, Quiet: true})
	if err != nil {
		return usage(err)
	}
	result := migrateJSON{
		Region: client.Options().Region, Endpoint: p.endpoint(), Table: settings.TableName, DryRun: m.dryRun,
		Applied: []string{}, Warnings: []migrations.Finding{},
	}
	if result.Region == "" {
		return usage(errors.New("AWS_REGION: must be given"))
	}
	fmt.Fprintf(p.stderr, "region %s, endpoint %s, table %s\n", result.Region, result.Endpoint, result.Table)
	if err := p.migrateTable(ctx, client, m, &result); err != nil {
		return err
	}
	if m.seed != "" {
		if err := p.seed(ctx, client, seeds, &result); err != nil {
			return err
		}
	}
	return p.printMigrated(result, m.asJSON)
}

// endpoint is where DynamoDB is asked, as the SDK's settings have it.
func (p *program) endpoint() string {
	return cmp.Or(p.env("AWS_ENDPOINT_URL_DYNAMODB"), p.env("AWS_ENDPOINT_URL"), "AWS")
}

// tableOfStack is the table of a deployed stack; from then on it is that of the
// settings too.
func (p *program) tableOfStack(ctx context.Context, name string) (string, error) {
	client, err := stack.Open(ctx)
	if err != nil {
		return "", usage(err)
	}
	s, err := stack.Load(ctx, client, name)
	switch {
	case errors.Is(err, stack.ErrNotFound), errors.Is(err, stack.ErrMismatch):
		return "", negative(err)
	case err != nil:
		return "", err
	case s.Region != client.Options().Region: // an ARN was given
		return "", usage(fmt.Errorf("AWS_REGION %q: must be the stack's, %s", client.Options().Region, s.Region))
	}
	if err := s.Ready(); err != nil {
		return "", negative(err)
	}
	table, err := s.TableName()
	if err != nil {
		return "", negative(err)
	}
	p.environ = append(p.environ, "TABLE_NAME="+table)
	return table, nil
}

func (p *program) migrateTable(ctx context.Context, client *dynamodb.Client, m migrateFlags, result *migrateJSON) error {
	local := dynamo.IsLoopback(p.endpoint())
	report, err := migrations.Run(ctx, client, result.Table, migrations.Options{
		Create: m.create || local && m.stack == "" && !m.notCreate, Protect: !local, Breaking: m.breaking, DryRun: m.dryRun,
		By: whoRuns(), Progress: func(line string) { fmt.Fprintln(p.stderr, line) },
	})
	if err != nil {
		return migrateError(err, m)
	}
	result.Created, result.Version = report.Created, report.Version
	result.Applied, result.Pending = append(result.Applied, stepNames(report.Applied)...), stepNames(report.Pending)
	if report.Created && m.dryRun {
		return nil // there is nothing to look at
	}
	found, err := migrations.Settings(ctx, client, result.Table)
	if err != nil {
		return err
	}
	for _, f := range found {
		fmt.Fprintf(p.stderr, "warning: %s\n", f)
	}
	result.Warnings = append(result.Warnings, found...)
	return nil
}

func stepNames(steps []migrations.Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Name)
	}
	return all
}

// whoRuns names a run to the person who waits for its lock.
func whoRuns() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("%s at %s, process %d", strings.TrimPrefix(localPrincipal(), "direct:"), host, os.Getpid())
}

// migrateError tells what an operator can do something about from an outage.
func migrateError(err error, m migrateFlags) error {
	switch {
	case errors.Is(err, migrations.ErrNoTable) && m.stack != "":
		return negative(fmt.Errorf("%w: the stack names it, and does not have it", err))
	case errors.Is(err, migrations.ErrNoTable):
		return negative(fmt.Errorf("%w: --create makes it", err))
	case errors.Is(err, migrations.ErrAhead), errors.Is(err, migrations.ErrMismatch), errors.Is(err, migrations.ErrLockLost):
		return negative(err)
	}
	return err
}

// seed merges a document, unless it was merged before. It is recorded once all of
// it is merged: a run that is killed before that merges it again, which changes
// nothing of what is there.
func (p *program) seed(ctx context.Context, client *dynamodb.Client, seeds []mapping.Permission, result *migrateJSON) error {
	id, err := seedID(seeds)
	if err != nil {
		return err
	}
	record, there, err := migrations.Seeded(ctx, client, result.Table, id)
	if err != nil {
		return err
	}
	if there {
		result.SeededBefore = &record.At
		fmt.Fprintf(p.stderr, "seed: this document was merged at %s by %s, and is not merged again (scopegate import does)\n",
			record.At.Format(time.RFC3339), cmp.Or(record.By, "somebody"))
		return nil
	}
	merged, err := p.merge(ctx, where{direct: true}, seeds, "")
	if err != nil {
		return err
	}
	result.Seeded = linesOf(merged)
	return migrations.RecordSeed(ctx, client, result.Table, migrations.Seed{ID: id, By: whoRuns(), At: time.Now(), Permissions: len(seeds)})
}

// seedID is the same for the same permissions, however they are written down.
func seedID(seeds []mapping.Permission) (string, error) {
	var ids []string
	for _, s := range seeds {
		b, err := s.MarshalJSON()
		if err != nil {
			return "", err
		}
		ids = append(ids, string(b))
	}
	slices.Sort(ids)
	return hash([]byte(strings.Join(slices.Compact(ids), "\n"))), nil
}

func (p *program) printMigrated(r migrateJSON, asJSON bool) error {
	if len(r.Pending) > 0 {
		fmt.Fprintf(p.stderr, "left for later, since programs of earlier versions could not go on: %s. Deploy, then migrate --breaking\n", strings.Join(r.Pending, ", "))
	}
	if asJSON {
		return printJSON(p.stdout, r)
	}
	verb := "is"
	if r.DryRun {
		verb = "would be"
	}
	fmt.Fprintf(p.stdout, "table %s %s at version %d (%d steps taken", r.Table, verb, r.Version, len(r.Applied))
	if r.Created {
		fmt.Fprint(p.stdout, ", made anew")
	}
	fmt.Fprintln(p.stdout, ")")
	return printLines(p.stdout, r.Seeded)
}

func linesOf(all []store.Merged) []mergedLine {
	lines := []mergedLine{}
	for _, m := range all {
		lines = append(lines, mergedLine{m.API.ARN, m.API.Stage, m.Revision.String(), m.Added, m.Changed, m.Unchanged, m.Completed})
	}
	return lines
}
