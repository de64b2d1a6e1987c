package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"scopegate/mapping"
)

// Decision is what a policy document says about one request.
type Decision uint8

// The zero Decision is the safe one: nothing matched, so nothing is allowed.
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
// none included, and ? for any one; case counts. A condition that cannot be
// read or whose key is missing fails closed: it holds for a Deny and not for
// an Allow.
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
	return anyGlob(s.Action, Invoke, true) && r.inResource(s) && r.meets(s.Condition, s.Effect != Allow)
}

func (r request) inResource(s Statement) bool {
	if len(s.NotResource) > 0 {
		return !anyGlob(s.NotResource, r.arn, false)
	}
	return anyGlob(s.Resource, r.arn, false)
}

func anyGlob(globs []string, s string, fold bool) bool {
	for _, g := range globs {
		if fold {
			g, s = strings.ToLower(g), strings.ToLower(s) // actions are not case-sensitive
		}
		if mapping.Match(g, s) {
			return true
		}
	}
	return false
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
	return negated && len(values) > 0
}

func (r request) condition(operator, key, value string) (met, known bool) {
	switch {
	case strings.HasPrefix(operator, "Date") && (strings.EqualFold(key, keyCurrentTime) || strings.EqualFold(key, keyEpochTime)):
		return r.date(operator, value)
	case strings.HasSuffix(operator, "IpAddress") && strings.EqualFold(key, keySourceIP):
		return r.address(operator, value)
	}
	return false, false
}

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

// parseDate reads IAM's two forms of a date: ISO 8601 and seconds since 1970.
func parseDate(value string) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
		return at, true
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

func (r request) address(operator, value string) (met, known bool) {
	if !r.ip.IsValid() {
		return false, false
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		ip, err := netip.ParseAddr(value)
		if err != nil {
			return false, false
		}
		prefix = netip.PrefixFrom(ip, ip.BitLen())
	}
	in := prefix.Contains(r.ip.Unmap())
	switch operator {
	case "IpAddress":
		return in, true
	case "NotIpAddress":
		return !in, true
	}
	return false, false
}
