package lambdaproxy

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Shape is one of the forms in which API Gateway asks a function behind a proxy
// integration.
type Shape string

// The shapes (AWS: "Lambda proxy integrations in API Gateway", "Create AWS Lambda
// proxy integrations for HTTP APIs").
const (
	REST  Shape = "rest"
	HTTP1 Shape = "http-1.0"
	HTTP2 Shape = "http-2.0"
)

// ErrNoProxyEvent: the payload is none of the shapes.
var ErrNoProxyEvent = errors.New("not an event of a REST or HTTP API's proxy integration")

// event is all shapes in one. Names that only one shape has are empty in the
// others. What an authorizer in front has said (requestContext.authorizer) is not
// read: who asks proves it by a token.
type event struct {
	Version        string   `json:"version"`
	HTTPMethod     string   `json:"httpMethod"`
	Path           string   `json:"path"`
	RawPath        string   `json:"rawPath"`
	RawQueryString string   `json:"rawQueryString"`
	Cookies        []string `json:"cookies"`

	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`

	Body            string `json:"body"`
	IsBase64Encoded bool   `json:"isBase64Encoded"`

	RequestContext *requestContext `json:"requestContext"`

	// Events of other kinds have these.
	Type      string          `json:"type"`
	MethodARN string          `json:"methodArn"`
	RouteARN  string          `json:"routeArn"`
	Records   json.RawMessage `json:"Records"`
}

type requestContext struct {
	RequestID  string `json:"requestId"`
	Stage      string `json:"stage"`
	DomainName string `json:"domainName"`
	Protocol   string `json:"protocol"`
	Identity   struct {
		SourceIP string `json:"sourceIp"`
	} `json:"identity"`
	HTTP *struct {
		Method   string `json:"method"`
		Protocol string `json:"protocol"`
		SourceIP string `json:"sourceIp"`
	} `json:"http"`

	// Events of other kinds have these.
	ConnectionID string          `json:"connectionId"`
	ELB          json.RawMessage `json:"elb"`
}

// parse reads an event. The error wraps ErrNoProxyEvent.
func parse(payload []byte) (*event, Shape, error) {
	e := &event{}
	if err := json.Unmarshal(payload, e); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrNoProxyEvent, err)
	}
	c := e.RequestContext
	if c == nil || e.Records != nil || e.Type != "" || e.MethodARN != "" || e.RouteARN != "" || c.ConnectionID != "" || c.ELB != nil {
		return nil, "", ErrNoProxyEvent
	}
	switch {
	case e.Version == "2.0" && c.HTTP != nil && e.HTTPMethod == "":
		return e, HTTP2, nil
	case e.Version == "1.0" && e.HTTPMethod != "" && c.HTTP == nil:
		return e, HTTP1, nil
	case e.Version == "" && e.HTTPMethod != "" && c.HTTP == nil:
		return e, REST, nil
	}
	return nil, "", ErrNoProxyEvent
}
