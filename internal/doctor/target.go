package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"scopegate/internal/probe"
	"scopegate/policy"
)

// Target is an API with the probe in front of it and behind it.
type Target struct {
	Part string // its name in rows
	// URL is the API's with its stage, as API Gateway shows it; of an HTTP API with
	// the stage $default it has none.
	URL    string
	IsHTTP bool         // an HTTP API, and no REST API
	Single bool         // one greedy route for all there is: nothing to choose from
	Client *http.Client // nil is one of its own with a bound of time
	// Now and Wait are the clock and waiting by it; nil are the machine's. Wait ends
	// with an error when its context does.
	Now  func() time.Time
	Wait func(context.Context, time.Duration) error
}

// Bounds of what a probe API may answer with.
const (
	maxProbeBody = 64 << 10 // bytes
	probeTimeout = 35 * time.Second
)

// Check reports a URL that is none of an API's with its stage.
func (t Target) Check() error {
	_, err := t.base()
	return err
}

func (t Target) base() (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(t.URL, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("URL %q of the %s: must be that of an API with its stage, such as https://abc123.execute-api.eu-central-1.amazonaws.com/probe", t.URL, t.Part)
	}
	return u, nil
}

// prober asks one target.
type prober struct {
	Target
	base   *url.URL
	offset time.Duration // of the function's clock from ours
	keeps  bool          // an answer of the authorizer was seen to be kept
}

func newProber(t Target) (*prober, error) {
	u, err := t.base()
	if err != nil {
		return nil, err
	}
	if t.Client == nil {
		t.Client = &http.Client{Timeout: probeTimeout}
	}
	client := *t.Client // a redirect would be somebody else's answer
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Client = &client
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.Wait == nil {
		t.Wait = wait
	}
	return &prober{Target: t, base: u}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// answer is what came of one request.
type answer struct {
	status  int
	message string // of a refusal
	key     string // that the message stood under
	call    string // of the authorizer's call that decided, "" if it was not let through
	request string // stage/METHOD/path of the method ARN, as the authorizer saw it
	route   string // template of the one that API Gateway chose, "" if it is not told
	isHTTP  *bool  // the kind of API that the backend sees, nil if it is not told
	at      time.Time
}

// String is what a row shows.
func (a answer) String() string {
	switch {
	case a.message == accessDenied+withDeny:
		return fmt.Sprintf("%d (explicit deny)", a.status)
	case a.message != "" && a.message != accessDenied:
		return fmt.Sprintf("%d (%s)", a.status, a.message)
	}
	return strconv.Itoa(a.status)
}

// plan makes a plan of its own: no other request has its token, and so no cache an
// answer to it.
func plan(statements ...probe.Statement) probe.Plan {
	return probe.Plan{Nonce: rand.Text(), Answer: probe.Policy, Statements: statements}
}

func asking(a probe.Answer) probe.Plan { return probe.Plan{Nonce: rand.Text(), Answer: a} }

func allow(resources ...string) probe.Statement {
	return probe.Statement{Effect: policy.Allow, Resources: resources}
}

func deny(resources ...string) probe.Statement {
	return probe.Statement{Effect: policy.Deny, Resources: resources}
}

// get sends one request, and fails where the answer says nothing of the question:
// API Gateway or the function is away.
func (p *prober) get(ctx context.Context, with probe.Plan, path string) (answer, error) {
	a, err := p.send(ctx, with, path)
	if err == nil && a.status > http.StatusInternalServerError {
		err = fmt.Errorf("ask the probe: the answer is %s: try again later", a)
	}
	return a, err
}

// send sends one request. The path, which follows the stage, goes out as it stands:
// nothing cleans or escapes it.
func (p *prober) send(ctx context.Context, with probe.Plan, path string) (answer, error) {
	target := *p.base
	target.Opaque, target.Path, target.RawPath = p.base.EscapedPath()+path, "", ""
	request := (&http.Request{Method: http.MethodGet, URL: &target, Host: p.base.Host, Header: http.Header{"Authorization": {with.Token()}}}).WithContext(ctx)
	response, err := p.Client.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("ask the probe: %w", withoutURL(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProbeBody))
	if err != nil {
		return answer{}, fmt.Errorf("ask the probe: %w", err)
	}
	if response.StatusCode == http.StatusTooManyRequests {
		return answer{}, errors.New("ask the probe: status 429, API Gateway throttles: try again later")
	}
	return read(response.StatusCode, body), nil
}

// withoutURL drops what net/http puts before the cause: the path of a question says
// nothing to who reads it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// read takes what is known of an answer; a body that is not JSON is none.
func read(status int, body []byte) answer {
	a := answer{status: status}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return a
	}
	for _, key := range []string{"message", "Message"} {
		if json.Unmarshal(members[key], &a.message) == nil && a.message != "" {
			a.key = key
		}
	}
	_ = json.Unmarshal(members["isHttp"], &a.isHTTP)
	_ = json.Unmarshal(members["route"], &a.route) // of another type, or absent: not told
	var context struct{ Authorizer map[string]any }
	if json.Unmarshal(members["requestContext"], &context) != nil {
		return a
	}
	text := func(key string) string {
		if v, ok := context.Authorizer[key]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	a.call, a.request = text(probe.CallKey), text(probe.ARNKey)
	if seconds, err := strconv.ParseInt(text(probe.TimeKey), 10, 64); err == nil {
		a.at = time.Unix(seconds, 0)
	}
	return a
}

// afterStage is what follows the stage in a method ARN: METHOD/path.
func (a answer) afterStage() string {
	_, rest, _ := strings.Cut(a.request, "/")
	return rest
}

// stage is the one that stands in a method ARN.
func (a answer) stage() string {
	stage, _, _ := strings.Cut(a.request, "/")
	return stage
}
