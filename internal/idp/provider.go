// Package idp is a local identity provider that looks like Entra ID from
// outside: requests for discovery documents, keys and tokens come in, documents
// and signed v1 and v2 access tokens in Entra's form go out. `scopegate dev` and
// the tests use it; it hands a token to whoever asks and must never be part of
// the authorizer.
package idp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultTenantID is the tenant where Options name none.
const DefaultTenantID = "11111111-2222-4333-8444-555555555555"

// DefaultAudience is the audience of minted tokens where neither Options nor
// the Spec name one.
const DefaultAudience = "api://scopegate-local"

const (
	keyBits     = 2048
	defaultKeys = 2
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Options of a Provider; the zero value is a working provider without an address.
type Options struct {
	TenantID string           // GUID; "" = DefaultTenantID
	BaseURL  string           // e.g. "http://127.0.0.1:8083"; may be set later by SetBaseURL
	Audience string           // of tokens whose Spec names none; "" = DefaultAudience
	Now      func() time.Time // nil = time.Now
	// Keys is how many keys are published at most, the newest first: with 1,
	// Rotate drops the old key at once, as an emergency rotation does; 0 = 2.
	Keys int
}

// Provider is an http.Handler with Entra's paths. Safe for concurrent use.
type Provider struct {
	tenant   string
	audience string
	now      func() time.Time
	keep     int
	forger   func() (*rsa.PrivateKey, error) // signs Spec.Forged; never published, made when first asked for
	mux      *http.ServeMux
	uses     atomic.Uint64 // makes every uti of one provider its own

	discoveries, keyFetches atomic.Int64

	mu    sync.RWMutex
	base  string
	keys  []signingKey // published, the signing one first
	fault Fault
}

type signingKey struct {
	kid     string
	private *rsa.PrivateKey
}

// New generates the keys of a provider. It fails on a tenant that is not a GUID
// and when the machine has no randomness.
func New(o Options) (*Provider, error) {
	p := &Provider{
		tenant:   strings.ToLower(orElse(o.TenantID, DefaultTenantID)),
		audience: orElse(o.Audience, DefaultAudience),
		now:      o.Now,
		keep:     o.Keys,
	}
	if !guid.MatchString(p.tenant) {
		return nil, errors.New("idp: TenantID is not a GUID")
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.keep <= 0 {
		p.keep = defaultKeys
	}
	p.forger = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, keyBits) })
	p.SetBaseURL(o.BaseURL)
	p.mux = p.routes()
	return p, p.Rotate()
}

// Rotate makes a new signing key. The old ones stay published, Options.Keys in all.
func (p *Provider) Rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("idp: generate a signing key: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = slices.Insert(p.keys, 0, signingKey{kid: keyID(&private.PublicKey), private: private})
	p.keys = p.keys[:min(len(p.keys), p.keep)]
	return nil
}

// keyID has the look of Entra's: the base64url of a SHA-1 thumbprint is 27 long.
func keyID(k *rsa.PublicKey) string {
	sum := sha256.Sum256(k.N.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

// SetBaseURL sets where clients reach the provider, e.g. "http://127.0.0.1:8083".
func (p *Provider) SetBaseURL(base string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.base = strings.TrimRight(base, "/")
}

// Authority is the value for ENTRA_AUTHORITY.
func (p *Provider) Authority() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.base
}

// STS is the value for ENTRA_STS.
func (p *Provider) STS() string { return p.Authority() + "/sts" }

// TenantID is the provider's one tenant.
func (p *Provider) TenantID() string { return p.tenant }

// Audience is that of tokens whose Spec names none.
func (p *Provider) Audience() string { return p.audience }

// KeyID is the kid of the key that signs now.
func (p *Provider) KeyID() string { return p.signing().kid }

// PublicKey is the key that now verifies the provider's tokens.
func (p *Provider) PublicKey() *rsa.PublicKey { return &p.signing().private.PublicKey }

func (p *Provider) signing() signingKey {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.keys[0]
}

func (p *Provider) published() []signingKey {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Clone(p.keys)
}

// Sign joins header and payload, which it takes as they are, into a compact JWS
// signed RS256 by the current key: for tests that need bytes Mint never makes.
func (p *Provider) Sign(header, payload []byte) (string, error) {
	return sign(p.signing().private, header, payload)
}

// Forge is Sign by a key that was never published.
func (p *Provider) Forge(header, payload []byte) (string, error) {
	forger, err := p.forger()
	if err != nil {
		return "", fmt.Errorf("idp: generate the forger's key: %w", err)
	}
	return sign(forger, header, payload)
}

func sign(key *rsa.PrivateKey, header, payload []byte) (string, error) {
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString(header) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("idp: sign a token: %w", err)
	}
	return signed + "." + enc.EncodeToString(sig), nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
