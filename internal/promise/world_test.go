package promise_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"scopegate/gateway"
	"scopegate/internal/adminwiring"
	"scopegate/internal/config"
	"scopegate/internal/flush"
	localflush "scopegate/internal/flush/local"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/bolt"
)

const (
	cacheTTL      = 30 * time.Second
	maxStale      = 5 * time.Minute
	authorizerTTL = time.Hour
	adminAudience = "api://admin"
)

var (
	api   = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}
	epoch = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
)

// options take a part of the promise away.
type options struct {
	noSecond bool // the second flush is never made
	dies     bool // the admin process ends between the commit and its answer
}

// world is everything between a client and a store.
type world struct {
	t         *testing.T
	options   options
	clock     atomic.Int64
	provider  *idp.Provider
	store     *bolt.Store
	instances [2]*instance
	asked     atomic.Int32 // which instance API Gateway asks
	hold      atomic.Pointer[hold]
	gateways  map[string]*gateway.Gateway
	urls      map[string]string
	client    *hearing
	jobsPath  string
	jobs      *localflush.Jobs
	parts     *adminwiring.Parts
	admin     *httptest.Server
}

// hold keeps answers of the function on their way.
type hold struct{ computed, release chan struct{} }

// instance is one authorizer function with memories of its own.
type instance struct {
	wiring.Source
	parts     *wiring.Parts
	noTables  atomic.Bool // cut off from tables
	noRevoked atomic.Bool // cut off from revocations
	calls     atomic.Int64
}

var errCutOff = errors.New("no route to host")

func (i *instance) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	if i.noTables.Load() {
		return store.Meta{}, errCutOff
	}
	return i.Source.Meta(ctx, api)
}

func (i *instance) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	if i.noTables.Load() {
		return store.Snapshot{}, errCutOff
	}
	return i.Source.Load(ctx, api)
}

func (i *instance) RevocationsRevision(ctx context.Context) (store.Revision, error) {
	if i.noRevoked.Load() {
		return store.Revision{}, errCutOff
	}
	return i.Source.RevocationsRevision(ctx)
}

func (i *instance) Revocations(ctx context.Context) (store.Revocations, error) {
	if i.noRevoked.Load() {
		return store.Revocations{}, errCutOff
	}
	return i.Source.Revocations(ctx)
}

// hearing is a client of the gateways that may be deaf.
type hearing struct {
	localflush.Gateways
	deaf    atomic.Bool
	flushes atomic.Int64
}

func (h *hearing) Flush(ctx context.Context, api mapping.API) error {
	if h.deaf.Load() {
		return nil
	}
	h.flushes.Add(1)
	return h.Gateways.Flush(ctx, api)
}

// forgetful are jobs that are acknowledged and never kept.
type forgetful struct{}

func (forgetful) Schedule(context.Context, flush.Job) error { return nil }

// dying is a store whose process ends once a change is committed.
type dying struct{ store.Store }

func (d dying) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	if _, err := d.Store.Commit(ctx, c); err != nil {
		return store.Meta{}, err
	}
	panic(http.ErrAbortHandler)
}

func (d dying) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	if _, err := d.Store.Revoke(ctx, c); err != nil {
		return store.Revision{}, err
	}
	panic(http.ErrAbortHandler)
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	w := &world{t: t, options: o, gateways: map[string]*gateway.Gateway{}, urls: map[string]string{}}
	w.jobsPath = filepath.Join(t.TempDir(), "jobs.db")
	w.serveProvider()
	var err error
	w.store, err = bolt.Open(filepath.Join(t.TempDir(), "tables.db"))
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	settings := w.settings()
	for i := range w.instances {
		one := &instance{Source: w.store}
		one.parts, err = wiring.New(settings, one, zap.NewNop(), w.now)
		w.must(err)
		w.instances[i] = one
	}
	for name, flavour := range map[string]gateway.Flavour{"REST": gateway.RESTToken, "HTTP": gateway.HTTPv2} {
		w.gateways[name], err = gateway.New(gateway.Config{
			Flavour: flavour, ARN: api.ARN, Stages: []string{api.Stage}, Authorizer: gateway.AuthorizerFunc(w.invoke),
			AuthorizerTTL: authorizerTTL, Now: w.now,
		})
		w.must(err)
		server := httptest.NewServer(w.gateways[name])
		t.Cleanup(server.Close)
		w.urls[name] = server.URL
	}
	w.client = &hearing{Gateways: func(mapping.API) []*gateway.Gateway {
		return []*gateway.Gateway{w.gateways["REST"], w.gateways["HTTP"]}
	}}
	w.startAdmin()
	return w
}

func (w *world) serveProvider() {
	w.t.Helper()
	var err error
	w.provider, err = idp.New(idp.Options{Now: w.now})
	w.must(err)
	server := httptest.NewServer(w.provider)
	w.t.Cleanup(server.Close)
	w.provider.SetBaseURL(server.URL)
}

func (w *world) settings() config.Settings {
	w.t.Helper()
	p := w.provider
	s, err := config.Load([]string{
		"ENTRA_TENANT_IDS=" + p.TenantID(), "ENTRA_AUTHORITY=" + p.Authority(), "ENTRA_STS=" + p.STS(), "OIDC_AUDIENCES=" + p.Audience(),
		"ADMIN_AUDIENCES=" + adminAudience, "ADMIN_TENANT_IDS=" + p.TenantID(),
		"CACHE_TTL=" + cacheTTL.String(), "CACHE_MAX_STALE=" + maxStale.String(),
	}, config.Authorizer)
	w.must(err)
	return s
}

// invoke is API Gateway's call of the function: the test says which instance.
func (w *world) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	one := w.instances[w.asked.Load()]
	out, err := one.parts.Authorizer.Invoke(ctx, payload)
	one.calls.Add(1)
	if h := w.hold.Load(); h != nil {
		h.computed <- struct{}{}
		<-h.release
	}
	return out, err
}

// startAdmin makes the admin API, its jobs and its flusher, as one process does.
func (w *world) startAdmin() {
	w.t.Helper()
	w.openJobs()
	var jobs flush.Jobs = forgetful{}
	if !w.options.noSecond {
		jobs = w.jobs
	}
	var s store.Store = w.store
	if w.options.dies {
		s = dying{s}
	}
	var err error
	w.parts, err = adminwiring.New(adminwiring.Config{
		Settings: w.settings(), Store: s, Client: w.client, Jobs: jobs, Log: zap.NewNop(), Now: w.now,
	})
	w.must(err)
	w.admin = httptest.NewServer(w.parts.Handler)
	w.t.Cleanup(w.admin.Close)
}

func (w *world) openJobs() {
	w.t.Helper()
	jobs, err := localflush.Open(w.jobsPath, localflush.Config{Now: w.now})
	w.must(err)
	w.jobs = jobs
	w.t.Cleanup(func() { w.must(jobs.Close()) })
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time { return epoch.Add(time.Duration(w.clock.Load())) }

// at moves the clock; jobs that are due by then are made.
func (w *world) at(d time.Duration) {
	w.t.Helper()
	w.clock.Store(int64(d))
	w.jobs.RunDue(w.t.Context(), w.parts.Run)
}

// restart ends the admin process and starts the next: all that is left of the
// first one is its file.
func (w *world) restart() {
	w.t.Helper()
	w.admin.Close()
	w.must(w.jobs.Close())
	w.startAdmin()
}

// grant writes a permission on GET /orders/{id}, without any flush.
func (w *world) grant(more ...string) {
	w.t.Helper()
	w.permit("orders.read", more...)
}

func (w *world) permit(scope string, more ...string) {
	w.t.Helper()
	list, err := mapping.ParsePermissions([]byte(fmt.Sprintf(
		`[{"arn": %q, "stage": "dev", "httpVerb": "GET", "resource": "orders/{id}", "scope": %q%s}]`, api.ARN, scope, strings.Join(more, ""))))
	w.must(err)
	batches, err := store.Batches(list)
	w.must(err)
	_, err = store.Merge(w.t.Context(), w.store, batches[0], store.MergeOptions{By: "test", Now: w.now})
	w.must(err)
}

func (w *world) mint(s idp.Spec) string {
	w.t.Helper()
	if s.Life == 0 {
		s.Life = 6 * time.Hour
	}
	raw, err := w.provider.Mint(s)
	w.must(err)
	return raw
}

// caller is a token of a user, each number another one.
func (w *world) caller(n int) string {
	w.t.Helper()
	return w.mint(idp.Spec{Scopes: []string{"orders.read"}, ObjectID: objectID(n)})
}

func objectID(n int) string { return fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n) }

// get asks one gateway for GET /orders/7; should it ask an authorizer, then this
// instance.
func (w *world) get(flavour string, instance int, raw string) int {
	w.t.Helper()
	w.asked.Store(int32(instance))
	status, _, _ := w.send(http.MethodGet, w.urls[flavour]+"/dev/orders/7", raw, "", nil)
	return status
}

// want asks both gateways.
func (w *world) want(when string, instance int, raw string, status int) {
	w.t.Helper()
	for flavour := range w.gateways {
		if got := w.get(flavour, instance, raw); got != status {
			w.t.Errorf("%v, %s, %s through instance %c: %d, want %d", time.Duration(w.clock.Load()), when, flavour, 'A'+instance, got, status)
		}
	}
}

func (w *world) send(method, target, raw, match string, body []byte) (status int, header http.Header, answer []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, bytes.NewReader(body))
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("Content-Type", "application/json")
	if match != "" {
		r.Header.Set("If-Match", match)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil && w.options.dies && strings.HasPrefix(target, w.admin.URL) {
		return 0, nil, nil // the process has gone
	}
	w.must(err)
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	w.must(err)
	return res.StatusCode, res.Header, answer
}

// edit changes something over the admin API: what is there is read, and written
// back as body makes it of it. Of a process that dies there is no answer.
func (w *world) edit(method, path string, body func(map[string]any)) flush.Result {
	w.t.Helper()
	raw := w.mint(idp.Spec{Audience: adminAudience, Scopes: []string{"Mappings.ReadWrite"}, Roles: []string{"Mappings.Admin"}, ObjectID: objectID(999)})
	target := w.admin.URL + path
	_, header, answer := w.send(http.MethodGet, strings.TrimSuffix(target, "/restore"), raw, "", nil)
	match := header.Get("ETag")
	var out []byte
	if body != nil {
		found := map[string]any{}
		_ = json.Unmarshal(answer, &found) // nothing is there before a revocation
		body(found)
		var err error
		out, err = json.Marshal(found)
		w.must(err)
	}
	status, _, answer := w.send(method, target, raw, match, out)
	if w.options.dies && status == 0 {
		return flush.Result{}
	}
	var result flush.Result
	if err := json.Unmarshal(answer, &result); err != nil || status >= 300 || w.options.dies {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return result
}
