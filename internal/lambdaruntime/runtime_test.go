package lambdaruntime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/lambdaruntime"
	"scopegate/internal/leaktest"
)

var bootstrap string // the compiled testdata/echo

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "echo")
	if err != nil {
		panic(err)
	}
	bootstrap = filepath.Join(dir, "bootstrap")
	out, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/echo").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "build testdata/echo: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	leaktest.Exit(code)
}

func start(t *testing.T, o lambdaruntime.Options, env ...string) *lambdaruntime.Runtime {
	t.Helper()
	r, err := lambdaruntime.Start(t.Context(), bootstrap, env, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

type answer struct {
	ID, ARN, Trace, Env, Large string
	Left                       float64
	PID                        int
}

func invoke(t *testing.T, r *lambdaruntime.Runtime, event string) (answer, error) {
	t.Helper()
	b, err := r.Invoke(t.Context(), []byte(event))
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		t.Errorf("%q: %v", b, err)
	}
	return a, nil
}

func TestFunctionIsGivenWhatLambdaGives(t *testing.T) {
	r := start(t, lambdaruntime.Options{Timeout: time.Minute, FunctionARN: "arn:aws:lambda:eu-west-1:1:function:f"}, "COLOUR=blue")
	a, err := invoke(t, r, `{"env":"COLOUR"}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.ID) != 36 || a.ARN != "arn:aws:lambda:eu-west-1:1:function:f" || !strings.HasPrefix(a.Trace, "Root=1-") || a.Env != "blue" {
		t.Errorf("%+v", a)
	}
	if a.Left <= 0 || a.Left > 60 {
		t.Errorf("%v s are left until the deadline, want up to 60", a.Left)
	}
	b, err := invoke(t, r, `{}`)
	if err != nil || b.ID == a.ID || b.PID != a.PID {
		t.Errorf("second event: %+v, %v; want another id in the same process", b, err)
	}
}

func TestEnvironmentIsNotInherited(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	if a, err := invoke(t, start(t, lambdaruntime.Options{}), `{"env":"AWS_SECRET_ACCESS_KEY"}`); err != nil || a.Env != "" {
		t.Errorf("the child sees %q, %v", a.Env, err)
	}
}

func TestErrorOfTheFunctionIsItsMessageAlone(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	_, err := invoke(t, r, `{"fail":"Unauthorized"}`)
	var e *lambdaruntime.Error
	if !errors.As(err, &e) || err.Error() != "Unauthorized" || e.Type != "errorString" {
		t.Errorf("%#v", err)
	}
	if _, err := invoke(t, r, `{}`); err != nil {
		t.Errorf("after an error the process does not go on: %v", err)
	}
}

func TestPanicIsAnErrorAndEndsTheProcess(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	if _, err := invoke(t, r, `{"panic":"bug"}`); err == nil || err.Error() != "bug" {
		t.Errorf("%v", err)
	}
	if _, err := invoke(t, r, `{}`); err == nil || !strings.Contains(err.Error(), "no process is left") && !strings.Contains(err.Error(), "Runtime exited") {
		t.Errorf("after a panic: %v", err)
	}
}

func TestDeathOfAProcessFailsItsEventAndLeavesTheOthers(t *testing.T) {
	r := start(t, lambdaruntime.Options{Processes: 2})
	_, err := invoke(t, r, `{"exit":true}`)
	var e *lambdaruntime.Error
	if !errors.As(err, &e) || e.Type != "Runtime.ExitError" || !strings.Contains(e.Message, "exit status 3") {
		t.Errorf("%v", err)
	}
	if _, err := invoke(t, r, `{}`); err != nil {
		t.Errorf("the other process: %v", err)
	}
	if _, err := invoke(t, r, `{"exit":true}`); err == nil {
		t.Error("the second death is no error")
	}
	if _, err := invoke(t, r, `{}`); err == nil || !strings.Contains(err.Error(), "no process is left") {
		t.Errorf("without a process: %v", err)
	}
}

// meeting lets nobody go on before n have come.
func meeting(t *testing.T, n int) string {
	var all sync.WaitGroup
	all.Add(n)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		all.Done()
		all.Wait()
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestEventsRunAtOnceInSeveralProcesses(t *testing.T) { atOnce(t, 3, 1) }
func TestEventsRunAtOnceInOneProcess(t *testing.T)       { atOnce(t, 1, 3) }

// atOnce invokes events that wait for each other; were fewer under way, none
// would ever answer.
func atOnce(t *testing.T, processes, concurrency int) {
	t.Helper()
	r := start(t, lambdaruntime.Options{Processes: processes, Concurrency: concurrency})
	n := processes * concurrency
	event := fmt.Sprintf(`{"meet":%q}`, meeting(t, n))
	var all sync.WaitGroup
	var mu sync.Mutex
	pids, ids := map[int]bool{}, map[string]bool{}
	for range n {
		all.Go(func() {
			a, err := invoke(t, r, event)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			pids[a.PID], ids[a.ID] = true, true
		})
	}
	all.Wait()
	if len(pids) != processes || len(ids) != n {
		t.Errorf("%d processes and %d ids, want %d and %d", len(pids), len(ids), processes, n)
	}
}

func TestManyEventsQueueForOneProcess(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			event, want := `{}`, ""
			if i%2 == 0 {
				want = fmt.Sprint("error ", i)
				event = fmt.Sprintf(`{"fail":%q}`, want)
			}
			_, err := invoke(t, r, event)
			if got := fmt.Sprint(err); want != "" && got != want || want == "" && err != nil {
				t.Errorf("event %d: %v, want %q", i, err, want)
			}
		})
	}
	all.Wait()
}

func TestInitErrorIsTheErrorOfStart(t *testing.T) {
	for mode, want := range map[string]string{"exit": "exit status 1", "error": "no settings"} {
		r, err := lambdaruntime.Start(t.Context(), bootstrap, []string{"INIT=" + mode}, lambdaruntime.Options{Processes: 2})
		if err == nil || r != nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "printed by the child") {
			t.Errorf("%s: %v", mode, err)
		}
	}
	if _, err := lambdaruntime.Start(t.Context(), bootstrap+".missing", nil, lambdaruntime.Options{}); err == nil {
		t.Error("a binary that is not there started")
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := lambdaruntime.Start(ctx, bootstrap, []string{"INIT=hang"}, lambdaruntime.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestInvokeEndsWithItsContextAndTheProcessGoesOn(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	asked, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-release }))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.Invoke(ctx, []byte(fmt.Sprintf(`{"meet":%q}`, server.URL)))
		done <- err
	}()
	<-asked
	waiting, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Invoke(waiting, []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in the queue: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the answer: %v", err)
	}
	close(release)
	if _, err := invoke(t, r, `{}`); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAnswerThatIsTooLargeIsAnError(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	if a, err := invoke(t, r, `{"large":6000000}`); err != nil || len(a.Large) != 6000000 {
		t.Errorf("6 MB: %d bytes, %v", len(a.Large), err)
	}
	_, err := invoke(t, r, `{"large":7000000}`)
	var e *lambdaruntime.Error
	if !errors.As(err, &e) || e.Type != "Function.ResponseSizeTooLarge" {
		t.Errorf("7 MB: %v", err)
	}
}

func TestLogsHoldWhatTheChildPrints(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	if _, err := invoke(t, r, `{"fail":"boom"}`); err == nil {
		t.Fatal("no error")
	}
	if err := r.Close(); err != nil { // then all has been copied
		t.Fatal(err)
	}
	for _, want := range []string{"printed by the child", "boom"} {
		if !strings.Contains(r.Logs(), want) {
			t.Errorf("%q is not in %q", want, r.Logs())
		}
	}
}

func TestClosedRuntimeAnswersWithAnError(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	done := make(chan error)
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() }))
	defer server.Close()
	go func() {
		_, err := r.Invoke(t.Context(), []byte(fmt.Sprintf(`{"meet":%q}`, server.URL)))
		done <- err
	}()
	<-asked
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err == nil {
		t.Error("what was under way has no error")
	}
	if _, err := r.Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Error("a closed runtime took an event")
	}
}

// The local gateway takes a Runtime for its authorizer.
func TestRuntimeIsAnAuthorizerOfTheGateway(t *testing.T) {
	g, err := gateway.New(gateway.Config{
		Flavour: gateway.HTTPv2, ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stages: []string{"$default"},
		Authorizer: start(t, lambdaruntime.Options{}), IdentitySources: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a", nil))
	if w.Code != http.StatusInternalServerError { // echo's answer is no authorizer's
		t.Errorf("status %d %s", w.Code, w.Body)
	}
	if s := g.Stats()["$default"]; s.AuthorizerCalls != 1 {
		t.Errorf("%+v", s)
	}
}
