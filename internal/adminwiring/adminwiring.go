// Package adminwiring puts the admin API together from its settings, for the
// Lambda function and for `scopegate dev` alike. In go settings, a store and the
// ways to API Gateway's caches; out come the handler of the API, and what runs
// the flushes that it has scheduled.
package adminwiring

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"scopegate/admin"
	"scopegate/authorizer"
	"scopegate/internal/config"
	"scopegate/internal/explain"
	"scopegate/internal/flush"
	"scopegate/internal/lambdaproxy"
	"scopegate/internal/plan"
	"scopegate/internal/wiring"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// Config is what New needs. All but Now is required; Client and Jobs only while
// the settings have FLUSH_AUTHORIZER_CACHE on.
type Config struct {
	Settings config.Settings
	Store    store.Store
	Client   flush.Client
	Jobs     flush.Jobs
	Log      *zap.Logger
	Now      func() time.Time // wall clock; nil means time.Now
}

// Parts are what the admin API is made of.
type Parts struct {
	Handler http.Handler
	// Coordinator is nil while FLUSH_AUTHORIZER_CACHE is off.
	Coordinator *flush.Coordinator

	verifiers []*token.Verifier
	log       *zap.Logger
}

// New makes the parts. It does not touch the network.
func New(c Config) (*Parts, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Parts{log: c.Log}
	verifier, err := p.verifier(c, c.Settings.AdminVerifier())
	if err != nil {
		return nil, err
	}
	api := admin.Config{
		Store: c.Store, Verifier: verifier, Scope: c.Settings.Admin.Scope, Role: c.Settings.Admin.Role,
		Log: c.Log, Now: c.Now, Flusher: flush.Off{}, Policy: policyOf(c.Settings), Explain: explain.Of(c.Settings),
		RequestID: lambdaproxy.RequestID,
		// Asked of the store each time: an admin's own token ends at once.
		Revocations: store.NewRevocationCache(c.Store, store.RevocationConfig{Skew: c.Settings.ClockSkew, Now: c.Now}),
	}
	if c.Settings.JudgesCallers() {
		callers, err := p.verifier(c, c.Settings.Verifier())
		if err != nil {
			return nil, err
		}
		api.Callers = callers
	}
	if c.Settings.Admin.Flush {
		if p.Coordinator, err = coordinator(c); err != nil {
			return nil, err
		}
		api.Flusher = p.Coordinator
	}
	p.Handler, err = admin.New(api)
	return p, err
}

func (p *Parts) verifier(c Config, v token.Config) (*token.Verifier, error) {
	v.Now = c.Now
	v.OnRefresh = func(r token.Refresh) { wiring.LogRefresh(c.Log, c.Now(), r) }
	verifier, err := token.New(v)
	if err != nil {
		return nil, err
	}
	p.verifiers = append(p.verifiers, verifier)
	return verifier, nil
}

// policyOf is how the authorizer of these settings makes policies.
func policyOf(s config.Settings) plan.Options {
	o := plan.Options{
		Trust: s.DefaultTrust(), MaxBytes: s.PolicyMaxBytes, NoExpiry: !s.PolicyExpiry, ExplicitDeny: s.ExplicitDeny, RouteScope: s.RouteScope,
	}
	for _, tenant := range s.TenantIDs {
		o.Configured = append(o.Configured, mapping.Trust{Tenant: tenant, Audiences: s.Audiences})
	}
	for _, i := range s.Issuers {
		o.Configured = append(o.Configured, mapping.Trust{Issuer: i.Issuer, Audiences: i.Audiences})
	}
	return o
}

func coordinator(c Config) (*flush.Coordinator, error) {
	return flush.New(flush.Config{
		Client: c.Client, Jobs: c.Jobs, APIs: c.Store.APIs, TTL: c.Settings.CacheTTL, Now: c.Now,
		OnFailure: func(_ context.Context, api mapping.API, err error) {
			fields := append(authorizer.Metric(c.Now(), "FlushFailed"),
				zap.String("api", api.ID()), zap.String("stage", api.Stage), zap.Error(err))
			c.Log.Error("flush failed", fields...)
		},
	})
}

// Prefetch fetches keys, so that the first request need not. What fails is logged
// and tried again on use.
func (p *Parts) Prefetch(ctx context.Context) {
	var wg sync.WaitGroup
	for _, v := range p.verifiers {
		wg.Go(func() {
			if err := v.Prefetch(ctx); err != nil {
				p.log.Warn("prefetch of keys failed, they are fetched on use", zap.Error(err))
			}
		})
	}
	wg.Wait()
}

// Run makes a flush that was scheduled, as flush.Coordinator does. While flushing
// is off, what is left from before is done with: nothing waits for it.
func (p *Parts) Run(ctx context.Context, j flush.Job) error {
	if p.Coordinator == nil {
		p.log.Info("flush job dropped, FLUSH_AUTHORIZER_CACHE is off", zap.String("job", j.ID))
		return nil
	}
	return p.Coordinator.Run(ctx, j)
}

// ErrUnknownEvent: a payload that the function was not made for.
var ErrUnknownEvent = errors.New("neither an event of a REST or HTTP API nor one of the flush queue")

func unknown(why string) error { return fmt.Errorf("%w: %s", ErrUnknownEvent, why) }
