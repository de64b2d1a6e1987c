package plan

import (
	"context"
	"fmt"
	"slices"

	"scopegate/internal/lint"
	"scopegate/store"
)

// Guard looks at what a write waits for, of the callers of a single permission
// set: those who bring one thing, or just what one permission requires. Blocking
// are the findings that a write refuses unless it is forced: a policy that does
// not fit, and a route that somebody who holds what one permission requires can
// call on no path. Warnings are policies of more than 80 % of the budget, and such
// routes where that begins only when a permission ends. Both are only of what the
// change brings.
//
// Made anew are the policies that the change can alter: of all callers if it adds
// or removes a route or changes whether the table is complete, else of those who
// hold something else than before. The error is ctx's, or says that the tables are
// not of one API.
func Guard(ctx context.Context, before, after store.Snapshot, o Options) (blocks, warnings []lint.Finding, err error) {
	b, a, err := sides(before, after, o)
	if err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	if o.RouteScope || !a.exists {
		return nil, nil, nil
	}
	was, err := b.checker(o)
	if err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	is, err := a.checker(o)
	if err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	callers := is.Singles()
	if was != nil {
		callers = slices.DeleteFunc(callers, func(k lint.Caller) bool { return is.Rests(k) == was.Rests(k) })
	}
	weights := is.Weigh(ctx, callers, nil)
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("guard: %w", err)
	}
	return judged(ctx, was, weights, callers)
}

// judged tells what is new about callers, whose policies of before are only made
// where there is something to tell.
func judged(ctx context.Context, was *lint.Checker, is lint.Weights, callers []lint.Caller) (blocks, warnings []lint.Finding, err error) {
	found := serious(is.Findings())
	if was != nil && len(found) > 0 {
		about := slices.DeleteFunc(slices.Clone(callers), func(k lint.Caller) bool {
			return !was.Holds(k) || !slices.ContainsFunc(found, func(f lint.Finding) bool { return slices.Contains(f.Callers, k.Name) })
		})
		before := was.Weigh(ctx, about, nil)
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("guard: %w", err)
		}
		found = serious(is.Since(before).Findings())
	}
	blocks = blocking(found, callers)
	for _, f := range found {
		if f.Severity == lint.Warning {
			warnings = append(warnings, f)
		}
	}
	return blocks, warnings, nil
}

// serious are the findings that a write minds.
func serious(list []lint.Finding) []lint.Finding {
	return told(slices.DeleteFunc(list, func(f lint.Finding) bool {
		return f.Kind != lint.TooLarge && f.Kind != lint.Large && f.Kind != lint.WholeCollision
	}))
}
