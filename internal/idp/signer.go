package idp

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Signer signs claims as they are, and lets a verifier that is given its Client
// find the key. So claims that nobody signed can be read by the very rules for
// tokens: "scopegate explain" does that. It is safe for concurrent use.
type Signer struct{ key signingKey }

// NewSigner makes a key. It fails when the machine has no randomness.
func NewSigner() (*Signer, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("idp: generate a signing key: %w", err)
	}
	return &Signer{signingKey{kid: keyID(&private.PublicKey), private: private}}, nil
}

// Sign gives a token of the payload, byte by byte.
func (s *Signer) Sign(payload []byte) (string, error) {
	header, err := json.Marshal(map[string]string{"typ": "JWT", "alg": "RS256", "kid": s.key.kid})
	if err != nil {
		return "", fmt.Errorf("idp: encode the header: %w", err)
	}
	return sign(s.key.private, header, payload)
}

// Client answers without a network: discovery as the issuer does, and everything
// else with the key.
func (s *Signer) Client(issuer string) *http.Client {
	return &http.Client{Transport: published{s, issuer}}
}

type published struct {
	signer *Signer
	issuer string
}

// RoundTrip implements http.RoundTripper.
func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	var document any = map[string]any{"keys": []any{p.signer.key.jwk()}}
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
