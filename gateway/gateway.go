package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"scopegate/policy"
)

// Gateway serves one API. Make one with New.
type Gateway struct {
	cfg     Config
	sources []identitySource
	tokens  *regexp.Regexp
	cache   *answers

	mu    sync.Mutex
	stats map[string]Stats
}

// Stats counts what a stage was asked since the start.
type Stats struct {
	Requests        uint64 // that reached the stage
	AuthorizerCalls uint64
	CacheHits       uint64 // answered by a remembered policy
}

// Decision is what became of one request. It holds neither query nor headers.
type Decision struct {
	Flavour     Flavour
	Stage       string // empty if the request reached none
	Method      string
	Path        string // below the stage, as the client sent it
	MethodARN   string // empty if the request was not routed
	Outcome     Outcome
	Status      int  // of the response: the backend's if Outcome is Allowed
	Called      bool // the authorizer was called
	Cached      bool // a remembered answer was used
	PrincipalID string
	Err         error // why the outcome is Failed or Misconfigured
	Took        time.Duration
}

func newGateway(c Config, sources []identitySource, tokens *regexp.Regexp) (*Gateway, error) {
	cache, err := newAnswers(c.AuthorizerTTL, c.CacheSize)
	if err != nil {
		return nil, fmt.Errorf("authorizer cache: %w", err)
	}
	return &Gateway{cfg: c, sources: sources, tokens: tokens, cache: cache, stats: map[string]Stats{}}, nil
}

// Server returns a server for the gateway alone, not yet listening, with the
// settings it needs: net/http would answer OPTIONS * by itself, and wait for
// ever for a client that does not finish its headers.
func (g *Gateway) Server() *http.Server {
	return &http.Server{
		Handler:                      g,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            10 * time.Second,
		MaxHeaderBytes:               4 * MaxHeaders, // beyond MaxHeaders the gateway answers, beyond this net/http
	}
}

// ErrNoCache is the error of a flush of a WebSocket API.
var ErrNoCache = errors.New("WebSocket APIs have no authorizer cache")

// Flush forgets every remembered answer of a stage, and of no other one, as
// FlushStageAuthorizersCache (REST) and ResetAuthorizersCache (HTTP APIs) do. The
// answer of a call that is under way is used for its own request and not
// remembered. The error is ErrNoCache, or says that there is no such stage (AWS:
// NotFoundException).
func (g *Gateway) Flush(stage string) error {
	switch {
	case g.cfg.Flavour == WebSocket:
		return ErrNoCache
	case !slices.Contains(g.cfg.Stages, stage):
		return fmt.Errorf("flush stage %q: there is none of that name", stage)
	}
	g.cache.flush(stage)
	return nil
}

// Stats returns the counts of each stage that was asked.
func (g *Gateway) Stats() map[string]Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.stats)
}

func (g *Gateway) count(stage string, add func(*Stats)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats[stage]
	add(&s)
	g.stats[stage] = s
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sw := &statusWriter{ResponseWriter: w}
	c, outcome := g.read(r)
	d := Decision{
		Flavour: g.cfg.Flavour, Stage: c.stage, Method: c.method, Path: c.rawPath,
		MethodARN: c.arn, Outcome: outcome,
	}
	defer g.report(&d, sw, time.Now())
	var a *answer
	if outcome == "" {
		g.count(c.stage, func(s *Stats) { s.Requests++ })
		a = g.authorize(c, &d)
	}
	g.setIDs(w.Header(), c)
	if d.Outcome != Allowed {
		g.refuse(sw, c, d.Outcome)
		return
	}
	g.pass(sw, c, a)
}

// Fail answers a request as if its authorizer had failed, without asking anybody:
// for a stand-in of API Gateway that cannot find out what is served.
func (g *Gateway) Fail(w http.ResponseWriter, r *http.Request) {
	c, _ := g.read(r)
	g.setIDs(w.Header(), c)
	g.refuse(w, c, Failed)
}

func (g *Gateway) report(d *Decision, w *statusWriter, start time.Time) {
	if g.cfg.OnDecision == nil {
		return
	}
	d.Status, d.Took = w.status, time.Since(start)
	g.cfg.OnDecision(*d)
}

// authorize finds the outcome of a routed call; the answer is non-nil if it is
// Allowed.
func (g *Gateway) authorize(c *call, d *Decision) *answer {
	if g.closedByResourcePolicy(c) {
		d.Outcome = ExplicitlyDenied
		return nil
	}
	id, ok := g.identify(c)
	if !ok {
		d.Outcome = NoIdentity
		return nil
	}
	a, err := g.ask(c, id, d)
	if err != nil {
		d.Outcome, d.Err = failure(err)
		return nil
	}
	d.PrincipalID = a.principal
	d.Outcome = g.decide(c, a)
	return a
}

// unauthorized is compared with the whole error message: API Gateway takes
// nothing else for a 401.
const unauthorized = "Unauthorized"

type misconfigured struct{ error }

func failure(err error) (Outcome, error) {
	var m misconfigured
	switch {
	case errors.As(err, &m):
		return Misconfigured, m.error
	case err.Error() == unauthorized:
		return Unauthorized, nil
	}
	return Failed, err
}

// ask gets the authorizer's answer for an identity, remembered or new.
func (g *Gateway) ask(c *call, id identity, d *Decision) (*answer, error) {
	key := cacheKey{stage: c.stage, identity: id.hash()}
	a, epoch := g.cache.get(key, c.at)
	if a != nil {
		d.Cached = true
		g.count(c.stage, func(s *Stats) { s.CacheHits++ })
		return a, nil
	}
	event, err := c.event(g.cfg.Flavour, id)
	if err != nil {
		return nil, fmt.Errorf("build the authorizer's event: %w", err)
	}
	d.Called = true
	g.count(c.stage, func(s *Stats) { s.AuthorizerCalls++ })
	b, err := g.invoke(c.r.Context(), event)
	if err != nil {
		return nil, err // errors are not remembered
	}
	if a, err = parseAnswer(g.cfg.Flavour, b); err != nil {
		return nil, misconfigured{err}
	}
	g.cache.put(key, epoch, a, g.cfg.Now())
	return a, nil
}

// invoke calls the authorizer. A client that goes away does not end the call:
// API Gateway's goes on as well, and its answer is remembered.
func (g *Gateway) invoke(ctx context.Context, event []byte) (b []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.AuthorizerTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the authorizer panicked: %v", p)
		}
	}()
	b, err = g.cfg.Authorizer.Invoke(ctx, event)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("the authorizer did not answer within %v", g.cfg.AuthorizerTimeout)
	}
	return b, err
}

// closedByResourcePolicy reports whether the authorizer need not be asked.
func (g *Gateway) closedByResourcePolicy(c *call) bool {
	p := g.cfg.ResourcePolicy
	return p != nil && policy.Evaluate(*p, c.arn, c.at, c.ip) == policy.ExplicitlyDenied
}

// decide evaluates an answer for this very method and path, together with the
// resource policy.
func (g *Gateway) decide(c *call, a *answer) Outcome {
	if a.simple {
		if a.permitted {
			return Allowed
		}
		return Denied
	}
	switch policy.EvaluateBoth(a.document, g.cfg.ResourcePolicy, c.arn, c.at, c.ip) {
	case policy.Allowed:
		return Allowed
	case policy.ExplicitlyDenied:
		return ExplicitlyDenied
	}
	return Denied
}
