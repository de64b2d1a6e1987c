package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/token"
)

// claimsOf finds the caller that explain is about; how says where the claims
// come from.
func (p *program) claimsOf(ctx context.Context, a asked, s source, t served) (claims token.Claims, how string, err error) {
	if a.claims != "" {
		claims, err = p.believed(a.claims, t.trust[0])
		return claims, "claims given, believed", err
	}
	if a.describes() {
		return described(a, t.trust[0]), "a caller described on the command line, trusted", nil
	}
	raw := a.token
	switch {
	case raw == "-":
		b, err := p.readFile("-")
		if err != nil {
			return token.Claims{}, "", err
		}
		raw = string(b)
	case raw == "":
		raw = p.env("TOKEN")
	}
	if raw = strings.TrimSpace(raw); raw == "" {
		return token.Claims{}, "", usage(errors.New("no caller: must be given as --token, TOKEN, --claims or --scope, --role, --group, --app"))
	}
	verifier, err := token.New(s.settings.Verifier())
	if err != nil {
		return token.Claims{}, "", usage(err)
	}
	claims, err = verifier.Verify(ctx, raw)
	return claims, "token verified", err
}

// described is a caller of the first issuer that the table trusts.
func described(a asked, trust mapping.Trust) token.Claims {
	c := trusted(trust)
	c.Scopes, c.Roles, c.Groups = fields(a.scopes), fields(a.roles), fields(a.group)
	if a.app {
		c.Kind = token.KindApp
	}
	return c
}

func fields(values []string) []string { return strings.Fields(words(values)) }

// trusted is a user whom the trust covers, and who holds nothing yet.
func trusted(t mapping.Trust) token.Claims {
	c := token.Claims{
		Issuer: t.Issuer, TenantID: t.Tenant, Audience: t.Audiences[0], Subject: "somebody",
		Expires: time.Now().Add(time.Hour), End: time.Now().Add(time.Hour),
	}
	if t.Tenant != "" {
		c.Issuer, c.ObjectID, c.Kind, c.Version = token.DefaultAuthority+"/"+t.Tenant+"/v2.0", "somebody", token.KindUser, "2.0"
	}
	return c
}

// wireClaims are the claims that count. Those that are missing are a trusted
// caller's.
type wireClaims struct {
	Issuer   *string  `json:"iss"`
	Tenant   *string  `json:"tid"`
	Object   *string  `json:"oid"`
	Subject  *string  `json:"sub"`
	Audience *string  `json:"aud"`
	AppID    string   `json:"appid"`
	AZP      string   `json:"azp"`
	Type     string   `json:"idtyp"`
	Scp      *string  `json:"scp"`
	Scope    *string  `json:"scope"`
	Roles    []string `json:"roles"`
	Groups   []string `json:"groups"`
	Overage  any      `json:"_claim_names"`
	Expires  int64    `json:"exp"`
}

// believed reads claims that nobody has verified.
func (p *program) believed(text string, trust mapping.Trust) (token.Claims, error) {
	b := []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if b, err = p.readFile(text); err != nil {
			return token.Claims{}, err
		}
	}
	var w wireClaims
	if err := json.Unmarshal(b, &w); err != nil {
		return token.Claims{}, negative(fmt.Errorf("--claims: must be a JSON object of claims: %w", err))
	}
	c := trusted(trust)
	for _, f := range []struct {
		from *string
		to   *string
	}{{w.Issuer, &c.Issuer}, {w.Tenant, &c.TenantID}, {w.Object, &c.ObjectID}, {w.Subject, &c.Subject}, {w.Audience, &c.Audience}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	c.AppID = w.AppID + w.AZP
	c.Roles, c.Groups, c.GroupsUnknown = w.Roles, w.Groups, w.Overage != nil
	for _, scopes := range []*string{w.Scp, w.Scope} {
		if scopes != nil {
			c.Scopes = append(c.Scopes, strings.Fields(*scopes)...)
		}
	}
	if c.TenantID != "" && (w.Type == "app" || w.Scp == nil && len(w.Roles) > 0) {
		c.Kind = token.KindApp
	}
	if w.Expires != 0 {
		c.Expires, c.End = time.Unix(w.Expires, 0), time.Unix(w.Expires, 0)
	}
	return c, nil
}
