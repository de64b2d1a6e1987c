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
//	gate.go      size, compact form, strict base64url, header allow-list, algorithm, kid; no cryptography, no fetch
//	json.go      one object, each name once, without making values of what nobody reads
//	claims.go    exact names; then, by name, exact types
//	issuer.go    the configured issuer that the unverified iss names exactly; unknown ones cost no fetch
//	keyset.go    the key by its kid, fetched (flight.go, fetch.go) where one is due
//	algorithm.go the signature, below go-oidc's verifier
//	rules.go     issuer, version, tenant, audience, times, purpose
package token
