package policy

import (
	"net/netip"
	"time"
)

// EvaluateBoth decides as API Gateway does for a REST API with a Lambda
// authorizer and a resource policy, nil for none (AWS: "How API Gateway resource
// policies affect authorization workflow", Table A: both in one account, as an
// authorizer and its API are). Each document is evaluated by itself; whichever
// says more decides:
//
//	authorizer    resource policy    outcome
//	Allow         Allow              allowed
//	Allow         neither            allowed
//	Allow         Deny               explicitly denied
//	neither       Allow              allowed
//	neither       neither            not matched, which denies
//	neither       Deny               explicitly denied
//	Deny          any                explicitly denied
//
// So an authorizer that keeps silent does not deny: a resource policy's Allow
// opens what it left out. API Gateway looks for a Deny of the resource policy
// before it calls the authorizer, which does not change the outcome.
//
// A [Statement] knows no Principal: behind a Lambda authorizer there is no AWS
// principal, leave out statements that are for one. The other parameters are
// those of [Evaluate].
func EvaluateBoth(authorizer Document, resource *Document, methodARN string, now time.Time, sourceIP netip.Addr) Decision {
	decision := Evaluate(authorizer, methodARN, now, sourceIP)
	if resource == nil {
		return decision
	}
	return max(decision, Evaluate(*resource, methodARN, now, sourceIP))
}
