package authorizer

import (
	"encoding/json"
	"fmt"
	"strings"

	"scopegate/policy"
)

// Shape is one of the forms in which API Gateway asks an authorizer.
type Shape string

// The five shapes (AWS: "Input to an API Gateway Lambda authorizer", "Control
// access to HTTP APIs with AWS Lambda authorizers").
const (
	RESTToken   Shape = "rest-token"
	RESTRequest Shape = "rest-request"
	HTTP1       Shape = "http-1.0"
	HTTP2       Shape = "http-2.0"
	WebSocket   Shape = "websocket"
)

// event is what the pipeline needs of an authorizer event.
type event struct {
	Shape     Shape
	RequestID string
	ARN       policy.ARN
	ARNText   string // as it came: the only form that API Gateway compares

	// Template is the route that API Gateway chose, "" where it does not say:
	// "/users/{id}" on REST APIs, "GET /users/{id}" on HTTP APIs.
	Template string
	RouteKey string // HTTP APIs
	// Sources are the identity sources of an HTTP API's authorizer: the key of
	// its cache. hasSources says that the shape has them.
	Sources    []string
	hasSources bool
	// Authorization holds every value of the Authorization header.
	Authorization []string
}

// wireEvent is all shapes in one. Names that only one shape has are empty in
// the others.
type wireEvent struct {
	Version            string              `json:"version"`
	Type               string              `json:"type"`
	MethodARN          string              `json:"methodArn"`
	RouteARN           string              `json:"routeArn"`
	AuthorizationToken string              `json:"authorizationToken"`
	Headers            map[string]string   `json:"headers"`
	MultiValueHeaders  map[string][]string `json:"multiValueHeaders"`
	IdentitySource     json.RawMessage     `json:"identitySource"`
	RouteKey           string              `json:"routeKey"`
	Resource           string              `json:"resource"`
	RequestContext     struct {
		RequestID string `json:"requestId"`
		RouteKey  string `json:"routeKey"`
		EventType string `json:"eventType"`
	} `json:"requestContext"`
}

// fields are what an event says, whatever its shape: those that a shape does not
// have are empty.
type fields struct {
	version, kind, methodARN, routeARN, token string
	routeKey, resource                        string
	requestID, contextRouteKey, eventType     string

	authorization []string // every value of the header
	sources       []string
	badSources    error // why the sources of an event that has them cannot be read
}

// read makes e the event that the payload holds, whatever it was before. It may
// hold views of the payload, which end with the call; see [view]. The reader is
// there to be used again.
func (e *event) read(payload []byte, r *eventReader) error {
	if r.scan(payload, e.Authorization[:0], e.Sources[:0]) {
		return e.fill(&r.fields)
	}
	f, err := parseFields(payload)
	if err != nil {
		*e = event{}
		return err
	}
	return e.fill(&f)
}

// fill finds out which shape the event has, and takes its fields.
func (e *event) fill(f *fields) (err error) {
	*e = event{RequestID: f.requestID, ARNText: f.methodARN, Authorization: f.authorization}
	switch {
	case f.version == "2.0":
		e.Shape, e.ARNText, e.RouteKey, e.Template = HTTP2, f.routeARN, f.routeKey, f.routeKey
		e.hasSources, e.Sources, err = true, f.sources, f.badSources
	case f.version == "1.0":
		e.Shape, e.Template = HTTP1, f.resource
		e.hasSources, e.Sources, err = true, f.sources, f.badSources
	case f.kind == "TOKEN":
		e.Shape, e.Authorization = RESTToken, append(e.Authorization[:0], f.token)
	case f.kind == "REQUEST" && (f.eventType == "CONNECT" || f.contextRouteKey == "$connect"):
		e.Shape = WebSocket
	case f.kind == "REQUEST":
		e.Shape, e.Template = RESTRequest, f.resource
	default:
		return fmt.Errorf("read event: neither TOKEN nor REQUEST of a known version")
	}
	if err != nil {
		return err
	}
	if e.ARN, err = policy.ParseARN(e.ARNText); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return nil
}

// parseFields is the definition of what an event says: what encoding/json makes of
// it.
func parseFields(payload []byte) (fields, error) {
	var w wireEvent
	if err := json.Unmarshal(payload, &w); err != nil {
		return fields{}, fmt.Errorf("read event: %w", err)
	}
	f := fields{
		version: w.Version, kind: w.Type, methodARN: w.MethodARN, routeARN: w.RouteARN, token: w.AuthorizationToken,
		routeKey: w.RouteKey, resource: w.Resource, authorization: w.authorization(),
		requestID: w.RequestContext.RequestID, contextRouteKey: w.RequestContext.RouteKey, eventType: w.RequestContext.EventType,
	}
	f.sources, f.badSources = w.sources()
	return f, nil
}

// authorization collects every value of the header, in whatever case its name
// comes: HTTP/1.1 keeps the client's, HTTP/2 has lower case.
func (w wireEvent) authorization() []string {
	var values []string
	for name, all := range w.MultiValueHeaders {
		if strings.EqualFold(name, "Authorization") {
			values = append(values, all...)
		}
	}
	if len(values) > 0 {
		return values
	}
	for name, value := range w.Headers {
		if strings.EqualFold(name, "Authorization") {
			values = append(values, value)
		}
	}
	return values
}

// sources reads identitySource: a list in payload 2.0, joined by commas in 1.0.
func (w wireEvent) sources() ([]string, error) {
	raw := string(w.IdentitySource)
	switch {
	case raw == "" || raw == "null":
		return nil, nil
	case raw[0] == '[':
		var list []string
		if err := json.Unmarshal(w.IdentitySource, &list); err != nil {
			return nil, fmt.Errorf("read event: identitySource: %w", err)
		}
		return list, nil
	}
	var joined string
	if err := json.Unmarshal(w.IdentitySource, &joined); err != nil {
		return nil, fmt.Errorf("read event: identitySource: %w", err)
	}
	return strings.Split(joined, ","), nil
}

// cachedBy reports whether API Gateway's cache keeps answers apart by value.
// Only HTTP APIs say so in the event.
func (e *event) cachedBy(value string) bool {
	if !e.hasSources {
		return true
	}
	value = strings.TrimSpace(value)
	for _, s := range e.Sources {
		if strings.TrimSpace(s) == value {
			return true
		}
	}
	return false
}
