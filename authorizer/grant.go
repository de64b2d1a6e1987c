package authorizer

import (
	"sync/atomic"
	"time"

	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
)

// grant is what a token comes to at one revision of one table, from when it was
// worked out until a permission of it ends: everything about an answer that does
// not depend on the request. It keeps nothing of the table, which may be large
// and long gone from the cache.
type grant struct {
	revision    store.Revision
	from, until time.Time // until is zero where nothing ends

	held          mapping.Held
	groupsUnknown bool
	trusted       bool
	revisionText  string
	// The answer around the policy document: with all of the context behind it,
	// and without scopes and roles.
	before, after, afterShort []byte
	budget                    int // bytes, of the document
	// policy is the one compiled last for held and budget.
	policy atomic.Pointer[policy.Kept]
}

// grantKey tells tokens apart by the entry that remembers them: verified anew, a
// token has another one.
type grantKey struct {
	token *known
	api   mapping.API
}

// grantOf answers from memory where the same token met the same revision before,
// at no later instant, and nothing of it has ended since.
func (a *Authorizer) grantOf(d *decision) (*grant, error) {
	if !d.known.remembered() {
		return a.newGrant(d)
	}
	key := grantKey{d.known, d.event.ARN.API}
	if g, ok := a.memory.grants.Get(key); ok && g.counts(d.served.Revision, d.start) {
		return g, nil
	}
	g, err := a.newGrant(d)
	if err == nil {
		a.memory.grants.Add(key, g)
	}
	return g, err
}

func (g *grant) counts(r store.Revision, now time.Time) bool {
	return g.revision == r && !now.Before(g.from) && (g.until.IsZero() || now.Before(g.until))
}

func (a *Authorizer) newGrant(d *decision) (*grant, error) {
	table, k := d.served.Table, d.known
	g := &grant{
		revision: d.served.Revision, from: d.start, held: table.Held(k.caller, d.start),
		groupsUnknown: table.MissesGroups(k.caller), trusted: table.Trusts(k.caller),
		revisionText: d.served.Revision.String(),
	}
	g.until = table.HeldUntil(g.held)
	around, err := newAround(k.principal, k.claims, g.revisionText)
	if err != nil {
		return nil, failure(Internal, err)
	}
	g.before, g.after, g.afterShort = around.before, around.after, around.afterShort
	g.budget = max(1, (a.MaxBytes-len(g.before)-len(g.afterShort))/budgetStep*budgetStep)
	return g, nil
}
