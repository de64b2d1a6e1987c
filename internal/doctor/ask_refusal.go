package doctor

import (
	"context"
	"fmt"
	"net/http"

	"scopegate/internal/probe"
)

func refusalQuestions() []question {
	return []question{
		{
			check: "401", expected: always("the error Unauthorized is answered with 401"),
			about:       "not confirmed for HTTP APIs [U]",
			consequence: "clients whose token is refused do not learn that they need another one",
			change:      "INVALID_TOKEN=deny (403), or on REST APIs a gateway response that says 401", ask: ask401,
		},
		{
			check: "500", expected: always("any other error is answered with 500"),
			about:       "an outage never looks like a refusal [D,U]",
			consequence: "an outage of the authorizer looks like a refusal, and clients give up",
			change:      "on REST APIs a gateway response for AUTHORIZER_FAILURE with the status 500", ask: ask500,
		},
		{
			check: "403-body", expected: func(isHTTP bool) string {
				key := "Message"
				if isHTTP {
					key = "message"
				}
				return fmt.Sprintf("403 with %s: %s", key, accessDenied+withDeny)
			},
			about:       "bodies as users report them [U]",
			consequence: "clients and logs that look for the words see others than on this machine", change: "none", harmless: true, ask: ask403Body,
		},
	}
}

func ask401(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	a, err := p.get(ctx, asking(probe.Unauthorized), "/probe/401")
	switch {
	case err != nil:
		return failed(err), nil
	case a.status == http.StatusUnauthorized:
		return fine(a.String()), nil
	}
	return q.otherwise(a.String()), nil
}

func ask500(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	a, err := p.send(ctx, asking(probe.Error), "/probe/500")
	switch {
	case err != nil:
		return failed(err), nil
	case a.status == http.StatusInternalServerError:
		return fine(a.String()), nil
	case a.status > http.StatusInternalServerError:
		return noted(a.String(), "an outage looks like one, by another status", "none"), nil
	}
	return q.otherwise(a.String()), nil
}

// Messages of API Gateway's 403 as users report them.
const (
	accessDenied = "User is not authorized to access this resource"
	withDeny     = " with an explicit deny"
)

func ask403Body(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	a, err := p.get(ctx, asking(probe.DenyAll), "/probe/403")
	want := "Message"
	if p.IsHTTP {
		want = "message"
	}
	switch {
	case err != nil:
		return failed(err), nil
	case a.status == http.StatusInternalServerError:
		return failed(fmt.Errorf("the answer is %s", a)), nil
	case a.status != http.StatusForbidden:
		return found(a.String(), "a policy that denies everything does not deny", "do not attach this API"), nil
	case a.key != want || a.message != accessDenied+withDeny:
		return q.otherwise(fmt.Sprintf("%d with %s: %s", a.status, a.key, a.message)), nil
	}
	return fine("as users report it"), nil
}

// Sizes that are tried, in bytes: the documented one, less if that is too much, more
// if it is not.
var (
	smaller = []int{7168, 6144, 5120, 4096, 2048}
	larger  = []int{8193, 9216, 10240, 12288, 16384, 32768, 65536}
)

const budget = 8192 // of a whole answer, documented for WebSocket APIs

func sizeQuestions() []question {
	return []question{{
		check: "answer-size", expected: always("an answer of 8192 bytes is taken, a longer one is not"),
		about:       "8 KB documented for WebSocket, users report both for REST [D,U]",
		consequence: "larger policies fail their callers' calls (500), or could be allowed", change: "POLICY_MAX_BYTES: what is taken", ask: askSize,
	}}
}

func askSize(ctx context.Context, p *prober, _ question) (verdict, func(context.Context) verdict) {
	took, refused, err := p.takes(ctx, budget)
	if err != nil {
		return failed(err), nil
	}
	if !took {
		return p.askSmaller(ctx, refused), nil
	}
	most := budget
	for _, n := range larger {
		if took, refused, err = p.takes(ctx, n); err != nil {
			return failed(err), nil
		}
		if !took {
			break
		}
		most = n
	}
	if most == budget {
		return fine("8192 bytes are taken, 8193 are not: " + refused.String()), nil
	}
	return noted(fmt.Sprintf("%d bytes are taken", most), "policies of more than 8192 bytes would be taken, too",
		fmt.Sprintf("POLICY_MAX_BYTES=%d where calls fail as policy_too_large, if every API that is attached takes so much (of WebSocket APIs, 8192 are documented)", most)), nil
}

func (p *prober) askSmaller(ctx context.Context, refused answer) verdict {
	for _, n := range smaller {
		took, _, err := p.takes(ctx, n)
		if err != nil {
			return failed(err)
		}
		if took {
			return found(fmt.Sprintf("8192 bytes are refused (%s), %d are taken", refused, n), "larger policies fail their callers' calls (500)", fmt.Sprintf("POLICY_MAX_BYTES=%d", n))
		}
	}
	return failed(fmt.Errorf("not even %d bytes are taken", smaller[len(smaller)-1]))
}

// takes reports whether a policy of so many bytes allows its call. What is refused
// is asked twice: a function that did not start in time fails once, at any size.
func (p *prober) takes(ctx context.Context, n int) (bool, answer, error) {
	var a answer
	for range 2 {
		with := plan(allow("*"))
		with.Bytes = n
		var err error
		if a, err = p.get(ctx, with, "/probe/size"); err != nil {
			return false, a, err
		}
		if a.status == http.StatusOK {
			return true, a, nil
		}
	}
	return false, a, nil
}
