// Package token turns the raw value of an Authorization header into verified
// [Claims] of an Entra ID (v1 or v2, delegated or app-only) or other OIDC access
// token, or into an [Error] that says by which rule not. A token that is wrong
// is refused (errors.Is ErrRefused), keys that could not be had are an outage
// (ErrUnavailable): the first is the caller's fault, the second is nobody's
// proof of anything and must never be answered as if it were.
//
// A token passes these stages in order, each in its file:
//
//	bearer.go    header value -> token
//	gate.go      size, compact form, strict base64url, header allow-list, RS256, kid; no cryptography, no fetch
//	issuer.go    the configured issuer that the unverified iss names exactly; unknown ones cost no fetch
//	keyset.go    the signature, by kid, below go-oidc's verifier
//	claims.go    exact names and types of what was signed
//	rules.go     issuer, version, tenant, audience, times, purpose
package token
