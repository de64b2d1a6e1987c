package token

import (
	"context"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Microsoft's guidance, where it says anything: hourly refresh, an unknown kid
// at most every five minutes, the last good keys for a day.
const (
	refreshAfter  = time.Hour
	maxKeyAge     = 24 * time.Hour
	kidInterval   = 5 * time.Minute  // the window that kidFetches are counted in
	kidFetches    = 2                // successful fetches per window before unknown kids cause no more
	kidSpacing    = 10 * time.Second // between two fetches for unknown kids
	firstBackoff  = time.Second
	maxBackoff    = 30 * time.Second
	discoveryLife = 24 * time.Hour
	staleWait     = time.Second // for an hourly refresh while the old key is there
)

// keySet holds the keys of one issuer. It replaces go-oidc's RemoteKeySet, which
// fetches at every bad signature and lets an empty answer wipe the good keys.
//
// Keys are fetched on first use, hourly, and for unknown kids, of which an
// attacker has any number: those may cause two fetches in five minutes. A
// rotation right after a fetch is so found at once, one during a flood of
// invented kids within the five minutes. A failed fetch backs off, from one
// second to thirty, and leaves the keys that are there. All is checked on use:
// a frozen Lambda has no time that passes. Safe for concurrent use.
type keySet struct {
	issuer *issuer
	fetch  *fetcher
	now    func() time.Time
	flight singleflight.Group

	mu       sync.Mutex
	keys     map[string]key
	fetched  time.Time   // when keys came; zero = never
	recent   []time.Time // fetches that came within kidInterval
	forced   time.Time   // when the last one for an unknown kid came
	jwksURI  *url.URL
	found    time.Time // when jwksURI came
	attempts uint64    // fetches that ended, well or not
	failures int       // in a row
	retry    time.Time // not before, while failures > 0
	lastErr  error     // of the last attempt
}

// verify checks the token's signature by the key it names. The error is an
// outage, an unknown key, a key of another issuer or a bad signature; the last
// never causes a fetch.
func (s *keySet) verify(ctx context.Context, t gated) error {
	k, err := s.key(ctx, t.kid)
	if err != nil {
		return err
	}
	if !k.may {
		return refuse(ReasonKeyIssuer)
	}
	if !k.fits(t.alg) {
		return refuse(ReasonKeyAlgorithm)
	}
	if !t.alg.verify(k.public, t) {
		return refuse(ReasonSignature)
	}
	return nil
}

// key finds the key of a kid, after a fetch where one is due.
func (s *keySet) key(ctx context.Context, kid string) (key, error) {
	seen := s.look(kid)
	if seen.found && !seen.stale {
		return seen.key, nil
	}
	if seen.due {
		if err := s.refreshFor(ctx, seen); err != nil {
			return seen.orElse(err)
		}
		seen = s.look(kid)
	}
	if seen.found {
		return seen.key, nil
	}
	if seen.failing != nil {
		return key{}, seen.failing // the kid may be a new one that we cannot get
	}
	return key{}, refuse(ReasonKey)
}

// refreshFor waits for a fetch, but only for a moment where the key is there and
// merely due for its hourly refresh; the fetch then ends without us.
func (s *keySet) refreshFor(ctx context.Context, seen sight) error {
	if seen.found {
		short, cancel := context.WithTimeout(ctx, staleWait)
		defer cancel()
		ctx = short
	}
	return s.refresh(ctx, seen.attempts, seen.forced)
}

// sight is what there is for a kid now.
type sight struct {
	key      key
	found    bool
	stale    bool   // a refresh is due, whatever the kid
	due      bool   // a fetch is allowed and would help
	forced   bool   // it is for an unknown kid alone
	failing  error  // why the last fetch came to nothing
	attempts uint64 // at that moment
}

// orElse goes on with a key that is known although the refresh went wrong.
func (v sight) orElse(err error) (key, error) {
	if v.found {
		return v.key, nil
	}
	return key{}, err
}

func (s *keySet) look(kid string) sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0)
	v := sight{attempts: s.attempts}
	age := now.Sub(s.fetched)
	usable := !s.fetched.IsZero() && age < maxKeyAge
	// A clock that was set back would keep keys fresh for as long: fetch.
	v.stale = !usable || age >= refreshAfter || age < -kidInterval
	if usable {
		v.key, v.found = s.keys[kid]
	}
	if s.failures > 0 {
		v.failing = s.lastErr
	}
	v.forced = !v.stale && !v.found
	v.due = (v.stale || v.forced && s.mayForce(now)) && s.mayRetry(now)
	return v
}

func (s *keySet) mayRetry(now time.Time) bool {
	return s.failures == 0 || !now.Before(s.retry) || s.retry.Sub(now) > maxBackoff
}

// mayForce spares the provider. Failed fetches have their back-off instead.
func (s *keySet) mayForce(now time.Time) bool {
	inWindow := 0
	for _, at := range s.recent {
		if now.Sub(at) < kidInterval {
			inWindow++
		}
	}
	since := now.Sub(s.forced)
	return inWindow < kidFetches && (since < 0 || since >= kidSpacing)
}

// refresh fetches the keys once for all that wait. The fetch has no part in the
// caller's context: one caller that gives up must not fail the others.
func (s *keySet) refresh(ctx context.Context, seen uint64, forced bool) error {
	done := s.flight.DoChan("", func() (_ any, err error) {
		// singleflight passes a panic on where nobody can recover it.
		defer func() {
			if recover() != nil {
				err = &Error{Reason: ReasonKeys, detail: "panic"}
			}
		}()
		return nil, s.fetchOnce(seen, forced)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return &Error{Reason: ReasonCanceled, cause: ctx.Err()}
	}
}

// fetchOnce fetches unless somebody did since the caller looked.
func (s *keySet) fetchOnce(seen uint64, forced bool) error {
	s.mu.Lock()
	if s.attempts != seen {
		defer s.mu.Unlock()
		return s.lastErr
	}
	// The keys are of the time before the fetch: Lambda may freeze the process
	// in the midst of it.
	uri, asked := s.jwksURI, s.now().Round(0)
	if asked.Sub(s.found) >= discoveryLife || s.failures > 0 {
		uri = nil // the keys may have moved
	}
	s.mu.Unlock()

	uri, keys, err := s.load(context.Background(), uri)

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0)
	s.attempts++
	s.lastErr = err
	if err != nil {
		s.retry = now.Add(min(maxBackoff, firstBackoff<<min(s.failures, 10)))
		s.failures++
		return err
	}
	if uri != s.jwksURI {
		s.jwksURI, s.found = uri, asked
	}
	if forced {
		s.forced = now
	}
	s.keys, s.fetched, s.failures = keys, asked, 0
	s.recent = append(s.recent[max(0, len(s.recent)-kidFetches):], now)
	return nil
}

func (s *keySet) load(ctx context.Context, uri *url.URL) (*url.URL, map[string]key, error) {
	if uri == nil {
		found, err := s.issuer.findKeys(ctx, s.fetch)
		if err != nil {
			return nil, nil, err
		}
		uri = found
	}
	body, err := s.fetch.get(ctx, uri)
	if err != nil {
		return nil, nil, &Error{Reason: ReasonKeys, detail: describe(err, "no readable document")}
	}
	keys, ok := parseKeys(body, s.issuer.algorithms, s.issuer.keyMaySign)
	if !ok {
		return nil, nil, &Error{Reason: ReasonKeys, detail: "no usable key"}
	}
	return uri, keys, nil
}

// prefetch loads the keys unless they are there and fresh.
func (s *keySet) prefetch(ctx context.Context) error {
	seen := s.look("")
	if !seen.stale {
		return nil
	}
	if !seen.due {
		return seen.failing
	}
	return s.refresh(ctx, seen.attempts, false)
}
