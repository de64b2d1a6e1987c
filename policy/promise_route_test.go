package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/policy"
)

// TestAPolicyForTheCalledRouteAlone (POLICY_SCOPE=route) allows the request that
// it was made for, and nothing that Permits denies.
func TestAPolicyForTheCalledRouteAlone(t *testing.T) {
	checkFewer(t, 6, func(t *rapid.T) {
		p := drawPromise(t)
		budget := drawBudgetOf(t, p.World)
		for i := range 6 {
			method, path := p.DrawPlainRequest(t)
			if i%2 == 1 {
				method, path = drawRequest(t, p.World)
			}
			checkCalledRoute(t, p, method, path, budget)
		}
	})
}

func checkCalledRoute(t *rapid.T, p promise, method, path string, budget int) {
	verdict := p.Table.Decide(p.Held, method, path)
	part := p.Table.Deciding(p.Held, verdict, method, path)
	c := policy.Prepare(p.Table).Compile(part, tabletest.Now, budget)
	doc := c.Document(policy.Request{ARN: arn(method, path), Denied: !verdict.Allowed, End: p.End})
	switch got := evaluate(doc, method, path, tabletest.Now); {
	case !verdict.Allowed && got != policy.ExplicitlyDenied:
		t.Fatalf("%s %q is not permitted, and %v\n%s", method, path, got, p.dump(doc))
	case verdict.Allowed && got == policy.NotMatched:
		t.Fatalf("%s %q is permitted, and no Allow matches\n%s", method, path, p.dump(doc))
	case verdict.Allowed && got != policy.Allowed && !isReported(c.Report().Collisions, arn(method, path), tabletest.Now):
		t.Fatalf("%s %q is permitted and denied, and no collision says so\n%s", method, path, p.dump(doc))
	}
	for range 8 {
		method, path := p.DrawPlainRequest(t)
		for _, at := range p.Instants() {
			if evaluate(doc, method, path, at) == policy.Allowed && p.mustStayClosed(method, path, at) {
				t.Fatalf("%s %q at %v is allowed and not permitted\n%s", method, path, at, p.dump(doc))
			}
		}
	}
}
