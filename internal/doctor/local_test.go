package doctor_test

import (
	"testing"

	"scopegate/internal/doctor"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

// TestTheLocalGatewayAnswersAsExpected: every question is asked, and answered as the
// row says.
func TestTheLocalGatewayAnswersAsExpected(t *testing.T) {
	rows := doctor.ProbeLocal(t.Context())
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.Part+": "+r.Check] = true
		if r.Check == "encoded-slash-route" { // there is one route
			if r.Status != doctor.NotRun {
				t.Errorf("%+v", r)
			}
			continue
		}
		if r.Status != doctor.OK {
			t.Errorf("%s: %s is %s: %s; %s", r.Part, r.Check, r.Status, r.Seen, r.Consequence)
		}
	}
	for part, isHTTP := range map[string]bool{doctor.LocalREST: false, doctor.LocalHTTP: true} {
		for _, q := range doctor.NotProbed(part, isHTTP, "") {
			if !seen[part+": "+q.Check] {
				t.Errorf("%s: %s was not asked", part, q.Check)
			}
		}
	}
}
