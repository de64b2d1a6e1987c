package store

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"
)

// DefaultTimeout bounds one refresh: API Gateway gives an authorizer 10 s.
const DefaultTimeout = 3 * time.Second

// How soon a failing store is asked again: a fraction of a second when requests
// fail for it, longer when an older value answers them.
const (
	retryFailed = 500 * time.Millisecond
	retryStale  = 5 * time.Second
)

// stalePatience is how long a request waits for a refresh where an older value
// could answer it. The refresh goes on.
const stalePatience = 400 * time.Millisecond

// keeper keeps what a store was asked for, by key: what [Cache] and
// [RevocationCache] have in common. Within the TTL a value is served as it is;
// after that ask decides whether it is read again. While the store fails, the old
// value is served for maxStale. Several requests that miss together make one
// refresh, which is cut off from the request that happens to start it.
type keeper[K comparable, T any] struct {
	ttl, maxStale, timeout time.Duration
	now                    func() time.Time // the wall clock, without a monotonic reading
	// what names the value of a key: in errors, and to tell refreshes apart.
	what func(K) string
	get  func(K) (entry[T], bool)
	put  func(K, entry[T])
	// ask reads the store, where need be. old may be the zero entry. An entry
	// without a value says that the store has none.
	ask     func(ctx context.Context, key K, old entry[T]) (fresh entry[T], how string, err error)
	onStale func(K, error) // may be nil
	flight  singleflight.Group
}

// entry is what is known of one key. Entries are replaced, never changed.
type entry[T any] struct {
	value    *T // nil: the store has none
	revision Revision
	checked  time.Time // when the store was last asked with success
	retry    time.Time // the store failed: it is not asked before then
	failure  error     // why, where there is nothing to serve instead
}

// kept is a value and how it came to be served. The value is nil if the store has
// none.
type kept[T any] struct {
	value    *T
	revision Revision
	how      string
}

// serve gives the value of a key. Any error is an outage.
func (k *keeper[K, T]) serve(ctx context.Context, key K) (kept[T], error) {
	// By far the most calls; the clock is most of what it takes.
	if old, known := k.get(key); known && k.usable(old, k.now()) {
		return old.serve()
	}
	for {
		v, asked, err := k.once(ctx, key)
		// Lambda may have frozen a refresh in its midst. What it then says, or
		// that it failed, is of the time before, however long ago that was.
		if ctx.Err() != nil || within(k.now(), asked, 2*k.timeout) {
			return v, err
		}
	}
}

// begin starts a refresh if one is due, and waits for none.
func (k *keeper[K, T]) begin(ctx context.Context, key K) {
	if old, known := k.get(key); !known || !k.usable(old, k.now()) {
		k.start(ctx, key)
	}
}

// once also says when the store was asked for what it gives: now, if it is memory
// that answers.
func (k *keeper[K, T]) once(ctx context.Context, key K) (kept[T], time.Time, error) {
	old, known := k.get(key)
	if now := k.now(); known && k.usable(old, now) {
		v, err := old.serve()
		return v, now, err
	}
	done := k.start(ctx, key)
	// A store that hangs must not hold up calls that an older value answers.
	var patience <-chan time.Time
	if k.servesStale(old, k.now()) {
		patience = time.After(stalePatience)
	}
	select {
	case <-ctx.Done():
		return kept[T]{}, k.now(), fmt.Errorf("read %s: %w", k.what(key), ctx.Err())
	case <-patience:
		return kept[T]{old.value, old.revision, Stale}, k.now(), nil
	case r := <-done:
		result, _ := r.Val.(refreshed[T])
		return result.kept, result.asked, result.err
	}
}

// refreshed is what one refresh came to, and when it asked the store.
type refreshed[T any] struct {
	kept  kept[T]
	asked time.Time
	err   error
}

// start makes sure that a refresh of the key runs, and gives what it will come to.
func (k *keeper[K, T]) start(ctx context.Context, key K) <-chan singleflight.Result {
	return k.flight.DoChan(k.what(key), func() (result any, err error) {
		// singleflight would pass a panic on in a goroutine of its own, where
		// nobody can recover: a bug must not end the requests of others.
		defer func() {
			if p := recover(); p != nil {
				result, err = refreshed[T]{asked: k.now(), err: fmt.Errorf("read %s: panic: %v", k.what(key), p)}, nil
			}
		}()
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout)
		defer cancel()
		asked := k.now()
		v, err := k.refresh(detached, key, asked)
		return refreshed[T]{kept: v, asked: asked, err: err}, nil
	})
}

// usable reports whether the entry answers now without the store being asked. A
// clock that went back behind the entry's time ends it; one that went back less
// makes it last so much longer.
func (k *keeper[K, T]) usable(e entry[T], now time.Time) bool {
	if now.Before(e.retry) && e.retry.Sub(now) <= retryStale {
		return e.failure != nil || k.servesStale(e, now)
	}
	return e.failure == nil && within(now, e.checked, k.ttl)
}

func within(now, since time.Time, d time.Duration) bool {
	return !now.Before(since) && now.Before(since.Add(d))
}

func (k *keeper[K, T]) servesStale(e entry[T], now time.Time) bool {
	return e.value != nil && within(now, e.checked, k.ttl+k.maxStale)
}

func (e entry[T]) serve() (kept[T], error) {
	switch {
	case e.failure != nil:
		return kept[T]{}, e.failure
	case e.value != nil && !e.retry.IsZero():
		return kept[T]{e.value, e.revision, Stale}, nil
	}
	return kept[T]{e.value, e.revision, Hit}, nil
}

// refresh asks the store. Only one runs for a key at a time. asked is a time
// before the read: what is read may be no older than this.
func (k *keeper[K, T]) refresh(ctx context.Context, key K, asked time.Time) (kept[T], error) {
	old, known := k.get(key)
	if known && k.usable(old, k.now()) {
		return old.serve()
	}
	fresh, how, err := k.ask(ctx, key, old)
	if err != nil {
		return k.fail(key, old, asked, fmt.Errorf("read %s: %w", k.what(key), err))
	}
	fresh.checked = asked
	k.put(key, fresh)
	return kept[T]{fresh.value, fresh.revision, how}, nil
}

// fail serves the old value for as long as that is allowed. That a store had none
// is not served so: an outage must not come out as a refusal. What counts is when
// the store was asked, however long it took to fail.
func (k *keeper[K, T]) fail(key K, old entry[T], asked time.Time, err error) (kept[T], error) {
	now := k.now()
	if k.servesStale(old, asked) {
		old.failure = nil
		old.retry = now.Add(min(retryStale, k.ttl))
		k.put(key, old)
		if k.onStale != nil {
			k.onStale(key, err)
		}
		return kept[T]{old.value, old.revision, Stale}, nil
	}
	// The old value is kept: should its revision still be the store's when that
	// is back, it need not be read again.
	old.failure = err
	old.retry = now.Add(retryFailed)
	k.put(key, old)
	return kept[T]{}, err
}
