package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/openapi"
	"scopegate/mapping"
	"scopegate/store"
)

// openAPIFlags say how an OpenAPI document is read.
type openAPIFlags struct {
	anyOf, authenticated, bearer bool
	basePath, prefix             string
}

func (o *openAPIFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.anyOf, "any-of", false, "any one of the scopes that a requirement lists suffices (OpenAPI means all of them)")
	f.BoolVar(&o.authenticated, "authenticated", false, "operations without security, or without scopes, are open to every verified caller")
	f.BoolVar(&o.bearer, "bearer-scopes", false, "what a requirement names of a bearer scheme are scopes (OpenAPI leaves open what they mean)")
	f.StringVar(&o.basePath, "base-path", string(openapi.Ignore), "what becomes of the path in the document's servers: ignore or prepend")
	f.StringVar(&o.prefix, "scope-prefix", "", "taken from the front of scopes, such as api://orders/")
}

func (o openAPIFlags) check() error {
	if o.basePath != string(openapi.Ignore) && o.basePath != string(openapi.Prepend) {
		return usage(fmt.Errorf("--base-path %q: must be ignore or prepend", o.basePath))
	}
	return nil
}

func (o openAPIFlags) read(b []byte, api mapping.API) (openapi.Result, error) {
	return openapi.Read(b, openapi.Options{
		API: api, AnyOf: o.anyOf, Authenticated: o.authenticated, BasePath: openapi.BasePath(o.basePath), ScopePrefix: o.prefix,
		BearerScopes: o.bearer,
	})
}

// importedAPI are the flags of import --openapi.
type importedAPI struct {
	target
	writes
	openAPIFlags
	file  string
	prune bool
}

// openAPIJSON is what was read of an OpenAPI document, for programs.
type openAPIJSON struct {
	Version     string            `json:"version"`
	Source      string            `json:"source"`
	Complete    bool              `json:"complete"`
	Permissions int               `json:"permissions"`
	Registered  int               `json:"registered"`
	Kept        int               `json:"kept"`  // of the table, not of the file
	Ended       int               `json:"ended"` // of the file, whose end in the table stays
	Unexpressed []openapi.Problem `json:"unexpressed"`
	Notes       []openapi.Problem `json:"notes"`
}

func (p *program) importOpenAPI(ctx context.Context, i importedAPI) error {
	if err := i.openAPIFlags.check(); err != nil {
		return err
	}
	b, err := p.readFile(i.file)
	if err != nil {
		return err
	}
	if err := p.mayAsk(i.writes, i.file); err != nil {
		return err
	}
	c, api, err := p.on(ctx, i.target, i.access())
	if err != nil {
		return err
	}
	defer c.close()
	result, err := i.openAPIFlags.read(b, api)
	if err != nil {
		return negative(fmt.Errorf("%s: nothing was written: %w", i.file, err))
	}
	d, said, err := c.importing(ctx, api, result, i.prune)
	if err != nil {
		return err
	}
	change, err := c.plan(ctx, d, i.writes)
	if err != nil {
		return err
	}
	change.openapi = &said
	if !i.json {
		p.tellOpenAPI(said, i.prune)
	}
	return p.carryOut(ctx, c, change, i.writes)
}

// importing makes the document of a table that holds what an OpenAPI document
// says, and unless pruned what else is there.
func (c *connection) importing(ctx context.Context, api mapping.API, r openapi.Result, prune bool) (*document, openAPIJSON, error) {
	said := openAPIJSON{
		Version: r.Version, Source: r.Source, Complete: r.Complete, Permissions: len(r.Permissions), Registered: r.Registered(),
		Unexpressed: r.Unexpressed, Notes: r.Notes,
	}
	stored, at, err := c.Document(ctx, api)
	var problem *adminclient.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		at = store.Revision{}.String()
		if stored, err = json.Marshal(map[string]string{"name": r.Title}); r.Title == "" {
			stored = []byte("{}")
		}
	}
	if err != nil {
		return nil, said, err
	}
	before, err := snapshotOf(api, stored)
	if err != nil {
		return nil, said, err
	}
	list := combined(before.Permissions, r.Permissions, prune, &said)
	permissions, err := json.Marshal(list)
	if err != nil {
		return nil, said, err
	}
	d := &document{members: map[string]json.RawMessage{"permissions": permissions}, order: []string{"permissions"}, api: api, base: at}
	if err := d.over(stored); err != nil {
		return nil, said, err
	}
	delete(d.members, "complete")
	d.order = without(d.order, "complete")
	if r.Complete {
		mark, _ := json.Marshal(map[string]string{"source": r.Source}) // strings
		d.members["complete"] = mark
		d.order = append(d.order, "complete")
	}
	return d, said, nil
}

// combined are the permissions of a table once a file's are in it. What the table
// has already stays as it is there, its end and description included: a file that
// says nothing of time must not prolong access that was meant to end.
func combined(there, file []mapping.Permission, prune bool, said *openAPIJSON) []mapping.Permission {
	ofFile, routes := map[string]bool{}, map[string]bool{}
	for _, one := range file {
		ofFile[one.ID()] = true
		if r, ok := one.Route(); ok {
			routes[r.ID()] = true
		}
	}
	var list []mapping.Permission
	known := map[string]bool{}
	for _, one := range there {
		r, isRoute := one.Route()
		switch {
		case ofFile[one.ID()]:
			known[one.ID()] = true
			if !one.ExpiresAt.IsZero() {
				said.Ended++
			}
		case prune, one.Registered && isRoute && routes[r.ID()]:
			continue
		default:
			said.Kept++
		}
		list = append(list, one)
	}
	for _, one := range file {
		if !known[one.ID()] {
			list = append(list, one)
		}
	}
	if list == nil {
		list = []mapping.Permission{}
	}
	return list
}

// tellOpenAPI says what the plan does not show.
func (p *program) tellOpenAPI(said openAPIJSON, prune bool) {
	say := func(format string, args ...any) { fmt.Fprintf(p.stderr, format+"\n", args...) }
	say("OpenAPI %s: %s, %d of them registered (nobody may call these routes)", shown(said.Version), counted(said.Permissions, "permission"), said.Registered)
	if len(said.Unexpressed) > 0 {
		mark := ", so that the table is not marked as complete"
		if said.Complete {
			mark = ""
		}
		say("Not expressed%s:", mark)
		for _, one := range said.Unexpressed {
			say("  %s", shown(one.String()))
		}
	}
	if len(said.Notes) > 0 {
		say("Notes:")
		for _, one := range said.Notes {
			say("  %s", shown(one.String()))
		}
	}
	if said.Kept > 0 && !prune {
		say("%s of the table that the file does not have: kept. --prune removes them.", counted(said.Kept, "permission"))
	}
	if said.Ended > 0 {
		say("%s of the file that the table has with an end: the end stays.", counted(said.Ended, "permission"))
	}
}

func (p *program) driftCommand() *cobra.Command {
	var t tableOrFile
	var o openAPIFlags
	var requirements, asJSON bool
	cmd := &cobra.Command{
		Use:   "drift FILE [--api ARN --stage STAGE | --document FILE]",
		Short: "Compare an OpenAPI document, or an export of API Gateway, with a table",
		Long: `Compares what an API has with what its table says. FILE is an OpenAPI 3 or Swagger 2.0
document, JSON or YAML, or an export of API Gateway; - is standard input. If they differ it
ends with 1:

  unmapped     routes of FILE that nothing in the table answers for: nobody may call them
  orphaned     routes and patterns of the table that FILE has nothing for
  unreachable  routes of the table to which API Gateway routes no request that is let through
  differing    with --requirements: routes that need something else in the table

--json prints one object: {"source", "revision", "unmapped": [{"route", "by", "why"}],
"orphaned", "unreachable", "differing": [{"route", "document", "table", "wider", "narrower"}],
"covered", "within", "unread": [...]}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate drift openapi.yaml --admin https://admin.example.org --api rz8w6b1ik2 --stage prod
  aws apigateway get-export --rest-api-id rz8w6b1ik2 --stage-name prod --export-type oas30 /dev/stdout | \
    scopegate drift - --api rz8w6b1ik2 --stage prod`,
		Args: cobra.ExactArgs(1),
	}
	t.flags(cmd)
	o.flags(cmd)
	cmd.Flags().BoolVar(&requirements, "requirements", false, "compare what routes require, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		if args[0] == "-" && t.document == "-" {
			return usage(errors.New("FILE, --document: must not both be standard input"))
		}
		if err := o.check(); err != nil {
			return err
		}
		b, err := p.readFile(args[0])
		if err != nil {
			return err
		}
		s, _, err := p.tableOf(cmd.Context(), t)
		if err != nil {
			return err
		}
		result, err := o.read(b, s.API)
		if err != nil {
			return negative(fmt.Errorf("%s: %w", args[0], err))
		}
		return p.drift(result, s, openapi.DriftOptions{Now: time.Now(), Requirements: requirements}, asJSON)
	})
	return cmd
}

func (p *program) drift(r openapi.Result, s store.Snapshot, o openapi.DriftOptions, asJSON bool) error {
	report, err := openapi.Drift(r, s, o)
	if err != nil {
		return negative(err)
	}
	if asJSON {
		err = printJSON(p.stdout, report)
	} else {
		err = report.WriteText(p.stdout)
	}
	if err == nil && report.Drifted() {
		return negative(errSilent)
	}
	return err
}
