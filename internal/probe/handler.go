package probe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"scopegate/policy"
)

// Handler is the function. It is lambda.Handler's and gateway.Authorizer's shape,
// and safe for concurrent use.
type Handler struct {
	// APIs are the ids of those that it is the authorizer of. To any other API, where
	// whoever writes a token would be let in, each call fails. The zero value has none.
	APIs []string
	Now  func() time.Time // nil means time.Now
}

// Names in the context of an answer, which the backend gives back.
const (
	CallKey = "call" // differs from call to call
	ARNKey  = "arn"  // stage/METHOD/path, as method or route ARN had it: the account is nobody's business
	TimeKey = "at"   // Unix seconds by the function's clock
)

// event is as much of authorizer events of all shapes, and of proxy events, as the
// probe needs (AWS: "Input to an API Gateway Lambda authorizer", "Control access
// to HTTP APIs with AWS Lambda authorizers").
type event struct {
	Version            string            `json:"version"`
	Type               string            `json:"type"`
	MethodARN          string            `json:"methodArn"`
	RouteARN           string            `json:"routeArn"`
	AuthorizationToken string            `json:"authorizationToken"`
	Headers            map[string]string `json:"headers"`
	Resource           string            `json:"resource"` // of REST APIs: the route's template
	RouteKey           string            `json:"routeKey"` // of HTTP APIs: METHOD and template
	RequestContext     struct {
		Authorizer map[string]any `json:"authorizer"`
	} `json:"requestContext"`
}

// route is the template of the route that API Gateway chose.
func (e event) route() string {
	_, template, ok := strings.Cut(e.RouteKey, " ")
	if ok {
		return template
	}
	return e.Resource
}

// response is an authorizer's answer.
type response struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument policy.Document   `json:"policyDocument"`
	Context        map[string]string `json:"context"`
}

// errUnauthorized is told from others by its whole text (AWS: "Output from an API
// Gateway Lambda authorizer").
var errUnauthorized = errors.New("Unauthorized") //nolint:staticcheck // ST1005: the capital is API Gateway's

var errAsked = errors.New("the probe fails because its token asks it to")

// errElsewhere is API Gateway's 500: nobody is let through, and the log says why.
var errElsewhere = errors.New("the probe is the authorizer of an API that is not its own: take it away there, whoever writes a token would be let in")

// serves reports whether a method ARN is of an API of its own. The id is API
// Gateway's, no client can write it: arn:…:…:…:…:{apiId}/…
func (h Handler) serves(arn string) bool {
	parts := strings.SplitN(arn, ":", 6)
	id, _, ok := strings.Cut(parts[len(parts)-1], "/")
	return ok && len(parts) == 6 && id != "" && slices.Contains(h.APIs, id)
}

// Invoke answers one event: an authorizer's by the plan of its token, any other as
// the backend. A token that is no plan is refused as unauthorized, so that the API
// is closed to everybody else's.
func (h Handler) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	if e.Type != "TOKEN" && e.Type != "REQUEST" {
		return echo(e)
	}
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	if !h.serves(e.arn()) {
		return nil, errElsewhere
	}
	plan, err := ParseToken(e.token())
	if err != nil {
		return nil, errUnauthorized
	}
	return plan.answer(e.arn(), now())
}

func (e event) arn() string {
	if e.RouteARN != "" {
		return e.RouteARN
	}
	return e.MethodARN
}

func (e event) token() string {
	if e.AuthorizationToken != "" {
		return e.AuthorizationToken
	}
	for name, value := range e.Headers {
		if strings.EqualFold(name, "Authorization") {
			return value
		}
	}
	return ""
}

// answer makes what a plan asks for.
func (p Plan) answer(arn string, now time.Time) ([]byte, error) {
	kind := p.Answer
	if p.First != "" && now.Unix() < p.Then {
		kind = p.First
	}
	_, request, _ := strings.Cut(arn, "/")
	r := response{PrincipalID: "probe", Context: map[string]string{
		CallKey: rand.Text(), ARNKey: request, TimeKey: strconv.FormatInt(now.Unix(), 10),
	}}
	switch kind {
	case Unauthorized:
		return nil, errUnauthorized
	case Error:
		return nil, errAsked
	case DenyAll:
		r.PolicyDocument = policy.DenyAll()
		return json.Marshal(r)
	}
	stage, err := stageOf(arn)
	if err != nil {
		return nil, err
	}
	r.PolicyDocument = p.document(stage, now)
	return p.sized(r, stage)
}

// stageOf is arn:…:{apiId}/{stage}/ of a method ARN, whose path may hold anything.
func stageOf(arn string) (string, error) {
	parts := strings.SplitN(arn, "/", 3)
	if len(parts) < 3 || !strings.HasPrefix(arn, "arn:") {
		return "", errors.New("read event: its method ARN must be arn:…/stage/METHOD/path")
	}
	return parts[0] + "/" + parts[1] + "/", nil
}

// Conditions as Scopegate's own policies have them.
const (
	currentTime = "aws:CurrentTime"
	notBefore   = "DateGreaterThanEquals"
	before      = "DateLessThan"
)

func (p Plan) document(stage string, now time.Time) policy.Document {
	d := policy.Document{Version: policy.Version}
	for _, s := range p.Statements {
		out := policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: s.Effect}
		resources := make(policy.Strings, len(s.Resources))
		for i, r := range s.Resources {
			resources[i] = stage + r
		}
		if s.Not {
			out.NotResource = resources
		} else {
			out.Resource = resources
		}
		out.Condition = s.condition(now)
		d.Statement = append(d.Statement, out)
	}
	return d
}

// condition is nil where there is none: API Gateway answers 500 to an empty one.
func (s Statement) condition(now time.Time) policy.Condition {
	c := policy.Condition{}
	at := func(seconds int) map[string]policy.Strings {
		return map[string]policy.Strings{currentTime: {now.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)}}
	}
	if s.From > 0 {
		c[notBefore] = at(s.From)
	}
	if s.Until > 0 {
		c[before] = at(s.Until)
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

// padding is how long a resource that only takes up room may be, beside its ARN:
// of 512 characters in all (AWS: "Amazon API Gateway quotas").
const padding = 300

// sized writes an answer of exactly p.Bytes bytes. What makes it longer is
// resources, since policies are what grows.
func (p Plan) sized(r response, stage string) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil || p.Bytes == 0 {
		return b, err
	}
	room := policy.Strings{stage + "GET/room/", stage + "GET/room/"}
	r.PolicyDocument.Statement = append(r.PolicyDocument.Statement,
		policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: policy.Allow, Resource: room})
	if b, err = json.Marshal(r); err != nil {
		return nil, err
	}
	missing := p.Bytes - len(b)
	if missing < 0 {
		return nil, fmt.Errorf("bytes %d: the shortest answer has %d", p.Bytes, len(b))
	}
	const comma, quotes = 1, 2
	each := len(room[0]) + comma + quotes
	if each > padding {
		return nil, fmt.Errorf("bytes %d: the API's ARN and stage are too long", p.Bytes)
	}
	for missing > padding { // one more resource, which by itself costs less than that
		n := min(padding, missing-each)
		room = append(room, room[1]+strings.Repeat("o", n))
		missing -= each + n
	}
	room[0] += strings.Repeat("o", missing)
	r.PolicyDocument.Statement[len(r.PolicyDocument.Statement)-1].Resource = room
	return json.Marshal(r)
}

// echoed is what the backend answers with: gateway.Echo's members that doctor
// reads, with the kind of API and the route that the request came by.
type echoed struct {
	IsHTTP         bool   `json:"isHttp"` // an HTTP API, by its payload format
	Route          string `json:"route,omitempty"`
	RequestContext struct {
		Authorizer map[string]any `json:"authorizer"`
	} `json:"requestContext"`
}

// proxyResponse is what a proxy integration wants (AWS: "Output format of a Lambda
// function for proxy integration").
type proxyResponse struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// echo gives the authorizer's context back, and says by which way it came. HTTP APIs of payload 2.0 put it under
// "lambda".
func echo(e event) ([]byte, error) {
	isHTTP := e.Version == "2.0" // deploy/probe's; proxy events of REST APIs have no version
	body := echoed{IsHTTP: isHTTP, Route: e.route()}
	body.RequestContext.Authorizer = e.RequestContext.Authorizer
	if nested, ok := e.RequestContext.Authorizer["lambda"].(map[string]any); ok {
		body.RequestContext.Authorizer = nested
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(proxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(b)})
}
