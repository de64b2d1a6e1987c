package hand

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Event is what is read of a REST REQUEST event.
type Event struct {
	MethodARN string            `json:"methodArn"`
	Headers   map[string]string `json:"headers"`
}

// Permission is one of the permissions document.
type Permission struct {
	ARN      string `json:"arn"`
	Stage    string `json:"stage"`
	Verb     string `json:"httpVerb"`
	Resource string `json:"resource"`
	Scope    string `json:"scope"`
}

// Statement is one of a policy's.
type Statement struct {
	Action   string
	Effect   string
	Resource string
}

// Document is a policy.
type Document struct {
	Version   string
	Statement []Statement
}

// Answer is what API Gateway is answered.
type Answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument Document          `json:"policyDocument"`
	Context        map[string]string `json:"context"`
}

// Table is the statements of each scope.
type Table map[string][]Statement

// ReadTable reads a permissions document.
func ReadTable(document []byte) (Table, error) {
	var list []Permission
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, fmt.Errorf("read the permissions: %w", err)
	}
	return NewTable(list), nil
}

// NewTable makes the map, {id} as * as everybody writes it.
func NewTable(list []Permission) Table {
	t := Table{}
	for _, p := range list {
		t[p.Scope] = append(t[p.Scope], Statement{
			Action: "execute-api:Invoke", Effect: "Allow",
			Resource: p.ARN + "/" + p.Stage + "/" + p.Verb + "/" + starred(strings.TrimPrefix(p.Resource, "/")),
		})
	}
	return t
}

func starred(resource string) string {
	segments := strings.Split(resource, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// TableFromEnv reads the document in the file PERMISSIONS.
func TableFromEnv() (Table, error) {
	b, err := os.ReadFile(os.Getenv("PERMISSIONS"))
	if err != nil {
		return nil, fmt.Errorf("read PERMISSIONS: %w", err)
	}
	return ReadTable(b)
}

// Answer is the policy of a caller: a statement for each route, or a Deny of all.
func (t Table) Answer(c Claims) Answer {
	a := Answer{
		PrincipalID:    c.Tenant + ":" + c.Subject,
		PolicyDocument: Document{Version: "2012-10-17"},
		Context:        map[string]string{"scp": c.Scopes},
	}
	for _, scope := range strings.Fields(c.Scopes) {
		a.PolicyDocument.Statement = append(a.PolicyDocument.Statement, t[scope]...)
	}
	if len(a.PolicyDocument.Statement) == 0 {
		a.PolicyDocument.Statement = []Statement{{Action: "execute-api:Invoke", Effect: "Deny", Resource: "*"}}
	}
	return a
}

// Authorizer is the handler: event, token, claims, map, policy.
type Authorizer struct {
	Verifier *Verifier
	Table    Table
	// Remember keeps claims and answers of tokens that were verified, until they end.
	Remember bool

	mu    sync.Mutex
	known map[string]known
}

type known struct {
	until  int64
	answer []byte
}

// mostKnown bounds what is remembered; all of it is forgotten at once.
const mostKnown = 4096

// Handle answers an event. A token that is not good is ErrUnauthorized.
func (a *Authorizer) Handle(payload []byte) ([]byte, error) {
	var e Event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	raw, ok := strings.CutPrefix(e.Headers["Authorization"], "Bearer ")
	if !ok {
		return nil, ErrUnauthorized
	}
	now := time.Now()
	if answer := a.recall(raw, now); answer != nil {
		return answer, nil
	}
	if a.Verifier == nil || a.Table == nil {
		return nil, errors.New("keys or permissions are missing")
	}
	c, err := a.Verifier.Verify(raw, now)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(a.Table.Answer(c))
	if err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	a.keep(raw, known{c.Expires, answer})
	return answer, nil
}

func (a *Authorizer) recall(raw string, now time.Time) []byte {
	if !a.Remember {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if k, ok := a.known[raw]; ok && now.Unix() < k.until {
		return k.answer
	}
	return nil
}

func (a *Authorizer) keep(raw string, k known) {
	if !a.Remember {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= mostKnown {
		a.known = map[string]known{}
	}
	a.known[raw] = k
}
