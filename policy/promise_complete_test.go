package policy_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/policy"
)

// TestThePolicyOfADeniedRequestDeniesIt explicitly, whatever the request is and
// whatever was given up: a resource policy must not turn silence into access.
func TestThePolicyOfADeniedRequestDeniesIt(t *testing.T) {
	checkFewer(t, 4, func(t *rapid.T) {
		p := drawPromise(t)
		for range 12 {
			method, path := drawRequest(t, p.World)
			if p.Table.Decide(p.Held, method, path).Allowed {
				continue
			}
			arn := arnOf(p.World, method, path)
			for _, end := range []time.Time{p.End, {}} {
				doc := p.compiled.Document(policy.Request{ARN: arn, Denied: true, End: end})
				for _, at := range []time.Time{tabletest.Now, p.End, p.End.Add(time.Hour)} {
					if got := evaluate(doc, method, path, at); got != policy.ExplicitlyDenied {
						t.Fatalf("%s %q at %v is not permitted, and %v\n%s", method, path, at, got, p.dump(doc))
					}
				}
			}
		}
	})
}

// TestWhatAKeptPolicyRefusesIsReported: a permitted request is allowed by the
// policy that was made for another one, or a Deny that the report lists among
// its collisions matches it.
func TestWhatAKeptPolicyRefusesIsReported(t *testing.T) {
	checkFewer(t, 3, func(t *rapid.T) {
		p := drawPromise(t)
		var collisions []policy.Collision // made when the first one is needed
		for i := range 24 {
			method, path := p.DrawPlainRequest(t)
			if i%2 == 1 {
				method, path = drawRequest(t, p.World)
			}
			for _, at := range p.Instants() {
				if !at.Before(p.End) || !p.Table.Decide(p.heldAt(at), method, path).Allowed {
					continue
				}
				got := p.says(method, path, at)
				if got == policy.NotMatched {
					t.Fatalf("%s %q at %v is permitted, and no Allow matches\n%s", method, path, at, p.dump(p.kept))
				}
				if got == policy.Allowed {
					continue
				}
				if collisions == nil {
					collisions = p.compiled.Report().Collisions
				}
				if !isReported(collisions, arnOf(p.World, method, path), at) {
					t.Fatalf("%s %q at %v is permitted and denied, and no collision says so\n%s", method, path, at, p.dump(p.kept))
				}
			}
		}
	})
}
