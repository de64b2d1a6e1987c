package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// Grant is what the gateway knows of a request that it lets through.
type Grant struct {
	Flavour     Flavour
	PrincipalID string
	Context     map[string]any // the authorizer's; all strings on REST and WebSocket APIs
	Stage       string
	RawPath     string // below the stage, as the client sent it
	RawQuery    string // as the client sent it
	MethodARN   string
	RequestID   string
}

type grantKey struct{}

// FromContext gives a backend the grant of the request it answers. ok is false
// if the request did not come through a gateway.
func FromContext(ctx context.Context) (g Grant, ok bool) {
	g, ok = ctx.Value(grantKey{}).(Grant)
	return g, ok
}

// pass hands an allowed call to the backend.
func (g *Gateway) pass(w http.ResponseWriter, c *call, a *answer) {
	grant := Grant{
		Flavour: g.cfg.Flavour, PrincipalID: a.principal, Context: a.context, Stage: c.stage,
		RawPath: c.rawPath, RawQuery: c.query, MethodARN: c.arn, RequestID: c.id,
	}
	if !g.cfg.Flavour.isHTTP() {
		grant.Context = asStrings(a.context)
	}
	if g.cfg.Flavour == WebSocket {
		writeJSON(w, http.StatusOK, connected(grant, c))
		return
	}
	g.cfg.Backend.ServeHTTP(w, c.r.WithContext(context.WithValue(c.r.Context(), grantKey{}, grant)))
}

// connected answers an opened WebSocket in place of 101.
func connected(grant Grant, c *call) map[string]any {
	return map[string]any{
		"message":        "connection allowed",
		"note":           "WebSocket messages are not emulated: only $connect and its authorizer are",
		"connectionId":   c.connectionID(),
		"requestContext": map[string]any{"authorizer": grant.authorizer()},
	}
}

// asStrings is what REST APIs make of context values (AWS: "Output from an API
// Gateway Lambda authorizer").
func asStrings(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for name, v := range values {
		out[name] = fmt.Sprint(v)
	}
	return out
}

// authorizer is the member of requestContext that integrations read.
func (g Grant) authorizer() map[string]any {
	out := maps.Clone(g.Context)
	if out == nil {
		out = map[string]any{}
	}
	if g.PrincipalID != "" {
		out["principalId"] = g.PrincipalID
	}
	return out
}

// Echo is a backend that answers 200 with what reached it: method, path, query,
// stage and the authorizer's context. It never repeats a header.
func Echo() http.Handler { return http.HandlerFunc(echo) }

func echo(w http.ResponseWriter, r *http.Request) {
	grant, _ := FromContext(r.Context())
	writeJSON(w, http.StatusOK, map[string]any{
		"method":         r.Method,
		"path":           grant.RawPath,
		"query":          grant.RawQuery,
		"stage":          grant.Stage,
		"requestId":      grant.RequestID,
		"requestContext": map[string]any{"authorizer": grant.authorizer()},
	})
}

// headerPrefix begins the headers that carry the context to a backend.
const headerPrefix = "X-Scopegate-"

// ProxyBackend passes what is allowed on to a server at target, an absolute http
// or https URL without query, under target's path and without the stage. The
// principal goes as X-Scopegate-Principal-Id, a context value as
// X-Scopegate-{name}; headers of that prefix that the client sent are dropped,
// also with _ for -. Authorization is passed on, as API Gateway's HTTP proxy
// integration does. The path is the client's; only characters that a URL may
// not hold are escaped.
//
// A target that does not answer is answered for as API Gateway does, and failed
// is told why, in the goroutine of the request; nil tells nobody.
func ProxyBackend(target *url.URL, failed func(*http.Request, error)) (http.Handler, error) {
	if !isHTTPScheme(target.Scheme) || target.Host == "" || target.RawQuery != "" || target.User != nil {
		return nil, fmt.Errorf("backend: want http(s)://host[:port][/path]")
	}
	if failed == nil {
		failed = func(*http.Request, error) {}
	}
	return &httputil.ReverseProxy{
		Rewrite:  func(p *httputil.ProxyRequest) { rewrite(p, target) },
		ErrorLog: log.New(io.Discard, "", 0), // failed is told
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			failed(r, err)
			unavailable(w, r)
		},
	}, nil
}

// unavailable answers for an integration that cannot be reached: REST APIs with
// 502, HTTP APIs with 503. AWS documents neither body; they are what API Gateway
// is remembered to send, no fact that this project has checked.
func unavailable(w http.ResponseWriter, r *http.Request) {
	if grant, _ := FromContext(r.Context()); grant.Flavour.isHTTP() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"message": "Service Unavailable"})
		return
	}
	w.Header().Set("X-Amzn-Errortype", "InternalServerErrorException")
	writeJSON(w, http.StatusBadGateway, map[string]any{"message": "Internal server error"})
}

func rewrite(p *httputil.ProxyRequest, target *url.URL) {
	grant, _ := FromContext(p.In.Context())
	raw := strings.TrimSuffix(target.EscapedPath(), "/") + escapeInvalid(grant.RawPath)
	path, err := url.PathUnescape(raw)
	if err != nil { // net/http has refused such a path long before
		path = raw
	}
	// Not ProxyRequest.SetURL: it would join the paths and clean the client's.
	p.Out.URL = &url.URL{Scheme: target.Scheme, Host: target.Host, Path: path, RawPath: raw, RawQuery: grant.RawQuery}
	p.Out.Host = target.Host
	p.SetXForwarded()
	dropForged(p.Out.Header)
	p.Out.Header.Set(headerPrefix+"Principal-Id", headerValue(grant.PrincipalID))
	for name, v := range grant.Context {
		if isToken(name) {
			p.Out.Header.Set(headerPrefix+name, headerValue(text(v)))
		}
	}
}

// escapeInvalid escapes the bytes that net/url accepts in no path. With one of
// them left, it would drop RawPath and write the decoded path: %2F would reach
// the backend as a slash that nobody authorized.
func escapeInvalid(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		if strings.IndexByte(pathBytes, raw[i]) >= 0 {
			b.WriteByte(raw[i])
			continue
		}
		fmt.Fprintf(&b, "%%%02X", raw[i])
	}
	return b.String()
}

const (
	alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	pathBytes    = alphanumeric + "-._~!$&'()*+,;=:@/%" // RFC 3986 section 3.3, and the escape
)

// dropForged takes out what a client may have sent to pass for our context.
// Some servers read _ as -.
func dropForged(h http.Header) {
	for name := range h {
		if strings.HasPrefix(strings.ToLower(strings.ReplaceAll(name, "_", "-")), strings.ToLower(headerPrefix)) {
			delete(h, name)
		}
	}
}

// text writes a context value: nested ones as JSON.
func text(v any) string {
	switch v.(type) {
	case map[string]any, []any, nil:
		b, _ := json.Marshal(v) // it came from JSON
		return string(b)
	}
	return fmt.Sprint(v)
}

// headerValue escapes all of a value that a header cannot hold as it is.
func headerValue(s string) string {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return url.PathEscape(s)
		}
	}
	return s
}

// isToken reports whether name may be part of a header's name. Others, and one
// that would pass for the principal, are not passed on.
func isToken(name string) bool {
	if name == "" || strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "Principal-Id") {
		return false
	}
	for _, r := range name {
		if !strings.ContainsRune(alphanumeric+"-_", r) {
			return false
		}
	}
	return true
}
