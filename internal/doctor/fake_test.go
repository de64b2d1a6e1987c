package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/internal/doctor"
	"scopegate/internal/probe"
	"scopegate/policy"
)

// other is an API Gateway that behaves as the zero value says, which is as
// expected, or in one way differently.
type other struct {
	isHTTP bool
	stage  string

	noCache, keepsErrors, keeps401, dropsDenies bool // the cache
	frozen                                      bool // conditions are judged once
	noDates                                     bool // an Allow with a condition never counts
	datesAtOnce                                 bool // a Deny with a condition counts at once
	allowFirst, openEnd                         bool // evaluation
	starStops, noNotResource, foldsCase         bool
	foldsMethods                                bool
	questionStops                               bool
	arnOf                                       func(raw string) string
	mistaken                                    bool   // its backend sees the other kind of API
	routeOf                                     string // of /route/7%2Fnotes, "" is the one of the ARN
	refuses                                     func(path string) int
	on401, onError, onDeny                      int
	body                                        string
	away                                        func(n int) bool // answers 503 to the n-th request, 1 is the first
	asked                                       int
	limit                                       int
	broken                                      bool // answers nothing that is the probe's

	mu    sync.Mutex
	now   time.Time
	cache map[string]kept
}

type kept struct {
	b   []byte
	err error
	at  time.Time
}

func (o *other) Now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *other) wait(ctx context.Context, d time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
	return ctx.Err()
}

// answer is the authorizer's, kept or new.
func (o *other) answer(token, arn string) kept {
	o.mu.Lock()
	k, ok := o.cache[token]
	now := o.now
	o.mu.Unlock()
	if ok {
		return k
	}
	event, _ := json.Marshal(map[string]string{"type": "TOKEN", "authorizationToken": token, "methodArn": arn})
	k = kept{at: now}
	k.b, k.err = probe.Handler{APIs: []string{"other00001"}, Now: o.Now}.Invoke(context.Background(), event)
	keep := !o.noCache && (k.err == nil || o.keepsErrors && k.err.Error() != "Unauthorized" || o.keeps401 && k.err.Error() == "Unauthorized")
	if o.dropsDenies && strings.Contains(string(k.b), `"Resource":"*"`) {
		keep = false
	}
	if keep {
		o.mu.Lock()
		o.cache[token] = k
		o.mu.Unlock()
	}
	return k
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked++
	away := o.away != nil && o.away(o.asked)
	o.mu.Unlock()
	if away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !o.isHTTP {
		path = strings.TrimPrefix(path, "/"+o.stage)
	}
	raw := path
	if o.isHTTP {
		path, _ = url.PathUnescape(path)
	}
	if o.arnOf != nil {
		path = o.arnOf(raw)
	}
	if o.refuses != nil {
		if status := o.refuses(raw); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	if o.broken {
		fmt.Fprint(w, "<html>")
		return
	}
	o.decide(w, r, "arn:aws:execute-api:eu-west-1:123456789012:other00001/"+o.stage+"/GET"+path)
}

func (o *other) decide(w http.ResponseWriter, r *http.Request, arn string) {
	status := func(given, usual int) int {
		if given != 0 {
			return given
		}
		return usual
	}
	k := o.answer(r.Header.Get("Authorization"), arn)
	switch {
	case k.err != nil && k.err.Error() == "Unauthorized":
		w.WriteHeader(status(o.on401, 401))
		fmt.Fprint(w, `{"message":"Unauthorized"}`)
		return
	case k.err != nil || len(k.b) > status(o.limit, 8192):
		w.WriteHeader(status(o.onError, 500))
		fmt.Fprint(w, `{"message":null}`)
		return
	}
	var a struct {
		PolicyDocument policy.Document
		Context        map[string]string
	}
	if err := json.Unmarshal(k.b, &a); err != nil {
		panic(err)
	}
	if !o.allows(a.PolicyDocument, arn, k.at) {
		w.WriteHeader(status(o.onDeny, 403))
		body := o.body
		if body == "" {
			key := "Message"
			if o.isHTTP {
				key = "message"
			}
			body = fmt.Sprintf(`{%q:"User is not authorized to access this resource with an explicit deny"}`, key)
		}
		fmt.Fprint(w, body)
		return
	}
	route := o.routeOf
	if route == "" {
		route = map[bool]string{true: "/route/{id}/notes", false: "/route/{id}"}[strings.HasSuffix(arn, "/notes")]
	}
	json.NewEncoder(w).Encode(map[string]any{"route": route, "isHttp": o.isHTTP != o.mistaken, "requestContext": map[string]any{"authorizer": a.Context}})
}

// allows evaluates as the fields say.
func (o *other) allows(d policy.Document, arn string, made time.Time) bool {
	now := o.Now()
	if o.frozen {
		now = made
	}
	var statements []policy.Statement
	for _, s := range d.Statement {
		conditional := len(s.Condition) > 0
		switch {
		case o.noDates && conditional && s.Effect == policy.Allow, o.noNotResource && len(s.NotResource) > 0:
			continue
		case o.datesAtOnce && conditional && s.Effect == policy.Deny:
			s.Condition = nil
		case o.allowFirst && s.Effect == policy.Deny && len(d.Statement) > 1:
			continue
		case o.foldsMethods:
			s.Resource = policy.Strings{strings.ReplaceAll(strings.Join(s.Resource, ""), "/get/", "/GET/")}
		case o.foldsCase:
			s.Resource, arn = policy.Strings{strings.ToLower(strings.Join(s.Resource, ""))}, strings.ToLower(arn)
		case o.starStops && strings.Count(arn, "/") > 4 && strings.HasSuffix(strings.Join(s.Resource, ""), "GET/probe/*"):
			continue
		case o.questionStops && strings.Contains(strings.Join(s.Resource, ""), "a?b"):
			continue
		}
		statements = append(statements, s)
	}
	got := policy.Evaluate(policy.Document{Version: d.Version, Statement: statements}, arn, now, netip.Addr{})
	return got == policy.Allowed || o.openEnd && got == policy.NotMatched
}

// asked asks all questions of o.
func asked(t *testing.T, o *other) map[string]doctor.Row {
	t.Helper()
	o.cache, o.now = map[string]kept{}, time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	if o.stage == "" {
		o.stage = "probe"
	}
	server := httptest.NewServer(o)
	defer server.Close()
	base := server.URL
	if !o.isHTTP {
		base += "/" + o.stage
	}
	// The prober's own clock is an hour behind the function's.
	rows, err := doctor.Probe(t.Context(), doctor.Target{Part: "API", URL: base, IsHTTP: o.isHTTP, Client: server.Client(), Wait: o.wait,
		Now: func() time.Time { return o.Now().Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]doctor.Row{}
	for _, r := range rows {
		all[r.Check] = r
	}
	return all
}

// roundTripper is a handler as a transport.
type roundTripper func(http.ResponseWriter, *http.Request)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r = r.Clone(r.Context())
	r.RequestURI = r.URL.RequestURI()
	f(w, r)
	return w.Result(), nil
}
