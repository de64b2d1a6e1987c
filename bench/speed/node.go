package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// bundled is the file that a bundle's bootstrap runs.
const bundled = "index.js"

// scripts is the folder of the peers in Node; what they need is installed there by
// make bench alone.
func scripts() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "bench", "peers", "node"), nil
}

// withoutMissing leaves out the rows in Node where Node, or what they need of npm,
// is not there, and says why; else it gives the path of Node.
func withoutMissing(list []row) (left []row, path, missing string) {
	if !slices.ContainsFunc(list, row.script) {
		return list, "", ""
	}
	path, errNode := exec.LookPath("node")
	dir, err := scripts()
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", ".bin", "esbuild"))
	}
	if err := errors.Join(errNode, err); err != nil {
		return slices.DeleteFunc(slices.Clone(list), row.script), "", fmt.Sprintf("Rows in Node are left out; make bench installs what they need. (%v)", err)
	}
	return list, path, ""
}

func (r row) script() bool { return strings.HasPrefix(r.Pkg, node) }

// bundle makes one file of a script and what it imports, as people do who care about
// cold starts, and gives the path of its bootstrap, in dir.
func bundle(ctx context.Context, dir, script string) (string, error) {
	from, err := scripts()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(from, "node_modules", ".bin", "esbuild"), script+".mjs",
		"--bundle", "--minify", "--platform=node", "--target=node20", "--format=cjs", "--log-level=warning", "--outfile="+filepath.Join(dir, bundled))
	cmd.Dir = from
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("bundle %s: %w\n%s", script, err, out)
	}
	text, err := os.ReadFile(filepath.Join(from, "bootstrap"))
	if err != nil {
		return "", err
	}
	bootstrap := filepath.Join(dir, "bootstrap")
	return bootstrap, os.WriteFile(bootstrap, text, 0o755)
}
