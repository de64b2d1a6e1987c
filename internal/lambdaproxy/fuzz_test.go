package lambdaproxy_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"scopegate/internal/lambdaproxy"
)

// FuzzInvoke: whatever comes is an error or an answer that API Gateway can read.
func FuzzInvoke(f *testing.F) {
	for _, s := range []string{restEvent, http1Event, http2Event, `{"httpMethod":"GET","path":"/%zz","requestContext":{"identity":null}}`, `{"Records":[{"body":"x"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		var got seen
		p := &lambdaproxy.Proxy{Handler: look(&got), OnFailure: func(_ context.Context, cause any) { t.Errorf("%s: %v", event, cause) }}
		out, err := p.Invoke(t.Context(), event)
		if (err == nil) != lambdaproxy.Is(event) {
			t.Fatalf("%s: answered with %v, but is one: %v", event, err, err != nil)
		}
		if err != nil {
			return
		}
		var a answer
		if err := json.Unmarshal(out, &a); err != nil || a.StatusCode != 200 && a.StatusCode != 400 && a.StatusCode != 413 {
			t.Errorf("%s: %s, %v", event, out, err)
		}
		if a.StatusCode == 200 {
			checkSeen(t, got)
		}
	})
}

// checkSeen checks what net/http's server promises its handlers.
func checkSeen(t *testing.T, got seen) {
	t.Helper()
	if plain, err := url.PathUnescape(got.Escaped); err != nil || plain != got.Path || !strings.HasPrefix(got.Path, "/") {
		t.Errorf("path %q, escaped %q: %v", got.Path, got.Escaped, err)
	}
	for name, values := range got.Header {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") || name == "" {
			t.Errorf("header %q: %q", name, values)
		}
	}
	if got.Length != int64(len(got.Body)) {
		t.Errorf("%d bytes said to be %d", len(got.Body), got.Length)
	}
}

// sent is a request as a client sends it.
type sent struct {
	method, path, query string
	header              [][2]string
	body                []byte
}

func drawSent(t *rapid.T) sent {
	s := sent{
		method: rapid.SampledFrom([]string{"GET", "PUT", "POST", "DELETE", "PATCH", "X-OWN"}).Draw(t, "method"),
		path:   "/" + rapid.StringMatching(`([a-z0-9:@$._~-]|%2[0-9A-F]|%[3-6][0-9A-F]|%c3%A9|/){0,12}`).Draw(t, "path"),
		query:  rapid.StringMatching(`((a|b|%20|c%26)=([a-z0-9]|%2[0-9A-F]){0,4}(&(a|b)=[a-z]{0,3}){0,3})?`).Draw(t, "query"),
		body:   rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body"),
	}
	for range rapid.IntRange(0, 5).Draw(t, "headers") {
		s.header = append(s.header, [2]string{
			rapid.SampledFrom([]string{"Authorization", "authorization", "X-A", "x-a", "Cookie", "Content-Type"}).Draw(t, "name"),
			rapid.StringMatching(`[!-~]([ -~]{0,10}[!-~])?`).Draw(t, "value"),
		})
	}
	return s
}

// asServer is what net/http's server makes of it: the model.
func (s sent) asServer(t *rapid.T) *http.Request {
	var b strings.Builder
	target := s.path
	if s.query != "" {
		target += "?" + s.query
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: h.example\r\nContent-Length: %d\r\n", s.method, target, len(s.body))
	for _, h := range s.header {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n" + string(s.body))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(b.String())))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// asREST is the event that a REST API makes of it, asHTTP2 that of an HTTP API.
func (s sent) asREST(version string) map[string]any {
	last, all := map[string]string{"Host": "h.example"}, map[string][]string{"Host": {"h.example"}}
	for _, h := range s.header {
		last[h[0]] = h[1]
		all[h[0]] = append(all[h[0]], h[1])
	}
	query, _ := url.ParseQuery(s.query)
	e := map[string]any{
		"httpMethod": s.method, "path": s.path, "headers": last, "multiValueHeaders": all,
		"multiValueQueryStringParameters": query, "requestContext": map[string]any{"stage": "$default"},
	}
	if version != "" {
		e["version"] = version
	}
	return s.withBody(e)
}

func (s sent) asHTTP2(stage string) map[string]any {
	joined := map[string]string{"host": "h.example"}
	var cookies []string
	for _, h := range s.header {
		name := strings.ToLower(h[0])
		if name == "cookie" {
			cookies = append(cookies, h[1])
			continue
		}
		if was, ok := joined[name]; ok {
			h[1] = was + "," + h[1]
		}
		joined[name] = h[1]
	}
	path := s.path
	if stage != "$default" {
		path = "/" + stage + path
	}
	return s.withBody(map[string]any{
		"version": "2.0", "rawPath": path, "rawQueryString": s.query, "headers": joined, "cookies": cookies,
		"requestContext": map[string]any{"stage": stage, "http": map[string]any{"method": s.method, "protocol": "HTTP/1.1"}},
	})
}

func (s sent) withBody(e map[string]any) map[string]any {
	e["body"], e["isBase64Encoded"] = string(s.body), false
	if !utf8.Valid(s.body) {
		e["body"], e["isBase64Encoded"] = base64.StdEncoding.EncodeToString(s.body), true
	}
	return e
}

// TestARequestIsTheSameThroughEveryShape as it is on net/http's server.
func TestARequestIsTheSameThroughEveryShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSent(t)
		want := s.asServer(t)
		for name, e := range map[string]map[string]any{"rest": s.asREST(""), "1.0": s.asREST("1.0"), "2.0": s.asHTTP2("$default"), "2.0 staged": s.asHTTP2("dev")} {
			event, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var got seen
			if _, err := (&lambdaproxy.Proxy{Handler: look(&got)}).Invoke(t.Context(), event); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			compare(t, name, got, want, s.body)
		}
	})
}

func compare(t *rapid.T, shape string, got seen, want *http.Request, body []byte) {
	if got.Method != want.Method || got.Path != want.URL.Path || got.Escaped != want.URL.EscapedPath() || got.Host != want.Host || got.Body != string(body) {
		t.Fatalf("%s: %+v, want %s %s", shape, got, want.Method, want.URL)
	}
	query, _ := url.ParseQuery(got.Query)
	if !maps.EqualFunc(query, want.URL.Query(), slices.Equal) {
		t.Fatalf("%s: query %q, want %q", shape, got.Query, want.URL.RawQuery)
	}
	for name, values := range want.Header {
		have := got.Header.Values(name)
		if name == "Content-Length" {
			continue
		}
		if len(have) > 1 || strings.HasPrefix(shape, "2.0") {
			separator := map[string]string{"Cookie": "; "}[textproto.CanonicalMIMEHeaderKey(name)]
			if separator == "" {
				separator = ","
			}
			have, values = []string{strings.Join(slices.Sorted(slices.Values(split(have, separator))), "")}, []string{strings.Join(slices.Sorted(slices.Values(split(values, separator))), "")}
		}
		if !slices.Equal(have, values) {
			t.Fatalf("%s: header %s %q, want %q", shape, name, have, values)
		}
	}
	if len(got.Header) != len(want.Header)-boolInt(want.Header.Get("Content-Length") != "") {
		t.Fatalf("%s: headers %v, want %v", shape, got.Header, want.Header)
	}
}

// split takes apart what a shape has joined: which value came first under another
// spelling of the name is lost on the way.
func split(values []string, separator string) []string {
	return strings.Split(strings.Join(values, separator), separator)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
