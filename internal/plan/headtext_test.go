package plan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"scopegate/internal/plan"
	"scopegate/mapping"
	"scopegate/store"
)

// TestTheHeadIsToldInWords, as a plan of this process has it and as one that came
// over the network, and what is not understood is not left out.
func TestTheHeadIsToldInWords(t *testing.T) {
	at := time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC)
	for want, f := range map[string]plan.Field{
		`name: nothing -> "Orders"`:                                {Field: "name", Before: "", After: "Orders"},
		"complete: no -> yes, by sha256:1":                         {Field: "complete", Before: (*store.Complete)(nil), After: &store.Complete{Source: "sha256:1"}},
		"complete: yes, by sha256:1 at 2027-01-31T18:00:00Z -> no": {Field: "complete", Before: &store.Complete{Source: "sha256:1", By: "a:b", At: at}},
		"owners: nothing -> role Team of tenant t; group g of tenant u": {Field: "owners", Before: []store.Owner{},
			After: []store.Owner{{Tenant: "t", Role: "Team"}, {Tenant: "u", Group: "g"}}},
		"trust: tenant t for api://a api://b; issuer https://i.example for c -> nothing": {Field: "trust",
			Before: []mapping.Trust{{Tenant: "t", Audiences: []string{"api://a", "api://b"}}, {Issuer: "https://i.example", Audiences: []string{"c"}}}},
		`owners: nothing -> {"of":"a later version"}`: {Field: "owners", After: map[string]any{"of": "a later version"}},
	} {
		here := plan.Plan{Head: []plan.Field{f}}
		b, err := json.Marshal(here)
		if err != nil {
			t.Fatal(err)
		}
		var there plan.Plan
		if err := json.Unmarshal(b, &there); err != nil {
			t.Fatal(err)
		}
		for _, p := range []plan.Plan{here, there} {
			var text strings.Builder
			if err := plan.Text(&text, p); err != nil || !strings.Contains(text.String(), want+"\n") {
				t.Errorf("want %s, %v:\n%s", want, err, text.String())
			}
		}
	}
}
