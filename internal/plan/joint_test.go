package plan_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/plan"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// both is what two requirements ask for at once; drawn ones name but one role and
// one group.
func both(q, r mapping.Requirement) (mapping.Requirement, bool) {
	if q.PrincipalType != "" && r.PrincipalType != "" && q.PrincipalType != r.PrincipalType || q.Tenant != "" && r.Tenant != "" && q.Tenant != r.Tenant {
		return q, false
	}
	scopes := slices.Concat(q.Scopes, r.Scopes)
	slices.Sort(scopes)
	q.Scopes = slices.Compact(scopes)
	q.Role, q.Group = cmp.Or(q.Role, r.Role), cmp.Or(q.Group, r.Group)
	q.PrincipalType, q.Tenant = cmp.Or(q.PrincipalType, r.PrincipalType), cmp.Or(q.Tenant, r.Tenant)
	q.Authenticated = len(q.Scopes) == 0 && q.Role == "" && q.Group == ""
	return q, true
}

// TestWhatTwoOpenTogetherIsTold: whoever brings what two permissions require, and
// gains or loses what he does not by bringing one of them, is told of; and nobody is
// told to gain or lose what he does not.
func TestWhatTwoOpenTogetherIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdit(t)
		p, err := plan.Make(t.Context(), e.before, e.after, plan.Options{Now: tabletest.Now, Trust: tabletest.Trust, RouteScope: true, Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrute(t, e)
		known, done := b.callers(), map[string]bool{}
		for _, q := range b.required() {
			for _, r := range b.required() {
				together, ok := both(q, r)
				name := together.String()
				if !ok || known[name] != nil || done[name] {
					continue
				}
				done[name] = true
				for _, c := range b.meeting(together) {
					for _, at := range b.instants() {
						without, with := b.ask(b.before, c, at), b.ask(b.after, c, at)
						b.checkTogether(t, "gains of "+name, p.Gains, together, c, at, without, with)
						b.checkTogether(t, "losses of "+name, p.Losses, together, c, at, with, without)
					}
				}
			}
		}
	})
}

// checkTogether checks what is told of one caller of two requirements.
func (b brute) checkTogether(t *rapid.T, what string, list []plan.Access, q mapping.Requirement, c mapping.Caller, at time.Time, without, with []bool) {
	routes, whole := map[string]bool{}, map[string]bool{} // told of whoever brings a part of it, of him
	for _, a := range list {
		mine := a.Requirement == q.String()
		if brings(c, a.Caller) {
			a.Caller.Scopes, a.Caller.Roles, a.Caller.Groups = c.Scopes, c.Roles, c.Groups
			routes[a.Route] = routes[a.Route] || says(a, c, at)
			whole[a.Route] = whole[a.Route] || mine && !a.Partly && says(a, c, at)
		}
	}
	covered := map[string]bool{}
	for i, r := range b.requests {
		covered[b.keys[i]] = covered[b.keys[i]] || routes[r.of]
	}
	for i, r := range b.requests {
		differs := with[i] && !without[i]
		if differs && !covered[b.keys[i]] {
			t.Fatalf("%s for %+v at %v: %s is not told", what, c, at, b.keys[i])
		}
		if r.own && !differs && whole[r.of] {
			t.Fatalf("%s for %+v at %v: %s is told", what, c, at, b.keys[i])
		}
	}
}
