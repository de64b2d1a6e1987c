package policy

import (
	"fmt"
	"strings"

	"scopegate/mapping"
)

// MaxResource is the longest resource ARN of a policy, in characters.
const MaxResource = mapping.MaxResourceARN

// ARN is the method ARN (REST, WebSocket) or route ARN (HTTP API) of one
// request: arn:{partition}:execute-api:{region}:{account}:{apiId}/{stage}/{METHOD}/{path}
// (AWS: "Control access for invoking an API"). It holds the concrete path the
// client sent, never a template, so every byte of Path is the client's.
type ARN struct {
	API    mapping.API // the API and stage: the key of the table
	Method string      // as sent: "GET", or "$connect" on WebSocket APIs
	Path   string      // with its leading slash, as in the request; "" for $connect
}

// ParseARN reads a method or route ARN. Only the first five colons and the
// first three slashes after them separate: a path may hold both. It goes through
// s a few times, copies nothing of it and allocates nothing unless it fails; the
// error for a long one is short.
func ParseARN(s string) (ARN, error) {
	account := 0 // where it ends, behind its colon
	for n := range 5 {
		i := strings.IndexByte(s[account:], ':')
		if i < 0 {
			return ARN{}, fmt.Errorf("method ARN: want six parts separated by colons, got %d", n+1)
		}
		account += i + 1
	}
	id, tail, _ := strings.Cut(s[account:], "/")
	stage, tail, ok := strings.Cut(tail, "/")
	if !ok {
		return ARN{}, fmt.Errorf("method ARN: want {apiId}/{stage}/{method}[/{path}] after the account")
	}
	api, err := mapping.ParseAPI(s[:account+len(id)], stage)
	if err != nil {
		return ARN{}, fmt.Errorf("method ARN: %w", err)
	}
	method, _, hasPath := strings.Cut(tail, "/")
	switch {
	case method == "":
		return ARN{}, fmt.Errorf("method ARN: the method is empty")
	case hasPath:
		return ARN{API: api, Method: method, Path: tail[len(method):]}, nil
	case method == string(mapping.Connect):
		return ARN{API: api, Method: method}, nil
	}
	// The root comes as …/GET/. Without that slash there is nothing that says
	// where the method ends, so it is not read as one.
	return ARN{}, fmt.Errorf("method ARN: no path follows the method")
}

// String gives back exactly what was parsed.
func (a ARN) String() string { return a.API.ARN + "/" + a.API.Stage + "/" + a.Method + a.Path }
