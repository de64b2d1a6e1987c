package lambdaproxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

type requestIDKey struct{}

// RequestID is the id that API Gateway gave the request: it stands in its access
// log and in the X-Amzn-Requestid header of the answer. "" where there is none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// fault is a request that cannot be handed on.
type fault struct {
	status int
	detail string
}

func bad(format string, args ...any) *fault {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// request makes the request that the client made, as net/http's server would.
func (e *event) request(ctx context.Context, shape Shape, maxBody int64) (*http.Request, *fault) {
	body, f := e.body(maxBody)
	if f != nil {
		return nil, f
	}
	header, f := e.header()
	if f != nil {
		return nil, f
	}
	u, f := e.url(shape)
	if f != nil {
		return nil, f
	}
	if printable(e.RequestContext.RequestID, 128) {
		ctx = context.WithValue(ctx, requestIDKey{}, e.RequestContext.RequestID)
	}
	method, protocol, source := e.HTTPMethod, e.RequestContext.Protocol, e.RequestContext.Identity.SourceIP
	if h := e.RequestContext.HTTP; h != nil {
		method, protocol, source = h.Method, h.Protocol, h.SourceIP
	}
	r, err := http.NewRequestWithContext(ctx, method, "/", io.NopCloser(bytes.NewReader(body)))
	if err != nil || method == "" {
		return nil, bad("the method is none")
	}
	r.URL, r.RequestURI, r.Header, r.ContentLength, r.GetBody = u, u.RequestURI(), header, int64(len(body)), nil
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	r.Host = e.RequestContext.DomainName
	if host := header.Values("Host"); len(host) > 0 {
		r.Host = host[0]
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding"} { // as net/http's server
		header.Del(name)
	}
	if major, minor, ok := http.ParseHTTPVersion(protocol); ok {
		r.Proto, r.ProtoMajor, r.ProtoMinor = protocol, major, minor
	}
	if ip, err := netip.ParseAddr(source); err == nil {
		r.RemoteAddr = net.JoinHostPort(ip.String(), "0")
	}
	return r, nil
}

func (e *event) body(most int64) ([]byte, *fault) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		if int64(base64.StdEncoding.DecodedLen(len(e.Body))) > most+2 {
			return nil, tooLarge(most)
		}
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, bad("the body is not the base64 that it is said to be")
		}
	}
	if int64(len(body)) > most {
		return nil, tooLarge(most)
	}
	return body, nil
}

func tooLarge(most int64) *fault {
	return &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body must be at most %d bytes", most)}
}

// header gives all values of every header. Two values stay two, whatever the case
// of their names: who reads one must be able to see that there are more.
func (e *event) header() (http.Header, *fault) {
	h := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(e.MultiValueHeaders)) {
		for _, v := range e.MultiValueHeaders[name] {
			h.Add(name, v)
		}
	}
	several := maps.Clone(h)
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if _, ok := several[http.CanonicalHeaderKey(name)]; !ok {
			h.Add(name, e.Headers[name])
		}
	}
	if len(e.Cookies) > 0 {
		h.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	for name, values := range h {
		if !isToken(name) {
			return nil, bad("a header's name is none")
		}
		if slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "\r\n\x00") }) {
			return nil, bad("the header %s holds a control character", name)
		}
	}
	return h, nil
}

// isToken is RFC 9110's token (5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func printable(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// url makes the request's URL, of path and query alone.
func (e *event) url(shape Shape) (*url.URL, *fault) {
	path := e.Path
	if shape == HTTP2 {
		path = e.RawPath
	}
	if path == "" {
		path = "/"
	}
	if !strings.HasPrefix(path, "/") {
		return nil, bad("the path is none")
	}
	if shape != REST {
		path = withoutStage(path, e.RequestContext.Stage)
	}
	path = escaped(path)
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return nil, bad("the path is none")
	}
	u := &url.URL{Path: decoded, RawPath: path, RawQuery: e.query(shape)}
	if strings.ContainsAny(u.RawQuery, "\r\n\x00") {
		return nil, bad("the query string holds a control character")
	}
	return u, nil
}

// escaped leaves escapes as they are and escapes what cannot stand in a path: it
// came out of an escape that was decoded on the way.
func escaped(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]), isPathByte(c):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isPathByte is RFC 3986's pchar and the slash, without escapes.
func isPathByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0
}

// withoutStage takes the stage away, which stands before the path of HTTP APIs
// unless it is $default (AWS names it nowhere; widely reported).
func withoutStage(path, stage string) string {
	rest, ok := strings.CutPrefix(path, "/"+stage)
	switch {
	case !ok || stage == "" || stage == "$default":
		return path
	case rest == "":
		return "/"
	case rest[0] != '/':
		return path
	}
	return rest
}

// query gives the query string: as it was sent in 2.0, and made anew from its
// decoded parts in the other shapes.
func (e *event) query(shape Shape) string {
	if shape == HTTP2 {
		return e.RawQueryString
	}
	q := url.Values{}
	for name, values := range e.MultiValueQuery {
		q[name] = append(q[name], values...)
	}
	for name, value := range e.Query {
		if _, ok := e.MultiValueQuery[name]; !ok {
			q.Set(name, value)
		}
	}
	return q.Encode()
}
