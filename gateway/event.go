package gateway

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// tokenEvent is the event of a REST TOKEN authorizer (AWS: "Input to an API
// Gateway Lambda authorizer").
type tokenEvent struct {
	Type               string `json:"type"`
	AuthorizationToken string `json:"authorizationToken"`
	MethodARN          string `json:"methodArn"`
}

// requestEvent is the event of REST REQUEST authorizers, of HTTP APIs with
// payload format 1.0 and of WebSocket APIs (same page, and AWS: "Control access
// to HTTP APIs with AWS Lambda authorizers").
type requestEvent struct {
	Version            string              `json:"version,omitempty"`
	Type               string              `json:"type"`
	MethodARN          string              `json:"methodArn"`
	IdentitySource     string              `json:"identitySource,omitempty"`
	AuthorizationToken string              `json:"authorizationToken,omitempty"`
	Resource           string              `json:"resource,omitempty"`
	Path               string              `json:"path,omitempty"`
	HTTPMethod         string              `json:"httpMethod,omitempty"`
	Headers            map[string]string   `json:"headers"`
	MultiValueHeaders  map[string][]string `json:"multiValueHeaders"`
	Query              map[string]string   `json:"queryStringParameters"`
	MultiValueQuery    map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters     map[string]string   `json:"pathParameters,omitempty"`
	StageVariables     map[string]string   `json:"stageVariables"`
	RequestContext     any                 `json:"requestContext"`
}

type requestContext struct {
	ResourceID        string         `json:"resourceId,omitempty"`
	ResourcePath      string         `json:"resourcePath,omitempty"`
	OperationName     string         `json:"operationName,omitempty"`
	RouteKey          string         `json:"routeKey,omitempty"`
	EventType         string         `json:"eventType,omitempty"`
	MessageDirection  string         `json:"messageDirection,omitempty"`
	ConnectionID      string         `json:"connectionId,omitempty"`
	ConnectedAt       int64          `json:"connectedAt,omitempty"`
	HTTPMethod        string         `json:"httpMethod,omitempty"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	RequestTime       string         `json:"requestTime"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"`
	Path              string         `json:"path,omitempty"`
	AccountID         string         `json:"accountId"`
	Protocol          string         `json:"protocol"`
	Stage             string         `json:"stage"`
	DomainPrefix      string         `json:"domainPrefix"`
	DomainName        string         `json:"domainName"`
	RequestID         string         `json:"requestId"`
	APIID             string         `json:"apiId"`
	Identity          map[string]any `json:"identity"`
}

// httpEvent is the event of HTTP APIs with payload format 2.0.
type httpEvent struct {
	Version        string            `json:"version"`
	Type           string            `json:"type"`
	RouteARN       string            `json:"routeArn"`
	IdentitySource []string          `json:"identitySource"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext httpContext       `json:"requestContext"`
	PathParameters map[string]string `json:"pathParameters,omitempty"`
	StageVariables map[string]string `json:"stageVariables,omitempty"`
}

type httpContext struct {
	AccountID    string   `json:"accountId"`
	APIID        string   `json:"apiId"`
	DomainName   string   `json:"domainName"`
	DomainPrefix string   `json:"domainPrefix"`
	HTTP         httpPart `json:"http"`
	RequestID    string   `json:"requestId"`
	RouteKey     string   `json:"routeKey"`
	Stage        string   `json:"stage"`
	Time         string   `json:"time"`
	TimeEpoch    int64    `json:"timeEpoch"`
}

type httpPart struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// requestTimeLayout is the Common Log Format's, in UTC.
const requestTimeLayout = "02/Jan/2006:15:04:05 -0700"

// event is what the authorizer is called with.
func (c *call) event(f Flavour, id identity) ([]byte, error) {
	switch f {
	case RESTToken:
		return json.Marshal(tokenEvent{Type: "TOKEN", AuthorizationToken: id[0][0], MethodARN: c.arn})
	case RESTRequest:
		return json.Marshal(c.requestEvent())
	case HTTPv1:
		e := c.requestEvent()
		e.Version = "1.0"
		e.IdentitySource = strings.Join(id.joined(), ",")
		e.AuthorizationToken = e.IdentitySource
		e.Path = c.fullPath()
		return json.Marshal(e)
	case WebSocket:
		return json.Marshal(c.connectEvent())
	}
	return json.Marshal(c.httpEvent(id))
}

func (c *call) requestEvent() requestEvent {
	e := requestEvent{
		Type: "REQUEST", MethodARN: c.arn, Resource: c.resource, Path: c.path, HTTPMethod: c.method,
		MultiValueHeaders: c.headers(), MultiValueQuery: c.queryValues(),
		PathParameters: c.pathParameters(), StageVariables: nonNil(c.variables),
	}
	e.Headers = last(e.MultiValueHeaders)
	e.Query = last(e.MultiValueQuery)
	rc := c.requestContext()
	rc.ResourceID, rc.ResourcePath = "8hq2rk", c.resource
	rc.HTTPMethod, rc.Path = c.method, c.fullPath()
	e.RequestContext = rc
	return e
}

func (c *call) connectEvent() requestEvent {
	e := c.requestEvent()
	e.Resource, e.Path, e.HTTPMethod, e.PathParameters = "", "", "", nil
	rc := c.requestContext()
	rc.RouteKey, rc.EventType, rc.MessageDirection = c.routeKey, "CONNECT", "IN"
	rc.ConnectionID, rc.ConnectedAt = c.connectionID(), c.at.UnixMilli()
	e.RequestContext = rc
	return e
}

func (c *call) requestContext() requestContext {
	return requestContext{
		ExtendedRequestID: c.extendedID(), RequestID: c.id,
		RequestTime: c.at.UTC().Format(requestTimeLayout), RequestTimeEpoch: c.at.UnixMilli(),
		AccountID: c.account(), APIID: c.api.ID(), Stage: c.stage, Protocol: c.r.Proto,
		DomainName: c.domain(), DomainPrefix: c.api.ID(),
		Identity: map[string]any{
			"sourceIp": c.ip.String(), "userAgent": c.r.UserAgent(),
			"accountId": nil, "apiKey": nil, "caller": nil, "user": nil, "userArn": nil,
		},
	}
}

func (c *call) httpEvent(id identity) httpEvent {
	return httpEvent{
		Version: "2.0", Type: "REQUEST", RouteARN: c.arn, IdentitySource: id.joined(), RouteKey: c.routeKey,
		RawPath: c.fullPath(), RawQueryString: c.query, Cookies: c.cookies(),
		Headers: commaJoined(c.headers()), Query: commaJoinedQuery(c.queryValues()),
		PathParameters: c.pathParameters(), StageVariables: c.variables,
		RequestContext: httpContext{
			AccountID: c.account(), APIID: c.api.ID(), DomainName: c.domain(), DomainPrefix: c.api.ID(),
			HTTP: httpPart{
				Method: c.method, Path: c.fullPath(), Protocol: c.r.Proto,
				SourceIP: c.ip.String(), UserAgent: c.r.UserAgent(),
			},
			RequestID: c.id, RouteKey: c.routeKey, Stage: c.stage,
			Time: c.at.UTC().Format(requestTimeLayout), TimeEpoch: c.at.UnixMilli(),
		},
	}
}

// headers are the client's with what API Gateway adds. net/http spells names
// canonically, API Gateway keeps the client's spelling on HTTP/1.1.
func (c *call) headers() http.Header {
	h := c.r.Header.Clone()
	if c.r.Host != "" {
		h.Set("Host", c.r.Host)
	}
	scheme, port := "http", "80"
	if c.r.TLS != nil {
		scheme, port = "https", "443"
	}
	if _, p, err := net.SplitHostPort(c.r.Host); err == nil {
		port = p
	}
	h.Set("X-Forwarded-For", strings.Join(append(h.Values("X-Forwarded-For"), c.ip.String()), ", "))
	h.Set("X-Forwarded-Port", port)
	h.Set("X-Forwarded-Proto", scheme)
	h.Set("X-Amzn-Trace-Id", c.traceID())
	return h
}

// cookies are what payload format 2.0 takes out of the Cookie headers.
func (c *call) cookies() []string {
	var out []string
	for _, line := range c.r.Header.Values("Cookie") {
		for one := range strings.SplitSeq(line, ";") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

func (c *call) pathParameters() map[string]string {
	if c.resource != proxyResource {
		return nil
	}
	return map[string]string{"proxy": strings.TrimPrefix(c.path, "/")}
}

// last keeps each last value: what events carry beside the lists.
func last(values map[string][]string) map[string]string {
	out := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) > 0 {
			out[name] = v[len(v)-1]
		}
	}
	return out
}

// commaJoined is payload format 2.0: lower-case names, values joined by commas,
// cookies apart.
func commaJoined(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name != "Cookie" {
			out[strings.ToLower(name)] = strings.Join(h[name], ",")
		}
	}
	return out
}

func commaJoinedQuery(values map[string][]string) map[string]string {
	out := make(map[string]string, len(values))
	for name, v := range values {
		out[name] = strings.Join(v, ",")
	}
	return out
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
