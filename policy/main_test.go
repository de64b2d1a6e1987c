package policy_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain raises rapid's share of cases: what these properties hunt is rare.
// -rapid.checks still says otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("2000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
