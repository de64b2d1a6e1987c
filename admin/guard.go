package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/internal/lint"
	"scopegate/internal/plan"
	"scopegate/store"
)

// patience bounds how long policies are made for one plan, or one write.
const patience = 5 * time.Second

// guardPatience bounds how long a write waits for the guard, so that the commit
// still fits into API Gateway's 29 s with it. What was not looked at whole is not
// made unless it is forced: an unknown outcome is no consent.
const guardPatience = 8 * time.Second

func (s *service) planOptions() plan.Options {
	o := s.Policy
	o.Now, o.Patience = s.Now(), patience
	return o
}

// Force is what calls take that the guard looks at.
type Force struct {
	Force bool `query:"force" doc:"Make the change whatever lint finds"`
}

// guard says whether a change is one to make: see [plan.Guard]. Its error is the
// answer to give.
func (s *service) guard(ctx context.Context, w write) ([]lint.Finding, error) {
	if w.change.Delete || !decides(w.before.Meta, w.change) {
		return nil, nil
	}
	after, err := plan.After(w.before, w.change)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, guardPatience)
	defer cancel()
	blocking, warnings, err := plan.Guard(within, w.before, after, s.planOptions())
	switch {
	case err != nil && ctx.Err() == nil && within.Err() != nil && w.force:
		return nil, nil
	case err != nil && ctx.Err() == nil && within.Err() != nil:
		return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("the policies that the change alters could not all be made within %s; force=true makes the change unseen", guardPatience))
	case err != nil:
		return nil, err
	}
	if w.force {
		return append(blocking, warnings...), nil
	}
	if len(blocking) > 0 {
		return nil, refused(blocking)
	}
	return warnings, nil
}

// plan tells what a change would mean.
func (s *service) plan(ctx context.Context, before store.Snapshot, c store.Change) (plan.Plan, error) {
	after, err := plan.After(before, c)
	if err != nil {
		return plan.Plan{}, s.problem(ctx, err)
	}
	within, cancel := context.WithTimeout(ctx, s.PlanWithin)
	defer cancel()
	p, err := plan.Make(within, before, after, s.planOptions())
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return plan.Plan{}, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("the table is too large to be planned within %s", s.PlanWithin))
	}
	if err != nil {
		return plan.Plan{}, s.problem(ctx, err)
	}
	return p, nil
}

// refused is the answer to a change that the guard refuses.
func refused(blocking []lint.Finding) huma.StatusError {
	var details []error
	for _, f := range blocking {
		d := &huma.ErrorDetail{Location: "body", Value: string(f.Kind)}
		switch f.Kind {
		case lint.WholeCollision:
			d.Message = fmt.Sprintf("every path of %s would be denied to who holds it, by %s", f.Route, f.Resource)
		default:
			d.Message = fmt.Sprintf("policies would be too large: of %q", f.Callers)
		}
		details = append(details, d)
	}
	return huma.NewError(http.StatusUnprocessableEntity, "the table would not do what it says; force=true makes the change all the same", details...)
}
