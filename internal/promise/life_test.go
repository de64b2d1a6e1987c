package promise_test

import (
	"net/http"
	"testing"
	"time"

	"scopegate/internal/idp"
)

// expiring is a table whose permission ends, kept as a policy by both gateways.
func expiring(t *testing.T, after time.Duration, others ...string) (w *world, caller string) {
	t.Helper()
	w = newWorld(t, options{})
	w.grant(`, "expiresAt": "`, epoch.Add(after).Format(time.RFC3339), `"`)
	for _, other := range others {
		w.permit(other)
	}
	caller = w.mint(idp.Spec{Scopes: []string{"orders.read", "orders.all"}, ObjectID: objectID(1)})
	w.want("before its end", 0, caller, http.StatusOK)
	return w, caller
}

func (w *world) calls() int64 { return w.instances[0].calls.Load() + w.instances[1].calls.Load() }

// TestAPermissionEndsOnTimeInAKeptPolicy: API Gateway would keep it for an hour,
// and asks nobody.
func TestAPermissionEndsOnTimeInAKeptPolicy(t *testing.T) {
	const ends = 10 * time.Minute
	w, caller := expiring(t, ends)
	calls := w.calls()
	w.at(ends - time.Second)
	w.want("in its last second", 0, caller, http.StatusOK)
	w.at(ends)
	w.want("at its end", 0, caller, http.StatusForbidden)
	w.at(authorizerTTL - time.Second)
	w.want("long after", 1, caller, http.StatusForbidden)
	if got := w.calls() - calls; got != 0 {
		t.Errorf("%d calls of the authorizer: the policy was not kept", got)
	}
	w.at(authorizerTTL + time.Second)
	w.want("asked anew", 1, caller, http.StatusForbidden)
}

// TestAPermissionEndsOnTimeInTables that instances have, also where the store is
// gone, for callers of whom API Gateway has no policy.
func TestAPermissionEndsOnTimeInTables(t *testing.T) {
	const ends = time.Minute
	w, _ := expiring(t, ends)
	for _, c := range []struct {
		after  time.Duration
		status int
	}{{ends - time.Second, http.StatusOK}, {ends, http.StatusForbidden}, {ends + time.Second, http.StatusForbidden}} {
		w.at(c.after)
		w.want("a new caller", 0, w.caller(int(c.after/time.Second)), c.status)
		w.instances[0].noTables.Store(true)
	}
}

// TestAnotherPermissionGoesOn where one of two ends.
func TestAnotherPermissionGoesOn(t *testing.T) {
	const ends = 10 * time.Minute
	w, caller := expiring(t, ends, "orders.all")
	one := w.mint(idp.Spec{Scopes: []string{"orders.read"}, ObjectID: objectID(2)})
	w.want("who holds the one alone", 0, one, http.StatusOK)
	w.at(ends)
	w.want("who holds both", 0, caller, http.StatusOK)
	w.want("who holds the one alone", 0, one, http.StatusForbidden)
}

// TestAnEndThatIsPutOffReachesKeptPolicies by effectiveBy.
func TestAnEndThatIsPutOffReachesKeptPolicies(t *testing.T) {
	const ends = 10 * time.Minute
	w, caller := expiring(t, ends)
	w.at(changedAt)
	result := w.edit(http.MethodPut, w.permission(), func(p map[string]any) { p["expiresAt"] = nil })
	if result.Flush != "scheduled" {
		t.Fatalf("answered %+v", result)
	}
	w.want("from the old table", 1, caller, http.StatusOK)
	w.at(promised)
	w.want("asked anew", 1, caller, http.StatusOK)
	w.at(ends)
	w.want("past the first end", 0, caller, http.StatusOK)
}

// TestWhatIsGrantedIsOpenByEffectiveBy: the promise holds in the other direction.
func TestWhatIsGrantedIsOpenByEffectiveBy(t *testing.T) {
	w := newWorld(t, options{})
	w.permit("orders.all")
	caller := w.caller(1)
	w.want("before", 0, caller, http.StatusForbidden)
	w.want("somebody else, through the other instance", 1, w.caller(2), http.StatusForbidden)
	w.at(changedAt)
	result := w.edit(http.MethodPut, table+"/document", func(d map[string]any) {
		p := d["permissions"].([]any)[0].(map[string]any)
		d["permissions"] = []any{map[string]any{"arn": p["arn"], "stage": p["stage"], "httpVerb": p["httpVerb"], "resource": p["resource"], "scope": "orders.read"}}
	})
	if result.Flush != "scheduled" {
		t.Fatalf("answered %+v", result)
	}
	w.at(askedAt)
	w.want("from the other instance's old table", 1, caller, http.StatusForbidden)
	w.at(promised)
	for instance := range w.instances {
		w.want("after effectiveBy", instance, caller, http.StatusOK)
	}
}
