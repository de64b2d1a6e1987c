package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"scopegate/authorizer"
	"scopegate/internal/config"
	"scopegate/internal/explain"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// asked are the flags of explain.
type asked struct {
	where
	arn, stage           string
	token, claims        string
	scopes, roles, group []string
	app                  bool
}

func (p *program) explainCommand() *cobra.Command {
	var a asked
	var form printing
	cmd := &cobra.Command{
		Use:   "explain (--token TOKEN | --claims JSON | --scope SCOPE …) --api ARN --stage STAGE METHOD PATH",
		Short: "Say whether a call is allowed, and why",
		Long: `Decides about one call as the authorizer does, and shows the chain of why: the token, the
caller, whether the table trusts him, what he holds, how the path is read, the route that
decided, the policy that API Gateway would get, and what that policy says about the call.

The caller comes from a token (--token, "-" for standard input, or the variable TOKEN),
which is verified with the settings or by the provider of --dev; from --claims, which are
believed but read as those of a token are (a JSON object of claims, or the name of a file,
"-" for standard input); or from --scope, --role, --group and --app, for a caller whom the
table trusts and whose token is the one that "scopegate token" gives for the same flags:
without --scope it is an app's own. The token is never printed.

With --admin the admin API decides, by the settings of the authorizer that it has; --json then
prints its answer (POST /v1/explain).

METHOD and PATH are those of the request line: the method in the case in which it is sent,
the path without stage and query, undecoded.

--report shows besides what the compiled policy costs, without what this one call adds: the
steps taken to make it fit, allows that stand for several routes (folds), what is denied
(guards), paths that are permitted and denied (collides) and paths of no known route that
are allowed (unguarded), each with a request that shows it.

` + whereText + `

` + exitCodes,
		Example: `  scopegate explain --dev http://127.0.0.1:8082 --scope email \
    --api arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 --stage dev GET /my-resource
  scopegate token --scope orders.read | scopegate explain --dev http://127.0.0.1:8082 --token - \
    --api arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 --stage dev GET /orders/7
  scopegate explain --claims '{"scp": "email"}' --api ARN --stage dev --json GET /my-resource`,
		Args: cobra.ExactArgs(2),
	}
	f := cmd.Flags()
	a.where.flags(cmd)
	f.StringVar(&a.token, "token", "", `access token; "-" is standard input`)
	f.StringVar(&a.claims, "claims", "", `claims as JSON or a file; "-" is standard input`)
	f.StringArrayVar(&a.scopes, "scope", nil, "scopes the caller has, separated by spaces; may be repeated")
	f.StringArrayVar(&a.roles, "role", nil, "app roles the caller has")
	f.StringArrayVar(&a.group, "group", nil, "object ids of groups the caller is in")
	f.BoolVar(&a.app, "app", false, "the caller is an app, not a user (without --scope it always is)")
	f.StringVar(&a.arn, "api", "", "ARN of the API, without stage, or its id")
	f.StringVar(&a.stage, "stage", "", "stage")
	f.BoolVar(&form.report, "report", false, "show the report on the compiled policy, too")
	f.BoolVar(&form.json, "json", false, "print the explanation as JSON")
	for _, name := range []string{"api", "stage"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a flag that was just defined
		}
	}
	cmd.MarkFlagsMutuallyExclusive("token", "claims")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		return p.explain(cmd.Context(), a, args[0], args[1], form)
	})
	return cmd
}

func (p *program) explain(ctx context.Context, a asked, method, path string, form printing) error {
	var err error
	if err = a.target().check(); err != nil {
		return err
	}
	if (a.token != "" || a.claims != "") && (len(a.scopes)+len(a.roles)+len(a.group) > 0 || a.app) {
		return usage(errors.New("--scope, --role, --group, --app: must not be given with --token or --claims"))
	}
	if method, path, err = requestLine(method, path); err != nil {
		return err
	}
	if p.named(a.where).admin != "" {
		return p.explainThere(ctx, a, method, path, form)
	}
	source, err := p.explained(ctx, a)
	if err != nil {
		return err
	}
	defer source.close()
	api, err := source.find(ctx, a.target())
	if err != nil {
		return err
	}
	table, err := source.table(ctx, api)
	if err != nil {
		return err
	}
	claims, how, err := p.claimsOf(ctx, a, source, table)
	if errors.Is(err, token.ErrRefused) {
		return p.printRefused(err, source.settings.DenyInvalidToken, form.json)
	}
	if errors.Is(err, token.ErrUnavailable) {
		return p.printUnavailable(err, form.json)
	}
	if err != nil {
		return err
	}
	x, err := ask(ctx, source, table, authorizer.Question{Claims: claims, API: api, Method: method, Path: path})
	decision := decisionName(x)
	if explain.TooLarge(err) {
		decision, x.Reason = decisionError, authorizer.TooLarge
	} else if err != nil {
		return err
	}
	if err := p.printExplanation(x, claims, decision, how, method+" "+path, form); err != nil {
		return err
	}
	switch decision {
	case decisionError:
		return coded{errSilent, Failed}
	case decisionDeny, decisionRevoked:
		return negative(errSilent)
	}
	return nil
}

// source is where tables and settings come from.
type source struct {
	settings config.Settings
	tables   store.Tables
	find     func(context.Context, target) (mapping.API, error)
	close    func() error
}

func (a asked) target() target { return target{a.where, a.arn, a.stage} }

// explained opens the tables of an explanation.
func (p *program) explained(ctx context.Context, a asked) (source, error) {
	role := config.Store
	if a.token != "" || p.env("TOKEN") != "" && !a.describes() {
		role = config.Authorizer
	}
	return p.opened(ctx, a.where, role)
}

// opened opens tables, and with them the settings of a role. With --dev these are
// the local stack's.
func (p *program) opened(ctx context.Context, at where, role config.Role) (source, error) {
	c, err := p.connect(ctx, at, reading, role)
	if err != nil {
		return source{}, err
	}
	return source{c.settings, c.tables, c.find, c.close}, nil
}

// describes reports whether the flags describe a caller without a token.
func (a asked) describes() bool {
	return a.claims != "" || len(a.scopes)+len(a.roles)+len(a.group) > 0 || a.app
}

// table prepares the table of an API as the cache does.
func (s source) table(ctx context.Context, api mapping.API) (explain.Table, error) {
	t, err := s.tables.Load(ctx, api)
	return explain.Of(s.settings).TableOf(t, err)
}

// ask has the authorizer itself decide.
func ask(ctx context.Context, from source, table explain.Table, q authorizer.Question) (authorizer.Explanation, error) {
	a, err := from.authorizer(table)
	if err != nil {
		return authorizer.Explanation{}, err
	}
	return a.Explain(ctx, q)
}

// authorizer is one that has the table alone, and the revocations where the source
// tells them.
func (s source) authorizer(table explain.Table) (*authorizer.Authorizer, error) {
	revocations, _ := s.tables.(store.RevocationReader)
	return explain.Of(s.settings).Authorizer(table, revocations)
}
