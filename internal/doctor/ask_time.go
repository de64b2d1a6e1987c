package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"scopegate/internal/probe"
)

// ttlSetting is what an API's authorizer is set up with (AWS: authorizerResultTtlInSeconds
// of AWS::ApiGateway::Authorizer and AWS::ApiGatewayV2::Authorizer).
const ttlSetting = "authorizerResultTtlInSeconds"

// errNotCached is the answer to what only a cached policy can tell.
var errNotCached = errors.New("the authorizer was asked again although the answer is to be kept (" + ttlSetting + " of the probe API is 300): ask again, on an API that nobody else calls")

func cacheQuestions() []question {
	return []question{
		{
			check: "cache", expected: always("a token's second request is answered from the cache, on another route too"),
			about:       "is an answer kept, for every method and path [D,U]",
			consequence: "every request costs a call of the authorizer; where the TTL of this API is not 0, questions about cached policies may stay open",
			change:      ttlSetting + ": above 0", harmless: true, ask: askCache,
		},
		{
			check: "errors-cached", expected: always("an authorizer's error is not kept"),
			about:       "is an error kept [U]",
			consequence: "an outage of a second refuses its callers for as long as the TTL", change: ttlSetting + ": shorter",
			ask: askKept(probe.Error),
		},
		{
			check: "401-cached", expected: always("a 401 is not kept"),
			about:       "is a 401 kept [U]",
			consequence: "a token that becomes valid in a moment is refused for as long as the TTL", change: ttlSetting + ": shorter",
			ask: askKept(probe.Unauthorized),
		},
		{
			check: "deny-cached", expected: always("a policy that denies is kept"),
			about:       "is a deny kept [U]",
			consequence: "denied callers cost a call of the authorizer each time, and a grant counts for them at once",
			change:      "none: Scopegate is right either way", harmless: true, ask: askDenyKept,
		},
	}
}

func askCache(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	with := plan(allow("*"))
	first, err := p.get(ctx, with, "/probe/a")
	if err != nil {
		return failed(err), nil
	}
	second, err := p.get(ctx, with, "/probe/b")
	switch {
	case err != nil:
		return failed(err), nil
	case first.status != http.StatusOK || second.status != http.StatusOK:
		return failed(fmt.Errorf("the answers are %s and %s", first, second)), nil
	case first.call != second.call:
		return q.otherwise("the authorizer was asked again"), nil
	}
	p.keeps = true
	return fine("one call of the authorizer answered both"), nil
}

// switching is a plan that gives one answer for span, and then allows everything.
func (p *prober) switching(first probe.Answer) probe.Plan {
	with := plan(allow("*"))
	with.First, with.Then = first, p.then()
	return with
}

// askKept asks for a failure, and once more when the function would allow.
func askKept(first probe.Answer) func(context.Context, *prober, question) (verdict, func(context.Context) verdict) {
	return func(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
		with := p.switching(first)
		before, err := p.send(ctx, with, "/probe/kept") // its own failure may be any status
		if err != nil {
			return failed(err), nil
		}
		if before.status == http.StatusOK {
			return failed(fmt.Errorf("the first answer is %s, the probe's clock cannot be told", before)), nil
		}
		return verdict{}, func(ctx context.Context) verdict {
			after, err := p.send(ctx, with, "/probe/kept")
			switch {
			case err != nil:
				return failed(err)
			case after.status == http.StatusOK && !p.keeps: // nothing is, whatever it is
				return failed(errNotCached)
			case after.status == http.StatusOK:
				return fine(fmt.Sprintf("%d, then 200", before.status))
			case after.status != before.status:
				return failed(fmt.Errorf("%s, then %s", before, after))
			}
			return q.otherwise(fmt.Sprintf("%d, and %s when the authorizer would allow", before.status, after))
		}
	}
}

func askDenyKept(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	with := p.switching(probe.DenyAll)
	before, err := p.get(ctx, with, "/probe/kept")
	if err != nil {
		return failed(err), nil
	}
	if before.status != http.StatusForbidden {
		return failed(fmt.Errorf("the first answer is %s, must be 403", before)), nil
	}
	return verdict{}, func(ctx context.Context) verdict {
		after, err := p.get(ctx, with, "/probe/kept")
		switch {
		case err != nil:
			return failed(err)
		case after.status == http.StatusOK && !p.keeps:
			return failed(errNotCached)
		case after.status == http.StatusOK:
			return q.otherwise("403, then 200")
		case after.status != http.StatusForbidden:
			return failed(fmt.Errorf("the second answer is %s, must be 403 or 200", after))
		}
		return fine("403, and 403 when the authorizer would allow")
	}
}

func timeQuestions() []question {
	return []question{
		{
			check: "date-allow", expected: always("an Allow with DateLessThan aws:CurrentTime ends at its time, in a cached policy too"),
			about:       "is a date condition judged anew on a cache hit [nobody has published a proof]",
			consequence: "a cached policy outlives its token and permissions with expiresAt, for as long as the TTL",
			change:      ttlSetting + ": as short as that may be; POLICY_EXPIRY=off saves the conditions' bytes", ask: askDateAllow,
		},
		{
			check: "date-deny", expected: always("a Deny with DateGreaterThanEquals aws:CurrentTime begins at its time, in a cached policy too"),
			about:       "the same of what stands for permissions with expiresAt",
			consequence: "what a permission with expiresAt opened stays open for as long as the TTL",
			change:      ttlSetting + ": as short as that may be", ask: askDateDeny,
		},
	}
}

func askDateAllow(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	ending := allow("*")
	ending.Until = span
	with := plan(ending)
	before, err := p.get(ctx, with, "/probe/date")
	if err != nil {
		return failed(err), nil
	}
	if before.status != http.StatusOK {
		return found(before.String()+" before its time", "an Allow with a date allows nothing: every call is denied", "POLICY_EXPIRY=off"), nil
	}
	return verdict{}, afterItsTime(p, q, with, before)
}

func askDateDeny(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	beginning := deny("GET/probe/date")
	beginning.From = span
	with := plan(allow("*"), beginning)
	before, err := p.get(ctx, with, "/probe/date")
	if err != nil {
		return failed(err), nil
	}
	if before.status != http.StatusOK {
		return found(before.String()+" before its time", "a Deny with a date denies at once: what a permission with expiresAt opens beside other routes is closed early",
			"no expiresAt in permissions, or POLICY_EXPIRY=off"), nil
	}
	return verdict{}, afterItsTime(p, q, with, before)
}

// afterItsTime asks again with a token that was let in before the time in its plan
// came: a cached policy must deny it now.
func afterItsTime(p *prober, q question, with probe.Plan, before answer) func(context.Context) verdict {
	return func(ctx context.Context) verdict {
		after, err := p.get(ctx, with, "/probe/date")
		switch {
		case err != nil:
			return failed(err)
		case after.status == http.StatusForbidden:
			return fine("200, then " + after.String())
		case after.status == http.StatusOK && after.call == before.call:
			return q.otherwise("200 after its time, from the cached policy")
		case after.status == http.StatusOK:
			return failed(errNotCached)
		}
		return failed(fmt.Errorf("the answer after its time is %s", after))
	}
}
