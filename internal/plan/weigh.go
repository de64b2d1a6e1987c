package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"scopegate/internal/lint"
	"scopegate/mapping"
)

// checker is lint's view of a side, nil where there is no table.
func (s *side) checker(o Options) (*lint.Checker, error) {
	if !s.exists {
		return nil, nil
	}
	t := lint.Table{API: s.API, Routes: s.Routes, Complete: s.Complete != nil, Trust: s.Trust}
	for _, id := range slices.Sorted(maps.Keys(s.permissions)) {
		t.Entries = append(t.Entries, lint.Entry{Permission: s.permissions[id]})
	}
	return lint.New(t, o.lint())
}

// weighed is one side with its callers' policies.
type weighed struct {
	*lint.Checker // nil where there is no table
	callers       []lint.Caller
	// own are of the callers made up for this side, others of those of the other
	// side who hold something here, too.
	own, others lint.Weights
}

// weigh fills in what lint says of the two sides.
func (p *Plan) weigh(ctx context.Context, b, a *side, o Options) error {
	cb, err := b.checker(o)
	if err != nil {
		return err
	}
	ca, err := a.checker(o)
	if err != nil {
		return err
	}
	within := ctx
	if o.Patience > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, o.Patience)
		defer cancel()
	}
	was, is := &weighed{Checker: cb}, &weighed{Checker: ca}
	for _, s := range []*weighed{is, was} {
		if s.Checker != nil && !o.RouteScope {
			s.callers = s.Checker.Callers()
		}
	}
	var memo lint.Memo
	is.weigh(within, was.callers, &memo)
	was.weigh(within, is.callers, &memo)
	if err := ctx.Err(); err != nil {
		return err
	}
	p.tell(ctx, was, is)
	return ctx.Err()
}

// weigh makes the policies of a side's callers, and of others for comparison.
func (s *weighed) weigh(ctx context.Context, others []lint.Caller, memo *lint.Memo) {
	if s.Checker == nil {
		return
	}
	s.own = s.Weigh(ctx, s.callers, memo)
	s.others = s.Weigh(ctx, slices.DeleteFunc(slices.Clone(others), func(k lint.Caller) bool {
		return !s.Holds(k) || slices.ContainsFunc(s.callers, k.Same)
	}), memo)
}

// of is the weight of a caller, zero if he holds nothing here.
func (s *weighed) of(k lint.Caller) lint.Weight {
	if w, made := s.own.Of(k); made {
		return w
	}
	w, _ := s.others.Of(k)
	return w
}

func (s *weighed) unmade() []string { return slices.Concat(s.own.Unmade(), s.others.Unmade()) }

// table lists the findings that need no policies.
func (s *weighed) table(ctx context.Context) []lint.Finding {
	if s.Checker == nil {
		return nil
	}
	return s.Table(ctx)
}

// tell fills in sizes and findings.
func (p *Plan) tell(ctx context.Context, was, is *weighed) {
	p.sizes(was, is)
	now, before := is.table(ctx), was.table(ctx)
	p.Findings = told(newIn(now, before), is.own.Since(was.own, was.others).Findings())
	p.Resolved = newIn(before, now)
	unmade := append(is.unmade(), was.unmade()...)
	p.Truncated = p.Truncated || len(unmade) > 0
	// Of what was not made nobody knows whether it is resolved.
	if len(unmade) == 0 {
		p.Resolved = append(p.Resolved, was.own.Since(is.own, is.others).Findings()...)
	}
	p.Resolved = told(p.Resolved, nil)
	p.Blocking = blocking(p.Findings, is.callers)
	unchecked := func(f lint.Finding) bool { return f.Kind == lint.Unchecked }
	if len(was.unmade()) > 0 && !slices.ContainsFunc(p.Findings, unchecked) {
		p.Findings = append(p.Findings, lint.Finding{Severity: lint.Warning, Kind: lint.Unchecked, Callers: was.unmade()})
	}
}

// told is a list of findings, sorted; notes, which come with wildcards whatever
// the table, are left out.
func told(lists ...[]lint.Finding) []lint.Finding {
	all := slices.DeleteFunc(slices.Concat(lists...), func(f lint.Finding) bool { return f.Severity == lint.Note })
	if all == nil {
		return []lint.Finding{}
	}
	lint.SortFindings(all)
	return all
}

// mostPolicies are shown of a plan.
const mostPolicies = 50

// sizes fills in the policies of both sides' callers, of those who hold something
// on one side only, too.
func (p *Plan) sizes(was, is *weighed) {
	p.Policies = []Policy{}
	for _, k := range is.own.Callers() {
		p.Policies = append(p.Policies, Policy{Name: k.Name, Caller: callerOf(k), Before: was.of(k).Bytes, After: k.Bytes, Fits: k.Fits})
	}
	for _, k := range was.own.Callers() {
		if is.Checker == nil || !is.Holds(k) {
			p.Policies = append(p.Policies, Policy{Name: k.Name, Caller: callerOf(k), Before: k.Bytes, Fits: true})
		}
	}
	slices.SortStableFunc(p.Policies, func(x, y Policy) int {
		return cmp.Or(cmp.Compare(y.After, x.After), cmp.Compare(y.Before, x.Before), cmp.Compare(x.Name, y.Name))
	})
	p.Policies = p.Policies[:min(len(p.Policies), mostPolicies)]
}

func callerOf(k lint.Caller) Caller {
	return Caller{Scopes: k.Scopes, Roles: k.Roles, Groups: k.Groups, PrincipalType: k.PrincipalType, Tenant: k.Tenant, Issuer: k.Issuer}
}

// blocking are the findings that a write refuses: a policy of a single permission
// set that does not fit, a route that a holder can call on no path.
func blocking(findings []lint.Finding, callers []lint.Caller) []lint.Finding {
	list := []lint.Finding{}
	for _, f := range findings {
		single := f.Kind == lint.TooLarge && slices.ContainsFunc(callers, func(k lint.Caller) bool {
			return k.Single() && slices.Contains(f.Callers, k.Name)
		})
		if f.Severity == lint.Error && (single || f.Kind == lint.WholeCollision) {
			list = append(list, f)
		}
	}
	return list
}

// newIn lists the findings of one table that the other does not have.
func newIn(of, in []lint.Finding) []lint.Finding {
	known := map[string]bool{}
	for _, f := range in {
		known[identity(f)] = true
	}
	return slices.DeleteFunc(slices.Clone(of), func(f lint.Finding) bool { return known[identity(f)] })
}

// identity is what makes findings of two tables the same.
func identity(f lint.Finding) string {
	var ids []string
	for _, r := range f.Permissions {
		ids = append(ids, r.ID)
	}
	return fmt.Sprintf("%q", []any{f.Severity, f.Kind, ids, f.Trust})
}

// orphans lists the routes that nobody whom the table believes may call now or
// later, and that no pattern opens.
func (s *side) orphans(now time.Time) []string {
	list := []string{}
	if !s.exists {
		return list
	}
	d := newDeciders(s)
	from := originsOf(s.table)
	open := func(one decider) bool {
		p := s.permissions[one.id]
		return (p.ExpiresAt.IsZero() || now.Before(p.ExpiresAt)) && from.meet(p.Requires)
	}
	f := newFresh(s)
	for _, v := range append(slices.Clone(mapping.Methods), mapping.Connect) {
		for _, t := range s.table.Templates(v) {
			resting, _ := d.of(v, f.instances(t, s)[0])
			if !slices.ContainsFunc(resting, open) {
				list = append(list, t.String())
			}
		}
	}
	return list
}

// meet reports whether somebody from there can meet a requirement.
func (all origins) meet(q mapping.Requirement) bool {
	return slices.ContainsFunc(all, func(o origin) bool { return len(needsOf(q).from(o, "")) > 0 })
}
