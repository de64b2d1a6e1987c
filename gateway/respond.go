package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	Allowed          Outcome = "allowed"
	Denied           Outcome = "denied"            // 403: nothing in the policy allows it
	ExplicitlyDenied Outcome = "explicitly denied" // 403: a Deny matched
	Unauthorized     Outcome = "unauthorized"      // 401: the authorizer refused the token
	NoIdentity       Outcome = "no identity"       // 401 without a call: no identity source, or no valid token
	Failed           Outcome = "failed"            // 500: the authorizer answered with an error, or not in time
	Misconfigured    Outcome = "misconfigured"     // 500: the authorizer's answer is not valid
	NoStage          Outcome = "no such stage"
	NoRoute          Outcome = "no such route"
	TooLong          Outcome = "method ARN too long"
	TooLarge         Outcome = "headers too large"
	BadRequest       Outcome = "bad request"
)

// refusal is one of API Gateway's own responses. errorType is the
// x-amzn-ErrorType header, which only REST APIs send.
type refusal struct {
	status    int
	key       string // of the message in the JSON body
	message   any
	errorType string
}

const (
	accessDenied = "User is not authorized to access this resource"
	explicitDeny = accessDenied + " with an explicit deny"
)

// Bodies and the case of their keys are as users report them; AWS documents the
// statuses (AWS: "Gateway response types for API Gateway").
var restRefusals = map[Outcome]refusal{
	Denied:           {403, "Message", accessDenied, "AccessDeniedException"},
	ExplicitlyDenied: {403, "Message", explicitDeny, "AccessDeniedException"},
	Unauthorized:     {401, "message", "Unauthorized", "UnauthorizedException"},
	NoIdentity:       {401, "message", "Unauthorized", "UnauthorizedException"},
	Failed:           {500, "message", nil, "AuthorizerConfigurationException"},
	Misconfigured:    {500, "message", nil, "AuthorizerConfigurationException"},
	NoStage:          {403, "message", "Forbidden", "ForbiddenException"},
	NoRoute:          {403, "message", "Missing Authentication Token", "MissingAuthenticationTokenException"},
	TooLong:          {414, "message", "Request URI too long", "RequestTooLongException"},
	TooLarge:         {431, "message", "Request Header Fields Too Large", "RequestTooLongException"},
	BadRequest:       {400, "message", "Bad Request", "BadRequestException"},
}

var httpRefusals = map[Outcome]refusal{
	Denied:           {403, "message", accessDenied, ""},
	ExplicitlyDenied: {403, "message", explicitDeny, ""},
	Unauthorized:     {401, "message", "Unauthorized", ""},
	NoIdentity:       {401, "message", "Unauthorized", ""},
	Failed:           {500, "message", "Internal Server Error", ""},
	Misconfigured:    {500, "message", "Internal Server Error", ""},
	NoStage:          {404, "message", "Not Found", ""},
	NoRoute:          {404, "message", "Not Found", ""},
	TooLong:          {414, "message", "Request URI too long", ""},
	TooLarge:         {431, "message", "Request Header Fields Too Large", ""},
	BadRequest:       {400, "message", "Bad Request", ""},
}

func (g *Gateway) refusal(o Outcome) refusal {
	switch {
	case g.cfg.Flavour.isREST():
		return restRefusals[o]
	case g.cfg.Flavour == HTTPv2Simple && o == Denied:
		return refusal{403, "message", "Forbidden", ""}
	case g.cfg.Flavour == WebSocket && (o == NoStage || o == NoRoute):
		return refusal{403, "message", "Forbidden", ""}
	}
	return httpRefusals[o]
}

// refuse writes the response with which API Gateway refuses.
func (g *Gateway) refuse(w http.ResponseWriter, c *call, o Outcome) {
	r := g.refusal(o)
	body := map[string]any{r.key: r.message}
	if g.cfg.Flavour == WebSocket {
		body["connectionId"], body["requestId"] = c.connectionID(), c.id
	}
	if r.errorType != "" {
		w.Header().Set("X-Amzn-Errortype", r.errorType)
	}
	writeJSON(w, r.status, body)
}

// setIDs sets the headers by which a request is found in AWS's logs.
func (g *Gateway) setIDs(h http.Header, c *call) {
	if g.cfg.Flavour.isHTTP() {
		h.Set("Apigw-Requestid", c.extendedID())
		return
	}
	h.Set("X-Amzn-Requestid", c.id)
	h.Set("X-Amz-Apigw-Id", c.extendedID())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // values come from JSON or are strings
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // a client that has gone is no error of ours
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // 1xx are not the last word
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
