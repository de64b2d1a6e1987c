package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"scopegate/internal/config"
	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/token"
)

// claimsOf finds the caller that explain is about; how says where the claims
// come from. All ways end in the verifier, so that claims mean here what they
// mean in a token.
func (p *program) claimsOf(ctx context.Context, a asked, s source, t served) (claims token.Claims, how string, err error) {
	if a.claims != "" {
		members, err := p.readClaims(a.claims)
		if err != nil {
			return token.Claims{}, "", err
		}
		claims, err = believed(ctx, s.settings, t.trust[0], members)
		return claims, "claims given, believed", err
	}
	if a.describes() {
		members, err := described(a, t.trust[0])
		if err != nil {
			return token.Claims{}, "", err
		}
		claims, err = believed(ctx, s.settings, t.trust[0], members)
		return claims, "a caller described on the command line, trusted", err
	}
	raw, err := p.tokenOf(a)
	if err != nil {
		return token.Claims{}, "", err
	}
	verifier, err := token.New(s.settings.Verifier())
	if err != nil {
		return token.Claims{}, "", usage(err)
	}
	claims, err = verifier.Verify(ctx, raw)
	return claims, "token verified", err
}

// tokenOf reads the token that is asked about.
func (p *program) tokenOf(a asked) (string, error) {
	raw := cmp.Or(a.token, p.env("TOKEN"))
	if a.token == "-" {
		b, err := p.readFile("-")
		if err != nil {
			return "", err
		}
		raw = string(b)
	}
	if raw = strings.TrimSpace(raw); raw == "" {
		return "", usage(errors.New("no caller: must be given as --token, TOKEN, --claims or --scope, --role, --group, --app"))
	}
	return raw, nil
}

// readClaims reads a JSON object of claims from a flag's value or a file. Its
// members come back as the text they are: the verifier alone judges them.
func (p *program) readClaims(text string) (members string, err error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		b, err := p.readFile(text)
		if err != nil {
			return "", err
		}
		text = string(b)
	}
	members, err = membersOf([]byte(text))
	if err != nil {
		return "", negative(fmt.Errorf("--claims: %w", err))
	}
	return members, nil
}

// membersOf is what stands between the braces of a JSON object.
func membersOf(text []byte) (string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return "", fmt.Errorf("must be a JSON object of claims: %w", cmp.Or(err, errNull))
	}
	text = bytes.TrimSpace(text)
	return strings.TrimSpace(string(text[1 : len(text)-1])), nil
}

var errNull = errors.New("it is null")

// described are the claims that "scopegate token" would be given with the same
// flags: without a scope it is an app's own token.
func described(a asked, t mapping.Trust) (string, error) {
	claims := map[string]any{}
	if scopes := fields(a.scopes); len(scopes) > 0 {
		claims[map[bool]string{true: "scp", false: "scope"}[t.Tenant != ""]] = strings.Join(scopes, " ")
	}
	if roles := fields(a.roles); len(roles) > 0 {
		claims["roles"] = roles
	}
	if groups := fields(a.group); len(groups) > 0 {
		claims["groups"] = groups
	}
	if t.Tenant != "" && (a.app || len(fields(a.scopes)) == 0) {
		claims["idtyp"] = "app"
	}
	b, err := json.Marshal(claims)
	return strings.TrimSuffix(strings.TrimPrefix(string(b), "{"), "}"), err
}

func fields(values []string) []string { return strings.Fields(words(values)) }

// believed has the verifier read claims that nobody has signed, out of a token
// that is signed here by a key made for it. Claims that are missing are those of
// a caller whom the trust covers; issuer and audience are believed.
func believed(ctx context.Context, s config.Settings, t mapping.Trust, members string) (token.Claims, error) {
	if len(t.Audiences) == 0 {
		return token.Claims{}, usage(errors.New("OIDC_AUDIENCES: must be given: the table names nobody whom it trusts, so it trusts the first tenant's tokens for these"))
	}
	payload := completed(s, t, members)
	signer, err := idp.NewSigner()
	if err != nil {
		return token.Claims{}, err
	}
	raw, err := signer.Sign([]byte(payload.text))
	if err != nil {
		return token.Claims{}, err
	}
	verify := func(audiences []string) (token.Claims, error) {
		verifier, err := token.New(payload.verifier(s, audiences, signer))
		if err != nil {
			return token.Claims{}, negative(fmt.Errorf("--claims: %w", err))
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
func completed(s config.Settings, t mapping.Trust, members string) payload {
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
	now := time.Now()
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
		defaults = append(defaults, [2]any{"tid", p.tenant}, [2]any{"ver", version}, [2]any{"oid", idp.DefaultObjectID}, [2]any{client, idp.DefaultAppID})
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
func (p *payload) verifier(s config.Settings, audiences []string, signer *idp.Signer) token.Config {
	c := token.Config{ClockSkew: s.ClockSkew, HTTPClient: signer.Client(p.issuer)}
	if p.tenant != "" {
		c.TenantIDs, c.Authority, c.STS, c.Audiences = []string{p.tenant}, p.authority, p.sts, audiences
		return c
	}
	c.Issuers = []token.OIDCIssuer{{Issuer: p.issuer, Audiences: audiences}}
	return c
}
