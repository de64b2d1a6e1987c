package authorizer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	memory    *memory
	decisions sync.Pool // of *decision
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
	memory, err := newMemory(c.Remembered)
	if err != nil {
		return nil, fmt.Errorf("make the authorizer: %w", err)
	}
	return &Authorizer{Config: c, memory: memory, decisions: sync.Pool{New: func() any { return new(decision) }}}, nil
}

// Invoke answers one event. The error "Unauthorized" makes API Gateway answer
// 401; any other one 500. The answer is the caller's own; of the event nothing is
// kept, whatever becomes of its bytes afterwards. A call whose token and table are
// known allocates its answer and nothing else.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) (out []byte, err error) {
	d, _ := a.decisions.Get().(*decision)
	d.begin(a.Now())
	defer func() {
		// A bug is a failure, and must end this request only.
		if p := recover(); p != nil {
			out, err = nil, failure(Internal, fmt.Errorf("panic: %v", p))
		}
		err = a.log(d, err)
		d.end()
		a.decisions.Put(d)
	}()
	if out, err = a.authorize(ctx, payload, d); err != nil {
		return a.refused(d, err)
	}
	return out, nil
}

func (a *Authorizer) authorize(ctx context.Context, payload []byte, d *decision) ([]byte, error) {
	err := d.event.read(payload, &d.reader)
	d.requestID = requestID(ctx, &d.event)
	if err != nil {
		return nil, failure(BadEvent, err)
	}
	d.event.ARN.API = a.memory.api(d.event.ARN.API)
	if a.Simple && d.event.Shape != HTTP2 {
		return nil, failure(SimplePayload, nil)
	}
	if err := a.verify(ctx, d); err != nil {
		return nil, err
	}
	if err := a.read(ctx, d); err != nil {
		return nil, err
	}
	if err := a.decide(d); err != nil {
		return nil, err
	}
	if a.Simple {
		return a.answerSimple(d)
	}
	return a.answer(d)
}

// refused tells a token that was refused, which may have an answer, from a failure.
func (a *Authorizer) refused(d *decision, err error) ([]byte, error) {
	var refused *refusal
	if errors.As(err, &refused) {
		return a.refuse(d, refused)
	}
	return nil, err
}

// read gets the table and asks whether the token was revoked since it was issued,
// which no memory of tokens knows. An API without a table is no error.
func (a *Authorizer) read(ctx context.Context, d *decision) error {
	a.Revocations.Refresh(ctx) // side by side with the table, where both must be read
	var err error
	if d.served, err = a.Tables.Table(ctx, d.event.ARN.API); err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			return failure(TableUnavailable, err)
		}
		d.served = store.Served{Table: &mapping.Table{}, How: store.Hit}
		d.reason = UnknownAPI
	}
	revoked, err := a.Revocations.Revoked(ctx, d.known.principal, d.known.claims.IssuedAt)
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
		d.known, d.tokenHit, err = memory.verify(ctx, raw)
	} else {
		d.known, err = verifyAnew(ctx, a.Verifier, raw)
	}
	if err != nil {
		return ofToken(err)
	}
	return nil
}

// verifyAnew verifies a token that is not remembered.
func verifyAnew(ctx context.Context, v Verifier, raw string) (*known, error) {
	claims, err := v.Verify(ctx, strings.Clone(raw)) // which may be a view
	if err != nil {
		return nil, err
	}
	return newKnown(claims), nil
}

// decide finds what the caller holds and what that says about the request.
func (a *Authorizer) decide(d *decision) (err error) {
	if d.grant, err = a.grantOf(d); err != nil {
		return err
	}
	table, arn := d.served.Table, &d.event.ARN
	d.held = d.grant.held
	d.verdict = table.Decide(d.held, arn.Method, arn.Path)
	if d.verdict.Allowed && a.mismatch(table, &d.event, d.verdict) {
		d.verdict.Allowed = false
		d.reason = TemplateMismatch
	}
	switch {
	case d.reason != "":
	case !d.verdict.Allowed && !d.grant.trusted:
		d.reason = Untrusted
	default:
		d.reason = Reason(d.verdict.Reason)
	}
	if a.RouteScope {
		d.held = table.Deciding(d.held, d.verdict, arn.Method, arn.Path)
	}
	return nil
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
	g, request := d.grant, a.request(d)
	budget := g.budget
	kept := a.policyOf(d)
	if kept.TooLarge() {
		d.bytes = kept.Least() + a.MaxBytes - budget
		return nil, failure(TooLarge, nil)
	}
	d.document = kept.Append(d.document[:0], request)
	for range mostTries {
		if d.size(a.MaxBytes) <= a.MaxBytes {
			break
		}
		// What this request adds is too much: its own Deny, or that of all that is
		// not allowed. The rest may be made smaller for it.
		budget = max(1, (budget-d.size(a.MaxBytes)+a.MaxBytes)/budgetStep*budgetStep)
		kept = a.compile(d, budget)
		d.document = kept.Append(d.document[:0], request)
	}
	denyAll := d.size(a.MaxBytes) > a.MaxBytes && !d.verdict.Allowed
	if denyAll {
		d.document = policy.AppendDenyAll(d.document[:0])
	}
	out := d.write(a.MaxBytes)
	d.bytes = len(out)
	if len(out) > a.MaxBytes {
		return nil, failure(TooLarge, nil)
	}
	if denyAll {
		return out, nil
	}
	return out, d.check(kept.Decide(request, d.start))
}

// mostTries bounds the attempts to make room for what one request adds.
const mostTries = 2

func (a *Authorizer) request(d *decision) policy.Request {
	r := policy.Request{ARN: d.event.ARNText, Denied: !d.verdict.Allowed, End: d.known.claims.End, ExplicitDeny: a.ExplicitDeny}
	if a.NoExpiry {
		r.End = time.Time{}
	}
	return r
}

// after is what follows the document: scopes and roles are left out of the context
// if the answer would be larger than most with them. (A short list is shorter than
// the word that it was left out.)
func (d *decision) after(most int) []byte {
	g := d.grant
	if len(g.before)+len(d.document)+len(g.after) > most {
		return g.short(d.known)
	}
	return g.after
}

// size is the answer's, in bytes.
func (d *decision) size(most int) int {
	return len(d.grant.before) + len(d.document) + len(d.after(most))
}

// write makes the answer, which is nobody else's.
func (d *decision) write(most int) []byte {
	out := make([]byte, 0, d.size(most))
	out = append(out, d.grant.before...)
	out = append(out, d.document...)
	return append(out, d.after(most)...)
}

// check compares with what API Gateway will make of the finished policy. What
// Permits denies must never be allowed by it, whatever went wrong in between.
func (d *decision) check(by policy.Decision) error {
	allowed := by == policy.Allowed
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

func requestID(ctx context.Context, e *event) string {
	if e.RequestID != "" {
		return e.RequestID
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
