package lambdaproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/internal/lambdaproxy"
)

// seen is what a handler sees of a request.
type seen struct {
	Method, Path, Escaped, Query, Host, Remote, RequestID, Body, Proto string
	Header                                                             http.Header
	Length                                                             int64
}

// look notes what it sees and answers with it.
func look(to *seen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		*to = seen{
			r.Method, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.RemoteAddr, lambdaproxy.RequestID(r.Context()), string(b), r.Proto,
			r.Header, r.ContentLength,
		}
	})
}

type answer struct {
	StatusCode        int
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Cookies           []string
	Body              string
	IsBase64Encoded   bool
}

func invoke(t *testing.T, p *lambdaproxy.Proxy, event string) answer {
	t.Helper()
	b, err := p.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return a
}

const (
	restEvent = `{"resource":"/{proxy+}","path":"/v1/revocations/a.example:x%2Fy","httpMethod":"PUT",
		"headers":{"Host":"h.example","Authorization":"Bearer b","X-One":"1"},
		"multiValueHeaders":{"Host":["h.example"],"Authorization":["Bearer a","Bearer b"],"X-One":["1"]},
		"queryStringParameters":{"a":"2","b":"x y"},"multiValueQueryStringParameters":{"a":["1","2"],"b":["x y"]},
		"pathParameters":{"proxy":"v1/apis"},"stageVariables":null,
		"requestContext":{"requestId":"r-1","stage":"v1","protocol":"HTTP/1.1","domainName":"d.example","identity":{"sourceIp":"192.0.2.7"},
			"authorizer":{"claims":{"roles":"Mappings.Admin"}}},
		"body":"{\"a\":1}","isBase64Encoded":false}`
	http1Event = `{"version":"1.0","resource":"$default","path":"/dev/v1/apis","httpMethod":"GET","headers":{"authorization":"Bearer a"},
		"multiValueHeaders":{"authorization":["Bearer a"]},"queryStringParameters":null,"multiValueQueryStringParameters":null,
		"requestContext":{"requestId":"r-2","stage":"dev","protocol":"HTTP/1.1","domainName":"d.example","identity":{"sourceIp":"2001:db8::1"}},"body":null,"isBase64Encoded":false}`
	http2Event = `{"version":"2.0","routeKey":"$default","rawPath":"/dev/v1/apis/a b","rawQueryString":"a=1&a=2&b=x%20y","cookies":["c=1","d=2"],
		"headers":{"host":"h.example","authorization":"Bearer a,Bearer b","content-length":"3"},"queryStringParameters":{"a":"1,2"},
		"requestContext":{"requestId":"r-3","stage":"dev","domainName":"d.example","http":{"method":"POST","path":"/dev/v1","protocol":"HTTP/1.1","sourceIp":"192.0.2.7"}},
		"body":"AP8B","isBase64Encoded":true}`
)

func TestTheHandlerSeesWhatTheClientSent(t *testing.T) {
	for event, want := range map[string]seen{
		restEvent: {Method: "PUT", Path: "/v1/revocations/a.example:x/y", Escaped: "/v1/revocations/a.example:x%2Fy", Query: "a=1&a=2&b=x+y", Host: "h.example",
			Remote: "192.0.2.7:0", RequestID: "r-1", Body: `{"a":1}`, Proto: "HTTP/1.1", Length: 7,
			Header: http.Header{"Authorization": {"Bearer a", "Bearer b"}, "X-One": {"1"}}},
		http1Event: {Method: "GET", Path: "/v1/apis", Escaped: "/v1/apis", Host: "d.example", Remote: "[2001:db8::1]:0", RequestID: "r-2", Proto: "HTTP/1.1",
			Header: http.Header{"Authorization": {"Bearer a"}}},
		http2Event: {Method: "POST", Path: "/v1/apis/a b", Escaped: "/v1/apis/a%20b", Query: "a=1&a=2&b=x%20y", Host: "h.example",
			Remote: "192.0.2.7:0", RequestID: "r-3", Body: "\x00\xff\x01", Proto: "HTTP/1.1", Length: 3,
			Header: http.Header{"Authorization": {"Bearer a,Bearer b"}, "Cookie": {"c=1; d=2"}}},
	} {
		var got seen
		if a := invoke(t, &lambdaproxy.Proxy{Handler: look(&got)}, event); a.StatusCode != 200 {
			t.Errorf("%+v", a)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("seen\n%+v, want\n%+v", got, want)
		}
	}
}

// TestPathsAreReadAsTheyCome: with the stage or without, escaped or decoded.
func TestPathsAreReadAsTheyCome(t *testing.T) {
	for _, c := range []struct{ shape, stage, path, escaped, plain string }{
		{"rest", "v1", "/v1/apis", "/v1/apis", "/v1/apis"},
		{"rest", "dev", "/a%2Fb/c", "/a%2Fb/c", "/a/b/c"},
		{"2.0", "$default", "/$default/x", "/$default/x", "/$default/x"},
		{"2.0", "dev", "/dev", "/", "/"},
		{"2.0", "dev", "/devices", "/devices", "/devices"},
		{"2.0", "dev", "/dev/dev/x", "/dev/x", "/dev/x"},
		{"2.0", "dev", "", "/", "/"},
		{"1.0", "dev", "/dev/x", "/x", "/x"},
		{"2.0", "$default", "/a b%2Fc", "/a%20b%2Fc", "/a b/c"},
		{"2.0", "$default", "/100%/é?#", "/100%25/%C3%A9%3F%23", "/100%/é?#"},
		{"2.0", "$default", "/a|b\n", "/a%7Cb%0A", "/a|b\n"},
		{"2.0", "$default", "//x", "//x", "//x"},
	} {
		path, err := json.Marshal(c.path)
		if err != nil {
			t.Fatal(err)
		}
		event := fmt.Sprintf(`{"version":%q,"httpMethod":"GET","path":%s,"requestContext":{"stage":%q}}`, c.shape, path, c.stage)
		switch c.shape {
		case "rest":
			event = strings.Replace(event, `"version":"rest",`, "", 1)
		case "2.0":
			event = fmt.Sprintf(`{"version":"2.0","rawPath":%s,"requestContext":{"stage":%q,"http":{"method":"GET"}}}`, path, c.stage)
		}
		var got seen
		invoke(t, &lambdaproxy.Proxy{Handler: look(&got)}, event)
		if got.Escaped != c.escaped || got.Path != c.plain {
			t.Errorf("%s %q on %s: %q, %q", c.shape, c.path, c.stage, got.Escaped, got.Path)
		}
	}
}

// TestAnEncodedSlashStaysInItsParameter: a principal's id may hold one.
func TestAnEncodedSlashStaysInItsParameter(t *testing.T) {
	var got string
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/revocations/{id}", func(_ http.ResponseWriter, r *http.Request) { got = r.PathValue("id") })
	if a := invoke(t, &lambdaproxy.Proxy{Handler: mux}, restEvent); a.StatusCode != 200 || got != "a.example:x/y" {
		t.Errorf("%q, %+v", got, a)
	}
}

// TestSeveralValuesStaySeveral, however their names are written.
func TestSeveralValuesStaySeveral(t *testing.T) {
	for _, headers := range []string{
		`"headers":{"Authorization":"Bearer a","authorization":"Bearer b"}`,
		`"multiValueHeaders":{"Authorization":["Bearer a"],"authorization":["Bearer b"]}`,
		`"multiValueHeaders":{"AUTHORIZATION":["Bearer a","Bearer b"]},"headers":{"Authorization":"Bearer b"}`,
	} {
		var got seen
		invoke(t, &lambdaproxy.Proxy{Handler: look(&got)}, `{"httpMethod":"GET","path":"/","requestContext":{},`+headers+`}`)
		if values := got.Header.Values("Authorization"); !slices.Equal(values, []string{"Bearer a", "Bearer b"}) {
			t.Errorf("%s: %q", headers, values)
		}
	}
}

func TestTheAnswerIsOfTheEventsShape(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.Header()["Vary"] = []string{"x", "y"}
		w.Header().Set("ETag", `"1-x"`)
		w.Header().Set("Content-Length", "99")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("X-Late", "1")
		io.WriteString(w, `{"<&>":1}`)
	})
	for _, event := range []string{restEvent, http1Event, http2Event} {
		a := invoke(t, &lambdaproxy.Proxy{Handler: h}, event)
		if a.StatusCode != 201 || a.Body != `{"<&>":1}` || a.IsBase64Encoded {
			t.Errorf("%+v", a)
		}
		if event == http2Event {
			if !slices.Equal(a.Cookies, []string{"a=1", "b=2"}) || a.Headers["Vary"] != "x, y" || a.Headers["Etag"] != `"1-x"` || a.Headers["Content-Type"] == "" ||
				len(a.Headers) != 3 || a.MultiValueHeaders != nil {
				t.Errorf("2.0: %+v", a)
			}
			continue
		}
		if !slices.Equal(a.MultiValueHeaders["Set-Cookie"], []string{"a=1", "b=2"}) || len(a.MultiValueHeaders["Vary"]) != 2 || len(a.MultiValueHeaders) != 4 || a.Headers != nil {
			t.Errorf("1.0: %+v", a)
		}
	}
}

func TestBytesAndEmptyAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		serve  http.HandlerFunc
		want   answer
	}{
		"nothing": {"GET", func(http.ResponseWriter, *http.Request) {}, answer{StatusCode: 200}},
		"bytes":   {"GET", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0, 255}) }, answer{StatusCode: 200, Body: "AP8=", IsBase64Encoded: true}},
		"head":    {"HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }, answer{StatusCode: 200}},
		"204":     {"GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, answer{StatusCode: 204}},
	} {
		a := invoke(t, &lambdaproxy.Proxy{Handler: c.serve}, fmt.Sprintf(`{"httpMethod":%q,"path":"/","requestContext":{}}`, c.method))
		if a.StatusCode != c.want.StatusCode || a.Body != c.want.Body || a.IsBase64Encoded != c.want.IsBase64Encoded {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestWhatCannotBeHandedOnIsTheClientsFault(t *testing.T) {
	never := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("handed on: %+v", r) })
	p := &lambdaproxy.Proxy{Handler: never, MaxBody: 8}
	for name, c := range map[string]struct {
		fields string
		want   int
	}{
		"method":       {`"httpMethod":"GE T","path":"/"`, 400},
		"path":         {`"httpMethod":"GET","path":"x"`, 400},
		"header name":  {`"httpMethod":"GET","path":"/","headers":{"a b":"c"}`, 400},
		"header value": {`"httpMethod":"GET","path":"/","headers":{"a":"b\r\nc: d"}`, 400},
		"base64":       {`"httpMethod":"PUT","path":"/","body":"%","isBase64Encoded":true`, 400},
		"large":        {`"httpMethod":"PUT","path":"/","body":"123456789"`, 413},
		"large bytes":  {`"httpMethod":"PUT","path":"/","body":"AAAAAAAAAAAA","isBase64Encoded":true`, 413},
		"query":        {`"version":"2.0","rawPath":"/","rawQueryString":"a\r\nb"`, 400},
		"no method":    {`"version":"2.0","rawPath":"/"`, 400},
	} {
		context := `{}`
		if strings.Contains(c.fields, "2.0") {
			context = `{"http":{}}`
			if name == "query" {
				context = `{"http":{"method":"GET"}}`
			}
		}
		a := invoke(t, p, `{"requestContext":`+context+`,`+c.fields+`}`)
		kind := a.Headers["Content-Type"] + strings.Join(a.MultiValueHeaders["Content-Type"], "")
		if a.StatusCode != c.want || kind != "application/problem+json" || !strings.Contains(a.Body, "detail") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestABodyOfTheLimitPasses(t *testing.T) {
	for _, fields := range []string{`"body":"12345678"`, `"body":"AAAAAAAAAAA=","isBase64Encoded":true`} {
		var got seen
		a := invoke(t, &lambdaproxy.Proxy{Handler: look(&got), MaxBody: 8}, `{"httpMethod":"PUT","path":"/","requestContext":{},`+fields+`}`)
		if a.StatusCode != 200 || got.Length != 8 {
			t.Errorf("%s: %+v, %+v", fields, a, got)
		}
	}
}

func TestOtherEventsAreErrors(t *testing.T) {
	p := &lambdaproxy.Proxy{Handler: http.NotFoundHandler()}
	for name, event := range map[string]string{
		"empty": ``, "no object": `[]`, "null": `null`, "nothing": `{}`,
		"authorizer":      `{"type":"REQUEST","methodArn":"x","httpMethod":"GET","path":"/","requestContext":{}}`,
		"authorizer, 2.0": `{"version":"2.0","type":"REQUEST","routeArn":"x","rawPath":"/","requestContext":{"http":{"method":"GET"}}}`,
		"queue":           `{"Records":[]}`, "queue and more": `{"Records":[],"httpMethod":"GET","path":"/","requestContext":{}}`,
		"websocket": `{"requestContext":{"connectionId":"x","eventType":"MESSAGE"},"httpMethod":"GET"}`,
		"balancer":  `{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/"}`,
		"both":      `{"version":"2.0","httpMethod":"GET","path":"/","requestContext":{"http":{"method":"GET"}}}`,
		"version":   `{"version":"3.0","httpMethod":"GET","path":"/","requestContext":{}}`,
		"types":     `{"httpMethod":5,"path":"/","requestContext":{}}`,
	} {
		if out, err := p.Invoke(t.Context(), []byte(event)); !errors.Is(err, lambdaproxy.ErrNoProxyEvent) || lambdaproxy.Is([]byte(event)) {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
	for _, event := range []string{restEvent, http1Event, http2Event} {
		if !lambdaproxy.Is([]byte(event)) {
			t.Errorf("is none: %s", event)
		}
	}
}

// TestWhatTheFunctionGetsWrongIsA500, and told to the log.
func TestWhatTheFunctionGetsWrongIsA500(t *testing.T) {
	var told any
	p := &lambdaproxy.Proxy{OnFailure: func(_ context.Context, cause any) { told = cause }}
	for name, h := range map[string]http.HandlerFunc{
		"panic": func(http.ResponseWriter, *http.Request) { panic("boom") },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			for range 7 {
				w.Write(bytes.Repeat([]byte("x"), 1<<20))
			}
		},
		"too large as JSON": func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("\""), 4<<20)) },
	} {
		p.Handler, told = h, nil
		for _, event := range []string{restEvent, http2Event} {
			if a := invoke(t, p, event); a.StatusCode != 500 || told == nil || strings.Contains(a.Body, "boom") {
				t.Errorf("%s: %d %.200s, told %v", name, a.StatusCode, a.Body, told)
			}
		}
	}
}

func TestTheRequestEndsWithTheInvocation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	want, _ := ctx.Deadline()
	p := &lambdaproxy.Proxy{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got, ok := r.Context().Deadline(); !ok || !got.Equal(want) {
			t.Errorf("deadline %s, %v", got, ok)
		}
	})}
	if _, err := p.Invoke(ctx, []byte(restEvent)); err != nil {
		t.Fatal(err)
	}
}
