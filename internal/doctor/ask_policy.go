package doctor

import (
	"context"
	"fmt"
	"net/http"

	"scopegate/internal/probe"
)

// trial is one plan and one path, and what must come of them.
type trial struct {
	what string // of what the answer tells, in a row
	plan probe.Plan
	path string
	want int
}

// try sends trials until one does not come out as wanted: wrong says which.
func (p *prober) try(ctx context.Context, trials ...trial) (seen string, wrong *trial, err error) {
	for i, t := range trials {
		a, err := p.get(ctx, t.plan, t.path)
		if err == nil && a.status == http.StatusInternalServerError { // a function that did not start in time, or a policy that is not taken
			a, err = p.get(ctx, t.plan, t.path)
		}
		if err != nil {
			return "", nil, err
		}
		if a.status != t.want {
			return fmt.Sprintf("%s: %s, not %d", t.what, a, t.want), &trials[i], nil
		}
		if i > 0 {
			seen += "; "
		}
		seen += t.what + ": " + a.String()
	}
	return seen, nil, nil
}

// tried makes a question of trials, where any that does not come out as wanted is a
// finding with one consequence.
func tried(check, expected, about, consequence, change string, trials func() []trial) question {
	return question{check: check, expected: always(expected), about: about, consequence: consequence, change: change,
		ask: func(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
			seen, wrong, err := p.try(ctx, trials()...)
			switch {
			case err != nil:
				return failed(err), nil
			case wrong != nil:
				return q.otherwise(seen), nil
			}
			return fine(seen), nil
		}}
}

func policyQuestions() []question {
	const ok, forbidden = http.StatusOK, http.StatusForbidden
	return []question{
		tried("deny-wins", "an explicit Deny beside an Allow denies, whichever comes first", "explicit Deny wins [D]",
			"the Denies of a policy guard nothing: orders/export is open to whoever holds orders/{id}",
			"POLICY_SCOPE=route, and "+ttlSetting+"=0",
			func() []trial {
				return []trial{
					{"Allow, Deny", plan(allow("*"), deny("GET/probe/denied")), "/probe/denied", forbidden},
					{"Deny, Allow", plan(deny("GET/probe/denied"), allow("*")), "/probe/denied", forbidden},
					{"beside it", plan(allow("*"), deny("GET/probe/denied")), "/probe/other", ok},
				}
			}),
		tried("no-match", "what no statement names is denied", "no match denies, but for a resource policy [D]",
			"what a caller does not hold is open where no Deny of his policy happens to name it",
			"take the Allow out of the API's resource policy, or POLICY_EXPLICIT_DENY=on",
			func() []trial {
				return []trial{
					{"named", plan(allow("GET/probe/a")), "/probe/a", ok},
					{"not named", plan(allow("GET/probe/a")), "/probe/b", forbidden},
				}
			}),
		tried("star", "* matches any characters, / and none included", "wildcards [D]",
			"a pattern (orders/*), or a Deny that is to reach below a path, matches less than it says",
			"do not attach this API: its policies would be wrong",
			func() []trial {
				return []trial{
					{"across /", plan(allow("GET/probe/*")), "/probe/a/b", ok},
					{"nothing", plan(allow("GET/probe/a*")), "/probe/a", ok},
					{"a Deny", plan(allow("*"), deny("GET/probe/?*/?*")), "/probe/a/b/c", forbidden},
				}
			}),
		tried("question-mark", "? matches any one character, / included, in methods too", "wildcards [D]",
			"folded methods (??? for GET and PUT) and Denies that were written with ? match less than they say",
			"do not attach this API: its policies would be wrong",
			func() []trial {
				return []trial{
					{"a /", plan(allow("GET/probe/a?b")), "/probe/a/b", ok},
					{"a method", plan(allow("???/probe/a")), "/probe/a", ok},
					{"not none", plan(allow("GET/probe/a?")), "/probe/a", forbidden},
				}
			}),
		tried("case", "paths and methods are compared as they are", "case-sensitive [I]",
			"of routes whose paths differ by case alone, whoever holds one may reach the others",
			"no two routes that differ by case alone",
			func() []trial {
				return []trial{
					{"as it is", plan(allow("GET/probe/case")), "/probe/case", ok},
					{"a path of another case", plan(allow("GET/probe/case")), "/probe/CASE", forbidden},
					{"a method of another case", plan(allow("get/probe/case")), "/probe/case", forbidden},
				}
			}),
		{
			check: "not-resource", expected: always("a Deny with NotResource denies everything else"),
			about:       "POLICY_EXPLICIT_DENY=on rests on it [unproven]",
			consequence: "with POLICY_EXPLICIT_DENY=on policies do not mean what they say",
			change:      "POLICY_EXPLICIT_DENY=off, its default", harmless: true, ask: askNotResource,
		},
	}
}

func askNotResource(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	but := deny("GET/probe/a")
	but.Not = true
	seen, wrong, err := p.try(ctx,
		trial{"held", plan(allow("GET/probe/a"), but), "/probe/a", http.StatusOK},
		trial{"else", plan(allow("*"), but), "/probe/b", http.StatusForbidden})
	switch {
	case err != nil:
		return failed(err), nil
	case wrong != nil:
		return q.otherwise(seen), nil
	}
	return fine(seen), nil
}
