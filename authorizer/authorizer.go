package authorizer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/zap"

	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/token"
)

// Tables serves the table of an API: [store.Cache].
type Tables interface {
	Table(ctx context.Context, api mapping.API) (store.Served, error)
}

// Revocations knows whose tokens were revoked: [store.RevocationCache].
type Revocations interface {
	// Refresh starts what Revoked would have to wait for, and does not wait.
	Refresh(ctx context.Context)
	// Revoked reports whether a principal's token, issued at a time, was revoked.
	// Any error is an outage.
	Revoked(ctx context.Context, principalID string, issuedAt time.Time) (bool, error)
}

// Config puts an Authorizer together.
type Config struct {
	Verifier    Verifier
	Tables      Tables
	Revocations Revocations
	Log         *zap.Logger      // one line per decision
	Now         func() time.Time // nil means time.Now

	DenyInvalidToken bool // answer a refused token with deny-all, not with 401
	Simple           bool // answer HTTP API events of payload 2.0 with true or false
	MaxBytes         int  // of the whole minified answer; 0 means DefaultMaxBytes
	NoExpiry         bool // leave conditions on time out of the policy
	RouteScope       bool // answer for the called route only
	ExplicitDeny     bool // deny explicitly whatever is not allowed
	Remembered       int  // compiled policies kept; 0 means 1024
}

// DefaultMaxBytes is API Gateway's documented limit on an authorizer's result
// (AWS: "Amazon API Gateway quotas").
const DefaultMaxBytes = 8192

// Authorizer answers events. It is a lambda.Handler, and may be used from
// several goroutines.
type Authorizer struct {
	Config
	compiled *memory
}

// New makes an Authorizer. It reads nothing yet.
func New(c Config) (*Authorizer, error) {
	if c.Verifier == nil || c.Tables == nil || c.Revocations == nil || c.Log == nil {
		return nil, errors.New("make the authorizer: needs a verifier, tables, revocations and a log")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Remembered == 0 {
		c.Remembered = 1024
	}
	compiled, err := newMemory(c.Remembered)
	if err != nil {
		return nil, fmt.Errorf("make the authorizer: %w", err)
	}
	return &Authorizer{Config: c, compiled: compiled}, nil
}

// Invoke answers one event. The error "Unauthorized" makes API Gateway answer
// 401; any other one 500.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) (out []byte, err error) {
	d := &decision{start: a.Now()}
	defer func() {
		// A bug is a failure, and must end this request only.
		if p := recover(); p != nil {
			out, err = nil, failure(Internal, fmt.Errorf("panic: %v", p))
		}
		err = a.log(d, err)
	}()
	return a.authorize(ctx, payload, d)
}

func (a *Authorizer) authorize(ctx context.Context, payload []byte, d *decision) ([]byte, error) {
	e, err := parseEvent(payload)
	d.event, d.requestID = e, requestID(ctx, e)
	if err != nil {
		return nil, failure(BadEvent, err)
	}
	if a.Simple && e.Shape != HTTP2 {
		return nil, failure(SimplePayload, nil)
	}
	if err = a.verify(ctx, d); err == nil {
		err = a.read(ctx, d)
	}
	var refused *refusal
	if errors.As(err, &refused) {
		return a.refuse(d, refused)
	}
	if err != nil {
		return nil, err
	}
	a.decide(d)
	if a.Simple {
		return a.answerSimple(d)
	}
	return a.answer(d)
}

// read gets the table and asks whether the token was revoked since it was issued,
// which no memory of tokens knows. An API without a table is no error.
func (a *Authorizer) read(ctx context.Context, d *decision) error {
	a.Revocations.Refresh(ctx) // side by side with the table, where both must be read
	var err error
	d.served, err = a.Tables.Table(ctx, d.event.ARN.API)
	switch {
	case errors.Is(err, store.ErrNotFound):
		d.served = store.Served{Table: &mapping.Table{}, How: store.Hit}
		d.reason = UnknownAPI
	case err != nil:
		return failure(TableUnavailable, err)
	}
	revoked, err := a.Revocations.Revoked(ctx, d.principal, d.claims.IssuedAt)
	switch {
	case err != nil:
		return failure(RevocationsUnavailable, err)
	case revoked:
		// API Gateway may keep this refusal where it is a policy
		// (DenyInvalidToken): the token stays refused for as long as it lives, but
		// for the revocation being taken back, and that empties the caches.
		return &refusal{reason: Revoked}
	}
	return nil
}

// verify takes the token out of the event and verifies it.
func (a *Authorizer) verify(ctx context.Context, d *decision) error {
	if len(d.event.Authorization) > 1 {
		return &refusal{reason: ManyTokens}
	}
	header := ""
	if len(d.event.Authorization) == 1 {
		header = d.event.Authorization[0]
	}
	raw, err := token.Bearer(header)
	if err != nil {
		return ofToken(err)
	}
	// A cache that is keyed by something else would hand one caller's answer to
	// another.
	if !d.event.cachedBy(header) {
		return failure(BadSource, nil)
	}
	if memory, ok := a.Verifier.(*remembering); ok {
		d.claims, d.tokenHit, err = memory.verify(ctx, raw)
	} else {
		d.claims, err = a.Verifier.Verify(ctx, raw)
	}
	if err != nil {
		return ofToken(err)
	}
	d.principal = d.claims.PrincipalID()
	return nil
}

// decide finds what the caller holds and what that says about the request.
func (a *Authorizer) decide(d *decision) {
	table, arn := d.served.Table, d.event.ARN
	caller := CallerOf(d.claims)
	d.held = table.Held(caller, d.start)
	d.groupsUnknown = table.MissesGroups(caller)
	d.verdict = table.Decide(d.held, arn.Method, arn.Path)
	if d.verdict.Allowed && mismatch(table, d.event, d.verdict) {
		d.verdict.Allowed = false
		d.reason = TemplateMismatch
	}
	switch {
	case d.reason != "":
	case !d.verdict.Allowed && !table.Trusts(caller):
		d.reason = Untrusted
	default:
		d.reason = Reason(d.verdict.Reason)
	}
	if a.RouteScope {
		d.held = table.Deciding(d.held, d.verdict, arn.Method, arn.Path)
	}
}

// CallerOf is the caller that verified claims speak of.
func CallerOf(c token.Claims) mapping.Caller {
	kind := map[token.Kind]mapping.PrincipalType{token.KindUser: mapping.User, token.KindApp: mapping.App}
	return mapping.Caller{
		Issuer: c.Issuer, Tenant: c.TenantID, Audience: c.Audience, PrincipalType: kind[c.Kind],
		Scopes: c.Scopes, Roles: c.Roles, Groups: c.Groups, GroupsUnknown: c.GroupsUnknown,
	}
}

// answer writes the IAM form.
func (a *Authorizer) answer(d *decision) ([]byte, error) {
	budget := a.budget(d)
	compiled := a.compile(d, budget)
	if compiled.TooLarge() {
		d.bytes = compiled.Least() + a.MaxBytes - budget
		return nil, failure(TooLarge, nil)
	}
	doc := compiled.Document(a.request(d))
	out, err := a.writeWithin(d, doc)
	for range mostTries {
		if err != nil || len(out) <= a.MaxBytes {
			break
		}
		// What this request adds is too much: its own Deny, or that of all that is
		// not allowed. The rest may be made smaller for it.
		budget = max(1, (budget-len(out)+a.MaxBytes)/budgetStep*budgetStep)
		doc = a.compile(d, budget).Document(a.request(d))
		out, err = a.writeWithin(d, doc)
	}
	if err == nil && len(out) > a.MaxBytes && !d.verdict.Allowed {
		doc = policy.DenyAll()
		out, err = a.writeWithin(d, doc)
	}
	d.bytes = len(out)
	switch {
	case err != nil:
		return nil, failure(Internal, err)
	case len(out) > a.MaxBytes:
		return nil, failure(TooLarge, nil)
	}
	return out, a.check(d, doc)
}

// mostTries bounds the attempts to make room for what one request adds.
const mostTries = 2

func (a *Authorizer) request(d *decision) policy.Request {
	r := policy.Request{ARN: d.event.ARNText, Denied: !d.verdict.Allowed, End: d.claims.End, ExplicitDeny: a.ExplicitDeny}
	if a.NoExpiry {
		r.End = time.Time{}
	}
	return r
}

// writeWithin leaves scopes and roles out of the context if the answer is too
// large with them.
func (a *Authorizer) writeWithin(d *decision, doc policy.Document) ([]byte, error) {
	out, err := a.write(d, doc, true)
	if err == nil && len(out) > a.MaxBytes {
		return a.write(d, doc, false)
	}
	return out, err
}

func (a *Authorizer) write(d *decision, doc policy.Document, grants bool) ([]byte, error) {
	return marshal(answer{
		PrincipalID:    d.principal,
		PolicyDocument: doc,
		Context:        contextOf(d.claims, d.served.Revision.String(), grants),
	})
}

// check reads the finished policy as API Gateway will. What Permits denies must
// never be allowed by it, whatever went wrong in between.
func (a *Authorizer) check(d *decision, doc policy.Document) error {
	allowed := policy.Evaluate(doc, d.event.ARNText, d.start, netip.Addr{}) == policy.Allowed
	switch {
	case allowed && !d.verdict.Allowed:
		return failure(Unsound, nil)
	case !allowed && d.verdict.Allowed:
		d.verdict.Allowed = false
		d.reason = Collision
	}
	return nil
}

// refuse answers a token that was refused.
func (a *Authorizer) refuse(d *decision, r *refusal) ([]byte, error) {
	d.reason, d.refused = r.reason, true
	// API Gateway keeps a policy for its TTL, but never a 401: what may be
	// otherwise in a moment must not shut its caller out for an hour.
	if !a.DenyInvalidToken || r.passing {
		return nil, errUnauthorized
	}
	if a.Simple {
		return marshal(simpleAnswer{})
	}
	return marshal(answer{PrincipalID: anonymous, PolicyDocument: policy.DenyAll()})
}

func requestID(ctx context.Context, e event) string {
	if e.RequestID != "" {
		return e.RequestID
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
