//go:build deploy

package deploytest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Template is a CloudFormation template as JSON gives it.
type Template = map[string]any

// Root is the absolute path of the project.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// osls is the command, run in a folder of the project, as the Makefile runs it:
// no credentials, no telemetry, deprecations are errors.
func osls(t testing.TB, folder string, args ...string) *exec.Cmd {
	t.Helper()
	root := Root(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "node_modules", ".bin", "osls"), args...)
	cmd.Dir = filepath.Join(root, folder)
	cmd.Env = oslsEnv()
	return cmd
}

// oslsEnv is the environment that osls has.
func oslsEnv() []string {
	return append(withoutAWS(os.Environ()),
		"SLS_DEPRECATION_NOTIFICATION_MODE=error", "SLS_TELEMETRY_DISABLED=1", "SLS_TRACKING_DISABLED=1", "CI=1", "NO_COLOR=1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "NODE_NO_WARNINGS=1")
}

// withoutAWS takes out what belongs to an account of whoever runs the tests, and
// proxies: osls would ask one for what listens on this machine, whatever NO_PROXY says.
func withoutAWS(environ []string) []string {
	var out []string
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		switch strings.ToLower(name) {
		case "proxy", "http_proxy", "https_proxy":
			continue
		}
		if !strings.HasPrefix(line, "AWS_") && !strings.HasPrefix(line, "SLS_") {
			out = append(out, line)
		}
	}
	return out
}

// packaged keeps the template of each folder and arguments, as JSON.
var packaged sync.Map

type onePackage struct {
	once sync.Once
	json []byte
	out  string
	err  error
}

// TryPackage packages the service of a folder ("." is the root) with further
// arguments of `osls package`, once for each of these, and gives its template: a
// copy of the caller's own. out is what osls printed. It is safe for concurrent
// use.
func TryPackage(t testing.TB, folder string, args ...string) (template Template, out string, err error) {
	t.Helper()
	kept, _ := packaged.LoadOrStore(folder+"\x00"+strings.Join(args, "\x00"), &onePackage{})
	p := kept.(*onePackage)
	p.once.Do(func() { p.json, p.out, p.err = pack(t, folder, args) })
	if p.err != nil {
		return nil, p.out, p.err
	}
	if err := json.Unmarshal(p.json, &template); err != nil {
		return nil, p.out, fmt.Errorf("read the template of %s: %w", folder, err)
	}
	return template, p.out, nil
}

// folders has a lock of each: osls keeps its work in .serverless of the folder, so
// that two at once would spoil each other's.
var folders sync.Map

// alone waits until no other osls works in the folder. The lock is the caller's
// until it calls what comes back.
func alone(folder string) (done func()) {
	lock, _ := folders.LoadOrStore(filepath.Clean(folder), &sync.Mutex{})
	mu := lock.(*sync.Mutex)
	mu.Lock()
	return mu.Unlock
}

func pack(t testing.TB, folder string, args []string) (template []byte, out string, err error) {
	defer alone(folder)()
	dir, err := os.MkdirTemp("", "scopegate-package-") // outlives the test that asked first
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	cmd := osls(t, folder, append([]string{"package", "--package", dir}, args...)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, string(text), fmt.Errorf("osls package in %s: %w", folder, err)
	}
	template, err = os.ReadFile(filepath.Join(dir, "cloudformation-template-update-stack.json"))
	return template, string(text), err
}

// Package is TryPackage of a service that must package, without a warning.
func Package(t testing.TB, folder string, args ...string) Template {
	t.Helper()
	template, out, err := TryPackage(t, folder, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(out, "Warning") {
		t.Errorf("osls package in %s warns:\n%s", folder, out)
	}
	return template
}

// Examples are the folders of the example services.
func Examples(t testing.TB) []string {
	t.Helper()
	root := Root(t)
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "serverless.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, f := range files {
		folder, err := filepath.Rel(root, filepath.Dir(f))
		if err != nil {
			t.Fatal(err)
		}
		folders = append(folders, folder)
	}
	return folders
}

// Part is the member of a template at a path of names, such as "Resources",
// "Table", "Properties"; nil if there is none.
func Part(template any, path ...string) any {
	for _, name := range path {
		m, _ := template.(map[string]any)
		template = m[name]
	}
	return template
}
