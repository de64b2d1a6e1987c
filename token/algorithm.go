package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// algorithm is a signature algorithm of RFC 7518, 3.1, or RFC 8037: asymmetric
// ones alone. There is no value for none and for HMAC, so that no setting can
// let them in. The zero value is no algorithm.
type algorithm uint8

const (
	noAlgorithm algorithm = iota
	rs256                 // Entra's
	rs384
	rs512
	ps256
	ps384
	ps512
	es256
	es384
	es512
	eddsa
	endOfAlgorithms
)

var algorithmNames = [endOfAlgorithms]string{"", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Algorithms lists the names that an OIDCIssuer may be given.
func Algorithms() []string { return slices.Clone(algorithmNames[rs256:]) }

// parseAlgorithm knows names exactly: RFC 7515, 4.1.1, makes them case-sensitive.
func parseAlgorithm(name string) (algorithm, bool) {
	i := slices.Index(algorithmNames[:], name) // 0 is the empty name's
	return algorithm(max(i, 0)), i > 0
}

func (a algorithm) String() string { return algorithmNames[a] }

// signatureFits reports whether a signature can be one of the algorithm by its
// length in bytes: an RSA key's (2048 to 8192 bits), or r and s (RFC 7518, 3.4).
func (a algorithm) signatureFits(n int) bool {
	switch a {
	case es256, eddsa:
		return n == 64
	case es384:
		return n == 96
	case es512:
		return n == 132
	}
	return minKeyBits/8 <= n && n <= maxKeyBits/8
}

// fits reports whether a key is of the algorithm's type and curve.
func (a algorithm) fits(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return rs256 <= a && a <= ps512
	case *ecdsa.PublicKey:
		return a == es256 && k.Curve == elliptic.P256() || a == es384 && k.Curve == elliptic.P384() || a == es512 && k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return a == eddsa
	}
	return false
}

// verify checks the signature over what was signed by a key that fits. Entra's RS256 (RFC 7518,
// 3.3) goes straight to the standard library; go-jose, which reads the token
// once more, knows the padding and encodings of the others.
func (a algorithm) verify(public crypto.PublicKey, t gated) bool {
	if k, ok := public.(*rsa.PublicKey); ok && a == rs256 {
		sum := sha256.Sum256([]byte(t.signed))
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], t.signature) == nil
	}
	jws, err := jose.ParseSignedCompact(t.raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a.String())})
	if err != nil {
		return false
	}
	_, err = jws.Verify(public)
	return err == nil
}

// algorithms is a set of them.
type algorithms uint16

const onlyRS256 algorithms = 1 << rs256

func (s algorithms) has(a algorithm) bool { return s&(1<<a) != 0 }

func (s algorithms) with(a algorithm) algorithms { return s | 1<<a }

// names lists the set in the order of the constants.
func (s algorithms) names() []string {
	var list []string
	for a := rs256; a < endOfAlgorithms; a++ {
		if s.has(a) {
			list = append(list, a.String())
		}
	}
	return list
}

// algorithms reads the allow-list of an issuer; an empty one is RS256, which
// every OpenID provider must have (OpenID Connect Discovery 1.0, 3).
func (f *faults) algorithms(name string, list []string) algorithms {
	if len(list) == 0 {
		return onlyRS256
	}
	var set algorithms
	for i, text := range list {
		a, ok := parseAlgorithm(text)
		if !ok {
			f.add("%s[%d]: %q must be one of %s", name, i, text, strings.Join(Algorithms(), " "))
			continue
		}
		set = set.with(a)
	}
	return set
}
