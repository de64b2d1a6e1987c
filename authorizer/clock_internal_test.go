package authorizer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
)

// askFor invokes with a REST TOKEN event.
func askFor(t *testing.T, a *Authorizer, raw string, arn policy.ARN) string {
	t.Helper()
	event, err := json.Marshal(map[string]string{"type": "TOKEN", "methodArn": arn.String(), "authorizationToken": "Bearer " + raw})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestWhatATokenComesToIsOfOneAPI: at another one it is nothing, although both tables
// are at the same revision.
func TestWhatATokenComesToIsOfOneAPI(t *testing.T) {
	k := newKeeping(tabletest.Permission("GET", "x", "s1"))
	other := mapping.API{ARN: tabletest.API.ARN, Stage: "other"}
	closed, err := mapping.NewTable(mapping.Source{API: other, Trust: tabletest.Trust})
	if err != nil {
		t.Fatal(err)
	}
	k.others = map[mapping.API]*mapping.Table{other: closed}
	a := k.authorizer(t, true)
	for range 2 {
		if out := askFor(t, a, "a.b.c", policy.ARN{API: tabletest.API, Method: "GET", Path: "/x"}); !strings.Contains(out, `"Allow"`) {
			t.Errorf("where it is held: %s", out)
		}
		if out := askFor(t, a, "a.b.c", policy.ARN{API: other, Method: "GET", Path: "/x"}); strings.Contains(out, `"Allow"`) {
			t.Errorf("where nothing is: %s", out)
		}
	}
}

// TestAClockThatGoesBackFindsWhatWasHeldThen: of a token that is still remembered, too.
func TestAClockThatGoesBackFindsWhatWasHeldThen(t *testing.T) {
	p := tabletest.Permission("GET", "x", "s1")
	p.ExpiresAt = tabletest.Now.Add(10 * time.Second)
	k := newKeeping(p)
	a := k.authorizer(t, true)
	known := newKnown(k.claims)
	known.end = k.claims.End
	for _, at := range []struct {
		after time.Duration
		held  int
	}{{20 * time.Second, 0}, {0, 1}, {10*time.Second - 1, 1}, {10 * time.Second, 0}, {0, 1}} {
		k.now = tabletest.Now.Add(at.after)
		if out := askFor(t, a, "a.b.c", policy.ARN{API: tabletest.API, Method: "GET", Path: "/x"}); strings.Contains(out, `"Allow"`) != (at.held > 0) {
			t.Errorf("after %v: %s", at.after, out)
		}
		d := &decision{known: known, served: store.Served{Table: k.table, Revision: k.revision}, start: k.now}
		d.event.ARN.API = tabletest.API
		if g, err := a.grantOf(d); err != nil || g.held.Len() != at.held {
			t.Errorf("after %v: %v, %v; want %d held", at.after, g, err, at.held)
		}
	}
}

// TestAPolicyIsMadeAnewBeforeItSaysNothing: permissions end further away than a policy
// looks ahead. Who asks later gets one that looks further, whether the earlier one
// was made for the same token or for another.
func TestAPolicyIsMadeAnewBeforeItSaysNothing(t *testing.T) {
	soon, late := tabletest.Permission("GET", "x", "s1"), tabletest.Permission("GET", "y", "s1")
	soon.ExpiresAt, late.ExpiresAt = tabletest.Now.Add(40*time.Hour), tabletest.Now.Add(50*time.Hour)
	k := newKeeping(soon, late, tabletest.Permission("GET", "z", "s1"))
	k.claims.End = tabletest.Now.Add(100 * time.Hour)
	a := k.authorizer(t, true)
	arn := policy.ARN{API: tabletest.API, Method: "GET", Path: "/x"}
	before := askFor(t, a, "a.b.c", arn)
	k.now = tabletest.Now.Add(26 * time.Hour)
	want, failed := a.defined(k.table, k.revision, k.claims, arn, k.now)
	if failed != "" || string(want) == before {
		t.Fatalf("%s: the same as before: %s", failed, want)
	}
	for _, raw := range []string{"an.other.token", "a.b.c", "an.other.token"} {
		if got := askFor(t, a, raw, arn); got != string(want) {
			t.Errorf("%s: %s\nwant %s", raw, got, want)
		}
	}
}
