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

// target names one table, and where it is.
type target struct {
	where
	arn, stage string
}

func (t *target) flags(cmd *cobra.Command) {
	t.where.flags(cmd)
	cmd.Flags().StringVar(&t.arn, "api", "", "ARN of the API, without stage, or its id (default the only table there is)")
	cmd.Flags().StringVar(&t.stage, "stage", "", "stage")
	cmd.MarkFlagsRequiredTogether("api", "stage")
}

// check refuses early what can be no ARN.
func (t target) check() error {
	if !strings.Contains(t.arn, ":") {
		return nil
	}
	if _, err := mapping.ParseAPI(t.arn, t.stage); err != nil {
		return negative(err)
	}
	return nil
}

// find names the table that is meant. An id stands for the one API that has it;
// nothing stands for the only table there is.
func (c *connection) find(ctx context.Context, t target) (mapping.API, error) {
	if strings.Contains(t.arn, ":") {
		api, err := mapping.ParseAPI(t.arn, t.stage)
		if err != nil {
			return api, negative(err)
		}
		return api, nil
	}
	all, err := c.APIs(ctx)
	if err != nil {
		return mapping.API{}, err
	}
	var found []mapping.API
	for _, a := range all {
		api := mapping.API{ARN: a.ARN, Stage: a.Stage}
		if t.arn == "" || api.ID() == t.arn && api.Stage == t.stage {
			found = append(found, api)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case t.arn == "" && len(found) == 0:
		return mapping.API{}, negative(errors.New("there is no table yet"))
	case t.arn == "":
		return mapping.API{}, usage(fmt.Errorf("--api, --stage: must be given: there are %d tables\n  %s", len(found), listed(found)))
	case len(found) == 0:
		return mapping.API{}, negative(fmt.Errorf("--api %q --stage %q: there is no such table", t.arn, t.stage))
	}
	return mapping.API{}, usage(fmt.Errorf("--api %q: must be an ARN, several APIs have that id\n  %s", t.arn, listed(found)))
}

func listed(apis []mapping.API) string {
	const most = 20
	var lines []string
	for _, api := range apis[:min(most, len(apis))] {
		lines = append(lines, "--api "+api.ARN+" --stage "+quote(api.Stage))
	}
	if len(apis) > most {
		lines = append(lines, "…")
	}
	return strings.Join(lines, "\n  ")
}

// on connects and finds the table.
func (p *program) on(ctx context.Context, t target, a access) (*connection, mapping.API, error) {
	c, err := p.connect(ctx, t.where, a, config.Store)
	if err != nil {
		return nil, mapping.API{}, err
	}
	api, err := c.find(ctx, t)
	if err != nil {
		return nil, api, errors.Join(err, c.close())
	}
	return c, api, nil
}

// load reads a whole table.
func (c *connection) load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	s, err := c.tables.Load(ctx, api)
	if err != nil {
		return s, fmt.Errorf("read table of %s: %w", api, err)
	}
	return s, nil
}

// planOptions are the settings that an answer about a table depends on.
func planOptions(s config.Settings) plan.Options {
	o := lintOptions(s, s.PolicyMaxBytes, time.Now())
	return plan.Options{
		Now: o.Now, Trust: s.DefaultTrust(), Configured: o.Configured, MaxBytes: o.MaxBytes,
		NoExpiry: o.NoExpiry, ExplicitDeny: o.ExplicitDeny, RouteScope: s.RouteScope,
	}
}
