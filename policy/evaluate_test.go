package policy_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/mapping"
	"scopegate/policy"
)

// TestMatchAgreesWithRegularExpressions checks the glob against the plainest
// other reading of it.
func TestMatchAgreesWithRegularExpressions(t *testing.T) {
	letters := rapid.SampledFrom([]string{"a", "b", "/", "*", "?", "é", ".", "$"})
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(letters, 0, 9).Draw(t, "text"), "") })
	rapid.Check(t, func(t *rapid.T) {
		glob, s := text.Draw(t, "glob"), text.Draw(t, "s")
		quoted := regexp.QuoteMeta(glob)
		quoted = strings.ReplaceAll(quoted, `\*`, `(?s:.*)`)
		quoted = strings.ReplaceAll(quoted, `\?`, `(?s:.)`)
		want := regexp.MustCompile("^" + quoted + "$").MatchString(s)
		if got := mapping.Match(glob, s); got != want {
			t.Fatalf("Match(%q, %q) is %v, want %v", glob, s, got, want)
		}
	})
}

func TestMatchEndsSoonOnHostileGlobs(t *testing.T) {
	glob := strings.Repeat("*a", 500_000)
	if mapping.Match(glob, strings.Repeat("a", 1600)+"b") {
		t.Error("matched")
	}
}

const exampleARN = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/users/1"

func statement(effect string, change func(*policy.Statement)) policy.Statement {
	s := policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: effect, Resource: policy.Strings{"*"}}
	if change != nil {
		change(&s)
	}
	return s
}

func when(operator, key string, values ...string) func(*policy.Statement) {
	return func(s *policy.Statement) {
		s.Condition = policy.Condition{operator: {key: values}}
	}
}

func TestEvaluate(t *testing.T) {
	at := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	ip := netip.MustParseAddr("203.0.113.7")
	resource := func(r ...string) func(*policy.Statement) {
		return func(s *policy.Statement) { s.Resource = r }
	}
	const allow, deny = policy.Allow, policy.Deny
	cases := map[string]struct {
		statements []policy.Statement
		want       policy.Decision
	}{
		"nothing":                    {nil, policy.NotMatched},
		"allow":                      {[]policy.Statement{statement(allow, nil)}, policy.Allowed},
		"deny wins":                  {[]policy.Statement{statement(allow, nil), statement(deny, nil)}, policy.ExplicitlyDenied},
		"deny first":                 {[]policy.Statement{statement(deny, nil), statement(allow, nil)}, policy.ExplicitlyDenied},
		"star crosses slashes":       {[]policy.Statement{statement(allow, resource("arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/*/1"))}, policy.Allowed},
		"case counts":                {[]policy.Statement{statement(allow, resource(strings.Replace(exampleARN, "GET", "get", 1)))}, policy.NotMatched},
		"question mark is one":       {[]policy.Statement{statement(allow, resource(exampleARN+"?"))}, policy.NotMatched},
		"one of several":             {[]policy.Statement{statement(allow, resource("x", exampleARN))}, policy.Allowed},
		"other action":               {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Action = policy.Strings{"s3:*"} })}, policy.NotMatched},
		"action by glob and case":    {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Action = policy.Strings{"Execute-API:*"} })}, policy.Allowed},
		"no action":                  {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Action = nil })}, policy.NotMatched},
		"not resource, inside":       {[]policy.Statement{statement(deny, func(s *policy.Statement) { s.Resource, s.NotResource = nil, policy.Strings{exampleARN} })}, policy.NotMatched},
		"not resource, outside":      {[]policy.Statement{statement(deny, func(s *policy.Statement) { s.Resource, s.NotResource = nil, policy.Strings{"x"} })}, policy.ExplicitlyDenied},
		"before the end":             {[]policy.Statement{statement(allow, when("DateLessThan", "aws:CurrentTime", "2030-01-01T12:00:01Z"))}, policy.Allowed},
		"at the end":                 {[]policy.Statement{statement(allow, when("DateLessThan", "aws:CurrentTime", "2030-01-01T12:00:00Z"))}, policy.NotMatched},
		"key by another case":        {[]policy.Statement{statement(allow, when("DateLessThan", "AWS:currenttime", "2030-01-01T12:00:01Z"))}, policy.Allowed},
		"epoch":                      {[]policy.Statement{statement(allow, when("DateGreaterThanEquals", "aws:EpochTime", "1893499200"))}, policy.Allowed},
		"deny from now on":           {[]policy.Statement{statement(allow, nil), statement(deny, when("DateGreaterThanEquals", "aws:CurrentTime", "2030-01-01T12:00:00Z"))}, policy.ExplicitlyDenied},
		"deny later":                 {[]policy.Statement{statement(allow, nil), statement(deny, when("DateGreaterThanEquals", "aws:CurrentTime", "2030-01-01T12:00:01Z"))}, policy.Allowed},
		"source inside":              {[]policy.Statement{statement(allow, when("IpAddress", "aws:SourceIp", "10.0.0.0/8", "203.0.113.0/24"))}, policy.Allowed},
		"source outside":             {[]policy.Statement{statement(allow, when("IpAddress", "aws:SourceIp", "10.0.0.0/8"))}, policy.NotMatched},
		"source excluded":            {[]policy.Statement{statement(deny, when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", "203.0.113.7"))}, policy.NotMatched},
		"source not in any":          {[]policy.Statement{statement(deny, when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", "192.0.2.0/24"))}, policy.ExplicitlyDenied},
		"unknown key fails closed":   {[]policy.Statement{statement(allow, when("StringEquals", "aws:UserAgent", "x"))}, policy.NotMatched},
		"unknown key denies":         {[]policy.Statement{statement(allow, nil), statement(deny, when("StringEquals", "aws:UserAgent", "x"))}, policy.ExplicitlyDenied},
		"unreadable date":            {[]policy.Statement{statement(allow, when("DateLessThan", "aws:CurrentTime", "soon"))}, policy.NotMatched},
		"unreadable date in a deny":  {[]policy.Statement{statement(allow, nil), statement(deny, when("DateLessThan", "aws:CurrentTime", "soon"))}, policy.ExplicitlyDenied},
		"no value":                   {[]policy.Statement{statement(allow, when("DateLessThan", "aws:CurrentTime"))}, policy.NotMatched},
		"unknown effect counts deny": {[]policy.Statement{statement(allow, nil), statement("allow", nil)}, policy.ExplicitlyDenied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := policy.Evaluate(policy.Document{Version: policy.Version, Statement: c.statements}, exampleARN, at, ip); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestParseARN(t *testing.T) {
	const api = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"
	for text, want := range map[string]struct{ stage, method, path string }{
		api + "/dev/GET/users/1":         {"dev", "GET", "/users/1"},
		api + "/dev/GET/":                {"dev", "GET", "/"},
		api + "/dev/GET//x":              {"dev", "GET", "//x"},
		api + "/dev/GET/a:b/c:d":         {"dev", "GET", "/a:b/c:d"},
		api + "/$default/POST/a/../b/":   {"$default", "POST", "/a/../b/"},
		api + "/prod/$connect":           {"prod", "$connect", ""},
		api + "/dev/get/x":               {"dev", "get", "/x"},
		api + "/ESTestInvoke-stage/GET/": {"ESTestInvoke-stage", "GET", "/"},
		strings.Replace(api, "aws", "aws-us-gov", 1) + "/dev/GET/x": {"dev", "GET", "/x"},
	} {
		got, err := policy.ParseARN(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.API.Stage != want.stage || got.Method != want.method || got.Path != want.path || got.String() != text {
			t.Errorf("%s: got %+v", text, got)
		}
	}
	for _, bad := range []string{
		"", "*", "arn:aws:execute-api:us-east-1:219852565112", api, api + "/dev", api + "/dev/GET", api + "/dev//x",
		api + "//GET/x", api + "/de*v/GET/x", strings.Replace(api, "execute-api", "lambda", 1) + "/dev/GET/x", api + "/dev/$disconnect",
	} {
		if got, err := policy.ParseARN(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, got)
		}
	}
}

func FuzzParseARN(f *testing.F) {
	f.Add(exampleARN)
	f.Add("arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := policy.ParseARN(s)
		if err == nil && a.String() != s {
			t.Fatalf("%q came back as %q", s, a.String())
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Action":"*","Effect":"Allow","Resource":["*a*"],"Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}]}`, exampleARN)
	f.Fuzz(func(t *testing.T, doc, arn string) {
		d, err := policy.ParseDocument([]byte(doc))
		if err != nil {
			return
		}
		denied := d
		denied.Statement = append(d.Statement, statement(policy.Deny, nil))
		if got := policy.Evaluate(denied, arn, time.Now(), netip.Addr{}); got != policy.ExplicitlyDenied {
			t.Fatalf("with a Deny of everything: %v", got)
		}
	})
}
