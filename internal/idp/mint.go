package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// The identities of a Spec that names none.
const (
	DefaultObjectID = "aaaaaaaa-0000-4000-8000-000000000001" // the user
	DefaultAppID    = "bbbbbbbb-0000-4000-8000-000000000001" // the client
	DefaultAppOID   = "cccccccc-0000-4000-8000-000000000001" // the client's service principal
)

const defaultLife = time.Hour

// Spec says what a token is to be. The zero Spec is a valid delegated v2 token
// without scopes, which no verifier should accept.
type Spec struct {
	Version               string // "1.0" or "2.0"; "" = "2.0"
	App                   bool   // app-only (client credentials) instead of delegated
	Scopes, Roles, Groups []string
	GroupsOverage         bool // more than 200 groups: _claim_names instead of groups

	Issuer, Audience, TenantID, ObjectID, AppID, Subject string // "" = the default

	Life      time.Duration // exp - iat; 0 = one hour
	IssuedAt  time.Duration // iat - now
	NotBefore time.Duration // nbf - iat
	Expired   bool          // shifts the whole token so that it ended an hour ago
	Forged    bool          // signed by an unpublished key under the published kid

	Extra  map[string]any // claims set over the others; nil removes one
	Header map[string]any // members set over the header's; nil removes one
}

// Mint signs a token as the Spec says.
func (p *Provider) Mint(s Spec) (string, error) {
	signing := p.signing()
	claims, err := p.Claims(s)
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(p.header(s, signing.kid))
	if err != nil {
		return "", fmt.Errorf("idp: encode the header: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("idp: encode the claims: %w", err)
	}
	if s.Forged {
		return p.Forge(header, payload)
	}
	return sign(signing.private, header, payload)
}

// Claims are those of a token that Mint would sign for the Spec now.
func (p *Provider) Claims(s Spec) (map[string]any, error) {
	var claims map[string]any
	switch s.Version {
	case "", "2.0":
		claims = p.claimsV2(s)
	case "1.0":
		claims = p.claimsV1(s)
	default:
		return nil, fmt.Errorf("idp: version %q is neither 1.0 nor 2.0", s.Version)
	}
	p.addTimes(claims, s)
	p.addIdentity(claims, s)
	addGrants(claims, s)
	override(claims, s.Extra)
	return claims, nil
}

func (p *Provider) claimsV2(s Spec) map[string]any {
	tid := p.tenantOf(s)
	c := map[string]any{
		"iss": orElse(s.Issuer, p.Authority()+"/"+tid+"/v2.0"),
		"tid": tid, "ver": "2.0",
		"azp": orElse(s.AppID, DefaultAppID), "azpacr": "1",
	}
	if !s.App {
		c["name"], c["preferred_username"] = "Ada Local", "ada@local.example"
	}
	return c
}

func (p *Provider) claimsV1(s Spec) map[string]any {
	tid := p.tenantOf(s)
	c := map[string]any{
		"iss": orElse(s.Issuer, p.STS()+"/"+tid+"/"),
		"tid": tid, "ver": "1.0",
		"appid": orElse(s.AppID, DefaultAppID), "appidacr": "1",
	}
	if !s.App {
		c["name"], c["unique_name"], c["upn"] = "Ada Local", "ada@local.example", "ada@local.example"
		c["amr"] = []string{"pwd"}
	}
	return c
}

func (p *Provider) tenantOf(s Spec) string { return orElse(s.TenantID, p.tenant) }

func (p *Provider) addTimes(c map[string]any, s Spec) {
	life := s.Life
	if life == 0 {
		life = defaultLife
	}
	iat := p.now().Add(s.IssuedAt)
	if s.Expired {
		iat = iat.Add(-life - time.Hour)
	}
	c["iat"] = iat.Unix()
	c["nbf"] = iat.Add(s.NotBefore).Unix()
	c["exp"] = iat.Add(life).Unix()
}

// addIdentity follows Entra: sub is pairwise (another one per client), for
// applications it is the service principal's object id.
func (p *Provider) addIdentity(c map[string]any, s Spec) {
	c["aud"] = orElse(s.Audience, p.audience)
	oid := orElse(s.ObjectID, DefaultObjectID)
	sub := digest(oid, orElse(s.AppID, DefaultAppID), c["tid"].(string))
	if s.App {
		oid = orElse(s.ObjectID, DefaultAppOID)
		sub = oid
		c["idtyp"] = "app"
	}
	c["oid"] = oid
	c["sub"] = orElse(s.Subject, sub)
	c["uti"] = digest(p.KeyID(), fmt.Sprint(p.uses.Add(1)))[:22]
}

func addGrants(c map[string]any, s Spec) {
	if len(s.Scopes) > 0 {
		c["scp"] = strings.Join(s.Scopes, " ")
	}
	if len(s.Roles) > 0 {
		c["roles"] = s.Roles
	}
	if s.GroupsOverage {
		c["_claim_names"] = map[string]string{"groups": "src1"}
		c["_claim_sources"] = map[string]any{"src1": map[string]string{
			"endpoint": "https://graph.microsoft.com/v1.0/users/" + c["oid"].(string) + "/getMemberObjects"}}
		return
	}
	if len(s.Groups) > 0 {
		c["groups"] = s.Groups
	}
}

func (p *Provider) header(s Spec, kid string) map[string]any {
	h := map[string]any{"typ": "JWT", "alg": "RS256", "kid": kid}
	if s.Version == "1.0" {
		h["x5t"] = kid
	}
	override(h, s.Header)
	return h
}

func override(m, with map[string]any) {
	maps.Copy(m, with)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
