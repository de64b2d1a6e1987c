package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"scopegate/gateway"
	"scopegate/internal/adminwiring"
	"scopegate/internal/config"
	"scopegate/internal/flush"
	localflush "scopegate/internal/flush/local"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/mapping"
)

// AdminAudience is the audience of admin tokens: another one than callers', as
// it should be in production.
const AdminAudience = "api://scopegate-admin-local"

// Time-outs of all listeners. A client that does not finish its headers, or
// keeps a connection open for nothing, must not hold on to it.
const (
	headerTimeout   = 10 * time.Second
	idleTimeout     = time.Minute
	prefetchTimeout = 5 * time.Second
	shutdownTimeout = 3 * time.Second
)

// Stack is a running local stack. Make one with Start.
type Stack struct {
	options  Options
	settings config.Settings
	data
	provider *idp.Provider
	rest     *fleet
	http     *fleet
	trace    *trace
	jobs     *localflush.Jobs // nil with FLUSH_AUTHORIZER_CACHE=off
	api      *adminwiring.Parts

	listeners map[string]net.Listener // by flag
	servers   []*http.Server
	serving   sync.WaitGroup
	failed    chan error
	closers   []func() error // in reverse
	closed    sync.Once
	closeErr  error
}

// Start brings everything up. When it returns, all listeners answer. The error
// wraps ErrOptions if an option is wrong. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Stack{options: o, listeners: map[string]net.Listener{}, failed: make(chan error, 4)}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	parts, err := s.parts()
	if err != nil {
		return err
	}
	if err := s.fleets(ctx, parts); err != nil {
		return err
	}
	if err := s.admin(); err != nil {
		return err
	}
	s.serve(issuerFlag, &http.Server{Handler: local(s.provider)})
	s.serve(adminFlag, &http.Server{Handler: local(withReady(s.api.Handler, s.readyFor))})
	s.serve(restFlag, &http.Server{Handler: s.trace.handler("REST", s.rest), DisableGeneralOptionsHandler: true, MaxHeaderBytes: 4 * gateway.MaxHeaders})
	s.serve(httpFlag, &http.Server{Handler: s.trace.handler("HTTP", s.http), DisableGeneralOptionsHandler: true, MaxHeaderBytes: 4 * gateway.MaxHeaders})
	ctx, cancel := context.WithTimeout(ctx, prefetchTimeout)
	defer cancel()
	parts.Prefetch(ctx)
	return nil
}

// listen takes all ports first, so that a port in use costs nothing else.
func (s *Stack) listen() error {
	var faults []error
	for _, at := range []struct{ flag, addr string }{
		{restFlag, s.options.RESTAddr}, {httpFlag, s.options.HTTPAddr},
		{adminFlag, s.options.AdminAddr}, {issuerFlag, s.options.IssuerAddr},
	} {
		l, err := net.Listen("tcp", at.addr)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s %q: cannot listen there (port 0 picks a free one): %w", at.flag, at.addr, err))
			continue
		}
		s.listeners[at.flag] = l
		s.onClose(func() error {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	return errors.Join(faults...)
}

// urlOf is where a listener is reached from this machine.
func (s *Stack) urlOf(flag string) string {
	addr := s.listeners[flag].Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(addr.Port))
}

// configure makes the provider and reads the settings with it in place of
// others.
func (s *Stack) configure() error {
	var err error
	if s.provider, err = idp.New(idp.Options{BaseURL: s.urlOf(issuerFlag), Now: s.options.Now}); err != nil {
		return err
	}
	s.settings, err = config.Load(s.options.localEnviron(map[string]string{
		"ENTRA_TENANT_IDS": s.provider.TenantID(), "ENTRA_AUTHORITY": s.provider.Authority(), "ENTRA_STS": s.provider.STS(),
		"OIDC_AUDIENCES": s.provider.Audience(), "ADMIN_AUDIENCES": AdminAudience, "ADMIN_TENANT_IDS": s.provider.TenantID(),
	}), config.Store) // a laptop's environment holds other people's variables too
	if err != nil {
		return optionError{err}
	}
	return nil
}

func (s *Stack) openStore(ctx context.Context) error {
	opened, remove, err := s.options.openData(ctx, s.settings.TableName)
	s.onClose(remove)
	if err != nil {
		return err
	}
	s.data = opened
	s.onClose(opened.store.Close)
	return s.options.fill(ctx, opened.store)
}

// parts makes the authorizer, the same one as in Lambda.
func (s *Stack) parts() (*wiring.Parts, error) {
	full, err := wiring.NewLog(s.settings.LogLevel)
	if err != nil {
		return nil, err
	}
	s.trace = newTrace(s.options.Log, s.options.Now, nil)
	if s.settings.LogLevel == "debug" {
		s.trace.next = full.Core()
	}
	return wiring.New(s.settings, s.store, zap.New(s.trace), s.options.Now)
}

// fleets makes both gateways.
func (s *Stack) fleets(ctx context.Context, parts *wiring.Parts) error {
	known, err := s.store.APIs(ctx)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	main, err := mainAPI(s.options.API, s.options.Document, known)
	if err != nil {
		return optionError{fmt.Errorf("--api %q: %w", s.options.API, err)}
	}
	backend := gateway.Echo()
	if s.options.Backend != nil {
		if backend, err = gateway.ProxyBackend(s.options.Backend, noteFailure); err != nil {
			return err
		}
	}
	c := gateway.Config{
		Authorizer: s.trace.authorizer(parts.Authorizer), AuthorizerTTL: s.options.AuthorizerTTL,
		Backend: s.trace.backend(backend), Now: s.options.Now,
	}
	s.rest = s.fleet(c, gateway.RESTToken, main, known)
	s.http = s.fleet(c, gateway.HTTPv2, main, known)
	// A fault of the options shows now, not with the first request.
	for _, f := range []*fleet{s.rest, s.http} {
		if _, err := f.make(mapping.API{ARN: SeedAPI.ARN, Stage: noStage}); err != nil {
			return optionError{fmt.Errorf("%s gateway: %w", f.flavour, err)}
		}
	}
	return nil
}

func (s *Stack) fleet(c gateway.Config, flavour gateway.Flavour, main string, known []mapping.API) *fleet {
	c.Flavour = flavour
	if flavour == gateway.RESTToken {
		c.TokenRegex = s.options.TokenRegex
	}
	return &fleet{
		flavour: flavour, list: s.store.APIs, now: s.options.Now, main: main, known: known, gateways: map[mapping.API]*gateway.Gateway{},
		make: func(api mapping.API) (*gateway.Gateway, error) {
			c := c
			c.ARN, c.Stages = api.ARN, []string{api.Stage}
			return gateway.New(c)
		},
	}
}

func (s *Stack) serve(flag string, server *http.Server) {
	server.ReadHeaderTimeout, server.IdleTimeout = headerTimeout, idleTimeout
	l := s.listeners[flag]
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("--%s: %w", flag, err)
		}
	})
}

// Failed gives an error if a listener ends by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

func (s *Stack) onClose(f func() error) { s.closers = append(s.closers, f) }

// Close ends everything: requests under way have a moment to finish, then ports
// and store are closed. Nothing of the stack runs afterwards.
// Closing it again does nothing.
func (s *Stack) Close() error {
	s.closed.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Stack) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	var stopping sync.WaitGroup
	for _, server := range s.servers {
		stopping.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close() // whatever is still under way has had its time
			}
		})
	}
	stopping.Wait()
	s.serving.Wait()
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

// Ready tells where everything is now.
func (s *Stack) Ready(ctx context.Context) (Ready, error) {
	known, err := s.store.APIs(ctx)
	if err != nil {
		return Ready{}, fmt.Errorf("list tables: %w", err)
	}
	r := Ready{
		RESTURL: s.urlOf(restFlag), HTTPURL: s.urlOf(httpFlag), AdminURL: s.urlOf(adminFlag), IssuerURL: s.urlOf(issuerFlag),
		Tenant: s.provider.TenantID(), Audience: s.provider.Audience(),
		AdminAudience: AdminAudience, AdminScope: s.settings.Admin.Scope, AdminRole: s.settings.Admin.Role,
		CacheTTL: s.settings.CacheTTL.String(), AuthorizerTTL: s.options.AuthorizerTTL.String(), Store: s.about,
		Settings: s.deciding(), APIs: []ReadyAPI{},
	}
	if s.settings.Admin.Flush {
		r.Flushed = (s.settings.CacheTTL + flush.Margin).String()
	}
	main, err := mainAPI("", nil, known)
	if s.rest.main != "" {
		main = s.rest.main
	}
	for _, api := range known {
		r.APIs = append(r.APIs, s.readyAPI(api, main))
	}
	return r, err
}

// deciding are the settings that a decision depends on.
func (s *Stack) deciding() map[string]string {
	choice := func(on bool, yes, no string) string {
		if on {
			return yes
		}
		return no
	}
	c := s.settings
	return map[string]string{
		"ENTRA_TENANT_IDS": s.provider.TenantID(), "ENTRA_AUTHORITY": s.provider.Authority(), "ENTRA_STS": s.provider.STS(),
		"OIDC_AUDIENCES": s.provider.Audience(), "CLOCK_SKEW": c.ClockSkew.String(),
		"POLICY_MAX_BYTES": strconv.Itoa(c.PolicyMaxBytes), "POLICY_SCOPE": choice(c.RouteScope, "route", "caller"),
		"POLICY_EXPIRY": choice(c.PolicyExpiry, "on", "off"), "POLICY_EXPLICIT_DENY": choice(c.ExplicitDeny, "on", "off"),
		"INVALID_TOKEN": choice(c.DenyInvalidToken, "deny", "unauthorized"),
	}
}

// readyAPI finds the addresses of a table: under any host name for the main API,
// under {apiId}.localhost for others. REST APIs have no stage $default, and HTTP
// APIs serve it at their root.
func (s *Stack) readyAPI(api mapping.API, main string) ReadyAPI {
	at := func(flag string) string {
		base := s.urlOf(flag)
		if u, err := url.Parse(base); api.ARN != main && err == nil {
			base = "http://" + api.ID() + ".localhost:" + u.Port()
		}
		return base
	}
	if api.Stage == "$default" {
		return ReadyAPI{ARN: api.ARN, Stage: api.Stage, HTTPURL: at(httpFlag)}
	}
	return ReadyAPI{ARN: api.ARN, Stage: api.Stage, RESTURL: at(restFlag) + "/" + api.Stage, HTTPURL: at(httpFlag) + "/" + api.Stage}
}

// readyWithin bounds how long GET /dev waits for the store: less than who asks
// waits for the answer.
const readyWithin = 5 * time.Second

func (s *Stack) readyFor(r *http.Request) (Ready, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	return s.Ready(ctx)
}

// Ignored lists the settings of the environment that the local provider
// replaces.
func (s *Stack) Ignored() []string { return s.options.ignored() }
