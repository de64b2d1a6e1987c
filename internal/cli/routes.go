package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/mapping"
)

// routed are the flags of routes.
type routed struct {
	target
	json bool
}

func (p *program) routesCommand() *cobra.Command {
	var r routed
	cmd := &cobra.Command{
		Use:   "routes [--api ARN --stage STAGE]",
		Short: "List the routes of a table and who may call them; delete one that is gone",
		Long: `Lists every route that a table knows, and what opens it. A route that no permission names
stays, so that its requests are not answered as those of a more general one.

--json prints {"routes": [{"id", "httpVerb", "resource", "permissions": [{"id", "requires",
"expiresAt", "through"}]}]}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate routes --api rz8w6b1ik2 --stage prod
  scopegate routes delete "GET /users/admin" --api rz8w6b1ik2 --stage prod`,
		Args: cobra.NoArgs,
	}
	r.target.flags(cmd)
	cmd.Flags().BoolVar(&r.json, "json", false, "print the list as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		c, api, err := p.on(cmd.Context(), r.target, reading)
		if err != nil {
			return err
		}
		defer c.close()
		list, err := c.Routes(cmd.Context(), api)
		if err != nil {
			return err
		}
		if r.json {
			return printJSON(p.stdout, map[string]any{"routes": list})
		}
		return p.printRoutes(list)
	})
	cmd.AddCommand(p.deleteRouteCommand())
	return cmd
}

func (p *program) printRoutes(list []adminclient.Route) error {
	var rows [][]string
	for _, r := range list {
		first := []string{routeName(r), "nobody", "-", r.ID}
		if len(r.Permissions) == 0 {
			rows = append(rows, first)
		}
		for i, one := range r.Permissions {
			requires := one.Requires
			if one.Through != "" {
				requires += " through " + one.Through
			}
			row := []string{"", requires, orDash(one.ExpiresAt), ""}
			if i == 0 {
				row[0], row[3] = first[0], first[3]
			}
			rows = append(rows, row)
		}
	}
	return columns(p.stdout, []string{"route", "requires", "ends", "id"}, rows)
}

func (p *program) deleteRouteCommand() *cobra.Command {
	var t target
	var w writes
	cmd := &cobra.Command{
		Use:   "delete ROUTE",
		Short: "Forget a route that no permission names; shows who gains by it",
		Long: `Forgets a route, by its id or as "GET /users/admin". A request for it is then one of a more
general route, if there is one: whoever may call that gains it, as the plan shows. A route
that a permission names is not forgotten: take the permission away first.

` + whereText + `

` + exitCodes,
		Example: `  scopegate routes delete "GET /users/admin" --api rz8w6b1ik2 --stage prod`,
		Args:    cobra.ExactArgs(1),
	}
	t.flags(cmd)
	cmd.Flags().BoolVarP(&w.yes, "yes", "y", false, "do not ask")
	w.dryRunFlag(cmd)
	cmd.Flags().BoolVar(&w.json, "json", false, "print plan and result as JSON (needs --yes or --dry-run)")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		if err := p.mayAsk(w, ""); err != nil {
			return err
		}
		c, api, err := p.on(cmd.Context(), t, w.access())
		if err != nil {
			return err
		}
		defer c.close()
		return p.deleteRoute(cmd.Context(), c, api, args[0], w)
	})
	return cmd
}

func (p *program) deleteRoute(ctx context.Context, c *connection, api mapping.API, name string, w writes) error {
	list, err := c.Routes(ctx, api)
	if err != nil {
		return err
	}
	id := ""
	for _, r := range list {
		if r.ID == name || routeName(r) == name {
			id = r.ID
		}
	}
	if id == "" {
		return negative(fmt.Errorf("ROUTE %q: there is no such route; routes lists them", name))
	}
	change := planned{api: api, exists: true}
	revision, err := c.DeleteRoute(ctx, api, id, adminclient.Put{DryRun: true}, &change.plan)
	if err != nil {
		return err
	}
	change.apply = func(ctx context.Context, into *adminclient.Applied) error {
		_, err := c.DeleteRoute(ctx, api, id, adminclient.Put{Revision: revision}, into)
		return err
	}
	return p.carryOut(ctx, c, change, w)
}

// apisCommand lists tables.
func (p *program) apisCommand() *cobra.Command {
	var at where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "apis",
		Short: "List the API stages that have a table",
		Long: `Lists the tables that you may see.

--json prints {"apis": [{"arn", "stage", "name", "owners", "trust", "complete", "revision"}]}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate apis --admin https://admin.example.org`,
		Args:    cobra.NoArgs,
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		c, err := p.connect(cmd.Context(), at, reading, config.Store)
		if err != nil {
			return err
		}
		defer c.close()
		list, err := c.APIs(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(p.stdout, map[string]any{"apis": list})
		}
		if len(list) == 0 {
			fmt.Fprintln(p.stderr, "There is no table yet.")
			return nil
		}
		var rows [][]string
		for _, a := range list {
			rows = append(rows, []string{a.ARN, a.Stage, orDash(a.Name), orDash(a.Revision)})
		}
		return columns(p.stdout, []string{"arn", "stage", "name", "revision"}, rows)
	})
	return cmd
}

// routeName is how people write a route: "GET /orders/{id}".
func routeName(r adminclient.Route) string {
	if r.HTTPVerb == string(mapping.Connect) {
		return r.HTTPVerb
	}
	return r.HTTPVerb + " /" + r.Resource
}
