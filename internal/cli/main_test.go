package cli_test

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"scopegate/internal/cli"
)

// TestMain makes this very test binary the command scopegate, on the PATH of
// scripts and of the shells that tests start.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"scopegate": func() { os.Exit(cli.Main(os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}
