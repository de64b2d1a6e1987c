// Package adminclient asks the admin API: in go calls, out come its answers, every
// page of them, or an error that tells a refusal ([Problem]) from an outage.
//
// It knows nothing of where tokens come from, and never repeats one: neither in an
// error nor to another host than the one it was made for (redirects are refused).
package adminclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer bounds the body of an answer, in bytes: ten times what Lambda can
	// answer (AWS: "Lambda quotas").
	maxAnswer = 64 << 20
	// timeout bounds one request; API Gateway ends its own after 30 s.
	timeout = time.Minute
	// maxToken bounds a bearer token, in bytes.
	maxToken = 64 << 10
)

// Options of a Client.
type Options struct {
	// URL of the API, such as https://example.execute-api.eu-west-1.amazonaws.com/prod:
	// what /v1 follows. Plain http is taken for loopback only.
	URL string
	// Token gives the bearer token. It is asked before the first call, and with again
	// once more where the API refuses the token: it may have ended.
	Token func(ctx context.Context, again bool) (string, error)
	// Transport carries requests; nil is the network.
	Transport http.RoundTripper
	// Timeout bounds one request; 0 is a minute, below 0 there is no bound.
	Timeout time.Duration
}

// Client is for one goroutine.
type Client struct {
	base  string
	http  *http.Client
	token func(ctx context.Context, again bool) (string, error)
	held  string
}

// ErrOptions is what errors about the options themselves are, for errors.Is.
var ErrOptions = errors.New("invalid option")

// New makes a client. Its error is an ErrOptions.
func New(o Options) (*Client, error) {
	base, err := BaseURL(o.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, token: o.Token, http: &http.Client{
		Transport: o.Transport, Timeout: max(o.Timeout, 0),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if o.Timeout == 0 {
		c.http.Timeout = timeout
	}
	if o.Transport == nil {
		c.http.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 5 * time.Second, ForceAttemptHTTP2: true}
	}
	return c, nil
}

// Close ends connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// BaseURL checks where a token may be sent, and gives what the paths of the admin API
// follow. Its error is an ErrOptions, and holds nothing of the URL.
func BaseURL(text string) (string, error) {
	fault := func(rule string) error { return fmt.Errorf("URL of the admin API: %s: %w", rule, ErrOptions) }
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return "", fault("must be a URL such as https://admin.example.org")
	case u.User != nil:
		return "", fault("must hold no user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fault("must hold no query or fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", fault("must begin with https://: plain http would show the token on the way (it is taken for this machine only)")
	}
	return strings.TrimSuffix(strings.TrimSuffix(u.String(), "/"), "/v1"), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Call is one request.
type Call struct {
	Method  string
	Path    string // escaped, from /v1 on
	Query   url.Values
	IfMatch string // as ETag gave it
	Type    string // of the body; "" is JSON
	Accept  string
	Body    []byte
}

// Answer is an answer below 300.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ETag is the answer's, with its quotes.
func (a Answer) ETag() string { return a.Header.Get("ETag") }

// Do makes one call. An answer of 300 and more is a *Problem; any other error says
// that there was no answer, so that nothing is known of what became of the call.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	raw, err := c.bearer(ctx, false)
	if err != nil {
		return Answer{}, err
	}
	answer, err := c.send(ctx, call, raw)
	var refused *Problem
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return answer, err
	}
	again, tokenErr := c.bearer(ctx, true)
	if tokenErr != nil || again == raw {
		return answer, err
	}
	return c.send(ctx, call, again)
}

// bearer gets the token, and checks that it can stand in a header without
// repeating it.
func (c *Client) bearer(ctx context.Context, again bool) (string, error) {
	if c.held != "" && !again {
		return c.held, nil
	}
	raw, err := c.token(ctx, again)
	if err != nil {
		return "", err
	}
	switch {
	case raw == "":
		return "", fmt.Errorf("the access token is empty: %w", ErrOptions)
	case len(raw) > maxToken:
		return "", fmt.Errorf("the access token must be at most %d bytes: %w", maxToken, ErrOptions)
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("the access token must be one word of printable ASCII: %w", ErrOptions)
	}
	c.held = raw
	return raw, nil
}

func (c *Client) send(ctx context.Context, call Call, raw string) (Answer, error) {
	target := c.base + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, target, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("ask the admin API: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+raw)
	if call.Body != nil {
		request.Header.Set("Content-Type", orJSON(call.Type))
	}
	request.Header.Set("Accept", orJSON(call.Accept)+", application/problem+json")
	if call.IfMatch != "" {
		request.Header.Set("If-Match", call.IfMatch)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("ask the admin API: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("read the answer of the admin API: %w", err)
	case len(body) > maxAnswer:
		return Answer{}, fmt.Errorf("read the answer of the admin API: must be at most %d bytes", maxAnswer)
	case response.StatusCode >= http.StatusMultipleChoices:
		return Answer{}, problemOf(response, body)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

func orJSON(mediaType string) string {
	if mediaType == "" {
		return "application/json"
	}
	return mediaType
}
