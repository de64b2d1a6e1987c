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
	given      keyring // with the settings
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
// other issuers do keep their keys elsewhere (Google). Plain http to this machine
// is for a provider that is on it: others must not send us to what listens here,
// such as Lambda's Runtime API.
func (is *issuer) checkJWKSURI(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || !fetchable(u) || u.Scheme == "http" && !strings.HasPrefix(strings.ToLower(is.discovery), "http:") {
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

// secondOpinion has go-oidc read a token whose signature was found to be good. A
// forgery never comes so far: go-oidc takes as long for it as the signature does.
// An error here is not yet the answer: our own rules can name theirs.
func (is *issuer) secondOpinion(ctx context.Context, t gated) error {
	v := &verified{raw: t.header + inPlaceOfTheRest, payload: t.payload}
	_, err := oidc.NewVerifier(is.iss, v, is.library).Verify(ctx, v.raw)
	return err
}

// inPlaceOfTheRest stands for payload and signature in what go-jose takes apart
// for go-oidc. It decodes the two, as the gate has done more strictly, and looks
// at neither again: go-oidc reads the payload that the key set gives. Going
// through all characters of a token twice, as go-jose does, takes it half as long
// as an RSA signature.
const inPlaceOfTheRest = ".e30.AA"

// verified is an oidc.KeySet for one token, whose signature is good.
type verified struct {
	raw     string
	payload []byte
}

// VerifySignature gives the payload of that very token and knows no other.
func (v *verified) VerifySignature(_ context.Context, raw string) ([]byte, error) {
	if raw != v.raw {
		return nil, refuse(ReasonLibrary)
	}
	return v.payload, nil
}

var _ oidc.KeySet = (*verified)(nil)

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
