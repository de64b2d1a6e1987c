package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/internal/idp"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

const (
	apiAudience  = "api://orders"
	guidAudience = "dddddddd-0000-4000-8000-000000000001"
	otherTenant  = "99999999-2222-4333-8444-555555555555"
	msaTenant    = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// clock is a time that only moves when told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// hosts is a network of providers without sockets: the handler of a host runs in
// the caller's goroutine. A request to any other host is remembered as foreign.
type hosts struct {
	mu      sync.Mutex
	byHost  map[string]http.Handler
	foreign []string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	handler, ok := h.byHost[r.URL.Host]
	if !ok {
		h.foreign = append(h.foreign, r.URL.Host)
	}
	h.mu.Unlock()
	if !ok {
		return nil, errors.New("no such host")
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(&narrow{w, 4 * maxBody}, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// narrow is a connection whose client has had enough after some bytes.
type narrow struct {
	http.ResponseWriter
	left int
}

func (n *narrow) Write(b []byte) (int, error) {
	if n.left -= len(b); n.left < 0 {
		return 0, errors.New("connection reset by peer")
	}
	return n.ResponseWriter.Write(b)
}

func (h *hosts) foreignHosts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.foreign
}

// world is a verifier with an Entra tenant (idp) and a foreign issuer (other).
type world struct {
	clock    *clock
	net      *hosts
	idp      *idp.Provider
	other    *idp.Provider
	verifier *Verifier
}

func newProvider(t testing.TB, o idp.Options) *idp.Provider {
	t.Helper()
	p, err := idp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// foreignProvider is one for all tests, since keys take long to make. It lives at
// the instant at which every world begins.
var foreignProvider = sync.OnceValue(func() *idp.Provider {
	p, err := idp.New(idp.Options{BaseURL: "https://other.example", Audience: "https://orders.example", TenantID: otherTenant, Now: newClock().Now})
	if err != nil {
		panic(err) // a machine without randomness
	}
	return p
})

func newWorld(t testing.TB, keys int) *world {
	t.Helper()
	w := &world{clock: newClock()}
	w.idp = newProvider(t, idp.Options{BaseURL: "https://login.example", Audience: apiAudience, Now: w.clock.Now, Keys: keys})
	w.other = foreignProvider()
	w.net = &hosts{byHost: map[string]http.Handler{"login.example": w.idp, "other.example": w.other}}
	v, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	return w
}

func (w *world) config() Config {
	return Config{
		TenantIDs: []string{w.idp.TenantID()},
		Authority: w.idp.Authority(), STS: w.idp.STS(),
		Audiences:  []string{apiAudience, guidAudience},
		Issuers:    []OIDCIssuer{{Issuer: w.otherIssuer(), Audiences: []string{"https://orders.example"}}},
		ClockSkew:  time.Minute,
		Now:        w.clock.Now,
		HTTPClient: &http.Client{Transport: w.net},
	}
}

func (w *world) otherIssuer() string { return w.other.Authority() + "/" + otherTenant + "/v2.0" }

func mint(t testing.TB, p *idp.Provider, s idp.Spec) string {
	t.Helper()
	raw, err := p.Mint(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (w *world) good(t testing.TB) string {
	return mint(t, w.idp, idp.Spec{Scopes: []string{"orders.read"}})
}

func (w *world) wantGood(t testing.TB, raw string) {
	t.Helper()
	if _, err := w.verifier.Verify(context.Background(), raw); err != nil {
		t.Fatalf("a good token: %v", err)
	}
}

func (w *world) wantReason(t testing.TB, raw string, want Reason) {
	t.Helper()
	claims, err := w.verifier.Verify(context.Background(), raw)
	if ReasonOf(err) != want {
		t.Fatalf("reason %q, want %q (%v)", ReasonOf(err), want, err)
	}
	if claims.PrincipalID() != "" || claims.Issuer != "" || !claims.End.IsZero() {
		t.Fatalf("an error comes with claims: %+v", claims)
	}
}

// header is Entra's, with members put in between as JSON text.
func header(kid string, extra ...string) string {
	return `{"typ":"JWT","alg":"RS256","kid":"` + kid + `"` + strings.Join(append([]string{""}, extra...), ",") + `}`
}

// claimsJSON is a good token's payload with JSON text for some claims put in
// place of or beside the others; an empty text takes a claim out.
func (w *world) claimsJSON(t testing.TB, s idp.Spec, set map[string]string) string {
	t.Helper()
	claims, err := w.idp.Claims(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range set {
		delete(claims, name)
		if text != "" {
			claims[name] = json.RawMessage(text)
		}
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func signed(t testing.TB, p *idp.Provider, header, payload string) string {
	t.Helper()
	raw, err := p.Sign([]byte(header), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// unsigned joins the parts with a signature of the right length that nobody made.
func unsigned(header, payload string, n int) string {
	sig := make([]byte, 256)
	copy(sig, fmt.Sprintf("signature %d", n))
	return b64(header) + "." + b64(payload) + "." + b64(string(sig))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// byTenant is one host with several tenants, as Entra is.
type byTenant map[string]http.Handler

func (b byTenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	handler, ok := b[tenant]
	if !ok {
		http.NotFound(w, r)
		return
	}
	handler.ServeHTTP(w, r)
}
