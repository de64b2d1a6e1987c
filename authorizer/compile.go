package authorizer

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
)

// memory keeps what compiling made. It is safe for concurrent use; two requests
// that miss at once both compile.
type memory struct {
	tables   *lru.Cache[tableKey, *policy.Prepared]
	policies *lru.Cache[policyKey, *policy.Compiled]
}

// tableKey is what a prepared table depends on.
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

// mostTables bounds the prepared tables kept: they are large, and an instance
// serves few APIs.
const mostTables = 16

func newMemory(policies int) (*memory, error) {
	t, err := lru.New[tableKey, *policy.Prepared](mostTables)
	if err != nil {
		return nil, err
	}
	p, err := lru.New[policyKey, *policy.Compiled](policies)
	return &memory{t, p}, err
}

// prepared is the table of a request, made ready once per revision.
func (m *memory) prepared(s store.Served, api mapping.API) *policy.Prepared {
	key := tableKey{api, s.Revision}
	if p, ok := m.tables.Get(key); ok {
		return p
	}
	p := policy.Prepare(s.Table)
	m.tables.Add(key, p)
	return p
}

// compile answers from memory where the same permissions of the same revision
// were compiled for the same budget before.
func (a *Authorizer) compile(d *decision, budget int) *policy.Compiled {
	api := d.event.ARN.API
	key := policyKey{tableKey{api, d.served.Revision}, d.held.Key(), budget}
	if c, ok := a.compiled.policies.Get(key); ok && !c.Renew(d.start) {
		d.compiledHit = true
		return c
	}
	c := a.compiled.prepared(d.served, api).Compile(d.held, d.start, budget)
	a.compiled.policies.Add(key, c)
	return c
}

// budgetStep is what budgets are rounded down to, so that callers whose names
// are of different lengths share a compiled policy.
const budgetStep = 32

// budget is how many bytes of this caller's answer are left for the policy
// document: scopes and roles in the context make way for it.
func (a *Authorizer) budget(d *decision) int {
	around, err := a.write(d, policy.Document{}, false)
	if err != nil {
		return DocumentBudget(a.MaxBytes)
	}
	const document = `{"Version":"","Statement":null}`
	return max(1, (a.MaxBytes-len(around)+len(document))/budgetStep*budgetStep)
}

// DocumentBudget is how many bytes an answer of so many has for the policy
// document of a typical Entra caller.
func DocumentBudget(maxBytes int) int {
	const around = 448 // principalId, and a context without scopes and roles
	return max(1, (maxBytes-around)/budgetStep*budgetStep)
}
