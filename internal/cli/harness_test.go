package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
)

var anyPorts = []string{"--rest-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--issuer-addr", "127.0.0.1:0"}

// environment is that of a new user: nothing of ours is set.
func environment(t *testing.T, more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}, more...)
}

// output collects what a process prints.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // closed by the next Write; nil if nobody waits
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await waits until something is printed after the first so many bytes. A
// request's line follows its answer.
func (o *output) await(t *testing.T, after int, want string) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		o.mu.Lock()
		text := o.b.String()[after:]
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		changed := o.changed
		o.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Errorf("dev says %q, want %q", text, want)
			return
		}
	}
}

// running is a scopegate dev of its own process, as a person starts it.
type running struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *output
}

func startDev(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command("scopegate", slices.Concat([]string{"dev"}, anyPorts, args)...), stderr: &output{}}
	r.cmd.Env, r.cmd.Stderr = env, r.stderr
	pipe, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout = bufio.NewReader(pipe)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			r.cmd.Process.Kill()
			r.cmd.Wait()
		}
	})
	return r
}

// interrupt ends it as Ctrl-C does, and gives what is left of its output.
func (r *running) interrupt(t *testing.T) string {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r.stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("ended by Ctrl-C: %v\n%s", err, r.stderr)
	}
	return string(rest)
}

// banner reads until the last line that a person is shown.
func (r *running) banner(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.stdout.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			t.Fatalf("dev ended: %v\n%s%s", err, &b, r.stderr)
		}
		if strings.HasPrefix(line, "A change of a mapping counts") {
			return b.String()
		}
	}
}

// inProcess runs dev inside the test until the test ends.
func inProcess(t *testing.T, env []string, args ...string) dev.Ready {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var stderr output
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, slices.Concat([]string{"scopegate", "dev", "--json"}, anyPorts, args), env, nil, write, &stderr)
		write.Close()
	}()
	t.Cleanup(func() {
		cancel()
		go io.Copy(io.Discard, read)
		if code := <-done; code != cli.OK {
			t.Errorf("dev ended with %d: %s", code, &stderr)
		}
	})
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatalf("dev did not start: %s", &stderr)
	}
	var ready dev.Ready
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		t.Fatal(err)
	}
	return ready
}

// scopegate runs a command and gives its output and exit code.
func scopegate(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs output
	code = cli.Run(t.Context(), append([]string{"scopegate"}, args...), environment(t), strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

// get calls a URL whose host name may be any name of this machine.
func get(t *testing.T, ready dev.Ready, target, raw string) int {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	host := u.Host
	u.Host = "127.0.0.1:" + u.Port()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	request.Header.Set("Authorization", "Bearer "+raw)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Minute}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
