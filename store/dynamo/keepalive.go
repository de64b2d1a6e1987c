package dynamo

import (
	"bytes"
	"io"
	"net/http"
)

// KeepAlive is a transport for the SDK's clients under which connections are used
// again. The SDK closes a request's body as soon as the response is there, and closing
// it again is an error by smithy-go's reading (transport/http, safeReadCloser); where
// net/http is the second, as after a quick answer, it takes the request for one that
// was not sent well and drops the connection. So each request gets a body of its own.
// Bodies of requests to DynamoDB are small and in memory.
func KeepAlive(next http.RoundTripper) http.RoundTripper { return &keepAlive{next} }

type keepAlive struct{ next http.RoundTripper }

func (k *keepAlive) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return k.next.RoundTrip(r)
	}
	b, err := io.ReadAll(r.Body)
	_ = r.Body.Close() // RoundTrip must, whatever comes of it
	if err != nil {
		return nil, err
	}
	own := *r // a RoundTripper must not change what it is given
	own.Body = io.NopCloser(bytes.NewReader(b))
	return k.next.RoundTrip(&own)
}

// CloseIdleConnections is what http.Client's calls.
func (k *keepAlive) CloseIdleConnections() {
	if c, ok := k.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
