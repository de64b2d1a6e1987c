package lambdaproxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxResponse is the largest answer of a function, in bytes of its JSON (AWS:
// "Lambda quotas": 6 MB).
const MaxResponse = 6 << 20

var errResponseTooLarge = errors.New("the answer is larger than Lambda takes")

// recorder is the http.ResponseWriter of one request.
type recorder struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
	over   bool
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

// Header is http.ResponseWriter's.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader is http.ResponseWriter's. Interim answers cannot be sent.
func (w *recorder) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

// Write is http.ResponseWriter's. It fails once the answer is too large.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.over || w.body.Len()+len(b) > MaxResponse {
		w.over = true
		return 0, errResponseTooLarge
	}
	return w.body.Write(b)
}

// wireResponse is both shapes of an answer: multiValueHeaders in the first,
// headers and cookies in the second.
type wireResponse struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// ours are headers that API Gateway writes itself.
var ours = []string{"Content-Length", "Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "Trailer"}

// response writes what the handler answered. method is the request's: the answer
// to HEAD has no body.
func (w *recorder) response(shape Shape, method string) ([]byte, error) {
	w.WriteHeader(http.StatusOK)
	body := w.body.Bytes()
	if len(body) > 0 && w.sent.Get("Content-Type") == "" {
		w.sent.Set("Content-Type", http.DetectContentType(body)) // as net/http's server
	}
	if method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		body = nil
	}
	for _, name := range ours {
		w.sent.Del(name)
	}
	out := wireResponse{StatusCode: w.status, Body: string(body)}
	if !utf8.Valid(body) {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	if shape == HTTP2 {
		out.Headers, out.Cookies = map[string]string{}, slices.Clone(w.sent.Values("Set-Cookie"))
		w.sent.Del("Set-Cookie")
		for name, values := range w.sent {
			out.Headers[name] = strings.Join(values, ", ")
		}
	} else {
		out.MultiValueHeaders = w.sent
	}
	b, err := marshal(out)
	if err == nil && (w.over || len(b) > MaxResponse) {
		err = errResponseTooLarge
	}
	return b, err
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it would make JSON in a body half as long again
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return b.Bytes(), nil
}

// problem is an answer of our own (RFC 9457).
func problem(shape Shape, f fault) ([]byte, error) {
	body, err := marshal(map[string]any{"title": http.StatusText(f.status), "status": f.status, "detail": f.detail})
	if err != nil {
		return nil, err
	}
	w := newRecorder()
	w.header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(f.status)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	return w.response(shape, "")
}
