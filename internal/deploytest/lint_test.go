//go:build deploy

package deploytest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lint has cfn-lint look at templates, by name; "" is that it finds nothing. One run
// for all of them, since reading its rules takes it seconds. W3005 is of DependsOn
// that osls adds beside a reference.
func lint(t *testing.T, command string, templates map[string]object) string {
	t.Helper()
	dir := t.TempDir()
	arguments := []string{"--ignore-checks", "W3005", "--regions", "us-east-1", "--"}
	for name, template := range templates {
		b, err := json.Marshal(template)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, strings.ReplaceAll(name, string(filepath.Separator), "-")+".json")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, file)
	}
	out, err := exec.CommandContext(t.Context(), command, arguments...).CombinedOutput()
	if err == nil {
		return ""
	}
	return err.Error() + "\n" + string(out)
}

// lintVersion is the version whose rules the templates keep. Another one knows other
// rules: what it finds is shown, and fails nothing.
const lintVersion = "cfn-lint 1.51.0"

// cfnLint is AWS's own checker of templates, where it is installed: it is Python,
// and nothing of ours installs that. Our own checks run everywhere.
func cfnLint(t *testing.T) (command, version string) {
	t.Helper()
	command, err := exec.LookPath("cfn-lint")
	if err == nil {
		var out []byte
		out, err = exec.CommandContext(t.Context(), command, "--version").Output()
		version = strings.TrimSpace(string(out))
	}
	if err != nil {
		t.Logf("cfn-lint is not installed (%v): our own checks alone", err)
		return "", ""
	}
	return command, version
}

// TestCfnLintFindsNothing in any template, where it is installed.
func TestCfnLintFindsNothing(t *testing.T) {
	command, version := cfnLint(t)
	if command == "" {
		return
	}
	templates := map[string]object{}
	for _, folder := range append(Examples(t), ".", filepath.Join("deploy", "probe")) {
		templates[folder] = Package(t, folder)
	}
	out := lint(t, command, templates)
	if version != lintVersion {
		t.Logf("%s is not %s, whose rules the templates keep; it says: %q", version, lintVersion, out)
		return
	}
	if out != "" {
		t.Errorf("%s", out)
	}
	spoiled := templateFaults[0].spoil(t, Package(t, "."))
	if out := lint(t, command, map[string]object{"spoiled": spoiled}); !strings.Contains(out, "DeletionProtectionEnable") {
		t.Errorf("a misspelt property is not found: %s", out)
	}
}
