package policy_test

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"scopegate/policy"
)

// truth is the answer to a part of a statement: maybe is what can't be told.
type truth int

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// evaluateSlowly is a second reading of AWS's pages ("Policy evaluation logic",
// "IAM JSON policy elements", "Condition operators", "Variables and tags") that
// shares no code with Evaluate: everything is a regular expression, and what
// can't be told is carried to the end of a statement as a third value.
func evaluateSlowly(d policy.Document, arn string, now time.Time, ip netip.Addr) policy.Decision {
	r := slowRequest{arn: arn, now: now, ip: net.ParseIP(ip.WithZone("").String())}
	allowed, denied := false, false
	for _, s := range d.Statement {
		applies := min(actionHolds(s), r.resourceHolds(s), r.conditionHolds(s))
		if s.Effect == "Allow" {
			allowed = allowed || applies == yes
		} else {
			denied = denied || applies != no
		}
	}
	switch {
	case denied:
		return policy.ExplicitlyDenied
	case allowed:
		return policy.Allowed
	}
	return policy.NotMatched
}

type slowRequest struct {
	arn string
	now time.Time
	ip  net.IP
}

// globPattern writes a glob as a regular expression over characters in hex:
// regexp takes every byte that is no UTF-8 for the same U+FFFD.
func globPattern(glob, flags string) *regexp.Regexp {
	return regexp.MustCompile(flags + "^" + strings.NewReplacer("<2a>", "(<[0-9a-f]+>)*", "<3f>", "<[0-9a-f]+>").Replace(inHex(glob)) + "$")
}

func inHex(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		fmt.Fprintf(&b, "<%x>", s[:n])
		s = s[n:]
	}
	return b.String()
}

var notASCII = regexp.MustCompile(`[^\x00-\x7f]`)

// actionHolds: actions are not case-sensitive.
func actionHolds(s policy.Statement) truth {
	for _, a := range s.Action {
		if notASCII.MatchString(a) {
			continue // no action of AWS has such a character
		}
		pattern := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(a))
		if regexp.MustCompile(`(?is)^` + pattern + `$`).MatchString("execute-api:Invoke") {
			return yes
		}
	}
	return no
}

func (r slowRequest) resourceHolds(s policy.Statement) truth {
	in, out := r.inAny(s.Resource), yes-r.inAny(s.NotResource)
	switch {
	case len(s.NotResource) == 0:
		return in
	case len(s.Resource) == 0:
		return out
	case in == out:
		return in
	}
	return maybe
}

var variable = regexp.MustCompile(`\$\{[^}]*\}`)

func (r slowRequest) inAny(globs []string) truth {
	best := no
	for _, g := range globs {
		if !globPattern(variable.ReplaceAllString(g, "*"), "").MatchString(inHex(r.arn)) {
			continue
		}
		if variable.MatchString(g) {
			best = max(best, maybe)
		} else {
			best = yes
		}
	}
	return best
}

// conditionHolds: all operators and all keys must hold.
func (r slowRequest) conditionHolds(s policy.Statement) truth {
	all := yes
	for operator, keys := range s.Condition {
		for key, values := range keys {
			all = min(all, r.keyHolds(operator, key, values))
		}
	}
	return all
}

// keyHolds: one of the values, none of them for a negated operator.
func (r slowRequest) keyHolds(operator, key string, values []string) truth {
	if len(values) == 0 {
		return maybe
	}
	positive := map[string]string{"DateNotEquals": "DateEquals", "NotIpAddress": "IpAddress"}[operator]
	negated := positive != ""
	if !negated {
		positive = operator
	}
	one := no
	for _, v := range values {
		one = max(one, r.valueHolds(positive, key, v))
	}
	if negated {
		return yes - one
	}
	return one
}

var (
	timeKey  = regexp.MustCompile(`^([aA][wW][sS]):([cC][uU][rR][rR][eE][nN][tT][tT][iI][mM][eE]|[eE][pP][oO][cC][hH][tT][iI][mM][eE])$`)
	ipKey    = regexp.MustCompile(`^([aA][wW][sS]):([sS][oO][uU][rR][cC][eE][iI][pP])$`)
	isoForm  = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$`)
	secForm  = regexp.MustCompile(`^\d{5,12}$`)
	cidrForm = regexp.MustCompile(`^[0-9A-Fa-f:.]+(/(0|[1-9]\d*))?$`)
)

func (r slowRequest) valueHolds(operator, key, value string) truth {
	switch operator {
	case "DateEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals":
		at, ok := readDate(value)
		if !timeKey.MatchString(key) || !ok {
			return maybe
		}
		before, after := r.now.Before(at), r.now.After(at)
		return truthOf(map[string]bool{
			"DateEquals": !before && !after, "DateLessThan": before, "DateLessThanEquals": !after,
			"DateGreaterThan": after, "DateGreaterThanEquals": !before,
		}[operator])
	case "IpAddress":
		if !ipKey.MatchString(key) || !cidrForm.MatchString(value) || r.ip == nil {
			return maybe
		}
		if !strings.Contains(value, "/") {
			ip := net.ParseIP(value)
			if ip == nil {
				return maybe
			}
			return truthOf(ip.Equal(r.ip))
		}
		_, network, err := net.ParseCIDR(value)
		if err != nil {
			return maybe
		}
		return truthOf(network.Contains(r.ip))
	}
	return maybe
}

func readDate(value string) (time.Time, bool) {
	if secForm.MatchString(value) {
		seconds, err := strconv.Atoi(value)
		return time.Unix(int64(seconds), 0), err == nil
	}
	m := isoForm.FindStringSubmatch(value)
	if m == nil {
		return time.Time{}, false
	}
	var n [11]int
	for i := range n {
		if i != 7 && i != 8 && m[i] != "" && i > 0 {
			n[i], _ = strconv.Atoi(m[i]) // digits, as the form says
		}
	}
	nanos, _ := strconv.Atoi((m[7] + "000000000")[:9])
	at := time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], nanos, time.UTC)
	if at.Format("20060102150405") != m[1]+m[2]+m[3]+m[4]+m[5]+m[6] {
		return time.Time{}, false // the 31st of a shorter month, a 24th hour
	}
	offset := time.Duration(n[9])*time.Hour + time.Duration(n[10])*time.Minute
	if m[8] == "-" {
		offset = -offset
	}
	return at.Add(-offset), true
}
