package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
)

// refusing has the command's output hold no token.
func refusing(t *testing.T, raw string, w way, args ...string) (said string, code int) {
	t.Helper()
	stdout, stderr, code := w.run(t, "", args...)
	if said = stdout + stderr; strings.Contains(said, raw) || strings.Contains(said, raw[len(raw)/2:]) {
		t.Errorf("%v prints the token", args)
	}
	return said, code
}

func TestATokenComesOfTheEnvironmentOrOfACommand(t *testing.T) {
	ready := inProcess(t, environment(t))
	raw := adminToken(t, ready)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(raw+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env, args []string
		code      int
		says      string
	}{
		"environment":             {[]string{"SCOPEGATE_TOKEN=" + raw}, nil, cli.OK, dev.SeedAPI.ARN},
		"command":                 {nil, []string{"--token-command", "cat " + file}, cli.OK, dev.SeedAPI.ARN},
		"command of environment":  {[]string{"SCOPEGATE_TOKEN_COMMAND=cat " + file}, nil, cli.OK, dev.SeedAPI.ARN},
		"token before command":    {[]string{"SCOPEGATE_TOKEN=" + raw}, []string{"--token-command", "exit 1"}, cli.OK, dev.SeedAPI.ARN},
		"none":                    {nil, nil, cli.Usage, "SCOPEGATE_TOKEN, or by --token-command"},
		"a command that fails":    {nil, []string{"--token-command", "echo please sign in >&2; cat " + file + "; exit 1"}, cli.Failed, "please sign in"},
		"a command without token": {nil, []string{"--token-command", "true"}, cli.Failed, "prints 0 bytes"},
		"a command that talks":    {nil, []string{"--token-command", "echo token:; cat " + file}, cli.Usage, "must be one word"},
		"a command without end":   {nil, []string{"--token-command", "head -c 100000 /dev/zero | tr '\\0' x"}, cli.Failed, "prints 100000 bytes"},
		"a wrong token":           {[]string{"SCOPEGATE_TOKEN=" + raw[:len(raw)-8] + "AAAAAAAA"}, nil, cli.Negative, "401"},
		"no token at all":         {[]string{"SCOPEGATE_TOKEN=hunter2hunter2"}, nil, cli.Negative, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			w := way{env: append(c.env, "SCOPEGATE_ADMIN="+ready.AdminURL)}
			said, code := refusing(t, raw, w, append([]string{"apis"}, c.args...)...)
			if code != c.code || !strings.Contains(said, c.says) || strings.Contains(said, "hunter2") {
				t.Errorf("ends with %d, want %d, or does not say %q: %s", code, c.code, c.says, said)
			}
		})
	}
}

// Who may not is told so, and it is no outage.
func TestWhoMayNotIsToldSo(t *testing.T) {
	ready := inProcess(t, environment(t))
	raw, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--audience", ready.AdminAudience, "--scope", ready.AdminScope)
	w := way{env: []string{"SCOPEGATE_ADMIN=" + ready.AdminURL, "SCOPEGATE_TOKEN=" + raw}}
	for _, args := range [][]string{
		with(seedTable, "export"), with(seedTable, "audit"), {"revocations"}, {"revoke", "a:b"}, with(seedTable, "restore", "--yes", "--revision", "1-x"),
		with(seedTable, "permissions", "add", "GET", "x", "--scope", "s"), with(seedTable, "wait", "--revision", "1"), with(seedTable, "lint"),
	} {
		if said, code := refusing(t, raw, w, args...); code != cli.Negative || !strings.Contains(said, "403") || !strings.Contains(said, ready.AdminRole) {
			t.Errorf("%v ends with %d: %s", args, code, said)
		}
	}
}

func TestAnOutageIsNoRefusal(t *testing.T) {
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":503,"detail":"the store does not answer now"}`)
	}))
	t.Cleanup(failing.Close)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, `{"message": "Internal server error"}`)
	}))
	t.Cleanup(gateway.Close)
	document := `{"arn": "` + dev.SeedAPI.ARN + `", "stage": "dev", "permissions": []}`
	for name, c := range map[string]struct{ url, says string }{
		"nobody listens": {"http://127.0.0.1:1", "refused"}, "503": {failing.URL, "the store does not answer now"}, "a gateway's 502": {gateway.URL, "502: Internal server error"},
	} {
		w := way{env: []string{"SCOPEGATE_ADMIN=" + c.url, "SCOPEGATE_TOKEN=a.b.c"}}
		for _, args := range [][]string{
			{"apis"}, with(seedTable, "export"), {"apply", "--yes", "-"}, {"plan", "-"}, with(seedTable, "audit"), with(seedTable, "wait", "--revision", "1"),
			with(seedTable, "who-can", "GET", "/x"), with(seedTable, "lint"), {"revoke", "a:b"}, {"permissions"}, with(seedTable, "test", "-"),
		} {
			stdin := document
			if args[0] == "test" {
				stdin = mailTests
			}
			if stdout, stderr, code := w.run(t, stdin, args...); code != cli.Failed || stdout != "" || !strings.Contains(stderr, c.says) {
				t.Errorf("%s: %v ends with %d, does not say %q: %s%s", name, args, code, c.says, stdout, stderr)
			}
		}
	}
}

func TestATokenIsNotSentInTheClearNorElsewhere(t *testing.T) {
	var asked []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Path) }))
	t.Cleanup(elsewhere.Close)
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(redirecting.Close)
	for target, want := range map[string]struct {
		code int
		says string
	}{
		"http://admin.example.org": {cli.Usage, "must begin with https://"},
		"admin.example.org":        {cli.Usage, "must be a URL"},
		redirecting.URL:            {cli.Negative, "a redirect, which is not followed"},
	} {
		w := way{at: []string{"--admin", target}, env: []string{"SCOPEGATE_TOKEN=secret.secret.secret"}}
		if said, code := refusing(t, "secret.secret.secret", w, "apis"); code != want.code || !strings.Contains(said, want.says) {
			t.Errorf("%s: ends with %d: %s", target, code, said)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the redirect was followed: %v", asked)
	}
}

// On a laptop that has no credentials the last resort of AWS's SDK is an address
// that is not there; what it says of that helps nobody.
func TestALaptopWithoutAWSIsToldWhatIsMissing(t *testing.T) {
	imds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(imds.Close)
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.URL, "AWS_ENDPOINT_URL_DYNAMODB": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	for _, args := range [][]string{with(seedTable, "lint"), with(seedTable, "explain", "--scope", "s", "GET", "/x"), with(seedTable, "export"), with(seedTable, "audit"), {"apply", "--yes", "-"}} {
		stdout, stderr, code := way{}.run(t, `{"arn": "`+dev.SeedAPI.ARN+`", "stage": "dev", "permissions": []}`, args...)
		if code != cli.Failed || stdout != "" || !strings.Contains(stderr, "no AWS credentials") || !strings.Contains(stderr, "--admin URL") || strings.Contains(stderr, "ec2imds") {
			t.Errorf("%v ends with %d: %s%s", args, code, stdout, stderr)
		}
	}
	t.Setenv("AWS_PROFILE", "nosuch")
	if _, stderr, code := (way{}).run(t, "", with(seedTable, "lint")...); code != cli.Usage || !strings.Contains(stderr, `AWS_PROFILE "nosuch": there is no such profile`) {
		t.Errorf("ends with %d: %s", code, stderr)
	}
}

// A change on DynamoDB itself is recorded under the ARN that STS has for the
// caller, and without one nothing is written.
func TestADirectChangeIsNamedAfterItsCaller(t *testing.T) {
	const arn = "arn:aws:sts::219852565112:assumed-role/ops/ada"
	status := http.StatusOK
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`, arn)
	}))
	t.Cleanup(sts.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_STS": sts.URL, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"} {
		t.Setenv(name, value)
	}
	onDynamo(t, func(t *testing.T, w way) {
		w.env = append(w.env, "AWS_ENDPOINT_URL_STS="+sts.URL)
		add := with(seedTable, "permissions", "add", "GET", "x", "--scope", "s")
		status = http.StatusForbidden
		if _, stderr, code := w.run(t, "", add...); code != cli.Failed || !strings.Contains(stderr, "nothing is written") {
			t.Errorf("without a name it ends with %d: %s", code, stderr)
		}
		status = http.StatusOK
		w.ok(t, "", add...)
		var audit auditOutput
		w.into(t, &audit, "", with(seedTable, "audit")...)
		if len(audit.Records) != 2 || audit.Records[0].By != "direct:"+arn {
			t.Errorf("audit %+v", audit)
		}
	})
}

func TestOneTableIsMeantWithoutBeingNamed(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		named := w.ok(t, "", with(seedTable, "export")...)
		for _, args := range [][]string{{"export"}, {"export", "--api", dev.SeedAPI.ID(), "--stage", "dev"}} {
			if got := w.ok(t, "", args...); got != named {
				t.Errorf("%v prints\n%s", args, got)
			}
		}
		w.ok(t, named, "apply", "--yes", "--stage", "prod", "-")
		for want, args := range map[string][]string{
			"there are 2 tables": {"export"}, "there is no such table": {"export", "--api", "nosuch", "--stage", "dev"}, "404": {"export", "--api", dev.SeedAPI.ARN, "--stage", "nosuch"},
		} {
			if _, stderr, code := w.run(t, "", args...); code == cli.OK || code == cli.Failed || !strings.Contains(stderr, want) {
				t.Errorf("%v ends with %d: %s", args, code, stderr)
			}
		}
	})
}

// Through the admin API explain is the API's answer, for a token as for claims.
func TestExplainThroughTheAdminAPI(t *testing.T) {
	ready := inProcess(t, environment(t))
	w := way{env: []string{"SCOPEGATE_ADMIN=" + ready.AdminURL, "SCOPEGATE_TOKEN=" + adminToken(t, ready)}}
	dev := way{at: []string{"--dev", ready.AdminURL}}
	raw, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "orders.read")
	forged, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--scope", "orders.read", "--forged")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"described": {[]string{"--scope", "orders.read", "GET", "/orders/7"}, cli.OK, "ALLOW  GET /orders/7  (held_route)"},
		"not held":  {[]string{"--scope", "email", "GET", "/orders/7"}, cli.Negative, "DENY  GET /orders/7  (not_held)"},
		"claims":    {[]string{"--claims", `{"scp": "orders.read"}`, "GET", "/orders/7"}, cli.OK, "ALLOW"},
		"a token":   {[]string{"--token", raw, "GET", "/orders/7"}, cli.OK, "ALLOW"},
		"forged":    {[]string{"--token", forged, "GET", "/orders/7"}, cli.Negative, "UNAUTHORIZED"},
		"report":    {[]string{"--report", "--scope", "orders.read", "GET", "/orders/7"}, cli.OK, "collides"},
		"json":      {[]string{"--json", "--scope", "orders.read", "GET", "/orders/7"}, cli.OK, `"decision": "allow"`},
	} {
		said, code := refusing(t, strings.TrimSpace(raw), w, append(with(seedTable, "explain"), c.args...)...)
		if code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%s: ends with %d, want %d, or does not say %q: %s", name, code, c.code, c.says, said)
		}
		if _, same := refusing(t, strings.TrimSpace(raw), dev, append(with(seedTable, "explain"), c.args...)...); same != code {
			t.Errorf("%s: ends with %d, through dev with %d", name, code, same)
		}
	}
}
