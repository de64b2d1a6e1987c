package policy_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// everything is a resource policy that allows all there is.
var everything = policy.Document{Version: policy.Version, Statement: []policy.Statement{
	{Action: policy.Strings{policy.Invoke}, Effect: policy.Allow, Resource: policy.Strings{"*"}},
}}

func both(d policy.Document, method, path string, at time.Time) policy.Decision {
	return policy.EvaluateBoth(d, &everything, arn(method, path), at, netip.Addr{})
}

// TestAResourcePolicyOpensNothingBesideAnExplicitDeny: on known routes nothing
// passes that Permits denies, at any instant, even where a resource policy allows
// everything.
func TestAResourcePolicyOpensNothingBesideAnExplicitDeny(t *testing.T) {
	checkFewer(t, 4, func(t *rapid.T) {
		p := drawPromise(t)
		explicit := p.compiled.Document(policy.Request{End: p.End, ExplicitDeny: true})
		forever := p.compiled.Document(policy.Request{ExplicitDeny: true})
		for i := range 24 {
			method, path := p.DrawPlainRequest(t)
			if i%2 == 1 {
				method, path = drawRequest(t, p.World)
			}
			for _, at := range p.Instants() {
				want, got := p.says(method, path, at), both(explicit, method, path, at)
				if want == policy.NotMatched {
					want = policy.ExplicitlyDenied
				}
				if got != want {
					t.Fatalf("%s %q at %v: %v, want %v\n%s", method, path, at, got, want, p.dump(explicit))
				}
			}
			if p.mustStayClosed(method, path, tabletest.Now) && both(forever, method, path, tabletest.Now) == policy.Allowed {
				t.Fatalf("%s %q passes without conditions\n%s", method, path, p.dump(forever))
			}
		}
	})
}

// TestAResourcePolicyOpensNothingToTheRequestThatIsDenied, with and without
// POLICY_EXPLICIT_DENY.
func TestAResourcePolicyOpensNothingToTheRequestThatIsDenied(t *testing.T) {
	checkFewer(t, 6, func(t *rapid.T) {
		p := drawPromise(t)
		for range 6 {
			method, path := drawRequest(t, p.World)
			if p.Table.Decide(p.Held, method, path).Allowed {
				continue
			}
			r := policy.Request{ARN: arn(method, path), Denied: true, End: p.End, ExplicitDeny: rapid.Bool().Draw(t, "explicit")}
			if got := both(p.compiled.Document(r), method, path, tabletest.Now); got != policy.ExplicitlyDenied {
				t.Fatalf("%s %q: %v\n%s", method, path, got, p.dump(p.compiled.Document(r)))
			}
		}
	})
}

// TestAPolicyNeverOpensAnotherStage, nor another API, whatever it allows there.
func TestAPolicyNeverOpensAnotherStage(t *testing.T) {
	stages := []mapping.API{
		tabletest.API,
		{ARN: tabletest.API.ARN, Stage: "dev2"},
		{ARN: tabletest.API.ARN, Stage: "de"},
		{ARN: tabletest.API.ARN, Stage: "$default"},
		{ARN: tabletest.API.ARN, Stage: "GET"},
		{ARN: tabletest.API.ARN + "x", Stage: "dev"},
		{ARN: "arn:aws:execute-api:eu-west-1:219852565112:rz8w6b1ik2", Stage: "dev"},
	}
	checkFewer(t, 6, func(t *rapid.T) {
		own := rapid.SampledFrom(stages).Draw(t, "own")
		w := tabletest.DrawWorldOf(t, own)
		p := compiled(w, drawBudgetOf(t, w))
		for _, other := range stages {
			if other == own {
				continue
			}
			for range 4 {
				method, path := w.DrawRequest(t)
				text := policy.ARN{API: other, Method: method, Path: path}.String()
				if got := policy.Evaluate(p.kept, text, tabletest.Now, netip.Addr{}); got == policy.Allowed {
					t.Fatalf("%q is allowed by the policy of %v\n%s", text, own, p.dump(p.kept))
				}
			}
		}
	})
}
