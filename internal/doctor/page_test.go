package doctor_test

import (
	"flag"
	"os"
	"testing"

	"scopegate/internal/doctor"
)

var update = flag.Bool("update", false, "write docs/doctor.md anew")

const page = "../../docs/doctor.md"

func TestThePageIsWhatIsAsked(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(doctor.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(page); err != nil || string(b) != doctor.Page() {
		t.Errorf("docs/doctor.md is not what this package asks (%v): go test ./internal/doctor -update", err)
	}
}

// TestWhatIsNotAskedSaysWhatWouldFollow: an operator reads that before he deploys a
// probe.
func TestWhatIsNotAskedSaysWhatWouldFollow(t *testing.T) {
	for _, r := range append(doctor.NotProbed("REST", false, "why"), doctor.NotProbed("HTTP", true, "why")...) {
		if r.Status != doctor.NotRun || r.Seen != "why" || r.Expected == "" || r.About == "" || r.Consequence == "" || r.Change == "" {
			t.Errorf("%+v", r)
		}
	}
}
