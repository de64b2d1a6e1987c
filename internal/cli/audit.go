package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/mapping"
	"scopegate/store"
)

// audited are the flags of audit.
type audited struct {
	target
	limit       int
	revocations bool
	json        bool
}

func (p *program) auditCommand() *cobra.Command {
	var a audited
	cmd := &cobra.Command{
		Use:   "audit [--api ARN --stage STAGE] [--limit N]",
		Short: "List who changed a table, when and what, the newest first",
		Long: `Lists the audit trail of a table, the newest change first, also of a table that was
deleted (name it by its ARN). BEFORE and AFTER are revisions: restore --revision goes back to
one. --revocations lists the changes of revocations instead.

--json prints {"records": [...]}, each as GET /v1/audit of the admin API has it: changeId,
at, by, requestId, before, after, added, removed, routesAdded, routesRemoved, headBefore,
headAfter, counts; of large changes counts and hash alone.

` + whereText + `

` + exitCodes,
		Example: `  scopegate audit --admin https://admin.example.org --api rz8w6b1ik2 --stage prod
  scopegate audit --data .scopegate --limit 0 --json | jq '.records[] | {at, by, added}'
  scopegate audit --revocations`,
		Args: cobra.NoArgs,
	}
	a.target.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&a.limit, "limit", 20, "how many are listed; 0 for all")
	f.BoolVar(&a.revocations, "revocations", false, "list the changes of revocations")
	f.BoolVar(&a.json, "json", false, "print the records as JSON")
	cmd.MarkFlagsMutuallyExclusive("revocations", "api")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error { return p.audit(cmd.Context(), a) })
	return cmd
}

func (p *program) audit(ctx context.Context, a audited) error {
	if a.limit < 0 {
		return usage(fmt.Errorf("--limit %d: must not be negative", a.limit))
	}
	c, err := p.connect(ctx, a.where, reading, config.Store)
	if err != nil {
		return err
	}
	defer c.close()
	var api mapping.API
	if !a.revocations {
		if api, err = c.find(ctx, a.target); err != nil {
			return err
		}
	}
	records, err := c.Audit(ctx, api, a.limit)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(p.stdout, map[string]any{"records": records})
	}
	if len(records) == 0 {
		fmt.Fprintln(p.stderr, "Nothing is recorded.")
		return nil
	}
	if a.revocations {
		return p.printRevocationRecords(records)
	}
	var rows [][]string
	short := isTerminal(p.stdout) && onlyLife(records)
	for _, r := range records {
		if short {
			r.Before, r.After = numberOf(r.Before), numberOf(r.After)
		}
		rows = append(rows, []string{moment(r.At), r.Before, r.After, p.who(r.By), what(r), orDash(r.RequestID)})
	}
	return columns(p.stdout, []string{"at", "before", "after", "by", "what", "request"}, rows)
}

// what sums up a change.
func what(r adminclient.Record) string {
	if r.Counts == nil {
		return "-"
	}
	var parts []string
	note := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf(text, n))
		}
	}
	if r.Counts.Deleted {
		parts = append(parts, "table deleted")
	}
	note(r.Counts.Put, "%d put")
	note(r.Counts.Removed, "%d removed")
	note(r.Counts.RoutesPut, "%d routes added")
	note(r.Counts.RoutesRemoved, "%d routes removed")
	if r.Counts.HeadChanged {
		parts = append(parts, "head")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (p *program) printRevocationRecords(records []adminclient.Record) error {
	var rows [][]string
	for _, r := range records {
		row := []string{moment(r.At), "-", p.who(r.By), "-", orDash(r.RequestID)}
		switch {
		case r.Is != nil:
			row[1], row[3] = r.Is.PrincipalID, "revoked until "+moment(r.Is.Until)
			if r.Is.Reason != "" {
				row[3] += ": " + r.Is.Reason
			}
		case r.Was != nil:
			row[1], row[3] = r.Was.PrincipalID, "revocation taken away"
		}
		rows = append(rows, row)
	}
	return columns(p.stdout, []string{"at", "principal", "by", "what", "request"}, rows)
}

// restored are the flags of restore.
type restored struct {
	target
	writes
}

func (p *program) restoreCommand() *cobra.Command {
	var r restored
	cmd := &cobra.Command{
		Use:   "restore --revision R --api ARN --stage STAGE",
		Short: "Make a table what it was at an earlier revision, as a new change",
		Long: `Shows what going back to an earlier revision would change, asks, and does it, as a change
of its own: nothing is taken out of the audit trail. audit lists the revisions; a number alone
("12") is one of the table's present life, after a deletion the whole ("12-ABCDEF") tells which.
An owner goes back in permissions and routes; name, owners and trust are the admins' to restore.

` + planText + `

--json prints what apply --json does.

` + whereText + `

` + exitCodes,
		Example: `  scopegate restore --admin https://admin.example.org --api rz8w6b1ik2 --stage prod --revision 12-ABCDEF`,
		Args:    cobra.NoArgs,
	}
	r.target.flags(cmd)
	r.writes.flags(cmd)
	cmd.Flags().StringVar(&r.revision, "revision", "", "the earlier revision, as audit lists it, or its number alone")
	for _, name := range []string{"revision", "api"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a flag that was just defined
		}
	}
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error { return p.restore(cmd.Context(), r) })
	return cmd
}

func (p *program) restore(ctx context.Context, r restored) error {
	wanted, err := parseWanted(r.revision)
	switch {
	case err != nil:
		return usage(fmt.Errorf("--revision: %w", err))
	case wanted.Number == 0:
		return usage(fmt.Errorf("--revision %q: a table's first is 1", r.revision))
	}
	if err := p.mayAsk(r.writes, ""); err != nil {
		return err
	}
	c, api, err := p.on(ctx, r.target, r.access())
	if err != nil {
		return err
	}
	defer c.close()
	revision, err := c.earlier(ctx, api, wanted)
	if err != nil {
		return err
	}
	change := planned{api: api, exists: true}
	at, err := c.Restore(ctx, api, revision, adminclient.Put{DryRun: true}, &change.plan)
	if err != nil {
		return err
	}
	change.apply = func(ctx context.Context, into *adminclient.Applied) error {
		_, err := c.Restore(ctx, api, revision, adminclient.Put{Revision: at, Force: r.force}, into)
		return err
	}
	return p.carryOut(ctx, c, change, r.writes)
}

// earlier is a revision as the admin API has it. A number alone is one of the
// table as it lives now, not of one that was deleted before.
func (c *connection) earlier(ctx context.Context, api mapping.API, wanted store.Revision) (string, error) {
	if wanted.Incarnation != "" {
		return wanted.String(), nil
	}
	_, text, err := c.API(ctx, api)
	if err != nil {
		return "", err
	}
	now, err := parseRevision(text)
	if err != nil {
		return "", fmt.Errorf("read the revision of %s: %w", api, err)
	}
	return store.Revision{Number: wanted.Number, Incarnation: now.Incarnation}.String(), nil
}
