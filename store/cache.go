package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/mapping"
)

// Reader is what the Cache needs of a Store.
type Reader interface {
	Meta(ctx context.Context, api mapping.API) (Meta, error)
	Load(ctx context.Context, api mapping.API) (Snapshot, error)
}

// CacheConfig says how a Cache keeps tables.
type CacheConfig struct {
	TTL      time.Duration // a table is served for so long without asking the store
	MaxStale time.Duration // and for so long beyond that while the store fails
	Size     int           // tables kept
	Timeout  time.Duration // of one refresh; 0 means DefaultTimeout
	// Trust is whom tables believe that have no trust list of their own.
	Trust []mapping.Trust
	// Now is the wall clock; nil means time.Now. Lambda freezes an instance
	// between requests, and the monotonic clock with it.
	Now func() time.Time
	// OnStale, if not nil, is told of each refresh that failed while an older
	// table could still be served.
	OnStale func(mapping.API, error)
}

// How a table came to be served.
const (
	Hit   = "hit"   // from memory, within the TTL
	Same  = "same"  // one cheap read said that nothing has changed
	Miss  = "miss"  // loaded from the store
	Stale = "stale" // from memory, the store fails
)

// Served is a table and how it came to be served.
type Served struct {
	Table    *mapping.Table
	Revision Revision
	How      string
}

// Cache keeps prepared tables in front of a store. Within the TTL a table is
// served as it is; after that one read of its head decides whether it is loaded
// again. APIs without a table are remembered too. Several requests that miss
// together make one load. It may be used from several goroutines.
type Cache struct {
	store  Reader
	trust  []mapping.Trust
	keeper keeper[mapping.API, mapping.Table]
}

// NewCache makes a Cache; it reads nothing yet.
func NewCache(s Reader, config CacheConfig) (*Cache, error) {
	entries, err := lru.New[mapping.API, entry[mapping.Table]](config.Size)
	if err != nil {
		return nil, fmt.Errorf("make the table cache: %w", err)
	}
	c := &Cache{store: s, trust: config.Trust}
	c.keeper = keeper[mapping.API, mapping.Table]{
		ttl: config.TTL, maxStale: config.MaxStale, timeout: cmp.Or(config.Timeout, DefaultTimeout), now: wallClock(config.Now),
		// Neither ARN nor stage holds a slash before the stage's, so the joined
		// string stands for one API only.
		what: func(api mapping.API) string { return "table of " + api.String() },
		get:  entries.Get,
		put:  func(api mapping.API, e entry[mapping.Table]) { entries.Add(api, e) },
		ask:  c.ask, onStale: config.OnStale,
	}
	return c, nil
}

// wallClock is a clock without a monotonic reading; nil means time.Now.
func wallClock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().Round(0) }
}

// Table serves the table of an API. ErrNotFound if the API has none; any other
// error is an outage.
func (c *Cache) Table(ctx context.Context, api mapping.API) (Served, error) {
	k, err := c.keeper.serve(ctx, api)
	switch {
	case err != nil:
		return Served{}, err
	case k.value == nil:
		return Served{How: k.how}, fmt.Errorf("table of %s: %w", api, ErrNotFound)
	}
	return Served{Table: k.value, Revision: k.revision, How: k.how}, nil
}

// ask reads the head, where a table is known, and the table if it has moved on.
func (c *Cache) ask(ctx context.Context, api mapping.API, old entry[mapping.Table]) (fresh entry[mapping.Table], how string, err error) {
	if old.value != nil {
		meta, err := c.store.Meta(ctx, api)
		switch {
		case errors.Is(err, ErrNotFound):
			return fresh, Same, nil
		case err != nil:
			return fresh, "", err
		case meta.Revision == old.revision:
			return entry[mapping.Table]{value: old.value, revision: old.revision}, Same, nil
		}
	}
	s, err := c.store.Load(ctx, api)
	if errors.Is(err, ErrNotFound) {
		return fresh, Miss, nil
	}
	if err != nil {
		return fresh, "", err
	}
	trust := s.Trust
	if len(trust) == 0 {
		trust = c.trust
	}
	table, err := mapping.NewTable(mapping.Source{
		API: api, Permissions: s.Permissions, Routes: s.Routes, Complete: s.Complete != nil, Trust: trust,
	})
	return entry[mapping.Table]{value: table, revision: s.Revision}, Miss, err
}
