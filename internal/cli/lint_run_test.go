package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
)

// lintOutput is what a program reads of scopegate lint --json.
type lintOutput struct {
	Errors, Warnings int
	Tables           []struct {
		ARN, Stage       string
		Complete         bool
		Permissions      int
		MaxBytes, Budget int
		Findings         []struct{ Severity, Kind, Witness string }
		Callers          []struct {
			Name, Kind string
			Bytes      int
			Fits       bool
			Steps      []string
		}
	}
}

func lintJSON(t *testing.T, stdin string, wantCode int, args ...string) lintOutput {
	t.Helper()
	stdout, stderr, code := scopegate(t, stdin, append([]string{"lint", "--json"}, args...)...)
	if code != wantCode || stderr != "" {
		t.Errorf("exit code %d, want %d, standard error %q", code, wantCode, stderr)
	}
	var out lintOutput
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("%v of %s", err, stdout)
	}
	return out
}

func TestLintPrintsOneObjectWithAllCallers(t *testing.T) {
	var list []string
	for i := range 12 {
		list = append(list, fmt.Sprintf(`{"arn": %q, "stage": "dev", "httpVerb": "GET", "resource": "r%d", "scope": "s%d"}`, dev.SeedAPI.ARN, i, i))
	}
	file := "[" + strings.Join(list, ",") + "]"
	out := lintJSON(t, file, cli.OK, "-")
	if len(out.Tables) != 1 || out.Errors != 0 || out.Warnings != 0 {
		t.Fatalf("found %+v", out)
	}
	table := out.Tables[0]
	if table.ARN != dev.SeedAPI.ARN || table.Stage != "dev" || table.Permissions != 12 || table.MaxBytes != 8192 || len(table.Findings) != 0 {
		t.Errorf("table %+v", table)
	}
	if len(table.Callers) != 13 || table.Callers[0].Name != "all scopes" || table.Callers[0].Kind != "all_scopes" || !table.Callers[0].Fits || table.Callers[0].Bytes == 0 {
		t.Errorf("callers %+v", table.Callers)
	}
	if small := lintJSON(t, file, cli.Negative, "--max-bytes", "1024", "-"); small.Errors == 0 || small.Tables[0].Findings[0].Kind != "too_large" || small.Tables[0].Findings[0].Severity != "error" {
		t.Errorf("found %+v", small)
	}
}

func TestLintOfARunningDevUsesItsTablesAndSettings(t *testing.T) {
	ready := inProcess(t, environment(t, "POLICY_MAX_BYTES=4096"))
	out := lintJSON(t, "", cli.OK, "--dev", ready.AdminURL, "--api", dev.SeedAPI.ARN, "--stage", dev.SeedAPI.Stage)
	if len(out.Tables) != 1 || out.Tables[0].MaxBytes != 4096 || out.Tables[0].Permissions == 0 || len(out.Tables[0].Callers) == 0 {
		t.Errorf("found %+v", out)
	}
	_, stderr, code := scopegate(t, "", "lint", "--dev", ready.AdminURL, "--api", dev.SeedAPI.ARN, "--stage", "nosuch")
	if code != cli.Negative || !strings.Contains(stderr, "nosuch") {
		t.Errorf("a table that is not there: exit code %d, %s", code, stderr)
	}
}
