package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/oklog/ulid/v2"
	"go.uber.org/zap/zapcore"

	"scopegate/gateway"
)

// trace writes one readable line per request. What the authorizer thought is in
// its log only; the trace is that log, and brings the two together by the
// request id.
type trace struct {
	now  func() time.Time
	next zapcore.Core // gets the authorizer's log lines as well; may be nil

	mu    sync.Mutex
	out   io.Writer
	notes map[string]*note // by the authorizer's request id, while it runs
}

// note is what is learnt of one request while it is served. It is written by
// the goroutine that serves the request only.
type note struct {
	called  bool // the authorizer
	backend bool
	reason  string
	route   string
	cause   string
	failed  string // why the store or the backend did not answer
}

type noteKey struct{}

func newTrace(out io.Writer, now func() time.Time, next zapcore.Core) *trace {
	return &trace{now: now, next: next, out: out, notes: map[string]*note{}}
}

// handler serves requests and writes a line about each.
func (t *trace) handler(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := &note{}
		rec := &recorder{ResponseWriter: w, note: n}
		defer func() { // also of an answer that breaks off, which is a panic
			path, _, _ := strings.Cut(r.RequestURI, "?") // a query may hold secrets
			t.printf("%s %-4s %d %-9s %s %s  %s", t.now().Format(time.TimeOnly), name, rec.status, n.how(rec), printable(r.Method), printable(path), n.why(rec))
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), noteKey{}, n)))
	})
}

// noteFailure notes for a request's line what failed besides the authorizer.
func noteFailure(r *http.Request, err error) {
	if n, ok := r.Context().Value(noteKey{}).(*note); ok {
		n.failed = err.Error()
	}
}

// backend notes that a request was let through.
func (t *trace) backend(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, ok := r.Context().Value(noteKey{}).(*note); ok {
			n.backend = true
		}
		next.ServeHTTP(w, r)
	})
}

// authorizer notes that the authorizer was called, and under which request id it
// logs.
func (t *trace) authorizer(next gateway.Authorizer) gateway.Authorizer {
	return gateway.AuthorizerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		n, ok := ctx.Value(noteKey{}).(*note)
		if !ok {
			return next.Invoke(ctx, payload)
		}
		n.called = true
		id := ulid.Make().String()
		ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
		var event struct {
			RequestContext struct{ RequestID string }
		}
		if json.Unmarshal(payload, &event) == nil && event.RequestContext.RequestID != "" {
			id = event.RequestContext.RequestID
		}
		t.mu.Lock()
		t.notes[id] = n
		t.mu.Unlock()
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.notes, id)
		}()
		return next.Invoke(ctx, payload)
	})
}

func (n *note) how(rec *recorder) string {
	switch {
	case n.called:
		return "called"
	case n.backend || rec.status == http.StatusForbidden && strings.Contains(string(rec.body), "not authorized"):
		return "cached"
	}
	return "no call"
}

// why says the reason: the authorizer's, or what the gateway answered.
func (n *note) why(rec *recorder) string {
	why := n.reason
	switch {
	case n.failed != "" && n.backend:
		why = "allowed, but the backend failed: " + printable(n.failed)
	case n.failed != "":
		why = "the store does not answer: " + printable(n.failed)
	case n.called:
		for _, more := range []string{n.route, n.cause} {
			if more != "" {
				why += " " + printable(more)
			}
		}
	case n.backend:
		why = "allowed by the cached policy"
	case rec.status == http.StatusUnauthorized:
		why = "no token, or none that matches the token validation expression"
	default:
		why = rec.message()
	}
	return "(" + strings.TrimSpace(why) + ")"
}

// Enabled, With, Check, Write and Sync make the trace the core of a zap log.
func (t *trace) Enabled(zapcore.Level) bool { return true }

// With implements zapcore.Core.
func (t *trace) With([]zapcore.Field) zapcore.Core { return t }

// Check implements zapcore.Core.
func (t *trace) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.AddCore(e, t)
}

// Write implements zapcore.Core.
func (t *trace) Write(e zapcore.Entry, fields []zapcore.Field) error {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(m)
	}
	text := func(name string) string { s, _ := m.Fields[name].(string); return s }
	t.mu.Lock()
	n := t.notes[text("requestId")]
	t.mu.Unlock()
	switch {
	case e.Message == "decision" && n != nil:
		n.reason, n.route, n.cause = text("reason"), text("route"), text("cause")
		if unknown, _ := m.Fields["groupsUnknown"].(bool); unknown {
			n.reason += ", groups unknown"
		}
	case e.Level >= zapcore.WarnLevel:
		t.printf("%s %s: %s %s", t.now().Format(time.TimeOnly), e.Level.CapitalString(), e.Message, printable(text("error")))
	}
	if t.next == nil || !t.next.Enabled(e.Level) {
		return nil
	}
	return t.next.Write(e, fields)
}

// Sync implements zapcore.Core.
func (t *trace) Sync() error { return nil }

func (t *trace) printf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...) // a terminal that is gone is no reason to fail a request
}

// printable keeps what a client sent from moving the cursor.
func printable(s string) string {
	const most = 200
	quoted := strconv.QuoteToGraphic(s)
	quoted = quoted[1 : len(quoted)-1]
	if len(quoted) > most {
		return strings.ToValidUTF8(quoted[:most], "") + "…"
	}
	return quoted
}

// recorder remembers the status, and the beginning of the gateway's own answers.
type recorder struct {
	http.ResponseWriter
	note   *note
	status int
	body   []byte
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	const most = 512
	if !r.note.backend && len(r.body) < most {
		r.body = append(r.body, b[:min(len(b), most-len(r.body))]...)
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// message is the text of a gateway's own answer. Its key is Message or message.
func (r *recorder) message() string {
	var answer struct{ Message string }
	if json.Unmarshal(r.body, &answer) != nil {
		return http.StatusText(r.status)
	}
	return answer.Message
}
