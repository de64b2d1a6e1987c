package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"scopegate/internal/lint"
	"scopegate/mapping"
)

// linted is a table as lint takes it.
func (s *side) linted() lint.Table {
	t := lint.Table{API: s.API, Routes: s.Routes, Complete: s.Complete != nil, Trust: s.Trust}
	for _, p := range s.Snapshot.Permissions {
		t.Entries = append(t.Entries, lint.Entry{Permission: p})
	}
	return t
}

// check is lint of one side, of nothing where there is no table.
func (s *side) check(ctx context.Context, o Options) (lint.Result, error) {
	if !s.exists {
		return lint.Result{}, nil
	}
	return lint.Check(ctx, s.linted(), o.lint())
}

// weigh fills in what lint says of both sides.
func (p *Plan) weigh(ctx context.Context, b, a *side, o Options) error {
	p.Policies, p.Findings, p.Resolved, p.Blocking = []Policy{}, []lint.Finding{}, []lint.Finding{}, []lint.Finding{}
	within := ctx
	if o.Patience > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, o.Patience)
		defer cancel()
	}
	was, err := b.check(within, o)
	if err == nil {
		var is lint.Result
		if is, err = a.check(within, o); err == nil {
			p.weighed(was, is)
		}
	}
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		p.Truncated = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

func (p *Plan) weighed(was, is lint.Result) {
	before := map[string]int{}
	for _, k := range was.Callers {
		before[k.Name] = k.Bytes
	}
	for _, k := range is.Callers {
		p.Policies = append(p.Policies, Policy{Name: k.Name, Caller: callerOf(k), Before: before[k.Name], After: k.Bytes, Fits: k.Fits})
	}
	slices.SortStableFunc(p.Policies, func(x, y Policy) int { return cmp.Compare(y.After, x.After) })
	p.Findings = newIn(is.Findings, was.Findings)
	p.Resolved = newIn(was.Findings, is.Findings)
	for _, f := range p.Findings {
		if blocks(f, is.Callers) {
			p.Blocking = append(p.Blocking, f)
		}
	}
}

func callerOf(k lint.Caller) Caller {
	return Caller{Scopes: k.Scopes, Roles: k.Roles, Groups: k.Groups, PrincipalType: k.PrincipalType, Tenant: k.Tenant, Issuer: k.Issuer}
}

// blocks reports whether a write refuses a finding: a policy of a single
// permission set that does not fit, a route that a holder can call on no path.
func blocks(f lint.Finding, callers []lint.Caller) bool {
	if f.Severity != lint.Error {
		return false
	}
	if f.Kind == lint.WholeCollision {
		return true
	}
	return f.Kind == lint.TooLarge && slices.ContainsFunc(callers, func(k lint.Caller) bool {
		return k.Single() && slices.Contains(f.Callers, k.Name)
	})
}

// newIn lists the findings of one table that the other does not have.
func newIn(of, in []lint.Finding) []lint.Finding {
	known := map[string]bool{}
	for _, f := range in {
		known[identity(f)] = true
	}
	list := []lint.Finding{}
	for _, f := range of {
		if !known[identity(f)] {
			list = append(list, f)
		}
	}
	return list
}

// identity is what makes two findings the same: not their witness, nor which
// callers share it.
func identity(f lint.Finding) string {
	var ids []string
	for _, r := range f.Permissions {
		ids = append(ids, r.ID)
	}
	callers := []string(nil)
	if f.Kind == lint.TooLarge || f.Kind == lint.Large {
		callers = f.Callers
	}
	return fmt.Sprintf("%q", []any{f.Severity, f.Kind, ids, f.Route, f.Resource, f.From, callers})
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
