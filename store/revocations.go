package store

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"
)

// RevocationsMaxStale is how long beyond the TTL revocations are believed while
// the store fails. It is short and no setting: whoever revokes a principal must
// be able to rely on it, so that an instance which cannot learn of revocations
// answers nobody.
const RevocationsMaxStale = time.Minute

// RevocationConfig says how a RevocationCache keeps revocations.
type RevocationConfig struct {
	TTL     time.Duration // they are believed for so long without asking the store
	Skew    time.Duration // of clocks: tokens issued so long after a revocation are refused too
	Timeout time.Duration // of one refresh; 0 means DefaultTimeout
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// OnStale, if not nil, is told of each refresh that failed while what was read
	// before could still be believed.
	OnStale func(error)
}

// RevocationCache keeps all revocations in front of a store. They are read whole;
// within the TTL they are believed as they are, after that one cheap read decides
// whether they are read again. It has one place of its own: no number of tables
// pushes them out. It may be used from several goroutines.
type RevocationCache struct {
	store  RevocationReader
	skew   time.Duration
	keeper keeper[everybody, revokedTokens]
	known  atomic.Pointer[entry[revokedTokens]]
}

// everybody is the one key of a RevocationCache.
type everybody struct{}

// revokedTokens are revocations by principal.
type revokedTokens map[string]Revocation

// NewRevocationCache makes a RevocationCache; it reads nothing yet.
func NewRevocationCache(s RevocationReader, config RevocationConfig) *RevocationCache {
	c := &RevocationCache{store: s, skew: config.Skew}
	c.keeper = keeper[everybody, revokedTokens]{
		ttl: config.TTL, maxStale: RevocationsMaxStale, timeout: cmp.Or(config.Timeout, DefaultTimeout), now: wallClock(config.Now),
		what: func(everybody) string { return "revocations" },
		get: func(everybody) (entry[revokedTokens], bool) {
			e := c.known.Load()
			if e == nil {
				return entry[revokedTokens]{}, false
			}
			return *e, true
		},
		put: func(_ everybody, e entry[revokedTokens]) { c.known.Store(&e) },
		ask: c.ask,
	}
	if config.OnStale != nil {
		c.keeper.onStale = func(_ everybody, err error) { config.OnStale(err) }
	}
	return c
}

// Refresh starts the read that is due, if one is, and does not wait for it: while
// it runs, the caller may wait for something else. The read outlives ctx.
func (c *RevocationCache) Refresh(ctx context.Context) { c.keeper.begin(ctx, everybody{}) }

// Load waits until revocations are known. The error is an outage.
func (c *RevocationCache) Load(ctx context.Context) error {
	_, err := c.keeper.serve(ctx, everybody{})
	return err
}

// Revoked reports whether a principal's token, issued at a time, was revoked: it
// was issued at the time of a revocation or before, or up to the skew later, and
// the revocation has not ended. principalID is as token.Claims.PrincipalID has it.
// The cost does not depend on how many there are. An error is an outage: nothing
// is known then, neither that the token was revoked nor that it was not.
func (c *RevocationCache) Revoked(ctx context.Context, principalID string, issuedAt time.Time) (bool, error) {
	k, err := c.keeper.serve(ctx, everybody{})
	if err != nil {
		return false, err
	}
	r, ok := (*k.value)[principalID]
	return ok && r.refuses(issuedAt, c.skew, c.keeper.now()), nil
}

// refuses is the rule itself: a token's iat is in whole seconds, those of its
// issuer's clock.
func (r Revocation) refuses(issuedAt time.Time, skew time.Duration, now time.Time) bool {
	return now.Before(r.Until) && !issuedAt.After(r.At.Add(skew))
}

// ask reads the revision, where revocations are known, and all of them if it has
// moved on. A store that never had one has an empty list, not none.
func (c *RevocationCache) ask(ctx context.Context, _ everybody, old entry[revokedTokens]) (fresh entry[revokedTokens], how string, err error) {
	if old.value != nil {
		revision, err := c.store.RevocationsRevision(ctx)
		switch {
		case err != nil:
			return fresh, "", err
		case revision == old.revision:
			return entry[revokedTokens]{value: old.value, revision: revision}, Same, nil
		}
	}
	all, err := c.store.Revocations(ctx)
	if err != nil {
		return fresh, "", err
	}
	tokens := make(revokedTokens, len(all.List))
	for _, r := range all.List {
		tokens[r.PrincipalID] = r
	}
	return entry[revokedTokens]{value: &tokens, revision: all.Revision}, Miss, nil
}
