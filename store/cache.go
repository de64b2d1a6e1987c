package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

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

// DefaultTimeout bounds one refresh: API Gateway gives an authorizer 10 s.
const DefaultTimeout = 3 * time.Second

// How soon a failing store is asked again: a fraction of a second when requests
// fail for it, longer when an older table answers them.
const (
	retryFailed = 500 * time.Millisecond
	retryStale  = 5 * time.Second
)

// stalePatience is how long a request waits for a refresh where an older table
// could answer it. The refresh goes on.
const stalePatience = 400 * time.Millisecond

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
	store   Reader
	config  CacheConfig
	entries *lru.Cache[mapping.API, entry]
	flight  singleflight.Group
}

// entry is what is known of one API. Entries are replaced, never changed.
type entry struct {
	table    *mapping.Table // nil: the store has none
	revision Revision
	checked  time.Time // when the store was last asked with success
	retry    time.Time // the store failed: it is not asked before then
	failure  error     // why, where there is nothing to serve instead
}

// NewCache makes a Cache; it reads nothing yet.
func NewCache(s Reader, config CacheConfig) (*Cache, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	entries, err := lru.New[mapping.API, entry](config.Size)
	if err != nil {
		return nil, fmt.Errorf("make the table cache: %w", err)
	}
	return &Cache{store: s, config: config, entries: entries}, nil
}

// Table serves the table of an API. ErrNotFound if the API has none; any other
// error is an outage.
func (c *Cache) Table(ctx context.Context, api mapping.API) (Served, error) {
	for {
		served, asked, err := c.table(ctx, api)
		// Lambda may have frozen a refresh in its midst. What it then says, or
		// that it failed, is of the time before, however long ago that was.
		if ctx.Err() != nil || within(c.now(), asked, 2*c.config.Timeout) {
			return served, err
		}
	}
}

// table also says when the store was asked for what it gives: now, if it is
// memory that answers.
func (c *Cache) table(ctx context.Context, api mapping.API) (Served, time.Time, error) {
	old, known := c.entries.Get(api)
	if known && c.usable(old) {
		served, err := old.serve(api)
		return served, c.now(), err
	}
	// Neither ARN nor stage holds a slash before the stage's, so the joined
	// string stands for one API only. The refresh is cut off from the request
	// that happens to start it: others wait for it too.
	done := c.flight.DoChan(api.ARN+"/"+api.Stage, func() (result any, err error) {
		// singleflight would pass a panic on in a goroutine of its own, where
		// nobody can recover: a bug must not end the requests of others.
		defer func() {
			if p := recover(); p != nil {
				result, err = refreshed{asked: c.now(), err: fmt.Errorf("read table of %s: panic: %v", api, p)}, nil
			}
		}()
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Timeout)
		defer cancel()
		asked := c.now()
		served, err := c.refresh(detached, api, asked)
		return refreshed{served: served, asked: asked, err: err}, nil
	})
	// A store that hangs must not hold up calls that an older table answers.
	var patience <-chan time.Time
	if c.servesStale(old, c.now()) {
		patience = time.After(stalePatience)
	}
	select {
	case <-ctx.Done():
		return Served{}, c.now(), fmt.Errorf("read table of %s: %w", api, ctx.Err())
	case <-patience:
		return Served{Table: old.table, Revision: old.revision, How: Stale}, c.now(), nil
	case r := <-done:
		result, _ := r.Val.(refreshed)
		return result.served, result.asked, result.err
	}
}

// refreshed is what one refresh came to, and when it asked the store.
type refreshed struct {
	served Served
	asked  time.Time
	err    error
}

func (c *Cache) now() time.Time { return c.config.Now().Round(0) }

// usable reports whether the entry answers without the store being asked. A
// clock that went back makes no entry last longer.
func (c *Cache) usable(e entry) bool {
	now := c.now()
	if now.Before(e.retry) && e.retry.Sub(now) <= retryStale {
		return e.failure != nil || c.servesStale(e, now)
	}
	return e.failure == nil && within(now, e.checked, c.config.TTL)
}

func within(now, since time.Time, d time.Duration) bool {
	return !now.Before(since) && now.Before(since.Add(d))
}

func (c *Cache) servesStale(e entry, now time.Time) bool {
	return e.table != nil && within(now, e.checked, c.config.TTL+c.config.MaxStale)
}

func (e entry) serve(api mapping.API) (Served, error) {
	switch {
	case e.failure != nil:
		return Served{}, e.failure
	case e.table == nil:
		return Served{}, fmt.Errorf("table of %s: %w", api, ErrNotFound)
	case !e.retry.IsZero():
		return Served{Table: e.table, Revision: e.revision, How: Stale}, nil
	}
	return Served{Table: e.table, Revision: e.revision, How: Hit}, nil
}

// refresh asks the store. Only one runs for an API at a time. asked is a time
// before the read: what is read may be no older than this.
func (c *Cache) refresh(ctx context.Context, api mapping.API, asked time.Time) (Served, error) {
	old, known := c.entries.Get(api)
	if known && c.usable(old) {
		return old.serve(api)
	}
	fresh, how, err := c.ask(ctx, api, old)
	if err != nil {
		return c.fail(api, old, asked, fmt.Errorf("read table of %s: %w", api, err))
	}
	fresh.checked = asked
	c.entries.Add(api, fresh)
	served, err := fresh.serve(api)
	served.How = how
	return served, err
}

func (c *Cache) ask(ctx context.Context, api mapping.API, old entry) (fresh entry, how string, err error) {
	if old.table != nil {
		meta, err := c.store.Meta(ctx, api)
		switch {
		case errors.Is(err, ErrNotFound):
			return entry{}, Same, nil
		case err != nil:
			return entry{}, "", err
		case meta.Revision == old.revision:
			return entry{table: old.table, revision: old.revision}, Same, nil
		}
	}
	s, err := c.store.Load(ctx, api)
	if errors.Is(err, ErrNotFound) {
		return entry{}, Miss, nil
	}
	if err != nil {
		return entry{}, "", err
	}
	trust := s.Trust
	if len(trust) == 0 {
		trust = c.config.Trust
	}
	table, err := mapping.NewTable(mapping.Source{
		API: api, Permissions: s.Permissions, Routes: s.Routes, Complete: s.Complete != nil, Trust: trust,
	})
	return entry{table: table, revision: s.Revision}, Miss, err
}

// fail serves the old table for as long as that is allowed. That an API had no
// table is not served so: an outage must not come out as a refusal. What counts
// is when the store was asked, however long it took to fail.
func (c *Cache) fail(api mapping.API, old entry, asked time.Time, err error) (Served, error) {
	now := c.now()
	if c.servesStale(old, asked) {
		old.failure = nil
		old.retry = now.Add(min(retryStale, c.config.TTL))
		c.entries.Add(api, old)
		if c.config.OnStale != nil {
			c.config.OnStale(api, err)
		}
		return Served{Table: old.table, Revision: old.revision, How: Stale}, nil
	}
	// The old table is kept: should its revision still be the store's when that
	// is back, it need not be loaded again.
	old.failure = err
	old.retry = now.Add(retryFailed)
	c.entries.Add(api, old)
	return Served{}, err
}
