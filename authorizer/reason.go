package authorizer

import (
	"errors"

	"scopegate/token"
)

// Reason says why a decision came out as it did. The set is fixed: reasons of
// [mapping.Verdict] and of the token package, and these.
type Reason string

// Reasons of the pipeline itself.
const (
	// Denied.
	UnknownAPI       Reason = "unknown_api"       // no table for this API and stage
	Untrusted        Reason = "untrusted"         // the table does not trust the token's issuer or audience
	TemplateMismatch Reason = "template_mismatch" // API Gateway chose another known route than Permits
	Collision        Reason = "collision"         // permitted, but a necessary Deny matches the path too

	// Refused, beside the reasons of the token package.
	ManyTokens Reason = "several_authorization_values"
	Revoked    Reason = "revoked" // the principal's tokens of before a time are

	// Failed.
	BadEvent         Reason = "bad_event"
	BadSource        Reason = "token_not_in_identity_source"
	KeysUnavailable  Reason = "keys_unavailable"
	TableUnavailable Reason = "table_unavailable"
	// RevocationsUnavailable: it is not known whose tokens were revoked.
	RevocationsUnavailable Reason = "revocations_unavailable"

	TooLarge      Reason = "policy_too_large"
	Unsound       Reason = "policy_unsound"
	SimplePayload Reason = "simple_response_needs_payload_2.0"
	SimpleSource  Reason = "simple_response_needs_route_key_in_identity_source"
	SimplePartial Reason = "simple_response_needs_whole_route_key"
	Internal      Reason = "internal_error"
)

// errUnauthorized makes API Gateway answer 401: it compares this exact string,
// so the error is never wrapped.
var errUnauthorized = errors.New("Unauthorized") //nolint:staticcheck // ST1005: the capital is API Gateway's

// Failure is the error of a request that could not be decided: 500, and not
// cached. Its text is constant for each reason, since it leaves the function;
// the cause is for the log.
type Failure struct {
	Reason Reason
	cause  error
}

// Error is the reason alone.
func (f *Failure) Error() string { return "scopegate: " + string(f.Reason) }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.cause }

func failure(r Reason, cause error) error { return &Failure{Reason: r, cause: cause} }

// refusal is a token that was refused. It never leaves the package.
type refusal struct {
	reason  Reason
	passing bool // it may be none in a moment
}

func (r *refusal) Error() string { return string(r.reason) }

// ofToken sorts an error of the token package: wrong token, or outage.
func ofToken(err error) error {
	switch {
	case errors.Is(err, token.ErrRefused):
		var e *token.Error
		return &refusal{Reason(token.ReasonOf(err)), errors.As(err, &e) && e.Passing()}
	case errors.Is(err, token.ErrUnavailable):
		return failure(KeysUnavailable, err)
	}
	return failure(Internal, err)
}
