package adminwiring

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"scopegate/internal/config"
	"scopegate/internal/flush"
	"scopegate/internal/leaktest"
	"scopegate/mapping"
	"scopegate/store/bolt"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

const tenant = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"

type failing struct{}

func (failing) Flush(context.Context, mapping.API) error { return errors.New("dial 10.0.0.7: refused") }
func (failing) Schedule(_ context.Context, _ flush.Job) error {
	return errors.New("dial 10.0.0.7: refused")
}

// parts are made with these settings, beside the least ones.
func parts(t *testing.T, settings ...string) (*Parts, *observer.ObservedLogs) {
	t.Helper()
	s, err := config.Load(append([]string{
		"ADMIN_TENANT_IDS=" + tenant, "ADMIN_AUDIENCES=api://admin", "FLUSH_QUEUE_URL=" + queueURL,
	}, settings...), config.AdminAPI)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := bolt.Open(filepath.Join(t.TempDir(), "tables.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tables.Close(); err != nil {
			t.Error(err)
		}
	})
	core, logged := observer.New(zap.InfoLevel)
	p, err := New(Config{Settings: s, Store: tables, Client: failing{}, Jobs: failing{}, Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	return p, logged
}

func TestAFlushThatFailsIsCountedAndLogged(t *testing.T) {
	p, logged := parts(t)
	api := mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}
	if err := p.Run(t.Context(), flush.Job{ID: "x", Due: time.Now().Add(-time.Second), ARN: api.ARN, Stage: api.Stage}); err == nil {
		t.Error("a job that failed is done")
	}
	lines := logged.FilterMessage("flush failed").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	fields := lines[0].ContextMap()
	if fields["FlushFailed"] != int64(1) || fields["api"] != "rz8w6b1ik2" || fields["stage"] != "dev" || !strings.Contains(fields["error"].(string), "10.0.0.7") || fields["_aws"] == nil {
		t.Errorf("%v", fields)
	}
}

func TestWhileFlushIsOffJobsAreDropped(t *testing.T) {
	p, logged := parts(t, "FLUSH_AUTHORIZER_CACHE=off")
	if err := p.Run(t.Context(), flush.Job{ID: "x", Due: time.Now()}); err != nil || p.Coordinator != nil || logged.FilterMessageSnippet("dropped").Len() != 1 {
		t.Errorf("%v, logged %v", err, logged.All())
	}
}

// TestTheHandlerIsTheAdminAPI, which lets nobody in without a token.
func TestTheHandlerIsTheAdminAPI(t *testing.T) {
	for _, settings := range [][]string{nil, {"ENTRA_TENANT_IDS=" + tenant, "OIDC_AUDIENCES=api://orders"}} {
		p, _ := parts(t, settings...)
		for path, want := range map[string]int{"/healthz": 200, "/v1/permissions": 401} {
			w := httptest.NewRecorder()
			p.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		if got := len(p.verifiers); got != 1+len(settings)/2 {
			t.Errorf("%v: %d verifiers", settings, got)
		}
	}
}

// TestPlansKnowTheAuthorizersSettings: what a plan says of policies is what the
// authorizer will make.
func TestPlansKnowTheAuthorizersSettings(t *testing.T) {
	s, err := config.Load([]string{
		"ADMIN_TENANT_IDS=" + tenant, "ADMIN_AUDIENCES=x", "FLUSH_AUTHORIZER_CACHE=off", "ENTRA_TENANT_IDS=" + tenant, "OIDC_ISSUERS=https://a.example",
		"OIDC_AUDIENCES=api://orders https://a.example=b", "POLICY_MAX_BYTES=4096", "POLICY_EXPIRY=off", "POLICY_SCOPE=route", "POLICY_EXPLICIT_DENY=on",
	}, config.AdminAPI)
	if err != nil {
		t.Fatal(err)
	}
	o := policyOf(s)
	if o.MaxBytes != 4096 || !o.NoExpiry || !o.RouteScope || !o.ExplicitDeny || len(o.Trust) != 1 || o.Trust[0].Tenant != tenant ||
		len(o.Configured) != 2 || o.Configured[1].Issuer != "https://a.example" || o.Configured[1].Audiences[0] != "b" {
		t.Errorf("%+v", o)
	}
}
