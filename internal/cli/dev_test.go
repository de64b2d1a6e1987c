package cli_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
	"scopegate/internal/idp"
)

var tries = regexp.MustCompile(`(?m)^  (\S.*)\n    (\S.*)$`)

// TestDevSaysWhenAChangeCounts: with its gateways' caches flushed, and without.
func TestDevSaysWhenAChangeCounts(t *testing.T) {
	for flush, want := range map[string]string{
		"on":  "counts after 1s for new callers, after 31s for callers whose policy is cached.",
		"off": "counts after 1s for new callers, after 5m0s for callers whose policy is cached.",
	} {
		d := startDev(t, environment(t, "CACHE_TTL=1s", "FLUSH_AUTHORIZER_CACHE="+flush))
		if b := d.banner(t); !strings.Contains(b, want) {
			t.Errorf("with flushes %s dev says\n%s", flush, b)
		}
		d.interrupt(t)
	}
}

func TestEveryCommandThatDevPrintsDoesWhatItSays(t *testing.T) {
	env := environment(t, "CACHE_TTL=1s")
	d := startDev(t, env)
	_, list, ok := strings.Cut(d.banner(t), "Try in another terminal:\n")
	if !ok {
		t.Fatal("dev prints no commands")
	}
	// What each must show, by the beginning of its description, and the line
	// that dev prints about a request of it.
	want := []struct {
		about string
		shows []string
		line  string
	}{
		{"200: my-resource", []string{"HTTP/1.1 200", `"scp":"email"`}, "REST 200 called    GET /dev/my-resource  (held_route GET /my-resource)"},
		{"200: the same through the HTTP API", []string{"HTTP/1.1 200"}, "HTTP 200 called    GET /dev/my-resource  (held_route GET /my-resource)"},
		{"403: without the scope", []string{"HTTP/1.1 403", `{"Message":"User is not authorized to access this resource with an explicit deny"}`}, "REST 403 called    GET /dev/my-resource  (not_held GET /my-resource)"},
		{"401: an expired", []string{"HTTP/1.1 401", `{"message":"Unauthorized"}`}, "REST 401 called    GET /dev/my-resource  (expired)"},
		{"401: a forged", []string{"HTTP/1.1 401", `{"message":"Unauthorized"}`}, "REST 401 called    GET /dev/my-resource  (signature)"},
		{"401: no JWT", []string{"HTTP/1.1 401", `{"message":"Unauthorized"}`}, "REST 401 no call   GET /dev/my-resource  ("},
		{"200 and 200:", []string{"HTTP/1.1 200", `"path":"/orders/7"`}, "REST 200 cached    GET /dev/orders/7  (allowed by the cached policy)"},
		{"403: orders/export", []string{"HTTP/1.1 403", "with an explicit deny"}, "REST 403 called    GET /dev/orders/export  (not_held GET /orders/export)"},
		{"A new mapping", []string{"dev: 1 added, 0 changed, 0 unchanged, revision 2-"}, ""},
		{"Why a call", []string{"ALLOW  GET /my-resource", "of 8192 bytes; says about this call: allowed"}, ""},
	}
	found := tries.FindAllStringSubmatch(list, -1)
	if len(found) != len(want) {
		t.Fatalf("dev prints %d commands, %d are known here:\n%s", len(found), len(want), list)
	}
	for i, w := range want {
		about, command := found[i][1], found[i][2]
		if !strings.HasPrefix(about, w.about) {
			t.Fatalf("command %d is about %q, want %q", i+1, about, w.about)
		}
		before := len(d.stderr.String())
		shell := exec.CommandContext(t.Context(), "bash", "-c", command)
		shell.Env = env
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n$ %s\n%v\n%s", about, command, err, out)
		}
		for _, s := range w.shows {
			if !strings.Contains(string(out), s) {
				t.Errorf("%s\n$ %s\n%s\ndoes not show %s", about, command, out, s)
			}
		}
		if w.line != "" {
			d.stderr.await(t, before, " "+w.line)
		}
	}
	d.interrupt(t)
	if strings.Contains(d.stderr.String(), "eyJ") {
		t.Error("dev prints tokens")
	}
}

func TestDevPrintsOneLineOfJSONAndLeavesNothingBehind(t *testing.T) {
	tmp := t.TempDir()
	// An address where, on Linux, no other test listens: a port that was given back
	// is not given to another one before it is looked at.
	own := "127.0.0.1:0"
	if id := os.Getpid(); runtime.GOOS == "linux" {
		own = net.JoinHostPort(net.IPv4(127, byte(128|id>>16&63), byte(id>>8), byte(id)).String(), "0")
	}
	d := startDev(t, append(environment(t), "TMPDIR="+tmp, "OIDC_AUDIENCES=api://mine"),
		"--json", "--rest-addr", own, "--http-addr", own, "--admin-addr", own, "--issuer-addr", own)
	line, err := d.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, d.stderr)
	}
	var ready dev.Ready
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		t.Fatal(err)
	}
	urls := []string{ready.RESTURL, ready.HTTPURL, ready.AdminURL, ready.IssuerURL}
	if ready.Tenant == "" || ready.Audience == "" || ready.AdminAudience == "" || ready.CacheTTL != "30s" || ready.AuthorizerTTL != "5m0s" ||
		len(ready.APIs) != 1 || ready.APIs[0].ARN != dev.SeedAPI.ARN || ready.APIs[0].RESTURL != ready.RESTURL+"/dev" {
		t.Errorf("ready line: %s", line)
	}
	if rest := d.interrupt(t); rest != "" {
		t.Errorf("more on standard output: %q", rest)
	}
	for _, u := range urls {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", parsed.Host)
		if err != nil {
			t.Errorf("the port of %s is still taken: %v", u, err)
			continue
		}
		l.Close()
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if !strings.Contains(d.stderr.String(), "OIDC_AUDIENCES of the environment is replaced") {
		t.Errorf("a setting is replaced without a word: %s", d.stderr)
	}
}

func TestDevNamesTheFlagOfAPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	args := slices.Concat([]string{"scopegate", "dev"}, anyPorts, []string{"--admin-addr", l.Addr().String(), "--http-addr", l.Addr().String()})
	var stdout, stderr output
	code := cli.Run(t.Context(), args, environment(t), nil, &stdout, &stderr)
	if code != cli.Failed || stdout.String() != "" {
		t.Errorf("exit code %d, want %d; printed %q", code, cli.Failed, stdout.String())
	}
	for _, flag := range []string{"--admin-addr", "--http-addr"} {
		if want := flag + ` "` + l.Addr().String() + `": cannot listen there`; !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr %q does not name %s", stderr.String(), flag)
		}
	}
}

func TestATokenIsPrintedAloneAndExplained(t *testing.T) {
	ready := inProcess(t, environment(t))
	api := []string{"--api", dev.SeedAPI.ARN, "--stage", dev.SeedAPI.Stage, "GET", "/orders/7"}
	explain := func(raw string, flags ...string) (string, int) {
		out, errs, code := scopegate(t, raw, slices.Concat([]string{"explain", "--dev", ready.AdminURL, "--token", "-"}, flags, api)...)
		if strings.Contains(out+errs, strings.TrimSpace(raw)) {
			t.Error("explain prints the token")
		}
		return out + errs, code
	}
	for _, c := range []struct {
		flags []string
		code  int
		shows string
	}{
		{[]string{"--scope", "email orders.read"}, cli.OK, "ALLOW  GET /orders/7  (held_route)"},
		{[]string{"--scope", "email", "--scope", "orders.read", "--v1"}, cli.OK, "token verified"},
		{[]string{"--scope", "email"}, cli.Negative, "DENY  GET /orders/7  (not_held)"},
		{[]string{"--app", "--role", "Orders.Read"}, cli.Negative, "(app)"},
		{[]string{"--scope", "a", "--group", "g", "--oid", "dddddddd-0000-4000-8000-000000000001"}, cli.Negative, "dddddddd-0000-4000-8000-000000000001 (user)"},
		{[]string{"--scope", "orders.read", "--expired"}, cli.Negative, "UNAUTHORIZED: the token is refused (expired)"},
		{[]string{"--scope", "orders.read", "--forged"}, cli.Negative, "refused (signature)"},
		{[]string{"--scope", "orders.read", "--audience", "api://other"}, cli.Negative, "refused (audience)"},
		{[]string{"--scope", "orders.read", "--tenant", "22222222-2222-4333-8444-555555555555"}, cli.Negative, "refused (issuer_unknown)"},
		{[]string{"--scope", "orders.read", "--life", "40h"}, cli.Negative, "refused (lifetime)"},
		{[]string{"--scope", "orders.read", "--claims", `{"ver": null}`}, cli.Negative, "refused ("},
		{[]string{"--scope", "x", "--overage"}, cli.Negative, "groups unknown"},
	} {
		raw, errs, code := scopegate(t, "", append([]string{"token", "--issuer", ready.IssuerURL}, c.flags...)...)
		if code != cli.OK || strings.Count(raw, "\n") != 1 || strings.Count(raw, ".") != 2 || errs != "" {
			t.Errorf("token %v: exit code %d, printed %q, said %q", c.flags, code, raw, errs)
		}
		if text, code := explain(raw); code != c.code || !strings.Contains(text, c.shows) {
			t.Errorf("token %v: explain ends with %d, want %d, and does not show %q:\n%s", c.flags, code, c.code, c.shows, text)
		}
	}
	raw, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "orders.read")
	text, code := explain(raw, "--json")
	var x struct {
		Decision, Reason string
		Held             []json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &x); err != nil || code != cli.OK || x.Decision != "allow" || x.Reason != "held_route" || len(x.Held) != 1 {
		t.Errorf("explain --json: %v, exit code %d: %s", err, code, text)
	}
	if out, errs, code := scopegate(t, "", "revoke", "--dev", ready.AdminURL, ready.Tenant+":"+idp.DefaultObjectID); code != cli.OK {
		t.Errorf("revoke: exit code %d, printed %q, said %q", code, out, errs)
	}
	if text, code := explain(raw); code != cli.Negative || !strings.Contains(text, "UNAUTHORIZED  GET /orders/7  (revoked)") {
		t.Errorf("a revoked caller's token: exit code %d: %s", code, text)
	}
	if _, errs, code := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--claims", "["); code != cli.Negative || !strings.Contains(errs, "claims: must be a JSON object") {
		t.Errorf("bad claims: exit code %d, said %q", code, errs)
	}
	if out, _, code := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "a", "--json"); code != cli.OK || !strings.Contains(out, `"expires_in": 3600`) {
		t.Errorf("token --json: exit code %d, printed %q", code, out)
	}
}

func TestAnImportIntoARunningDevIsWrittenThroughItsAdminAPI(t *testing.T) {
	ready := inProcess(t, environment(t, "CACHE_TTL=0s"), "--authorizer-ttl", "0s")
	const bad = `[{"arn": "x", "stage": "dev", "httpVerb": "GET", "resource": "a", "scope": "s"}]`
	if _, errs, code := scopegate(t, bad, "import", "--dev", ready.AdminURL, "-"); code != cli.Negative || !strings.Contains(errs, `permission 1: arn "x": must be`) {
		t.Errorf("bad entry: exit code %d, said %q", code, errs)
	}
	list := `[{"arn": "` + dev.SeedAPI.ARN + `", "stage": "dev", "httpVerb": "GET", "resource": "my-resource", "scope": "email", "description": "mail"},
	          {"arn": "` + dev.SeedAPI.ARN + `", "stage": "dev", "httpVerb": "GET", "resource": "invoices", "scope": "email"},
	          {"arn": "arn:aws:execute-api:eu-west-1:219852565112:second", "stage": "v1", "httpVerb": "GET", "resource": "x", "scope": "email"}]`
	out, errs, code := scopegate(t, list, "import", "--complete", "--dev", ready.AdminURL, "-")
	if code != cli.OK || !strings.Contains(out, "rz8w6b1ik2 dev: 1 added, 1 changed, 0 unchanged, revision 2-") ||
		!strings.Contains(out, "second v1: 1 added, 0 changed, 0 unchanged, revision 2-") || strings.Count(out, "marked complete") != 2 {
		t.Fatalf("import: exit code %d\n%s%s", code, out, errs)
	}
	if out, _, code := scopegate(t, list, "import", "--complete", "--dev", ready.AdminURL, "-"); code != cli.OK || strings.Contains(out, "marked") || strings.Count(out, " 0 added, 0 changed") != 2 {
		t.Errorf("the same again: exit code %d\n%s", code, out)
	}
	raw, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "email")
	second := strings.Replace(ready.RESTURL, "127.0.0.1", "second.localhost", 1)
	for _, u := range []string{ready.RESTURL + "/dev/invoices", ready.HTTPURL + "/dev/invoices", second + "/v1/x"} {
		if status := get(t, ready, u, strings.TrimSpace(raw)); status != http.StatusOK {
			t.Errorf("GET %s: %d, want 200", u, status)
		}
	}
	if status := get(t, ready, ready.RESTURL+"/v1/x", strings.TrimSpace(raw)); status != http.StatusForbidden {
		t.Errorf("another API's route answers %d under the main API's name", status)
	}
}

func TestManyImportsIntoARunningDevLoseNothing(t *testing.T) {
	ready := inProcess(t, environment(t))
	const writers = 12
	var wg sync.WaitGroup
	for i := range writers {
		list := fmt.Sprintf(`[{"arn": "arn:aws:execute-api:eu-west-1:219852565112:new", "stage": "dev", "httpVerb": "GET", "resource": "r%d", "scope": "s"}]`, i)
		env := environment(t)
		wg.Go(func() {
			var out, errs output
			args := []string{"scopegate", "import", "--dev", ready.AdminURL, "-"}
			if code := cli.Run(t.Context(), args, env, strings.NewReader(list), &out, &errs); code != cli.OK || !strings.Contains(out.String(), ": 1 added, ") {
				t.Errorf("import %d: exit code %d: %s%s", i, code, &out, &errs)
			}
		})
	}
	wg.Wait()
	out, _, _ := scopegate(t, "", "explain", "--dev", ready.AdminURL, "--json", "--scope", "s", "--api", "arn:aws:execute-api:eu-west-1:219852565112:new", "--stage", "dev", "GET", "/r0")
	var x struct{ Held []json.RawMessage }
	if err := json.Unmarshal([]byte(out), &x); err != nil || len(x.Held) != writers {
		t.Errorf("%d permissions are there, want %d: %v", len(x.Held), writers, err)
	}
}

func TestDevServesADocumentAndKeepsItsTables(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "permissions.json")
	data := filepath.Join(dir, "data")
	document := `[{"arn": "arn:aws:execute-api:eu-west-1:219852565112:mine", "stage": "$default", "httpVerb": "GET", "resource": "x/{id}", "scope": "x"},
	              {"arn": "arn:aws:execute-api:eu-west-1:219852565112:mine", "stage": "prod", "httpVerb": "GET", "resource": "x/{id}", "scope": "x"}]`
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("loaded", func(t *testing.T) {
		ready := inProcess(t, environment(t), "--data", data, "--document", file, "--complete")
		raw, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "x")
		for target, want := range map[string]int{
			ready.RESTURL + "/prod/x/1": http.StatusOK, ready.HTTPURL + "/prod/x/1": http.StatusOK, ready.HTTPURL + "/x/1": http.StatusOK,
			ready.RESTURL + "/x/1": http.StatusForbidden, ready.RESTURL + "/dev/my-resource": http.StatusForbidden, ready.HTTPURL + "/dev/my-resource": http.StatusForbidden,
		} {
			if got := get(t, ready, target, strings.TrimSpace(raw)); got != want {
				t.Errorf("GET %s: %d, want %d", target, got, want)
			}
		}
		if _, errs, code := scopegate(t, document, "import", "--data", data, "-"); code != cli.Failed || !strings.Contains(errs, "use --dev") {
			t.Errorf("import into the folder of a running dev: exit code %d, said %q", code, errs)
		}
	})
	t.Run("kept", func(t *testing.T) {
		ready := inProcess(t, environment(t), "--data", data, "--api", "mine")
		if len(ready.APIs) != 2 {
			t.Errorf("tables after a restart: %+v", ready.APIs)
		}
		out, errs, code := scopegate(t, document, "import", "--complete", "--dev", ready.AdminURL, "-")
		if code != cli.OK || strings.Count(out, "0 added, 0 changed, 1 unchanged, revision 1-") != 2 || strings.Contains(out, "marked") {
			t.Errorf("the document is not there any more, or not as complete: exit code %d\n%s%s", code, out, errs)
		}
	})
}

// TestExplainDecidesAsTheRunningDevDoes: the settings are those of dev, not
// those of the terminal in which explain is run.
func TestExplainDecidesAsTheRunningDevDoes(t *testing.T) {
	ask := []string{"--api", dev.SeedAPI.ARN, "--stage", dev.SeedAPI.Stage, "GET", "/orders/7"}
	for name, c := range map[string]struct {
		settings []string
		scope    string
		code     int
		shows    string
	}{
		"bytes":       {[]string{"POLICY_MAX_BYTES=1024"}, "email orders.read", cli.Failed, `"maxBytes": 1024`},
		"scope":       {[]string{"POLICY_SCOPE=route", "POLICY_MAX_BYTES=16384"}, "email orders.read", cli.OK, `"maxBytes": 16384`},
		"default":     {nil, "email orders.read", cli.OK, `/dev/GET/my-resource"`},
		"no expiry":   {[]string{"POLICY_EXPIRY=off"}, "orders.read", cli.OK, `"verdict": "allowed"`},
		"explicit":    {[]string{"POLICY_EXPLICIT_DENY=on"}, "email", cli.Negative, `"verdict": "explicitly denied"`},
		"the issuer":  {nil, "email", cli.Negative, `"issuer": "http://127.0.0.1:`},
		"the tenants": {nil, "email", cli.Negative, `"trusted": true`},
	} {
		t.Run(name, func(t *testing.T) {
			ready := inProcess(t, environment(t, c.settings...))
			out, errs, code := scopegate(t, "", slices.Concat([]string{"explain", "--json", "--dev", ready.AdminURL, "--scope", c.scope}, ask)...)
			if code != c.code || !strings.Contains(out, c.shows) {
				t.Errorf("exit code %d, want %d, or nothing shows %s:\n%s%s", code, c.code, c.shows, out, errs)
			}
			if strings.Contains(out, "my-resource\"") != (name != "scope" && strings.Contains(c.scope, "email")) || strings.Contains(out, "DateLessThan") == (name == "no expiry" || name == "bytes") {
				t.Errorf("the policy is not dev's:\n%s", out)
			}
		})
	}
}

func TestExplainDescribesTheCallerWhoseTokenIsMinted(t *testing.T) {
	ready := inProcess(t, environment(t))
	api := []string{"--api", dev.SeedAPI.ARN, "--stage", dev.SeedAPI.Stage, "GET", "/orders/7"}
	type answer struct {
		Decision, Reason string
		Caller           struct {
			PrincipalType, Issuer, Audience string
			Scopes, Roles, Groups           []string
		}
	}
	for _, flags := range [][]string{
		{"--role", "R"}, {"--group", "g"}, {"--app", "--role", "R"}, {"--scope", "orders.read"}, {"--scope", "orders.read", "--role", "R S", "--group", "g"},
		{"--app"}, {"--app", "--scope", "orders.read"}, {"--group", "g", "--role", "R"},
	} {
		raw, _, _ := scopegate(t, "", slices.Concat([]string{"token", "--issuer", ready.IssuerURL}, flags)...)
		var minted, described answer
		for into, args := range map[*answer][]string{&minted: {"--token", "-"}, &described: flags} {
			out, errs, _ := scopegate(t, raw, slices.Concat([]string{"explain", "--json", "--dev", ready.AdminURL}, args, api)...)
			if err := json.Unmarshal([]byte(out), into); err != nil {
				t.Fatalf("%v: %v: %s", args, err, errs)
			}
		}
		if diff := cmp.Diff(minted, described); diff != "" {
			t.Errorf("%v (-minted +described):\n%s", flags, diff)
		}
	}
}
