package plan

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"scopegate/authorizer"
	"scopegate/internal/lint"
	"scopegate/mapping"
	"scopegate/store"
)

// Options say how policies are made, as the authorizer's settings do, and how
// much is looked at.
type Options struct {
	Now time.Time // the instant from which on the plan is told; must be given
	// Trust is whom a table without a trust list believes: the setting's
	// DefaultTrust. Nil means that nothing is known: such a table then believes
	// every tenant that a permission names.
	Trust []mapping.Trust
	// Configured is whom the authorizer knows, for lint; nil for Trust.
	Configured   []mapping.Trust
	MaxBytes     int  // POLICY_MAX_BYTES; 0 for its default
	NoExpiry     bool // POLICY_EXPIRY=off
	ExplicitDeny bool // POLICY_EXPLICIT_DENY=on
	// RouteScope is POLICY_SCOPE=route: a policy is of the called route alone, so
	// that none is too large, and none is weighed.
	RouteScope bool
	// Patience bounds how long policies are made, 0 for no bound. What was not
	// looked at for want of time is a finding, and the plan is truncated.
	Patience time.Duration
	// Limit bounds gains and losses, each; 0 for DefaultLimit.
	Limit int
}

// Defaults of Options.
const (
	DefaultMaxBytes = 8192 // of POLICY_MAX_BYTES
	DefaultLimit    = 5000 // gains, and losses
)

func (o Options) lint() lint.Options {
	most := cmp.Or(o.MaxBytes, DefaultMaxBytes)
	l := lint.Options{
		Now: o.Now, MaxBytes: most, Budget: authorizer.DocumentBudget(most), NoExpiry: o.NoExpiry, ExplicitDeny: o.ExplicitDeny,
		Configured: o.Configured, NoAdvice: true,
	}
	if l.Configured == nil {
		l.Configured = o.Trust
	}
	return l
}

// Plan is what a change to a table means. Lists are sorted and never nil.
type Plan struct {
	ARN   string `json:"arn"`
	Stage string `json:"stage"`
	// Revision is that of the table which the change was planned against, "none"
	// if there is none.
	Revision    string      `json:"revision"`
	Permissions Permissions `json:"permissions"`
	Routes      Routes      `json:"routes"`
	Head        []Field     `json:"head"`
	// Gains and Losses tell who may call what after the change alone, and before
	// it alone.
	Gains  []Access `json:"gains"`
	Losses []Access `json:"losses"`
	// GainsTotal and LossesTotal count them with those that were cut off.
	GainsTotal  int `json:"gainsTotal"`
	LossesTotal int `json:"lossesTotal"`
	// Policies are the largest after the change, 50 at most, of callers made up as
	// lint does.
	Policies []Policy `json:"policies"`
	MaxBytes int      `json:"maxBytes"` // of a whole answer
	Budget   int      `json:"budget"`   // bytes that its policy document may have
	// Findings are those of lint that the change brings, Resolved those that it
	// ends, told by caller where they are about policies. Notes are left out.
	Findings []lint.Finding `json:"findings"`
	Resolved []lint.Finding `json:"resolved"`
	// Orphans are routes that nobody may call after the change.
	Orphans  []string       `json:"orphans"`
	Blocking []lint.Finding `json:"blocking"` // what a write refuses unless forced
	// Truncated says that something was cut off or not looked at.
	Truncated bool `json:"truncated"`
}

// Permissions are those that a change touches.
type Permissions struct {
	Added     []mapping.Permission `json:"added"`
	Removed   []mapping.Permission `json:"removed"`
	Changed   []Changed            `json:"changed"` // of the same id
	Unchanged int                  `json:"unchanged"`
}

// Changed is a permission whose expiry, description or parameter names change.
type Changed struct {
	Before mapping.Permission `json:"before"`
	After  mapping.Permission `json:"after"`
}

// Routes are those registered and deleted, as "GET /orders/{id}".
type Routes struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

// Field is one that changes of a table's head: name, owners, trust or complete.
// Before and After are what the document holds there, null for nothing.
type Field struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Access is a route that whoever brings just what one permission requires may
// call on one side of a change only. Of paths that no permission opens alone (with a
// slash at the end, where the spellings with and without it need different things) it
// is told of whoever brings what two require.
type Access struct {
	Requirement string `json:"requirement"` // as "scope orders.read"
	Caller      Caller `json:"caller"`
	// Route is one of either table, by concrete method, as "GET /orders/{id}", or
	// a pattern, as "GET /orders/*", told for the paths of no known route.
	Route string `json:"route"`
	// Partly says that it is not the route as such but some of its paths only, of
	// which Witness is one: those with a slash at the end, or of some lengths.
	Partly  bool   `json:"partly,omitempty"`
	Witness string `json:"witness,omitempty"` // as "GET /orders/1/"
	// From and Until bound the time in which it is so, where permissions expire;
	// zero is from now on, and for good.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Caller is a made-up principal. What is empty makes no difference.
type Caller struct {
	Scopes        []string              `json:"scopes,omitempty"`
	Roles         []string              `json:"roles,omitempty"`
	Groups        []string              `json:"groups,omitempty"`
	PrincipalType mapping.PrincipalType `json:"principalType,omitempty"`
	Tenant        string                `json:"tenant,omitempty"`
	Issuer        string                `json:"issuer,omitempty"`
	Audience      string                `json:"audience,omitempty"`
}

// Policy is how large a caller's policy document is before and after, 0 where he
// holds nothing.
type Policy struct {
	Name   string `json:"name"` // of the caller, as findings name him
	Caller Caller `json:"caller"`
	Before int    `json:"before"` // bytes
	After  int    `json:"after"`
	Fits   bool   `json:"fits"` // after the change
}

// Make plans a change. A table without API is one that does not exist: before it
// is made, or after it is deleted. Permissions and routes of a table may stand in
// any order, and name each other's routes or not. The error is ctx's, or says that
// the tables are not of one API.
func Make(ctx context.Context, before, after store.Snapshot, o Options) (Plan, error) {
	b, a, err := sides(before, after, o)
	if err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	api, l := cmp.Or(after.API, before.API), o.lint()
	p := Plan{
		ARN: api.ARN, Stage: api.Stage, Revision: before.Revision.String(), MaxBytes: l.MaxBytes, Budget: l.Budget,
		Permissions: permissions(b, a), Routes: routes(b, a), Head: head(b.Snapshot, a.Snapshot),
	}
	if err := p.compare(ctx, b, a, o); err != nil {
		return Plan{}, err
	}
	p.Orphans = a.orphans(o.Now)
	return p, p.weigh(ctx, b, a, o)
}

// Empty reports whether the change does nothing.
func (p Plan) Empty() bool {
	return len(p.Permissions.Added)+len(p.Permissions.Removed)+len(p.Permissions.Changed)+
		len(p.Routes.Added)+len(p.Routes.Removed)+len(p.Head) == 0
}

// After is the table that a change makes of one, which is zero if there is none.
// The error is that of [store.Change.Canonical] and [store.Change.Plan].
func After(before store.Snapshot, change store.Change) (store.Snapshot, error) {
	c, err := change.Canonical()
	if err != nil {
		return store.Snapshot{}, err
	}
	e, err := c.Plan(before, before.Revision.Number)
	if err != nil || e.Delete {
		return store.Snapshot{}, err
	}
	after := store.Snapshot{Meta: e.After}
	after.Permissions = replaced(before.Permissions, e.Put, e.Remove, mapping.Permission.ID)
	after.Routes = replaced(before.Routes, e.PutRoutes, e.RemoveRoutes, mapping.Route.ID)
	return after, nil
}
