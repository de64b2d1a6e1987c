package probe_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/gateway"
	"scopegate/internal/probe"
	"scopegate/policy"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const (
	arn = "arn:aws:execute-api:us-east-1:123456789012:" + id
	id  = "probe00001"
)

var handler = probe.Handler{APIs: []string{id}, Now: func() time.Time { return at }}

func tokenEvent(t testing.TB, token, path string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]string{"type": "TOKEN", "authorizationToken": token, "methodArn": arn + "/probe/GET" + path})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ask(t testing.TB, p probe.Plan, now time.Time) ([]byte, error) {
	t.Helper()
	return probe.Handler{APIs: []string{"another", id}, Now: func() time.Time { return now }}.Invoke(t.Context(), tokenEvent(t, p.Token(), "/a"))
}

var allowAll = []probe.Statement{{Effect: policy.Allow, Resources: []string{"*"}}}

func TestTheAnswerIsWhatTheTokenAsksFor(t *testing.T) {
	b, err := ask(t, probe.Plan{Answer: probe.Policy, Statements: []probe.Statement{
		{Effect: policy.Allow, Resources: []string{"GET/a", "GET/b/*"}, Until: 5},
		{Effect: policy.Deny, Resources: []string{"GET/b/c"}, Not: true, From: 7},
	}}, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"Effect":"Allow","Resource":["` + arn + `/probe/GET/a","` + arn + `/probe/GET/b/*"],"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-03-04T05:06:12Z"}}`,
		`"Effect":"Deny","NotResource":"` + arn + `/probe/GET/b/c","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-03-04T05:06:14Z"}}`,
		`"arn":"probe/GET/a"`, `"at":"1772600767"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("answers %s\nwithout %s", b, want)
		}
	}
	again, err := ask(t, probe.Plan{Answer: probe.Policy, Statements: allowAll}, at)
	if err != nil || strings.Contains(string(again), "Condition") || bytes.Equal(b, again) {
		t.Errorf("%s, %v", again, err)
	}
}

func TestErrorsAndDenials(t *testing.T) {
	if _, err := ask(t, probe.Plan{Answer: probe.Unauthorized}, at); err == nil || err.Error() != "Unauthorized" {
		t.Errorf("unauthorized: %v", err)
	}
	if _, err := ask(t, probe.Plan{Answer: probe.Error}, at); err == nil || err.Error() == "Unauthorized" {
		t.Errorf("error: %v", err)
	}
	b, err := ask(t, probe.Plan{Answer: probe.DenyAll}, at)
	if err != nil || !strings.Contains(string(b), `"Effect":"Deny","Resource":"*"`) {
		t.Errorf("deny: %s, %v", b, err)
	}
}

func TestTheFirstAnswerEndsAtItsTime(t *testing.T) {
	p := probe.Plan{Answer: probe.Policy, Statements: allowAll, First: probe.Error, Then: at.Unix() + 10}
	if _, err := ask(t, p, at.Add(10*time.Second-1)); err == nil {
		t.Error("answered before its time")
	}
	if _, err := ask(t, p, at.Add(10*time.Second)); err != nil {
		t.Errorf("after: %v", err)
	}
}

func TestTokensThatAreNoPlanAreUnauthorized(t *testing.T) {
	good := probe.Plan{Answer: probe.DenyAll}.Token()
	for name, token := range map[string]string{
		"none": "", "a JWT": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "no prefix": strings.TrimPrefix(good, "Bearer "),
		"padded": good + "=", "not base64": probe.Prefix + "!", "not JSON": probe.Prefix + "bm8",
		"two objects": probe.Prefix + "eyJhbnN3ZXIiOiJkZW55In17fQ", "unknown member": probe.Prefix + "eyJhbnN3ZXIiOiJkZW55IiwieCI6MX0",
		"no answer": probe.Plan{}.Token(), "unknown answer": probe.Plan{Answer: "allow"}.Token(),
		"no statement": probe.Plan{Answer: probe.Policy}.Token(), "too long": good + strings.Repeat("A", probe.MaxToken),
		"first without then": probe.Plan{Answer: probe.DenyAll, First: probe.Error}.Token(),
		"then without first": probe.Plan{Answer: probe.DenyAll, Then: 1}.Token(),
		"too large":          probe.Plan{Answer: probe.Policy, Statements: allowAll, Bytes: probe.MaxBytes + 1}.Token(),
		"a long denial":      probe.Plan{Answer: probe.DenyAll, Bytes: 9000}.Token(),
		"no effect":          probe.Plan{Answer: probe.Policy, Statements: []probe.Statement{{Resources: []string{"*"}}}}.Token(),
		"no resource":        probe.Plan{Answer: probe.Policy, Statements: []probe.Statement{{Effect: policy.Allow}}}.Token(),
		"a past second":      probe.Plan{Answer: probe.Policy, Statements: []probe.Statement{{Effect: policy.Allow, Resources: []string{"*"}, Until: -1}}}.Token(),
	} {
		b, err := handler.Invoke(t.Context(), tokenEvent(t, token, "/a"))
		if err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

// TestAnAnswerHasTheBytesThatAreAskedFor, each resource within API Gateway's limit,
// and says the same as without.
func TestAnAnswerHasTheBytesThatAreAskedFor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1000, probe.MaxBytes).Draw(rt, "bytes")
		b, err := ask(t, probe.Plan{Answer: probe.Policy, Statements: allowAll, Bytes: n}, at)
		if err != nil || len(b) != n {
			rt.Fatalf("%d bytes, %v", len(b), err)
		}
		var r struct{ PolicyDocument policy.Document }
		if err := json.Unmarshal(b, &r); err != nil {
			rt.Fatal(err)
		}
		for _, s := range r.PolicyDocument.Statement {
			for _, resource := range s.Resource {
				if len(resource) > policy.MaxResource {
					rt.Fatalf("a resource has %d characters", len(resource))
				}
			}
		}
		if policy.Evaluate(r.PolicyDocument, arn+"/probe/GET/a", at, netip.Addr{}) != policy.Allowed {
			rt.Fatal("what is allowed without is not allowed any more")
		}
	})
	if _, err := ask(t, probe.Plan{Answer: probe.Policy, Statements: allowAll, Bytes: 10}, at); err == nil {
		t.Error("an answer of 10 bytes")
	}
}

// TestNobodyIsLetIntoAnotherAPI: whoever writes the token decides, so the function
// must be of no use where somebody attaches it to an API of his own.
func TestNobodyIsLetIntoAnotherAPI(t *testing.T) {
	const token = `"Bearer probe.eyJub25jZSI6IiIsImFuc3dlciI6InBvbGljeSIsInN0YXRlbWVudHMiOlt7ImVmZmVjdCI6IkFsbG93IiwicmVzb3VyY2VzIjpbIioiXX1dfQ"`
	event := func(resource string) string {
		return `{"type":"REQUEST","headers":{"authorization":` + token + `},"routeArn":"` + resource + `"}`
	}
	for name, c := range map[string]struct {
		apis []string
		arn  string
		want bool
	}{
		"its own":       {[]string{id}, arn + "/probe/GET/a", true},
		"one of two":    {[]string{"another", id}, arn + "/probe/GET/a", true},
		"another":       {[]string{id}, "arn:aws:execute-api:us-east-1:123456789012:other00001/probe/GET/a", false},
		"longer":        {[]string{id}, arn + "x/probe/GET/a", false},
		"in the path":   {[]string{id}, "arn:aws:execute-api:us-east-1:123456789012:other00001/probe/GET/:" + id + "/a", false},
		"nothing known": {nil, arn + "/probe/GET/a", false},
		"no id":         {[]string{id, ""}, "arn:aws:execute-api:us-east-1:123456789012:/probe/GET/a", false},
		"no ARN":        {[]string{id, ""}, "", false},
		"half an ARN":   {[]string{id}, id + "/probe/GET/a", false},
	} {
		b, err := probe.Handler{APIs: c.apis}.Invoke(t.Context(), []byte(event(c.arn)))
		if (err == nil) != c.want || err != nil && (err.Error() == "Unauthorized" || len(b) > 0) {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

// TestTheBackendGivesTheContextBack, of REST and of HTTP APIs, with the route, and
// nothing of the request.
func TestTheBackendGivesTheContextBack(t *testing.T) {
	for name, event := range map[string]string{
		"rest":     `{"httpMethod":"GET","resource":"/route/{id}","headers":{"Authorization":"secret"},"requestContext":{"authorizer":{"call":"X","principalId":"probe"}}}`,
		"http 2.0": `{"version":"2.0","routeKey":"ANY /route/{id}","headers":{"authorization":"secret"},"requestContext":{"authorizer":{"lambda":{"call":"X"}}}}`,
	} {
		b, err := probe.Handler{}.Invoke(t.Context(), []byte(event))
		if err != nil || strings.Contains(string(b), `\"isHttp\":true`) != (name == "http 2.0") || !strings.Contains(string(b), `\"call\":\"X\"`) || !strings.Contains(string(b), `\"route\":\"/route/{id}\"`) || !strings.Contains(string(b), `"statusCode":200`) || strings.Contains(string(b), "secret") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
	if b, err := (probe.Handler{}).Invoke(t.Context(), []byte("no JSON")); err == nil {
		t.Errorf("no JSON: %s", b)
	}
}

// TestBehindEachKindOfAPI: the gateway takes its answers.
func TestBehindEachKindOfAPI(t *testing.T) {
	for _, flavour := range []gateway.Flavour{gateway.RESTToken, gateway.RESTRequest, gateway.HTTPv1, gateway.HTTPv2} {
		g, err := gateway.New(gateway.Config{Flavour: flavour, ARN: arn, Stages: []string{"probe"}, Authorizer: handler})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/probe/a", nil)
		r.Header.Set("Authorization", probe.Plan{Answer: probe.Policy, Statements: allowAll}.Token())
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"arn":"probe/GET/a"`) || strings.Contains(w.Body.String(), "123456789012") {
			t.Errorf("%s: %d %s", flavour, w.Code, w.Body)
		}
	}
}

// FuzzEvents: whatever comes, there is an answer or an error, and never a policy
// without a plan.
func FuzzEvents(f *testing.F) {
	f.Add(tokenEvent(f, probe.Plan{Answer: probe.Policy, Statements: allowAll, Bytes: 2000}.Token(), "/a"))
	f.Add([]byte(`{"type":"REQUEST","routeArn":"x","headers":{"authorization":"Bearer probe.e30"}}`))
	f.Add([]byte(`{"requestContext":{"authorizer":{"lambda":1}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := handler.Invoke(t.Context(), payload)
		if err == nil && !json.Valid(b) {
			t.Errorf("answers %q", b)
		}
	})
}

// FuzzToken: what is read is written again as what is read.
func FuzzToken(f *testing.F) {
	f.Add(probe.Plan{Answer: probe.Policy, Statements: allowAll, Nonce: "n", Bytes: 9000}.Token())
	f.Add(probe.Plan{Answer: probe.DenyAll, First: probe.Error, Then: 1}.Token())
	f.Fuzz(func(t *testing.T, token string) {
		p, err := probe.ParseToken(token)
		if err != nil {
			return
		}
		if again, err := probe.ParseToken(p.Token()); err != nil || again.Token() != p.Token() {
			t.Errorf("%+v is read again as %+v, %v", p, again, err)
		}
	})
}
