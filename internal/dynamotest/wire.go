package dynamotest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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
	watch  func(operation string)
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

// Watch has f told of each call's operation, once however often the SDK sends it:
// on a loopback connection an answer may get lost, and a count of requests with it.
// f must be safe for concurrent use; nil ends it.
func (w *Wire) Watch(f func(operation string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = f
}

// RoundTrip is http.RoundTripper's.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.tell(r)
	switch w.fate(r) {
	case Refuse:
		return nil, errCut
	case Lose:
		return nil, w.lose(r)
	}
	return w.next.RoundTrip(r)
}

// tell tells of a first attempt (the SDK's header: "attempt=1; max=3").
func (w *Wire) tell(r *http.Request) {
	w.mu.Lock()
	watch := w.watch
	w.mu.Unlock()
	first, _, _ := strings.Cut(r.Header.Get("Amz-Sdk-Request"), ";")
	if watch != nil && first == "attempt=1" {
		watch(operationOf(r))
	}
}

func operationOf(r *http.Request) string {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return operation
}

func (w *Wire) fate(r *http.Request) Fate {
	w.mu.Lock()
	decide, n := w.decide, w.n
	w.n++
	w.mu.Unlock()
	if decide == nil {
		return Deliver
	}
	return decide(operationOf(r), n)
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

// Before has f called once, before the n-th request from now, counted from 0.
func (w *Wire) Before(n int, f func()) {
	w.Decide(func(_ string, request int) Fate {
		if request == n {
			w.Decide(nil)
			f()
		}
		return Deliver
	})
}

// LoseCommit has the next TransactWriteItems carried out and its answer lost,
// and those that repeat it fail, until a request of another kind comes.
func (w *Wire) LoseCommit() {
	lost := false
	w.Decide(func(operation string, _ int) Fate {
		commit := operation == "TransactWriteItems"
		switch {
		case commit && lost:
			return Refuse
		case commit:
			lost = true
			return Lose
		case lost:
			w.Decide(nil)
		}
		return Deliver
	})
}

// CutAfter lets n requests through and refuses all that follow; with lost, the
// first of these is carried out before its answer is lost. restore ends that
// and reports whether any request failed.
func (w *Wire) CutAfter(n int, lost bool) (restore func() bool) {
	var failed atomic.Bool
	w.Decide(func(_ string, request int) Fate {
		if request < n {
			return Deliver
		}
		failed.Store(true)
		if request == n && lost {
			return Lose
		}
		return Refuse
	})
	return func() bool {
		w.Decide(nil)
		return failed.Load()
	}
}
