package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"scopegate/gateway"
)

func TestPathReachesTheAuthorizerAsTheClientSentIt(t *testing.T) {
	for _, c := range []struct{ target, rest, http string }{
		{"/dev/my-resource", "dev/GET/my-resource", "dev/GET/my-resource"},
		{"/dev", "dev/GET/", "dev/GET/"},
		{"/dev/", "dev/GET/", "dev/GET/"},
		{"/dev//", "dev/GET//", "dev/GET//"},
		{"/dev?x=/y", "dev/GET/", "dev/GET/"},
		{"/dev/a/", "dev/GET/a/", "dev/GET/a/"},
		{"/dev//a", "dev/GET//a", "dev/GET//a"},
		{"/dev/a//b", "dev/GET/a//b", "dev/GET/a//b"},
		{"/dev/../a", "dev/GET/../a", "dev/GET/../a"},
		{"/dev/a/./b/..", "dev/GET/a/./b/..", "dev/GET/a/./b/.."},
		{"/dev/a%2Fb", "dev/GET/a%2Fb", "dev/GET/a/b"},
		{"/dev/a%2fb", "dev/GET/a%2fb", "dev/GET/a/b"},
		{"/dev/%61dmin", "dev/GET/%61dmin", "dev/GET/admin"},
		{"/dev/%2561", "dev/GET/%2561", "dev/GET/%61"},
		{"/dev/%2e%2e/a", "dev/GET/%2e%2e/a", "dev/GET/../a"},
		{"/dev/*", "dev/GET/*", "dev/GET/*"},
		{"/dev/%2A", "dev/GET/%2A", "dev/GET/*"},
		{"/dev/%3Fx", "dev/GET/%3Fx", "dev/GET/?x"},
		{"/dev/a+b", "dev/GET/a+b", "dev/GET/a+b"},
		{"/dev/a:b/c:", "dev/GET/a:b/c:", "dev/GET/a:b/c:"},
		{"/dev/${aws:username}", "dev/GET/${aws:username}", "dev/GET/${aws:username}"},
		{"/dev/a?b?c", "dev/GET/a", "dev/GET/a"},
		{"/dev/a;b=c", "dev/GET/a;b=c", "dev/GET/a;b=c"},
		{"/dev/%FF", "dev/GET/%FF", "dev/GET/\uFFFD"},
		{"/dev/\xc3\xa9\xff", "dev/GET/é\uFFFD", "dev/GET/é\uFFFD"},
		{"http://other.test/dev//a?b", "dev/GET//a", "dev/GET//a"},
		{"/my-resource", "", "$default/GET/my-resource"},
		{"//dev/a", "", "$default/GET//dev/a"},
		{"/%64ev/a", "", "$default/GET/dev/a"},
		{"/DEV/a", "", "$default/GET/DEV/a"},
		{"/dev%2Fa", "", "$default/GET/dev/a"},
		{"/$default/a", "", "$default/GET/$default/a"},
		{"/", "", "$default/GET/"},
	} {
		checkARN(t, gateway.RESTToken, "methodArn", c.target, c.rest)
		checkARN(t, gateway.RESTRequest, "methodArn", c.target, c.rest)
		checkARN(t, gateway.HTTPv1, "methodArn", c.target, c.http)
		checkARN(t, gateway.HTTPv2, "routeArn", c.target, c.http)
	}
}

// checkARN sends target over TCP. An empty tail means that no stage is there.
func checkARN(t *testing.T, f gateway.Flavour, member, target, tail string) {
	t.Helper()
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	status, _, body := raw(t, start(t, config(f, a)), line("GET "+target+" HTTP/1.1"))
	if tail == "" {
		if status != http.StatusForbidden || body != `{"message":"Forbidden"}` || a.calls() != 0 {
			t.Errorf("%v %q: status %d %s after %d calls, want 403 without one", f, target, status, body, a.calls())
		}
		return
	}
	if status != http.StatusOK {
		t.Errorf("%v %q: status %d %s", f, target, status, body)
		return
	}
	if got := a.event(t)[member]; got != apiARN+"/"+tail {
		t.Errorf("%v %q: %s ends %q, want %q", f, target, member, strings.TrimPrefix(got.(string), apiARN), "/"+tail)
	}
}

func TestNoSpellingOpensWhatThePolicyDoesNotName(t *testing.T) {
	only := iam(statement("Allow", "dev/GET/my-resource"))
	for _, f := range []gateway.Flavour{gateway.RESTToken, gateway.RESTRequest, gateway.HTTPv1, gateway.HTTPv2} {
		a := &fake{answers: map[string]string{"*": only}}
		c := config(f, a)
		c.AuthorizerTTL = gateway.MaxTTL
		g := start(t, c)
		if status, _, _ := raw(t, g, line("GET /dev/my-resource HTTP/1.1")); status != http.StatusOK {
			t.Fatalf("%v: the resource itself: status %d", f, status)
		}
		for _, target := range []string{
			"/dev/my-resource/", "/dev//my-resource", "/dev/my-resource//", "/dev/*", "/dev/?", "/dev/my-*",
			"/dev/my-resource/..", "/dev/x/../my-resource", "/dev/./my-resource", "/dev/MY-RESOURCE", "/dev/my-resource%00",
			"/dev/my-resource%20", "/dev/my-resource%2F", "/dev/my-resource/*",
		} {
			if status, _, body := raw(t, g, line("GET "+target+" HTTP/1.1")); status != http.StatusForbidden {
				t.Errorf("%v %q: status %d %s, want 403", f, target, status, body)
			}
		}
		if a.calls() != 1 {
			t.Errorf("%v: %d calls, want all from the cached policy", f, a.calls())
		}
	}
}

func TestWhatNoAPIRoutesIsAnsweredWithoutACall(t *testing.T) {
	long := "/dev/" + strings.Repeat("a", gateway.MaxMethodARN)
	for _, c := range []struct {
		name, request string
		rest, http    int
	}{
		{"asterisk form", line("OPTIONS * HTTP/1.1"), 400, 400},
		{"authority form", line("CONNECT api.test:443 HTTP/1.1"), 400, 400},
		{"method of lower case", line("get /dev/a HTTP/1.1"), 403, 404},
		{"method *", line("* /dev/a HTTP/1.1"), 403, 404},
		{"method $connect", line("$connect /dev/a HTTP/1.1"), 403, 404},
		{"TRACE", line("TRACE /dev/a HTTP/1.1"), 403, 404},
		{"path too long for an ARN", line("GET " + long + " HTTP/1.1"), 414, 414},
		{"headers too large", line("GET /dev/a HTTP/1.1", "X-Long: "+strings.Repeat("x", gateway.MaxHeaders)), 431, 431},
		{"query too large", line("GET /dev/a?" + strings.Repeat("x", gateway.MaxHeaders) + " HTTP/1.1"), 431, 431},
		{"escape that is none", line("GET /dev/%zz HTTP/1.1"), 400, 400},
		{"no Host", "GET /dev/a HTTP/1.1\r\nAuthorization: Bearer T\r\n\r\n", 400, 400},
		{"two Hosts", line("GET /dev/a HTTP/1.1", "Host: other.test"), 400, 400},
		{"a space in the path", line("GET /dev/a b HTTP/1.1"), 400, 400},
		{"a control character in the path", line("GET /dev/a\x01 HTTP/1.1"), 400, 400},
	} {
		for f, want := range map[gateway.Flavour]int{gateway.RESTToken: c.rest, gateway.RESTRequest: c.rest, gateway.HTTPv1: c.http, gateway.HTTPv2: c.http} {
			a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
			if status, _, body := raw(t, start(t, config(f, a)), c.request); status != want || a.calls() != 0 {
				t.Errorf("%s, %v: status %d %s after %d calls, want %d without one", c.name, f, status, body, a.calls(), want)
			}
		}
	}
}

func TestLongestMethodARNStillReachesTheAuthorizer(t *testing.T) {
	path := strings.Repeat("a", gateway.MaxMethodARN-len(apiARN+"/dev/GET/"))
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	if w := as(start(t, config(gateway.RESTToken, a)), "T", "/dev/"+path); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	if got := len(a.event(t)["methodArn"].(string)); got != gateway.MaxMethodARN {
		t.Errorf("%d bytes, want %d", got, gateway.MaxMethodARN)
	}
}

func TestHTTP10WithoutHostIsServed(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	status, _, body := raw(t, start(t, config(gateway.RESTRequest, a)), "GET /dev/a HTTP/1.0\r\nAuthorization: Bearer T\r\n\r\n")
	if status != http.StatusOK {
		t.Fatalf("status %d %s", status, body)
	}
	if _, ok := a.event(t)["headers"].(map[string]any)["Host"]; ok {
		t.Error("the event has a Host that the client did not send")
	}
}

func TestTwoTokensAreRefusedOrPassedOnBoth(t *testing.T) {
	request := line("GET /dev/a HTTP/1.1", "authorization: Bearer OTHER")
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	status, _, body := raw(t, start(t, config(gateway.RESTToken, a)), request)
	if status != http.StatusUnauthorized || a.calls() != 0 {
		t.Errorf("TOKEN: status %d %s after %d calls, want 401 without one", status, body, a.calls())
	}

	raw(t, start(t, config(gateway.RESTRequest, a)), request)
	values := a.event(t)["multiValueHeaders"].(map[string]any)["Authorization"].([]any)
	if len(values) != 2 || values[0] != "Bearer T" || values[1] != "Bearer OTHER" {
		t.Errorf("REQUEST: the event has %q, want both", values)
	}

	raw(t, start(t, config(gateway.HTTPv2, a)), request)
	e := a.event(t)
	if got := e["headers"].(map[string]any)["authorization"]; got != "Bearer T,Bearer OTHER" {
		t.Errorf("payload 2.0: the header is %q, want both joined", got)
	}
	if got := e["identitySource"].([]any); len(got) != 1 || got[0] != "Bearer T,Bearer OTHER" {
		t.Errorf("payload 2.0: identitySource is %q, want both joined", got)
	}
}

func TestTwoTokensAreNotTheCachedOneOfThem(t *testing.T) {
	for _, f := range []gateway.Flavour{gateway.RESTRequest, gateway.HTTPv1, gateway.HTTPv2} {
		a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
		c := config(f, a)
		c.AuthorizerTTL = gateway.MaxTTL
		g := start(t, c)
		get(g, "/dev/a", "Authorization", "Bearer T,Bearer X")
		get(g, "/dev/a", "Authorization", "Bearer T", "Authorization", "Bearer X")
		get(g, "/dev/a", "Authorization", "Bearer T")
		if a.calls() != 3 {
			t.Errorf("%v: %d calls, want one for each", f, a.calls())
		}
	}
}

func TestClientCannotForgeItsAddress(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	raw(t, start(t, config(gateway.RESTRequest, a)), line("GET /dev/a HTTP/1.1", "X-Forwarded-For: 10.9.8.7"))
	e := a.event(t)
	if got := e["requestContext"].(map[string]any)["identity"].(map[string]any)["sourceIp"]; got != "127.0.0.1" {
		t.Errorf("sourceIp %q, want the peer's", got)
	}
	if got := e["headers"].(map[string]any)["X-Forwarded-For"]; got != "10.9.8.7, 127.0.0.1" {
		t.Errorf("X-Forwarded-For %q, want the peer appended", got)
	}
}
