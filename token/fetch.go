package token

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	fetchTimeout = 3 * time.Second // for one document, redirects included
	maxBody      = 256 << 10       // of one document; Entra's keys take some 20 KB
	maxHeaders   = 64 << 10        // of one answer; net/http alone would read 10 MB
	maxRedirects = 3
	idleTimeout  = 10 * time.Second // fetches are an hour apart
)

// fetcher reads discovery documents and keys within bounds. Safe for concurrent
// use.
type fetcher struct {
	client *http.Client
	mu     sync.Mutex
	used   time.Time // by the wall clock
}

// wake drops connections that were idle for long by the wall clock. The
// transport's own timer stands still while Lambda has the process frozen, and a
// request on a connection that died meanwhile would hang until its time is up.
func (f *fetcher) wake(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if idle := now.Sub(f.used); !f.used.IsZero() && (idle >= idleTimeout || idle < 0) {
		f.client.CloseIdleConnections()
	}
	f.used = now
}

func newFetcher(client *http.Client) *fetcher {
	if client == nil {
		client = &http.Client{Transport: ownTransport()}
	}
	bounded := *client // the caller's own client stays as it is
	bounded.Transport = &boundedTransport{base: orDefault(client.Transport)}
	bounded.CheckRedirect = sameHost
	return &fetcher{client: &bounded}
}

// ownTransport speaks HTTP/1.1: over HTTP/2 a request that was frozen keeps its dead
// connection busy, and the next one would be sent into it.
func ownTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: fetchTimeout}).DialContext,
		TLSHandshakeTimeout:    fetchTimeout,
		ResponseHeaderTimeout:  fetchTimeout,
		MaxResponseHeaderBytes: maxHeaders,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        idleTimeout,
	}
}

func orDefault(t http.RoundTripper) http.RoundTripper {
	if t == nil {
		return http.DefaultTransport
	}
	return t
}

// get reads one document; its errors are *fetchError or the client's.
func (f *fetcher) get(ctx context.Context, u *url.URL) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK { // a redirect to nowhere, or 304 to a question nobody asked
		return nil, &fetchError{what: fmt.Sprintf("status %d", resp.StatusCode)}
	}
	return io.ReadAll(resp.Body) // bounded by the transport
}

// fetchError is a failed fetch in words of our own.
type fetchError struct{ what string }

func (e *fetchError) Error() string { return e.what }

// sameHost keeps a redirect from handing the choice of keys to another host.
func sameHost(req *http.Request, via []*http.Request) error {
	from := via[0].URL
	if len(via) > maxRedirects || !strings.EqualFold(req.URL.Host, from.Host) || req.URL.Scheme != from.Scheme {
		return &fetchError{what: "redirected elsewhere"}
	}
	return nil
}

// boundedTransport reads every answer itself, so that nobody above it (go-oidc
// reads to the end) meets an unbounded body or the body of an error.
type boundedTransport struct{ base http.RoundTripper }

func (t *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	redirect := resp.StatusCode >= 300 && resp.StatusCode < 400
	if resp.StatusCode != http.StatusOK && !redirect {
		return nil, &fetchError{what: fmt.Sprintf("status %d", resp.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, &fetchError{what: "body too large"}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (t *boundedTransport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
