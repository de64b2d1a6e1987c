package lint_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain sets rapid's number of cases; -rapid.checks still says otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(checks); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
