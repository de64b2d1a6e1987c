package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"scopegate/internal/idp"
)

// entraKeys serves a provider's discovery with keys of the test's own.
func (w *world) serveKeys(body string) {
	healthy := w.idp
	w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/keys") {
			_, _ = rw.Write([]byte(body))
			return
		}
		healthy.ServeHTTP(rw, r)
	})
}

// goodJWK is the provider's key with members set; nil removes one.
func (w *world) goodJWK(set map[string]any) string {
	public := w.idp.PublicKey()
	jwk := map[string]any{"kty": "RSA", "use": "sig", "kid": w.idp.KeyID(), "e": "AQAB",
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes())}
	for name, value := range set {
		jwk[name] = value
		if value == nil {
			delete(jwk, name)
		}
	}
	b, err := json.Marshal(jwk)
	if err != nil {
		panic(err) // the tests' own values
	}
	return string(b)
}

func TestOddKeysAreLeftOutAndTheOthersStay(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	short := new(big.Int).Lsh(big.NewInt(1), 1023)
	short.SetBit(short, 0, 1)
	huge := new(big.Int).Lsh(big.NewInt(1), 10000)
	huge.SetBit(huge, 0, 1)
	enc := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	spare := w.goodJWK(map[string]any{"kid": "spare"})
	for _, c := range []struct {
		name string
		jwk  string
		want Reason // "" = the key verifies
	}{
		{"as it should be", w.goodJWK(nil), ""},
		{"alg named", w.goodJWK(map[string]any{"alg": "RS256"}), ""},
		{"no use", w.goodJWK(map[string]any{"use": nil}), ""},
		{"key_ops verify", w.goodJWK(map[string]any{"key_ops": []string{"verify"}}), ""},
		{"padded modulus", w.goodJWK(map[string]any{"n": base64.URLEncoding.EncodeToString(w.idp.PublicKey().N.Bytes())}), ""},
		{"unreadable certificate", w.goodJWK(map[string]any{"x5c": []string{"MIIB"}}), ""},
		{"unknown member", w.goodJWK(map[string]any{"cloud_instance_name": "x"}), ""},
		{"encryption key", w.goodJWK(map[string]any{"use": "enc"}), ReasonKey},
		{"another alg", w.goodJWK(map[string]any{"alg": "PS256"}), ReasonKey},
		{"key_ops sign only", w.goodJWK(map[string]any{"key_ops": []string{"sign"}}), ReasonKey},
		{"1024 bits", w.goodJWK(map[string]any{"n": enc(short)}), ReasonKey},
		{"10000 bits", w.goodJWK(map[string]any{"n": enc(huge)}), ReasonKey},
		{"even modulus", w.goodJWK(map[string]any{"n": enc(new(big.Int).Lsh(big.NewInt(1), 2047))}), ReasonKey},
		{"exponent 1", w.goodJWK(map[string]any{"e": "AQ"}), ReasonKey},
		{"exponent even", w.goodJWK(map[string]any{"e": "AQAA"}), ReasonKey},
		{"exponent huge", w.goodJWK(map[string]any{"e": "AQAAAAAAAQ"}), ReasonKey},
		{"exponent missing", w.goodJWK(map[string]any{"e": nil}), ReasonKey},
		{"modulus missing", w.goodJWK(map[string]any{"n": nil}), ReasonKey},
		{"modulus a number", w.goodJWK(map[string]any{"n": 5}), ReasonKey},
		{"modulus no base64", w.goodJWK(map[string]any{"n": "***"}), ReasonKey},
		{"no kid", w.goodJWK(map[string]any{"kid": nil}), ReasonKey},
		{"symmetric", `{"kty":"oct","kid":"` + w.idp.KeyID() + `","k":"AAAA"}`, ReasonKey},
		{"elliptic curve", `{"kty":"EC","crv":"P-256","kid":"` + w.idp.KeyID() + `"}`, ReasonKey},
		{"private key published", w.goodJWK(map[string]any{"d": "AQAB"}), ReasonKey},
		{"no object", `"key"`, ReasonKey},
		{"null", `null`, ReasonKey},
		{"member twice", strings.Replace(w.goodJWK(nil), "{", `{"use":"sig",`, 1), ReasonKey},
		{"issuer a number", w.goodJWK(map[string]any{"issuer": 1}), ReasonKey},
		{"issuer the template", w.goodJWK(map[string]any{"issuer": w.idp.Authority() + "/{tenantid}/v2.0"}), ""},
		{"issuer ours", w.goodJWK(map[string]any{"issuer": w.idp.Authority() + "/" + w.idp.TenantID() + "/v2.0"}), ""},
		{"issuer empty", w.goodJWK(map[string]any{"issuer": ""}), ""},
		{"issuer the MSA tenant's", w.goodJWK(map[string]any{"issuer": w.idp.Authority() + "/" + msaTenant + "/v2.0"}), ReasonKeyIssuer},
		{"issuer of another cloud", w.goodJWK(map[string]any{"issuer": "https://login.other.example/{tenantid}/v2.0"}), ReasonKeyIssuer},
		{"kid twice, ours second", w.goodJWK(map[string]any{"issuer": "https://x.example"}) + "," + w.goodJWK(nil), ""},
		{"kid twice, ours first", w.goodJWK(nil) + "," + w.goodJWK(map[string]any{"issuer": "https://x.example", "e": "Aw"}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.serveKeys(`{"keys":[` + c.jwk + `,` + spare + `]}`)
			v, err := New(w.config())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(context.Background(), raw); ReasonOf(err) != c.want {
				t.Errorf("reason %q, want %q (%v)", ReasonOf(err), c.want, err)
			}
		})
	}
}

func TestAKeyWithAnyPrivatePartPublishedIsNoKey(t *testing.T) {
	w := newWorld(t, 2)
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		for _, value := range []any{"AQAB", 1, []any{1}, map[string]string{}} {
			set := `{"keys":[` + w.goodJWK(map[string]any{member: value}) + `]}`
			if keys, usable := parseKeys([]byte(set), onlyRS256, func(string) bool { return true }); usable || len(keys) != 0 {
				t.Errorf("with %s %v it is one: %v", member, value, keys)
			}
		}
	}
}

// Some publish the members of private keys without a value.
func TestAPrivateMemberWithoutAValueCostsNoKey(t *testing.T) {
	w := newWorld(t, 2)
	for _, set := range []string{`"d":null`, `"d":""`, `"oth":[]`, `"p":null,"q":null,"dp":"","dq":""`} {
		body := `{"keys":[` + strings.Replace(w.goodJWK(nil), "{", "{"+set+",", 1) + `]}`
		if keys, usable := parseKeys([]byte(body), onlyRS256, func(string) bool { return true }); !usable || len(keys) != 1 {
			t.Errorf("with %s it is none", set)
		}
	}
}

// Nobody publishes hundreds; one that did would not lose the last ones.
func TestTheLastOfManyKeysCounts(t *testing.T) {
	w := newWorld(t, 2)
	var keys []string
	for i := range 300 {
		keys = append(keys, w.goodJWK(map[string]any{"kid": fmt.Sprint("k", i)}))
	}
	w.serveKeys(`{"keys":[` + strings.Join(append(keys, w.goodJWK(nil)), ",") + `]}`)
	w.wantGood(t, w.good(t))
}

// The v1 keys may name the tenant's v2 issuer, as Microsoft's own library has it.
func TestAV1TokenMayBeSignedByAKeyOfTheV2Issuer(t *testing.T) {
	w := newWorld(t, 2)
	w.serveKeys(`{"keys":[` + w.goodJWK(map[string]any{"issuer": w.idp.Authority() + "/{tenantid}/v2.0"}) + `]}`)
	w.wantGood(t, mint(t, w.idp, idp.Spec{Version: "1.0", Scopes: []string{"a"}}))
}

// Keys that are all of other issuers are as good as none.
func TestASetWithoutAKeyForUsNeverReplacesOne(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	w.wantGood(t, raw)
	w.serveKeys(`{"keys":[` + w.goodJWK(map[string]any{"issuer": "https://x.example"}) + `]}`)
	w.clock.Advance(refreshAfter / 2)
	raw = w.good(t)
	w.clock.Advance(refreshAfter / 2)
	w.wantGood(t, raw)
}

func TestDiscoveryDocumentsAreCheckedBeforeTheyAreFollowed(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	iss := w.idp.Authority() + "/" + w.idp.TenantID() + "/v2.0"
	for _, c := range []struct{ name, document, detail string }{
		{"keys on another host", `{"issuer":"` + iss + `","jwks_uri":"https://evil.example/keys"}`, "another host"},
		{"keys over http", `{"issuer":"` + iss + `","jwks_uri":"http://login.example/keys"}`, "not https"},
		{"keys on this machine", `{"issuer":"` + iss + `","jwks_uri":"http://127.0.0.1:9001/keys"}`, "not https"},
		{"keys in a file", `{"issuer":"` + iss + `","jwks_uri":"file:///etc/keys"}`, "not https"},
		{"keys with a user", `{"issuer":"` + iss + `","jwks_uri":"https://login.example@evil.example/keys"}`, "not https"},
		{"no jwks_uri", `{"issuer":"` + iss + `"}`, "not https"},
		{"the issuer a template", `{"issuer":"https://login.example/{tenantid}/v2.0","jwks_uri":"https://login.example/keys"}`, "another issuer"},
		{"no issuer", `{"jwks_uri":"https://login.example/keys"}`, "another issuer"},
		{"no JSON", `hello`, "no readable document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				_, _ = rw.Write([]byte(c.document))
			})
			v, err := New(w.config())
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(context.Background(), raw)
			if ReasonOf(err) != ReasonDiscovery || !strings.Contains(err.Error(), c.detail) {
				t.Errorf("got %v, want an outage with %q", err, c.detail)
			}
		})
	}
	if foreign := w.net.foreignHosts(); len(foreign) != 0 {
		t.Errorf("we went to %v", foreign)
	}
}
