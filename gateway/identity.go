package gateway

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// identitySource is one parsed identity source.
type identitySource struct {
	kind string // header, querystring, stageVariables, context
	name string
}

const (
	kindHeader  = "header"
	kindQuery   = "querystring"
	kindStage   = "stageVariables"
	kindContext = "context"
)

// sourcePrefix is what stands before "header." (AWS: "Create an authorizer").
func sourcePrefix(f Flavour) string {
	switch {
	case f.isHTTP():
		return "$request."
	case f == WebSocket:
		return "route.request."
	}
	return "method.request."
}

func parseSources(f Flavour, specs []string) ([]identitySource, error) {
	sources := make([]identitySource, 0, len(specs))
	for _, spec := range specs {
		s, ok := parseSource(f, spec)
		if !ok {
			return nil, fmt.Errorf("identity source %q: not one that %v knows", spec, f)
		}
		sources = append(sources, s)
	}
	if f == RESTToken && (len(sources) != 1 || sources[0].kind != kindHeader) {
		return nil, fmt.Errorf("identity sources: a TOKEN authorizer has exactly one header")
	}
	return sources, nil
}

func parseSource(f Flavour, spec string) (identitySource, bool) {
	rest, isRequest := strings.CutPrefix(spec, sourcePrefix(f))
	if !isRequest {
		var dollar bool
		if rest, dollar = strings.CutPrefix(spec, "$"); dollar != f.isHTTP() {
			return identitySource{}, false
		}
	}
	kind, name, _ := strings.Cut(rest, ".")
	fromRequest := kind == kindHeader || kind == kindQuery
	switch {
	case name == "" || fromRequest != isRequest:
		return identitySource{}, false
	case kind == kindContext:
		_, known := contextValues[name]
		return identitySource{kind, name}, known
	}
	return identitySource{kind, name}, fromRequest || kind == kindStage
}

// contextValues are the $context variables that may be identity sources here
// and do not differ between two requests that are otherwise alike.
var contextValues = map[string]func(*call) string{
	"routeKey":           func(c *call) string { return c.routeKey },
	"resourcePath":       func(c *call) string { return c.resource },
	"httpMethod":         func(c *call) string { return c.method },
	"path":               func(c *call) string { return c.fullPath() },
	"stage":              func(c *call) string { return c.stage },
	"apiId":              func(c *call) string { return c.api.ID() },
	"accountId":          func(c *call) string { return c.account() },
	"domainName":         func(c *call) string { return c.domain() },
	"protocol":           func(c *call) string { return c.r.Proto },
	"identity.sourceIp":  func(c *call) string { return c.ip.String() },
	"identity.userAgent": func(c *call) string { return c.r.UserAgent() },
}

// identity is the values of all identity sources, in their order; several
// values of one header or parameter stay apart.
type identity [][]string

// identify collects them. ok is false if one is missing or empty: API Gateway
// then answers 401 without a call (AWS: "Use API Gateway Lambda authorizers").
// A TOKEN authorizer's header must come once: which of two values API Gateway
// would pass on is not documented, so neither is.
func (g *Gateway) identify(c *call) (id identity, ok bool) {
	for _, s := range g.sources {
		values := s.values(c)
		if strings.Join(values, "") == "" {
			return nil, false
		}
		id = append(id, values)
	}
	if g.cfg.Flavour == RESTToken {
		return id, len(id[0]) == 1 && g.tokens.MatchString(id[0][0])
	}
	return id, true
}

func (s identitySource) values(c *call) []string {
	switch s.kind {
	case kindHeader:
		return headerValues(c.r, s.name)
	case kindQuery:
		return c.queryValues()[s.name]
	case kindStage:
		return []string{c.variables[s.name]}
	}
	return []string{contextValues[s.name](c)}
}

// headerValues finds a header by any case. net/http keeps Host apart.
func headerValues(r *http.Request, name string) []string {
	if strings.EqualFold(name, "Host") && r.Host != "" {
		return []string{r.Host}
	}
	return r.Header.Values(name)
}

// queryValues are the decoded parameters; what cannot be decoded is left out.
func (c *call) queryValues() url.Values {
	values, _ := url.ParseQuery(c.query)
	return values
}

// joined is one string per source, as events carry them.
func (id identity) joined() []string {
	out := make([]string, len(id))
	for i, values := range id {
		out[i] = strings.Join(values, ",")
	}
	return out
}

// hash stands for the whole structure: every length is written before its
// value, so no two identities are written alike, and the cache keeps no tokens.
func (id identity) hash() [sha256.Size]byte {
	var b []byte
	for _, values := range id {
		b = strconv.AppendInt(b, int64(len(values)), 10)
		b = append(b, ';')
		for _, v := range values {
			b = strconv.AppendInt(b, int64(len(v)), 10)
			b = append(b, ':')
			b = append(b, v...)
		}
	}
	return sha256.Sum256(b)
}
