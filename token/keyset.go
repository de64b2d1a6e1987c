package token

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"
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
	staleWait     = time.Second                  // for an hourly refresh while the old key is there
	overdue       = refreshAfter + kidInterval   // older keys are a sleeper's: nobody goes on without having asked
	flightLife    = 2*fetchTimeout + time.Second // discovery, keys, and a moment
)

// keySet holds the keys of one issuer. It replaces go-oidc's RemoteKeySet, which
// fetches at every bad signature and lets an empty answer wipe the good keys.
//
// Keys are fetched on first use, hourly, and for unknown kids, of which an
// attacker has any number: those may cause two fetches in five minutes, and only
// tokens that nothing but their signature speaks against may cause them. A
// rotation right after a fetch is so found at once, one during a flood of
// invented kids within the five minutes. A failed fetch backs off, from one
// second to thirty, and leaves the keys that are there. All is checked on use:
// a frozen Lambda has no time that passes. Safe for concurrent use.
type keySet struct {
	issuer *issuer
	fetch  *fetcher
	now    func() time.Time
	report func(Refresh) // nil = nobody wants to know

	mu       sync.Mutex
	keys     keyring
	fetched  time.Time   // when keys came; zero = never
	seeded   bool        // keys were given, none has been fetched
	recent   []time.Time // fetches that came within kidInterval
	forced   time.Time   // when the last one for an unknown kid came
	jwksURI  *url.URL
	found    time.Time // when jwksURI came
	flight   *flight   // the fetch that is under way
	attempts uint64    // fetches that ended, well or not
	failures int       // in a row
	retry    time.Time // not before, while failures > 0
	lastErr  error     // of the last attempt
}

// seed starts with keys that nobody fetched.
func (s *keySet) seed(keys keyring) {
	if keys != nil {
		s.keys, s.fetched, s.seeded = keys, s.now().Round(0), true
	}
}

// Refresh is one fetch of an issuer's keys that ended.
type Refresh struct {
	Issuer string
	Keys   int           // that may verify its tokens now; 0 = all fail
	Age    time.Duration // of those keys, 0 after a good fetch
	Err    error         // an *Error (ErrUnavailable) where it went wrong
}

// verify checks the token's signature by the key it names. The error is an
// outage, an unknown key, a key of another issuer or a bad signature; the last
// never causes a fetch. Where the key is not there, the token is judged as if it
// were signed before anybody is asked for the key: what is refused in any case
// costs no fetch.
func (s *keySet) verify(ctx context.Context, t gated, judge func() error) error {
	k, err := s.key(ctx, t.head, judge)
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

// key finds the key that a header names, after a fetch where one is due.
func (s *keySet) key(ctx context.Context, h head, judge func() error) (key, error) {
	seen := s.look(h)
	if seen.found && !seen.stale {
		return seen.key, nil
	}
	if !seen.found {
		if err := judge(); err != nil {
			return key{}, err
		}
	}
	asked, err := s.refresh(ctx, seen)
	gaveUp := seen.overdue && errors.Is(err, ReasonCanceled)
	seen = s.look(h)
	switch {
	case seen.found && !gaveUp:
		return seen.key, nil
	case err != nil:
		return key{}, err
	case seen.failing != nil:
		return key{}, seen.failing // the kid may be a new one that we cannot get
	case seen.stale:
		return key{}, &Error{Reason: ReasonKeys, detail: "too old when they came"}
	}
	return key{}, &Error{Reason: ReasonKey, passing: !asked}
}

// sight is what there is for a header at a moment.
type sight struct {
	key      key
	found    bool
	stale    bool   // a refresh is due, whatever the kid
	overdue  bool   // so much so that the old key counts only once the issuer failed to answer
	failing  error  // why the last fetch came to nothing
	attempts uint64 // that had ended
}

func (s *keySet) look(h head) sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0)
	age := now.Sub(s.fetched)
	if age < -kidInterval {
		// A clock that was set back would keep keys for as long: they count as due.
		age = refreshAfter
		s.fetched = now.Add(-age)
	}
	usable := !s.fetched.IsZero() && age < maxKeyAge
	v := sight{stale: !usable || s.seeded || age >= refreshAfter, attempts: s.attempts}
	failing := s.failures > 0 && now.Before(s.retry.Add(maxBackoff)) // lately: not before a long sleep
	v.overdue = (age >= overdue || s.seeded) && !failing
	if usable {
		v.key, v.found = s.keys.pick(h.kid, h.alg)
	}
	if s.failures > 0 {
		v.failing = s.lastErr
	}
	return v
}

// refresh waits for a fetch if one is due or under way. Where the key is there
// and due for its hourly refresh, the first caller waits, and for a moment only;
// the others go on at once, and the fetch ends without them. An instance that
// slept beyond that is overdue, and so are given keys: all wait, as for a key that
// is not there, since the issuer may have taken it away long ago. asked says that
// a fetch which began for this caller ended with success; the error is that of
// the fetch or says that the caller stopped waiting.
func (s *keySet) refresh(ctx context.Context, seen sight) (asked bool, err error) {
	f, mine := s.board(seen)
	hurry := seen.found && !seen.overdue
	if f == nil || hurry && !mine {
		return false, nil
	}
	if hurry {
		short, cancel := context.WithTimeout(ctx, staleWait)
		defer cancel()
		ctx = short
	}
	select {
	case <-f.done:
		return mine && f.err == nil, f.err
	case <-ctx.Done():
		return false, &Error{Reason: ReasonCanceled, cause: ctx.Err()}
	}
}

// prefetch loads the keys unless they are there and fresh.
func (s *keySet) prefetch(ctx context.Context) error {
	seen := s.look(head{})
	if !seen.stale {
		return nil
	}
	if _, err := s.refresh(ctx, seen); err != nil {
		return err
	}
	if seen = s.look(head{}); seen.stale {
		return seen.failing
	}
	return nil
}
