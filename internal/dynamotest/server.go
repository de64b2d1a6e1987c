// Package dynamotest gives tests a DynamoDB to talk to over the wire: the one
// that AWS_ENDPOINT_URL_DYNAMODB names, else dynoxide from node_modules, and a
// [Wire] on which answers get lost. In goes a *testing.T; out come an endpoint,
// a client, a table of the test's own.
package dynamotest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const startWithin = time.Minute

// Server is a DynamoDB-compatible server of one test's own, whose tables
// survive Kill and Restart.
type Server struct {
	Endpoint string

	t       testing.TB
	port    int
	db      string
	process *process
}

// host is an address on which no other process listens: nobody takes the port of
// a server that was killed before it is started again. Elsewhere than on Linux
// loopback is one address.
var host = sync.OnceValue(func() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	id := os.Getpid()
	return net.IPv4(127, byte(64|id>>16&63), byte(id>>8), byte(id)).String()
})

// StartServer starts a server that ends with the test.
func StartServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, db: filepath.Join(t.TempDir(), "dynamodb.sqlite")}
	p, port, err := startAnywhere(s.db)
	if err != nil {
		t.Fatal(err)
	}
	s.process, s.port, s.Endpoint = p, port, endpointAt(port)
	t.Cleanup(s.Kill)
	return s
}

// Kill ends the server at once, as a power cut would. Killing it again does
// nothing.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

// Restart starts the server again, at the same endpoint and with its tables.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	p, err := start(s.port, s.db)
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = p
}

// shared is the one server of a test binary. It ends with the binary: the
// function holds on to it, since a process collected as garbage would have its
// standard input closed, which ends it.
var shared = sync.OnceValues(func() (*Server, error) {
	if endpoint := os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"); endpoint != "" {
		return &Server{Endpoint: endpoint}, nil
	}
	p, port, err := startAnywhere("")
	return &Server{Endpoint: endpointAt(port), process: p}, err
})

// Run gives the endpoint of the server that AWS_ENDPOINT_URL_DYNAMODB names, or
// starts one without tables for a program that is no test. stop ends what was
// started; it may be called once.
func Run() (endpoint string, stop func(), err error) {
	if endpoint := os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"); endpoint != "" {
		return endpoint, func() {}, nil
	}
	p, port, err := startAnywhere("")
	if err != nil {
		return "", nil, err
	}
	return endpointAt(port), p.kill, nil
}

// Endpoint is the URL of the server that all tests of this binary share.
func Endpoint(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.Endpoint
}

func endpointAt(port int) string { return "http://" + net.JoinHostPort(host(), strconv.Itoa(port)) }

// process is a running dynoxide under a shell that ends it when its own
// standard input ends: however this process dies, no server is left behind.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

const keeper = `exec 3<&0
"$0" "$@" </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -9 $server; } >/dev/null 2>&1 &
wait $server`

// startAnywhere starts a server on a free port. Another process may take the
// port first; then the next one is tried.
func startAnywhere(db string) (p *process, port int, err error) {
	for range 5 {
		if port, err = freePort(); err != nil {
			return nil, 0, err
		}
		if p, err = start(port, db); err == nil {
			return p, port, nil
		}
	}
	return nil, 0, err
}

func start(port int, db string) (*process, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	args := []string{"-c", keeper, binary, "serve", "--host", host(), "--port", strconv.Itoa(port)}
	if db != "" {
		args = append(args, "--db-path", db)
	}
	cmd := exec.Command("sh", args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start dynoxide: %w", err)
	}
	p := &process{cmd, stdin}
	if err := ready(output, port); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

func (p *process) kill() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // its status is that of a killed process
}

// ready waits until the server says that it listens and takes a connection.
// It must say so itself: on a port that was taken first, another one answers.
func ready(output io.Reader, port int) error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "listening") {
				break
			}
		}
		said <- all.String()
		_, _ = io.Copy(io.Discard, output)
	}()
	select {
	case <-ctx.Done():
		return fmt.Errorf("dynoxide on port %d did not start within %s", port, startWithin)
	case text := <-said:
		if !strings.Contains(text, "listening") {
			return fmt.Errorf("dynoxide on port %d did not start: %s", port, text)
		}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host(), strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("dynoxide on port %d does not answer: %w", port, err)
	}
	return conn.Close()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host(), "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// find looks for the binary under the module's root.
func find() (string, error) {
	platform := runtime.GOOS + "-" + runtime.GOARCH
	platform = strings.NewReplacer("amd64", "x64").Replace(platform)
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	binary := filepath.Join(dir, "node_modules", "@dynoxide", platform, "dynoxide")
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("there is no DynamoDB to test against: run `make test`, which installs one with npm ci, or set AWS_ENDPOINT_URL_DYNAMODB (%w)", err)
	}
	return binary, nil
}
