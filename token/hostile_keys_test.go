package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// serveSet makes the ring publish a set of the test's own.
func (s *stage) serveSet(set string) { s.ring.fail(fault{"a set of the test's", nil, says(set)}) }

func TestAUselessKeyBesideAGoodOneVerifiesNothingAndSpoilsNothing(t *testing.T) {
	for name, useless := range uselessJWKs("7-of-the-ring") {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			s.serveSet(jwks(useless, ringJWK(s.ring.kid())))
			s.want(t, "a token under the good key", s.ring.genuine(s.ring.kid()), "good")
			s.want(t, "a token under the useless key", s.ring.genuine("7-of-the-ring"), "refused")
			s.want(t, "a forgery under the useless key", s.ring.forged("7-of-the-ring", 1), "refused")
		})
	}
}

// Two keys of one kid: a useless one takes nothing from the good one, in either order.
func TestAKidGivenTwiceStaysTheGoodKeys(t *testing.T) {
	s := newStage()
	kid := s.ring.kid()
	for name, useless := range uselessJWKs(kid) {
		for order, set := range map[string]string{"first": jwks(useless, ringJWK(kid)), "second": jwks(ringJWK(kid), useless)} {
			t.Run(name+" "+order, func(t *testing.T) {
				s := newStage()
				s.serveSet(set)
				s.want(t, "a token under the good key", s.ring.genuine(kid), "good")
				s.want(t, "a forgery", s.ring.forged(kid, 1), "refused")
			})
		}
	}
}

// A symmetric key, were it taken, would be a secret that everybody can read.
func TestAPublishedSecretNeverVerifiesAnHMAC(t *testing.T) {
	s := newStage()
	kid := s.ring.kid()
	secret := string(ringKey(kid).N.Bytes())
	for _, alg := range []string{"HS256", "RS256"} {
		for name, key := range map[string]string{
			"oct": fmt.Sprintf(`{"kty":"oct","kid":"secret","alg":%q,"k":%q}`, alg, b64(secret)),
			"RSA": strings.Replace(ringJWK(kid), kid, "secret", 1),
		} {
			t.Run(alg+" "+name, func(t *testing.T) {
				s := newStage()
				s.serveSet(jwks(key, ringJWK(kid)))
				s.want(t, "a token under the good key", s.ring.genuine(kid), "good")
				h := fmt.Sprintf(`{"typ":"JWT","alg":%q,"kid":"secret"}`, alg)
				text := b64(h) + "." + b64(s.ring.ringClaims("2.0"))
				mac := hmac.New(sha256.New, []byte(secret))
				mac.Write([]byte(text))
				sum := string(mac.Sum(nil))
				s.want(t, "an HMAC", text+"."+b64(sum), "refused")
				s.want(t, "an HMAC as long as an RSA signature", text+"."+b64(strings.Repeat(sum, 8)), "refused")
			})
		}
	}
}

// crowd is a set of many keys that fits into what is read of a document.
func crowd(n int, jwk func(i int) string, own string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = jwk(i)
	}
	return jwks(append(list, own)...)
}

func TestTenThousandUselessKeysDoNotHideTheGoodOne(t *testing.T) {
	s := newStage()
	kid := s.ring.kid()
	for name, jwk := range map[string]string{"of no kind": `{}`, "null": `null`, "without members": `{"kty":"RSA"}`, "numbers": `1`} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			s.serveSet(crowd(10_000, func(int) string { return jwk }, ringJWK(kid)))
			s.want(t, "a good token", s.ring.genuine(kid), "good")
		})
	}
}

// Ten thousand whole keys are megabytes: no document that is read to the end.
func TestTenThousandWholeKeysAreAnOutage(t *testing.T) {
	s := newStage()
	kid := s.ring.kid()
	other := ringJWK("2-of-the-ring")
	s.serveSet(crowd(10_000, func(i int) string { return strings.Replace(other, "2-of-the-ring", fmt.Sprint("other-", i), 1) }, ringJWK(kid)))
	s.want(t, "a good token when cold", s.ring.genuine(kid), "outage")
}

// What fits is bounded all the same, and the keys that come first are there.
func TestOfHundredsOfKeysTheFirstAreThere(t *testing.T) {
	s := newStage()
	kid := s.ring.kid()
	list := []string{ringJWK(kid)}
	for i := range 500 {
		list = append(list, strings.Replace(ringJWK("2-of-the-ring"), "2-of-the-ring", fmt.Sprint("other-", i), 1))
	}
	s.serveSet(jwks(list...))
	s.want(t, "a token under the first", s.ring.genuine(kid), "good")
	slices.Reverse(list)
	s.serveSet(jwks(list...))
	s.clock.Advance(promisedRefresh)
	s.want(t, "a forgery under one of many", s.ring.forged("other-499", 1), "refused")
}
