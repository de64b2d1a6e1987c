package flush

import (
	"context"
	"sync"

	"scopegate/mapping"
)

// flight is one call of the Client, shared by all who joined before it started.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

// lanes lets those who want the same stage flushed share calls. There is at most
// one call under way for a stage, and one that waits for it: a call that has
// started may have been too early for a change committed since, so that who comes
// now joins the one that waits.
type lanes struct {
	mu   sync.Mutex
	list map[mapping.API]*lane
}

type lane struct{ waiting *flight }

// join gives the flight that will start from now on, and whether it is a new one,
// which may be made only if pay allows: nil if not.
func (l *lanes) join(api mapping.API, pay func() bool, call func() error) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, busy := l.list[api]
	if busy && at.waiting != nil {
		return at.waiting
	}
	if !pay() {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	if busy {
		at.waiting = f
		return f
	}
	if l.list == nil {
		l.list = map[mapping.API]*lane{}
	}
	l.list[api] = &lane{}
	go l.run(api, f, call)
	return f
}

// run makes the flights of a stage, until none waits.
func (l *lanes) run(api mapping.API, f *flight, call func() error) {
	for f != nil {
		f.err = safely(call)
		close(f.done)
		f = l.next(api)
	}
}

func (l *lanes) next(api mapping.API) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.list[api]
	f := at.waiting
	at.waiting = nil
	if f == nil {
		delete(l.list, api)
	}
	return f
}

// wait waits for a flight's end; errPutOff if ctx ends first.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return errPutOff
	}
}
