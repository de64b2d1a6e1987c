package explain

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
)

const (
	keyBits = 2048
	keyID   = "believed"
)

// signing signs claims as they are, and lets a verifier that is given its client
// find the key, so that claims which nobody signed are read by the very rules for
// tokens. Its tokens are worth nothing anywhere else. It is safe for concurrent use.
type signing struct{ private *rsa.PrivateKey }

func newSigning() (*signing, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate a signing key: %w", err)
	}
	return &signing{private}, nil
}

// sign gives a token of the payload, byte by byte (RFC 7515, appendix A.2).
func (s *signing) sign(payload []byte) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"typ":"JWT","alg":"RS256","kid":"`+keyID+`"}`)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign claims: %w", err)
	}
	return signed + "." + encode(signature), nil
}

// client answers without a network: discovery as the issuer does, and everything
// else with the key.
func (s *signing) client(issuer string) *http.Client {
	return &http.Client{Transport: published{s, issuer}}
}

type published struct {
	signing *signing
	issuer  string
}

// RoundTrip implements http.RoundTripper.
func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	encode := base64.RawURLEncoding.EncodeToString
	var document any = map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "kid": keyID,
		"n": encode(p.signing.private.N.Bytes()), "e": encode(big.NewInt(int64(p.signing.private.E)).Bytes()),
	}}}
	if strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
		keys := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: "/keys"}
		document = map[string]any{"issuer": p.issuer, "jwks_uri": keys.String()}
	}
	b, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)),
	}, nil
}
