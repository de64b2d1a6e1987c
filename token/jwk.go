package token

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	minKeyBits = 2048 // NIST SP 800-131A
	maxKeyBits = 8192 // more only costs time
)

// key is a published key that may verify something.
type key struct {
	public crypto.PublicKey // of a type and size that some algorithm fits
	alg    algorithm        // the only one it is for; noAlgorithm = any that fits
	may    bool             // sign for this issuer
}

// fits reports whether the key is for an algorithm. A key serves one algorithm
// only where it names one (RFC 8725, 3.1; RFC 7517, 4.4).
func (k key) fits(a algorithm) bool {
	return (k.alg == noAlgorithm || k.alg == a) && a.fits(k.public)
}

// keyring holds keys by kid. Several share one only where no algorithm fits two of
// them (RFC 7517, 4.5: "equivalent alternatives" of different types).
type keyring map[string][]key

// pick gives the key of a kid that is for an algorithm, else any of that kid.
func (r keyring) pick(kid string, a algorithm) (key, bool) {
	list := r[kid]
	for _, k := range list {
		if k.fits(a) {
			return k, true
		}
	}
	if len(list) == 0 {
		return key{}, false
	}
	return list[0], true
}

// add puts a key beside those of its kid. Of two for one algorithm, as several
// issuers may have them in one set, the first stays that may sign for ours.
func (r keyring) add(kid string, k key) {
	for i, old := range r[kid] {
		if old.overlaps(k) {
			if !old.may && k.may {
				r[kid][i] = k
			}
			return
		}
	}
	r[kid] = append(r[kid], k)
}

// overlaps reports whether some algorithm fits both keys.
func (k key) overlaps(other key) bool {
	for a := rs256; a < endOfAlgorithms; a++ {
		if k.fits(a) && other.fits(a) {
			return true
		}
	}
	return false
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
	Crv    string   `json:"crv"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	Ops    []string `json:"key_ops"`
	Issuer string   `json:"issuer"` // Microsoft's

	// What only private and secret keys have (RFC 7518, 6.2.2, 6.3.2, 6.4).
	D   json.RawMessage `json:"d"`
	P   json.RawMessage `json:"p"`
	Q   json.RawMessage `json:"q"`
	DP  json.RawMessage `json:"dp"`
	DQ  json.RawMessage `json:"dq"`
	QI  json.RawMessage `json:"qi"`
	Oth json.RawMessage `json:"oth"`
	K   json.RawMessage `json:"k"`
}

// parseKeys reads a JWK set by kid; its size is the caller's to bound. A key that
// is odd in any way, or for no algorithm that the issuer may use, is left out and
// leaves the others alone. Without a single key that may sign for the issuer
// there is no set: such an answer must never replace good keys.
func parseKeys(body []byte, allowed algorithms, maySign func(keyIssuer string) bool) (keyring, bool) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, false
	}
	keys := keyring{}
	usable := false
	for _, raw := range set.Keys {
		var j jwk
		if json.Unmarshal(raw, &j) != nil {
			continue
		}
		k, ok := j.key(allowed)
		if !ok {
			continue
		}
		k.may = maySign(j.Issuer)
		keys.add(j.Kid, k)
		usable = usable || k.may
	}
	return keys, usable
}

// private reports whether anything of a private or secret key is published. Each
// of these gives the whole of it: the factors follow from dp alone. Some
// providers publish such members without a value.
func (j jwk) private() bool {
	for _, member := range []json.RawMessage{j.D, j.P, j.Q, j.DP, j.DQ, j.QI, j.Oth, j.K} {
		switch string(member) {
		case "", "null", `""`, "[]":
		default:
			return true
		}
	}
	return false
}

// key is the key if it is a signing key of sound size for an allowed algorithm;
// a published private key is everybody's.
func (j jwk) key(allowed algorithms) (key, bool) {
	if j.Kid == "" || len(j.Kid) > maxKeyIDBytes || j.private() || j.Use != "" && j.Use != "sig" {
		return key{}, false
	}
	if len(j.Ops) > 0 && !slices.Contains(j.Ops, "verify") {
		return key{}, false
	}
	var k key
	if j.Alg != "" {
		var known bool
		if k.alg, known = parseAlgorithm(j.Alg); !known {
			return key{}, false
		}
	}
	var ok bool
	if k.public, ok = j.public(); !ok {
		return key{}, false
	}
	for a := rs256; a < endOfAlgorithms; a++ {
		if allowed.has(a) && k.fits(a) {
			return k, true
		}
	}
	return key{}, false
}

func (j jwk) public() (crypto.PublicKey, bool) {
	switch j.Kty {
	case "RSA":
		return j.rsa()
	case "EC", "OKP":
		return j.curve()
	}
	return nil, false
}

func (j jwk) rsa() (crypto.PublicKey, bool) {
	n, nOK := bigInt(j.N)
	e, eOK := bigInt(j.E)
	if !nOK || !eOK || e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0 {
		return nil, false
	}
	if n.BitLen() < minKeyBits || n.BitLen() > maxKeyBits || n.Bit(0) == 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, true
}

// curve has go-jose read the point, which it finds to be on the curve; it is
// given nothing else, so that an odd certificate costs us no key.
func (j jwk) curve() (crypto.PublicKey, bool) {
	point, err := json.Marshal(map[string]string{"kty": j.Kty, "crv": j.Crv, "x": j.X, "y": j.Y})
	if err != nil {
		return nil, false
	}
	var k jose.JSONWebKey
	if k.UnmarshalJSON(point) != nil || !k.Valid() {
		return nil, false
	}
	return k.Key, true
}

// bigInt reads a Base64urlUInt (RFC 7518, 2); some providers pad it.
func bigInt(s string) (*big.Int, bool) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) == 0 {
		return nil, false
	}
	return new(big.Int).SetBytes(b), true
}
