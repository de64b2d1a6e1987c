package token

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// worthless answers, in place of keys or of a discovery document: none of them
// has a key that may be used, none says where one is.
func worthless() map[string]http.HandlerFunc {
	m := map[string]http.HandlerFunc{
		"null": says(`null`), "an array": says(`[]`), "an object": says(`{}`), "a string": says(`"keys"`), "a number": says(`7`),
		"nothing": says(``), "spaces": says("  \n"), "a web page": says(`<!doctype html><title>Sign in</title>`),
		"half a document": says(`{"keys":[{"kty":"RSA","kid":"1-of-the-ring","n":"`), "no UTF-8": says("{\"keys\":\xff\xfe}"),
		"keys null": says(`{"keys":null}`), "no keys": says(`{"keys":[]}`), "keys an object": says(`{"keys":{}}`), "keys nulls": says(`{"keys":[null,null]}`),
		"keys nested deeply": says(`{"keys":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`),
		"20 MB":              func(w http.ResponseWriter, _ *http.Request) { twentyMB(w) },
		"a redirect to nowhere": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusFound) // without a Location
		},
		"an error with good keys": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte(jwks(ringJWK("1-of-the-ring"))))
		},
	}
	for _, code := range []int{204, 206, 304, 400, 401, 403, 404, 410, 429, 500, 502, 503, 504} {
		m[fmt.Sprint("status ", code)] = status(code)
	}
	return m
}

func twentyMB(w http.ResponseWriter) {
	chunk := bytes.Repeat([]byte(" "), 64<<10)
	for range 20 << 20 / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return // the client has had enough, as it should
		}
	}
	_, _ = w.Write([]byte("{}"))
}

// worthlessKeys are answers that are worthless as keys only.
func worthlessKeys() map[string]http.HandlerFunc {
	m := map[string]http.HandlerFunc{}
	for name, jwk := range uselessJWKs("1-of-the-ring") {
		m["only "+name] = says(jwks(jwk))
	}
	return m
}

// uselessJWKs are keys under a good kid that must verify nothing.
func uselessJWKs(kid string) map[string]string {
	n := b64(string(ringKey(kid).N.Bytes()))
	rsa := func(members string) string {
		return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,%s}`, kid, n, members)
	}
	return map[string]string{
		"an EC key":                          fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}`, kid, b64(strings.Repeat("x", 32)), b64(strings.Repeat("y", 32))),
		"an EC key with n, e":                fmt.Sprintf(`{"kty":"EC","kid":%q,"n":%q,"e":"AQAB"}`, kid, n),
		"an OKP key":                         fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, kid, b64(strings.Repeat("x", 32))),
		"a symmetric key":                    fmt.Sprintf(`{"kty":"oct","kid":%q,"k":%q}`, kid, n),
		"a lower-case rsa key":               fmt.Sprintf(`{"kty":"rsa","kid":%q,"n":%q,"e":"AQAB"}`, kid, n),
		"a 1024-bit key":                     fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":"AQAB"}`, kid, n[:171]),
		"exponent 1":                         rsa(`"e":"AQ"`),
		"exponent 0":                         rsa(`"e":"AA"`),
		"an even exponent":                   rsa(`"e":"AQAA"`),
		"an exponent of 2^64+1":              rsa(`"e":"AQAAAAAAAAAB"`),
		"an exponent as long as the modulus": rsa(fmt.Sprintf(`"e":%q`, n)),
		"an exponent as a number":            rsa(`"e":65537`),
		"no exponent":                        rsa(`"use":"sig"`),
		"a private key":                      rsa(`"e":"AQAB","d":"AQAB"`),
		"an encryption key":                  rsa(`"e":"AQAB","use":"enc"`),
		"key_ops without verify":             rsa(`"e":"AQAB","key_ops":["sign","encrypt"]`),
		"alg none":                           rsa(`"e":"AQAB","alg":"none"`),
		"alg HS256":                          rsa(`"e":"AQAB","alg":"HS256"`),
		"another tenant's key":               rsa(`"e":"AQAB","issuer":"https://` + ringHost + `/` + otherTenant + `/v2.0"`),
		"names in another case":              fmt.Sprintf(`{"KTY":"RSA","KID":%q,"N":%q,"E":"AQAB"}`, kid, n),
	}
}

// evilDiscovery sends the keys elsewhere or speaks of another issuer.
func evilDiscovery(p *ring) map[string]http.HandlerFunc {
	iss := p.issuer("2.0")
	doc := func(issuer, uri string) http.HandlerFunc {
		return says(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, uri))
	}
	keys := p.base + "/" + otherTenant + "/keys"
	return map[string]http.HandlerFunc{
		"another tenant's issuer": doc(strings.ReplaceAll(iss, "11111111", "21111111"), keys),
		"the issuer with a slash": doc(iss+"/", keys), "the issuer in capitals": doc(strings.ToUpper(iss), keys),
		"keys on another host": doc(iss, "https://evil.example/keys"), "keys on a look-alike": doc(iss, "https://"+ringHost+".evil.example/keys"),
		"keys on another port": doc(iss, "https://"+ringHost+":8443/keys"), "keys over http": doc(iss, "http://"+ringHost+"/keys"),
		"keys in a file": doc(iss, "file:///etc/passwd"), "keys in the document": doc(iss, "data:application/json,{}"),
		"keys with a user": doc(iss, "https://u:p@"+ringHost+"/keys"), "keys at a path": doc(iss, "/keys"), "keys at //": doc(iss, "//"+ringHost+"/keys"),
		"keys on loopback": doc(iss, "http://127.0.0.1/keys"), "keys nowhere": doc(iss, ""), "keys at no URL": doc(iss, "https://%zz/"),
		"a backslash": doc(iss, `https://`+ringHost+`\@evil.example/keys`), "a jwks_uri of another type": says(fmt.Sprintf(`{"issuer":%q,"jwks_uri":[]}`, iss)),
	}
}

// everyFault is all of the above at discovery, at the keys and at both.
func everyFault(p *ring) []fault {
	var list []fault
	for name, answer := range worthless() {
		list = append(list, fault{name + " as keys", nil, answer},
			fault{name + " as discovery", answer, nil}, fault{name + " as both", answer, answer})
	}
	for name, answer := range worthlessKeys() {
		list = append(list, fault{name, nil, answer})
	}
	for name, answer := range evilDiscovery(p) {
		list = append(list, fault{name, answer, nil})
	}
	return list
}

// eachFault runs a test on a stage of its own for each fault.
func eachFault(t *testing.T, test func(t *testing.T, s *stage, f fault)) {
	for _, f := range everyFault(newStage().ring) {
		t.Run(f.name, func(t *testing.T) {
			s := newStage()
			test(t, s, f)
			if foreign := s.net.foreignHosts(); len(foreign) != 0 {
				t.Errorf("we asked %v", foreign)
			}
		})
	}
}

func TestEveryFaultOfAColdProviderIsAnOutageUntilItHeals(t *testing.T) {
	eachFault(t, func(t *testing.T, s *stage, f fault) {
		kid := s.ring.kid()
		raw, forged := s.ring.genuine(kid), s.ring.forged(kid, 1)
		s.ring.fail(f)
		for range 10 { // until the back-off is as long as it gets
			s.want(t, "a good token", raw, "outage")
			s.want(t, "a forgery", forged, "outage") // nobody can tell yet
			s.want(t, "an unknown kid", s.ring.forged("unknown", 1), "outage")
			s.clock.Advance(10 * time.Second)
		}
		if err := s.verifier.Prefetch(context.Background()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Prefetch: %v", err)
		}
		s.ring.fail(fault{})
		s.clock.Advance(promisedBackoff)
		s.want(t, "a good token after it healed", raw, "good")
		s.want(t, "a forgery after it healed", forged, "refused")
	})
}

func TestEveryFaultOfAWarmProviderLeavesKnownKeysAsTheyWere(t *testing.T) {
	eachFault(t, func(t *testing.T, s *stage, f fault) {
		kid := s.ring.kid()
		raw, forged := s.ring.genuine(kid), s.ring.forged(kid, 1)
		s.want(t, "a good token", raw, "good")
		s.ring.fail(f)
		for hour := range 23 {
			s.clock.Advance(promisedRefresh)
			s.want(t, fmt.Sprintf("a good token after %d h", hour+1), raw, "good")
			s.want(t, "a forgery", forged, "refused")
			want := "outage" // it may be the new key
			if f.keys == nil {
				want = "refused" // the keys come, from where they were
			}
			s.want(t, "an unknown kid", s.ring.forged("unknown", hour), want)
		}
		s.ring.fail(fault{})
		s.clock.Advance(promisedBackoff)
		s.want(t, "a good token after it healed", raw, "good")
		s.want(t, "an unknown kid after it healed", s.ring.forged("unknown", 1), "refused")
	})
}

func TestWithoutAnyKeysForADayNothingIsSaidAboutAToken(t *testing.T) {
	eachFault(t, func(t *testing.T, s *stage, f fault) {
		kid := s.ring.kid()
		s.want(t, "a good token", s.ring.genuine(kid), "good")
		s.ring.fail(fault{f.name, status(http.StatusServiceUnavailable), status(http.StatusServiceUnavailable)})
		s.clock.Advance(promisedEnd - time.Second)
		s.want(t, "a good token in the last second", s.ring.genuine(kid), "good")
		s.ring.fail(f)
		s.clock.Advance(time.Second)
		s.want(t, "a good token", s.ring.genuine(kid), "outage")
		s.want(t, "a forgery", s.ring.forged(kid, 1), "outage")
	})
}

// What a provider sent, and whom it sent us to, is in no error.
func TestNoErrorRepeatsWhatTheProviderSaid(t *testing.T) {
	eachFault(t, func(t *testing.T, s *stage, f fault) {
		s.ring.fail(f)
		err := s.verify(s.ring.genuine(s.ring.kid()))
		text := fmt.Sprint(err, s.verifier.Prefetch(context.Background()))
		for _, secret := range []string{"evil.example", "<html", "doctype", "1-of-the-ring", "AQAB", "passwd", "8443"} {
			if strings.Contains(text, secret) {
				t.Errorf("the error says %q", text)
			}
		}
	})
}
