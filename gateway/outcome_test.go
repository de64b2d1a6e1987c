package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"scopegate/gateway"
	"scopegate/policy"
)

func TestRefusalsHaveAPIGatewaysStatusesHeadersAndBodies(t *testing.T) {
	const (
		denied   = `{"%s":"User is not authorized to access this resource"}`
		explicit = `{"%s":"User is not authorized to access this resource with an explicit deny"}`
		noAuth   = `{"message":"Unauthorized"}`
	)
	silent := iam(statement("Allow", "dev/GET/other"))
	deny := iam(statement("Allow", "*"), statement("Deny", "dev/GET/a"))
	for _, c := range []struct {
		name       string
		flavour    gateway.Flavour
		answer     string
		err        error
		status     int
		body, kind string
	}{
		{"not matched", gateway.RESTToken, silent, nil, 403, fmt.Sprintf(denied, "Message"), "AccessDeniedException"},
		{"not matched", gateway.RESTRequest, silent, nil, 403, fmt.Sprintf(denied, "Message"), "AccessDeniedException"},
		{"not matched", gateway.HTTPv1, silent, nil, 403, fmt.Sprintf(denied, "message"), ""},
		{"not matched", gateway.HTTPv2, silent, nil, 403, fmt.Sprintf(denied, "message"), ""},
		{"explicit deny", gateway.RESTToken, deny, nil, 403, fmt.Sprintf(explicit, "Message"), "AccessDeniedException"},
		{"explicit deny", gateway.HTTPv2, deny, nil, 403, fmt.Sprintf(explicit, "message"), ""},
		{"simple false", gateway.HTTPv2Simple, `{"isAuthorized":false}`, nil, 403, `{"message":"Forbidden"}`, ""},
		{"refused", gateway.RESTToken, "", errors.New("Unauthorized"), 401, noAuth, "UnauthorizedException"},
		{"refused", gateway.RESTRequest, "", errors.New("Unauthorized"), 401, noAuth, "UnauthorizedException"},
		{"refused", gateway.HTTPv2, "", errors.New("Unauthorized"), 401, noAuth, ""},
		{"failed", gateway.RESTToken, "", errors.New("read table"), 500, `{"message":null}`, "AuthorizerConfigurationException"},
		{"failed", gateway.HTTPv1, "", errors.New("read table"), 500, `{"message":"Internal Server Error"}`, ""},
		{"wrapped refusal", gateway.RESTToken, "", errors.New("verify: Unauthorized"), 500, `{"message":null}`, "AuthorizerConfigurationException"},
		{"refusal in lower case", gateway.HTTPv2, "", errors.New("unauthorized"), 500, `{"message":"Internal Server Error"}`, ""},
		{"no answer", gateway.RESTToken, "null", nil, 500, `{"message":null}`, "AuthorizerConfigurationException"},
	} {
		a := &fake{answers: map[string]string{"*": c.answer}, err: c.err}
		w := as(start(t, config(c.flavour, a)), "T", "/dev/a")
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("X-Amzn-Errortype") != c.kind {
			t.Errorf("%s, %v: %d %s %q; want %d %s %q", c.name, c.flavour, w.Code, w.Body, w.Header().Get("X-Amzn-Errortype"), c.status, c.body, c.kind)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s, %v: Content-Type %q", c.name, c.flavour, got)
		}
	}
}

func TestResponsesCarryTheRequestID(t *testing.T) {
	a := &fake{answers: map[string]string{"T": iam(statement("Allow", "*"))}}
	for f, names := range map[gateway.Flavour][]string{
		gateway.RESTToken: {"X-Amzn-Requestid", "X-Amz-Apigw-Id"}, gateway.HTTPv2: {"Apigw-Requestid"},
	} {
		for _, token := range []string{"T", "refused"} {
			w := as(start(t, config(f, a)), token, "/dev/a")
			for _, name := range names {
				if w.Header().Get(name) == "" {
					t.Errorf("%v, status %d: no %s", f, w.Code, name)
				}
			}
		}
	}
}

func TestSimpleResponseAllows(t *testing.T) {
	a := &fake{answers: map[string]string{"*": `{"isAuthorized":true,"context":{"scp":"email","list":[1]}}`}}
	w := as(start(t, config(gateway.HTTPv2Simple, a)), "T", "/a")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"list":[1]`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMissingIdentityIs401WithoutACall(t *testing.T) {
	type ask struct{ target, name, value string }
	for _, c := range []struct {
		name    string
		flavour gateway.Flavour
		sources []string
		regex   string
		ask     ask
	}{
		{"no header", gateway.RESTToken, nil, "", ask{"/dev/a", "X", "y"}},
		{"empty header", gateway.RESTToken, nil, "", ask{"/dev/a", "Authorization", ""}},
		{"not a JWT", gateway.RESTToken, nil, `^Bearer [^.]+\.[^.]+\.[^.]+$`, ask{"/dev/a", "Authorization", "Bearer ThisIsNotAJWT"}},
		{"another header", gateway.RESTToken, []string{"method.request.header.Auth"}, "", ask{"/dev/a", "Authorization", "Bearer T"}},
		{"no header", gateway.RESTRequest, nil, "", ask{"/dev/a", "X", "y"}},
		{"one of two", gateway.RESTRequest, []string{"method.request.header.Authorization", "method.request.querystring.k"}, "", ask{"/dev/a", "Authorization", "Bearer T"}},
		{"empty query", gateway.HTTPv2, []string{"$request.querystring.k"}, "", ask{"/dev/a?k=", "X", "y"}},
		{"no header", gateway.HTTPv1, nil, "", ask{"/dev/a", "X", "y"}},
		{"no stage variable", gateway.HTTPv2, []string{"$stageVariables.x"}, "", ask{"/dev/a", "Authorization", "Bearer T"}},
		{"no header", gateway.HTTPv2Simple, nil, "", ask{"/dev/a", "X", "y"}},
	} {
		a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
		cfg := config(c.flavour, a)
		cfg.IdentitySources, cfg.TokenRegex = c.sources, c.regex
		w := get(start(t, cfg), c.ask.target, c.ask.name, c.ask.value)
		if w.Code != http.StatusUnauthorized || w.Body.String() != `{"message":"Unauthorized"}` || a.calls() != 0 {
			t.Errorf("%s, %v: %d %s after %d calls", c.name, c.flavour, w.Code, w.Body, a.calls())
		}
	}
}

func TestTokenThatMatchesTheExpressionIsPassedOn(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	cfg := config(gateway.RESTToken, a)
	cfg.TokenRegex = `^Bearer [^.]+\.[^.]+\.[^.]+$`
	if w := as(start(t, cfg), "a.b.c", "/dev/a"); w.Code != http.StatusOK || a.calls() != 1 {
		t.Errorf("status %d after %d calls", w.Code, a.calls())
	}
}

func TestWebSocketConnectIsDecided(t *testing.T) {
	for _, c := range []struct {
		name, request, answer string
		status                int
	}{
		{"allowed", line("GET /dev HTTP/1.1", "Upgrade: websocket"), iam(statement("Allow", "dev/$connect")), 200},
		{"methods of the stage only", line("GET /dev/ HTTP/1.1", "Upgrade: websocket"), iam(statement("Allow", "dev/*/*")), 403},
		{"denied", line("GET /dev HTTP/1.1", "Upgrade: websocket"), iam(statement("Deny", "*")), 403},
		{"refused", line("GET /dev HTTP/1.1", "Upgrade: websocket"), "", 401},
		{"no upgrade", line("GET /dev HTTP/1.1"), iam(statement("Allow", "*")), 403},
		{"a path below", line("GET /dev/a HTTP/1.1", "Upgrade: websocket"), iam(statement("Allow", "*")), 403},
		{"POST", line("POST /dev HTTP/1.1", "Upgrade: websocket"), iam(statement("Allow", "*")), 403},
		{"no such stage", line("GET /prod HTTP/1.1", "Upgrade: websocket"), iam(statement("Allow", "*")), 403},
	} {
		a := &fake{answers: map[string]string{"*": c.answer}}
		if c.answer == "" {
			a.answers = nil
		}
		status, _, body := raw(t, start(t, config(gateway.WebSocket, a)), c.request)
		if status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, status, body, c.status)
		}
		if status == http.StatusOK && !strings.Contains(body, "not emulated") {
			t.Errorf("%s: %s does not say that messages are not emulated", c.name, body)
		}
	}
}

// AWS: "How API Gateway resource policies affect authorization workflow".
func TestResourcePolicyIsCombinedByAWSsTable(t *testing.T) {
	allow, deny, neither := statement("Allow", "dev/GET/a"), statement("Deny", "dev/GET/a"), statement("Allow", "dev/GET/b")
	for _, c := range []struct {
		resource, answer string
		status, calls    int
	}{
		{allow, allow, 200, 1}, {allow, neither, 200, 1}, {allow, deny, 403, 1},
		{neither, allow, 200, 1}, {neither, neither, 403, 1}, {neither, deny, 403, 1},
		{deny, allow, 403, 0}, {deny, neither, 403, 0}, {deny, deny, 403, 0},
	} {
		a := &fake{answers: map[string]string{"*": iam(c.answer)}}
		cfg := config(gateway.RESTToken, a)
		cfg.ResourcePolicy = document(c.resource)
		w := as(start(t, cfg), "T", "/dev/a")
		if w.Code != c.status || a.calls() != c.calls {
			t.Errorf("resource policy %s, authorizer %s: %d after %d calls, want %d after %d", c.resource, c.answer, w.Code, a.calls(), c.status, c.calls)
		}
	}
}

func document(s string) *policy.Document {
	effect, tail := policy.Allow, "dev/GET/a"
	if strings.Contains(s, `"Deny"`) {
		effect = policy.Deny
	}
	if strings.Contains(s, "GET/b") {
		tail = "dev/GET/b"
	}
	return &policy.Document{Version: policy.Version, Statement: []policy.Statement{
		{Action: policy.Strings{policy.Invoke}, Effect: effect, Resource: policy.Strings{apiARN + "/" + tail}},
	}}
}

func TestAuthorizerThatPanicsIsAFailure(t *testing.T) {
	g := start(t, config(gateway.RESTToken, gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, error) { panic("bug") })))
	if w := as(g, "T", "/dev/a"); w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
}

func TestAuthorizerThatDoesNotAnswerInTimeIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late gateway.AuthorizerFunc = func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return []byte(iam(statement("Allow", "*"))), nil
		}
		if w := as(start(t, config(gateway.RESTToken, late)), "T", "/dev/a"); w.Code != http.StatusInternalServerError {
			t.Errorf("status %d", w.Code)
		}
	})
}

func TestEveryRequestIsReportedOnce(t *testing.T) {
	a := &fake{answers: map[string]string{"T": iam(statement("Allow", "dev/GET/a"))}}
	cfg := config(gateway.RESTToken, a)
	cfg.AuthorizerTTL = gateway.MaxTTL
	cfg.Backend = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	var got []gateway.Decision
	cfg.OnDecision = func(d gateway.Decision) { d.Took = 0; got = append(got, d) }
	g := start(t, cfg)
	as(g, "T", "/dev/a")
	as(g, "T", "/dev/b?secret")
	as(g, "X", "/dev/a")
	as(g, "T", "/prod/a")
	arn := apiARN + "/dev/GET"
	want := []gateway.Decision{
		{Flavour: gateway.RESTToken, Stage: "dev", Method: "GET", Path: "/a", MethodARN: arn + "/a", Outcome: gateway.Allowed, Status: 418, Called: true, PrincipalID: "alice"},
		{Flavour: gateway.RESTToken, Stage: "dev", Method: "GET", Path: "/b", MethodARN: arn + "/b", Outcome: gateway.Denied, Status: 403, Cached: true, PrincipalID: "alice"},
		{Flavour: gateway.RESTToken, Stage: "dev", Method: "GET", Path: "/a", MethodARN: arn + "/a", Outcome: gateway.Unauthorized, Status: 401, Called: true},
		{Flavour: gateway.RESTToken, Method: "GET", Outcome: gateway.NoStage, Status: 403},
	}
	if len(got) != len(want) {
		t.Fatalf("%d reports, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("report %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestReportOfAFailureSaysWhy(t *testing.T) {
	for answer, want := range map[string]struct {
		outcome gateway.Outcome
		err     string
	}{
		"{}": {gateway.Misconfigured, "principalId: missing"}, "": {gateway.Failed, "read table"},
	} {
		a := &fake{answers: map[string]string{"*": answer}}
		if answer == "" {
			a.err = errors.New("read table")
		}
		cfg := config(gateway.HTTPv2, a)
		var got gateway.Decision
		cfg.OnDecision = func(d gateway.Decision) { got = d }
		as(start(t, cfg), "T", "/dev/a")
		if got.Outcome != want.outcome || got.Err == nil || !strings.Contains(got.Err.Error(), want.err) {
			t.Errorf("%q: %v, %v; want %v, %s", answer, got.Outcome, got.Err, want.outcome, want.err)
		}
	}
}

func TestConfigWithoutAFlavourDoesNotStart(t *testing.T) {
	g, err := gateway.New(gateway.Config{ARN: "arn:x", Stages: []string{"a b"}, AuthorizerTTL: -1, TokenRegex: "("})
	if err == nil || g != nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"flavour", "authorizer: missing", "authorizer TTL", "API:", "token validation expression"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}

func TestContradictoryConfigDoesNotStart(t *testing.T) {
	for name, change := range map[string]func(*gateway.Config){
		"TTL above an hour":        func(c *gateway.Config) { c.AuthorizerTTL = gateway.MaxTTL + 1 },
		"cache of a WebSocket API": func(c *gateway.Config) { c.Flavour, c.AuthorizerTTL = gateway.WebSocket, 1 },
		"cache without identity": func(c *gateway.Config) {
			c.Flavour, c.AuthorizerTTL, c.IdentitySources = gateway.RESTRequest, 1, []string{}
		},
		"no stage":              func(c *gateway.Config) { c.Stages = nil },
		"$default on REST":      func(c *gateway.Config) { c.Stages = []string{"$default"} },
		"expression on REQUEST": func(c *gateway.Config) { c.Flavour, c.TokenRegex = gateway.RESTRequest, "x" },
		"two sources on TOKEN": func(c *gateway.Config) {
			c.IdentitySources = []string{"method.request.header.A", "method.request.header.B"}
		},
		"query on TOKEN":        func(c *gateway.Config) { c.IdentitySources = []string{"method.request.querystring.A"} },
		"source of an HTTP API": func(c *gateway.Config) { c.IdentitySources = []string{"$request.header.A"} },
		"source of a REST API": func(c *gateway.Config) {
			c.Flavour, c.IdentitySources = gateway.HTTPv2, []string{"method.request.header.A"}
		},
		"source without name": func(c *gateway.Config) { c.IdentitySources = []string{"method.request.header."} },
		"path parameter": func(c *gateway.Config) {
			c.Flavour, c.IdentitySources = gateway.RESTRequest, []string{"method.request.path.id"}
		},
		"unknown context":        func(c *gateway.Config) { c.Flavour, c.IdentitySources = gateway.HTTPv2, []string{"$context.requestId"} },
		"header without request": func(c *gateway.Config) { c.Flavour, c.IdentitySources = gateway.HTTPv2, []string{"$header.A"} },
		"stage variable of the request": func(c *gateway.Config) {
			c.Flavour, c.IdentitySources = gateway.HTTPv2, []string{"$request.stageVariables.A"}
		},
		"resource policy on HTTP": func(c *gateway.Config) { c.Flavour, c.ResourcePolicy = gateway.HTTPv2, &policy.Document{} },
		"negative cache":          func(c *gateway.Config) { c.CacheSize = -1 },
		"negative time-out":       func(c *gateway.Config) { c.AuthorizerTimeout = -1 },
	} {
		c := config(gateway.RESTToken, &fake{})
		change(&c)
		if _, err := gateway.New(c); err == nil {
			t.Errorf("%s: it started", name)
		}
	}
}

func TestClientThatGoesAwayDoesNotEndTheCall(t *testing.T) {
	var during error
	g := start(t, config(gateway.RESTToken, gateway.AuthorizerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		during = ctx.Err()
		return []byte(iam(statement("Allow", "*"))), nil
	})))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/dev/a", nil)
	r.Header.Set("Authorization", "Bearer T")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if during != nil || w.Code != http.StatusOK {
		t.Errorf("the call's context: %v; status %d", during, w.Code)
	}
}

// A policy that denies the very ARN it was asked for must match that request,
// whatever bytes the client put into it.
func TestDenyOfTheARNInTheEventMatchesTheRequest(t *testing.T) {
	for _, f := range []gateway.Flavour{gateway.RESTToken, gateway.HTTPv1, gateway.HTTPv2} {
		g := start(t, config(f, gateway.AuthorizerFunc(func(_ context.Context, event []byte) ([]byte, error) {
			var e struct{ MethodARN, RouteARN string }
			if err := json.Unmarshal(event, &e); err != nil {
				return nil, err
			}
			tail := strings.TrimPrefix(e.MethodARN+e.RouteARN, apiARN+"/")
			return []byte(iam(statement("Allow", "*"), statement("Deny", tail))), nil
		})))
		for _, target := range []string{"/dev/a", "/dev/%FF", "/dev/%ff%fe", "/dev/\xff\xfe", "/dev/%00", "/dev/%22%5C", "/dev/<&>", "/dev/%E2%80%A8", "/dev//%2F"} {
			if status, _, body := raw(t, g, line("GET "+target+" HTTP/1.1")); status != http.StatusForbidden {
				t.Errorf("%v %q: status %d %s, want 403", f, target, status, body)
			}
		}
	}
}

func TestReportedStatusIsTheFinalOne(t *testing.T) {
	cfg := config(gateway.RESTToken, &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}})
	cfg.Backend = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "hello")
	})
	done := make(chan gateway.Decision, 1)
	cfg.OnDecision = func(d gateway.Decision) { done <- d }
	raw(t, start(t, cfg), line("GET /dev/a HTTP/1.1"))
	if d := <-done; d.Status != http.StatusOK {
		t.Errorf("status %d", d.Status)
	}
}
