// Package wiring puts the parts of the authorizer together from its settings,
// for the Lambda function and for `scopegate dev` alike. It links nothing that
// only the command or the admin API needs.
package wiring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"scopegate/authorizer"
	"scopegate/internal/config"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// Source is the part of a store that the authorizer reads.
type Source interface {
	store.Reader
	store.RevocationReader
	APIs(ctx context.Context) ([]mapping.API, error)
}

// Parts are what an authorizer is made of.
type Parts struct {
	Authorizer  *authorizer.Authorizer
	Verifier    *token.Verifier
	Tables      *store.Cache
	Revocations *store.RevocationCache
	source      Source
	log         *zap.Logger
}

// New checks the settings that need more than reading and makes the parts. It
// does not touch the network. now is the wall clock; nil means time.Now.
func New(s config.Settings, source Source, log *zap.Logger, now func() time.Time) (*Parts, error) {
	if now == nil {
		now = time.Now
	}
	verifierConfig := s.Verifier()
	verifierConfig.Now = now
	verifierConfig.OnRefresh = func(r token.Refresh) { LogRefresh(log, now(), r) }
	verifier, err := token.New(verifierConfig)
	if err != nil {
		return nil, err
	}
	remembering, err := authorizer.Remember(verifier, s.TokenCacheSize, s.TokenCacheTTL, now)
	if err != nil {
		return nil, err
	}
	tables, err := store.NewCache(source, store.CacheConfig{
		TTL: s.CacheTTL, MaxStale: s.CacheMaxStale, Size: s.CacheSize, Trust: s.DefaultTrust(), Now: now,
		OnStale: func(api mapping.API, err error) {
			fields := append(authorizer.Metric(now(), "StaleTable"),
				zap.String("api", api.ID()), zap.String("stage", api.Stage), zap.Error(err))
			log.Warn("store fails, serving an older table", fields...)
		},
	})
	if err != nil {
		return nil, err
	}
	revocations := store.NewRevocationCache(source, store.RevocationConfig{
		TTL: s.CacheTTL, Skew: s.ClockSkew, Now: now,
		OnStale: func(err error) {
			fields := append(authorizer.Metric(now(), "StaleRevocations"), zap.Error(err))
			log.Warn("store fails, believing older revocations", fields...)
		},
	})
	auth, err := authorizer.New(authorizer.Config{
		Verifier: remembering, Tables: tables, Revocations: revocations, Log: log, Now: now,
		DenyInvalidToken: s.DenyInvalidToken, Simple: s.SimpleResponse, MaxBytes: s.PolicyMaxBytes,
		NoExpiry: !s.PolicyExpiry, RouteScope: s.RouteScope, ExplicitDeny: s.ExplicitDeny,
	})
	if err != nil {
		return nil, err
	}
	return &Parts{Authorizer: auth, Verifier: verifier, Tables: tables, Revocations: revocations, source: source, log: log}, nil
}

// LogRefresh tells of a fetch of keys. Their age is measured after good fetches
// too, so that an alarm on it ends; where there are none, every token of the
// issuer fails, and that is what is counted (Failed).
func LogRefresh(log *zap.Logger, at time.Time, r token.Refresh) {
	var measured []authorizer.Measurement
	if r.Keys > 0 {
		measured = append(measured, authorizer.Measurement{Name: "KeyAge", Unit: "Seconds", Value: int64(r.Age / time.Second)})
	}
	if r.Err != nil {
		measured = append(measured, authorizer.Measurement{Name: "KeyRefreshFailed", Unit: "Count", Value: 1})
	}
	fields := append(authorizer.Metrics(at, nil, measured...), zap.String("issuer", r.Issuer), zap.Int("keys", r.Keys))
	if r.Err != nil {
		fields = append(fields, zap.Error(r.Err))
	}
	switch {
	case r.Err == nil:
		log.Info("keys refreshed", fields...)
	case r.Keys > 0:
		log.Warn("keys not refreshed, those that are known go on for a day", fields...)
	default:
		log.Error("no keys, tokens of this issuer fail", fields...)
	}
}

// prefetched bounds how many tables are loaded before the first request.
const prefetched = 16

// Prefetch loads keys beside tables and revocations, so that the first request need
// not. What fails is logged and tried again on use.
//
// Tables and revocations come one after the other, over one connection: a second one
// to DynamoDB would cost a start more CPU than all that it reads, and the keys, from
// further away, take longer in any case.
func (p *Parts) Prefetch(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Verifier.Prefetch(ctx); err != nil {
			p.log.Warn("prefetch of keys failed, they are fetched on use", zap.Error(err))
		}
	})
	wg.Go(func() {
		if err := p.prefetchTables(ctx); err != nil {
			p.log.Warn("prefetch of tables failed, they are loaded on use", zap.Error(err))
		}
		if err := p.Revocations.Load(ctx); err != nil {
			p.log.Warn("prefetch of revocations failed, they are loaded on use", zap.Error(err))
		}
	})
	wg.Wait()
}

func (p *Parts) prefetchTables(ctx context.Context) error {
	apis, err := p.source.APIs(ctx)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	var errs []error
	for _, api := range apis[:min(len(apis), prefetched)] {
		if _, err := p.Tables.Table(ctx, api); err != nil && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// NewLog makes the log: JSON lines on standard error, none of them sampled
// away, none with a stack trace.
func NewLog(level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("LOG_LEVEL %q: %w", level, err)
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.Lock(os.Stderr), l)
	return zap.New(core), nil
}
