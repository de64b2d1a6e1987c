package explain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"scopegate/mapping"
	"scopegate/token"
)

// ErrNoAudience: a table believes by default somebody of whom no audience is
// known, so that claims without one cannot be completed.
var ErrNoAudience = errors.New("no audience is known of whom the table trusts")

// ErrIssuer: claims name an issuer that no verifier can be made for.
var ErrIssuer = errors.New("claims: issuer")

// Members takes the members of a JSON object of claims out of it, as the text
// they are: the verifier alone judges them.
func Members(object []byte) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil || members == nil {
		return "", fmt.Errorf("must be a JSON object of claims: %w", cmp.Or(err, errNull))
	}
	text := strings.TrimSpace(string(object))
	return strings.TrimSpace(text[1 : len(text)-1]), nil
}

var errNull = errors.New("it is null")

// signer signs what is only believed here: a key of this process.
var signer = sync.OnceValues(newSigning)

// Believe has the verifier read claims that nobody has signed, out of a token
// that is signed here by a key made for it, so that claims mean here what they
// mean in a token. Claims that are missing are those of a caller whom the trust
// covers; issuer and audience are believed. The error is that of token.Verify,
// ErrNoAudience or ErrIssuer.
func (s Settings) Believe(ctx context.Context, t mapping.Trust, members string) (token.Claims, error) {
	if len(t.Audiences) == 0 {
		return token.Claims{}, ErrNoAudience
	}
	s.Authority, s.STS = cmp.Or(s.Authority, token.DefaultAuthority), cmp.Or(s.STS, token.DefaultSTS)
	payload := s.completed(t, members)
	key, err := signer()
	if err != nil {
		return token.Claims{}, err
	}
	raw, err := key.sign([]byte(payload.text))
	if err != nil {
		return token.Claims{}, err
	}
	verify := func(audiences []string) (token.Claims, error) {
		verifier, err := token.New(payload.verifier(s, audiences, key))
		if err != nil {
			return token.Claims{}, fmt.Errorf("%w: %w", ErrIssuer, err)
		}
		return verifier.Verify(ctx, raw)
	}
	claims, err := verify(t.Audiences)
	// Of several audiences the one that the table trusts counts; with none of
	// those it is the table that must say no.
	if token.ReasonOf(err) == token.ReasonAudience && len(payload.audiences) > 0 {
		return verify(payload.audiences)
	}
	return claims, err
}

// Whose claims are those that do not say it: the user and the client of tokens
// that "scopegate token" gives.
const (
	someObjectID = "aaaaaaaa-0000-4000-8000-000000000001"
	someAppID    = "bbbbbbbb-0000-4000-8000-000000000001"
)

// payload is a complete set of claims, and what is needed to have them verified.
type payload struct {
	text           string
	issuer         string
	tenant         string // "" unless the issuer is Entra's
	authority, sts string
	audiences      []string // as claimed
}

// completed adds what the claims do not say. A claim that is there stays as it
// was written, be it wrong or there twice.
func (s Settings) completed(t mapping.Trust, members string) payload {
	var given map[string]json.RawMessage
	_ = json.Unmarshal([]byte("{"+members+"}"), &given) // it was an object
	text := func(name string) (v string) {
		_ = json.Unmarshal(given[name], &v) // of another type: the verifier refuses it
		return v
	}
	p := payload{authority: s.Authority, sts: s.STS}
	tenant := strings.ToLower(cmp.Or(text("tid"), t.Tenant))
	p.issuer = cmp.Or(text("iss"), t.Issuer)
	if p.issuer == "" {
		p.issuer = s.Authority + "/" + tenant + "/v2.0"
		if text("ver") == "1.0" {
			p.issuer = s.STS + "/" + tenant + "/"
		}
	}
	version := p.recognize()
	now := s.now()
	issued, expires := now.Unix(), now.Add(time.Hour).Unix()
	if json.Unmarshal(given["exp"], &expires) == nil {
		issued = min(issued, expires-int64(time.Hour/time.Second))
	}
	if one := text("aud"); one != "" {
		p.audiences = []string{one}
	} else {
		_ = json.Unmarshal(given["aud"], &p.audiences)
	}
	defaults := [][2]any{{"iss", p.issuer}, {"aud", t.Audiences[0]}, {"iat", issued}, {"exp", expires}, {"sub", "somebody"}}
	if p.tenant != "" {
		client := map[string]string{"1.0": "appid", "2.0": "azp"}[version]
		defaults = append(defaults, [2]any{"tid", p.tenant}, [2]any{"ver", version}, [2]any{"oid", someObjectID}, [2]any{client, someAppID})
	}
	all := []string{}
	if members != "" {
		all = append(all, members)
	}
	for _, d := range defaults {
		if _, ok := given[d[0].(string)]; !ok {
			value, _ := json.Marshal(d[1]) // strings and integers
			all = append(all, fmt.Sprintf("%q:%s", d[0], value))
		}
	}
	p.text = "{" + strings.Join(all, ",") + "}"
	return p
}

// recognize finds out whether the issuer is one of Entra's, of the settings'
// cloud or else of the public one, and the version of its tokens.
func (p *payload) recognize() (version string) {
	for _, cloud := range [][2]string{{p.authority, p.sts}, {token.DefaultAuthority, token.DefaultSTS}} {
		if tail, ok := strings.CutPrefix(p.issuer, cloud[0]+"/"); ok && strings.HasSuffix(tail, "/v2.0") {
			p.tenant, p.authority, p.sts = strings.TrimSuffix(tail, "/v2.0"), cloud[0], cloud[1]
			return "2.0"
		}
		if tail, ok := strings.CutPrefix(p.issuer, cloud[1]+"/"); ok && strings.HasSuffix(tail, "/") {
			p.tenant, p.authority, p.sts = strings.TrimSuffix(tail, "/"), cloud[0], cloud[1]
			return "1.0"
		}
	}
	return ""
}

// verifier is for tokens of the payload's issuer alone.
func (p *payload) verifier(s Settings, audiences []string, key *signing) token.Config {
	c := token.Config{ClockSkew: s.ClockSkew, HTTPClient: key.client(p.issuer), Now: s.Now}
	if p.tenant != "" {
		c.TenantIDs, c.Authority, c.STS, c.Audiences = []string{p.tenant}, p.authority, p.sts, audiences
		return c
	}
	c.Issuers = []token.OIDCIssuer{{Issuer: p.issuer, Audiences: audiences}}
	return c
}
