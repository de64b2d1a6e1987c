package token

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
)

// seeded is the world with keys that come with the settings.
func (w *world) seeded(t testing.TB, keys string, more ...func(*Config)) {
	t.Helper()
	c := w.config()
	c.Keys = []byte(keys)
	for _, change := range more {
		change(&c)
	}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
}

func tenantAlone(c *Config) { c.Issuers = nil }

func (w *world) set() string { return `{"keys":[` + w.goodJWK(nil) + `]}` }

func (w *world) v2() string { return w.idp.Authority() + "/" + w.idp.TenantID() + "/v2.0" }

func TestGivenKeysBridgeAProviderThatIsDownFromTheStart(t *testing.T) {
	w := newWorld(t, 2)
	for name, keys := range map[string]string{
		"as published": w.set(),
		"by issuer":    `{"` + w.v2() + `":` + w.set() + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.seeded(t, keys, tenantAlone)
			w.idp.Fail(idp.Down)
			if err := w.verifier.Prefetch(context.Background()); !errors.Is(err, ErrUnavailable) {
				t.Errorf("Prefetch hides the outage: %v", err)
			}
			w.wantGood(t, w.good(t))
			w.wantGood(t, mint(t, w.idp, idp.Spec{Version: "1.0", Scopes: []string{"a"}}))
			w.wantReason(t, mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Forged: true}), ReasonSignature)
			w.wantUnavailable(t, w.unknownKid(t))
		})
	}
}

// Known keys of months ago must not outlive the provider's own word.
func TestGivenKeysEndWithTheFirstGoodFetch(t *testing.T) {
	w := newWorld(t, 1)
	old := w.good(t)
	keys := w.set()
	w.rotate(t)
	w.seeded(t, keys, tenantAlone)
	w.wantReason(t, old, ReasonKey)
	w.wantGood(t, w.good(t))
	w.wantFetches(t, 1)
}

func TestGivenKeysEndADayAfterTheStart(t *testing.T) {
	w := newWorld(t, 2)
	w.seeded(t, w.set(), tenantAlone)
	w.idp.Fail(idp.Down)
	raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
	w.clock.Advance(maxKeyAge - time.Second)
	w.wantGood(t, raw)
	w.clock.Advance(time.Second)
	w.wantUnavailable(t, raw)
}

func TestGivenKeysOfOneIssuerVerifyNoOther(t *testing.T) {
	w := newWorld(t, 2)
	w.seeded(t, `{"`+w.v2()+`":`+w.set()+`}`)
	w.idp.Fail(idp.Down)
	w.other.Fail(idp.Down)
	t.Cleanup(func() { w.other.Fail(idp.Healthy) })
	w.wantGood(t, w.good(t))
	w.wantUnavailable(t, mint(t, w.idp, idp.Spec{Issuer: w.otherIssuer(), Audience: "https://orders.example"}))
}

func (w *world) v1() string { return w.idp.STS() + "/" + w.idp.TenantID() + "/" }

// A v1 issuer that is named has keys of its own alone.
func TestGivenKeysOfTheV1IssuerAreItsOwn(t *testing.T) {
	w := newWorld(t, 2)
	stranger := newProvider(t, idp.Options{BaseURL: "https://login.example", Audience: apiAudience, Now: w.clock.Now})
	other := &world{idp: stranger}
	w.seeded(t, `{"`+w.v2()+`":`+w.set()+`,"`+w.v1()+`":`+other.set()+`}`)
	w.idp.Fail(idp.Down)
	w.wantGood(t, w.good(t))
	w.wantUnavailable(t, mint(t, w.idp, idp.Spec{Version: "1.0", Scopes: []string{"a"}}))
}

// A fault is told once, although a tenant has two issuers.
func TestAFaultOfGivenKeysIsToldOnce(t *testing.T) {
	w := newWorld(t, 2)
	c := w.config()
	tenantAlone(&c)
	c.Keys = []byte(`{"keys":[]}`)
	if faults := c.CheckKeys(); len(faults) != 1 {
		t.Errorf("faults: %v", faults)
	}
	if c.Keys = []byte(w.set()); len(c.CheckKeys()) != 0 {
		t.Errorf("good keys: %v", c.CheckKeys())
	}
}

func TestFaultsOfGivenKeysStopTheStart(t *testing.T) {
	w := newWorld(t, 2)
	for _, c := range []struct{ name, keys, want string }{
		{"no JSON", `keys`, "must be a JSON object"},
		{"null", `null`, "must be a JSON object"},
		{"an issuer twice", `{"` + w.v2() + `":{},"` + w.v2() + `":{}}`, "none twice"},
		{"for nobody in particular", w.set(), "several issuers"},
		{"of a stranger", `{"https://evil.example":` + w.set() + `}`, "no configured issuer"},
		{"v1's alone, and none", `{"` + w.v1() + `":{"keys":[]}}`, "that is usable"},
		{"none", `{"` + w.v2() + `":{"keys":[]}}`, "that is usable"},
		{"of another issuer", `{"` + w.v2() + `":{"keys":[` + w.goodJWK(map[string]any{"issuer": "https://x.example"}) + `]}}`, "that is usable"},
		{"a private one", `{"` + w.v2() + `":{"keys":[` + w.goodJWK(map[string]any{"d": "AQAB"}) + `]}}`, "that is usable"},
		{"too large", `{"x":"` + strings.Repeat("x", MaxKeysBytes) + `"}`, "at most"},
		{"an empty object", `{}`, "must be a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := w.config()
			config.Keys = []byte(c.keys)
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "OIDC_JWKS_FILE") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
