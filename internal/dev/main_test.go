package dev_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/internal/dev"
	"scopegate/internal/idp"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lines collects what the stack logs.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

func (l *lines) last() string { all := l.all(); return all[len(all)-1] }

// stack is a running stack under test.
type stack struct {
	*dev.Stack
	dev.Ready
	clock *clock
	log   *lines
}

func start(t *testing.T, o dev.Options) *stack {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	s := &stack{clock: newClock(), log: &lines{}}
	o.Now, o.Log = s.clock.now, s.log
	var err error
	if s.Stack, err = dev.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if s.Ready, err = s.Stack.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// post sends a form or a document to a URL of the stack.
func send(t *testing.T, r *http.Request) (status int, header http.Header, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Minute}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(b)
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mint gets a token from the stack's provider.
func (s *stack) mint(t *testing.T, form url.Values) string {
	t.Helper()
	r := request(t, http.MethodPost, s.IssuerURL+"/"+idp.DefaultTenantID+"/oauth2/v2.0/token", form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, _, body := send(t, r)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %v: %s", err, body)
	}
	return answer.AccessToken
}

func (s *stack) user(t *testing.T, scopes string) string {
	return s.mint(t, url.Values{"scopes": {scopes}})
}

// raw sends a request line as it is: no client cleans the path.
func raw(t *testing.T, base, method, path, bearer string) (status int, body string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	authorization := ""
	if bearer != "" {
		authorization = "Authorization: Bearer " + bearer + "\r\n"
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", method, path, u.Host, authorization)
	answer := bufio.NewReader(conn)
	response, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	// The server hangs up once the request is done with, its line logged.
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}
