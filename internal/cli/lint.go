package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"scopegate/authorizer"
	"scopegate/internal/config"
	"scopegate/internal/lint"
)

const lintLong = `Looks at tables before their callers find out what is wrong with them. FILE holds what
import reads, a JSON array of permissions of one or several tables, or a table's document
as GET /v1/apis/{apiId}/{stage}/document of the admin API gives it; - is standard input.
Without FILE it is the table of --api and --stage.

` + whereText + `

Policies are made for callers that are made up: one for each scope, role and group, for
each requirement of a permission, for any authenticated caller, for all scopes together
and for everything. POLICY_MAX_BYTES, POLICY_EXPIRY, POLICY_EXPLICIT_DENY and whom a table
without a trust list believes are the settings of the environment or of --dev; policies are
those of POLICY_SCOPE=caller.

Errors:
  too_large        the policy of one scope, or of all scopes, does not fit: every call of
                   such a caller is answered with 500 (for everything it is a warning)
  whole_collision  who holds what one permission requires can call a held route on no path
                   (a warning if that begins only when another permission ends)
  conflicting      a permission stands twice in FILE, and import would refuse it
Warnings:
  no_trust         the table names nobody whom it trusts, and several could be meant
  large            a policy takes more than 80 % of its budget: POLICY_MAX_BYTES without
                   what an answer holds besides
  unheld           nobody whom the table trusts can meet what a permission requires
  shadowed         another permission grants at least the same, to at least the same
                   callers, for at least as long; it may still be what names its route
  duplicate        another permission says the same
  collision        a path is permitted, and a policy denies it
  unguarded        a path of no known route is allowed by a policy that API Gateway keeps
  folded           the same, opened only since the policy was made to fit, which is done to
                   policies of complete tables
Notes, which come with wildcards whatever the table:
  encoding         a path is permitted, and denied for an encoded slash, or for an encoded
                   character that needs no encoding

--json prints one object:
  {"errors", "warnings", "notes", "tables": [{"arn", "stage", "complete", "permissions", "expired",
    "routes", "maxBytes", "budget",
    "findings": [{"severity", "kind", "permissions": [{"place", "id", "permission"}],
      "route", "resource", "witness", "from", "callers": [name], "trust"}],
    "callers": [{"name", "kind", "scopes", "roles", "groups", "principalType", "tenant",
      "issuer", "permissions", "bytes", "fits", "resources", "steps",
      "advice": {"costs": [{"kind", "name", "bytes", "saves"}],
        "fitting": {"scopes", "roles", "groups", "bytes", "without": [{"kind", "name"}]}}}]}]}
Of a finding's permissions the first is the one that it is about; a witness is a request of
the first of its callers, from the time "from" on, if that is given. Callers are named as in
"callers", where the largest policies come first.

` + exitCodes

// linted are the flags of lint.
type linted struct {
	where
	arn, stage    string
	top, maxBytes int
	complete      bool
	json          bool
}

func (p *program) lintCommand() *cobra.Command {
	var l linted
	cmd := &cobra.Command{
		Use:   "lint [FILE | --api ARN --stage STAGE]",
		Short: "Say what is wrong with a table, and how large its callers' policies are",
		Long:  lintLong,
		Example: `  scopegate lint --complete permissions.json
  scopegate lint --dev http://127.0.0.1:8082 --api arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 --stage dev
  scopegate lint --json permissions.json | jq '.tables[].findings[] | select(.severity == "error")'`,
		Args: cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	l.where.flags(cmd)
	f.StringVar(&l.arn, "api", "", "ARN of the API, without stage, or its id")
	f.StringVar(&l.stage, "stage", "", "stage")
	f.IntVar(&l.top, "top", 10, "how many callers are shown, and scopes that cost most; --json shows all")
	f.IntVar(&l.maxBytes, "max-bytes", 0, "bytes that a whole answer may have (default POLICY_MAX_BYTES, which is 8192)")
	f.BoolVar(&l.complete, "complete", false, "the file lists every route of its APIs, as for import --complete")
	f.BoolVar(&l.json, "json", false, "print everything as JSON")
	cmd.MarkFlagsRequiredTogether("api", "stage")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		if err := l.check(cmd, args); err != nil {
			return usage(err)
		}
		return p.lint(cmd.Context(), l, args)
	})
	return cmd
}

// Bounds of --max-bytes, those of POLICY_MAX_BYTES.
const (
	minMaxBytes = 1024
	maxMaxBytes = 65536
)

func (l linted) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && l.arn == "":
		return errors.New("must be given a FILE, or --api and --stage")
	case len(args) > 0 && (l.arn != "" || l.where != (where{})):
		return errors.New("--api, --stage, --admin, --token-command, --data, --dev, --direct: must not be given with FILE")
	case l.complete && len(args) == 0:
		return errors.New("--complete: must be given with FILE; a stored table says itself whether it is")
	case l.top < 0:
		return fmt.Errorf("--top %d: must not be negative", l.top)
	case cmd.Flags().Changed("max-bytes") && (l.maxBytes < minMaxBytes || l.maxBytes > maxMaxBytes):
		return fmt.Errorf("--max-bytes %d: must be %d to %d", l.maxBytes, minMaxBytes, maxMaxBytes)
	}
	return nil
}

// lintJSON is what lint found, for programs.
type lintJSON struct {
	Errors   int           `json:"errors"`
	Warnings int           `json:"warnings"`
	Notes    int           `json:"notes"`
	Tables   []lint.Result `json:"tables"`
}

func (p *program) lint(ctx context.Context, l linted, args []string) error {
	tables, settings, err := p.lintTables(ctx, l, args)
	if err != nil {
		return err
	}
	for i := range tables {
		tables[i].Complete = tables[i].Complete || l.complete
	}
	o := lintOptions(settings, cmp.Or(l.maxBytes, settings.PolicyMaxBytes), time.Now())
	progress := p.progress("policies", time.Now)
	o.Progress = progress.show
	out := lintJSON{Tables: []lint.Result{}}
	for _, t := range tables {
		result, err := lint.Check(ctx, t, o)
		if err != nil {
			progress.end()
			return err
		}
		out.Tables = append(out.Tables, result)
		out.Errors += result.Errors()
		out.Warnings += result.Warnings()
		out.Notes += result.Notes()
	}
	progress.end()
	if l.json {
		err = printJSON(p.stdout, out)
	} else {
		err = printLint(p.stdout, out, l.top)
	}
	if err == nil && out.Errors > 0 {
		return negative(errSilent)
	}
	return err
}

// lintOptions are the settings that a policy depends on.
func lintOptions(s config.Settings, maxBytes int, now time.Time) lint.Options {
	o := lint.Options{
		Now: now, MaxBytes: maxBytes, Budget: authorizer.DocumentBudget(maxBytes), NoExpiry: !s.PolicyExpiry, ExplicitDeny: s.ExplicitDeny,
	}
	for _, t := range s.TenantIDs {
		o.Configured = append(o.Configured, trustIn(t, "", s.Audiences))
	}
	for _, i := range s.Issuers {
		o.Configured = append(o.Configured, trustIn("", i.Issuer, i.Audiences))
	}
	return o
}

// progress tells a person who waits how far long work is.
type progress struct {
	what        string    // is counted
	to          io.Writer // nil if nobody watches
	now         func() time.Time
	begin, last time.Time
	shown       bool
}

// Nothing is shown of what is done at once, and no more often than is read.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

func (p *program) progress(what string, now func() time.Time) *progress {
	w := &progress{what: what, now: now, begin: now()}
	if isTerminal(p.stderr) {
		w.to = p.stderr
	}
	return w
}

func (w *progress) show(done, of int) {
	now := w.now()
	if w.to == nil || now.Sub(w.begin) < progressAfter || w.shown && now.Sub(w.last) < progressEvery {
		return
	}
	w.last, w.shown = now, true
	fmt.Fprintf(w.to, "\r\x1b[K%d of %d %s", done, of, w.what)
}

// end wipes the line away.
func (w *progress) end() {
	if w.shown {
		fmt.Fprint(w.to, "\r\x1b[K")
	}
}
