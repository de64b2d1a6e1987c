package main_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

// counter counts the requests to a server, and how many of them are there at the
// same time.
type counter struct{ requests, now, most atomic.Int32 }

func (c *counter) serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		if n := c.now.Add(1); n > c.most.Load() {
			c.most.Store(n) // the test wants 1: whoever is second stores 2 or more
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		c.now.Add(-1) // before the client can know of the answer
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(s.Close)
	return s
}

// TestAStartAsksOneThingAtATime of DynamoDB and of the provider, so that one
// connection to each is enough: on AWS each is a TLS handshake, the dearest part of a
// start. The first answers need nothing more.
func TestAStartAsksOneThingAtATime(t *testing.T) {
	w := newWorld(t, dynamotest.Endpoint(t))
	endpoint, err := url.Parse(w.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var dynamodb, provider counter
	w.endpoint = dynamodb.serve(t, httputil.NewSingleHostReverseProxy(endpoint)).URL
	w.provider.SetBaseURL(provider.serve(t, w.provider).URL)
	r := w.start(t, lambdaruntime.Options{}, "CACHE_TTL=1h")
	asked := dynamodb.requests.Load()
	if asked == 0 || provider.requests.Load() != 4 { // discovery and keys of the tenant's two issuers
		t.Errorf("the start asked DynamoDB %d times and the provider %d times", asked, provider.requests.Load())
	}
	for _, version := range []string{"1.0", "2.0"} {
		mustAllow(t, r, event(t, "rest-token", w.mint(t, idp.Spec{Version: version, Scopes: []string{"email"}})), "after the start")
	}
	if got := provider.requests.Load(); got != 4 {
		t.Errorf("%d requests to the provider, want 4", got)
	}
	if d, p := dynamodb.most.Load(), provider.most.Load(); d != 1 || p != 1 {
		t.Errorf("up to %d requests at once to DynamoDB and %d to the provider, want one to each", d, p)
	}
}
