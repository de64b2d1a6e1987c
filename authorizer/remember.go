package authorizer

import (
	"context"
	"crypto/sha256"
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
	known *lru.Cache[[sha256.Size]byte, remembered]
}

type remembered struct {
	claims     token.Claims
	since, end time.Time
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
	known, err := lru.New[[sha256.Size]byte, remembered](size)
	if err != nil {
		return nil, err
	}
	return &remembering{Verifier: v, ttl: ttl, now: now, known: known}, nil
}

// Verify answers from memory where it can. Refusals and outages are not kept.
func (r *remembering) Verify(ctx context.Context, raw string) (token.Claims, error) {
	claims, _, err := r.verify(ctx, raw)
	return claims, err
}

// verify also says whether memory answered.
func (r *remembering) verify(ctx context.Context, raw string) (claims token.Claims, hit bool, err error) {
	key := sha256.Sum256([]byte(raw))
	now := r.now().Round(0) // the wall clock: Lambda freezes the other one
	if e, ok := r.known.Get(key); ok && !now.Before(e.since) && now.Before(e.end) {
		return e.claims, true, nil
	}
	claims, err = r.Verifier.Verify(ctx, raw)
	if err != nil {
		return token.Claims{}, false, err
	}
	end := now.Add(r.ttl)
	if claims.End.Before(end) {
		end = claims.End
	}
	r.known.Add(key, remembered{claims: claims, since: now, end: end})
	return claims, false, nil
}
