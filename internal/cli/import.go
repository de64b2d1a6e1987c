package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"scopegate/internal/config"
	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

const importLong = `Reads a JSON array of permissions and merges it into their tables: what is there already
stays, what is there with another expiresAt or description is replaced, other
permissions of the table are left alone. Each table changes in one step. With one bad
entry nothing is written, and every fault is listed. FILE - is standard input.

--complete marks the tables as listing every route of their APIs, with the hash of the
file as source.

With --openapi FILE is an OpenAPI 3 or Swagger 2.0 document, JSON or YAML, or an export of API
Gateway, and --arn and --stage name the table: each operation is a route, and the scopes of
its security requirements, all of them, are what it needs. Operations without security are
registered, which opens them to nobody, or with --authenticated to every verified caller. The
plan is shown and asked about as apply does. Permissions of the table that the file does not
have are kept unless --prune is given; what is there keeps its end and description. What API
Gateway cannot express is listed, not guessed; if every route could be expressed, the table is
marked as complete with the file's hash. --dry-run writes nothing.

--json prints {"tables": [{"arn", "stage", "revision", "added", "changed", "unchanged",
"completed"}]}; with --openapi what apply --json does, and "openapi": {"version", "source",
"complete", "permissions", "registered", "kept", "ended", "unexpressed", "notes"}.

` + whereText + `

Authorizers follow within CACHE_TTL; callers whose policy API Gateway has cached follow
when its caches are flushed, or when that entry ends (the authorizer's TTL).

` + exitCodes

func (p *program) importCommand() *cobra.Command {
	var i importedAPI
	var complete bool
	cmd := &cobra.Command{
		Use:   "import [--complete] FILE | import --openapi FILE --arn ARN --stage STAGE",
		Short: "Merge a file of permissions into their tables, or an OpenAPI document into one",
		Long:  importLong,
		Example: `  scopegate import permissions.json
  scopegate import --complete --dev http://127.0.0.1:8082 permissions.json
  echo '[{"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev",
    "httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read"}]' | scopegate import --data .scopegate -
  scopegate import --openapi openapi.yaml --arn arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 --stage dev --dry-run`,
		Args: cobra.MaximumNArgs(1),
	}
	i.where.flags(cmd)
	i.writes.flags(cmd)
	i.openAPIFlags.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&complete, "complete", false, "the file lists every route of its APIs")
	f.StringVar(&i.file, "openapi", "", "OpenAPI document to import; - is standard input")
	f.StringVar(&i.arn, "arn", "", "ARN of the API, without stage, for --openapi")
	f.StringVar(&i.stage, "stage", "", "stage, for --openapi")
	f.Lookup("dry-run").Usage += ", for --openapi"
	f.BoolVar(&i.prune, "prune", false, "remove permissions that the OpenAPI document does not have")
	cmd.MarkFlagsRequiredTogether("openapi", "arn", "stage")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		if err := checkImport(cmd, args); err != nil {
			return usage(err)
		}
		if i.file != "" {
			return p.importOpenAPI(cmd.Context(), i)
		}
		return p.importPermissions(cmd.Context(), i.where, args[0], complete, i.json)
	})
	return cmd
}

// checkImport keeps the flags of the two kinds of import apart.
func checkImport(cmd *cobra.Command, args []string) error {
	given := cmd.Flags().Changed
	if !given("openapi") {
		if len(args) != 1 {
			return errors.New("must be given a FILE, or --openapi FILE")
		}
		for _, name := range []string{"yes", "force", "any-of", "authenticated", "base-path", "scope-prefix", "bearer-scopes", "dry-run", "prune"} {
			if given(name) {
				return fmt.Errorf("--%s: must be given with --openapi", name)
			}
		}
		return nil
	}
	if len(args) > 0 || given("complete") {
		return errors.New("FILE, --complete: must not be given with --openapi")
	}
	return nil
}

func (p *program) importPermissions(ctx context.Context, at where, file string, complete, asJSON bool) error {
	list, source, err := p.readPermissions(file, complete)
	if err != nil {
		return err
	}
	merged, err := p.merge(ctx, at, list, source)
	if err != nil && merged == nil {
		return err
	}
	if err := errors.Join(err, p.printMerged(merged, asJSON)); err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintf(p.stderr, "%s holds no permission: nothing was there to import.\n", file)
	}
	return nil
}

// merge merges a list of permissions. What was merged before an error comes back
// with it: each table is a change of its own.
func (p *program) merge(ctx context.Context, at where, list []mapping.Permission, source string) ([]store.Merged, error) {
	batches, err := store.Batches(list)
	if err != nil {
		return nil, negative(fmt.Errorf("nothing was written:\n%w", err))
	}
	c, err := p.connect(ctx, at, writing, config.Store)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var all []store.Merged
	var flushed flush.Result
	written := false
	defer func() {
		if written {
			p.printFlush(c, flushed)
		}
	}()
	for _, b := range batches {
		merged, err := store.Merge(ctx, c.tables, b, store.MergeOptions{By: c.by, Source: source})
		if err != nil {
			done := ""
			if len(all) > 0 {
				done = " (tables before it in the file are done)"
			}
			return all, fmt.Errorf("import into %s%s: %w", b.API, done, err)
		}
		all = append(all, merged)
		if merged.Added+merged.Changed > 0 || merged.Completed {
			flushed, written = worse(flushed, c.flushed()), true
		}
	}
	return all, nil
}

// worse is the one of two results that promises less.
func worse(a, b flush.Result) flush.Result {
	if a.Flush != "" && a.EffectiveBy == nil || a.EffectiveBy != nil && b.EffectiveBy != nil && a.EffectiveBy.After(*b.EffectiveBy) {
		return a
	}
	return b
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// mergedLine is what is printed of one table.
type mergedLine struct {
	ARN       string `json:"arn"`
	Stage     string `json:"stage"`
	Revision  string `json:"revision"`
	Added     int    `json:"added"`
	Changed   int    `json:"changed"`
	Unchanged int    `json:"unchanged"`
	Completed bool   `json:"completed,omitempty"`
}

func (p *program) printMerged(all []store.Merged, asJSON bool) error {
	if asJSON {
		return printJSON(p.stdout, map[string]any{"tables": linesOf(all)})
	}
	return printLines(p.stdout, linesOf(all))
}

func printLines(w io.Writer, lines []mergedLine) error {
	for _, l := range lines {
		mark := ""
		if l.Completed {
			mark = ", marked complete"
		}
		_, err := fmt.Fprintf(w, "%s %s: %d added, %d changed, %d unchanged, revision %s%s\n", l.ARN, l.Stage, l.Added, l.Changed, l.Unchanged, l.Revision, mark)
		if err != nil {
			return err
		}
	}
	return nil
}
