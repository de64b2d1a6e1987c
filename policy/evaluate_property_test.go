package policy_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/policy"
)

// What the documents below are drawn from collides as often as it can.
var (
	drawnChars   = []string{"a", "a", "b", "/", "*", "?", "é", "è", "\xc3", "\xa9", "$", "{", "}", "${a}", "${*}", "${", ":"}
	drawnActions = []string{
		policy.Invoke, policy.Invoke, policy.Invoke, "*", "execute-api:*", "EXECUTE-api:INVOKE", "execute-api:Invo?e", "?xecute-api:Invoke",
		"execute-api:Invo\u212ae", "execute-ap\u0130:Invoke", "execute-api:Invoke?", "execute-api", "s3:*", "", "execute\xff*",
	}
	dateOperators    = []string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"}
	addressOperators = []string{"IpAddress", "NotIpAddress"}
	otherOperators   = []string{"DateLessThanIfExists", "ForAnyValue:IpAddress", "StringEquals", "StringNotEquals", "Null", "dateLessThan", ""}
	dateKeys         = []string{"aws:CurrentTime", "aws:EpochTime", "AWS:currenttime"}
	addressKeys      = []string{"aws:SourceIp", "AWS:SOURCEIP", "aws:\u017fourceIp"}
	otherKeys        = []string{"aws:UserAgent", ""}
	drawnAddresses   = []string{
		"192.0.2.1", "192.0.2.0/24", "192.0.2.0/31", "192.0.3.9/23", "0.0.0.0/0", "::/0", "2001:db8::1", "2001:db8::/64", "::ffff:192.0.2.1",
		"::ffff:192.0.2.0/120", "::ffff:192.0.2.0/90", "192.0.2.1/33", "192.0.2.1/024", "192.0.2", "fe80::1%eth0", "fe80::/10", "",
	}
	drawnSources = []string{"192.0.2.1", "192.0.2.2", "192.0.4.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8:1::1", "fe80::1%eth0", "fe80::1"}
)

// drawDate writes an instant around now in one of many ways, some unreadable.
func drawDate(t *rapid.T, now time.Time) string {
	steps := []time.Duration{0, 0, 1, -1, time.Second, -time.Second, time.Hour, -time.Hour}
	at := now.Add(rapid.SampledFrom(steps).Draw(t, "step"))
	zone := time.FixedZone("", rapid.SampledFrom([]int{0, 3600, -5400}).Draw(t, "offset"))
	switch rapid.IntRange(0, 9).Draw(t, "date") {
	case 0:
		return fmt.Sprint(at.Unix())
	case 1:
		return at.In(zone).Format(time.RFC3339Nano)
	case 2:
		return at.Format("2006-01-02T15:04:05,000Z")
	case 3:
		return rapid.SampledFrom([]string{
			"", "soon", "2030", "2030-01-01", "2030-01-01T12:00Z", "2030-01-01T1:00:00Z", "2030-02-30T00:00:00Z", "2030-01-01t00:00:00z",
			"2030-01-01T24:00:00Z", "2030-01-01T00:00:00+24:00", "9223372036854775807", "99999999999999", "999999999999", "-1", "+1893456000", "0x70dbd880",
		}).Draw(t, "odd date")
	}
	return at.In(zone).Format(time.RFC3339)
}

func drawCondition(t *rapid.T, now time.Time) policy.Condition {
	date := rapid.Custom(func(t *rapid.T) string { return drawDate(t, now) })
	address := rapid.SampledFrom(drawnAddresses)
	c := policy.Condition{}
	for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "operators") {
		operators, names, value := dateOperators, dateKeys, date
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0, 1, 2, 3:
			operators, names, value = addressOperators, addressKeys, address
		case 4:
			operators = slices.Concat(dateOperators, addressOperators, otherOperators)
			names = slices.Concat(dateKeys, addressKeys, otherKeys)
			value = rapid.OneOf(date, address)
		}
		keys := map[string]policy.Strings{}
		for range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, "keys") {
			keys[rapid.SampledFrom(names).Draw(t, "key")] = rapid.SliceOfN(value, 0, 3).Draw(t, "values")
		}
		c[rapid.SampledFrom(operators).Draw(t, "operator")] = keys
	}
	return c
}

// drawEvaluation draws a document and a request for it. Half of the resources
// are the request's own ARN with a change, to be near it, and some are all, for
// the conditions to count.
func drawEvaluation(t *rapid.T) (d policy.Document, arn string, now time.Time, ip netip.Addr) {
	now = tabletest.Now.Add(rapid.SampledFrom([]time.Duration{0, 1, time.Second / 2, time.Second}).Draw(t, "now"))
	char := rapid.SampledFrom(drawnChars)
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(char, 0, 6).Draw(t, "text"), "") })
	arn = text.Draw(t, "arn")
	resource := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return "*"
		case 1, 2:
			cut := rapid.IntRange(0, len(arn)).Draw(t, "cut")
			return arn[:cut] + char.Draw(t, "changed") + arn[min(len(arn), cut+rapid.IntRange(0, 2).Draw(t, "without")):]
		}
		return text.Draw(t, "resource")
	})
	list := rapid.Custom(func(t *rapid.T) policy.Strings { return rapid.SliceOfN(resource, 0, 3).Draw(t, "list") })
	d.Version = policy.Version
	for range rapid.IntRange(0, 4).Draw(t, "statements") {
		s := policy.Statement{
			Action:    rapid.SliceOfN(rapid.SampledFrom(drawnActions), 0, 3).Draw(t, "actions"),
			Effect:    rapid.SampledFrom([]string{"Allow", "Allow", "Allow", "Deny", "Deny", "allow", ""}).Draw(t, "effect"),
			Condition: drawCondition(t, now),
		}
		kind := rapid.IntRange(0, 9).Draw(t, "resources")
		if kind < 7 {
			s.Resource = list.Draw(t, "Resource")
		}
		if kind > 5 {
			s.NotResource = list.Draw(t, "NotResource")
		}
		d.Statement = append(d.Statement, s)
	}
	if rapid.Bool().Draw(t, "has source") {
		ip = netip.MustParseAddr(rapid.SampledFrom(drawnSources).Draw(t, "source"))
	}
	return d, arn, now, ip
}

// TestEvaluateAgreesWithTheSlowEvaluator, whatever the document.
func TestEvaluateAgreesWithTheSlowEvaluator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, arn, now, ip := drawEvaluation(t)
		got, want := policy.Evaluate(d, arn, now, ip), evaluateSlowly(d, arn, now, ip)
		if got != want {
			t.Fatalf("%+v for %q at %v from %v: %v, want %v", d, arn, now, ip, got, want)
		}
	})
}

// TestEvaluateTakesNoOrder: neither of statements nor of what they list.
func TestEvaluateTakesNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, arn, now, ip := drawEvaluation(t)
		other := policy.Document{Statement: rapid.Permutation(d.Statement).Draw(t, "order")}
		for i, s := range other.Statement {
			other.Statement[i].Resource = rapid.Permutation(s.Resource).Draw(t, "resources")
		}
		if got, want := policy.Evaluate(other, arn, now, ip), policy.Evaluate(d, arn, now, ip); got != want {
			t.Fatalf("%+v for %q: %v, in another order %v", d, arn, want, got)
		}
	})
}

// TestAStatementMoreIsNeverReadAsItsOpposite: a Deny more never allows, an Allow
// more never denies explicitly nor lifts a Deny.
func TestAStatementMoreIsNeverReadAsItsOpposite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, arn, now, ip := drawEvaluation(t)
		for i, s := range d.Statement {
			less := policy.Document{Statement: slices.Concat(d.Statement[:i], d.Statement[i+1:])}
			with, without := policy.Evaluate(d, arn, now, ip), policy.Evaluate(less, arn, now, ip)
			if s.Effect == policy.Allow && with != without && (with != policy.Allowed || without != policy.NotMatched) {
				t.Fatalf("an Allow turns %v to %v: %+v", without, with, s)
			}
			if s.Effect != policy.Allow && with != without && with != policy.ExplicitlyDenied {
				t.Fatalf("a Deny turns %v to %v: %+v", without, with, s)
			}
		}
	})
}

// FuzzEvaluate reads whatever comes as a document: no panic, small ones come
// out as the slow evaluator says, and nothing gets past a Deny of everything.
func FuzzEvaluate(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Action":"*","Effect":"Allow","Resource":["*a*"],"Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}]}`, exampleARN, "192.0.2.1")
	f.Add(`{"Statement":[{"Action":["Execute-API:?nvoke"],"Effect":"Deny","NotResource":"${aws:x}b","Condition":{"NotIpAddress":{"aws:sourceip":["10.0.0.0/8","::/0"]}}}]}`, "ab\xff", "::1")
	f.Add(`{"Statement":[{"Action":"`+policy.Invoke+`","Effect":"Allow","Resource":"`+strings.Repeat("*a?", 60)+`b"}]}`, strings.Repeat("a", 200), "")
	f.Fuzz(func(t *testing.T, doc, arn, source string) {
		d, err := policy.ParseDocument([]byte(doc))
		if err != nil {
			return
		}
		ip, _ := netip.ParseAddr(source) // the zero Addr is an unknown source
		got := policy.Evaluate(d, arn, tabletest.Now, ip)
		if len(doc) < 2000 && len(arn) < 400 {
			if want := evaluateSlowly(d, arn, tabletest.Now, ip); got != want {
				t.Fatalf("%s for %q from %v: %v, want %v", doc, arn, ip, got, want)
			}
		}
		d.Statement = append(d.Statement, statement(policy.Deny, nil))
		if got := policy.Evaluate(d, arn, tabletest.Now, ip); got != policy.ExplicitlyDenied {
			t.Fatalf("with a Deny of everything: %v", got)
		}
	})
}

// FuzzParseDocument: what is taken comes back the same when written and read
// again.
func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(`{"Version":"2012-10-17","Statement":[{"Action":"a","Effect":"Allow","Resource":["b","c"]}]}`))
	f.Add([]byte(`{"Statement":[{"Action":[],"NotResource":["<&>\u2028"],"Condition":{"x":{"y":[""]}}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := policy.ParseDocument(b)
		if err != nil || slices.ContainsFunc(d.Statement, func(s policy.Statement) bool { return s.Action == nil }) {
			return // one without an Action is none of ours to write
		}
		written, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		back, err := policy.ParseDocument(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if again := minified(t, back); again != string(written) {
			t.Fatalf("%s came back as %s", written, again)
		}
	})
}

// hostileDocument is a megabyte of resources that nearly match a long path.
func hostileDocument(resource string) policy.Document {
	s := policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: policy.Deny}
	for size := 0; size < 1_000_000; size += len(resource) {
		s.Resource = append(s.Resource, resource)
	}
	return policy.Document{Version: policy.Version, Statement: []policy.Statement{s}}
}

func BenchmarkEvaluateHostileDocument(b *testing.B) {
	path := strings.Repeat("a", 1600)
	for name, resource := range map[string]string{
		"one of stars":   strings.Repeat("*a", 500_000),
		"half a path":    "*" + strings.Repeat("a", 800) + "b*",
		"half of any":    "*" + strings.Repeat("?a", 400) + "b*",
		"512 characters": "*" + strings.Repeat("a", 509) + "b*",
		"two characters": "*b",
		"three":          "*b*",
		"four":           "*ab*",
		"variables":      strings.Repeat("${a}b", 100),
	} {
		d := hostileDocument(resource)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				policy.Evaluate(d, path, tabletest.Now, netip.Addr{})
			}
		})
	}
}
