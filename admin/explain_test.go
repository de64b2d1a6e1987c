package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"scopegate/admin"
	"scopegate/internal/explain"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// secret is a token that nobody may repeat.
const secret = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2VjcmV0"

// apiCallers are tokens of the APIs' callers, by their name.
var apiCallers = callers{
	"reader": {Issuer: token.DefaultAuthority + "/" + home + "/v2.0", TenantID: home, Audience: "api://orders", ObjectID: "rita", Kind: token.KindUser, Scopes: []string{"orders.read"}, IssuedAt: epoch, End: epoch.Add(time.Hour)},
	"large":  {Issuer: token.DefaultAuthority + "/" + home + "/v2.0", TenantID: home, Audience: "api://orders", ObjectID: "lars", Kind: token.KindUser, Scopes: []string{"s"}, IssuedAt: epoch, End: epoch.Add(time.Hour)},
}

var explains = func(c *admin.Config) {
	c.Callers = apiCallers
	c.Explain = explain.Settings{ClockSkew: time.Minute, Trust: []mapping.Trust{{Tenant: home, Audiences: []string{"api://orders"}}}}
}

// asked is the body of a question.
func asked(more string) string {
	return `{"arn": "` + arn + `", "stage": "dev", "method": "GET", ` + more + `}`
}

func explanation(t *testing.T, a answer) admin.Explanation {
	t.Helper()
	var x admin.Explanation
	if err := json.Unmarshal([]byte(a.body), &x); err != nil || a.status != 200 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return x
}

func TestACallIsExplainedAsTheAuthorizerDecides(t *testing.T) {
	s := newServer(t, explains)
	s.owned(t)
	body := doc(`, "name": "Orders", `+owners+`, `+trust, orders, `"httpVerb": "GET", "resource": "orders/all", "scope": "other"`)
	put := s.call(t, "admin", "PUT", document, body, "If-Match", "*")
	if put.status != 200 {
		t.Fatalf("%d %s", put.status, put.body)
	}
	for _, c := range []struct {
		name, question, decision, reason string
		held                             int
	}{
		{"allowed by a token", `"path": "/orders/7", "token": "reader"`, "allow", "held_route", 1},
		{"a token with spaces around", `"path": "/orders/7", "token": " reader\n"`, "allow", "held_route", 1},
		{"allowed by claims", `"path": "/orders/7", "claims": {"scp": "orders.read"}`, "allow", "held_route", 1},
		{"denied", `"path": "/orders/all", "token": "reader"`, "deny", "not_held", 1},
		{"of no route", `"path": "/nothing", "token": "reader"`, "deny", "no_route", 1},
		{"of an untrusted audience", `"path": "/orders/7", "claims": {"scp": "orders.read", "aud": "api://other"}`, "deny", "untrusted", 0},
		{"an ended token", `"path": "/orders/7", "claims": {"scp": "orders.read", "exp": 1893440000}`, "unauthorized", "expired", 0},
		{"claims that no token may have", `"path": "/orders/7", "claims": {"scp": 1}`, "unauthorized", "claim_type", 0},
		{"a forged token", `"path": "/orders/7", "token": "` + secret + `"`, "unauthorized", "signature", 0},
	} {
		for _, caller := range []string{"admin", "app", "owner"} {
			a := s.call(t, caller, "POST", "/v1/explain", asked(c.question))
			x := explanation(t, a)
			if x.Decision != c.decision || x.Reason != c.reason || x.Meaning == "" || len(x.Held) != c.held || strings.Contains(a.body, secret) {
				t.Errorf("%s: %s", c.name, a.body)
			}
			if x.Decision == "unauthorized" {
				continue
			}
			if `"`+x.Revision+`"` != put.header.Get("ETag") || x.MethodARN == "" || x.Bytes == 0 || x.Bytes > x.MaxBytes || !strings.Contains(string(x.Policy), "Statement") || x.Collisions == nil || x.Unguarded == nil {
				t.Errorf("%s: %s", c.name, a.body)
			}
			if allowed := x.Decision == "allow"; allowed != (len(x.By) == 1) || allowed && x.Route != "GET /orders/{id}" {
				t.Errorf("%s by %s: %s", c.name, x.Route, a.body)
			}
		}
	}
}

func TestATableIsExplainedAsItIsNow(t *testing.T) {
	s := newServer(t, explains)
	question := asked(`"path": "/orders/7", "token": "reader"`)
	if x := explanation(t, s.call(t, "admin", "POST", "/v1/explain", question)); x.Decision != "deny" || x.Reason != "unknown_api" || x.Revision != "none" {
		t.Errorf("without a table: %+v", x)
	}
	s.registered(t)
	for _, c := range []struct{ body, want string }{{doc(""), "deny"}, {doc("", orders), "allow"}, {doc(""), "deny"}} {
		a := s.call(t, "admin", "PUT", document, c.body, "If-Match", "*")
		x := explanation(t, s.call(t, "admin", "POST", "/v1/explain", question))
		if x.Decision != c.want || `"`+x.Revision+`"` != a.header.Get("ETag") {
			t.Errorf("%s: %+v, want %s", c.body, x, c.want)
		}
	}
	s.call(t, "admin", "PUT", document, doc("", orders), "If-Match", "*")
	s.call(t, "admin", "PUT", "/v1/revocations/"+apiCallers["reader"].PrincipalID(), "")
	if x := explanation(t, s.call(t, "admin", "POST", "/v1/explain", question)); x.Decision != "unauthorized" || x.Reason != "revoked" || len(x.Policy) > 0 {
		t.Errorf("revoked: %+v", x)
	}
	s.call(t, "admin", "PUT", document+"?force=true", tooLarge(), "If-Match", "*")
	x := explanation(t, s.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/", "token": "large"`)))
	if x.Decision != "error" || x.Reason != "policy_too_large" || x.Bytes <= x.MaxBytes || len(x.Policy) > 0 || len(x.Held) != 120 {
		t.Errorf("too large: %s, %s, %d of %d", x.Decision, x.Reason, x.Bytes, x.MaxBytes)
	}
}

// TestAnOutageIsNeverAnExplanation.
func TestAnOutageIsNeverAnExplanation(t *testing.T) {
	s := newServer(t, explains)
	s.registered(t)
	if a := s.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/x", "token": "outage"`)); a.status != 503 || a.header.Get("Retry-After") == "" || strings.Contains(a.body, errDown.Error()) {
		t.Errorf("no keys: %d %s", a.status, a.body)
	}
	whole := s.store.Store
	s.store.Store = revocationsFail{whole}
	if a := s.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/x", "token": "reader"`)); a.status != 503 || strings.Contains(a.body, "10.0.0.7") {
		t.Errorf("no revocations: %d %s", a.status, a.body)
	}
	s.store.Store = whole
	s.store.err = fmt.Errorf("dial 10.0.0.7: refused")
	if a := s.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/x", "token": "reader"`)); a.status != 503 || strings.Contains(a.body, "10.0.0.7") {
		t.Errorf("no table: %d %s", a.status, a.body)
	}
}

// TestNothingOfATokenIsRepeated, wherever it was put by mistake.
func TestNothingOfATokenIsRepeated(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	s := newServer(t, explains, func(c *admin.Config) { c.Log = zap.New(core) })
	s.registered(t)
	for _, c := range []struct {
		body   string
		status int
	}{
		{asked(`"path": "/", "token": "` + secret + `"`), 200},
		{asked(`"path": "/", "token": "Bearer ` + secret + `"`), 200},
		{asked(`"path": "/", "token": "` + secret + `", "claims": {}`), 422},
		{asked(`"path": "/", "Token": "` + secret + `"`), 422},
		{asked(`"path": "/", "` + secret + `": 1, "token": "x"`), 422},
		{asked(`"path": "/", "token": ["` + secret + `"]`), 422},
		{asked(`"path": "/", "claims": "` + secret + `"`), 422},
		{asked(`"path": "` + secret + `", "token": "x"`), 422},
		{asked(`"path": "/", "token": "` + secret), 400},
		{`"` + secret + `"`, 422},
		{secret, 400},
	} {
		a := s.call(t, "admin", "POST", "/v1/explain", c.body)
		if a.status != c.status || strings.Contains(a.body, "c2VjcmV0") {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	for _, l := range logs.All() {
		if text := fmt.Sprint(l.Message, l.ContextMap()); strings.Contains(text, "c2VjcmV0") {
			t.Errorf("logged: %s", text)
		}
	}
}

func TestWhatAQuestionMayNotSayIsNamed(t *testing.T) {
	s := newServer(t, explains)
	s.registered(t)
	base := map[string]any{"arn": arn, "stage": "dev", "method": "GET", "path": "/", "token": "reader"}
	for _, c := range []struct {
		set  map[string]any
		want string
	}{
		{map[string]any{"arn": nil}, "body.arn"}, {map[string]any{"arn": "x"}, "body.arn"}, {map[string]any{"stage": 1}, "body.stage"}, {map[string]any{"stage": "a b"}, "body.stage"},
		{map[string]any{"method": ""}, "body.method"}, {map[string]any{"method": "A/B"}, "body.method"}, {map[string]any{"path": "x"}, "body.path"}, {map[string]any{"path": "/x?y"}, "body.path"},
		{map[string]any{"method": "$connect"}, "body.path"}, {map[string]any{"token": ""}, "body.token"}, {map[string]any{"token": nil}, "body.token"}, {map[string]any{"more": 1}, "alone"},
		{map[string]any{"token": absent}, "token or claims"}, {map[string]any{"claims": map[string]any{}}, "token or claims"}, {map[string]any{"token": absent, "claims": nil}, "body.claims"},
		{map[string]any{"token": absent, "claims": map[string]any{"iss": "x"}}, "body.claims.iss"},
		{map[string]any{"arn": absent, "stage": absent, "method": absent}, "body.method"},
	} {
		body := map[string]any{}
		for _, m := range []map[string]any{base, c.set} {
			for k, v := range m {
				if body[k] = v; reflect.DeepEqual(v, absent) {
					delete(body, k)
				}
			}
		}
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		a := s.call(t, "admin", "POST", "/v1/explain", string(b))
		if a.status != 422 || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %d %s, want %s", b, a.status, a.body, c.want)
			continue
		}
		a.problem(t)
	}
	plain := newServer(t)
	plain.registered(t)
	if a := plain.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/", "token": "reader"`)); a.status != 422 || !strings.Contains(a.body, "OIDC_AUDIENCES") {
		t.Errorf("without the callers' verifier: %d %s", a.status, a.body)
	}
	if x := explanation(t, plain.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/", "claims": {"scp": "s"}`))); x.Decision != "deny" {
		t.Errorf("claims without settings: %+v", x)
	}
	for _, kind := range []string{"application/yaml", "text/plain"} {
		if a := s.call(t, "admin", "POST", "/v1/explain", asked(`"path": "/", "token": "reader"`), "Content-Type", kind); a.status != 415 {
			t.Errorf("%s: %d", kind, a.status)
		}
	}
}

// absent takes a member out of a question.
var absent = struct{ absent bool }{true}

// revocationsFail is a store that knows nothing of revocations now.
type revocationsFail struct{ store.Store }

func (revocationsFail) Revocations(context.Context) (store.Revocations, error) {
	return store.Revocations{}, fmt.Errorf("dial 10.0.0.7: refused")
}

// FuzzExplain holds that any question is answered, or a problem of who asked.
func FuzzExplain(f *testing.F) {
	f.Add(asked(`"path": "/orders/7", "token": "reader"`))
	f.Add(asked(`"path": "/orders/%2e%2e/\u0000", "claims": {"scp": "orders.read", "exp": 1e400, "iss": "https://[::1", "aud": ["a", 1]}`))
	f.Add(`{"arn": "` + arn + `", "stage": "$default", "method": "$connect", "path": "", "claims": {"iss": "https://i.example", "roles": ["R"]}}`)
	f.Add(asked(`"path": "/", "claims": {"tid": "` + elsewhere + `", "ver": "1.0", "idtyp": "app"}`))
	f.Add(`[]`)
	s := newServer(f, explains)
	s.registered(f)
	if a := s.call(f, "admin", "PUT", document, doc("", orders, `"httpVerb": "ANY", "resource": "*", "authenticated": true`), "If-Match", "*"); a.status != 200 {
		f.Fatalf("%d %s", a.status, a.body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := s.call(t, "admin", "POST", "/v1/explain", body, "Content-Type", "application/json")
		switch a.status {
		case 400, 413, 422:
			a.problem(t)
		case 200:
			switch x := explanation(t, a); x.Decision {
			case "allow", "deny":
				if len(x.Policy) == 0 || x.Bytes == 0 {
					t.Fatalf("%s without a policy: %s", body, a.body)
				}
			case "unauthorized":
			default:
				t.Fatalf("%s: %s", body, a.body)
			}
		default:
			t.Fatalf("%s: %d %s", body, a.status, a.body)
		}
	})
}

// TestClaimsThatAnOwnerMakesUpTellNothingOfRevocations: those are the admins'. Of a
// token that he holds he is told.
func TestClaimsThatAnOwnerMakesUpTellNothingOfRevocations(t *testing.T) {
	s := newServer(t, explains)
	s.owned(t)
	const oid = "aaaaaaaa-0000-4000-8000-000000000001"
	for _, principal := range []string{home + ":" + oid, apiCallers["reader"].PrincipalID()} {
		if a := s.call(t, "admin", "PUT", "/v1/revocations/"+principal, ""); a.status != 201 {
			t.Fatalf("revoke: %d %s", a.status, a.body)
		}
	}
	madeUp := asked(`"path": "/x", "claims": {"oid": "` + oid + `", "scp": "orders.read"}`)
	held := asked(`"path": "/x", "token": "reader"`)
	for _, c := range []struct {
		caller, question string
		told             bool
	}{{"admin", madeUp, true}, {"owner", madeUp, false}, {"admin", held, true}, {"owner", held, true}} {
		x := explanation(t, s.call(t, c.caller, "POST", "/v1/explain", c.question))
		if got := x.Reason == "revoked"; got != c.told {
			t.Errorf("%s, %s: %+v", c.caller, c.question, x)
		}
	}
}
