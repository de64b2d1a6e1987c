package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"scopegate/policy"
)

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
		"nothing":                 {nil, policy.NotMatched},
		"allow":                   {[]policy.Statement{statement(allow, nil)}, policy.Allowed},
		"deny wins":               {[]policy.Statement{statement(allow, nil), statement(deny, nil)}, policy.ExplicitlyDenied},
		"deny first":              {[]policy.Statement{statement(deny, nil), statement(allow, nil)}, policy.ExplicitlyDenied},
		"star crosses slashes":    {[]policy.Statement{statement(allow, resource("arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/*/1"))}, policy.Allowed},
		"case counts":             {[]policy.Statement{statement(allow, resource(strings.Replace(exampleARN, "GET", "get", 1)))}, policy.NotMatched},
		"question mark is one":    {[]policy.Statement{statement(allow, resource(exampleARN+"?"))}, policy.NotMatched},
		"one of several":          {[]policy.Statement{statement(allow, resource("x", exampleARN))}, policy.Allowed},
		"other action":            {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Action = policy.Strings{"s3:*"} })}, policy.NotMatched},
		"action by glob and case": {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Action = policy.Strings{"Execute-API:*"} })}, policy.Allowed},
		"no action":               {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Action = nil })}, policy.NotMatched},
		"action by Unicode's case": {[]policy.Statement{statement(allow, func(s *policy.Statement) {
			s.Action = policy.Strings{"execute-api:Invo\u212ae", "execute-ap\u0130:Invoke"}
		})}, policy.NotMatched},
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
		"key by Unicode's case":      {[]policy.Statement{statement(allow, when("IpAddress", "aws:\u017fourceIp", "203.0.113.7"))}, policy.NotMatched},
		"second beyond all time":     {[]policy.Statement{statement(allow, when("DateGreaterThan", "aws:EpochTime", "9223372036854775807"))}, policy.NotMatched},
		"deny until beyond all time": {[]policy.Statement{statement(allow, nil), statement(deny, when("DateLessThan", "aws:EpochTime", "9223372036854775807"))}, policy.ExplicitlyDenied},
		"year or seconds":            {[]policy.Statement{statement(allow, when("DateGreaterThan", "aws:CurrentTime", "2031"))}, policy.NotMatched},
		"not quite RFC 3339":         {[]policy.Statement{statement(allow, when("DateGreaterThan", "aws:CurrentTime", "2029-01-01T1:00:00Z", "2029-01-01T01:00:00,5Z"))}, policy.NotMatched},
		"IPv4 written as IPv6":       {[]policy.Statement{statement(allow, nil), statement(deny, when("IpAddress", "aws:SourceIp", "::ffff:203.0.113.0/125"))}, policy.ExplicitlyDenied},
		"IPv4 address as IPv6":       {[]policy.Statement{statement(allow, when("IpAddress", "aws:SourceIp", "::ffff:203.0.113.7"))}, policy.Allowed},
		"date of another key":        {[]policy.Statement{statement(allow, when("DateGreaterThan", "aws:TokenIssueTime", "2029-01-01T00:00:00Z"))}, policy.NotMatched},
		"address of another key":     {[]policy.Statement{statement(allow, when("IpAddress", "aws:VpcSourceIp", "203.0.113.7"))}, policy.NotMatched},
		"wider than IPv4":            {[]policy.Statement{statement(allow, when("IpAddress", "aws:SourceIp", "::ffff:0:0/90", "::/0"))}, policy.NotMatched},
		"a zone is no address":       {[]policy.Statement{statement(allow, nil), statement(deny, when("IpAddress", "aws:SourceIp", "fe80::1%eth0"))}, policy.ExplicitlyDenied},
		"the next address":           {[]policy.Statement{statement(allow, when("IpAddress", "aws:SourceIp", "203.0.113.6"))}, policy.NotMatched},
		"after the very instant":     {[]policy.Statement{statement(allow, when("DateGreaterThan", "aws:CurrentTime", "2030-01-01T12:00:00Z"))}, policy.NotMatched},
		"up to the very instant":     {[]policy.Statement{statement(allow, when("DateLessThanEquals", "aws:CurrentTime", "2030-01-01T12:00:00Z"))}, policy.Allowed},
		"seconds in hex":             {[]policy.Statement{statement(allow, when("DateGreaterThan", "aws:EpochTime", "0x10000000"))}, policy.NotMatched},
		"no value of a negation":     {[]policy.Statement{statement(allow, when("NotIpAddress", "aws:SourceIp"))}, policy.NotMatched},
		"no value in a deny":         {[]policy.Statement{statement(allow, nil), statement(deny, when("NotIpAddress", "aws:SourceIp"))}, policy.ExplicitlyDenied},
		"variable":                   {[]policy.Statement{statement(allow, resource(strings.Replace(exampleARN, "1", "${aws:username}", -1), exampleARN+"${*}"))}, policy.NotMatched},
		"variable in a deny":         {[]policy.Statement{statement(allow, nil), statement(deny, resource(strings.Replace(exampleARN, "users/1", "${aws:username}/1", 1)))}, policy.ExplicitlyDenied},
		"variable of another deny":   {[]policy.Statement{statement(allow, nil), statement(deny, resource(strings.Replace(exampleARN, "users/1", "${aws:username}/2", 1)))}, policy.Allowed},
		"all but a variable":         {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Resource, s.NotResource = nil, policy.Strings{"*${a}*"} })}, policy.NotMatched},
		"deny all but a variable":    {[]policy.Statement{statement(allow, nil), statement(deny, func(s *policy.Statement) { s.Resource, s.NotResource = nil, policy.Strings{"*${a}*"} })}, policy.ExplicitlyDenied},
		"no variable":                {[]policy.Statement{statement(deny, resource(exampleARN+"${")), statement(allow, resource(exampleARN))}, policy.Allowed},
		"both resources":             {[]policy.Statement{statement(allow, func(s *policy.Statement) { s.Resource, s.NotResource = policy.Strings{"x"}, policy.Strings{"x"} })}, policy.NotMatched},
		"both resources in a deny":   {[]policy.Statement{statement(allow, nil), statement(deny, func(s *policy.Statement) { s.Resource, s.NotResource = policy.Strings{"x"}, policy.Strings{"x"} })}, policy.ExplicitlyDenied},
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
