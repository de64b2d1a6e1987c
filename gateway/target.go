package gateway

import (
	"net/url"
	"slices"
	"strings"
)

const defaultStage = "$default"

// splitTarget takes a request target (RFC 9112 section 3.2, origin or absolute
// form) apart at its first "?". Nothing is decoded or cleaned: path is what the
// client sent and begins with "/". ok is false for the other forms ("*",
// "host:port"), which no API routes.
func splitTarget(target string) (path, query string, ok bool) {
	if scheme, rest, absolute := strings.Cut(target, "://"); absolute && isHTTPScheme(scheme) {
		target = afterAuthority(rest)
	}
	if !strings.HasPrefix(target, "/") {
		return "", "", false
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query, true
}

func isHTTPScheme(s string) bool {
	return strings.EqualFold(s, "http") || strings.EqualFold(s, "https")
}

// afterAuthority is the target that follows host:port; an empty path is "/".
func afterAuthority(s string) string {
	i := strings.IndexAny(s, "/?")
	switch {
	case i < 0:
		return "/"
	case s[i] == '?':
		return "/" + s[i:]
	}
	return s[i:]
}

// splitStage takes the first segment off a raw path. "/"+stage+rest is the path
// again: rest is empty or begins with "/".
func splitStage(path string) (stage, rest string) {
	tail := strings.TrimPrefix(path, "/")
	if i := strings.IndexByte(tail, '/'); i >= 0 {
		return tail[:i], tail[i:]
	}
	return tail, ""
}

// place finds the stage that serves a raw path, and the path below that stage,
// still raw. A stage is compared as it was sent: an escaped one names none.
func (g *Gateway) place(path string) (stage, below string, ok bool) {
	first, rest := splitStage(path)
	if first != defaultStage && slices.Contains(g.cfg.Stages, first) {
		if rest == "" {
			rest = "/"
		}
		return first, rest, true
	}
	if slices.Contains(g.cfg.Stages, defaultStage) {
		return defaultStage, path, true
	}
	return "", "", false
}

// arnPath is the path as method and route ARNs hold it: raw on REST APIs,
// percent-decoded once on HTTP APIs (both reported by users). ok is false where
// it cannot be decoded.
func (f Flavour) arnPath(raw string) (path string, ok bool) {
	if !f.isHTTP() {
		return validUTF8(raw), true
	}
	path, err := url.PathUnescape(raw)
	return validUTF8(path), err == nil
}

// validUTF8 replaces each invalid byte as encoding/json does, so that the ARN
// in the event is the very string that the policy is evaluated for.
func validUTF8(s string) string { return string([]rune(s)) }
