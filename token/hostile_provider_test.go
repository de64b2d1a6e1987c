package token

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/idp"
)

// What is promised about keys, as figures of these tests' own: they must not
// follow the code's constants.
const (
	promisedInterval = 5 * time.Minute  // a new key is found at the latest
	promisedFetches  = 2                // of keys in an interval, for unknown kids
	promisedRefresh  = time.Hour        // a removed key is gone at the latest
	promisedBackoff  = 30 * time.Second // a healed provider is asked at the latest
	promisedEnd      = 24 * time.Hour   // of keys that nothing renews
	promisedFetch    = 3 * time.Second  // of one document
	promisedPatience = time.Second      // of a caller whose key is known
)

// ringKeys are used again and again under new kids: RSA keys take long to make.
var ringKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 3)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err) // a machine without randomness
		}
		keys[i] = key
	}
	return keys
})

// fault is how a provider answers in place of its documents; nil = healthy.
type fault struct {
	name            string
	discovery, keys http.HandlerFunc
}

// delivery is one answer of good keys.
type delivery struct {
	path string
	at   time.Time
}

// ring is an Entra-like provider of one tenant (v1 and v2) that turns its keys at
// no cost and keeps account of what it was asked.
type ring struct {
	base string
	now  func() time.Time

	mu        sync.Mutex
	serial    int
	published []string // kids, the signing one first
	fault     fault
	instead   func(w http.ResponseWriter, r *http.Request) bool // before all else; true = answered
	asked     map[string]int                                    // by path
	good      []delivery
	delivered map[string]bool // the kids of the last good delivery
	failing   bool            // the last answer was a fault
}

func newRing(base string, now func() time.Time) *ring {
	p := &ring{base: base, now: now, asked: map[string]int{}}
	p.rotate(1)
	return p
}

// rotate signs with a new key and keeps some published, the newest first. It
// gives the new kid and those that are published no more.
func (p *ring) rotate(keep int) (kid string, removed []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	kid = fmt.Sprintf("%d-of-the-ring", p.serial)
	p.published = slices.Insert(p.published, 0, kid)
	keep = min(keep, len(p.published))
	removed = slices.Clone(p.published[keep:])
	p.published = p.published[:keep]
	return kid, removed
}

func (p *ring) kid() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.published[0]
}

func (p *ring) fail(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *ring) answerInstead(f func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instead = f
}

// ringKey is the key behind a kid of the ring.
func ringKey(kid string) *rsa.PrivateKey {
	var n int
	if _, err := fmt.Sscanf(kid, "%d-", &n); err != nil {
		panic(err) // the tests' own kids
	}
	return ringKeys()[n%len(ringKeys())]
}

func ringJWK(kid string) string {
	n := b64(string(ringKey(kid).N.Bytes()))
	return fmt.Sprintf(`{"kty":"RSA","use":"sig","kid":%q,"e":"AQAB","n":%q}`, kid, n)
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func (p *ring) issuer(version string) string {
	if version == "1.0" {
		return p.base + "/sts/" + idp.DefaultTenantID + "/"
	}
	return p.base + "/" + idp.DefaultTenantID + "/v2.0"
}

// document is the discovery document of the issuer whose path is asked.
func (p *ring) document(path string) string {
	version, keys := "1.0", "/discovery/keys"
	if strings.Contains(path, "/v2.0/") {
		version, keys = "2.0", "/discovery/v2.0/keys"
	}
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, p.issuer(version), p.base+"/"+idp.DefaultTenantID+keys)
}

func (p *ring) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	instead := p.instead
	p.mu.Unlock()
	if instead != nil && instead(w, r) {
		return
	}
	if answer := p.answer(r); answer != nil {
		answer(w, r)
	}
}

// answer enters the request into the account and chooses what to say.
func (p *ring) answer(r *http.Request) http.HandlerFunc {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[r.URL.Path]++
	text, faulty := p.document(r.URL.Path), p.fault.discovery
	isKeys := strings.HasSuffix(r.URL.Path, "/keys")
	if isKeys {
		text, faulty = p.jwks(), p.fault.keys
	}
	if faulty != nil {
		p.failing = true
		return faulty
	}
	if isKeys {
		p.failing = false
		p.good = append(p.good, delivery{r.URL.Path, p.now()})
		p.delivered = map[string]bool{}
		for _, kid := range p.published {
			p.delivered[kid] = true
		}
	}
	return says(text)
}

func (p *ring) jwks() string {
	var list []string
	for _, kid := range p.published {
		list = append(list, ringJWK(kid))
	}
	return jwks(list...)
}

// says answers 200 with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"keys":[]}`, code) }
}

// account is what the provider saw so far.
type account struct {
	asked     map[string]int
	good      []delivery
	delivered map[string]bool
	failing   bool
}

func (p *ring) account() account {
	p.mu.Lock()
	defer p.mu.Unlock()
	return account{maps.Clone(p.asked), slices.Clone(p.good), maps.Clone(p.delivered), p.failing}
}

// lastGood is when good keys were last given out; zero = never.
func (a account) lastGood() time.Time {
	if len(a.good) == 0 {
		return time.Time{}
	}
	return a.good[len(a.good)-1].at
}

// keyFetches is how often the keys at each path were asked for.
func (a account) keyFetches() map[string]int {
	m := map[string]int{}
	for path, n := range a.asked {
		if strings.HasSuffix(path, "/keys") {
			m[path] = n
		}
	}
	return m
}

// forcedInAnInterval is the most good deliveries of one path within an interval
// that no refresh was due for: unknown kids caused them. It needs a clock that
// went forward only.
func (a account) forcedInAnInterval() int {
	most, forced, last := 0, map[string][]time.Time{}, map[string]time.Time{}
	for _, d := range a.good {
		before, known := last[d.path]
		last[d.path] = d.at
		if !known || d.at.Sub(before) >= promisedRefresh {
			continue
		}
		recent := slices.DeleteFunc(forced[d.path], func(at time.Time) bool { return d.at.Sub(at) >= promisedInterval })
		forced[d.path] = append(recent, d.at)
		most = max(most, len(forced[d.path]))
	}
	return most
}

// stage is a verifier before a ring, with a clock for both.
type stage struct {
	clock    *clock
	net      *hosts
	ring     *ring
	verifier *Verifier
}

const ringHost = "login.ring.example"

func newStage() *stage {
	s := &stage{clock: newClock()}
	s.ring = newRing("https://"+ringHost, s.clock.Now)
	s.net = &hosts{byHost: map[string]http.Handler{ringHost: s.ring}}
	s.verifier = verifierOf(s.ring, s.clock.Now, &http.Client{Transport: s.net})
	return s
}

func verifierOf(p *ring, now func() time.Time, client *http.Client) *Verifier {
	v, err := New(Config{
		TenantIDs: []string{idp.DefaultTenantID}, Authority: p.base, STS: p.base + "/sts",
		Audiences: []string{apiAudience}, ClockSkew: time.Minute, Now: now, HTTPClient: client,
	})
	if err != nil {
		panic(err) // the tests' own settings
	}
	return v
}

// ringClaims are those of a good token of 28 hours (continuous access evaluation).
func (p *ring) ringClaims(version string) string {
	client := map[string]string{"1.0": "appid", "2.0": "azp"}[version]
	iat := p.now().Unix()
	return fmt.Sprintf(`{"iss":%q,"aud":%q,"ver":%q,"tid":%q,"oid":%q,"sub":"s",%q:%q,"scp":"orders.read","iat":%d,"nbf":%d,"exp":%d}`,
		p.issuer(version), apiAudience, version, idp.DefaultTenantID, idp.DefaultObjectID, client, idp.DefaultAppID,
		iat, iat, iat+int64((28*time.Hour).Seconds()))
}

// genuine is a good token under a kid of the ring.
func (p *ring) genuine(kid string) string {
	return signRS256(ringKey(kid), header(kid), p.ringClaims("2.0"))
}

// forged is such a token with a signature that nobody made.
func (p *ring) forged(kid string, n int) string { return unsigned(header(kid), p.ringClaims("2.0"), n) }

func signRS256(key *rsa.PrivateKey, header, payload string) string {
	text := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // keys of our own
	}
	return text + "." + b64(string(sig))
}

func (s *stage) verify(raw string) error {
	_, err := s.verifier.Verify(context.Background(), raw)
	return err
}

// verdict is one of the three answers there are; anything else is told as it is.
func verdict(err error) string {
	refused, unavailable := errors.Is(err, ErrRefused), errors.Is(err, ErrUnavailable)
	switch {
	case err == nil:
		return "good"
	case refused && !unavailable:
		return "refused"
	case unavailable && !refused:
		return "outage"
	}
	return "neither: " + err.Error()
}

func (s *stage) want(t rapid.TB, what, raw, want string) {
	t.Helper()
	if err := s.verify(raw); verdict(err) != want {
		t.Fatalf("%s is %s, want %s (%v)", what, verdict(err), want, err)
	}
}
