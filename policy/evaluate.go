package policy

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"scopegate/mapping"
)

// Decision is what a policy document says about one request.
type Decision uint8

// The zero Decision is the safe one: nothing matched, so nothing is allowed. The
// order is that of [EvaluateBoth]: of two documents the later one decides.
const (
	NotMatched Decision = iota
	Allowed
	ExplicitlyDenied
)

// String names the decision as logs and explain print it.
func (d Decision) String() string {
	switch d {
	case Allowed:
		return "allowed"
	case ExplicitlyDenied:
		return "explicitly denied"
	}
	return "not matched"
}

// Evaluate decides as API Gateway does whether the document lets a request for
// methodARN through at the instant now, coming from sourceIP (the zero Addr if
// unknown): an explicit Deny wins, then an Allow, and no match denies (AWS:
// "Policy evaluation logic"). In a resource * stands for any characters, / and
// none included, and ? for any one; case counts there, but not in an action nor
// in a condition's key.
//
// What can't be told fails closed, it counts for a Deny and not for an Allow: a
// condition that cannot be read, has no value or whose key is missing, and what
// a policy variable (${…}) in a resource stands for. An instant is compared as
// it is, to the nanosecond; where AWS should compare whole seconds, DateLessThan
// and DateGreaterThanEquals of one come out the same.
//
// Its work is that of [mapping.Match] for each action and resource.
func Evaluate(d Document, methodARN string, now time.Time, sourceIP netip.Addr) Decision {
	decision := NotMatched
	req := request{arn: methodARN, now: now, ip: sourceIP}
	for _, s := range d.Statement {
		if !req.matches(s) {
			continue
		}
		if s.Effect != Allow {
			return ExplicitlyDenied
		}
		decision = Allowed
	}
	return decision
}

type request struct {
	arn string
	now time.Time
	ip  netip.Addr
}

func (r request) matches(s Statement) bool {
	closed := s.Effect != Allow // what stands for that which can't be told
	return invokes(s.Action) && r.inResource(s, closed) && r.meets(s.Condition, closed)
}

// invokes compares in ASCII alone: strings.ToLower would take the Kelvin sign
// for a k and İ for an i.
func invokes(actions []string) bool {
	for _, a := range actions {
		if a == Invoke || mapping.Match(lower(a), invokeLower) {
			return true
		}
	}
	return false
}

var invokeLower = lower(Invoke)

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// inResource takes a statement with both Resource and NotResource, which API
// Gateway refuses, for one that can't be told wherever they disagree.
func (r request) inResource(s Statement, unknown bool) bool {
	in, out := r.inAny(s.Resource, unknown), !r.inAny(s.NotResource, !unknown)
	switch {
	case len(s.NotResource) == 0:
		return in
	case len(s.Resource) == 0:
		return out
	case unknown:
		return in || out
	}
	return in && out
}

// inAny reports whether a resource matches. A policy variable stands for
// something of the caller that nobody knows here, ${*} for a plain * (AWS: "IAM
// policy elements: Variables and tags"): with unknown it may be anything,
// otherwise its resource doesn't match. Version is not looked at: without
// variables, ${…} would be itself, which is anything too.
func (r request) inAny(resources []string, unknown bool) bool {
	for _, g := range resources {
		if strings.Contains(g, "${") {
			wide := widen(g)
			if wide != g && !unknown {
				continue
			}
			g = wide
		}
		if mapping.Match(g, r.arn) {
			return true
		}
	}
	return false
}

// widen puts a * where a variable stands.
func widen(glob string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(glob, "${")
		_, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return b.String() + glob
		}
		b.WriteString(before)
		b.WriteByte('*')
		glob = after
	}
}

// meets reports whether every condition holds; unknown is the answer for what
// can't be read.
func (r request) meets(c Condition, unknown bool) bool {
	for operator, keys := range c {
		for key, values := range keys {
			if !r.meetsAny(operator, key, values, unknown) {
				return false
			}
		}
	}
	return true
}

func (r request) meetsAny(operator, key string, values []string, unknown bool) bool {
	if len(values) == 0 {
		return unknown
	}
	// Several values are alternatives, but a negated operator must hold for
	// each (AWS: "Conditions with multiple context keys or values").
	negated := strings.Contains(operator, "Not")
	for _, v := range values {
		met, known := r.condition(operator, key, v)
		if !known {
			met = unknown
		}
		if met != negated {
			return met
		}
	}
	return negated
}

func (r request) condition(operator, key, value string) (met, known bool) {
	switch {
	case strings.HasPrefix(operator, "Date") && (isKey(key, keyCurrentTime) || isKey(key, keyEpochTime)):
		return r.date(operator, value)
	case strings.HasSuffix(operator, "IpAddress") && isKey(key, keySourceIP):
		return r.address(operator, value)
	}
	return false, false
}

// isKey compares in ASCII alone, as [invokes] does.
func isKey(key, want string) bool { return key == want || lower(key) == lower(want) }

func (r request) date(operator, value string) (met, known bool) {
	at, ok := parseDate(value)
	if !ok {
		return false, false
	}
	c := r.now.Compare(at)
	switch operator {
	case "DateEquals":
		return c == 0, true
	case "DateNotEquals":
		return c != 0, true
	case dateLessThan:
		return c < 0, true
	case "DateLessThanEquals":
		return c <= 0, true
	case "DateGreaterThan":
		return c > 0, true
	case dateNotBefore:
		return c >= 0, true
	}
	return false, false
}

// dateForm is stricter than time.Parse, which takes one-digit hours, commas and
// offsets of a day.
var dateForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
})

// parseDate reads IAM's two forms of a date: ISO 8601, with day and time in full
// (as RFC 3339 has it), and seconds since 1970. Less than five digits may be a
// year, more than twelve overflow.
func parseDate(value string) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at, dateForm().MatchString(value)
	}
	seconds, err := strconv.ParseUint(value, 10, 63)
	return time.Unix(int64(seconds), 0), err == nil && len(value) > 4 && len(value) <= 12
}

func (r request) address(operator, value string) (met, known bool) {
	if !r.ip.IsValid() {
		return false, false
	}
	prefix, ok := parsePrefix(value)
	if !ok {
		return false, false
	}
	in := prefix.Contains(r.ip.Unmap().WithZone("")) // a zone would be in no prefix
	switch operator {
	case "IpAddress":
		return in, true
	case "NotIpAddress":
		return !in, true
	}
	return false, false
}

// parsePrefix reads an address or a range of them. An IPv4 range may be written
// as one of IPv6 (::ffff:192.0.2.0/120).
func parsePrefix(value string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		ip, err := netip.ParseAddr(value)
		if err != nil || ip.Zone() != "" {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(ip, ip.BitLen())
	}
	if ip, mapped := prefix.Addr(), prefix.Bits()-96; ip.Is4In6() && mapped >= 0 {
		prefix = netip.PrefixFrom(ip.Unmap(), mapped)
	}
	return prefix, true
}
