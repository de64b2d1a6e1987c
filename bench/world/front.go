package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Front stands in front of a DynamoDB-compatible server: it hands on requests as
// they are, answers no sooner than after its delay, and counts. Safe for concurrent
// use.
type Front struct {
	endpoint string
	delay    time.Duration
	replay   bool
	client   *http.Client

	mu    sync.Mutex
	calls map[string]int
	known map[string]reply // by operation and canonical request
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// maxRequest is more than DynamoDB takes (AWS: "Service quotas": 16 MB of a batch).
const maxRequest = 17 << 20

func newFront(endpoint string, o Options) *Front {
	return &Front{
		endpoint: endpoint, delay: o.Delay, replay: o.Replay, calls: map[string]int{}, known: map[string]reply{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute},
	}
}

// Calls are the requests so far, by operation ("Query", "GetItem", …).
func (f *Front) Calls() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.calls)
}

// ServeHTTP answers one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answered := time.After(f.delay)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.calls[operation]++
	f.mu.Unlock()
	out, err := f.answer(r, operation, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	select {
	case <-answered:
	case <-r.Context().Done():
		return
	}
	maps.Copy(w.Header(), out.header)
	w.WriteHeader(out.status)
	w.Write(out.body) // a client that is gone is nothing to tell
}

// answer is the server's, or the one it gave when it was asked the same.
func (f *Front) answer(r *http.Request, operation string, body []byte) (reply, error) {
	if !f.replay || operation != "GetItem" && operation != "Query" {
		return f.ask(r, body)
	}
	key := operation + canonical(body)
	f.mu.Lock()
	out, ok := f.known[key]
	f.mu.Unlock()
	if ok {
		return out, nil
	}
	out, err := f.ask(r, body)
	if err == nil && out.status == http.StatusOK {
		f.mu.Lock()
		f.known[key] = out
		f.mu.Unlock()
	}
	return out, err
}

// canonical is a JSON text whose names are in order: those of maps are not, when an
// SDK writes them.
func canonical(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return string(body)
	}
	return string(b)
}

func (f *Front) ask(r *http.Request, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, f.endpoint+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Accept-Encoding") // what is remembered must suit every client
	res, err := f.client.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("ask the server: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}, fmt.Errorf("read the server's answer: %w", err)
	}
	h := http.Header{}
	for _, name := range []string{"Content-Type", "X-Amz-Crc32", "X-Amzn-Requestid"} {
		if v := res.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	return reply{res.StatusCode, h, b}, nil
}
