package authorizer

import (
	"encoding/json"
	"fmt"
	"slices"
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

// parseEvent reads an event of any shape.
func parseEvent(payload []byte) (event, error) {
	var w wireEvent
	if err := json.Unmarshal(payload, &w); err != nil {
		return event{}, fmt.Errorf("read event: %w", err)
	}
	e := event{RequestID: w.RequestContext.RequestID, ARNText: w.MethodARN, Authorization: w.authorization()}
	var err error
	switch {
	case w.Version == "2.0":
		e.Shape, e.ARNText, e.RouteKey, e.Template = HTTP2, w.RouteARN, w.RouteKey, w.RouteKey
		e.hasSources = true
		e.Sources, err = w.sources()
	case w.Version == "1.0":
		e.Shape, e.Template = HTTP1, w.Resource
		e.hasSources = true
		e.Sources, err = w.sources()
	case w.Type == "TOKEN":
		e.Shape, e.Authorization = RESTToken, []string{w.AuthorizationToken}
	case w.Type == "REQUEST" && (w.RequestContext.EventType == "CONNECT" || w.RequestContext.RouteKey == "$connect"):
		e.Shape = WebSocket
	case w.Type == "REQUEST":
		e.Shape, e.Template = RESTRequest, w.Resource
	default:
		return e, fmt.Errorf("read event: neither TOKEN nor REQUEST of a known version")
	}
	if err != nil {
		return e, err
	}
	e.ARN, err = policy.ParseARN(e.ARNText)
	if err != nil {
		return e, fmt.Errorf("read event: %w", err)
	}
	return e, nil
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
func (e event) cachedBy(value string) bool {
	return !e.hasSources || slices.ContainsFunc(e.Sources, func(s string) bool {
		return strings.TrimSpace(s) == strings.TrimSpace(value)
	})
}
