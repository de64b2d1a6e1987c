// Package lambdaruntime is AWS Lambda's Runtime API on loopback, for tests and
// benchmarks of the real binary.
//
// In goes a compiled bootstrap and an event; the package starts the bootstrap
// as a child process, hands it the event as Lambda would and gives back its
// response, or its error (AWS: "Using the Lambda runtime API for custom
// runtimes"). Children that die are not replaced: what killed one must show.
package lambdaruntime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options may all be left out.
type Options struct {
	Processes   int           // execution environments at once; 0 is 1
	Concurrency int           // AWS_LAMBDA_MAX_CONCURRENCY of each, if above 1
	Timeout     time.Duration // of one invocation, and its deadline; 0 is 10 s
	FunctionARN string        // empty is a made-up one
	Emulator    string        // path of a program that runs the binary, such as qemu's of its architecture; empty is none
}

const defaultARN = "arn:aws:lambda:us-east-1:123456789012:function:scopegate"

func (o *Options) setDefaults() {
	if o.Processes == 0 {
		o.Processes = 1
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.FunctionARN == "" {
		o.FunctionARN = defaultARN
	}
}

// Error is what a function, or Lambda in its place, reports. Its text is the
// errorMessage alone: API Gateway compares it whole.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error is the errorMessage.
func (e *Error) Error() string { return e.Message }

var errClosed = errors.New("invoke: the runtime is closed")

// Runtime runs one function. All methods are safe for concurrent use.
type Runtime struct {
	opts      Options
	queue     chan *invocation
	processes []*process
	logs      tail

	closing chan struct{} // closed by Close
	once    sync.Once
	dead    chan struct{} // closed when no process is left
	live    sync.WaitGroup
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	result   chan result // of capacity 1: an answer that nobody waits for is dropped
}

type result struct {
	response []byte
	err      error
}

// Start serves the Runtime API on loopback ports, starts o.Processes children of
// binary and waits until each asks for its first event. env, of the form
// NAME=value, is the children's whole environment beside what Lambda sets:
// nothing is inherited. An init error, or the death of a child before that, is
// the error, with what the child printed. ctx bounds the start alone.
func Start(ctx context.Context, binary string, env []string, o Options) (*Runtime, error) {
	o.setDefaults()
	r := &Runtime{opts: o, queue: make(chan *invocation), closing: make(chan struct{}), dead: make(chan struct{})}
	for range o.Processes {
		p, err := r.startProcess(binary, env)
		if err != nil {
			r.Close()
			return nil, err
		}
		r.processes = append(r.processes, p)
	}
	go func() {
		r.live.Wait()
		close(r.dead)
	}()
	for _, p := range r.processes {
		if err := p.waitReady(ctx); err != nil {
			r.Close()
			return nil, fmt.Errorf("start %s: %w\n%s", binary, err, r.Logs())
		}
	}
	return r, nil
}

// Invoke queues an event and waits for the answer. An error that the function
// reports, and the death of its process, is an *Error. The end of ctx or of the
// time-out ends the wait, not the function: its late answer is dropped.
func (r *Runtime) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	inv := &invocation{id: uuid(), payload: payload, deadline: deadline, result: make(chan result, 1)}
	select {
	case r.queue <- inv:
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke, waiting for a process: %w", ctx.Err())
	case <-r.closing:
		return nil, errClosed
	case <-r.dead:
		return nil, errors.New("invoke: no process is left")
	}
	select {
	case res := <-inv.result:
		return res.response, res.err
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke, waiting for the answer: %w", ctx.Err())
	}
}

// Logs is what the children printed last, both streams together, up to 1 MiB.
func (r *Runtime) Logs() string { return r.logs.String() }

// Close ends the children (SIGTERM, SIGKILL two seconds later) and the servers,
// and waits for both. What is under way gets an error.
func (r *Runtime) Close() error {
	r.once.Do(func() { close(r.closing) })
	var errs []error
	for _, p := range r.processes {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// tail keeps the end of what is written to it. It drops the rest a megabyte at a
// time: moving what is kept for each line would cost as much as a call does.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 1 << 20

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.end()...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end())
}

func (t *tail) end() []byte { return t.b[max(0, len(t.b)-tailSize):] }

// uuid is of version 4 (RFC 9562), as Lambda's request ids are.
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, crypto/rand says
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
