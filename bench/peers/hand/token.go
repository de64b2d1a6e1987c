// Package hand is an authorizer as one writes it by hand with the standard library:
// a token comes in, signature, issuer, audience and times are verified, and out
// come its claims; and the policy of what a map of scopes says. It leaves out all
// that authorizers of the field leave out too (key rotation, exactness of the
// policy, limits): it stands for the work that cannot be left out.
package hand

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// ErrUnauthorized is the error that API Gateway answers with 401 (AWS: "Lambda
// authorizers"); its text is compared as a whole.
var ErrUnauthorized = errors.New("Unauthorized")

// marker is where a REST REQUEST event has its token, as API Gateway writes it.
var marker = []byte(`"Authorization":"Bearer `)

// Bearer finds the token of an event without reading the rest of it; nil if there
// is none. What it gives is part of the event.
func Bearer(event []byte) []byte {
	at := bytes.Index(event, marker)
	if at < 0 {
		return nil
	}
	raw := event[at+len(marker):]
	end := bytes.IndexByte(raw, '"')
	if end < 0 {
		return nil
	}
	return raw[:end]
}

// Claims are what the bootstraps look at.
type Claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"oid"`
	Tenant    string `json:"tid"`
	Scopes    string `json:"scp"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
}

// Verifier knows whose tokens are good.
type Verifier struct {
	Keys             map[string]*rsa.PublicKey // by kid
	Issuer, Audience string
}

// FromEnv is the verifier of ISSUER, AUDIENCE and the one key in KEY_FILE.
func FromEnv() (*Verifier, error) {
	key, err := ReadKey(os.Getenv("KEY_FILE"))
	if err != nil {
		return nil, err
	}
	return &Verifier{
		Keys:   map[string]*rsa.PublicKey{os.Getenv("KEY_ID"): key},
		Issuer: os.Getenv("ISSUER"), Audience: os.Getenv("AUDIENCE"),
	}, nil
}

// ReadKey reads an RSA key from a file of PEM (PKIX).
func ReadKey(name string) (*rsa.PublicKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read the key: %s holds no PEM", name)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read the key: %s holds a %T", name, parsed)
	}
	return key, nil
}

// CheckSignature verifies a compact JWS by RS256 (RFC 7515, RFC 7518 section 3.3)
// with a key, whatever its header says. The error is always ErrUnauthorized.
func CheckSignature(raw []byte, key *rsa.PublicKey) error {
	dot := bytes.LastIndexByte(raw, '.')
	if dot < 0 || key == nil {
		return ErrUnauthorized
	}
	signature := make([]byte, base64.RawURLEncoding.DecodedLen(len(raw)-dot-1))
	if _, err := base64.RawURLEncoding.Decode(signature, raw[dot+1:]); err != nil {
		return ErrUnauthorized
	}
	sum := sha256.Sum256(raw[:dot])
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		return ErrUnauthorized
	}
	return nil
}

// Verify checks a token at a time. The error is always ErrUnauthorized.
func (v *Verifier) Verify(raw string, now time.Time) (Claims, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return Claims{}, ErrUnauthorized
	}
	var header struct{ Alg, Kid string }
	if decode(parts[0], &header) != nil || header.Alg != "RS256" {
		return Claims{}, ErrUnauthorized
	}
	if err := CheckSignature([]byte(raw), v.Keys[header.Kid]); err != nil {
		return Claims{}, err
	}
	var c Claims
	if decode(parts[1], &c) != nil || c.Issuer != v.Issuer || c.Audience != v.Audience || now.Unix() < c.NotBefore || now.Unix() >= c.Expires {
		return Claims{}, ErrUnauthorized
	}
	return c, nil
}

func decode(part string, to any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
