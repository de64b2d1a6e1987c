// Package wire stands between a program under measurement and a DynamoDB-compatible
// server: in go requests, out come answers a little later, or what an outage makes of
// them; and what was read is weighed. It is for the commands under bench.
package wire

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Mode is how the store behaves.
type Mode int32

// Modes of a [Proxy].
const (
	Healthy Mode = iota
	Refused      // 500, as DynamoDB words it
	Dropped      // the connection closes without an answer
	Hanging      // no answer until the client gives up
	Slow         // a quarter of a second later
)

// String names the mode.
func (m Mode) String() string {
	return [...]string{"healthy", "refused", "dropped", "hanging", "slow"}[m]
}

// slowness is what Slow adds: less than any client waits.
const slowness = 250 * time.Millisecond

// Proxy is an http.Handler that passes requests on to one server. It is safe for
// concurrent use.
type Proxy struct {
	target    *url.URL
	delay     time.Duration
	transport *http.Transport
	mode      atomic.Int32
	requests  atomic.Int64
}

// NewProxy makes a proxy of a server, whose answers come a delay later: SDKs lose
// answers of servers that take no time at all.
func NewProxy(target string, delay time.Duration) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("make a proxy: %w", err)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	return &Proxy{target: u, delay: delay, transport: t}, nil
}

// Set has the store behave so from now on, also towards those who wait already.
func (p *Proxy) Set(m Mode) { p.mode.Store(int32(m)) }

// Requests is how many came so far.
func (p *Proxy) Requests() int64 { return p.requests.Load() }

// Close closes the connections to the server that are idle.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// ServeHTTP is http.Handler's.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	delay := p.delay
	switch Mode(p.mode.Load()) {
	case Refused:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"injected"}`)
		return
	case Dropped:
		panic(http.ErrAbortHandler) // net/http closes the connection and says nothing
	case Hanging:
		// The server sees the client leave only once the request is read.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return
	case Slow:
		delay += slowness
	}
	p.pass(w, r, delay)
}

func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, delay time.Duration) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.target.Scheme, p.target.Host, ""
	answer, err := p.transport.RoundTrip(out) // Host stays: it is signed
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	time.Sleep(delay)
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body) // a client that is gone needs no answer
}
