package config

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/token"
)

// reader takes settings out of an environment and notes every fault.
type reader struct {
	values map[string]string
	known  map[string]bool
	faults []error
}

func (r *reader) fault(name, value, rule string) {
	r.faults = append(r.faults, fmt.Errorf("%s %q: %s", name, value, rule))
}

// get gives a setting and whether it was given; an empty one counts as not
// given, as in a deployment template whose parameter was left empty.
func (r *reader) get(name string) (string, bool) {
	r.known[name] = true
	v := r.values[name]
	return v, v != ""
}

// text keeps the difference between "not given" and "given empty".
func (r *reader) text(name, fallback string) string {
	r.known[name] = true
	if v, ok := r.values[name]; ok {
		return v
	}
	return fallback
}

func (r *reader) form(name, fallback string, fits func(string) bool, rule string) string {
	v, ok := r.get(name)
	if !ok {
		return fallback
	}
	if !fits(v) {
		r.fault(name, v, rule)
	}
	return v
}

func (r *reader) list(name string) []string {
	v, _ := r.get(name)
	return strings.Fields(v)
}

func (r *reader) guids(name string) []string {
	var list []string
	for _, v := range r.list(name) {
		v = strings.ToLower(v)
		switch {
		case !mapping.IsGUID(v):
			r.fault(name, v, "must be tenant ids (GUIDs) separated by spaces; names such as common or contoso.com do not say which tenant a token is of")
		case slices.Contains(list, v):
			r.fault(name, v, "must name each tenant once")
		default:
			list = append(list, v)
		}
	}
	return list
}

func (r *reader) duration(name string, fallback, least, most time.Duration) time.Duration {
	v, ok := r.get(name)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most {
		r.fault(name, v, fmt.Sprintf("must be a duration from %v to %v, such as %v", least, most, fallback))
	}
	return d
}

func (r *reader) number(name string, fallback, least, most int) int {
	v, ok := r.get(name)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		r.fault(name, v, fmt.Sprintf("must be a number from %d to %d", least, most))
	}
	return n
}

// choice reports whether the second of two values was chosen. The first is the
// default, but for switches whose default is "on".
func (r *reader) choice(name, off, on string) bool {
	v, ok := r.get(name)
	if !ok {
		return name == "POLICY_EXPIRY" || name == "FLUSH_AUTHORIZER_CACHE"
	}
	if v != off && v != on {
		r.fault(name, v, "must be "+off+" or "+on)
	}
	return v == on
}

func (r *reader) oneOf(name, fallback string, values ...string) string {
	v, ok := r.get(name)
	if !ok {
		return fallback
	}
	if !slices.Contains(values, v) {
		r.fault(name, v, "must be one of "+strings.Join(values, ", "))
	}
	return v
}

// origin reads the URL of an identity provider.
func (r *reader) origin(name, fallback string) string {
	v, ok := r.get(name)
	if !ok {
		return fallback
	}
	v = strings.TrimSuffix(v, "/")
	if rule := urlRule(v); rule != "" {
		r.fault(name, v, rule)
	}
	return v
}

// urlRule says which rule a provider's URL breaks; "" if none. Plain http is
// for a provider on this machine only.
func urlRule(v string) string {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(v, "?#") || strings.HasSuffix(u.Hostname(), "."):
		return "must be a URL such as https://login.microsoftonline.com"
	case strings.ContainsAny(v, "{} "):
		return "must not contain { or }: name one tenant"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "must be https (http on loopback only)"
}

// queue reads the URL of an SQS queue.
func (r *reader) queue(name string) string {
	v, ok := r.get(name)
	if !ok {
		return ""
	}
	if rule := queueRule(v); rule != "" {
		r.fault(name, v, rule)
	}
	return v
}

// queueRule says which rule a queue's URL breaks; "" if none.
func queueRule(v string) string {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(v, "?# ") || strings.Trim(u.Path, "/") == "":
		return "must be the URL of an SQS queue such as https://sqs.us-east-1.amazonaws.com/123456789012/scopegate-flush"
	case strings.HasSuffix(u.Path, ".fifo"):
		return "must be a standard queue: a FIFO queue delays all of its messages alike"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "must be https (http on loopback only)"
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (r *reader) issuers(name string) []token.OIDCIssuer {
	var list []token.OIDCIssuer
	for _, v := range r.list(name) {
		issuer, discovery, named := strings.Cut(v, "=")
		rule := urlRule(issuer)
		if named && rule == "" {
			rule = urlRule(discovery)
		}
		u, _ := url.Parse(issuer)
		switch {
		case rule != "":
		case token.IsEntraHost(u.Hostname()):
			rule = "must not be an Entra issuer: put its tenant into ENTRA_TENANT_IDS"
		case slices.ContainsFunc(list, func(i token.OIDCIssuer) bool { return i.Issuer == issuer }):
			rule = "must name each issuer once"
		}
		if rule != "" {
			r.fault(name, v, rule)
			continue
		}
		list = append(list, token.OIDCIssuer{Issuer: issuer, DiscoveryURL: discovery})
	}
	return list
}

// audiences deals out OIDC_AUDIENCES: plain ones are of the Entra tenants,
// issuer=audience of that issuer.
func (r *reader) audiences(name string, to *Settings) {
	seen := map[string]bool{}
	for _, v := range r.list(name) {
		issuer, audience, ok := strings.Cut(v, "=")
		if seen[v] {
			r.fault(name, v, "must name each audience once")
		}
		seen[v] = true
		if !ok {
			to.Audiences = append(to.Audiences, v)
			continue
		}
		i := slices.IndexFunc(to.Issuers, func(i token.OIDCIssuer) bool { return i.Issuer == issuer })
		switch {
		case i < 0:
			r.fault(name, v, "must name an issuer of OIDC_ISSUERS before the =")
		case audience == "":
			r.fault(name, v, "must name an audience after the =")
		default:
			to.Issuers[i].Audiences = append(to.Issuers[i].Audiences, audience)
		}
	}
}

// algorithms deals out OIDC_ALGORITHMS: issuer=algorithm. Entra has RS256 alone.
func (r *reader) algorithms(name string, to *Settings) {
	for _, v := range r.list(name) {
		issuer, algorithm, _ := strings.Cut(v, "=")
		i := slices.IndexFunc(to.Issuers, func(i token.OIDCIssuer) bool { return i.Issuer == issuer })
		switch {
		case i < 0:
			r.fault(name, v, "must name an issuer of OIDC_ISSUERS before the = (the tenants' tokens are RS256)")
		case !slices.Contains(token.Algorithms(), algorithm):
			r.fault(name, v, "must name one of these after the =: "+strings.Join(token.Algorithms(), " "))
		case slices.Contains(to.Issuers[i].Algorithms, algorithm):
			r.fault(name, v, "must name each algorithm of an issuer once")
		default:
			to.Issuers[i].Algorithms = append(to.Issuers[i].Algorithms, algorithm)
		}
	}
}

// file reads the file that a setting names.
func (r *reader) file(name string, most int64) []byte {
	v, ok := r.get(name)
	if !ok {
		return nil
	}
	f, err := os.Open(v)
	if err != nil {
		r.fault(name, v, "must be a file that can be read: "+errors.Unwrap(err).Error())
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		r.fault(name, v, "must be a file that can be read")
	case len(b) == 0 || int64(len(b)) > most:
		r.fault(name, v, fmt.Sprintf("must hold 1 to %d bytes", most))
	}
	return b
}

// prefixes begin the names of our settings. A name that begins so and is none
// is a misspelt setting, whose default would silently hold instead.
var prefixes = []string{"ENTRA_", "OIDC_", "CACHE_", "TOKEN_CACHE_", "POLICY_", "ADMIN_", "HTTP_API_", "INVALID_TOKEN", "CLOCK_SKEW", "FLUSH_AUTHORIZER", "FLUSH_QUEUE", "TABLE_NAME", "LOG_LEVEL"}

func (r *reader) checkUnknown() {
	for _, name := range r.unknown() {
		r.fault(name, r.values[name], "is no setting of Scopegate")
	}
}

func (r *reader) unknown() []string {
	var unknown []string
	for name := range r.values {
		ours := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if ours && !r.known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}
