package token

import (
	"context"
	"time"
)

// Verifier verifies access tokens of the configured issuers. Safe for
// concurrent use; it starts no goroutine but for a running fetch.
type Verifier struct {
	issuers []*issuer
	byName  map[string]*issuer
	allowed algorithms // of any issuer
	now     func() time.Time
	skew    time.Duration
}

// New checks the settings, all of them, and joins the faults into one error.
// It does not touch the network: keys are fetched by [Verifier.Prefetch] or on use.
func New(c Config) (*Verifier, error) {
	list, err := c.issuers()
	if err != nil {
		return nil, err
	}
	v := &Verifier{issuers: list, byName: map[string]*issuer{}, now: c.Now, skew: c.ClockSkew}
	if v.now == nil {
		v.now = time.Now
	}
	fetch := newFetcher(c.HTTPClient)
	for _, is := range list {
		is.keys = &keySet{issuer: is, fetch: fetch, now: v.now, report: c.OnRefresh}
		is.keys.seed(is.given)
		is.library = is.libraryConfig()
		v.byName[is.iss] = is
		v.allowed |= is.algorithms
	}
	return v, nil
}

// Verify takes the token alone, without "Bearer", and gives its claims. The
// error is an *Error: a refusal (ErrRefused) or an outage (ErrUnavailable). It
// may wait for keys, for 6 seconds at most or until ctx ends.
func (v *Verifier) Verify(ctx context.Context, raw string) (Claims, error) {
	t, err := gate(raw, v.allowed)
	if err != nil {
		return Claims{}, err
	}
	p, err := parsePayload(t.payload)
	if err != nil {
		return Claims{}, err
	}
	is, err := v.issuerOf(p)
	if err != nil {
		return Claims{}, err
	}
	if !is.algorithms.has(t.alg) {
		return Claims{}, refuse(ReasonAlgorithm)
	}
	judge := func() (Claims, error) { return is.claims(p, v.now(), v.skew) }
	if err := is.keys.verify(ctx, t, func() error { _, err := judge(); return err }); err != nil {
		return Claims{}, err
	}
	claims, err := judge() // now: a fetch may have taken its time
	if err != nil {
		return Claims{}, err
	}
	if is.secondOpinion(ctx, t) != nil {
		return Claims{}, refuse(ReasonLibrary)
	}
	return claims, nil
}

// issuerOf chooses by the iss that nobody has verified yet: its keys will be
// asked next, and a token cannot make us ask anybody else's.
func (v *Verifier) issuerOf(p *payload) (*issuer, error) {
	r := &reader{payload: p}
	iss := r.needText(claimIss)
	if r.err != nil {
		return nil, r.err
	}
	is, ok := v.byName[iss]
	if !ok {
		return nil, refuse(ReasonIssuer)
	}
	return is, nil
}
