package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"scopegate/internal/config"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// migrateJSON is what migrate prints for programs.
type migrateJSON struct {
	Region   string       `json:"region"`
	Endpoint string       `json:"endpoint"`
	Table    string       `json:"table"`
	DryRun   bool         `json:"dryRun"`
	Created  bool         `json:"created"`
	Applied  []string     `json:"applied"`
	Version  int          `json:"version"`
	Seeded   []mergedLine `json:"seeded,omitempty"`
}

func (p *program) migrateCommand() *cobra.Command {
	var create, dryRun, asJSON bool
	var seed string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the DynamoDB table up to date",
		Long: `Brings the layout of the DynamoDB table that the settings name (TABLE_NAME, AWS_REGION,
AWS_ENDPOINT_URL_DYNAMODB) up to date. Region, endpoint and table are printed first. A
missing table is made on a loopback endpoint, or elsewhere with --create. Running it again
does no harm. Nothing is written into the table but --seed FILE.

` + exitCodes,
		Example: `  AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000 scopegate migrate --seed permissions.json
  AWS_REGION=eu-central-1 TABLE_NAME=scopegate-prod scopegate migrate --dry-run
  AWS_REGION=eu-central-1 TABLE_NAME=scopegate-prod scopegate migrate --create`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.BoolVar(&create, "create", false, "make the table if it is missing, also on AWS")
	f.BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	f.StringVar(&seed, "seed", "", "JSON array of permissions to merge afterwards; - is standard input")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.MarkFlagsMutuallyExclusive("seed", "dry-run")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		return p.migrate(cmd, migrations.Options{Create: create, DryRun: dryRun}, seed, asJSON)
	})
	return cmd
}

func (p *program) migrate(cmd *cobra.Command, o migrations.Options, seed string, asJSON bool) error {
	ctx := cmd.Context()
	settings, err := p.settings(config.Store)
	if err != nil {
		return err
	}
	var seeds []mapping.Permission
	if seed != "" { // a bad file shows before anything is touched
		if seeds, _, err = p.readPermissions(seed, false); err != nil {
			return err
		}
	}
	client, err := dynamo.Connect(ctx, dynamo.Settings{Table: settings.TableName, Quiet: true})
	if err != nil {
		return usage(err)
	}
	endpoint := p.env("AWS_ENDPOINT_URL_DYNAMODB")
	local := dynamo.IsLoopback(endpoint)
	result := migrateJSON{
		Region: client.Options().Region, Endpoint: cmp.Or(endpoint, "AWS"), Table: settings.TableName, DryRun: o.DryRun, Applied: []string{},
	}
	if result.Region == "" {
		return usage(errors.New("AWS_REGION: must be given"))
	}
	fmt.Fprintf(p.stderr, "region %s, endpoint %s, table %s\n", result.Region, result.Endpoint, result.Table)
	o.Create, o.Protect = o.Create || local, !local
	o.Progress = func(line string) { fmt.Fprintln(p.stderr, line) }
	report, err := migrations.Run(ctx, client, settings.TableName, o)
	if err != nil {
		return migrateError(err)
	}
	result.Created, result.Version = report.Created, report.Version
	for _, s := range report.Applied {
		result.Applied = append(result.Applied, s.Name)
	}
	if seeds != nil {
		merged, err := p.merge(ctx, where{direct: true}, seeds, "")
		if err != nil {
			return err
		}
		result.Seeded = linesOf(merged)
	}
	return p.printMigrated(result, asJSON)
}

// migrateError tells what an operator can do something about from an outage.
func migrateError(err error) error {
	switch {
	case errors.Is(err, migrations.ErrNoTable):
		return negative(fmt.Errorf("%w: --create makes it", err))
	case errors.Is(err, migrations.ErrAhead), errors.Is(err, migrations.ErrMismatch):
		return negative(err)
	}
	return err
}

func (p *program) printMigrated(r migrateJSON, asJSON bool) error {
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
