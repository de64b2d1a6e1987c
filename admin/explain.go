package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"scopegate/authorizer"
	"scopegate/internal/explain"
	"scopegate/internal/reasons"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/token"
)

func (s *service) registerExplain(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "explain", Method: http.MethodPost, Path: "/v1/explain", Summary: "Whether a call is allowed, and why",
		Description: "Decides as the authorizer does, about the table as it is now. The caller is that of a token, which is verified as callers' tokens are, " +
			"or of claims, which are believed and read as those of a token are; claims that are missing are those of a caller whom the table trusts. " +
			"Nothing of the token is repeated or logged. For admins and owners of the table.",
		// What is wrong is told by the handler: huma would repeat the values, and one
		// of them is a token.
		SkipValidateBody: true,
	}, forItems), s.explain)
}

type explainInput struct{ Body Question }

// Question is a call to be explained, unread.
type Question struct{ raw json.RawMessage }

// UnmarshalJSON implements json.Unmarshaler.
func (q *Question) UnmarshalJSON(b []byte) error {
	q.raw = append(q.raw[:0], b...)
	return nil
}

// MarshalJSON implements json.Marshaler: a question is never written.
func (Question) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// Schema implements huma.SchemaProvider.
func (Question) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"arn", "stage", "method", "path"},
		Properties: map[string]*huma.Schema{
			"arn":    text("ARN of the API, without stage"),
			"stage":  text("stage, case-sensitive"),
			"method": text("of the request line, in the case in which it is sent; $connect for WebSocket APIs"),
			"path":   text("of the request line, without stage and query, undecoded; empty for $connect"),
			"token":  {Type: huma.TypeString, Description: "an access token of a caller, without Bearer", WriteOnly: true},
			"claims": {Type: huma.TypeObject, AdditionalProperties: true, Description: "claims as they stand in a token, instead of one"},
		},
	}
}

// question is a Question that was read.
type question struct {
	api          mapping.API
	method, path string
	token        string
	claims       string // members of the object; "" with a token
}

// read takes a question apart. No fault repeats a value: it may be a token, and
// in the wrong place.
func (q Question) read() (question, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(q.raw, &members); err != nil || members == nil {
		return question{}, invalid(&huma.ErrorDetail{Location: "body", Message: "must be an object"})
	}
	r := bodyReader{members: members}
	arn, stage := r.text("arn", true), r.text("stage", true)
	out := question{method: r.text("method", true), path: r.text("path", true), token: r.text("token", false)}
	out.claims = r.claims()
	r.rest()
	_, hasToken := members["token"]
	_, hasClaims := members["claims"]
	switch {
	case hasToken == hasClaims:
		r.fault("", "must give token or claims, one of them")
	case hasToken && strings.TrimSpace(out.token) == "":
		r.fault("token", "must not be empty")
	}
	if len(r.faults) > 0 {
		return out, invalid(r.faults...)
	}
	var err error
	if out.api, err = mapping.ParseAPI(arn, stage); err != nil {
		return out, invalid(detail("body", err))
	}
	return out, out.check()
}

// check finds paths that no request line has, and methods.
func (q question) check() error {
	connect := q.method == string(mapping.Connect)
	at, message := "", ""
	switch {
	case connect && q.path != "":
		at, message = "path", "must be empty for $connect"
	case q.method == "" || strings.Contains(q.method, "/"):
		at, message = "method", "must be a method, which holds no slash"
	case !connect && !strings.HasPrefix(q.path, "/"):
		at, message = "path", "must begin with /"
	case strings.Contains(q.path, "?"):
		at, message = "path", "must end before the ?: the query is no part of what is authorized"
	default:
		return nil
	}
	return invalid(&huma.ErrorDetail{Location: "body." + at, Message: message})
}

// bodyReader reads members of an object and notes what is wrong with them, never
// what stands there.
type bodyReader struct {
	members map[string]json.RawMessage
	faults  []error
}

func (r *bodyReader) fault(name, message string) {
	at := "body"
	if name != "" {
		at += "." + name
	}
	r.faults = append(r.faults, &huma.ErrorDetail{Location: at, Message: message})
}

func (r *bodyReader) text(name string, required bool) (s string) {
	raw, ok := r.members[name]
	switch {
	case !ok && required:
		r.fault(name, "must be given")
	case ok && (raw[0] != '"' || json.Unmarshal(raw, &s) != nil):
		r.fault(name, "must be a string")
	}
	return s
}

func (r *bodyReader) claims() string {
	raw, ok := r.members["claims"]
	if !ok {
		return ""
	}
	members, err := explain.Members(raw)
	if err != nil {
		r.fault("claims", "must be an object of claims")
	}
	return members
}

// rest notes members that there are not.
func (r *bodyReader) rest() {
	for name := range r.members {
		switch name {
		case "arn", "stage", "method", "path", "token", "claims":
		default:
			r.fault("", "must hold arn, stage, method, path and token or claims alone")
			return
		}
	}
}

// Explanation is why a call is allowed, or not.
type Explanation struct {
	Decision    string               `json:"decision" enum:"allow,deny,unauthorized,error" doc:"What API Gateway makes of it: 2xx, 403, 401 (with INVALID_TOKEN=deny 403), 500"`
	Reason      string               `json:"reason"`
	Meaning     string               `json:"meaning" doc:"Of the reason, for people"`
	PrincipalID string               `json:"principalId,omitempty"`
	Revision    string               `json:"revision" doc:"Of the table, none if there is none"`
	Trusted     bool                 `json:"trusted" doc:"Whether the table believes the caller's issuer and audience"`
	GroupsUnkn  bool                 `json:"groupsUnknown,omitempty" doc:"The table has permissions that need a group, and the token does not list the caller's"`
	Held        []mapping.Permission `json:"held" nullable:"false"`
	Route       string               `json:"route,omitempty" doc:"The route that decided"`
	By          []mapping.Permission `json:"by" nullable:"false" doc:"The held permissions that the decision rests on"`
	MethodARN   string               `json:"methodArn,omitempty"`
	Policy      json.RawMessage      `json:"policy,omitempty" doc:"The policy document that API Gateway gets"`
	Bytes       int                  `json:"bytes" doc:"Of the authorizer's whole answer, also of one that is too large"`
	MaxBytes    int                  `json:"maxBytes,omitempty"`
	Collisions  []policy.Collision   `json:"collisions" nullable:"false" doc:"Paths that are permitted and that the caller's policy denies"`
	Unguarded   []policy.Unguarded   `json:"unguarded" nullable:"false" doc:"Paths of no known route that the caller's policy allows"`
}

type explainOutput struct{ Body Explanation }

// decisions about a call.
const (
	allowed      = "allow"
	denied       = "deny"
	unauthorized = "unauthorized"
	failed       = "error"
)

func (s *service) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	q, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	table, err := s.explained(ctx, q.api)
	if err != nil {
		return nil, err
	}
	claims, err := s.callerOf(ctx, q, table)
	if errors.Is(err, token.ErrRefused) {
		return refusedToken(string(token.ReasonOf(err))), nil
	}
	if err != nil {
		return nil, err
	}
	a, err := s.explaining().Authorizer(table, s.revocationsFor(ctx, q))
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	x, err := a.Explain(ctx, authorizer.Question{Claims: claims, API: q.api, Method: q.method, Path: q.path})
	var failure *authorizer.Failure
	switch {
	case explain.TooLarge(err):
		x.Reason = authorizer.TooLarge
		return explanationOf(x, failed)
	case errors.As(err, &failure):
		return nil, s.problem(ctx, err)
	case err != nil: // names what was asked
		return nil, invalid(&huma.ErrorDetail{Location: "body", Message: "method and path must make the ARN of a request"})
	case x.Revoked:
		return explanationOf(x, unauthorized)
	case x.Allowed:
		return explanationOf(x, allowed)
	}
	return explanationOf(x, denied)
}

// revocationsFor is whose tokens were revoked, as far as the caller may learn it:
// admins everything, others what becomes of a token that they hold. Of claims that
// they make up it would tell them of anybody.
func (s *service) revocationsFor(ctx context.Context, q question) store.RevocationReader {
	if q.token == "" && !s.isAdmin(ctx) {
		return nil
	}
	return s.Store
}

// explaining are the authorizer's settings as far as they decide.
func (s *service) explaining() explain.Settings {
	x := s.Explain
	x.Now = s.Now
	return x
}

// explained reads a table anew, for who has rights on it. To admins one that is
// not registered is explained as the authorizer has it.
func (s *service) explained(ctx context.Context, api mapping.API) (explain.Table, error) {
	t, _, err := s.load(ctx, api)
	switch {
	case isStatus(err, http.StatusNotFound): // admins alone are told
		err = store.ErrNotFound
	case err != nil:
		return explain.Table{}, err
	}
	table, err := s.explaining().TableOf(t, err)
	if err != nil {
		return table, s.problem(ctx, err)
	}
	return table, nil
}

// callerOf are the claims of who makes the call. The error wraps token.ErrRefused,
// or is the answer to give.
func (s *service) callerOf(ctx context.Context, q question, table explain.Table) (token.Claims, error) {
	if q.token == "" {
		return s.believed(ctx, q, table)
	}
	if s.Callers == nil {
		return token.Claims{}, invalid(&huma.ErrorDetail{Location: "body.token", Message: "cannot be judged: whose tokens the authorizer takes is not set here (ENTRA_TENANT_IDS or OIDC_ISSUERS, OIDC_AUDIENCES); give claims"})
	}
	claims, err := s.Callers.Verify(ctx, strings.TrimSpace(q.token))
	if err != nil && !errors.Is(err, token.ErrRefused) {
		s.Log.Error("caller's token not verifiable", zap.String("requestId", requestID(ctx)), zap.Error(err))
		return claims, retryLater(huma.NewError(http.StatusServiceUnavailable, "the token cannot be verified now"))
	}
	return claims, err
}

func (s *service) believed(ctx context.Context, q question, table explain.Table) (token.Claims, error) {
	claims, err := s.explaining().Believe(ctx, table.Trust[0], q.claims)
	switch {
	case err == nil || errors.Is(err, token.ErrRefused):
		return claims, err
	case errors.Is(err, explain.ErrNoAudience):
		return claims, invalid(&huma.ErrorDetail{Location: "body.claims.aud", Message: "must be given: the table trusts the first tenant's tokens, whose audiences are not known here"})
	case errors.Is(err, explain.ErrIssuer):
		return claims, invalid(&huma.ErrorDetail{Location: "body.claims.iss", Message: "must be the issuer of tokens"})
	}
	return claims, s.problem(ctx, err)
}

// refusedToken is why a token opens nothing at all.
func refusedToken(reason string) *explainOutput {
	return &explainOutput{Explanation{
		Decision: unauthorized, Reason: reason, Meaning: reasons.Of(reason), Revision: store.Revision{}.String(),
		Held: []mapping.Permission{}, By: []mapping.Permission{}, Collisions: []policy.Collision{}, Unguarded: []policy.Unguarded{},
	}}
}

func explanationOf(x authorizer.Explanation, decision string) (*explainOutput, error) {
	out := &explainOutput{Explanation{
		Decision: decision, Reason: string(x.Reason), Meaning: reasons.Of(string(x.Reason)), PrincipalID: x.PrincipalID,
		Revision: x.Revision.String(), Trusted: x.Trusted, GroupsUnkn: x.GroupsUnknown,
		Held: orEmpty(x.Held), Route: x.Route, By: orEmpty(x.By), MethodARN: x.MethodARN, Bytes: x.Bytes, MaxBytes: x.MaxBytes,
		Collisions: []policy.Collision{}, Unguarded: []policy.Unguarded{},
	}}
	if decision == failed || decision == unauthorized {
		return out, nil // there is no policy
	}
	report := x.Report()
	out.Body.Collisions, out.Body.Unguarded = orEmpty(report.Collisions), orEmpty(report.Unguarded)
	var err error
	out.Body.Policy, err = plainJSON(x.Policy)
	return out, err
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
