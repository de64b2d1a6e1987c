package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scopegate/admin"
	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/internal/plan"
	"scopegate/mapping"
	"scopegate/store"
)

const documentText = `FILE is a table's document as export prints it, YAML or JSON: arn, stage, name, complete,
owners, trust, permissions. It is the whole table: a permission that it leaves out is
removed (its route stays registered), and so are name, owners and trust, unless an owner
applies it, who cannot change them. A list of permissions of one table, as import reads it,
stands for all permissions of that table; the rest stays. FILE - is standard input.`

const planText = `A plan shows, beside what is added and removed, who gains and who loses which routes, how
large policies become, what lint finds that is new, routes that nobody may call any more,
and what a write refuses unless it is forced.`

// writes are the flags of commands that change a table after showing a plan.
type writes struct {
	revision                 string
	yes, force, json, dryRun bool
}

func (w *writes) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&w.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&w.force, "force", false, "write although the plan has findings that a write refuses")
	w.dryRunFlag(cmd)
	f.BoolVar(&w.json, "json", false, "print plan and result as JSON (needs --yes or --dry-run)")
}

func (w *writes) dryRunFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.dryRun, "dry-run", false, "only show the plan, whatever else is given")
}

// access is what a connection is for.
func (w writes) access() access {
	if w.dryRun {
		return reading
	}
	return writing
}

// applied are the flags of plan and apply.
type applied struct {
	where
	writes
	to            rewrite
	failOnChanges bool
}

func (a *applied) flags(cmd *cobra.Command) {
	a.where.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&a.to.arn, "arn", "", "ARN to apply it to in place of the one in FILE")
	f.StringVar(&a.to.stage, "stage", "", "stage to apply it to in place of the one in FILE")
	f.StringVar(&a.revision, "revision", "", "the table must be at this revision, as a plan names it")
}

func (p *program) planCommand() *cobra.Command {
	var a applied
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "Say what applying a document would change: items, who gains and who loses which routes",
		Long: `Compares a table with a document and writes nothing.

` + documentText + `

` + planText + `

--json prints {"arn", "stage", "exists", "changes", "plan"}; plan is that of the admin API's
PUT …/document?dryRun=true.

` + whereText + `

` + exitCodes,
		Example: `  scopegate plan --admin https://admin.example.org table.yaml
  scopegate plan --json --data .scopegate table.yaml | jq -r .plan.revision
  scopegate plan --fail-on-changes --stage prod table.yaml`,
		Args: cobra.ExactArgs(1),
	}
	a.flags(cmd)
	cmd.Flags().BoolVar(&a.json, "json", false, "print the plan as JSON")
	cmd.Flags().BoolVar(&a.failOnChanges, "fail-on-changes", false, "end with 1 if there is something to change")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error { return p.plan(cmd.Context(), a, args[0]) })
	return cmd
}

func (p *program) applyCommand() *cobra.Command {
	var a applied
	cmd := &cobra.Command{
		Use:   "apply FILE [--yes] [--revision R]",
		Short: "Make a table what a document says, after showing the plan",
		Long: `Shows the plan, asks, and makes the table what the document says, in one step. What was
shown is what is applied: if the table has moved on in between, nothing is written (exit
code 1). Without a terminal to ask on, --yes must be given; --revision then names the plan
that was reviewed. A table that does not exist yet is registered first, which admins may.

` + documentText + `

` + planText + `

--json prints {"arn", "stage", "registered", "plan", "applied": {"revision", "added",
"changed", "removed", "unchanged", "flush", "effectiveBy", "flushReason"}}; applied is
missing if there was nothing to change.

` + whereText + `

` + exitCodes,
		Example: `  scopegate apply --admin https://admin.example.org table.yaml
  scopegate apply --yes --revision 12-ABCDEF table.yaml
  scopegate export --api rz8w6b1ik2 --stage dev | scopegate apply --yes --stage prod -`,
		Args: cobra.ExactArgs(1),
	}
	a.flags(cmd)
	a.writes.flags(cmd)
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error { return p.apply(cmd.Context(), a, args[0]) })
	return cmd
}

// planJSON is a plan for programs.
type planJSON struct {
	ARN        string               `json:"arn"`
	Stage      string               `json:"stage"`
	Exists     *bool                `json:"exists,omitempty"`
	Changes    *bool                `json:"changes,omitempty"`
	Registered *bool                `json:"registered,omitempty"`
	OpenAPI    *openAPIJSON         `json:"openapi,omitempty"`
	Plan       plan.Plan            `json:"plan"`
	Applied    *adminclient.Applied `json:"applied,omitempty"`
}

// planned is a change to a table before it is made.
type planned struct {
	api     mapping.API
	exists  bool
	plan    plan.Plan
	openapi *openAPIJSON                                               // what the document was made of, if it was
	apply   func(ctx context.Context, into *adminclient.Applied) error // as planned, or not at all
}

func (p *program) plan(ctx context.Context, a applied, file string) error {
	d, err := p.readDocument(file, a.to)
	if err != nil {
		return err
	}
	c, err := p.connect(ctx, a.where, reading, config.Store)
	if err != nil {
		return err
	}
	defer c.close()
	change, err := c.plan(ctx, d, a.writes)
	if err != nil {
		return err
	}
	err = p.showPlan(change, a.json)
	if err == nil && !change.plan.Empty() && a.failOnChanges {
		return negative(errSilent)
	}
	return err
}

func (p *program) apply(ctx context.Context, a applied, file string) error {
	d, err := p.readDocument(file, a.to)
	if err != nil {
		return err
	}
	if err := p.mayAsk(a.writes, file); err != nil {
		return err
	}
	c, err := p.connect(ctx, a.where, a.access(), config.Store)
	if err != nil {
		return err
	}
	defer c.close()
	change, err := c.plan(ctx, d, a.writes)
	if err != nil {
		return err
	}
	return p.carryOut(ctx, c, change, a.writes)
}

// plan asks what a document would change. For a table that is not there the plan
// is made here: the admin API plans against tables that it knows.
func (c *connection) plan(ctx context.Context, d *document, w writes) (planned, error) {
	out := planned{api: d.api, exists: true}
	stored, at, err := c.Document(ctx, d.api)
	var problem *adminclient.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return c.planNew(ctx, d, w)
	}
	if err != nil {
		return out, err
	}
	if d.list {
		if err := d.over(stored); err != nil {
			return out, err
		}
		d.base = at
	}
	if d.base != "" && d.base != at {
		return out, moved(d)
	}
	revision, err := c.PutDocument(ctx, d.api, d.text(), adminclient.Put{Revision: cmp.Or(w.revision, d.base), DryRun: true}, &out.plan)
	if err != nil {
		return out, err
	}
	out.apply = func(ctx context.Context, into *adminclient.Applied) error {
		_, err := c.PutDocument(ctx, d.api, d.text(), adminclient.Put{Revision: revision, Force: w.force}, into)
		return err
	}
	return out, nil
}

// moved says that a table is not the one any more that a document was made from.
func moved(d *document) error {
	return negative(fmt.Errorf("nothing was written: somebody else has changed the table of %s since it was read at revision %s: run it again", d.api, d.base))
}

// planNew plans a table that is registered first.
func (c *connection) planNew(ctx context.Context, d *document, w writes) (planned, error) {
	out := planned{api: d.api}
	if w.revision != "" && w.revision != (store.Revision{}).String() {
		return out, negative(fmt.Errorf("--revision %q: there is no table of %s", w.revision, d.api))
	}
	if d.base != "" && d.base != (store.Revision{}).String() {
		return out, moved(d)
	}
	if d.list {
		if err := d.over([]byte("{}")); err != nil {
			return out, err
		}
	}
	after, err := parsedSnapshot(d)
	if err != nil {
		return out, negative(err)
	}
	if out.plan, err = plan.Make(ctx, store.Snapshot{}, after, planOptions(c.settings)); err != nil {
		return out, err
	}
	out.apply = func(ctx context.Context, into *adminclient.Applied) error { return c.applyNew(ctx, d, w, into) }
	return out, nil
}

// applyNew registers a table and puts its document. If the document is refused,
// the table is taken away again: a refusal changes nothing.
func (c *connection) applyNew(ctx context.Context, d *document, w writes, into *adminclient.Applied) error {
	revision, err := c.Register(ctx, admin.API{ARN: d.api.ARN, Stage: d.api.Stage})
	if err != nil {
		return fmt.Errorf("register the table of %s: %w", d.api, err)
	}
	_, err = c.PutDocument(ctx, d.api, d.text(), adminclient.Put{Revision: revision, Force: w.force}, into)
	var problem *adminclient.Problem
	if errors.As(err, &problem) && !problem.Outage() {
		if _, undo := c.Delete(ctx, d.api, revision); undo != nil {
			return fmt.Errorf("%w\nthe table was registered, is empty, and could not be taken away again: %w", err, undo)
		}
	}
	return err
}

// parsedSnapshot is the table that a document describes, every fault of it named.
func parsedSnapshot(d *document) (store.Snapshot, error) {
	if _, err := parseDocument(d.text()); err != nil {
		return store.Snapshot{}, err
	}
	return snapshotOf(d.api, d.text())
}

// showPlan writes a plan that nothing is made of.
func (p *program) showPlan(change planned, asJSON bool) error {
	if !asJSON {
		return p.printPlan(change)
	}
	changes := !change.plan.Empty()
	return printJSON(p.stdout, planJSON{ARN: change.api.ARN, Stage: change.api.Stage, Exists: &change.exists, Changes: &changes, OpenAPI: change.openapi, Plan: change.plan})
}

// carryOut shows a plan, asks, and has it applied.
func (p *program) carryOut(ctx context.Context, c *connection, change planned, w writes) error {
	if w.dryRun {
		return p.showPlan(change, w.json)
	}
	registered := false
	out := planJSON{ARN: change.api.ARN, Stage: change.api.Stage, Registered: &registered, OpenAPI: change.openapi, Plan: change.plan}
	if !w.json {
		if err := p.printPlan(change); err != nil {
			return err
		}
	}
	switch {
	case change.plan.Empty() && change.exists:
		if w.json {
			return printJSON(p.stdout, out)
		}
		return nil
	case len(change.plan.Blocking) > 0 && !w.force:
		if w.json {
			if err := printJSON(p.stdout, out); err != nil {
				return err
			}
		}
		return negative(fmt.Errorf("nothing was written: the plan has %s that a write refuses (%s): --force writes it all the same",
			counted(len(change.plan.Blocking), "finding"), change.plan.Blocking[0].Kind))
	}
	if !w.yes {
		if err := p.confirm(ctx, "Apply this"); err != nil {
			return err
		}
	}
	var result adminclient.Applied
	progress := p.progress("items written", time.Now)
	err := change.apply(store.WithProgress(ctx, progress.show), &result)
	progress.end()
	if err != nil {
		return notApplied(err)
	}
	registered, out.Applied = !change.exists, &result
	p.printFlush(c, result.Result)
	if w.json {
		return printJSON(p.stdout, out)
	}
	_, err = fmt.Fprintf(p.stdout, "%s %s: %d added, %d changed, %d removed, %d unchanged, revision %s\n",
		change.api.ARN, change.api.Stage, result.Added, result.Changed, result.Removed, result.Unchanged, result.Revision)
	return err
}

// notApplied says what a failed write leaves behind.
func notApplied(err error) error {
	var problem *adminclient.Problem
	switch {
	case errors.As(err, &problem) && problem.Status == http.StatusPreconditionFailed:
		return fmt.Errorf("nothing was written: somebody else has changed the table since the plan was made: %w", err)
	case errors.As(err, &problem) && !problem.Outage():
		return fmt.Errorf("nothing was written: %w", err)
	}
	return fmt.Errorf("whether it was written is not known: run it again, which does no harm: %w", err)
}

// printPlan writes a plan for people.
func (p *program) printPlan(change planned) error {
	switch {
	case !change.exists:
		if _, err := fmt.Fprintf(p.stdout, "%s %s does not exist: it is registered first, which admins may\n\n", change.api.ARN, change.api.Stage); err != nil {
			return err
		}
	case change.plan.Empty():
		_, err := fmt.Fprintf(p.stdout, "%s %s, revision %s: nothing to change\n", change.api.ARN, change.api.Stage, shown(change.plan.Revision))
		return err
	}
	return plan.Text(p.stdout, change.plan)
}

// mayAsk refuses early what could not be asked later.
func (p *program) mayAsk(w writes, file string) error {
	switch {
	case w.yes, w.dryRun:
		return nil
	case w.json:
		return usage(errors.New("--json: must be given with --yes or --dry-run: there is nowhere to ask"))
	case file == "-":
		return usage(errors.New("--yes: must be given when FILE is standard input: there is nowhere to ask; --dry-run shows the plan"))
	case !isTerminal(p.stdin):
		return usage(errors.New("--yes: must be given where standard input is no terminal: there is nobody to ask; --dry-run shows the plan"))
	}
	return nil
}

// isTerminal reports whether a person is at the other end.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	nowhere, err := os.Stat(os.DevNull) // a character device, too
	return err != nil || !os.SameFile(info, nowhere)
}

// confirm asks; anything but yes is no, and so is Ctrl-C.
func (p *program) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(p.stderr, "%s? Only yes is taken: ", question)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.stdin).ReadString('\n') // what ends without a line is none
		answers <- line
	}()
	line := ""
	select {
	case line = <-answers:
	case <-ctx.Done():
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); ctx.Err() == nil && (answer == "yes" || answer == "y") {
		return nil
	}
	if !strings.HasSuffix(line, "\n") {
		fmt.Fprintln(p.stderr)
	}
	return negative(errors.New("nothing was written"))
}
