package dynamotest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Fate is what becomes of one request.
type Fate int

// Fates of a request.
const (
	Deliver Fate = iota // it is carried out and answered
	Refuse              // it does not reach the server
	Lose                // it is carried out, and its answer lost
)

var errCut = errors.New("connection cut by the test")

// Wire is a transport on which a test decides what becomes of each request,
// retries included. It is safe for concurrent use.
type Wire struct {
	next http.RoundTripper

	mu     sync.Mutex
	decide func(operation string, n int) Fate
	n      int
}

// Decide has every request from now on decided by f: called before the request
// is sent, with the operation's name ("Query", "TransactWriteItems", …) and the
// request's number, counted from 0. f may do as it likes, but a request made
// over the same wire would be decided by f too. nil delivers everything.
func (w *Wire) Decide(f func(operation string, n int) Fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decide, w.n = f, 0
}

// RoundTrip is http.RoundTripper's.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	switch w.fate(r) {
	case Refuse:
		return nil, errCut
	case Lose:
		return nil, w.lose(r)
	}
	return w.next.RoundTrip(r)
}

func (w *Wire) fate(r *http.Request) Fate {
	w.mu.Lock()
	decide, n := w.decide, w.n
	w.n++
	w.mu.Unlock()
	if decide == nil {
		return Deliver
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return decide(operation, n)
}

// lose has the request carried out even if its sender gives up meanwhile.
func (w *Wire) lose(r *http.Request) error {
	answer, err := w.next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	return errCut
}
