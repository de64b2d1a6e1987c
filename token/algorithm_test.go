package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"scopegate/internal/idp"
)

// signers are one private key for each type and curve, made once.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err) // a machine without randomness
		}
		return k
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	return map[string]crypto.Signer{
		"RSA":     must(rsa.GenerateKey(rand.Reader, minKeyBits)),
		"P-256":   must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"P-384":   must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"P-521":   must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"Ed25519": must(edwards, err),
	}
})

// keyOf is the key that an algorithm signs with.
func keyOf(alg string) string {
	switch alg {
	case "ES256":
		return "P-256"
	case "ES384":
		return "P-384"
	case "ES512":
		return "P-521"
	case "EdDSA":
		return "Ed25519"
	}
	return "RSA"
}

// curveJWK is a signer's public key, as published under its own name.
func curveJWK(name string, members ...string) string {
	b, err := json.Marshal(jose.JSONWebKey{Key: signers()[name].Public(), KeyID: name})
	if err != nil {
		panic(err) // keys of our own
	}
	for _, m := range members {
		b = append([]byte("{"+m+","), b[1:]...)
	}
	return string(b)
}

func signedBy(t testing.TB, name, alg, kid, payload string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: signers()[name]}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// curvedWorld has a foreign issuer with a key of each type, which is allowed
// some algorithms.
func curvedWorld(t testing.TB, allowed []string, members ...string) *world {
	w := newWorld(t, 2)
	var keys []string
	for _, name := range []string{"RSA", "P-256", "P-384", "P-521", "Ed25519"} {
		keys = append(keys, curveJWK(name, members...))
	}
	w.net.byHost["other.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/keys") {
			_, _ = fmt.Fprintf(rw, `{"keys":[%s]}`, strings.Join(keys, ","))
			return
		}
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":"https://other.example/keys"}`, w.otherIssuer())
	})
	c := w.config()
	c.Issuers[0].Algorithms = allowed
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	return w
}

func (w *world) otherClaims(t testing.TB) string {
	return w.claimsJSON(t, idp.Spec{}, map[string]string{
		"iss": fmt.Sprintf("%q", w.otherIssuer()), "aud": `"https://orders.example"`, "sub": `"alice"`, "scope": `"a"`,
	})
}

// Every algorithm verifies under the key that is made for it, where the issuer is
// allowed it, and nowhere else.
func TestAnIssuerIsHeldToItsAllowListOfAlgorithms(t *testing.T) {
	for _, alg := range Algorithms() {
		t.Run(alg, func(t *testing.T) {
			w := curvedWorld(t, []string{alg})
			raw := signedBy(t, keyOf(alg), alg, keyOf(alg), w.otherClaims(t))
			w.wantGood(t, raw)
			dot := strings.LastIndexByte(raw, '.')
			w.wantReason(t, raw[:dot+1]+flip(raw[dot+1:]), ReasonSignature)
			for _, other := range Algorithms() {
				if other != alg {
					w.wantReason(t, signedBy(t, keyOf(other), other, keyOf(other), w.otherClaims(t)), ReasonAlgorithm)
				}
			}
			// What one issuer is allowed opens no door at another.
			entra := signedBy(t, keyOf(alg), alg, keyOf(alg), w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil))
			want := ReasonAlgorithm
			if alg == "RS256" {
				want = ReasonKey
			}
			w.wantReason(t, entra, want)
		})
	}
}

func TestAnIssuerWithoutAListIsAllowedRS256Alone(t *testing.T) {
	w := curvedWorld(t, nil)
	w.wantGood(t, signedBy(t, "RSA", "RS256", "RSA", w.otherClaims(t)))
	w.wantReason(t, signedBy(t, "RSA", "PS256", "RSA", w.otherClaims(t)), ReasonAlgorithm)
	w.wantReason(t, signedBy(t, "P-256", "ES256", "P-256", w.otherClaims(t)), ReasonAlgorithm)
}

// One key, one algorithm: where the key names it, and by its type in any case.
func TestAKeyServesOnlyTheAlgorithmItIsFor(t *testing.T) {
	w := curvedWorld(t, Algorithms())
	claims := w.otherClaims(t)
	for _, alg := range Algorithms() {
		w.wantGood(t, signedBy(t, keyOf(alg), alg, keyOf(alg), claims))
		for _, kid := range []string{"RSA", "P-256", "P-384", "P-521", "Ed25519"} {
			if kid != keyOf(alg) {
				w.wantReason(t, signedBy(t, keyOf(alg), alg, kid, claims), ReasonKeyAlgorithm)
			}
		}
	}
	pinned := curvedWorld(t, Algorithms(), `"alg":"PS256"`)
	pinned.wantGood(t, signedBy(t, "RSA", "PS256", "RSA", claims))
	pinned.wantReason(t, signedBy(t, "RSA", "RS256", "RSA", claims), ReasonKeyAlgorithm)
	pinned.wantReason(t, signedBy(t, "P-256", "ES256", "P-256", claims), ReasonKey) // left out: PS256 is none of its
}

// One kid may name keys of several types (RFC 7517, 4.5); a token's algorithm
// says which.
func TestKeysOfSeveralTypesMayShareAKid(t *testing.T) {
	w := newWorld(t, 2)
	var keys []string
	for _, name := range []string{"RSA", "P-256", "P-384", "P-521", "Ed25519"} {
		keys = append(keys, strings.Replace(curveJWK(name), `"kid":"`+name+`"`, `"kid":"shared"`, 1))
	}
	ring, ok := parseKeys([]byte(`{"keys":[`+strings.Join(keys, ",")+`]}`), everyAlgorithm, func(string) bool { return true })
	if !ok || len(ring) != 1 || len(ring["shared"]) != 5 {
		t.Fatalf("the keys are %v", ring)
	}
	for _, alg := range Algorithms() {
		g, err := gate(signedBy(t, keyOf(alg), alg, "shared", w.otherClaims(t)), everyAlgorithm)
		if err != nil {
			t.Fatal(err)
		}
		if k, ok := ring.pick("shared", g.alg); !ok || !g.alg.verify(k.public, g) {
			t.Errorf("%s is not verified", alg)
		}
	}
}

// CVE-2022-21449, "psychic signatures": r and s of zero.
func TestNullSignaturesOnCurvesAreRefused(t *testing.T) {
	w := curvedWorld(t, Algorithms())
	for alg, size := range map[string]int{"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64} {
		head := b64(`{"alg":"`+alg+`","kid":"`+keyOf(alg)+`"}`) + "." + b64(w.otherClaims(t)) + "."
		w.wantReason(t, head+b64(string(make([]byte, size))), ReasonSignature)
		w.wantReason(t, head+b64(string(make([]byte, size-1))), ReasonSignatureForm)
		w.wantReason(t, head+b64(string(make([]byte, 256))), ReasonSignatureForm)
	}
}

// The X.509 form of an ECDSA signature is not JOSE's (RFC 7518, 3.4).
func TestAnASN1SignatureIsRefused(t *testing.T) {
	w := curvedWorld(t, []string{"ES256"})
	head := b64(`{"alg":"ES256","kid":"P-256"}`) + "." + b64(w.otherClaims(t))
	sum := crypto.SHA256.New()
	sum.Write([]byte(head))
	der, err := signers()["P-256"].Sign(rand.Reader, sum.Sum(nil), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	w.wantReason(t, head+"."+b64(string(der)), ReasonSignatureForm)
}

func TestAPointOffTheCurveIsNoKey(t *testing.T) {
	good := curveJWK("P-256")
	var members map[string]any
	if err := json.Unmarshal([]byte(good), &members); err != nil {
		t.Fatal(err)
	}
	members["x"] = members["y"]
	off, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	may := func(string) bool { return true }
	if keys, ok := parseKeys([]byte(`{"keys":[`+good+`]}`), everyAlgorithm, may); !ok || len(keys) != 1 {
		t.Fatalf("the control gives %v", keys)
	}
	for _, jwk := range []string{string(off), curveJWK("P-256", `"d":"AQAB"`), curveJWK("P-256", `"use":"enc"`), `{"kty":"EC","kid":"k","crv":"P-224"}`, `{"kty":"OKP","kid":"k","crv":"X25519","x":"AAAA"}`} {
		if keys, ok := parseKeys([]byte(`{"keys":[`+jwk+`]}`), everyAlgorithm, may); ok || len(keys) != 0 {
			t.Errorf("%s gives %v", jwk, keys)
		}
	}
}

func TestSettingsTakeAsymmetricAlgorithmsOnly(t *testing.T) {
	for _, name := range []string{"none", "HS256", "HS384", "HS512", "", "rs256", "RSA-OAEP", "RS256 "} {
		_, err := New(Config{Issuers: []OIDCIssuer{{Issuer: "https://id.example", Audiences: []string{"a"}, Algorithms: []string{"RS256", name}}}})
		if err == nil || !strings.Contains(err.Error(), "Issuers[0].Algorithms[1]") || !strings.Contains(err.Error(), "ES256") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if !slices.Contains(Algorithms(), "RS256") || slices.Contains(Algorithms(), "") {
		t.Errorf("Algorithms() is %q", Algorithms())
	}
}

func TestVerifyingWithEveryAlgorithmIsRaceFree(t *testing.T) {
	w := curvedWorld(t, Algorithms())
	var wg sync.WaitGroup
	for _, alg := range Algorithms() {
		raw := signedBy(t, keyOf(alg), alg, keyOf(alg), w.otherClaims(t))
		wg.Go(func() {
			if _, err := w.verifier.Verify(context.Background(), raw); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		})
	}
	wg.Wait()
}
