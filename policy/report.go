package policy

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Report says what a compiled policy costs and what it can't tell apart. It is
// made on demand and is no part of answering a request.
type Report struct {
	Bytes     int `json:"bytes"`  // of the minified document of a request that is allowed
	Budget    int `json:"budget"` // that it should fit into; 0 for none
	Resources int `json:"resources"`
	// Steps name what was given up to fit, see [Prepared.Compile]; none for the
	// exact policy.
	Steps      []string    `json:"steps"`
	Folds      []Fold      `json:"folds"`
	Guards     []string    `json:"guards"` // the resources denied
	Collisions []Collision `json:"collisions"`
	Unguarded  []Unguarded `json:"unguarded"`
}

// Fold is an Allow that stands for several held routes.
type Fold struct {
	Resource string   `json:"resource"`
	Routes   []string `json:"routes"` // as "GET /users/{id}"
}

// Collision is a path that Permits allows and a Deny of the document matches. Of
// the Denies that hold for all methods alike only the first route is told.
type Collision struct {
	Route   string `json:"route"`          // held, as "GET /users/{id}"; a pattern for a pattern
	Deny    string `json:"deny"`           // the resource that denies
	Witness string `json:"witness"`        // permitted and denied, as "GET /users/me"
	Whole   bool   `json:"whole"`          // every path of the route is denied, not some values only
	From    string `json:"from,omitempty"` // from when on (RFC 3339), where a permission ends then
}

// Unguarded is a path that no route is known for, and that the document allows
// while API Gateway keeps it.
type Unguarded struct {
	Allow   string `json:"allow"`   // the resource that allows
	Witness string `json:"witness"` // as "GET /users/1/unknown"
}

// TooLarge reports whether the policy is larger than its budget.
func (c *Kept) TooLarge() bool { return c.tooLarge }

// Least is what the document of a policy that is too large takes at the least, in
// bytes, as far as that is known without making all of it.
func (c *Kept) Least() int { return c.least }

// Size is the bytes of the minified document of a request that is allowed. Of a
// policy that is too large it may take long: all of it is made then.
func (c *Kept) Size() int { return c.size() }

// Report looks at the policy as it is for a request that is allowed, at every
// instant from that on which it was compiled for.
func (c *Compiled) Report() Report {
	r := Report{
		Bytes: c.size(), Budget: c.budget, Steps: c.step.names(),
		Folds: []Fold{}, Guards: []string{}, Collisions: []Collision{}, Unguarded: []Unguarded{},
	}
	for _, s := range c.Document(Request{End: sizingEnd}).Statement {
		r.Resources += len(s.Resource)
	}
	for _, d := range c.rules().denies {
		r.Guards = append(r.Guards, d.resource)
	}
	seen := map[Collision]bool{}
	for i, s := range c.slices {
		in := &inspection{Compiled: c, view: newView(c.prepared, s.held), at: s.from}
		if i == 0 {
			r.Folds, r.Unguarded = in.folds(), in.unguarded()
		}
		for _, x := range in.collisions() {
			key := Collision{Route: x.Route, Deny: x.Deny}
			if !seen[key] {
				seen[key] = true
				r.Collisions = append(r.Collisions, x)
			}
		}
	}
	slices.SortStableFunc(r.Collisions, func(a, b Collision) int {
		return cmp.Or(strings.Compare(a.Deny, b.Deny), strings.Compare(a.Route, b.Route))
	})
	return r
}

// inspection looks at the rules that count in one slice of time.
type inspection struct {
	*Compiled
	*view
	at time.Time
}

// counting lists what of the rules counts, after {api}/{stage}/.
func (in *inspection) counting(rules []rule) []string {
	var list []string
	for _, r := range rules {
		if !r.from.After(in.at) && (r.until.IsZero() || r.until.After(in.at)) {
			list = append(list, strings.TrimPrefix(r.resource, in.prepared.prefix))
		}
	}
	return list
}

// matches lists the instances of held routes that a glob matches.
func (in *inspection) matches(glob string) []instance {
	g, ok := newGlobber(glob)
	if !ok {
		return nil
	}
	var list []instance
	w := walker{globber: g}
	w.enter = func(n *node, _ *state, _ *positions) bool { return in.heldIn(n) > 0 }
	w.visit = func(p instance) bool {
		if in.maybe(p) {
			p.segments = slices.Clone(p.segments)
			list = append(list, p)
		}
		return true
	}
	w.walk(in.tree)
	return list
}

// routeOf is the held route that permits an instance, none if a pattern does.
func (in *inspection) routeOf(p instance) int32 {
	switch {
	case p.slash && in.holds(p.state.slash):
		return p.state.slash
	case in.holds(p.state.end):
		return p.state.end
	}
	return none
}

func (in *inspection) name(r int32) string { return in.tree.routes[r].template.String() }

// folds lists the Allows that stand for several routes.
func (in *inspection) folds() []Fold {
	list := []Fold{}
	for _, allow := range in.counting(in.rules().allows) {
		var routes []string
		for _, p := range in.matches(allow) {
			if r := in.routeOf(p); r != none {
				routes = append(routes, in.name(r))
			}
		}
		slices.Sort(routes)
		if routes = slices.Compact(routes); len(routes) > 1 {
			list = append(list, Fold{Resource: in.prepared.prefix + allow, Routes: routes})
		}
	}
	return list
}
