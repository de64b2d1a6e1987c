package cli_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"scopegate/internal/dev"
)

// readmeBlock is the first shell block of a section of README.
func readmeBlock(t *testing.T, heading string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(readme), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, _ := strings.Cut(section, "```sh\n")
	block, _, ok = strings.Cut(block, "```")
	if !ok {
		t.Fatalf("README's section %q has no commands", heading)
	}
	return block
}

// runBlock runs a block of README against a dev that listens elsewhere.
func runBlock(t *testing.T, ready dev.Ready, block string) {
	t.Helper()
	block = strings.NewReplacer("go run ./cmd/scopegate", "scopegate", "http://127.0.0.1:8082", ready.AdminURL, "http://127.0.0.1:8083", ready.IssuerURL).Replace(block)
	shell := exec.CommandContext(t.Context(), "bash", "-e", "-u", "-x", "-o", "pipefail", "-c", block)
	shell.Dir, shell.Env = "../..", environment(t)
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReadmeFromAnOpenAPIFileToProtectedRoutes: the commands of README, as they
// stand there, and the routes are protected.
func TestReadmeFromAnOpenAPIFileToProtectedRoutes(t *testing.T) {
	ready := inProcess(t, environment(t))
	block := readmeBlock(t, "From an OpenAPI file to protected routes")
	if n := strings.Count(block, "go run "); n != 5 {
		t.Errorf("%d commands, the section says five", n)
	}
	runBlock(t, ready, block)
	raw, errs, code := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "orders.read")
	if code != 0 {
		t.Fatalf("token: %s", errs)
	}
	base := strings.Replace(ready.RESTURL, "127.0.0.1", "orders0001.localhost", 1) + "/dev"
	for path, want := range map[string]int{"/orders": http.StatusOK, "/orders/7": http.StatusOK, "/orders/export": http.StatusForbidden, "/health": http.StatusForbidden} {
		if got := get(t, ready, base+path, strings.TrimSpace(raw)); got != want {
			t.Errorf("GET %s: status %d, want %d", path, got, want)
		}
	}
}
