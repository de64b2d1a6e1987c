package authorizer

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/token"
)

// Verifier judges tokens: [token.Verifier], or a fake that tests can read.
type Verifier interface {
	Verify(ctx context.Context, raw string) (token.Claims, error)
}

// remembering keeps what was verified, by the hash of the token: the token
// itself is never kept. An entry ends with the token or after the TTL, so that
// a key that its issuer takes away counts at most for so long.
type remembering struct {
	Verifier
	ttl   time.Duration
	now   func() time.Time
	known *lru.Cache[[sha256.Size]byte, *known]
}

// known is a verified token: its claims, and what follows from them alone. It is
// never changed.
type known struct {
	claims     token.Claims
	principal  string
	since, end time.Time // while it is remembered; zero if it is not
}

func newKnown(c token.Claims) *known {
	return &known{claims: c, principal: c.PrincipalID()}
}

// remembered reports whether the token is kept, so that something may be kept
// for it.
func (k *known) remembered() bool { return !k.end.IsZero() }

// ended reports whether it counts no more.
func (k *known) ended(now time.Time) bool { return !now.Before(k.end) }

// mostForgotten bounds what one call takes out of a memory: more than one call
// brings, so that ended entries grow fewer, and few, so that no call pays for all.
const mostForgotten = 8

// forget takes entries that have ended out of a memory, from the least recently
// used on, as long as they have: an LRU by itself keeps as many as it holds, ended
// or not. It is called where one is added. Should another call renew the entry that
// is being taken out, it is worked out anew.
func forget[K comparable, V any](memory *lru.Cache[K, V], ended func(K, V) bool) {
	for range mostForgotten {
		key, value, ok := memory.GetOldest()
		if !ok || !ended(key, value) {
			return
		}
		memory.Remove(key)
	}
}

// Remember puts a memory of size tokens in front of a verifier. A size or ttl of
// 0 leaves it out.
func Remember(v Verifier, size int, ttl time.Duration, now func() time.Time) (Verifier, error) {
	if size == 0 || ttl == 0 {
		return v, nil
	}
	if now == nil {
		now = time.Now
	}
	tokens, err := lru.New[[sha256.Size]byte, *known](size)
	if err != nil {
		return nil, err
	}
	return &remembering{Verifier: v, ttl: ttl, now: now, known: tokens}, nil
}

// Verify answers from memory where it can. Refusals and outages are not kept.
func (r *remembering) Verify(ctx context.Context, raw string) (token.Claims, error) {
	k, _, err := r.verify(ctx, raw)
	if err != nil {
		return token.Claims{}, err
	}
	return k.claims, nil
}

// verify also says whether memory answered, which it does without an allocation.
// raw may be a view: what is kept of it is not.
func (r *remembering) verify(ctx context.Context, raw string) (k *known, hit bool, err error) {
	key := sha256.Sum256(bytesOf(raw))
	now := r.now().Round(0) // the wall clock: Lambda freezes the other one
	if k, ok := r.known.Get(key); ok && !now.Before(k.since) && !k.ended(now) {
		return k, true, nil
	}
	claims, err := r.Verifier.Verify(ctx, strings.Clone(raw))
	if err != nil {
		return nil, false, err
	}
	k = newKnown(claims)
	k.since, k.end = now, now.Add(r.ttl)
	if claims.End.Before(k.end) {
		k.end = claims.End
	}
	forget(r.known, func(_ [sha256.Size]byte, k *known) bool { return k.ended(now) })
	r.known.Add(key, k)
	return k, false, nil
}
