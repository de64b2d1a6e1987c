package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/user"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"scopegate/admin"
	"scopegate/internal/adminclient"
	"scopegate/internal/callerarn"
	"scopegate/internal/config"
	"scopegate/internal/explain"
	"scopegate/internal/flush"
	"scopegate/store"
	"scopegate/store/dynamo"
	"scopegate/token"
)

// The direct way is the admin API itself, within this process on the store: what
// it checks, plans and answers is the same for everybody. Only who asks is not
// found out by a token: whoever may write to the store is an admin.

// directAdmin are claims of an admin; nobody is named by them, see directPrincipal.
var directAdmin = token.Claims{Kind: token.KindApp, Roles: []string{directRole}}

const directRole = "direct"

// patientPlan is how long a plan may take where no gateway waits for it.
const patientPlan = 10 * time.Minute

// insider believes every caller: there is but one.
type insider struct{}

// Verify implements admin.Verifier.
func (insider) Verify(context.Context, string) (token.Claims, error) { return directAdmin, nil }

// newDirect is a client of the admin API on a store, where by names who asks in
// the audit trail.
func newDirect(s store.Store, by string, settings config.Settings) (*adminclient.Client, error) {
	carrier := &inProcess{}
	api, err := admin.New(admin.Config{
		Store: s, Verifier: insider{}, Scope: directRole, Role: directRole, Log: zap.New(carrier), Flusher: flush.Off{}, Policy: planOptions(settings), Explain: explain.Of(settings),
		Principal: func(token.Claims) string { return by }, PlanWithin: patientPlan,
	})
	if err != nil {
		return nil, err
	}
	carrier.api = api
	return adminclient.New(adminclient.Options{
		URL: "http://localhost", Transport: carrier, Timeout: -1,
		Token: func(context.Context, bool) (string, error) { return "none", nil },
	})
}

// inProcess carries requests to a handler, and what the handler logs as the cause
// of its not being able to answer back: the API keeps that from its clients, and
// here it is the operator himself who asks.
type inProcess struct {
	zapcore.LevelEnabler
	api http.Handler

	mu    sync.Mutex
	cause error
}

// RoundTrip implements http.RoundTripper.
func (c *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.cause = nil
	c.mu.Unlock()
	w := &recorder{status: http.StatusOK, header: http.Header{}}
	// A client's request, as a server would have read it.
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	c.api.ServeHTTP(w, in)
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.status >= http.StatusInternalServerError && c.cause != nil {
		return nil, c.cause
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// Enabled implements zapcore.Core, as the methods below.
func (c *inProcess) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

// With keeps nothing: the fields of one entry say it all.
func (c *inProcess) With([]zapcore.Field) zapcore.Core { return c }

// Check takes every entry that is enabled.
func (c *inProcess) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write keeps the error of an entry.
func (c *inProcess) Write(e zapcore.Entry, fields []zapcore.Field) error {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType && e.Level >= zapcore.ErrorLevel {
			c.mu.Lock()
			c.cause = err
			c.mu.Unlock()
		}
	}
	return nil
}

// Sync has nothing to do.
func (c *inProcess) Sync() error { return nil }

// recorder keeps an answer.
type recorder struct {
	status int
	sent   bool
	header http.Header
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if !w.sent {
		w.status, w.sent = status, true
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.sent = true
	return w.body.Write(b)
}

// directPrincipal names who writes into a store without the admin API: on AWS the
// ARN that STS has for these credentials, on this machine its user.
func (p *program) directPrincipal(ctx context.Context, data string) (string, error) {
	local := data != "" || dynamo.IsLoopback(p.env("AWS_ENDPOINT_URL_DYNAMODB")) && p.env("AWS_ENDPOINT_URL_STS") == ""
	if local {
		return localPrincipal(), nil
	}
	arn, err := callerarn.Of(ctx)
	if err != nil {
		return "", fmt.Errorf("nothing is written: a change made directly is recorded with the caller's ARN: %w", err)
	}
	return "direct:" + arn, nil
}

func localPrincipal() string {
	u, err := user.Current()
	if err != nil {
		return "direct:unknown"
	}
	return "direct:" + u.Username
}
