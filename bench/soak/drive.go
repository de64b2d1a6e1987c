package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"scopegate/policy"
)

// bed is an authorizer that is called: the function under a Runtime API, or the parts
// of it in this process.
type bed interface {
	Invoke(ctx context.Context, event []byte) ([]byte, error)
}

// tally is what became of the calls.
type tally struct {
	mu sync.Mutex
	Tally
	all, quiet histogram
}

// Tally counts calls.
type Tally struct {
	Calls    int64 `json:"calls"`
	Allowed  int64 `json:"allowed"`
	Denied   int64 `json:"denied"`
	Refused  int64 `json:"refused"`
	Injected int64 `json:"failedAsInjected"`
	Wrong    int64 `json:"wrong"`
	// Examples are the first of those that are wrong.
	Examples []string `json:"examples,omitempty"`
	// Stalest are how long the revision of an answer had been replaced: while the
	// store was well, and at all.
	StalestQuiet time.Duration `json:"stalestNs"`
	Stalest      time.Duration `json:"stalestInOutagesNs"`
}

const mostExamples = 20

func (t *tally) add(c call, v verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Calls++
	took := c.ended.Sub(c.began)
	t.all.add(took)
	if v.quiet {
		t.quiet.add(took)
		t.StalestQuiet = max(t.StalestQuiet, v.age)
	}
	t.Stalest = max(t.Stalest, v.age)
	switch {
	case v.wrong != "":
		t.Wrong++
		if len(t.Examples) < mostExamples {
			t.Examples = append(t.Examples, v.wrong)
		}
	case v.injected:
		t.Injected++
	case c.fault == unauthorized:
		t.Refused++
	case c.allowed:
		t.Allowed++
	default:
		t.Denied++
	}
}

// drive calls the bed, one call after the other, until ctx ends.
func (s *site) drive(ctx context.Context, b bed, seed uint64, into *tally) {
	random := rand.New(rand.NewPCG(13, seed))
	paths := []string{pathHeld, pathHeld, pathToggle, pathToggle, pathNever}
	for ctx.Err() == nil {
		m := s.tokens[random.IntN(len(s.tokens))].Load()
		if watched := *s.watched.Load(); len(watched) > 0 && random.IntN(20) == 0 {
			m = &watched[random.IntN(len(watched))]
		}
		c := s.call(ctx, b, m, random.IntN(s.options.tables), paths[random.IntN(len(paths))])
		if ctx.Err() != nil {
			return // it was ended from here
		}
		v := s.truth.judge(c)
		into.add(c, v)
		if v.injected {
			s.felt.Store(true)
		}
	}
}

// call makes one call and reads its answer.
func (s *site) call(ctx context.Context, b bed, m *minted, table int, path string) call {
	c := call{table: table, path: path, kind: m.kind, principal: m.principal, generation: m.generation}
	api := apiAt(table)
	arn := api.ARN + "/" + api.Stage + "/GET/" + path
	event := fmt.Appendf(nil, `{"type":"REQUEST","methodArn":%q,"resource":"/{proxy+}","path":%q,"httpMethod":"GET","headers":{"Accept":"*/*","Authorization":"Bearer %s","Host":"api.example","User-Agent":"curl/8.5.0"},`+
		`"multiValueHeaders":{"Accept":["*/*"],"Authorization":["Bearer %s"],"Host":["api.example"],"User-Agent":["curl/8.5.0"]},"queryStringParameters":{},"multiValueQueryStringParameters":{},"pathParameters":{"proxy":%q},"stageVariables":{},`+
		`"requestContext":{"resourceId":"abc123","resourcePath":"/{proxy+}","httpMethod":"GET","path":%q,"accountId":"219852565112","protocol":"HTTP/1.1","stage":%q,"requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","identity":{"sourceIp":"203.0.113.7"},"apiId":%q}}`,
		arn, "/"+path, m.raw, m.raw, path, "/dev/"+path, api.Stage, api.ID())
	c.began = time.Now()
	out, err := b.Invoke(ctx, event)
	c.ended = time.Now()
	if err != nil {
		c.fault = err.Error()
		return c
	}
	if err := c.read(out, arn); err != nil {
		c.fault = "read the answer: " + err.Error()
	}
	return c
}

// read decides by the answer as API Gateway would, and takes the revision from its
// context.
func (c *call) read(out []byte, arn string) error {
	var answer struct {
		PolicyDocument policy.Document   `json:"policyDocument"`
		Context        map[string]string `json:"context"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return err
	}
	c.allowed = policy.Evaluate(answer.PolicyDocument, arn, c.ended, netip.Addr{}) == policy.Allowed
	number, _, _ := strings.Cut(answer.Context["revision"], "-")
	var err error
	c.revision, err = strconv.ParseUint(number, 10, 64)
	return err
}

// settle waits until each table is answered from its newest revision, and whoever was
// revoked last is refused: nothing that was acknowledged is lost. patience is long,
// since it says nothing about time.
func (s *site) settle(ctx context.Context, b bed) error {
	until := time.Now().Add(s.options.patience)
	m, err := s.mint(good)
	if err != nil {
		return err
	}
	for table := range s.options.tables {
		want := s.truth.newest(table)
		for {
			c := s.call(ctx, b, m, table, pathToggle)
			if c.fault == "" && c.revision == want.number && c.allowed == want.open {
				break
			}
			if time.Now().After(until) {
				return fmt.Errorf("table %d is still not answered from revision %d: %s", table, want.number, c.text())
			}
			time.Sleep(s.options.ttl / 4)
		}
	}
	for _, revoked := range (*s.watched.Load())[:min(1, len(*s.watched.Load()))] {
		for {
			c := s.call(ctx, b, &revoked, 0, pathHeld)
			if c.fault == unauthorized {
				break
			}
			if time.Now().After(until) {
				return fmt.Errorf("a token that was revoked is still let in: %s", c.text())
			}
			time.Sleep(s.options.ttl / 4)
		}
	}
	return nil
}
