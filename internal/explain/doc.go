// Package explain decides about one call as the authorizer does, for the command
// and for the admin API. In go a table read once and the caller, by a token's
// claims or by claims that nobody has signed; out comes the authorizer's own
// explanation.
package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"scopegate/authorizer"
	"scopegate/internal/config"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// Settings are those of the authorizer that decide. The zero Settings are its
// defaults, for a public cloud.
type Settings struct {
	Authority, STS string        // "" for those of the public cloud
	ClockSkew      time.Duration // CLOCK_SKEW
	// Trust is whom a table without a trust list believes; empty where that is not
	// known.
	Trust []mapping.Trust

	MaxBytes     int  // POLICY_MAX_BYTES; 0 for its default
	NoExpiry     bool // POLICY_EXPIRY=off
	RouteScope   bool // POLICY_SCOPE=route
	ExplicitDeny bool // POLICY_EXPLICIT_DENY=on

	Now func() time.Time // nil means time.Now
}

// Of takes what decides out of all settings.
func Of(s config.Settings) Settings {
	return Settings{
		Authority: s.Authority, STS: s.STS, ClockSkew: s.ClockSkew, Trust: s.DefaultTrust(),
		MaxBytes: s.PolicyMaxBytes, NoExpiry: !s.PolicyExpiry, RouteScope: s.RouteScope, ExplicitDeny: s.ExplicitDeny,
	}
}

func (s Settings) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// AssumedTrust is whom tables believe that have no trust list, where no settings
// say it either: it only has to be the one that described callers come from.
var AssumedTrust = mapping.Trust{Tenant: "00000000-0000-4000-8000-000000000000", Audiences: []string{"assumed"}}

// Table is one table, read once, or the fact that there is none. It implements
// [authorizer.Tables], whatever it is asked for.
type Table struct {
	served store.Served
	err    error // wraps store.ErrNotFound: there is none
	// Trust is whom the table believes, never empty.
	Trust []mapping.Trust
}

// TableOf prepares a table as the authorizer's cache does. err is the error of
// reading it; one that wraps [store.ErrNotFound] makes a Table of an API that is
// not registered, any other one comes back.
func (s Settings) TableOf(t store.Snapshot, err error) (Table, error) {
	if errors.Is(err, store.ErrNotFound) {
		return Table{err: err, Trust: []mapping.Trust{AssumedTrust}}, nil
	}
	if err != nil {
		return Table{}, err
	}
	trust := t.Trust
	if len(trust) == 0 {
		trust = s.Trust
	}
	if len(trust) == 0 {
		trust = []mapping.Trust{AssumedTrust}
	}
	table, err := mapping.NewTable(mapping.Source{
		API: t.API, Permissions: t.Permissions, Routes: t.Routes, Complete: t.Complete != nil, Trust: trust,
	})
	return Table{served: store.Served{Table: table, Revision: t.Revision, How: store.Miss}, Trust: trust}, err
}

// Table implements authorizer.Tables.
func (t Table) Table(context.Context, mapping.API) (store.Served, error) { return t.served, t.err }

// Authorizer makes an authorizer that has the table alone and verifies no token:
// its Explain decides about claims. It reads revocations anew; nil means that none
// are known.
func (s Settings) Authorizer(t Table, revocations store.RevocationReader) (*authorizer.Authorizer, error) {
	var revoked authorizer.Revocations = nobody{}
	if revocations != nil {
		revoked = store.NewRevocationCache(revocations, store.RevocationConfig{Skew: s.ClockSkew, Now: s.Now})
	}
	a, err := authorizer.New(authorizer.Config{
		Verifier: nobody{}, Tables: t, Revocations: revoked, Log: zap.NewNop(), Now: s.Now,
		MaxBytes: s.MaxBytes, NoExpiry: s.NoExpiry, RouteScope: s.RouteScope, ExplicitDeny: s.ExplicitDeny,
	})
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	return a, nil
}

// nobody verifies no token, that was done before, and revokes none.
type nobody struct{}

func (nobody) Verify(context.Context, string) (token.Claims, error) {
	return token.Claims{}, token.ErrRefused
}
func (nobody) Refresh(context.Context)                                  {}
func (nobody) Revoked(context.Context, string, time.Time) (bool, error) { return false, nil }

// TooLarge tells the one failure that is explained: everything is known but how
// to say it in so few bytes.
func TooLarge(err error) bool {
	var f *authorizer.Failure
	return errors.As(err, &f) && f.Reason == authorizer.TooLarge
}
