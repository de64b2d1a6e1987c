package token_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"

	"scopegate/authorizer"
	"scopegate/internal/idp"
	"scopegate/token"
)

// bench is a verifier with warm keys and a token of the size that Entra's have.
type bench struct {
	idp      *idp.Provider
	verifier *token.Verifier
	raw      string
}

// direct asks a handler without a socket.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

const benchBase = "https://login.example"

func newBench(t testing.TB) bench {
	t.Helper()
	p, err := idp.New(idp.Options{BaseURL: benchBase})
	if err != nil {
		t.Fatal(err)
	}
	v, err := token.New(token.Config{
		TenantIDs: []string{p.TenantID()}, Authority: p.Authority(), STS: p.STS(), Audiences: []string{p.Audience()},
		HTTPClient: &http.Client{Transport: direct{p}},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := p.Mint(idp.Spec{
		Scopes: strings.Fields("orders.read orders.write email profile"), Roles: []string{"Reader", "Writer"}, Life: 28 * time.Hour,
		Groups: []string{idp.DefaultAppID, idp.DefaultAppOID},
		Extra:  map[string]any{"aio": strings.Repeat("A", 160), "rh": strings.Repeat("r", 60), "sid": idp.DefaultObjectID},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(context.Background(), raw); err != nil {
		t.Fatal(err)
	}
	return bench{idp: p, verifier: v, raw: raw}
}

func (b bench) issuer() string { return b.idp.Authority() + "/" + b.idp.TenantID() + "/v2.0" }

// garbage is what costs least to send, by kind.
func (b bench) garbage() []kind {
	part := strings.Split(b.raw, ".")
	with := func(payload string) string { return part[0] + "." + enc(payload) + "." + part[2] }
	fill := (token.MaxBytes-len(part[0])-len(part[2])-2)*3/4 - 8
	claims := `{"iss":"` + b.issuer() + `","x":"`
	list := func(format string, n int) string {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(items, ",")
	}
	now := time.Now().Unix()
	plausible := fmt.Sprintf(`{"iss":%q,"tid":%q,"oid":%q,"ver":"2.0","azp":"c","iat":%d,"exp":%d`, b.issuer(), b.idp.TenantID(), idp.DefaultObjectID, now, now+3600)
	unknown := func(payload string) string {
		return enc(`{"alg":"RS256","kid":"unknown"}`) + "." + enc(payload) + "." + part[2]
	}
	return []kind{
		{"no-JWT", strings.Repeat("A", 1500), token.ReasonNotCompact, 3},
		{"oversize", strings.Repeat("A.", 1<<20), token.ReasonTooLarge, 3},
		{"alg-none", enc(`{"alg":"none"}`) + "." + part[1] + ".", token.ReasonAlgorithm, 6},
		{"header-member", enc(`{"alg":"RS256","kid":"k","jwk":{}}`) + "." + part[1] + "." + part[2], token.ReasonHeaderMember, 5},
		{"forged-signature", part[0] + "." + part[1] + "." + enc(strings.Repeat("\x01", 256)), token.ReasonSignature, 40},
		{"unknown-iss", with(`{"iss":"https://evil.example"}`), token.ReasonIssuer, 15},
		{"8KB-no-JSON", with(strings.Repeat("\xa5", fill)), token.ReasonPayload, 14},
		{"8KB-no-JSON-at-its-end", with(claims + strings.Repeat("x", fill-len(claims)-2) + `"!`), token.ReasonPayload, 14},
		{"8KB-many-names", with("{" + list(`"%x":1`, 600) + `}`), token.ReasonPayload, 18},
		{"128-escaped-names", with(`{"iss":"x",` + list(`"\u0041%x":1`, 127) + `}`), token.ReasonIssuer, 210},
		{"128-names-to-fold", with(`{"iss":"x",` + list(`"\u017fCo%x":1`, 127) + `}`), token.ReasonIssuer, 210},
		{"audiences-for-an-unknown-kid", unknown(plausible + `,"scp":"a","aud":[` + list(`"AAAAAAAA-AAAA-4BBB-8CCC-%012d"`, 32) + `]}`), token.ReasonAudience, 150},
		{"scopes-for-an-unknown-kid", unknown(plausible + `,"aud":"` + b.idp.Audience() + `","scp":"` + strings.Repeat("a ", 2000) + `"}`), token.ReasonClaimType, 60},
		{"8KB-nested", with(`{"a":` + strings.Repeat("[", fill/2-4) + strings.Repeat("]", fill/2-4) + `}`), token.ReasonPayload, 14},
	}
}

// kind is one sort of garbage, why it is refused and in how many allocations:
// half as many again as were measured.
type kind struct {
	name, raw   string
	why         token.Reason
	allocations float64
}

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// contender does one verification. batch is how often it runs in a round, so that
// all take about as long.
type contender struct {
	name  string
	batch int
	run   func(tb testing.TB)
}

// contenders begin with the bare cryptography that all are set beside, twice: the
// second row shows what the machine adds by itself.
func (b bench) contenders(tb testing.TB) []contender {
	list := []contender{
		{"bare-RSA", 20, b.bareRSA(tb)},
		{"bare-RSA-again", 20, b.bareRSA(tb)},
		{"new-token", 10, accepts(b.verifier, b.raw)},
		{"known-token", 200, b.known(tb)},
		{"go-oidc-alone", 10, b.goOIDC()},
		{"golang-jwt", 10, b.golangJWT()},
	}
	for _, g := range b.garbage() {
		list = append(list, contender{"garbage-" + g.name, 100, refuses(b.verifier, g)})
	}
	return list
}

func accepts(v authorizer.Verifier, raw string) func(testing.TB) {
	return func(tb testing.TB) {
		if _, err := v.Verify(context.Background(), raw); err != nil {
			tb.Fatal(err)
		}
	}
}

func refuses(v *token.Verifier, g kind) func(testing.TB) {
	return func(tb testing.TB) {
		if _, err := v.Verify(context.Background(), g.raw); token.ReasonOf(err) != g.why {
			tb.Fatalf("%s: %v, want %s", g.name, err, g.why)
		}
	}
}

func (b bench) bareRSA(tb testing.TB) func(testing.TB) {
	dot := strings.LastIndex(b.raw, ".")
	sig, err := base64.RawURLEncoding.DecodeString(b.raw[dot+1:])
	if err != nil {
		tb.Fatal(err)
	}
	signed, public := []byte(b.raw[:dot]), b.idp.PublicKey()
	return func(tb testing.TB) {
		sum := sha256.Sum256(signed)
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig); err != nil {
			tb.Fatal(err)
		}
	}
}

func (b bench) known(tb testing.TB) func(testing.TB) {
	v, err := authorizer.Remember(b.verifier, 1024, 24*time.Hour, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return accepts(v, b.raw)
}

// entraClaims is what an application reads of a token by itself.
type entraClaims struct {
	TenantID string   `json:"tid"`
	ObjectID string   `json:"oid"`
	AppID    string   `json:"azp"`
	Version  string   `json:"ver"`
	Scopes   string   `json:"scp"`
	Roles    []string `json:"roles"`
	Groups   []string `json:"groups"`
}

func (b bench) goOIDC() func(testing.TB) {
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{b.idp.PublicKey()}}
	v := oidc.NewVerifier(b.issuer(), keys, &oidc.Config{ClientID: b.idp.Audience(), SupportedSigningAlgs: []string{oidc.RS256}})
	return func(tb testing.TB) {
		t, err := v.Verify(context.Background(), b.raw)
		if err != nil {
			tb.Fatal(err)
		}
		var c entraClaims
		if err := t.Claims(&c); err != nil || c.Scopes == "" {
			tb.Fatal("no claims", err)
		}
	}
}

func (b bench) golangJWT() func(testing.TB) {
	type claims struct {
		jwt.RegisteredClaims
		entraClaims
	}
	public := b.idp.PublicKey()
	key := func(*jwt.Token) (any, error) { return public, nil }
	p := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(b.issuer()),
		jwt.WithAudience(b.idp.Audience()), jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	return func(tb testing.TB) {
		var c claims
		if _, err := p.ParseWithClaims(b.raw, &c, key); err != nil || c.Scopes == "" {
			tb.Fatal("no claims", err)
		}
	}
}

// BenchmarkVerify runs each contender by itself and then all of them in turn.
// "interleaved" is the row to compare by: a machine that is slower for a while is
// so for all, and x-bare/… is the median over the rounds of a contender's time
// divided by that of bare SHA-256 and RSA in the same round. x-bare/bare-RSA-again
// would be 1 without noise.
func BenchmarkVerify(b *testing.B) {
	w := newBench(b)
	list := w.contenders(b)
	for _, c := range list {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run(b)
			}
		})
	}
	b.Run("interleaved", func(b *testing.B) { interleave(b, list) })
}

func interleave(b *testing.B, list []contender) {
	ratios := make([][]float64, len(list))
	took := make([]float64, len(list))
	order := rand.New(rand.NewPCG(1, 2)) // the same in every run
	for b.Loop() {
		for _, at := range order.Perm(len(list)) { // nobody always comes after the same one
			took[at] = list[at].time(b)
		}
		for i := range list {
			ratios[i] = append(ratios[i], took[i]/took[0])
		}
	}
	b.ReportMetric(0, "ns/op") // a round's time says nothing
	for i, c := range list[1:] {
		b.ReportMetric(median(ratios[i+1]), "x-bare/"+c.name)
	}
}

// time is the mean of one run in nanoseconds.
func (c contender) time(tb testing.TB) float64 {
	start := time.Now()
	for range c.batch {
		c.run(tb)
	}
	return float64(time.Since(start).Nanoseconds()) / float64(c.batch)
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// Whoever sends garbage must not make us work: no kind takes many allocations,
// however long it is.
func TestGarbageIsRefusedWithFewAllocations(t *testing.T) {
	w := newBench(t)
	for _, g := range w.garbage() {
		t.Run(g.name, func(t *testing.T) {
			run := refuses(w.verifier, g)
			if got := testing.AllocsPerRun(100, func() { run(t) }); got > g.allocations {
				t.Errorf("%v allocations, want %v at most", got, g.allocations)
			}
		})
	}
}
