package cli_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
	"scopegate/mapping"
)

func TestCtrlCDuringTheStartEndsDevInGoodOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client goes
		cancel()                           // the start has got as far as the store
		<-r.Context().Done()
	}))
	defer hanging.Close()
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", hanging.URL)
	var stdout, stderr output
	args := slices.Concat([]string{"scopegate", "dev"}, anyPorts)
	code := cli.Run(ctx, args, environment(t, "AWS_ENDPOINT_URL_DYNAMODB="+hanging.URL), nil, &stdout, &stderr)
	if code != cli.OK || stdout.String() != "" || stderr.String() != "Ending. Ctrl-C again ends it at once.\n" {
		t.Errorf("exit code %d, printed %q, said %q", code, &stdout, &stderr)
	}
}

func TestDevWarnsOfSettingsThatAreNone(t *testing.T) {
	d := startDev(t, environment(t, "CACHE_TTLS=1s", "POLICY_SCOP=route", "SOMETHING=else"))
	d.banner(t)
	d.interrupt(t)
	for _, name := range []string{"CACHE_TTLS", "POLICY_SCOP"} {
		if !strings.Contains(d.stderr.String(), name+" of the environment is no setting of Scopegate.\n") {
			t.Errorf("%s goes without a word: %s", name, d.stderr)
		}
	}
	if strings.Contains(d.stderr.String(), "SOMETHING") {
		t.Errorf("somebody else's variable is named: %s", d.stderr)
	}
}

func TestADocumentWithoutPermissionsIsServedAsSuch(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.json")
	if err := os.WriteFile(empty, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, environment(t), "--json", "--document", empty)
	line, err := d.stdout.ReadString('\n')
	if err != nil || !strings.Contains(line, `"apis":[]`) {
		t.Errorf("%v: printed %q, want no API", err, line)
	}
	d.interrupt(t)
	if !strings.Contains(d.stderr.String(), "empty.json holds no permission: nothing is loaded.\n") {
		t.Errorf("said %q", d.stderr)
	}
}

func TestTheExampleIsImportedIntoTheSeededAPI(t *testing.T) {
	const file = "../../examples/permissions.json"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := mapping.ParsePermissions(b)
	if err != nil || len(list) == 0 {
		t.Fatalf("%d permissions: %v", len(list), err)
	}
	for _, p := range list {
		if p.API != dev.SeedAPI {
			t.Errorf("%s /%s is of %s, want %s", p.Verb, p.Resource, p.API, dev.SeedAPI)
		}
	}
	ready := inProcess(t, environment(t))
	if out, errs, code := scopegate(t, "", "import", "--dev", ready.AdminURL, file); code != cli.OK || !strings.Contains(out, ": 4 added, 0 changed, 2 unchanged") {
		t.Fatalf("import: exit code %d\n%s%s", code, out, errs)
	}
	for _, c := range []struct {
		flags        []string
		method, path string
		want         string
	}{
		{[]string{"--scope", "orders.write", "--role", "Orders.Admin"}, "DELETE", "/orders/7", "ALLOW"},
		{[]string{"--scope", "orders.write"}, "DELETE", "/orders/7", "DENY"},
		{[]string{"--role", "Orders.Import"}, "POST", "/orders/import", "ALLOW"},
		{[]string{"--scope", "email", "--role", "Orders.Import"}, "POST", "/orders/import", "DENY"},
		{[]string{"--scope", "reports.read"}, "GET", "/reports/2030/may", "ALLOW"},
		{[]string{"--scope", "orders.read"}, "GET", "/orders/archive", "DENY"},
	} {
		args := slices.Concat([]string{"explain", "--dev", ready.AdminURL, "--api", dev.SeedAPI.ARN, "--stage", dev.SeedAPI.Stage}, c.flags, []string{c.method, c.path})
		if out, errs, _ := scopegate(t, "", args...); !strings.HasPrefix(out, c.want) {
			t.Errorf("%v %s %s: want %s:\n%s%s", c.flags, c.method, c.path, c.want, out, errs)
		}
	}
}

// TestWhatAnswersOnAPortIsNamed: the causes of a wrong or failing address.
func TestWhatAnswersOnAPortIsNamed(t *testing.T) {
	ready := inProcess(t, environment(t))
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "list tables: store is down", http.StatusServiceUnavailable)
	}))
	defer failing.Close()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"admin port as issuer": {[]string{"token", "--issuer", ready.AdminURL, "--scope", "a"}, "which is no answer of an identity provider"},
		"issuer as admin port": {[]string{"import", "--dev", ready.IssuerURL, "-"}, "this is not the admin port of scopegate dev"},
		"store down":           {[]string{"import", "--dev", failing.URL, "-"}, "scopegate dev runs, but cannot read its tables: list tables: store is down"},
	} {
		_, errs, code := scopegate(t, `[]`, c.args...)
		if code != cli.Failed || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit code %d, said %q", name, code, errs)
		}
	}
}
