package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"scopegate/internal/config"
	"scopegate/internal/doctor"
)

const doctorLong = `Looks for what is wrong, and asks the questions that AWS's documentation leaves open. Each row
says what was expected, what was seen, what follows from it and which setting to change.

It looks at the running scopegate dev at --dev URL, at the folder --data DIR, at the deployed
stack --stack NAME, or else at what the settings of the environment name: identity providers
(ENTRA_TENANT_IDS, OIDC_ISSUERS), the DynamoDB table (TABLE_NAME), the queue of flushes
(FLUSH_QUEUE_URL), the admin API (--admin-url, SCOPEGATE_ADMIN). Nothing is changed.

How API Gateway behaves is asked of this machine's gateway always, and of AWS where the probe
is deployed (deploy/probe) and named: --probe-rest and --probe-http. That takes half a minute.

A finding, something to be changed, ends it with 1; what could not be found out, because a
store, a provider or a port is not available, with 3. A note, or what was not run, with 0.

` + exitCodes

const doctorExample = `  scopegate doctor
  scopegate doctor --dev http://127.0.0.1:8082
  AWS_REGION=eu-central-1 scopegate doctor --stack scopegate-prod
  scopegate doctor --probe-rest https://abc123.execute-api.eu-central-1.amazonaws.com/probe \
    --probe-http https://def456.execute-api.eu-central-1.amazonaws.com`

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	dev, data, stack, admin string
	probeREST, probeHTTP    string
	asJSON                  bool
}

func (p *program) doctorCommand() *cobra.Command {
	var o doctorFlags
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "What is wrong with a deployment, and how API Gateway behaves",
		Long:    doctorLong,
		Example: doctorExample,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.dev, "dev", "", "URL of the admin port of a running scopegate dev")
	f.StringVar(&o.data, "data", "", "folder of the embedded store")
	f.StringVar(&o.stack, "stack", "", "name of the deployed CloudFormation stack")
	f.StringVar(&o.admin, "admin-url", "", "URL of the admin API (default the stack's, or SCOPEGATE_ADMIN)")
	f.StringVar(&o.probeREST, "probe-rest", "", "URL of the probe's REST API, with its stage")
	f.StringVar(&o.probeHTTP, "probe-http", "", "URL of the probe's HTTP API")
	f.BoolVar(&o.asJSON, "json", false, "print the rows as JSON")
	cmd.MarkFlagsMutuallyExclusive("dev", "data", "stack")
	cmd.MarkFlagsMutuallyExclusive("dev", "admin-url")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd.Context(), o) })
	return cmd
}

func (p *program) doctor(ctx context.Context, o doctorFlags) error {
	probes := o.probes()
	for _, t := range probes {
		if t.URL != "" {
			if err := t.Check(); err != nil {
				return usage(err)
			}
		}
	}
	rows, err := p.examine(ctx, o)
	if err != nil {
		return err
	}
	var report doctor.Report
	report.Add(rows...)
	report.Add(doctor.ProbeLocal(ctx)...)
	report.Add(p.probeAWS(ctx, probes)...)
	if err := p.printReport(report, o.asJSON); err != nil {
		return err
	}
	switch err := report.Err(); {
	case errors.Is(err, doctor.ErrFinding):
		return negative(errSilent)
	case err != nil:
		return errSilent // exit code 3: see running
	}
	return nil
}

// examine looks at what the flags name.
func (p *program) examine(ctx context.Context, o doctorFlags) ([]doctor.Row, error) {
	switch {
	case o.dev != "":
		return p.examineDev(ctx, o.dev)
	case o.stack != "":
		return p.examineStack(ctx, o)
	}
	return p.examineSettings(ctx, o)
}

// Parts of AWS's own gateway.
const (
	probedREST = "REST API on AWS"
	probedHTTP = "HTTP API on AWS"
)

func (o doctorFlags) probes() []doctor.Target {
	return []doctor.Target{{Part: probedREST, URL: o.probeREST}, {Part: probedHTTP, URL: o.probeHTTP, IsHTTP: true}}
}

// probeAWS asks the APIs that are named, side by side.
func (p *program) probeAWS(ctx context.Context, probes []doctor.Target) []doctor.Row {
	rows := make([][]doctor.Row, len(probes))
	var wg sync.WaitGroup
	for i, t := range probes {
		if t.URL == "" {
			flag := map[bool]string{false: "--probe-rest", true: "--probe-http"}[t.IsHTTP]
			rows[i] = doctor.NotProbed(t.Part, t.IsHTTP, "not run here: deploy/probe says how to deploy the probe, then "+flag+" URL")
			continue
		}
		fmt.Fprintf(p.stderr, "asking the %s: half a minute\n", t.Part)
		wg.Go(func() {
			var err error
			if rows[i], err = doctor.Probe(ctx, t); err != nil { // checked before
				rows[i] = []doctor.Row{{Part: t.Part, Check: "probe", Status: doctor.Failed, Seen: err.Error()}}
			}
		})
	}
	wg.Wait()
	return slices.Concat(rows...)
}

// printReport prints rows by their parts.
func (p *program) printReport(r doctor.Report, asJSON bool) error {
	if asJSON {
		return printJSON(p.stdout, r)
	}
	part := ""
	for i := 0; i < len(r.Rows); i++ {
		row := r.Rows[i]
		if row.Part != part {
			part = row.Part
			fmt.Fprintln(p.stdout, printable(part))
		}
		if row.Status != doctor.NotRun {
			p.printRow(row)
			continue
		}
		names := []string{row.Check}
		for i+1 < len(r.Rows) && r.Rows[i+1].Part == part && r.Rows[i+1].Status == doctor.NotRun && r.Rows[i+1].Seen == row.Seen {
			i++
			names = append(names, r.Rows[i].Check)
		}
		fmt.Fprintf(p.stdout, "  %-8s %s\n           %s\n", row.Status, printable(strings.Join(names, ", ")), printable(row.Seen))
	}
	_, err := fmt.Fprintf(p.stdout, "%d ok, %d notes, %d findings, %d failed, %d not run\n",
		r.Count(doctor.OK), r.Count(doctor.Note), r.Count(doctor.Finding), r.Count(doctor.Failed), r.Count(doctor.NotRun))
	return err
}

func (p *program) printRow(row doctor.Row) {
	if row.Status == doctor.OK {
		fmt.Fprintf(p.stdout, "  %-8s %-14s %s [%s]\n", row.Status, printable(row.Check), printable(row.Expected), printable(row.Seen))
		return
	}
	fmt.Fprintf(p.stdout, "  %-8s %s\n", row.Status, printable(row.Check))
	for _, line := range [][2]string{{"expected", row.Expected}, {"seen", row.Seen}, {"so", row.Consequence}, {"change", row.Change}} {
		if line[1] != "" {
			fmt.Fprintf(p.stdout, "           %-9s %s\n", line[0], printable(line[1]))
		}
	}
}

// skipped is a row of what nothing is named for.
func skipped(part, check, why string) doctor.Row {
	return doctor.Row{Part: part, Check: check, Status: doctor.NotRun, Seen: why}
}

// broken is a row of what could not be found out, in our own words where the SDK is
// not set up.
func (p *program) broken(part, check string, err error) doctor.Row {
	return doctor.Row{Part: part, Check: check, Status: doctor.Failed, Seen: p.sdkError(err).Error()}
}

// withoutUnknown takes out what is no setting: on a laptop it may be somebody
// else's. A function would not start with it, so each is a note.
func withoutUnknown(environ []string) (known []string, notes []doctor.Row) {
	unknown := config.Unknown(environ)
	for _, name := range unknown {
		notes = append(notes, doctor.Row{Part: doctor.PartSettings, Check: name, Status: doctor.Note, Expected: "a setting of Scopegate",
			Seen: "no setting", Consequence: "a function that has it does not start", Change: name + ", if it is meant for Scopegate"})
	}
	known = slices.DeleteFunc(slices.Clone(environ), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(unknown, name)
	})
	return known, notes
}
