package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/internal/lint"
	"scopegate/mapping"
)

// requirementFlags are the flags that say what a permission requires.
type requirementFlags struct {
	scope, role, group, kind, tenant string
	authenticated, registered        bool
}

// life are the flags that say how long a permission lasts, and what for.
type life struct {
	until       string
	duration    time.Duration
	never       bool
	description string
}

func (l *life) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.until, "expires-at", "", "when it ends, RFC 3339")
	f.DurationVar(&l.duration, "for", 0, "how long it lasts, such as 8h")
	f.StringVar(&l.description, "description", "", "what it is for, at most 512 bytes")
	cmd.MarkFlagsMutuallyExclusive("expires-at", "for")
}

// expiresAt is when a permission ends, "" if that is not said.
func (l life) expiresAt(now time.Time) (string, error) {
	switch {
	case l.duration < 0:
		return "", usage(fmt.Errorf("--for %s: must not be negative", l.duration))
	case l.duration > 0:
		return now.Add(l.duration).UTC().Truncate(time.Second).Format(time.RFC3339), nil
	}
	if _, err := whenOf(l.until, 0, now); err != nil {
		return "", usage(fmt.Errorf("--expires-at %w", err))
	}
	return l.until, nil
}

func (p *program) permissionsCommand() *cobra.Command {
	var t target
	var scope, role, group, resource string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "permissions [--api ARN --stage STAGE] [--scope SCOPE] [--role ROLE] [--group ID] [--resource RESOURCE]",
		Short: "List permissions, and add, change or delete single ones",
		Long: `Lists permissions: of one table, or of all that you may see, with when they end and who made
them. The filters are exact.

--json prints {"permissions": [...]}, each in the wire format with id, createdBy, createdAt,
updatedBy, updatedAt, expired and etag.

` + whereText + `

` + exitCodes,
		Example: `  scopegate permissions --admin https://admin.example.org --scope orders.read
  scopegate permissions --json | jq '.permissions[] | select(.expiresAt)'
  scopegate permissions add GET orders/{id} --scope orders.read --api rz8w6b1ik2 --stage prod --for 8h
  scopegate permissions delete 3f6c… --api rz8w6b1ik2 --stage prod`,
		Args: cobra.NoArgs,
	}
	t.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&scope, "scope", "", "that require this scope")
	f.StringVar(&role, "role", "", "that require this role")
	f.StringVar(&group, "group", "", "that require this group")
	f.StringVar(&resource, "resource", "", "of this route or pattern; parameter names do not matter")
	f.BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		filters := url.Values{}
		for name, value := range map[string]string{"scope": scope, "role": role, "group": group} {
			if value != "" {
				filters.Set(name, value)
			}
		}
		if cmd.Flags().Changed("resource") {
			filters.Set("resource", resource)
		}
		return p.permissions(cmd.Context(), t, filters, asJSON)
	})
	cmd.AddCommand(p.addPermissionCommand(), p.setPermissionCommand(), p.deletePermissionCommand())
	return cmd
}

func (p *program) permissions(ctx context.Context, t target, filters url.Values, asJSON bool) error {
	c, err := p.connect(ctx, t.where, reading, config.Store)
	if err != nil {
		return err
	}
	defer c.close()
	if t.arn != "" {
		api, err := c.find(ctx, t)
		if err != nil {
			return err
		}
		filters.Set("arn", api.ARN)
		filters.Set("stage", api.Stage)
	}
	list, err := c.Permissions(ctx, filters)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(p.stdout, map[string]any{"permissions": list})
	}
	if len(list) == 0 {
		fmt.Fprintln(p.stderr, "There is no such permission.")
		return nil
	}
	return p.printItems(list)
}

func (p *program) printItems(list []adminclient.Item) error {
	var rows [][]string
	slices.SortStableFunc(list, func(a, b adminclient.Item) int {
		return cmp.Or(cmp.Compare(a.ARN, b.ARN), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.HTTPVerb, b.HTTPVerb))
	})
	for _, i := range list {
		ends := orDash(i.ExpiresAt)
		if i.Expired {
			ends += " (ended)"
		}
		last, at := i.UpdatedBy, i.UpdatedAt
		if last == "" {
			last, at = i.CreatedBy, i.CreatedAt
		}
		written := p.who(last)
		if !at.IsZero() {
			written += " " + moment(at)
		}
		api := mapping.API{ARN: i.ARN, Stage: i.Stage}
		rows = append(rows, []string{api.ID() + "/" + i.Stage, itemRoute(i), itemRequires(i), ends, i.ID, written, orDash(i.Description)})
	}
	return columns(p.stdout, []string{"api", "route", "requires", "ends", "id", "written by", "description"}, rows)
}

func itemRoute(i adminclient.Item) string {
	if i.HTTPVerb == string(mapping.Connect) {
		return i.HTTPVerb
	}
	return i.HTTPVerb + " /" + i.Resource
}

func itemRequires(i adminclient.Item) string {
	if i.Registered {
		return "registered"
	}
	one, err := permissionFrom(i)
	if err != nil {
		return "?"
	}
	return one.Requires.String()
}

// permissionFrom reads an item as the permission that it is.
func permissionFrom(i adminclient.Item) (mapping.Permission, error) {
	b, err := json.Marshal(requirementFlags{
		scope: i.Scope, role: i.Role, group: i.Group, kind: i.PrincipalType, tenant: i.Tenant, authenticated: i.Authenticated, registered: i.Registered,
	}.wire(mapping.API{ARN: i.ARN, Stage: i.Stage}, i.HTTPVerb, i.Resource, i.ExpiresAt, i.Description))
	if err != nil {
		return mapping.Permission{}, err
	}
	return mapping.ParsePermission(b)
}

// wire is a permission in the wire format.
func (q requirementFlags) wire(api mapping.API, verb, resource, expiresAt, description string) map[string]any {
	out := map[string]any{"arn": api.ARN, "stage": api.Stage, "httpVerb": verb, "resource": resource}
	for name, value := range map[string]string{
		"scope": q.scope, "role": q.role, "group": q.group, "principalType": q.kind, "tenant": q.tenant, "expiresAt": expiresAt, "description": description,
	} {
		if value != "" {
			out[name] = value
		}
	}
	for name, value := range map[string]bool{"authenticated": q.authenticated, "registered": q.registered} {
		if value {
			out[name] = true
		}
	}
	return out
}

func (p *program) addPermissionCommand() *cobra.Command {
	var t target
	var q requirementFlags
	var l life
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "add METHOD RESOURCE --api ARN --stage STAGE (--scope SCOPE | --role ROLE | --group ID | --authenticated | --registered)",
		Short: "Add one permission",
		Long: `Adds one permission: whoever meets all that is given may call the route or pattern. If it is
there already, it ends with 1.

--json prints the permission with revision, flush, effectiveBy and flushReason.

` + whereText + `

` + exitCodes,
		Example: `  scopegate permissions add GET orders/{id} --scope orders.read --api rz8w6b1ik2 --stage prod --for 8h --description "audit of March"`,
		Args:    cobra.ExactArgs(2),
	}
	t.flags(cmd)
	l.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.scope, "scope", "", "scopes that are needed, all of them, separated by spaces")
	f.StringVar(&q.role, "role", "", "app role that is needed")
	f.StringVar(&q.group, "group", "", "object id of the group that is needed")
	f.StringVar(&q.kind, "principal-type", "", "user or app")
	f.StringVar(&q.tenant, "tenant", "", "tenant id that is needed")
	f.BoolVar(&q.authenticated, "authenticated", false, "any verified caller")
	f.BoolVar(&q.registered, "registered", false, "nobody: only name the route")
	f.BoolVar(&force, "force", false, "write although there are findings that a write refuses")
	f.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		ends, err := l.expiresAt(time.Now())
		if err != nil {
			return err
		}
		if at, err := time.Parse(time.RFC3339, ends); err == nil && !at.After(time.Now()) {
			return usage(fmt.Errorf("--expires-at %s: must not have passed", ends))
		}
		c, api, err := p.on(cmd.Context(), t, writing)
		if err != nil {
			return err
		}
		defer c.close()
		body, err := json.Marshal(q.wire(api, args[0], args[1], ends, l.description))
		if err != nil {
			return err
		}
		if _, err := mapping.ParsePermission(body); err != nil {
			return negative(fmt.Errorf("nothing was written:\n%w", err))
		}
		added, err := c.AddPermission(cmd.Context(), body, force)
		if err != nil {
			return isThere(err)
		}
		return p.printChanged(c, added.Item, added.Changed, "added", asJSON)
	})
	return cmd
}

// isThere says in the command line's own words what to do about a duplicate.
func isThere(err error) error {
	var problem *adminclient.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusConflict && len(problem.Errors) == 1 {
		return negative(fmt.Errorf("nothing was written: the permission is there already; \"permissions set %s\" changes its end and description", shown(fmt.Sprint(problem.Errors[0].Value))))
	}
	return err
}

// printChanged says what became of one permission.
func (p *program) printChanged(c *connection, i adminclient.Item, changed adminclient.Changed, verb string, asJSON bool) error {
	p.printFlush(c, changed.Result)
	p.printWarnings(mapping.API{ARN: i.ARN, Stage: i.Stage}, changed.Warnings)
	if asJSON {
		return printJSON(p.stdout, adminclient.Added{Item: i, Changed: changed})
	}
	_, err := fmt.Fprintf(p.stdout, "%s %s: %s (%s), id %s, revision %s\n", verb, shown(i.ARN)+" "+shown(i.Stage), shown(itemRoute(i)), shown(itemRequires(i)), shown(i.ID), shown(changed.Revision))
	return err
}

// one reads the permission that an id names.
func (c *connection) one(ctx context.Context, t target, id string) (adminclient.Item, error) {
	var api mapping.API
	if t.arn != "" {
		var err error
		if api, err = c.find(ctx, t); err != nil {
			return adminclient.Item{}, err
		}
	}
	return c.Permission(ctx, api, id)
}

func (p *program) setPermissionCommand() *cobra.Command {
	var t target
	var l life
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set ID [--expires-at TIME | --for DURATION | --never] [--description TEXT]",
		Short: "Change when a permission ends, or its description",
		Long: `Changes when a permission ends, or its description; whatever is not given stays. All else is
what makes it this permission: delete it and add another.

` + whereText + `

` + exitCodes,
		Example: `  scopegate permissions set 3f6c… --for 8h
  scopegate permissions set 3f6c… --never --description "for good"`,
		Args: cobra.ExactArgs(1),
	}
	t.flags(cmd)
	l.flags(cmd)
	cmd.Flags().BoolVar(&l.never, "never", false, "it does not end")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.MarkFlagsMutuallyExclusive("never", "expires-at", "for")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		ends, err := l.expiresAt(time.Now())
		if err != nil {
			return err
		}
		described := cmd.Flags().Changed("description")
		if ends == "" && !l.never && !described {
			return usage(errors.New("must be given --expires-at, --for, --never or --description"))
		}
		c, err := p.connect(cmd.Context(), t.where, writing, config.Store)
		if err != nil {
			return err
		}
		defer c.close()
		i, err := c.one(cmd.Context(), t, args[0])
		if err != nil {
			return err
		}
		if ends != "" || l.never {
			i.ExpiresAt = ends
		}
		if described {
			i.Description = l.description
		}
		set, err := c.ChangePermission(cmd.Context(), i)
		if err != nil {
			return err
		}
		return p.printChanged(c, set.Item, set.Changed, "changed", asJSON)
	})
	return cmd
}

func (p *program) deletePermissionCommand() *cobra.Command {
	var t target
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Take one permission away; its route stays registered",
		Long: `Takes one permission away. Its route stays registered, so that nobody gets it through a more
general one.

` + whereText + `

` + exitCodes,
		Example: `  scopegate permissions delete 3f6c… --api rz8w6b1ik2 --stage prod`,
		Args:    cobra.ExactArgs(1),
	}
	t.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd.Context(), t.where, writing, config.Store)
		if err != nil {
			return err
		}
		defer c.close()
		i, err := c.one(cmd.Context(), t, args[0])
		if err != nil {
			return err
		}
		changed, err := c.DeletePermission(cmd.Context(), i)
		if err != nil {
			return err
		}
		return p.printChanged(c, i, changed, "deleted", asJSON)
	})
	return cmd
}

// printWarnings says what lint finds that a change brought.
func (p *program) printWarnings(api mapping.API, list []lint.Finding) {
	in := lint.Result{ARN: api.ARN, Stage: api.Stage}
	for _, f := range list {
		for _, line := range in.Lines(f, 0) {
			fmt.Fprintf(p.stderr, "%s: %s\n", strings.ReplaceAll(string(f.Kind), "_", " "), shown(line))
		}
	}
}
