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
	// The answer around the policy document, with all of the context behind it.
	before, after []byte
	// afterShort is what is behind it without scopes and roles: nil until an answer
	// needs it, which few do.
	afterShort atomic.Pointer[[]byte]
	budget     int // bytes, of the document
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
		forget(a.memory.grants, func(k grantKey, _ *grant) bool { return k.token.ended(d.start) })
		a.memory.grants.Add(key, g)
	}
	return g, err
}

func (g *grant) counts(r store.Revision, now time.Time) bool {
	return g.revision == r && !now.Before(g.from) && (g.until.IsZero() || now.Before(g.until))
}

func (a *Authorizer) newGrant(d *decision) (*grant, error) {
	table, k := d.served.Table, d.known
	caller := CallerOf(k.claims)
	g := &grant{
		revision: d.served.Revision, from: d.start, held: table.Held(caller, d.start),
		groupsUnknown: table.MissesGroups(caller), trusted: table.Trusts(caller),
		revisionText: d.served.Revision.String(),
	}
	g.until = table.HeldUntil(g.held)
	around, err := newAround(k.principal, k.claims, g.revisionText)
	if err != nil {
		return nil, failure(Internal, err)
	}
	g.before, g.after = around.before, around.after
	g.budget = max(1, (a.MaxBytes-len(g.before)-len(around.afterShort))/budgetStep*budgetStep)
	return g, nil
}

// short is afterShort, of the grant's own token.
func (g *grant) short(k *known) []byte {
	if b := g.afterShort.Load(); b != nil {
		return *b
	}
	around, err := newAround(k.principal, k.claims, g.revisionText)
	if err != nil {
		return g.after // never, since newGrant could; it is only longer
	}
	g.afterShort.Store(&around.afterShort)
	return around.afterShort
}
