package authorizer

import (
	"strings"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
)

// memory keeps what was worked out for earlier requests, in bounded LRUs. It is
// safe for concurrent use, and no lock is held while something is worked out.
type memory struct {
	tables    *lru.Cache[mapping.API, *preparing]
	policies  *lru.Cache[policyKey, *compiling]
	large     *lru.Cache[policyKey, *compiling] // the same of policies that are too large, see mostLarge
	grants    *lru.Cache[grantKey, *grant]
	apis      *lru.Cache[mapping.API, mapping.API]
	templates *lru.Cache[string, template]
}

// tableKey is what a compiled policy has of its table.
type tableKey struct {
	api      mapping.API
	revision store.Revision
}

// policyKey is what a compiled policy depends on, as a structure: joined strings
// could run together.
type policyKey struct {
	tableKey
	held   string
	budget int
}

const (
	// mostTables bounds the prepared tables kept. One is only needed to compile
	// what was not compiled before.
	mostTables = 64
	// mostLarge bounds the policies kept that are too large. Each keeps its table, of
	// whatever revision, and comes to an error in any case.
	mostLarge = 4
	// mostNames bounds what is kept of the names that API Gateway gives: of its
	// APIs and of their routes.
	mostNames = 4096
)

func newMemory(policies int) (*memory, error) {
	m := &memory{}
	var err error
	if m.tables, err = lru.New[mapping.API, *preparing](mostTables); err != nil {
		return nil, err
	}
	if m.policies, err = lru.New[policyKey, *compiling](policies); err != nil {
		return nil, err
	}
	if m.large, err = lru.New[policyKey, *compiling](mostLarge); err != nil {
		return nil, err
	}
	if m.grants, err = lru.New[grantKey, *grant](policies); err != nil {
		return nil, err
	}
	if m.apis, err = lru.New[mapping.API, mapping.API](mostNames); err != nil {
		return nil, err
	}
	m.templates, err = lru.New[string, template](mostNames)
	return m, err
}

// api gives the API that a view names, in words that outlive the call.
func (m *memory) api(view mapping.API) mapping.API {
	if api, ok := m.apis.Get(view); ok {
		return api
	}
	api := mapping.API{ARN: strings.Clone(view.ARN), Stage: strings.Clone(view.Stage)}
	m.apis.Add(api, api)
	return api
}

// preparing is a table that one request makes ready and all others that need it
// wait for. Of an API there is one, the newest that was asked for: tables are large.
type preparing struct {
	revision store.Revision
	once     sync.Once
	ready    *policy.Prepared // nil after a bug in making it
}

// prepared is the table of a request, made ready once per revision, however many
// ask at once.
func (m *memory) prepared(s store.Served, api mapping.API) *policy.Prepared {
	p, ok := m.tables.Get(api)
	if !ok || p.revision != s.Revision {
		p = &preparing{revision: s.Revision}
		if old, there, _ := m.tables.PeekOrAdd(api, p); there && old.revision == s.Revision {
			p = old
		} else if there {
			m.tables.Add(api, p)
		}
	}
	p.once.Do(func() {
		defer func() {
			if p.ready == nil {
				m.tables.Remove(api) // a bug: whoever comes next tries again
			}
		}()
		p.ready = policy.Prepare(s.Table)
	})
	if p.ready == nil {
		panic("the table was not made ready")
	}
	return p.ready
}

// compiling is a policy that one request compiles and all others that need it
// wait for.
type compiling struct {
	once sync.Once
	kept *policy.Kept              // nil after a bug in compiling it
	next atomic.Pointer[compiling] // made anew in its place
}

// compile answers from memory where the same permissions of the same revision
// were compiled for the same budget before.
func (a *Authorizer) compile(d *decision, budget int) *policy.Kept {
	api := d.event.ARN.API
	key := policyKey{tableKey{api, d.served.Revision}, d.held.Key(), budget}
	c, hit := a.memory.policy(key)
	if !hit {
		c = &compiling{}
		if first, there, _ := a.memory.policies.PeekOrAdd(key, c); there {
			c = first
		}
	}
	kept := a.finish(d, key, c)
	if hit && kept.Renew(d.start) {
		hit = false
		next := &compiling{}
		if c.next.CompareAndSwap(nil, next) {
			a.memory.policies.Add(key, next)
		}
		kept = a.finish(d, key, c.next.Load())
	}
	d.compiledHit = d.compiledHit || hit
	return kept
}

// policy gives what is known of a policy, which may be under way.
func (m *memory) policy(key policyKey) (*compiling, bool) {
	if c, ok := m.policies.Get(key); ok {
		return c, true
	}
	return m.large.Get(key)
}

// finish compiles, unless another request does or did.
func (a *Authorizer) finish(d *decision, key policyKey, c *compiling) *policy.Kept {
	c.once.Do(func() {
		defer func() {
			if c.kept == nil {
				a.memory.policies.Remove(key) // a bug: whoever comes next tries again
			}
		}()
		c.kept = a.memory.prepared(d.served, key.api).Compile(d.held, d.start, key.budget).Keep()
		if c.kept.TooLarge() {
			a.memory.policies.Remove(key)
			a.memory.large.Add(key, c)
		}
	})
	if c.kept == nil {
		panic("the policy was not compiled")
	}
	return c.kept
}

// policyOf is the policy of a request that rests on its grant alone, as all do but
// with POLICY_SCOPE=route.
func (a *Authorizer) policyOf(d *decision) *policy.Kept {
	if a.RouteScope {
		return a.compile(d, d.grant.budget)
	}
	if kept := d.grant.policy.Load(); kept != nil && !kept.Renew(d.start) {
		d.compiledHit = true
		return kept
	}
	kept := a.compile(d, d.grant.budget)
	if !kept.TooLarge() {
		d.grant.policy.Store(kept)
	}
	return kept
}

// budgetStep is what budgets are rounded down to, so that callers whose names
// are of different lengths share a compiled policy.
const budgetStep = 32

// DocumentBudget is how many bytes an answer of so many has for the policy
// document of a typical Entra caller.
func DocumentBudget(maxBytes int) int {
	const around = 448 // principalId, and a context without scopes and roles
	return max(1, (maxBytes-around)/budgetStep*budgetStep)
}
