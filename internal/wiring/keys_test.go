package wiring_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/idp"
)

// TestOIDCJWKSFileStartsWithoutANetwork: keys saved as the provider published
// them let good tokens through from a cold start while it is down, and no others.
func TestOIDCJWKSFileStartsWithoutANetwork(t *testing.T) {
	s := inBolt(t)
	load(t, s, `[`+document("dev", "GET", "a", "read")+`]`)
	file := filepath.Join(t.TempDir(), "keys.json")
	// The provider of a rig is made with it.
	first := newRig(t, s, gateway.Config{Flavour: gateway.RESTToken, Stages: []string{"dev"}})
	save(t, first.provider.Authority()+"/"+first.provider.TenantID()+"/discovery/v2.0/keys", file)
	r := newRigWith(t, s, gateway.Config{Flavour: gateway.RESTToken, Stages: []string{"dev"}}, first.provider, "OIDC_JWKS_FILE="+file)
	r.provider.Fail(idp.Down)
	r.want("GET", "/dev/a", r.mint(idp.Spec{Scopes: []string{"read"}}), 200)
	r.want("GET", "/dev/a", r.mint(idp.Spec{Version: "1.0", Scopes: []string{"read"}}), 200)
	r.want("GET", "/dev/a", r.mint(idp.Spec{Scopes: []string{"read"}, Forged: true}), 401)
	if err := r.provider.Rotate(); err != nil {
		t.Fatal(err)
	}
	r.want("GET", "/dev/a", r.mint(idp.Spec{Scopes: []string{"read"}}), 500) // perhaps good: nobody knows
}

func save(t *testing.T, url, file string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAFloodOfKidsShutsNobodyOutForLonger than the five minutes, not even with
// INVALID_TOKEN=deny, where the gateway keeps what the authorizer answers.
func TestAFloodOfKidsShutsNobodyOutForLonger(t *testing.T) {
	s := inBolt(t)
	load(t, s, `[`+document("dev", "GET", "a", "read")+`]`)
	r := newRig(t, s, gateway.Config{Flavour: gateway.RESTToken, Stages: []string{"dev"}, AuthorizerTTL: time.Hour}, "INVALID_TOKEN=deny")
	stray := func() string {
		return r.mint(idp.Spec{Scopes: []string{"read"}, Life: 3 * time.Hour, Header: map[string]any{"kid": "stray"}})
	}
	r.want("GET", "/dev/a", r.mint(idp.Spec{Scopes: []string{"read"}}), 200)
	for i := range 3 {
		r.at(time.Duration(i) * 10 * time.Second)
		r.want("GET", "/dev/a", stray(), map[bool]int{true: 403, false: 401}[i == 0])
	}
	if err := r.provider.Rotate(); err != nil {
		t.Fatal(err)
	}
	genuine := r.mint(idp.Spec{Scopes: []string{"read"}, Life: 3 * time.Hour})
	r.want("GET", "/dev/a", genuine, 401)
	r.at(6 * time.Minute)
	r.want("GET", "/dev/a", genuine, 200)
}
