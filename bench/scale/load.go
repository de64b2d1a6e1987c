// Command scale measures how the cost of a call grows with what it is asked about:
// routes in the table, scopes in the token, APIs behind one instance, routes in the
// answer, calls at once. In go the real parts of the authorizer in front of a store in
// memory, each point in a process of its own; out come ratios to the first point of
// each curve, as text, JSON, Markdown and SVG, and what a table costs to read from a
// DynamoDB-compatible server on the wire.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/store"
)

// Load is one point of a curve: what the calls of one process are like.
type Load struct {
	Routes   int // of each table, a permission each
	Held     int // of these, that the caller holds: those that the answer lists
	Scopes   int // in the token
	APIs     int // that the calls are spread over, at random
	Cache    int // CACHE_SIZE
	Handlers int // calls at once
	// Padding makes the token so many bytes longer by a claim that nobody reads: what
	// more scopes cost is told from what a longer token does.
	Padding int `json:",omitempty"`
	// Skewed has few APIs called often and many seldom (Zipf, exponent 1.2), as
	// traffic is; else each is called as often as any other.
	Skewed bool `json:",omitempty"`
	// Kinds of callers, if there are more than one: each holds one route more, of its
	// own, so that each has a policy of its own for each API.
	Kinds int `json:",omitempty"`
}

// ordinary is what a curve varies one thing of.
var ordinary = Load{Routes: 100, Held: 3, Scopes: 1, APIs: 1, Cache: 256, Handlers: 1}

const (
	scopeHeld  = "orders.read"
	scopeOther = "other.read"
	stage      = "dev"
)

// apiAt is the n-th API of a load.
func apiAt(n int) mapping.API {
	return mapping.API{ARN: fmt.Sprintf("arn:aws:execute-api:us-east-1:219852565112:%010d", n), Stage: stage}
}

// permissions are those of each table: the caller holds the first ones.
func (l Load) permissions() ([]mapping.Permission, error) {
	api := apiAt(0)
	list := make([]mapping.Permission, l.Routes)
	for i := range list {
		scope := scopeOther
		if i < l.Held {
			scope = scopeHeld
		}
		var err error
		list[i], err = mapping.ParsePermission(fmt.Appendf(nil, `{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"orders/%04d","scope":%q}`, api.ARN, api.Stage, i, scope))
		if err != nil {
			return nil, err
		}
	}
	for i := range l.kinds() {
		p, err := mapping.ParsePermission(fmt.Appendf(nil, `{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"kinds/%04d","scope":%q}`, api.ARN, api.Stage, i, kindScope(i)))
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// kinds is at least 1.
func (l Load) kinds() int { return max(1, l.Kinds) }

func kindScope(kind int) string { return fmt.Sprintf("kind%04d.read", kind) }

// allowed is how many resources an answer allows.
func (l Load) allowed() int {
	if l.kinds() > 1 {
		return l.Held + 1
	}
	return l.Held
}

// spec is the token of a kind of callers: of its scopes only the first opens
// anything, or two where there are several kinds, so that the answer is the same
// however many there are.
func (l Load) spec(tenant string, kind int) idp.Spec {
	scopes := []string{scopeHeld}
	if l.kinds() > 1 {
		scopes = append(scopes, kindScope(kind))
	}
	for i := 1; i < l.Scopes; i++ {
		scopes = append(scopes, fmt.Sprintf("things%03d.read", i))
	}
	s := idp.Spec{TenantID: tenant, Scopes: scopes, Life: life}
	if l.Padding > 0 {
		s.Extra = map[string]any{"padding": strings.Repeat("x", l.Padding)}
	}
	return s
}

// scopesBytes is how many bytes of claims so many scopes add to one.
func scopesBytes(n int) int { return (n - 1) * len(" things000.read") }

// sequence says which API each call is for, and of which kind its caller is, as the
// place of its event; it repeats.
func (l Load) sequence() []int {
	random := rand.New(rand.NewPCG(5, 6))
	next := func() int { return random.IntN(l.APIs) }
	if l.Skewed {
		next = func() int { return int(rand.NewZipf(random, 1.2, 1, uint64(l.APIs-1)).Uint64()) }
	}
	all := make([]int, 1<<14)
	for i := range all {
		all[i] = next()*l.kinds() + random.IntN(l.kinds())
	}
	return all
}

// events are those of the callers, each API's together.
func (j job) events() ([][]byte, error) {
	var all [][]byte
	for i := range j.Load.APIs {
		for _, token := range j.Tokens {
			e, err := event(apiAt(i), token)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// event is a REST REQUEST event of ordinary size, as API Gateway sends it.
func event(api mapping.API, token string) ([]byte, error) {
	headers := map[string]string{
		"Accept": "application/json", "Accept-Encoding": "gzip, deflate, br", "Authorization": "Bearer " + token,
		"Host": api.ID() + ".execute-api.us-east-1.amazonaws.com", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"X-Amzn-Trace-Id": "Root=1-6740a1b2-0123456789abcdef01234567", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
	}
	many := map[string][]string{}
	for name, value := range headers {
		many[name] = []string{value}
	}
	return json.Marshal(map[string]any{
		"type": "REQUEST", "methodArn": api.ARN + "/" + api.Stage + "/GET/orders/0000", "resource": "/{proxy+}", "path": "/orders/0000", "httpMethod": "GET",
		"headers": headers, "multiValueHeaders": many,
		"queryStringParameters": map[string]string{}, "multiValueQueryStringParameters": map[string][]string{},
		"pathParameters": map[string]string{"proxy": "orders/0000"}, "stageVariables": map[string]string{},
		"requestContext": map[string]any{
			"resourceId": "abc123", "resourcePath": "/{proxy+}", "httpMethod": "GET", "extendedRequestId": "Bxxxxxxxxxxxxxx=", "requestTime": "22/Nov/2026:04:00:00 +0000",
			"path": "/dev/orders/0000", "accountId": "219852565112", "protocol": "HTTP/1.1", "stage": api.Stage, "requestTimeEpoch": 1795320000000,
			"requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "identity": map[string]any{"sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0", "accessKey": nil},
			"domainName": api.ID() + ".execute-api.us-east-1.amazonaws.com", "apiId": api.ID(),
		},
	})
}

// memory is a store of a load's tables, each made when it is read.
type memory struct {
	load        Load
	permissions []mapping.Permission
	loads       atomic.Int64
}

func (m *memory) meta(api mapping.API) (store.Meta, error) {
	var n int
	if _, err := fmt.Sscanf(api.ID(), "%d", &n); err != nil || n >= m.load.APIs || api.Stage != stage {
		return store.Meta{}, fmt.Errorf("table of %s: %w", api, store.ErrNotFound)
	}
	return store.Meta{API: api, Revision: store.Revision{Number: 1, Incarnation: "bench"}}, nil
}

// Meta is store.Reader's.
func (m *memory) Meta(_ context.Context, api mapping.API) (store.Meta, error) {
	return m.meta(api)
}

// Load is store.Reader's.
func (m *memory) Load(_ context.Context, api mapping.API) (store.Snapshot, error) {
	m.loads.Add(1)
	meta, err := m.meta(api)
	if err != nil {
		return store.Snapshot{}, err
	}
	s := store.Snapshot{Meta: meta, Permissions: slices.Clone(m.permissions)}
	for i := range s.Permissions {
		s.Permissions[i].API = api
	}
	return s, nil
}

// APIs is wiring.Source's.
func (m *memory) APIs(context.Context) ([]mapping.API, error) {
	var all []mapping.API
	for i := range m.load.APIs {
		all = append(all, apiAt(i))
	}
	return all, nil
}

// RevocationsRevision is store.RevocationReader's: nobody was ever revoked.
func (m *memory) RevocationsRevision(context.Context) (store.Revision, error) {
	return store.Revision{}, nil
}

// Revocations is store.RevocationReader's.
func (m *memory) Revocations(context.Context) (store.Revocations, error) {
	return store.Revocations{}, nil
}

func (l Load) check() error {
	switch {
	case l.Routes < 1 || l.Held < 1 || l.Held > l.Routes:
		return fmt.Errorf("load: holds %d of %d routes", l.Held, l.Routes)
	case l.Scopes < 1 || l.APIs < 1 || l.Cache < 1 || l.Handlers < 1 || l.Padding < 0 || l.Kinds < 0:
		return errors.New("load: scopes, APIs, cache and handlers must be at least 1")
	}
	return nil
}
