package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"scopegate/admin"
	"scopegate/internal/flush"
	"scopegate/internal/leaktest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/bolt"
	"scopegate/token"
)

const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

var (
	api   = mapping.API{ARN: arn, Stage: "dev"}
	epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

// callers verifies tokens by their name.
type callers map[string]token.Claims

var errDown = errors.New("the keys are not to be had")

func (c callers) Verify(_ context.Context, raw string) (token.Claims, error) {
	if raw == "outage" {
		return token.Claims{}, errDown
	}
	claims, ok := c[raw]
	if !ok {
		return token.Claims{}, &token.Error{Reason: token.ReasonSignature}
	}
	return claims, nil
}

func user(scopes, roles []string) token.Claims {
	return token.Claims{Issuer: "i", TenantID: "t", ObjectID: "ada", Kind: token.KindUser, Scopes: scopes, Roles: roles}
}

var known = callers{
	"admin-through-app": {Issuer: "i", TenantID: "t", ObjectID: "ada", AppID: "cli", Kind: token.KindUser, Scopes: []string{"S"}, Roles: []string{"R"}},
	"admin":             user([]string{"email", "S"}, []string{"R"}),
	"no-role":           user([]string{"S"}, nil),
	"no-scope":          user([]string{"email"}, []string{"R"}),
	"nobody":            user([]string{"email"}, nil),
	"app":               {Issuer: "i", TenantID: "t", ObjectID: "robot", Kind: token.KindApp, Roles: []string{"R"}},
	"other-app":         {Issuer: "i", TenantID: "t", ObjectID: "robot", Kind: token.KindApp, Roles: []string{"S"}},
	"foreign":           {Issuer: "https://i.example", Subject: "s", Kind: token.KindUnknown, Scopes: []string{"S"}, Roles: []string{"R"}},

	// With the admin scope, where they are users, and without the admin role.
	"owner":          of(token.KindUser, home, "olga", role("Team")),
	"owner-by-group": of(token.KindUser, home, "gina", group(teamGroup)),
	// Who comes through an app that the id does not name.
	"owner-through-app": of(token.KindUser, home, "olga", func(c *token.Claims) { role("Team")(c); c.AppID = "cli" }),
	"owner-app-itself":  of(token.KindApp, home, "bot", func(c *token.Claims) { role("Team")(c); c.AppID = "bot" }),
	"owner-app-v1":      of(token.KindApp, home, "bot", func(c *token.Claims) { role("Team")(c); c.AppID = "app-1" }),
	"owner-app":         of(token.KindApp, home, "bot", role("Team")),
	"other-owner":       of(token.KindUser, home, "otto", role("Others")),
	"other-tenant":      of(token.KindUser, elsewhere, "tina", role("Team")),
	"other-role":        of(token.KindUser, home, "rosa", role("Nothing")),
	"owner-no-scope":    of(token.KindUser, home, "nora", func(c *token.Claims) { c.Scopes, c.Roles = []string{"x"}, []string{"Team"} }),
	"groups-unknown":    of(token.KindUser, home, "ulla", func(c *token.Claims) { c.GroupsUnknown = true }),
	"foreign-owner":     {Issuer: "https://i.example", Subject: "s", Kind: token.KindUnknown, Scopes: []string{"S"}, Roles: []string{"Team"}, Groups: []string{teamGroup}},
	"owner-and-admin":   of(token.KindUser, home, "anna", func(c *token.Claims) { c.Roles = []string{"Team", "R"} }),
}

// failing is a store whose calls fail as it is told.
type failing struct {
	store.Store
	err error
}

func (f *failing) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	if f.err != nil {
		return store.Snapshot{}, f.err
	}
	return f.Store.Load(ctx, api)
}

func (f *failing) APIs(ctx context.Context) ([]mapping.API, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.APIs(ctx)
}

func (f *failing) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	if f.err != nil {
		return store.Meta{}, f.err
	}
	return f.Store.Commit(ctx, c)
}

func (f *failing) Revocations(ctx context.Context) (store.Revocations, error) {
	if f.err != nil {
		return store.Revocations{}, f.err
	}
	return f.Store.Revocations(ctx)
}

func (f *failing) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	if f.err != nil {
		return store.Revision{}, f.err
	}
	return f.Store.Revoke(ctx, c)
}

type server struct {
	http.Handler
	store *failing
}

// newServer makes one; set may change its configuration.
func newServer(t testing.TB, set ...func(*admin.Config)) server {
	t.Helper()
	return serverOn(t, openBolt(t), set...)
}

func openBolt(t testing.TB) store.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serverOn makes the API on a store, perhaps with other settings.
func serverOn(t testing.TB, s store.Store, set ...func(*admin.Config)) server {
	t.Helper()
	f := &failing{Store: s}
	c := admin.Config{
		Store: f, Verifier: known, Scope: "S", Role: "R", Log: zap.NewNop(),
		Now: func() time.Time { return epoch }, Flusher: flush.Off{},
	}
	for _, one := range set {
		one(&c)
	}
	h, err := admin.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return server{h, f}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// problem is the answer as an RFC 9457 document.
func (a answer) problem(t *testing.T) (p struct {
	Status int
	Detail string
	Errors []struct{ Location, Message string }
}) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type of %d %s: %q", a.status, a.body, got)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != a.status {
		t.Errorf("problem %d %s: %v", a.status, a.body, err)
	}
	return p
}

// call makes a request; headers are name, value, name, value.
func (s server) call(t testing.TB, caller, method, path, body string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if caller != "" {
		r.Header.Set("Authorization", "Bearer "+caller)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Content-Type" {
			r.Header.Del(headers[i]) // in place of the one above
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Header().Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no request id", method, path)
	}
	return answer{w.Code, w.Header(), w.Body.String()}
}

const (
	table    = "/v1/apis/rz8w6b1ik2/dev"
	document = table + "/document"
)

// registered makes the table and gives its ETag.
func (s server) registered(t testing.TB) string {
	t.Helper()
	a := s.call(t, "admin", "PUT", table, `{"arn": "`+arn+`"}`)
	if a.status != http.StatusCreated {
		t.Fatalf("register: %d %s", a.status, a.body)
	}
	return a.header.Get("ETag")
}

// doc writes a document with permissions given as members after the common ones.
func doc(more string, permissions ...string) string {
	var list []string
	for _, p := range permissions {
		list = append(list, `{"arn": "`+arn+`", "stage": "dev", `+p+`}`)
	}
	return `{"arn": "` + arn + `", "stage": "dev"` + more + `, "permissions": [` + strings.Join(list, ",") + `]}`
}

// The one goroutine that stays reads what the shared DynamoDB server says.
func TestMain(m *testing.M) {
	leaktest.Exit(m.Run(), goleak.IgnoreAnyFunction("scopegate/internal/dynamotest.ready.func1"))
}
