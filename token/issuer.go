package token

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// issuer is one configured issuer with keys of its own: a key of one never
// verifies a token of another.
type issuer struct {
	iss        string
	discovery  string            // base of its discovery document
	tenant     string            // Entra only
	version    string            // Entra only: the ver its tokens carry
	client     claim             // Entra only: azp or appid
	v2         string            // Entra only: the tenant's v2 issuer, which keys name
	audiences  map[string]string // canonical -> as configured
	algorithms algorithms
	library    *oidc.Config // what go-oidc is to check
	keys       *keySet
	given      map[string]key // with the settings
}

func (is *issuer) entra() bool { return is.tenant != "" }

// findKeys reads the discovery document with go-oidc and gives the jwks_uri.
//
// v1 discovery at {authority}/{tid} names the issuer {sts}/{tid}/, which
// NewProvider alone takes for a mismatch; InsecureIssuerURLContext is go-oidc's
// way around it and switches its comparison off, so the comparison is made here,
// for all issuers (OpenID Connect Discovery 1.0, 4.3).
func (is *issuer) findKeys(ctx context.Context, f *fetcher) (*url.URL, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	ctx = oidc.InsecureIssuerURLContext(oidc.ClientContext(ctx, f.client), is.iss)
	provider, err := oidc.NewProvider(ctx, is.discovery)
	if err != nil {
		// Only our own words: go-oidc's text can hold the provider's body.
		return nil, &Error{Reason: ReasonDiscovery, detail: describe(err, "no readable document")}
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := provider.Claims(&doc); err != nil {
		return nil, &Error{Reason: ReasonDiscovery, detail: "no readable document"}
	}
	if doc.Issuer != is.iss {
		return nil, &Error{Reason: ReasonDiscovery, detail: "the document is of another issuer"}
	}
	return is.checkJWKSURI(doc.JWKSURI)
}

// checkJWKSURI pins the keys of Entra to the host of the authority (the cloud);
// other issuers do keep their keys elsewhere (Google).
func (is *issuer) checkJWKSURI(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || !fetchable(u) {
		return nil, &Error{Reason: ReasonDiscovery, detail: "jwks_uri is not https"}
	}
	if is.entra() && !strings.EqualFold(u.Host, hostOf(is.discovery)) {
		return nil, &Error{Reason: ReasonDiscovery, detail: "jwks_uri is on another host"}
	}
	return u, nil
}

// keyMaySign is Microsoft's rule for keys that name an issuer: with the tenant
// put in, it must be the token's. The keys of the v1 endpoint name none or, like
// Microsoft.IdentityModel.Validators, may name the tenant's v2 issuer.
func (is *issuer) keyMaySign(keyIssuer string) bool {
	if strings.TrimSpace(keyIssuer) == "" || !is.entra() {
		return true
	}
	named := strings.ReplaceAll(keyIssuer, "{tenantid}", is.tenant)
	return named == is.iss || named == is.v2
}

// libraryConfig leaves time and audience to our own rules, with one skew and
// several audiences, which go-oidc does not know.
func (is *issuer) libraryConfig() *oidc.Config {
	return &oidc.Config{
		SupportedSigningAlgs: is.algorithms.names(),
		SkipClientIDCheck:    true,
		SkipExpiryCheck:      true,
	}
}

// checkSignature runs go-oidc over the token with a key set made for this call.
// Its error is ours: an outage or a refusal by key. Where the signature is good,
// library says whether go-oidc refused the token for something else; our own
// rules then have the word first, since they can name theirs.
func (is *issuer) checkSignature(ctx context.Context, t gated, judge func() error) (library bool, err error) {
	call := &signatureCheck{token: t, keys: is.keys, judge: judge, err: refuse(ReasonLibrary)}
	_, refusal := oidc.NewVerifier(is.iss, call, is.library).Verify(ctx, t.raw)
	return refusal != nil, call.err
}

// signatureCheck is an oidc.KeySet for one token. It keeps its error, because
// go-oidc wraps it with %v: an outage and a forgery would look alike. The error
// is there from the start, so that not being asked is not success.
type signatureCheck struct {
	token gated
	keys  *keySet
	judge func() error
	err   error
}

// VerifySignature takes the token that the gate decoded; raw is the same text.
func (c *signatureCheck) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	if raw == c.token.raw {
		c.err = c.keys.verify(ctx, c.token, c.judge)
	}
	return c.token.payload, c.err
}

var _ oidc.KeySet = (*signatureCheck)(nil)

// describe is a text of our own for a failed fetch.
func describe(err error, otherwise string) string {
	var f *fetchError
	switch {
	case errors.As(err, &f):
		return f.what
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	case errors.As(err, new(*url.Error)):
		return "no connection"
	}
	return otherwise
}
