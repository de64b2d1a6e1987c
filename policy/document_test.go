package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

func minified(t *testing.T, d policy.Document) string {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTheOriginalExamplesPolicy: for the original's permissions document the
// policy is the original's, but for the verb in upper case and the end of the
// token.
func TestTheOriginalExamplesPolicy(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("get", "my-resource", "s1"))
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	compiled := policy.Compile(table, held, tabletest.Now)
	const allow = `{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/my-resource"`
	got := minified(t, compiled.Document(policy.Request{ARN: arn("GET", "/my-resource")}))
	if want := allow + `}]}`; got != want {
		t.Errorf("without an end:\ngot  %s\nwant %s", got, want)
	}
	got = minified(t, compiled.Document(policy.Request{ARN: arn("GET", "/my-resource"), End: end}))
	if want := allow + `,"Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T13:00:00Z"}}}]}`; got != want {
		t.Errorf("with an end:\ngot  %s\nwant %s", got, want)
	}
}

// TestNothingHeldIsTheOriginalsDenyAll: the original's default policy.
func TestNothingHeldIsTheOriginalsDenyAll(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "my-resource", "s1"))
	const want = `{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"*"}]}`
	got := minified(t, policy.Compile(table, mapping.Held{}, tabletest.Now).Document(policy.Request{ARN: arn("GET", "/my-resource"), Denied: true, End: end}))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestNoPartOfARequestEntersAnAllow: a * that a client put into the path must
// not come back as a wildcard.
func TestNoPartOfARequestEntersAnAllow(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "users/{id}", "s1"), tabletest.Permission("GET", "admin", "s2"))
	compiled := policy.Compile(table, table.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now)
	plain := compiled.Document(policy.Request{ARN: arn("GET", "/users/1"), End: end})
	hostile := compiled.Document(policy.Request{ARN: arn("GET", "/*"), Denied: true, End: end})
	for i, s := range plain.Statement {
		if minified(t, policy.Document{Statement: []policy.Statement{s}}) != minified(t, policy.Document{Statement: hostile.Statement[i : i+1]}) {
			t.Errorf("statement %d changed with the request", i)
		}
	}
	last := hostile.Statement[len(hostile.Statement)-1]
	if last.Effect != policy.Deny || last.Resource[0] != "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/?" {
		t.Errorf("the invoking Deny is %+v", last)
	}
}

// TestWhatNoDenyCanNameIsDenyAll: too long, not printable, not ASCII.
func TestWhatNoDenyCanNameIsDenyAll(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "users/{id}", "s1"))
	compiled := policy.Compile(table, table.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now)
	for _, path := range []string{"/" + strings.Repeat("x", 1500), "/üsers", "/a\x00b", "/a\x7f"} {
		d := compiled.Document(policy.Request{ARN: arn("GET", path), Denied: true, End: end})
		if minified(t, d) != minified(t, policy.DenyAll()) {
			t.Errorf("%q: %s", path, minified(t, d))
		}
	}
}

// TestNotLongerThanThePermission: one that expires ends in time, and the route
// that it opened is denied from then on although a wider one goes on.
func TestNotLongerThanThePermission(t *testing.T) {
	soon := tabletest.Now.Add(10 * time.Minute)
	p := tabletest.Permission
	table := tabletest.Table(
		p("GET", "users/{id}", "s1"),
		p("GET", "users/admin", "s1", "expiresAt", soon.Format(time.RFC3339)),
		p("GET", "reports", "s1", "expiresAt", soon.Format(time.RFC3339)),
	)
	doc := answer(table, tabletest.Caller("s1"), "GET", "/users/1")
	for _, c := range []struct {
		path string
		at   time.Time
		want policy.Decision
	}{
		{"/users/admin", tabletest.Now, policy.Allowed},
		{"/users/admin", soon.Add(-time.Second), policy.Allowed},
		{"/users/admin", soon, policy.ExplicitlyDenied},
		{"/users/1", soon, policy.Allowed},
		{"/reports", soon.Add(-time.Second), policy.Allowed},
		{"/reports", soon, policy.NotMatched},
		{"/users/1", end.Add(-time.Second), policy.Allowed},
		{"/users/1", end, policy.NotMatched},
	} {
		if got := evaluate(doc, "GET", c.path, c.at); got != c.want {
			t.Errorf("%s at %v: %v, want %v", c.path, c.at, got, c.want)
		}
	}
}

// TestNoConditionsWithoutExpiry: POLICY_EXPIRY=off.
func TestNoConditionsWithoutExpiry(t *testing.T) {
	soon := tabletest.Now.Add(10 * time.Minute)
	p := tabletest.Permission
	table := tabletest.Table(p("GET", "users/{id}", "s1"), p("GET", "users/admin", "s1", "expiresAt", soon.Format(time.RFC3339)))
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	got := minified(t, policy.Compile(table, held, tabletest.Now).Document(policy.Request{ARN: arn("GET", "/users/1")}))
	if strings.Contains(got, "Condition") || strings.Contains(got, `"Deny","Resource":"`+arn("GET", "/users/admin")+`"`) {
		t.Errorf("got %s", got)
	}
}

// TestEveryResourceFitsAPIGateway: no resource is longer than 512 characters,
// names the concrete stage and method (only a Deny may stand for all methods).
func TestEveryResourceFitsAPIGateway(t *testing.T) {
	long := strings.Repeat("x", 200)
	p := tabletest.Permission
	table := tabletest.Table(
		p("ANY", long+"/{a}/"+long+"/{b}", "s1"),
		p("GET", "{a}/{b}/"+long+"/{c}", "s2"),
		p("GET", long+"/{a}/"+long+"/{b}/c", "s2"),
		p("GET", "{p+}", "s1"),
		p("GET", "{a}/y/{b}/"+strings.Repeat("z", 300), "s2"),
	)
	doc := answer(table, tabletest.Caller("s1"), "GET", "/a")
	prefix := tabletest.API.ARN + "/dev/"
	for _, s := range doc.Statement {
		for _, r := range s.Resource {
			if len(r) > policy.MaxResource {
				t.Errorf("%d characters: %s", len(r), r)
			}
			method, _, _ := strings.Cut(strings.TrimPrefix(r, prefix), "/")
			if !strings.HasPrefix(r, prefix) || s.Effect == policy.Allow && strings.ContainsAny(method, "*?") {
				t.Errorf("%s of %s has a wildcard before its path", s.Effect, r)
			}
		}
	}
}

// TestExplicitDenyDeniesWhatIsNotAllowed: POLICY_EXPLICIT_DENY=on.
func TestExplicitDenyDeniesWhatIsNotAllowed(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "a", "s1"), tabletest.Permission("GET", "b", "s2"))
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	doc := policy.Compile(table, held, tabletest.Now).Document(policy.Request{ARN: arn("GET", "/a"), End: end, ExplicitDeny: true})
	if got := evaluate(doc, "GET", "/a", tabletest.Now); got != policy.Allowed {
		t.Errorf("what is held: %v", got)
	}
	if got := evaluate(doc, "GET", "/b", tabletest.Now); got != policy.ExplicitlyDenied {
		t.Errorf("what is not: %v", got)
	}
}

// TestExplicitDenyGoesOnWhereAnAllowEnds: what is no longer allowed is denied,
// never left to a resource policy.
func TestExplicitDenyGoesOnWhereAnAllowEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tabletest.Table(tabletest.DrawPermissions(t)...)
		caller := tabletest.DrawCaller(t)
		held := table.Held(caller, tabletest.Now)
		compiled := policy.Compile(table, held, tabletest.Now)
		until := tabletest.Now.Add(2 * time.Minute)
		plain := compiled.Document(policy.Request{ARN: arn("GET", "/"), End: until})
		explicit := compiled.Document(policy.Request{ARN: arn("GET", "/"), End: until, ExplicitDeny: true})
		for range 20 {
			method, path := tabletest.DrawMethod(t), tabletest.DrawPath(t)
			at := tabletest.Now.Add(time.Duration(rapid.IntRange(0, 180).Draw(t, "later")) * time.Second)
			want := evaluate(plain, method, path, at)
			if want == policy.NotMatched {
				want = policy.ExplicitlyDenied
			}
			if got := evaluate(explicit, method, path, at); got != want {
				t.Fatalf("%s %s at %v: %v, want %v", method, path, at, got, want)
			}
		}
	})
}

func TestDocumentsAreReadBothWays(t *testing.T) {
	for _, s := range []string{
		`{"Version":"2012-10-17","Statement":[{"Action":"a","Effect":"Allow","Resource":["b","c"]}]}`,
		`{"Version":"2012-10-17","Statement":[{"Action":["a","d"],"Effect":"Deny","NotResource":"b","Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}]}`,
	} {
		d, err := policy.ParseDocument([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		if got := minified(t, d); got != s {
			t.Errorf("got  %s\nwant %s", got, s)
		}
	}
	for _, s := range []string{`{"Statement":[{"Resource":5}]}`, `{"Statement":[{"Resource":[null,5]}]}`, `[`} {
		if d, err := policy.ParseDocument([]byte(s)); err == nil {
			t.Errorf("%s was taken as %+v", s, d)
		}
	}
}
