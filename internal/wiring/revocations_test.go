package wiring_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"scopegate/internal/config"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/store"
)

// telling counts the reads of revocations, and fails them while it is told to.
type telling struct {
	tables
	reads atomic.Int64
	fails atomic.Bool
}

func (s *telling) read() error {
	s.reads.Add(1)
	if s.fails.Load() {
		return errors.New("no route to host")
	}
	return nil
}

func (s *telling) RevocationsRevision(ctx context.Context) (store.Revision, error) {
	if err := s.read(); err != nil {
		return store.Revision{}, err
	}
	return s.tables.RevocationsRevision(ctx)
}

func (s *telling) Revocations(ctx context.Context) (store.Revocations, error) {
	if err := s.read(); err != nil {
		return store.Revocations{}, err
	}
	return s.tables.Revocations(ctx)
}

// TestRevocationsAreReadBeforeTheFirstCallAndThenOncePerCacheTTL; a store that
// fails is logged with a metric.
func TestRevocationsAreReadBeforeTheFirstCallAndThenOncePerCacheTTL(t *testing.T) {
	r := &rig{t: t, clock: new(atomic.Int64)}
	r.provider = r.serveProvider()
	settings, err := config.Load([]string{
		"ENTRA_TENANT_IDS=" + r.provider.TenantID(), "ENTRA_AUTHORITY=" + r.provider.Authority(), "ENTRA_STS=" + r.provider.STS(),
		"OIDC_AUDIENCES=" + r.provider.Audience(), "CACHE_TTL=30s",
	}, config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.WarnLevel)
	source := &telling{tables: inBolt(t)}
	load(t, source, `[`+document("dev", "GET", "a", "read")+`]`)
	parts, err := wiring.New(settings, source, zap.New(core), r.now)
	if err != nil {
		t.Fatal(err)
	}
	parts.Prefetch(t.Context())
	event := []byte(`{"type":"TOKEN","methodArn":"` + api + `/dev/GET/a","authorizationToken":"` + r.mint(idp.Spec{Scopes: []string{"read"}}) + `"}`)
	reads := func(when string, want int64) {
		t.Helper()
		before := source.reads.Load()
		for range 3 {
			if _, err := parts.Authorizer.Invoke(t.Context(), event); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
		if got := source.reads.Load() - before; got != want {
			t.Errorf("%s: revocations were read %d times, want %d", when, got, want)
		}
	}
	reads("after the prefetch", 0)
	r.at(30 * time.Second)
	reads("after CACHE_TTL", 1)
	if logs.Len() != 0 {
		t.Errorf("logged %v", logs.All())
	}
	r.at(time.Minute)
	source.fails.Store(true)
	reads("while the store fails", 1)
	lines := logs.TakeAll()
	if len(lines) != 1 || lines[0].ContextMap()["StaleRevocations"] != int64(1) {
		t.Errorf("logged %v", lines)
	}
}
