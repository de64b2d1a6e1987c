package token

import (
	"context"
	"net/url"
	"time"
)

// flight is one fetch for all that wait. It has no part in any caller's context:
// one that gives up must not fail the others.
type flight struct {
	started time.Time // wall clock
	forced  bool      // for an unknown kid alone
	done    chan struct{}
	err     error // once done is closed
}

// alive reports whether a fetch can still come to something. Lambda may freeze
// the process in the midst of one, for hours; its timer stands still meanwhile
// and the connection dies, so that nobody should wait for it then.
func (f *flight) alive(now time.Time) bool {
	age := now.Sub(f.started)
	return 0 <= age && age < flightLife
}

// board gives the fetch that is under way, or starts one if one is due for what
// was seen; mine says so. nil: there is nothing to wait for, or somebody's fetch
// has ended since.
func (s *keySet) board(seen sight) (f *flight, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0)
	switch {
	case s.attempts != seen.attempts:
		return nil, false
	case s.flight != nil && s.flight.alive(now):
		return s.flight, false
	case !s.mayRetry(now) || !seen.stale && !s.mayForce(now):
		return nil, false
	}
	// The keys are of the time before the fetch: it may take long by the wall.
	s.flight = &flight{started: now, forced: !seen.stale, done: make(chan struct{})}
	uri := s.jwksURI
	if age := now.Sub(s.found); age >= discoveryLife || age < 0 || s.failures > 0 {
		uri = nil // the keys may have moved
	}
	go s.fly(s.flight, uri)
	return s.flight, true
}

func (s *keySet) mayRetry(now time.Time) bool {
	return s.failures == 0 || !now.Before(s.retry) || s.retry.Sub(now) > maxBackoff
}

// mayForce spares the provider. Failed fetches have their back-off instead.
func (s *keySet) mayForce(now time.Time) bool {
	inWindow := 0
	for _, at := range s.recent {
		if now.Sub(at).Abs() < kidInterval { // a clock that was set back leaves none in the future
			inWindow++
		}
	}
	since := now.Sub(s.forced)
	return inWindow < kidFetches && (since < 0 || since >= kidSpacing)
}

// fly fetches, and lands whatever happens: those who wait must not wait forever.
func (s *keySet) fly(f *flight, uri *url.URL) {
	var got loaded
	err := error(&Error{Reason: ReasonKeys, detail: "panic"})
	defer func() {
		_ = recover() // a panic here would end the process, and nobody could recover it
		refresh := s.land(f, got, err)
		defer func() {
			_ = recover() // of the report's
			close(f.done)
		}()
		if s.report != nil {
			s.report(refresh) // before anybody answers: Lambda may freeze us then
		}
	}()
	s.fetch.wake(f.started)
	got, err = s.load(context.Background(), uri)
}

// land takes over what a fetch brought.
func (s *keySet) land(f *flight, got loaded, err error) Refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0)
	current := s.flight == f // it was not given up meanwhile
	if current {
		s.flight = nil
		s.attempts++
	}
	f.err = err
	switch {
	case err == nil && (current || f.started.After(s.fetched)):
		s.accept(f, got, now)
	case err != nil && current:
		s.lastErr = err
		s.retry = now.Add(min(maxBackoff, firstBackoff<<min(s.failures, 10)))
		s.failures++
	}
	return s.refreshed(now, err)
}

// refreshed sums up what there is after a fetch.
func (s *keySet) refreshed(now time.Time, err error) Refresh {
	r := Refresh{Issuer: s.issuer.iss, Err: err}
	if s.fetched.IsZero() {
		return r
	}
	if err != nil {
		r.Age = max(0, now.Sub(s.fetched))
	}
	for _, list := range s.keys {
		for _, k := range list {
			if k.may && r.Age < maxKeyAge {
				r.Keys++
			}
		}
	}
	return r
}

func (s *keySet) accept(f *flight, got loaded, now time.Time) {
	if got.uri != s.jwksURI {
		s.jwksURI, s.found = got.uri, f.started
	}
	if f.forced {
		s.forced = now
	}
	s.keys, s.fetched, s.seeded = got.keys, f.started, false
	s.failures, s.lastErr = 0, nil
	s.recent = append(s.recent[max(0, len(s.recent)-kidFetches):], now)
}

// loaded is what a good fetch brings.
type loaded struct {
	uri  *url.URL
	keys keyring
}

func (s *keySet) load(ctx context.Context, uri *url.URL) (loaded, error) {
	if uri == nil {
		found, err := s.issuer.findKeys(ctx, s.fetch)
		if err != nil {
			return loaded{}, err
		}
		uri = found
	}
	body, err := s.fetch.get(ctx, uri)
	if err != nil {
		return loaded{}, &Error{Reason: ReasonKeys, detail: describe(err, "no readable document")}
	}
	keys, ok := parseKeys(body, s.issuer.algorithms, s.issuer.keyMaySign)
	if !ok {
		return loaded{}, &Error{Reason: ReasonKeys, detail: "no usable key"}
	}
	return loaded{uri: uri, keys: keys}, nil
}
