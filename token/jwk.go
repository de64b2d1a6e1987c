package token

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	minKeyBits = 2048 // NIST SP 800-131A
	maxKeyBits = 8192 // more only costs time
	maxKeys    = 64   // Entra publishes fewer than ten
)

// key is a published key that may verify something.
type key struct {
	public rsa.PublicKey
	may    bool // sign for this issuer
}

// verify checks RS256 over what was signed (RFC 7518, 3.3).
func (k *key) verify(t gated) bool {
	sum := sha256.Sum256([]byte(t.signed))
	return rsa.VerifyPKCS1v15(&k.public, crypto.SHA256, sum[:], t.signature) == nil
}

// jwk is a key as published (RFC 7517, 4). Its certificates are not read: the
// document came over TLS from the host that is trusted, and an odd x5c must not
// cost us a good key.
type jwk struct {
	Kty    string   `json:"kty"`
	Use    string   `json:"use"`
	Alg    string   `json:"alg"`
	Kid    string   `json:"kid"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	D      string   `json:"d"`
	Ops    []string `json:"key_ops"`
	Issuer string   `json:"issuer"` // Microsoft's
}

// parseKeys reads a JWK set by kid. A key that is odd in any way is left out
// and leaves the others alone. Without a single key that may sign for the issuer
// there is no set: such an answer must never replace good keys.
func parseKeys(body []byte, maySign func(keyIssuer string) bool) (map[string]key, bool) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, false
	}
	keys := map[string]key{}
	usable := false
	for _, raw := range set.Keys {
		var j jwk
		if len(keys) == maxKeys || json.Unmarshal(raw, &j) != nil {
			continue
		}
		public, ok := j.public()
		if !ok {
			continue
		}
		k := key{public: public, may: maySign(j.Issuer)}
		if old, twice := keys[j.Kid]; twice && (old.may || !k.may) {
			continue // one kid, several issuers: the one that concerns us
		}
		keys[j.Kid] = k
		usable = usable || k.may
	}
	return keys, usable
}

// public is the key if it is an RSA signing key of sound size; a published
// private key is everybody's.
func (j jwk) public() (rsa.PublicKey, bool) {
	if j.Kty != "RSA" || j.Kid == "" || len(j.Kid) > maxKeyIDBytes || j.D != "" {
		return rsa.PublicKey{}, false
	}
	if j.Use != "" && j.Use != "sig" || j.Alg != "" && j.Alg != algorithm {
		return rsa.PublicKey{}, false
	}
	if len(j.Ops) > 0 && !slices.Contains(j.Ops, "verify") {
		return rsa.PublicKey{}, false
	}
	n, nOK := bigInt(j.N)
	e, eOK := bigInt(j.E)
	if !nOK || !eOK || e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0 {
		return rsa.PublicKey{}, false
	}
	if n.BitLen() < minKeyBits || n.BitLen() > maxKeyBits || n.Bit(0) == 0 {
		return rsa.PublicKey{}, false
	}
	return rsa.PublicKey{N: n, E: int(e.Int64())}, true
}

// bigInt reads a Base64urlUInt (RFC 7518, 2); some providers pad it.
func bigInt(s string) (*big.Int, bool) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) == 0 {
		return nil, false
	}
	return new(big.Int).SetBytes(b), true
}
