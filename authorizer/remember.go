package authorizer

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/mapping"
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
	caller     mapping.Caller
	since, end time.Time // while it is remembered; zero if it is not
}

func newKnown(c token.Claims) *known {
	return &known{claims: c, principal: c.PrincipalID(), caller: CallerOf(c)}
}

// remembered reports whether the token is kept, so that something may be kept
// for it.
func (k *known) remembered() bool { return !k.end.IsZero() }

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
	if k, ok := r.known.Get(key); ok && !now.Before(k.since) && now.Before(k.end) {
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
	r.known.Add(key, k)
	return k, false, nil
}
