package cli_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
	"scopegate/internal/idp"
	"scopegate/store"
)

const explainedAPI = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

// served is a provider on this machine.
func served(t *testing.T) *idp.Provider {
	t.Helper()
	p, err := idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.SetBaseURL(server.URL)
	return p
}

// explained runs explain with a verifier's settings on a table with one route
// that needs a group.
func explained(t *testing.T, p *idp.Provider, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return explainedIn(t, filepath.Join(t.TempDir(), "tables"), p, args...)
}

// explainedIn does so with the tables of a folder.
func explainedIn(t *testing.T, data string, p *idp.Provider, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "permissions.json")
	content := `[{"arn":"` + explainedAPI + `","stage":"dev","httpVerb":"GET","resource":"g","group":"dddddddd-0000-4000-8000-000000000001"}]`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environment(t, "INVALID_TOKEN=deny", "ENTRA_TENANT_IDS="+p.TenantID(), "ENTRA_AUTHORITY="+p.Authority(), "ENTRA_STS="+p.STS(), "OIDC_AUDIENCES="+p.Audience())
	var out, errs output
	run := func(args ...string) int {
		return cli.Run(t.Context(), append([]string{"scopegate"}, args...), env, strings.NewReader(""), &out, &errs)
	}
	if code := run("import", "--data", data, file); code != cli.OK {
		t.Fatal(errs.String())
	}
	out, errs = output{}, output{}
	code = run(append(append([]string{"explain", "--data", data, "--api", explainedAPI, "--stage", "dev"}, args...), "GET", "/g")...)
	return out.String(), errs.String(), code
}

// A provider that is down says nothing about a token: exit code 3, and JSON for
// programs all the same.
func TestExplainTellsAnOutageFromARefusal(t *testing.T) {
	p := served(t)
	p.Fail(idp.Down)
	raw, err := p.Mint(idp.Spec{Scopes: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := explained(t, p, "--token", raw)
	if code != cli.Failed || !strings.Contains(stdout, "ERROR: the token cannot be judged now (keys_unavailable)") || !strings.Contains(stderr, "status 503") {
		t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
	}
	stdout, _, code = explained(t, p, "--json", "--token", raw)
	var x struct{ Decision, Reason, Meaning, Cause string }
	if err := json.Unmarshal([]byte(stdout), &x); err != nil || code != cli.Failed || x.Decision != "error" || x.Reason != "keys_unavailable" ||
		x.Meaning == "" || !strings.Contains(x.Cause, "discovery_unavailable") {
		t.Errorf("exit code %d, printed %q (%v)", code, stdout, err)
	}
	if strings.Contains(stdout+stderr, raw) {
		t.Error("the token is printed")
	}
}

// A caller whose groups the token does not list holds nothing that needs one, and
// is told why.
func TestExplainSaysThatGroupsAreUnknown(t *testing.T) {
	p := served(t)
	raw, err := p.Mint(idp.Spec{Scopes: []string{"a"}, GroupsOverage: true})
	if err != nil {
		t.Fatal(err)
	}
	const why = "and nothing that needs a group"
	stdout, stderr, code := explained(t, p, "--token", raw)
	if code != cli.Negative || !strings.Contains(stdout, "DENY") || !strings.Contains(stdout, why) {
		t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
	}
	stdout, _, _ = explained(t, p, "--json", "--token", raw)
	if !strings.Contains(stdout, `"groupsUnknown": true`) {
		t.Errorf("printed %q", stdout)
	}
	listed, err := p.Mint(idp.Spec{Scopes: []string{"a"}, Groups: []string{"dddddddd-0000-4000-8000-000000000001"}})
	if err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := explained(t, p, "--token", listed); code != cli.OK || strings.Contains(stdout, why) {
		t.Errorf("with the group listed: exit code %d, printed %q", code, stdout)
	}
}

// With INVALID_TOKEN=deny a refusal of the moment is a 401 all the same.
func TestExplainSaysWhatAPIGatewayAnswers(t *testing.T) {
	p := served(t)
	for spec, want := range map[*idp.Spec]string{
		{Scopes: []string{"a"}, NotBefore: 30 * time.Minute}: "API Gateway answers 401.",
		{Scopes: []string{"a"}, Expired: true}:               "API Gateway answers 403.",
	} {
		raw, err := p.Mint(*spec)
		if err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, code := explained(t, p, "--token", raw); code != cli.Negative || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, printed %q, said %q, want %q", code, stdout, stderr, want)
		}
	}
}

// TestExplainSaysThatACallersTokensAreRevoked: what he would hold besides, and no
// policy.
func TestExplainSaysThatACallersTokensAreRevoked(t *testing.T) {
	p, data := served(t), t.TempDir()
	raw, err := p.Mint(idp.Spec{Groups: []string{"dddddddd-0000-4000-8000-000000000001"}, Scopes: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := dev.OpenData(data)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	_, err = s.Revoke(t.Context(), store.RevocationChange{
		ID: ulid.Make().String(), By: "test", At: now,
		Put: &store.Revocation{PrincipalID: p.TenantID() + ":" + idp.DefaultObjectID, At: now, Until: now.Add(store.MinRevocation), By: "test"},
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := explainedIn(t, data, p, "--token", raw)
	if code != cli.Negative || !strings.Contains(stdout, "UNAUTHORIZED") || !strings.Contains(stdout, "(revoked)") || !strings.Contains(stdout, "holds     GET /g") || strings.Contains(stdout, "Statement") {
		t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
	}
	stdout, _, code = explainedIn(t, data, p, "--json", "--token", raw)
	var x struct {
		Decision, Reason string
		Policy           any
	}
	if err := json.Unmarshal([]byte(stdout), &x); err != nil || code != cli.Negative || x.Decision != "unauthorized" || x.Reason != "revoked" || x.Policy != nil {
		t.Errorf("exit code %d, printed %q (%v)", code, stdout, err)
	}
}
