package policy_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/policy"
)

// TestEvaluateBothIsAWSsTable: "How API Gateway resource policies affect
// authorization workflow", Table A, row by row.
func TestEvaluateBothIsAWSsTable(t *testing.T) {
	document := func(effect string) policy.Document {
		s := statement(policy.Allow, func(s *policy.Statement) { s.Resource = policy.Strings{exampleARN + "/other"} })
		if effect != "" {
			s = statement(effect, nil)
		}
		return policy.Document{Version: policy.Version, Statement: []policy.Statement{s}}
	}
	const allow, deny, neither = policy.Allow, policy.Deny, ""
	for _, row := range []struct {
		authorizer, resource string
		want                 policy.Decision
	}{
		{allow, allow, policy.Allowed},
		{allow, neither, policy.Allowed},
		{allow, deny, policy.ExplicitlyDenied},
		{neither, allow, policy.Allowed},
		{neither, neither, policy.NotMatched},
		{neither, deny, policy.ExplicitlyDenied},
		{deny, allow, policy.ExplicitlyDenied},
		{deny, neither, policy.ExplicitlyDenied},
		{deny, deny, policy.ExplicitlyDenied},
	} {
		resource := document(row.resource)
		got := policy.EvaluateBoth(document(row.authorizer), &resource, exampleARN, tabletest.Now, netip.Addr{})
		if got != row.want {
			t.Errorf("authorizer %q, resource policy %q: %v, want %v", row.authorizer, row.resource, got, row.want)
		}
	}
}

// TestWithoutAResourcePolicyTheAuthorizerDecides, as with an empty one.
func TestWithoutAResourcePolicyTheAuthorizerDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, arn, now, ip := drawEvaluation(t)
		want := policy.Evaluate(d, arn, now, ip)
		if got := policy.EvaluateBoth(d, nil, arn, now, ip); got != want {
			t.Fatalf("without one: %v, want %v", got, want)
		}
		if got := policy.EvaluateBoth(d, &policy.Document{}, arn, now, ip); got != want {
			t.Fatalf("with an empty one: %v, want %v", got, want)
		}
	})
}

// TestTwoDocumentsAreReadAsOneWithAllTheirStatements is Table A in one sentence,
// and neither may be read with the other's time or address.
func TestTwoDocumentsAreReadAsOneWithAllTheirStatements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, arn, now, ip := drawEvaluation(t)
		cut := rapid.IntRange(0, len(d.Statement)).Draw(t, "cut")
		first, second := policy.Document{Statement: d.Statement[:cut]}, policy.Document{Statement: d.Statement[cut:]}
		if got, want := policy.EvaluateBoth(first, &second, arn, now, ip), policy.Evaluate(d, arn, now, ip); got != want {
			t.Fatalf("%+v and %+v for %q: %v, want %v", first, second, arn, got, want)
		}
	})
}
