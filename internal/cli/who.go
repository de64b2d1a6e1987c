package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scopegate/internal/config"
	"scopegate/internal/plan"
	"scopegate/mapping"
	"scopegate/store"
)

// tableOrFile names a stored table, or a file that describes one.
type tableOrFile struct {
	target
	document string
}

func (t *tableOrFile) flags(cmd *cobra.Command) {
	t.target.flags(cmd)
	cmd.Flags().StringVar(&t.document, "document", "", "look at the table that this file describes, as export prints it; - is standard input")
	for _, other := range []string{"api", "stage", "admin", "data", "dev", "direct", "token-command"} {
		cmd.MarkFlagsMutuallyExclusive("document", other)
	}
}

// tableOf reads the table, and gives the settings that answers about it depend on.
func (p *program) tableOf(ctx context.Context, t tableOrFile) (store.Snapshot, config.Settings, error) {
	if t.document != "" {
		return p.describedTable(t.document)
	}
	c, api, err := p.on(ctx, t.target, reading)
	if err != nil {
		return store.Snapshot{}, config.Settings{}, err
	}
	s, err := c.load(ctx, api)
	return s, c.settings, errors.Join(err, c.close())
}

// describedTable is a table as a file describes it.
func (p *program) describedTable(file string) (store.Snapshot, config.Settings, error) {
	settings, err := p.settings(config.Store)
	if err != nil {
		return store.Snapshot{}, settings, err
	}
	d, err := p.readDocument(file, rewrite{})
	if err != nil {
		return store.Snapshot{}, settings, err
	}
	if d.list {
		if err := d.over([]byte("{}")); err != nil {
			return store.Snapshot{}, settings, err
		}
	}
	s, err := parsedSnapshot(d)
	if err != nil {
		return s, settings, negative(fmt.Errorf("%s: %w", file, err))
	}
	return s, settings, nil
}

func (p *program) whoCanCommand() *cobra.Command {
	var t tableOrFile
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "who-can METHOD PATH [--api ARN --stage STAGE | --document FILE]",
		Short: "List who may make a call",
		Long: `Lists what a caller must bring to be allowed to call METHOD and PATH now: the least of it,
one line each; nobody else may. METHOD and PATH are those of the request line, the path
without stage and query. If nobody may, it ends with 1.

--json prints {"method", "path", "route", "reason", "ways": [{"requirement", "caller",
"permissions", "until"}], "truncated"}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate who-can GET /orders/7 --admin https://admin.example.org --api rz8w6b1ik2 --stage prod
  scopegate who-can DELETE /users/7 --document table.yaml --json`,
		Args: cobra.ExactArgs(2),
	}
	t.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		return p.whoCan(cmd.Context(), t, args[0], args[1], asJSON)
	})
	return cmd
}

func (p *program) whoCan(ctx context.Context, t tableOrFile, method, path string, asJSON bool) error {
	method, path, err := requestLine(method, path)
	if err != nil {
		return err
	}
	s, settings, err := p.tableOf(ctx, t)
	if err != nil {
		return err
	}
	who, err := plan.WhoCan(s, method, path, planOptions(settings))
	if err != nil {
		return negative(err)
	}
	if asJSON {
		err = printJSON(p.stdout, who)
	} else {
		err = p.printWho(who)
	}
	if err == nil && len(who.Ways) == 0 {
		return negative(errSilent)
	}
	return err
}

// requestLine checks a method and a path, as explain takes them.
func requestLine(method, path string) (string, string, error) {
	switch {
	case method == string(mapping.Connect):
		return method, "", nil
	case !strings.HasPrefix(path, "/"):
		return "", "", negative(fmt.Errorf("PATH %q: must begin with /", path))
	case strings.Contains(path, "?"):
		return "", "", negative(fmt.Errorf("PATH %q: must end before the ?: the query is no part of what is authorized", path))
	}
	return method, path, nil
}

func (p *program) printWho(who plan.Who) error {
	route := who.Route
	if route == "" {
		route = "no known route"
	}
	if len(who.Ways) == 0 {
		if upper := strings.ToUpper(who.Method); who.Reason == "unknown_method" && upper != who.Method {
			fmt.Fprintf(p.stderr, "Methods are told apart by case: %s is another than %s.\n", shown(upper), shown(who.Method))
		}
		_, err := fmt.Fprintf(p.stdout, "%s %s (%s): nobody (%s)\n", shown(who.Method), shown(who.Path), shown(route), who.Reason)
		return err
	}
	if _, err := fmt.Fprintf(p.stdout, "%s %s (%s)\n\n", shown(who.Method), shown(who.Path), shown(route)); err != nil {
		return err
	}
	var rows [][]string
	for _, w := range who.Ways {
		rows = append(rows, []string{w.Requirement, untilText(w.Until), permissionTexts(w.Permissions)})
	}
	if err := columns(p.stdout, []string{"who brings", "until", "by"}, rows); err != nil {
		return err
	}
	if who.Truncated {
		fmt.Fprintln(p.stderr, "There may be more ways, of several permissions at once.")
	}
	return nil
}

func untilText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return moment(t)
}

func permissionTexts(list []mapping.Permission) string {
	var all []string
	for _, one := range list {
		all = append(all, routeOf(one)+" ("+one.Requires.String()+")")
	}
	return strings.Join(all, ", ")
}

func routeOf(p mapping.Permission) string {
	if p.Verb == mapping.Connect {
		return string(p.Verb)
	}
	return string(p.Verb) + " /" + p.Resource.String()
}

// callerFlags are the flags that describe a caller.
type callerFlags struct {
	scopes, roles, groups    []string
	app                      bool
	tenant, issuer, audience string
}

func (k *callerFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&k.scopes, "scope", nil, "scopes the caller has, separated by spaces; may be repeated")
	f.StringArrayVar(&k.roles, "role", nil, "app roles the caller has")
	f.StringArrayVar(&k.groups, "group", nil, "object ids of groups the caller is in")
	f.BoolVar(&k.app, "app", false, "the caller is an app, not a user")
	f.StringVar(&k.tenant, "tenant", "", "tenant of the caller (default the first that the table trusts)")
	f.StringVar(&k.issuer, "issuer", "", "issuer of the caller's token, where it is not Entra")
	f.StringVar(&k.audience, "audience", "", "audience of the caller's token (default the first that the table trusts)")
}

// caller is as explain takes the same flags: without a scope it is an app's own.
func (k callerFlags) caller() plan.Caller {
	c := plan.Caller{
		Scopes: fields(k.scopes), Roles: fields(k.roles), Groups: fields(k.groups), Tenant: k.tenant, Issuer: k.issuer, Audience: k.audience,
	}
	if k.issuer == "" {
		c.PrincipalType = mapping.User
		if k.app || len(c.Scopes) == 0 {
			c.PrincipalType = mapping.App
		}
	}
	return c
}

func (p *program) whatCanCommand() *cobra.Command {
	var t tableOrFile
	var k callerFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "what-can [--scope SCOPE …] [--role ROLE …] [--group ID …] [--app]",
		Short: "List what a caller may call",
		Long: `Lists the routes and patterns that a caller may call now whom the table trusts and whose
token says just this. Without --scope it is an app's own token, as Entra gives users none
without a scope. If there is nothing he may call, it ends with 1.

--json prints {"caller", "reach": [{"route", "partly", "witness", "permissions", "until"}]}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate what-can --scope "orders.read orders.write" --api rz8w6b1ik2 --stage prod
  scopegate what-can --app --role Orders.Read --document table.yaml`,
		Args: cobra.NoArgs,
	}
	t.flags(cmd)
	k.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		return p.whatCan(cmd.Context(), t, k.caller(), asJSON)
	})
	return cmd
}

func (p *program) whatCan(ctx context.Context, t tableOrFile, k plan.Caller, asJSON bool) error {
	s, settings, err := p.tableOf(ctx, t)
	if err != nil {
		return err
	}
	reach, err := plan.WhatCan(s, k, planOptions(settings))
	if err != nil {
		return negative(err)
	}
	if asJSON {
		err = printJSON(p.stdout, map[string]any{"caller": k, "reach": reach})
	} else {
		var rows [][]string
		for _, r := range reach {
			route := r.Route
			if r.Partly {
				route += " (only paths such as " + r.Witness + ")"
			}
			rows = append(rows, []string{route, untilText(r.Until), permissionTexts(r.Permissions)})
		}
		err = columns(p.stdout, []string{"route", "until", "by"}, rows)
	}
	if err == nil && len(reach) == 0 {
		if !asJSON {
			fmt.Fprintln(p.stdout, "nothing")
		}
		return negative(errSilent)
	}
	return err
}
