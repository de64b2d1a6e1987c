package token

import "errors"

// Reason names the one rule by which a token was not accepted. The texts are
// stable: logs, metrics and explanations carry them. A Reason is an error to
// compare with: errors.Is(err, ReasonExpired).
type Reason string

// Error is the text alone.
func (r Reason) Error() string { return string(r) }

// Refusals by the Authorization header and the gate.
const (
	ReasonNoToken       Reason = "no_token"         // no Authorization value
	ReasonScheme        Reason = "not_bearer"       // another scheme than Bearer (RFC 6750, 2.1)
	ReasonBearer        Reason = "bearer_malformed" // Bearer without exactly one b64token (RFC 6750, 2.1)
	ReasonTooLarge      Reason = "too_large"        // over MaxBytes
	ReasonNotCompact    Reason = "not_compact"      // not three parts with dots between (RFC 7515, 7.1)
	ReasonBase64        Reason = "bad_base64"       // padding, foreign characters or a non-canonical end (RFC 7515, 2)
	ReasonHeader        Reason = "header_malformed" // no JSON object of strings, a name given twice, or over 1 KB (RFC 7515, 4)
	ReasonHeaderMember  Reason = "header_member"    // a member other than typ, alg, kid, x5t (RFC 8725, 3.5, 3.10)
	ReasonGraphToken    Reason = "graph_token"      // nonce in the header: meant for Microsoft Graph, nobody else can verify it
	ReasonType          Reason = "typ"              // typ of another kind of token (RFC 8725, 3.11)
	ReasonAlgorithm     Reason = "alg"              // not RS256 or what the issuer is allowed (RFC 8725, 3.1)
	ReasonKeyIDMissing  Reason = "kid_missing"      // Entra always names the key
	ReasonKeyID         Reason = "kid_malformed"    // longer than any real one, or unprintable
	ReasonSignatureForm Reason = "signature_length" // no length that the algorithm's signatures have
)

// Refusals by the payload's form.
const (
	ReasonPayload      Reason = "payload_malformed" // no JSON object in UTF-8 within bounds, or a name given twice (RFC 8725, 3.7)
	ReasonTwin         Reason = "claim_twin"        // a name that equals a known claim but for its case
	ReasonClaimType    Reason = "claim_type"        // a claim of another JSON type, a number that is no plain integer, too long a list
	ReasonClaimMissing Reason = "claim_missing"     // a claim that the rules need
)

// Refusals by issuer, key and claims.
const (
	ReasonIssuer       Reason = "issuer_unknown"    // iss equals none that is configured
	ReasonKey          Reason = "key_unknown"       // the issuer publishes no such kid
	ReasonKeyIssuer    Reason = "key_issuer"        // the key may not sign for this issuer
	ReasonKeyAlgorithm Reason = "key_alg"           // the key is for another algorithm than the token's (RFC 8725, 3.1)
	ReasonSignature    Reason = "signature"         // not signed by that key
	ReasonLibrary      Reason = "oidc_library"      // go-oidc refused what our own rules let through
	ReasonVersion      Reason = "version"           // ver does not fit the issuer
	ReasonTenant       Reason = "tenant"            // tid is not the issuer's tenant
	ReasonAudience     Reason = "audience"          // aud holds no configured audience of the issuer
	ReasonExpired      Reason = "expired"           // exp + skew has come
	ReasonNotYet       Reason = "not_yet_valid"     // nbf - skew has not come
	ReasonFuture       Reason = "issued_in_future"  // iat - skew has not come
	ReasonLifetime     Reason = "lifetime"          // no positive life, or more than MaxLife
	ReasonIDToken      Reason = "id_token"          // an ID token, not an access token
	ReasonPurpose      Reason = "no_scope_no_role"  // neither scp nor roles: no access token for this API
	ReasonKind         Reason = "kind_contradicted" // idtyp, scp and user's names speak against each other
	ReasonUnspecified  Reason = "unspecified"       // what the zero Error says
)

// Outages: nothing is known about the token.
const (
	ReasonDiscovery Reason = "discovery_unavailable" // no usable discovery document
	ReasonKeys      Reason = "keys_unavailable"      // no usable keys
	ReasonCanceled  Reason = "canceled"              // the caller stopped waiting for the keys
)

// The two classes of an Error, for errors.Is.
var (
	// ErrRefused: the token is wrong, whoever asks and however often (401).
	ErrRefused = errors.New("token refused")
	// ErrUnavailable: discovery or keys could not be had, so that nothing can be
	// said about the token (500). It may succeed later.
	ErrUnavailable = errors.New("token not verifiable now")
)

// Error is what every function of this package that judges a token returns. It
// names the rule and holds nothing of the token and nothing that a provider
// sent, so that it may be logged.
type Error struct {
	Reason  Reason
	passing bool   // see Passing
	detail  string // text of our own, e.g. "status 503"
	cause   error  // a context's error, nothing else
}

// Error is the class, the reason and at times how a fetch went wrong.
func (e *Error) Error() string {
	s := e.class().Error() + ": " + string(e.reason())
	if e.detail != "" {
		s += " (" + e.detail + ")"
	}
	return s
}

// Is reports the class, ErrRefused or ErrUnavailable, and the Reason.
func (e *Error) Is(target error) bool { return target == e.class() || target == e.reason() }

// Passing reports a refusal that may be none in a moment, so that it must not be
// kept: the token's time comes yet, or its key was not asked for, since there is
// a limit on asking for unknown ones.
func (e *Error) Passing() bool {
	return e.passing || e.Reason == ReasonNotYet || e.Reason == ReasonFuture
}

// Unwrap is the context's error where a wait was cut short by one.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) reason() Reason {
	if e.Reason == "" {
		return ReasonUnspecified
	}
	return e.Reason
}

func (e *Error) class() error {
	switch e.Reason {
	case ReasonDiscovery, ReasonKeys, ReasonCanceled:
		return ErrUnavailable
	}
	return ErrRefused
}

// ReasonOf is the reason of an error of this package, "" for any other.
func ReasonOf(err error) Reason {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.reason()
}

func refuse(r Reason) error { return &Error{Reason: r} }
