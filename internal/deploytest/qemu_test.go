//go:build deploy

package deploytest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
	"scopegate/policy"
)

// qemu runs programs for arm64 on this machine; Debian's package is
// qemu-user-static.
const qemu = "qemu-aarch64-static"

// emulator is the path of qemu, "" where the machine needs none. ok is false where
// it needs one that it does not have.
func emulator(t *testing.T) (path string, ok bool) {
	t.Helper()
	if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		return "", true
	}
	path, err := exec.LookPath(qemu)
	return path, err == nil
}

// runZip unpacks the zip that is deployed and runs what is in it.
func runZip(t *testing.T, function, emulator string, environment map[string]string) *lambdaruntime.Runtime {
	t.Helper()
	b, _, err := unpack(zipOf(t, function))
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(bootstrap, b, 0o755); err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range environment {
		env = append(env, name+"="+value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	r, err := lambdaruntime.Start(ctx, bootstrap, env, lambdaruntime.Options{Emulator: emulator, Timeout: within})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("stop %s: %v", function, err)
		}
		if t.Failed() {
			t.Logf("the log of %s:\n%s", function, r.Logs())
		}
	})
	return r
}

// TestTheZipsForARM64AnswerEvents: those that are deployed, each with one event
// that it allows and one that it does not.
func TestTheZipsForARM64AnswerEvents(t *testing.T) {
	path, ok := emulator(t)
	if !ok {
		t.Logf("there is no %s (Debian: qemu-user-static) on this machine for %s: the zips are unpacked and looked at, and not run", qemu, runtime.GOARCH)
		return
	}
	provider, environment := partners(t)
	mint := func(s idp.Spec) string {
		raw, err := provider.Mint(s)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + raw
	}
	t.Run("authorizer", func(t *testing.T) {
		r := runZip(t, "authorizer", path, environment)
		testAuthorizerAnswers(t, r, mint(idp.Spec{Scopes: []string{"orders.read"}}))
		if _, err := ask(t, r, tokenEvent(mint(idp.Spec{Scopes: []string{"orders.read"}, Forged: true}))); err == nil || err.Error() != "Unauthorized" {
			t.Errorf("a forged token: %v", err)
		}
	})
	t.Run("admin", func(t *testing.T) {
		r := runZip(t, "admin", path, adminEnvironment(environment))
		admin := mint(idp.Spec{Audience: offlineAdmins, Scopes: []string{"Mappings.ReadWrite"}, Roles: []string{"Mappings.Admin"}})
		user := mint(idp.Spec{Audience: offlineAdmins, Scopes: []string{"Mappings.ReadWrite"}})
		for _, c := range []struct {
			path, authorization, want string
			status                    int
		}{
			{"/healthz", "", "", 200}, {"/v1/apis", "", "", 401}, {"/v1/apis", user, "", 403}, {"/v1/apis", admin, offlineAPI, 200},
		} {
			out, err := ask(t, r, proxyEvent(c.path, c.authorization))
			if err != nil || !strings.Contains(out, fmt.Sprintf(`"statusCode":%d`, c.status)) || !strings.Contains(out, c.want) {
				t.Errorf("%s: %s, %v, want %d", c.path, out, err, c.status)
			}
		}
	})
}

func testAuthorizerAnswers(t *testing.T, r *lambdaruntime.Runtime, authorization string) {
	t.Helper()
	out, err := ask(t, r, tokenEvent(authorization))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		PrincipalID    string          `json:"principalId"`
		PolicyDocument policy.Document `json:"policyDocument"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.PrincipalID != idp.DefaultTenantID+":"+idp.DefaultObjectID {
		t.Errorf("the principal is %q", answer.PrincipalID)
	}
	for path, want := range map[string]policy.Decision{"orders/7": policy.Allowed, "orders/export": policy.ExplicitlyDenied, "mail": policy.NotMatched} {
		if got := policy.Evaluate(answer.PolicyDocument, offlineAPI+"/dev/GET/token/"+path, time.Now(), netip.Addr{}); got != want {
			t.Errorf("GET token/%s: %v, want %v", path, got, want)
		}
	}
}

func tokenEvent(authorization string) string {
	return fmt.Sprintf(`{"type":"TOKEN","authorizationToken":%q,"methodArn":%q}`, authorization, offlineAPI+"/dev/GET/token/orders/7")
}

func proxyEvent(path, authorization string) string {
	return fmt.Sprintf(`{"version":"2.0","rawPath":%q,"headers":{"authorization":%q},"requestContext":{"http":{"method":"GET"},"requestId":"r"}}`, path, authorization)
}

// ask asks until it is answered: on an emulated processor of a busy machine the
// function's own time-outs may pass. A refusal is an answer, and is never one of
// those.
func ask(t *testing.T, r *lambdaruntime.Runtime, event string) (string, error) {
	t.Helper()
	for end := time.Now().Add(within); ; {
		out, err := r.Invoke(t.Context(), []byte(event))
		failed := err != nil && strings.HasPrefix(err.Error(), "scopegate: ") || strings.Contains(string(out), `"statusCode":5`)
		if !failed || time.Now().After(end) {
			return string(out), err
		}
	}
}
