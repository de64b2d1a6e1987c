package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/token"
)

// Question is one request to be explained: verified claims, and what they call.
type Question struct {
	Claims token.Claims
	API    mapping.API
	Method string
	Path   string // as in the request line, without stage and query
}

// Explanation is the answer to a Question, with the chain of why.
type Explanation struct {
	Allowed     bool
	Reason      Reason
	PrincipalID string
	Caller      mapping.Caller
	MethodARN   string
	Registered  bool           // the API and stage have a table
	Revision    store.Revision // of the table
	Trust       []mapping.Trust
	Trusted     bool // the table believes the caller's issuer and audience
	// Revoked says that tokens issued when this one was are revoked (Reason too):
	// they are refused as wrong ones are. Held and what follows it then says what
	// the caller would hold; there is no policy and no answer.
	Revoked bool
	// GroupsUnknown says that the token does not list its groups and that the
	// table has permissions that need one.
	GroupsUnknown bool
	Held          []mapping.Permission
	Readings      []mapping.Reading
	Route         string // the route that decided, "" if none
	// By lists the held permissions that the verdict rests on.
	By       []mapping.Permission
	Policy   policy.Document
	Verdict  policy.Decision // of the policy about this very request
	Answer   json.RawMessage // what API Gateway would get, minified; nil if that is an error
	Bytes    int             // of the answer, also of one that is too large
	MaxBytes int             // that it may have
	// Report reports on the compiled policy, without what this request adds to it.
	// On a large table that takes a while.
	Report func() policy.Report
}

// Explain decides as Invoke does for a REST TOKEN event, and says why. It writes
// no log line. The error is a [*Failure] where API Gateway would answer 500; of
// an answer that is too large the explanation comes with the error, without
// policy.
func (a *Authorizer) Explain(ctx context.Context, q Question) (Explanation, error) {
	arn := policy.ARN{API: q.API, Method: q.Method, Path: q.Path}.String()
	parsed, err := policy.ParseARN(arn)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain %q %q: %w", q.Method, q.Path, err)
	}
	if parsed.Method != q.Method {
		return Explanation{}, fmt.Errorf("explain %q %q: a method holds no slash", q.Method, q.Path)
	}
	d := &decision{known: newKnown(q.Claims), event: event{Shape: RESTToken, ARN: parsed, ARNText: arn}}
	d.begin(a.Now())
	err = a.read(ctx, d)
	var refused *refusal
	revoked := errors.As(err, &refused)
	if err != nil && !revoked {
		return Explanation{}, err
	}
	registered := d.reason != UnknownAPI
	if err := a.decide(d); err != nil {
		return Explanation{}, err
	}
	if revoked {
		x := a.explained(d, registered)
		x.Allowed, x.Revoked, x.Reason = false, true, Revoked
		return x, nil
	}
	answer, err := a.answer(d)
	if err != nil {
		return a.explained(d, registered), err
	}
	x := a.explained(d, registered)
	x.Answer = answer
	return x, x.readPolicy(d)
}

// explained gathers what was decided.
func (a *Authorizer) explained(d *decision, registered bool) Explanation {
	table, arn := d.served.Table, d.event.ARN
	caller := CallerOf(d.known.claims)
	deciding := table.Deciding(d.held, d.verdict, arn.Method, arn.Path)
	return Explanation{
		Allowed: d.verdict.Allowed, Reason: d.reason, PrincipalID: d.known.principal, Caller: caller,
		MethodARN: d.event.ARNText, Registered: registered, Revision: d.served.Revision,
		Trust: table.Trust(), Trusted: table.Trusts(caller), GroupsUnknown: d.grant.groupsUnknown,
		Held: table.Permissions(d.held), Readings: table.Readings(d.held, arn.Method, arn.Path),
		Route: routeName(d.verdict), By: table.Permissions(deciding), Bytes: d.bytes, MaxBytes: a.MaxBytes,
		Report: a.report(d),
	}
}

// report compiles for the report: what is remembered of policies has none.
func (a *Authorizer) report(d *decision) func() policy.Report {
	ready, held, at, budget := a.memory.prepared(d.served, d.event.ARN.API), d.held, d.start, d.grant.budget
	return func() policy.Report { return ready.Compile(held, at, budget).Report() }
}

// readPolicy takes the policy out of the answer, so that what is shown is what
// API Gateway gets, and evaluates it.
func (x *Explanation) readPolicy(d *decision) error {
	var out answer
	if err := json.Unmarshal(x.Answer, &out); err != nil {
		return failure(Internal, err)
	}
	x.Policy = out.PolicyDocument
	x.Verdict = policy.Evaluate(x.Policy, x.MethodARN, d.start, netip.Addr{})
	return nil
}
