package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

const apiARN = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

// fake is an authorizer that remembers its events and answers by token.
type fake struct {
	mu      sync.Mutex
	events  [][]byte
	answers map[string]string // by token; "*" for any
	err     error
}

func (f *fake) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, payload)
	if f.err != nil {
		return nil, f.err
	}
	for token, answer := range f.answers {
		if token == "*" || strings.Contains(string(payload), `"Bearer `+token+`"`) {
			return []byte(answer), nil
		}
	}
	return nil, errors.New("Unauthorized")
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.events)
}

// event decodes the last event.
func (f *fake) event(t *testing.T) map[string]any {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 {
		t.Fatal("the authorizer was not called")
	}
	var m map[string]any
	if err := json.Unmarshal(f.events[len(f.events)-1], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// statement is one policy statement for resources below the API.
func statement(effect string, tails ...string) string {
	arns := make([]string, len(tails))
	for i, tail := range tails {
		arns[i] = apiARN + "/" + tail
	}
	b, _ := json.Marshal(arns)
	return fmt.Sprintf(`{"Action":"execute-api:Invoke","Effect":%q,"Resource":%s}`, effect, b)
}

func iam(statements ...string) string {
	return `{"principalId":"alice","policyDocument":{"Version":"2012-10-17","Statement":[` +
		strings.Join(statements, ",") + `]},"context":{"scp":"email","n":7,"ok":true}}`
}

// clock is a settable clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// config is a gateway that works, for a test to change.
func config(f gateway.Flavour, a gateway.Authorizer) gateway.Config {
	stages := []string{"dev"}
	if f == gateway.HTTPv1 || f == gateway.HTTPv2 || f == gateway.HTTPv2Simple {
		stages = []string{"$default", "dev"}
	}
	return gateway.Config{Flavour: f, ARN: apiARN, Stages: stages, Authorizer: a, Now: newClock().Now}
}

func start(t *testing.T, c gateway.Config) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// get asks the gateway without a network.
func get(g http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// as asks with a bearer token.
func as(g http.Handler, token, target string) *httptest.ResponseRecorder {
	return get(g, target, "Authorization", "Bearer "+token)
}

// raw sends bytes over TCP as a hostile client can, and reads the response.
func raw(t *testing.T, g *gateway.Gateway, request string) (status int, header http.Header, body string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config = g.Server()
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// line is a whole request with one token.
func line(requestLine string, headers ...string) string {
	all := append([]string{requestLine, "Host: api.test", "Authorization: Bearer T", "Connection: close"}, headers...)
	return strings.Join(all, "\r\n") + "\r\n\r\n"
}
