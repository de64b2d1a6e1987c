package token

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Microsoft's public cloud. Others: login.microsoftonline.us, login.partner.microsoftonline.cn.
const (
	DefaultAuthority = "https://login.microsoftonline.com"
	DefaultSTS       = "https://sts.windows.net"
)

const (
	maxSkew   = 5 * time.Minute // Microsoft's own libraries have 5
	wellKnown = "/.well-known/openid-configuration"
)

// OIDCIssuer is an issuer other than Entra.
type OIDCIssuer struct {
	Issuer       string   // compared with iss byte by byte
	DiscoveryURL string   // where its discovery document is, with or without /.well-known/openid-configuration; "" = Issuer
	Audiences    []string // at least one
	Algorithms   []string // of [Algorithms], that its tokens may be signed with; none = RS256
}

// Config of a Verifier. URLs are https; plain http is taken on loopback hosts
// only, for the local provider.
type Config struct {
	TenantIDs []string // Entra tenants (GUID); each stands for its v1 and its v2 issuer
	Authority string   // "" = DefaultAuthority
	STS       string   // the v1 issuers' base; "" = DefaultSTS
	Audiences []string // of the Entra tenants; needed as soon as there is one
	Issuers   []OIDCIssuer

	ClockSkew  time.Duration    // leeway on exp, nbf and iat alike, 0 to 10 minutes
	Now        func() time.Time // nil = time.Now
	HTTPClient *http.Client     // nil = one of our own; redirects, body size and time are bounded in any case

	// Keys, if given, are keys to start with where the provider is not reached: a
	// JWK set, or a JSON object of issuer -> JWK set. They are replaced by the
	// first good fetch, which is tried on first use, and last for a day without.
	Keys []byte

	// OnRefresh, if given, hears of every fetch of keys before those who wait for
	// it do. It may log and count, and must be quick.
	OnRefresh func(Refresh)
}

var (
	// Microsoft: "Microsoft Entra authentication & national clouds".
	entraHosts = []string{
		"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn",
		"login.microsoft.com", "login.windows.net", "sts.windows.net", "sts.chinacloudapi.cn", "login.chinacloudapi.cn",
	}
)

// issuers turns the settings into issuers and reports all their faults at once.
func (c Config) issuers() ([]*issuer, error) {
	var faults faults
	authority := faults.url("Authority", orElse(c.Authority, DefaultAuthority))
	sts := faults.url("STS", orElse(c.STS, DefaultSTS))
	if c.ClockSkew < 0 || c.ClockSkew > maxSkew {
		faults.add("ClockSkew: %v is not between 0 and %v", c.ClockSkew, maxSkew)
	}
	if len(c.TenantIDs)+len(c.Issuers) == 0 {
		faults.add("no TenantIDs and no Issuers: every token would be refused")
	}
	var list []*issuer
	list = append(list, c.entraIssuers(&faults, authority, sts)...)
	for i, other := range c.Issuers {
		name := fmt.Sprintf("Issuers[%d]", i)
		var tenants []string // hosts
		if len(c.TenantIDs) > 0 {
			tenants = []string{hostOf(authority), hostOf(sts)}
		}
		list = append(list, other.issuer(&faults, name, tenants))
	}
	faults.duplicates(list)
	for _, err := range seed(c.Keys, list) {
		faults.add("Keys (OIDC_JWKS_FILE): %w", err)
	}
	return list, errors.Join(faults...)
}

func (c Config) entraIssuers(faults *faults, authority, sts string) []*issuer {
	if len(c.TenantIDs) == 0 {
		return nil
	}
	audiences := faults.audiences("Audiences", c.Audiences)
	var list []*issuer
	for i, tenant := range c.TenantIDs {
		tid := strings.ToLower(tenant)
		if !isGUID(tid) {
			faults.add("TenantIDs[%d]: %q is not a GUID; common and organizations are no tenants", i, tenant)
			continue
		}
		v2 := authority + "/" + tid + "/v2.0"
		list = append(list,
			&issuer{iss: v2, discovery: v2, tenant: tid, version: "2.0", client: claimAzp, v2: v2, audiences: audiences, algorithms: onlyRS256},
			&issuer{iss: sts + "/" + tid + "/", discovery: authority + "/" + tid, tenant: tid, version: "1.0", client: claimAppid, v2: v2, audiences: audiences, algorithms: onlyRS256})
	}
	return list
}

func (o OIDCIssuer) issuer(faults *faults, name string, entra []string) *issuer {
	faults.url(name+".Issuer", o.Issuer)
	host := hostOf(o.Issuer)
	bare, _, _ := strings.Cut(host, ":") // an Entra host stays one with a port
	if IsEntraHost(bare) || slices.Contains(entra, host) {
		faults.add("%s.Issuer: %q is an Entra host: give its tenant in TenantIDs", name, o.Issuer)
	}
	discovery := strings.TrimSuffix(orElse(o.DiscoveryURL, o.Issuer), wellKnown)
	return &issuer{
		iss:        o.Issuer,
		discovery:  faults.url(name+".DiscoveryURL", discovery),
		audiences:  faults.audiences(name+".Audiences", o.Audiences),
		algorithms: faults.algorithms(name+".Algorithms", o.Algorithms),
	}
}

// faults collects what is wrong with the settings.
type faults []error

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Errorf("token settings: "+format, args...))
}

// url gives the URL without a trailing slash.
func (f *faults) url(name, s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		f.add("%s: %q is no URL", name, s)
	case strings.ContainsAny(s, "{}"):
		f.add("%s: %q is a template: name one issuer", name, s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.add("%s: user, query and fragment have no place in it", name)
	case !fetchable(u):
		f.add("%s: %q is not https (http is for loopback hosts)", name, s)
	}
	return strings.TrimRight(s, "/")
}

// audiences maps what tokens say, in canonical spelling, to what was configured.
// An empty list must never mean "any": that switched the check off elsewhere.
func (f *faults) audiences(name string, list []string) map[string]string {
	if len(list) == 0 {
		f.add("%s: none; a token for any other API would be taken", name)
	}
	m := make(map[string]string, len(list))
	for i, audience := range list {
		if audience == "" || strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			f.add("%s[%d]: %q is empty or holds white space", name, i, audience)
		}
		if _, twice := m[canonicalAudience(audience)]; !twice {
			m[canonicalAudience(audience)] = audience
		}
	}
	return m
}

func (f *faults) duplicates(list []*issuer) {
	seen := map[string]bool{}
	for _, is := range list {
		if seen[is.iss] {
			f.add("issuer %q is there twice", is.iss)
		}
		seen[is.iss] = true
	}
}

// canonicalAudience ignores what Entra itself varies: the trailing slash of an
// App ID URI (v1 tokens) and nothing else but the case of a client id.
func canonicalAudience(s string) string {
	if strings.HasPrefix(s, "api://") {
		return strings.TrimSuffix(s, "/")
	}
	if len(s) == lenGUID {
		if lower := strings.ToLower(s); isGUID(lower) {
			return lower
		}
	}
	return s
}

const lenGUID = 36

// IsEntraHost reports whether a host is one of Entra's, whose issuers are named by
// their tenants (Config.TenantIDs).
func IsEntraHost(host string) bool { return slices.Contains(entraHosts, strings.ToLower(host)) }

// isGUID knows a GUID in lower case, as Entra writes them.
func isGUID(s string) bool {
	if len(s) != lenGUID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// fetchable allows https, and http to this very machine.
func fetchable(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
