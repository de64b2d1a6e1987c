// Package config reads the settings of the functions and of the command from
// the environment. In go NAME=value lines, and the one file that they may name;
// out come checked Settings, or every fault at once, each naming the setting,
// its value and the rule.
//
// It is our own because the rules between settings, and a start that lists all
// faults in the words of the documentation, are most of it.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/token"
)

// Settings are all settings of Scopegate. README describes each.
type Settings struct {
	TableName string

	TenantIDs []string // lower case
	Authority string
	STS       string
	Issuers   []token.OIDCIssuer
	Audiences []string // of the Entra tenants
	Keys      []byte   // what is in OIDC_JWKS_FILE, read for the authorizer alone
	ClockSkew time.Duration

	CacheTTL, CacheMaxStale time.Duration
	CacheSize               int
	TokenCacheTTL           time.Duration
	TokenCacheSize          int

	DenyInvalidToken bool // INVALID_TOKEN=deny
	SimpleResponse   bool // HTTP_API_RESPONSE=simple
	PolicyMaxBytes   int
	PolicyExpiry     bool
	RouteScope       bool // POLICY_SCOPE=route
	ExplicitDeny     bool

	Admin    Admin
	LogLevel string
}

// Admin are the settings of the admin API alone.
type Admin struct {
	Audiences, TenantIDs []string
	Scope, Role          string
	Flush                bool
	FlushQueue           string // URL of the SQS queue that keeps second flushes
}

// Role says whose settings are read: which ones must be there.
type Role uint8

// Roles.
const (
	Store      Role = iota // only the table: migrate, import
	Authorizer             // the authorizer function
	AdminAPI               // the admin function
)

// Load reads the settings of a role from an environment as os.Environ gives it.
func Load(environ []string, role Role) (Settings, error) {
	r := newReader(environ)
	s := r.settings()
	if role == Authorizer {
		r.checkVerifier(&s)
	}
	if role == AdminAPI {
		r.checkAdmin(&s)
	}
	if role != Store {
		r.checkUnknown()
	}
	if err := errors.Join(r.faults...); err != nil {
		return Settings{}, fmt.Errorf("settings:\n%w", err)
	}
	return s, nil
}

// Unknown lists the names in an environment that begin like a setting and are
// none. The functions refuse them; on a laptop they may be somebody else's, so
// the command only warns.
func Unknown(environ []string) []string {
	r := newReader(environ)
	r.settings()
	return r.unknown()
}

func newReader(environ []string) *reader {
	r := &reader{values: map[string]string{}, known: map[string]bool{}}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			r.values[name] = value
		}
	}
	return r
}

func (r *reader) settings() Settings {
	s := Settings{
		TableName:        r.form("TABLE_NAME", "scopegate", isTableName, "must be 3 to 255 letters, digits, - _ or ."),
		TenantIDs:        r.guids("ENTRA_TENANT_IDS"),
		Authority:        r.origin("ENTRA_AUTHORITY", "https://login.microsoftonline.com"),
		STS:              r.origin("ENTRA_STS", "https://sts.windows.net"),
		ClockSkew:        r.duration("CLOCK_SKEW", time.Minute, 0, 5*time.Minute),
		CacheTTL:         r.duration("CACHE_TTL", 30*time.Second, 0, time.Hour),
		CacheMaxStale:    r.duration("CACHE_MAX_STALE", 5*time.Minute, 0, 24*time.Hour),
		CacheSize:        r.number("CACHE_SIZE", 256, 1, 100_000),
		TokenCacheSize:   r.number("TOKEN_CACHE_SIZE", 1024, 0, 1_000_000),
		TokenCacheTTL:    r.duration("TOKEN_CACHE_TTL", time.Minute, 0, time.Hour),
		DenyInvalidToken: r.choice("INVALID_TOKEN", "unauthorized", "deny"),
		SimpleResponse:   r.choice("HTTP_API_RESPONSE", "iam", "simple"),
		PolicyMaxBytes:   r.number("POLICY_MAX_BYTES", 8192, 1024, 65536),
		PolicyExpiry:     r.choice("POLICY_EXPIRY", "off", "on"),
		RouteScope:       r.choice("POLICY_SCOPE", "caller", "route"),
		ExplicitDeny:     r.choice("POLICY_EXPLICIT_DENY", "off", "on"),
		LogLevel:         r.oneOf("LOG_LEVEL", "info", "debug", "info", "warn", "error"),
		Admin: Admin{
			Audiences: r.list("ADMIN_AUDIENCES"),
			TenantIDs: r.guids("ADMIN_TENANT_IDS"),
			Scope:     r.text("ADMIN_SCOPE", "Mappings.ReadWrite"),
			Role:      r.text("ADMIN_ROLE", "Mappings.Admin"),
			Flush:     r.choice("FLUSH_AUTHORIZER_CACHE", "off", "on"),

			FlushQueue: r.queue("FLUSH_QUEUE_URL"),
		},
	}
	s.Issuers = r.issuers("OIDC_ISSUERS")
	r.audiences("OIDC_AUDIENCES", &s)
	r.algorithms("OIDC_ALGORITHMS", &s)
	r.known["OIDC_JWKS_FILE"] = true
	return s
}

// checkVerifier checks what verifying callers' tokens needs.
func (r *reader) checkVerifier(s *Settings) {
	r.checkAuthority(*s)
	r.checkIssuers(*s)
	r.checkKeys(s)
	if s.SimpleResponse && (s.RouteScope || s.ExplicitDeny) {
		r.fault("HTTP_API_RESPONSE", "simple", "must not be given together with POLICY_SCOPE=route or POLICY_EXPLICIT_DENY=on: a simple response is no policy")
	}
	if r.values["ENTRA_TENANT_IDS"] == "" && r.values["OIDC_ISSUERS"] == "" {
		r.fault("ENTRA_TENANT_IDS", "", "must name a tenant, or OIDC_ISSUERS an issuer")
	}
	if r.values["OIDC_AUDIENCES"] == "" {
		r.fault("OIDC_AUDIENCES", "", "must be given: a token for another service must not open this one")
		return
	}
	if len(s.TenantIDs) > 0 && len(s.Audiences) == 0 {
		r.fault("OIDC_AUDIENCES", r.values["OIDC_AUDIENCES"], "must name an audience of the tenants in ENTRA_TENANT_IDS")
	}
	if r.values["ENTRA_TENANT_IDS"] == "" && len(s.Audiences) > 0 {
		r.fault("OIDC_AUDIENCES", r.values["OIDC_AUDIENCES"], "must be issuer=audience where ENTRA_TENANT_IDS is empty")
	}
	for _, i := range s.Issuers {
		if len(i.Audiences) == 0 {
			r.fault("OIDC_AUDIENCES", r.values["OIDC_AUDIENCES"], "must name an audience of "+i.Issuer+" as issuer=audience")
		}
	}
}

func (r *reader) checkAuthority(s Settings) {
	if u, err := url.Parse(s.Authority); err == nil && strings.Trim(u.Path, "/") != "" {
		r.fault("ENTRA_AUTHORITY", s.Authority, "must have no path: tenants are named in ENTRA_TENANT_IDS")
	}
}

// checkIssuers keeps OIDC_ISSUERS off the host that the tenants are on: whose
// tid and oid count must not hang on how an issuer was configured.
func (r *reader) checkIssuers(s Settings) {
	for _, i := range s.Issuers {
		if u, err := url.Parse(i.Issuer); err == nil && len(s.TenantIDs) > 0 && (sameHost(u, s.Authority) || sameHost(u, s.STS)) {
			r.fault("OIDC_ISSUERS", i.Issuer, "must not be on the host of ENTRA_AUTHORITY or ENTRA_STS: put its tenant into ENTRA_TENANT_IDS")
		}
	}
}

func sameHost(u *url.URL, other string) bool {
	o, err := url.Parse(other)
	return err == nil && strings.EqualFold(u.Host, o.Host)
}

// checkKeys reads OIDC_JWKS_FILE. What is in it can be judged where the issuers
// are right.
func (r *reader) checkKeys(s *Settings) {
	s.Keys = r.file("OIDC_JWKS_FILE", token.MaxKeysBytes)
	c := s.Verifier()
	c.ClockSkew = 0 // judged by itself
	for _, err := range c.CheckKeys() {
		r.fault("OIDC_JWKS_FILE", r.values["OIDC_JWKS_FILE"], err.Error())
	}
}

// checkAdmin checks what the admin API needs: empty requirements would let
// everybody in. Callers' tokens it judges too (explain) where it is told whose;
// then the authorizer's rules hold for these settings.
func (r *reader) checkAdmin(s *Settings) {
	if r.values["ENTRA_TENANT_IDS"] != "" || r.values["OIDC_ISSUERS"] != "" {
		r.checkVerifier(s)
	} else {
		r.checkAuthority(*s)
		for _, name := range []string{"OIDC_AUDIENCES", "OIDC_ALGORITHMS", "OIDC_JWKS_FILE"} {
			if v := r.values[name]; v != "" {
				r.fault(name, v, "must not be given without ENTRA_TENANT_IDS or OIDC_ISSUERS: it is theirs")
			}
		}
	}
	for _, required := range []struct {
		name  string
		given bool
	}{
		{"ADMIN_AUDIENCES", len(s.Admin.Audiences) > 0},
		{"ADMIN_TENANT_IDS", len(s.Admin.TenantIDs) > 0},
		{"ADMIN_SCOPE", s.Admin.Scope != ""},
		{"ADMIN_ROLE", s.Admin.Role != ""},
	} {
		if !required.given {
			r.fault(required.name, "", "must be given")
		}
	}
	if s.Admin.Flush && r.values["FLUSH_QUEUE_URL"] == "" {
		r.fault("FLUSH_QUEUE_URL", "", "must be given while FLUSH_AUTHORIZER_CACHE is on (its default): the second flush of a change waits in this queue; FLUSH_AUTHORIZER_CACHE=off does without")
	}
}

// DefaultTrust is whom a table without a trust list believes: the first tenant,
// or else the first issuer, with all its audiences.
func (s Settings) DefaultTrust() []mapping.Trust {
	switch {
	case len(s.TenantIDs) > 0:
		return []mapping.Trust{{Tenant: s.TenantIDs[0], Audiences: slices.Clone(s.Audiences)}}
	case len(s.Issuers) > 0:
		return []mapping.Trust{{Issuer: s.Issuers[0].Issuer, Audiences: slices.Clone(s.Issuers[0].Audiences)}}
	}
	return nil
}

// JudgesCallers reports whether the settings say whose tokens open APIs: the admin
// API may do without.
func (s Settings) JudgesCallers() bool { return len(s.TenantIDs) > 0 || len(s.Issuers) > 0 }

// Verifier is what the token package needs of the settings.
func (s Settings) Verifier() token.Config {
	return token.Config{
		TenantIDs: s.TenantIDs, Authority: s.Authority, STS: s.STS, Audiences: s.Audiences,
		Issuers: s.Issuers, ClockSkew: s.ClockSkew, Keys: s.Keys,
	}
}

// AdminVerifier is what the token package needs to verify the tokens of those
// who call the admin API: of the tenants and for the audiences of ADMIN_…, and no
// others.
func (s Settings) AdminVerifier() token.Config {
	return token.Config{
		TenantIDs: s.Admin.TenantIDs, Authority: s.Authority, STS: s.STS, Audiences: s.Admin.Audiences, ClockSkew: s.ClockSkew,
	}
}
