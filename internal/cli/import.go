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

func (p *program) importCommand() *cobra.Command {
	var at where
	var complete, asJSON bool
	cmd := &cobra.Command{
		Use:   "import [--complete] [--dev URL | --data DIR] FILE",
		Short: "Merge a file of permissions into their tables",
		Long: `Reads a JSON array of permissions and merges it into their tables: what is there already
stays, what is there with another expiresAt or description is replaced, other
permissions of the table are left alone. Each table changes in one step. With one bad
entry nothing is written, and every fault is listed. FILE - is standard input.

` + whereText + `

--complete marks the tables as listing every route of their APIs, with the hash of the
file as source.

Authorizers follow within CACHE_TTL; callers whose policy API Gateway has cached follow
when that entry ends (the authorizer's TTL).

` + exitCodes,
		Example: `  scopegate import permissions.json
  scopegate import --complete --dev http://127.0.0.1:8082 permissions.json
  echo '[{"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev",
    "httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read"}]' | scopegate import --data .scopegate -`,
		Args: cobra.ExactArgs(1),
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&complete, "complete", false, "the file lists every route of its APIs")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the counts as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		list, source, err := p.readPermissions(args[0], complete)
		if err != nil {
			return err
		}
		merged, err := p.merge(cmd.Context(), at, list, source)
		if err != nil && merged == nil {
			return err
		}
		if err := errors.Join(err, p.printMerged(merged, asJSON)); err != nil {
			return err
		}
		if len(list) == 0 {
			fmt.Fprintf(p.stderr, "%s holds no permission: nothing was there to import.\n", args[0])
		}
		return nil
	})
	return cmd
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
