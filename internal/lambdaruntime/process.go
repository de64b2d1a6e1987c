package lambdaruntime

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// process is one execution environment: a child and a server of its own, so
// that an invocation can be told from another child's.
type process struct {
	r        *Runtime
	server   *http.Server
	listener net.Listener
	cmd      *exec.Cmd
	cancel   context.CancelFunc

	ready     chan struct{} // closed when the first event is asked for
	readyOnce sync.Once
	gone      chan struct{} // closed when the child has ended and exit is set
	exit      error

	mu       sync.Mutex
	initErr  *Error
	underWay map[string]*invocation
	ended    bool
}

func (r *Runtime) startProcess(binary string, env []string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime API: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{
		r: r, listener: l, cancel: cancel, ready: make(chan struct{}), gone: make(chan struct{}),
		underWay: map[string]*invocation{},
	}
	p.server = &http.Server{Handler: p.handler(), BaseContext: func(net.Listener) context.Context { return ctx }}
	p.cmd = exec.CommandContext(ctx, binary)
	if e := r.opts.Emulator; e != "" {
		p.cmd = exec.CommandContext(ctx, e, binary)
	}
	p.cmd.Env = append(lambdaEnv(r.opts, l.Addr().String()), env...)
	p.cmd.Stdout, p.cmd.Stderr = &r.logs, &r.logs
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 2 * time.Second
	if err := p.cmd.Start(); err != nil {
		cancel()
		l.Close()
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	r.live.Add(1)
	go p.server.Serve(l) // ends with stop
	go p.watch()
	return p, nil
}

// lambdaEnv is what Lambda defines (AWS: "Defined runtime environment
// variables"), as far as a Go function reads it. A later entry wins.
func lambdaEnv(o Options, api string) []string {
	env := []string{
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_LAMBDA_FUNCTION_NAME=scopegate", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"LANG=en_US.UTF-8", "TZ=:UTC", "PATH=/usr/local/bin:/usr/bin:/bin",
	}
	if o.Concurrency > 1 {
		env = append(env, "AWS_LAMBDA_MAX_CONCURRENCY="+strconv.Itoa(o.Concurrency))
	}
	return env
}

// watch waits for the child's end and answers what it leaves behind, as Lambda
// does.
func (p *process) watch() {
	p.exit = p.cmd.Wait()
	p.mu.Lock()
	p.ended = true
	left := p.underWay
	p.underWay = nil
	p.mu.Unlock()
	for id, inv := range left {
		inv.result <- result{err: &Error{
			Type:    "Runtime.ExitError",
			Message: fmt.Sprintf("RequestId: %s Error: Runtime exited %s", id, status(p.exit)),
		}}
	}
	close(p.gone)
	p.r.live.Done()
}

func status(err error) string {
	if err == nil {
		return "without providing a reason"
	}
	return "with error: " + err.Error()
}

// waitReady waits until the child asks for its first event.
func (p *process) waitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.gone:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the first request: %w", ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.initErr != nil {
		return p.initErr
	}
	return &Error{Type: "Runtime.ExitError", Message: "Runtime exited " + status(p.exit)}
}

// stop ends the child, then the server.
func (p *process) stop() error {
	p.cancel()
	<-p.gone
	if err := p.server.Close(); err != nil {
		return fmt.Errorf("close the runtime API: %w", err)
	}
	return nil
}

// take notes that the child has an invocation; false if it has ended.
func (p *process) take(inv *invocation) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.underWay[inv.id] = inv
	return true
}

// settle hands over the result of an invocation; false if the child has none
// of that id.
func (p *process) settle(id string, res result) bool {
	p.mu.Lock()
	inv := p.underWay[id]
	delete(p.underWay, id)
	p.mu.Unlock()
	if inv == nil {
		return false
	}
	inv.result <- res
	return true
}
