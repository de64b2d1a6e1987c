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
// s once and copies nothing of it; the error for a long one is short.
func ParseARN(s string) (ARN, error) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 {
		return ARN{}, fmt.Errorf("method ARN: want six parts separated by colons, got %d", len(parts))
	}
	tail := strings.SplitN(parts[5], "/", 3)
	if len(tail) != 3 {
		return ARN{}, fmt.Errorf("method ARN: want {apiId}/{stage}/{method}[/{path}] after the account")
	}
	prefix := s[:len(s)-len(parts[5])+len(tail[0])]
	api, err := mapping.ParseAPI(prefix, tail[1])
	if err != nil {
		return ARN{}, fmt.Errorf("method ARN: %w", err)
	}
	method, _, hasPath := strings.Cut(tail[2], "/")
	switch {
	case method == "":
		return ARN{}, fmt.Errorf("method ARN: the method is empty")
	case hasPath:
		return ARN{API: api, Method: method, Path: tail[2][len(method):]}, nil
	case method == string(mapping.Connect):
		return ARN{API: api, Method: method}, nil
	}
	// The root comes as …/GET/. Without that slash there is nothing that says
	// where the method ends, so it is not read as one.
	return ARN{}, fmt.Errorf("method ARN: no path follows the method")
}

// String gives back exactly what was parsed.
func (a ARN) String() string { return a.API.ARN + "/" + a.API.Stage + "/" + a.Method + a.Path }
