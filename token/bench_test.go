package token

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"scopegate/internal/idp"
)

// BenchmarkVerify sets a new token beside garbage, the bare cryptography and
// go-oidc alone, all in one run.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b, 2)
	raw := mint(b, w.idp, idp.Spec{
		Scopes: strings.Split("orders.read orders.write email profile", " "), Roles: []string{"Reader", "Writer"},
		Groups: []string{guidAudience, otherTenant}, Extra: map[string]any{"aio": strings.Repeat("A", 160), "rh": strings.Repeat("r", 60)},
	})
	w.wantGood(b, raw)
	ctx := context.Background()

	b.Run("new token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.verifier.Verify(ctx, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, garbage := range map[string]string{
		"garbage, no JWT":      strings.Repeat("A", 1500),
		"garbage, alg none":    b64(`{"alg":"none"}`) + raw[strings.Index(raw, "."):],
		"garbage, unknown iss": unsigned(header("k"), `{"iss":"https://evil.example"}`, 0),
		"garbage, oversize":    strings.Repeat("A.", 1<<20),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.verifier.Verify(ctx, garbage); err == nil {
					b.Fatal("garbage was accepted")
				}
			}
		})
	}
	b.Run("bare SHA-256 and RSA", func(b *testing.B) {
		dot := strings.LastIndex(raw, ".")
		sig, err := strictBase64.DecodeString(raw[dot+1:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			sum := sha256.Sum256([]byte(raw[:dot]))
			if err := rsa.VerifyPKCS1v15(w.idp.PublicKey(), crypto.SHA256, sum[:], sig); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-oidc alone", func(b *testing.B) {
		keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{w.idp.PublicKey()}}
		v := oidc.NewVerifier(w.idp.Authority()+"/"+w.idp.TenantID()+"/v2.0", keys, w.keysOf().issuer.library)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(ctx, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
