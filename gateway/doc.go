// Package gateway is Amazon API Gateway in front of a Lambda authorizer, on
// one machine.
//
// In goes an HTTP request; the package builds the event that API Gateway would
// send, calls an [Authorizer], evaluates the policy it answers with and caches
// it; out comes the backend's answer, or the status, headers and body with
// which API Gateway refuses. It serves scopegate dev and end-to-end tests.
//
// Everything reaches the authorizer as under ANY /{proxy+} (the root as under
// ANY /, which a greedy parameter does not match). The request target is used
// as the client sent it: nothing cleans a doubled slash, a dot segment or an
// escape, because each of them must reach the policy as it does on AWS.
//
// What AWS documents is followed; where only users have reported a behaviour
// the comment says so. Not emulated: usage plans, throttling, CORS, mapping
// templates, WebSocket messages.
package gateway
