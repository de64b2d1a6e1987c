package token

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"scopegate/internal/idp"
)

// Here the test holds the private key, so that what an attacker makes of a genuine
// signature, and what other signers would make, can be told from a bad key.
func TestASignatureIsTakenInOneFormAlone(t *testing.T) {
	w := newWorld(t, 2)
	for _, a := range signatureForms(t, w) {
		t.Run(a.name, func(t *testing.T) { refusedQuietly(t, w, a) })
	}
}

var ownKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // a machine without randomness
	}
	return key
})

// signatureForms rest on RFC 8017, 8.2.2 (the length, s < n, one padding), RFC
// 7518, 3.3 and 3.5, CVE-2020-28042 (no signature), Bleichenbacher's forgery for e
// = 3 (CVE-2006-4339 and its children), and on go-jose's and jwt_tool's tests.
func signatureForms(t *testing.T, w *world) []attack {
	t.Helper()
	key := ownKey()
	own := w.goodJWK(map[string]any{"kid": "own", "n": b64(string(key.N.Bytes()))})
	cube := w.goodJWK(map[string]any{"kid": "cube", "n": b64(string(key.N.Bytes())), "e": "Aw"})
	w.serveKeys(`{"keys":[` + own + "," + cube + `]}`)
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"orders.read"}}, nil)
	signed := b64(header("own")) + "." + b64(claims)
	sign := func(text string, hash crypto.Hash) string { return pkcs1(t, key, text, hash) }
	s := sign(signed, crypto.SHA256)
	w.wantGood(t, signed+"."+b64(s))
	n := new(big.Int).SetBytes([]byte(s))
	number := func(x *big.Int) string { return string(x.FillBytes(make([]byte, max(256, len(x.Bytes()))))) }
	one := big.NewInt(1)
	var rows []attack
	for _, c := range []struct {
		name string
		s    string
		want Reason
	}{
		{"none at all", "", ReasonSignatureForm},
		{"the last byte cut off", s[:255], ReasonSignatureForm},
		{"the first byte cut off", s[1:], ReasonSignatureForm},
		{"half of it", s[:128], ReasonSignatureForm},
		{"of a 1024-bit key", strings.Repeat("\x5a", 128), ReasonSignatureForm},
		{"longer than the largest key", strings.Repeat("\x5a", 1025), ReasonSignatureForm},
		{"a zero before it", "\x00" + s, ReasonSignature},
		{"a zero behind it", s + "\x00", ReasonSignature},
		{"zeros up to the next key size", strings.Repeat("\x00", 128) + s, ReasonSignature},
		{"twice", s + s, ReasonSignature},
		{"backwards", backwards(s), ReasonSignature},
		{"one bit changed at the end", s[:255] + string(s[255]^1), ReasonSignature},
		{"one bit changed in the middle", s[:100] + string(s[100]^0x80) + s[101:], ReasonSignature},
		{"in hex", hex.EncodeToString([]byte(s)), ReasonSignature},
		{"in base64 once more", base64.RawURLEncoding.EncodeToString([]byte(s)), ReasonSignature},
		{"as a DER octet string", "\x04\x82\x01\x00" + s, ReasonSignature},
		{"as a DER bit string", "\x03\x82\x01\x01\x00" + s, ReasonSignature},
		{"congruent, with the modulus added", number(new(big.Int).Add(n, key.N)), ReasonSignature},
		{"its negative", number(new(big.Int).Sub(key.N, n)), ReasonSignature},
		{"one", number(one), ReasonSignature},
		{"the modulus", number(key.N), ReasonSignature},
		{"the modulus less one", number(new(big.Int).Sub(key.N, one)), ReasonSignature},
		{"the padded hash, not signed", string(paddedHash(signed)), ReasonSignature},
		{"PSS", pss(t, key, signed), ReasonSignature},
		{"SHA-1", sign(signed, crypto.SHA1), ReasonSignature},
		{"SHA-384", sign(signed, crypto.SHA384), ReasonSignature},
		{"SHA-512", sign(signed, crypto.SHA512), ReasonSignature},
		{"the hash without its name", sign(signed, crypto.Hash(0)), ReasonSignature},
		{"over the payload alone", sign(b64(claims), crypto.SHA256), ReasonSignature},
		{"over the header alone", sign(b64(header("own")), crypto.SHA256), ReasonSignature},
		{"over the decoded parts", sign(header("own")+"."+claims, crypto.SHA256), ReasonSignature},
		{"over the claims, not encoded (b64 false)", sign(b64(header("own"))+"."+claims, crypto.SHA256), ReasonSignature},
		{"over the parts with a dot more", sign(signed+".", crypto.SHA256), ReasonSignature},
		{"over the parts with a line break", sign(signed+"\n", crypto.SHA256), ReasonSignature},
		{"over padded base64", sign(b64(header("own"))+"=."+b64(claims), crypto.SHA256), ReasonSignature},
		{"over the parts without the dot", sign(b64(header("own"))+b64(claims), crypto.SHA256), ReasonSignature},
		{"over nothing", sign("", crypto.SHA256), ReasonSignature},
	} {
		rows = append(rows, attack{"signature " + c.name, signed + "." + b64(c.s), c.want})
	}
	full, cut := zeroFirst(t, w, key)
	w.wantGood(t, full)
	rows = append(rows,
		attack{"signature without its leading zero", cut, ReasonSignatureForm},
		attack{"signature forged by a cube root", cubeForgery(t, w, claims), ReasonSignature},
		attack{"signature of the key's other kid", b64(header("cube")) + "." + b64(claims) + "." + b64(sign(b64(header("cube"))+"."+b64(claims), crypto.SHA256)), ReasonSignature})
	for _, alg := range []string{"PS256", "RS384", "RS512"} { // the same key could verify these
		h := strings.Replace(header("own"), "RS256", alg, 1)
		rows = append(rows, attack{"an honest " + alg + " where RS256 alone is allowed", b64(h) + "." + b64(claims) + "." + b64(honest(t, key, alg, b64(h)+"."+b64(claims))), ReasonAlgorithm})
	}
	return rows
}

func pkcs1(t *testing.T, key *rsa.PrivateKey, text string, hash crypto.Hash) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	digest := sum[:]
	if hash != 0 && hash != crypto.SHA256 {
		h := hash.New()
		h.Write([]byte(text))
		digest = h.Sum(nil)
	}
	s, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func pss(t *testing.T, key *rsa.PrivateKey, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	s, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func honest(t *testing.T, key *rsa.PrivateKey, alg, text string) string {
	switch alg {
	case "PS256":
		return pss(t, key, text)
	case "RS384":
		return pkcs1(t, key, text, crypto.SHA384)
	}
	return pkcs1(t, key, text, crypto.SHA512)
}

func backwards(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// digestInfo names SHA-256 (RFC 8017, 9.2).
const digestInfo = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

func paddedHash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	tail := "\x00" + digestInfo + string(sum[:])
	return []byte("\x00\x01" + strings.Repeat("\xff", 256-2-len(tail)) + tail)
}

// zeroFirst tries payloads until a genuine signature begins with a zero byte,
// which some signers leave out; one in 256 does.
func zeroFirst(t *testing.T, w *world, key *rsa.PrivateKey) (full, cut string) {
	t.Helper()
	for i := range 20000 {
		claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"orders.read"}}, map[string]string{"x": fmt.Sprint(i)})
		signed := b64(header("own")) + "." + b64(claims)
		if s := pkcs1(t, key, signed, crypto.SHA256); s[0] == 0 {
			return signed + "." + b64(s), signed + "." + b64(s[1:])
		}
	}
	t.Fatal("no signature begins with zero")
	return "", ""
}

// cubeForgery needs no private key: with e = 3, a number whose cube begins with
// the padded hash satisfies a verifier that does not look at the rest.
func cubeForgery(t *testing.T, w *world, claims string) string {
	t.Helper()
	signed := b64(header("cube")) + "." + b64(claims)
	sum := sha256.Sum256([]byte(signed))
	prefix := []byte("\x00\x01" + strings.Repeat("\xff", 8) + "\x00" + digestInfo + string(sum[:]))
	block := new(big.Int).SetBytes(append(slices.Clone(prefix), make([]byte, 256-len(prefix))...))
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), 700)
	for one := big.NewInt(1); low.Cmp(high) < 0; { // the least number whose cube reaches the block
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		if new(big.Int).Exp(middle, big.NewInt(3), nil).Cmp(block) < 0 {
			low = middle.Add(middle, one)
		} else {
			high = middle
		}
	}
	cubed := new(big.Int).Exp(low, big.NewInt(3), nil).FillBytes(make([]byte, 256))
	if !bytes.HasPrefix(cubed, prefix) {
		t.Fatal("the forgery itself is wrong")
	}
	return signed + "." + b64(string(low.FillBytes(make([]byte, 256))))
}

// A signature is good for the one token that it was made for: every byte of a
// genuine one counts.
func TestNoByteOfAGenuineTokenMayChange(t *testing.T) {
	w := newWorld(t, 2)
	good := w.good(t)
	w.wantGood(t, good)
	for i := range len(good) {
		for _, c := range []byte{'A', 'B', '_', '.', good[i] ^ 0x20} {
			if c == good[i] {
				continue
			}
			raw := good[:i] + string(rune(c)) + good[i+1:]
			if _, err := w.verifier.Verify(t.Context(), raw); err == nil {
				t.Fatalf("byte %d may be %q", i, c)
			}
		}
	}
}
