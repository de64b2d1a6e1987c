package plan

import (
	"context"
	"fmt"

	"scopegate/internal/lint"
	"scopegate/store"
)

// Guard looks at what a write waits for. Blocking are the findings that it
// refuses unless it is forced: a policy of a single permission set that does not
// fit, and a route that somebody who holds what one permission requires can call
// on no path. Warnings are what is worth telling: policies of more than 80 % of
// the budget, and that of all scopes together if it does not fit. Both are only of
// what the change brings. The error is ctx's, or says that the tables are not of
// one API.
func Guard(ctx context.Context, before, after store.Snapshot, o Options) (blocking, warnings []lint.Finding, err error) {
	b, a, err := sides(before, after, o)
	if err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	if o.RouteScope {
		return nil, nil, nil
	}
	was, err := b.check(ctx, o)
	if err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	is, err := a.check(ctx, o)
	if err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	for _, f := range newIn(is.Findings, was.Findings) {
		switch {
		case blocks(f, is.Callers):
			blocking = append(blocking, f)
		case f.Kind == lint.TooLarge, f.Kind == lint.Large, f.Kind == lint.WholeCollision:
			warnings = append(warnings, f)
		}
	}
	return blocking, warnings, nil
}
