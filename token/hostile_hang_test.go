package token

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network in memory, so that a bubble's clock runs its time-outs; real
// HTTP goes over it. While deaf it accepts no connection.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	deaf   bool
}

func (p *pipes) setDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	deaf := p.deaf
	p.mu.Unlock()
	client, server := net.Pipe()
	conns := p.conns
	if deaf {
		conns = nil // nobody will ever take it
	}
	select {
	case conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// hang is a way to answer too slowly.
type hang struct {
	name   string
	deaf   bool
	answer http.HandlerFunc
}

var hangs = []hang{
	{name: "does not accept", deaf: true},
	{name: "accepts and sends nothing", answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	{name: "sends headers and then nothing", answer: func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}},
	{name: "sends a byte a second", answer: func(w http.ResponseWriter, r *http.Request) { drip(w, r, time.Second) }},
	{name: "sends a byte a millisecond", answer: func(w http.ResponseWriter, r *http.Request) { drip(w, r, time.Millisecond) }},
	{name: "says wait for ever", answer: func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.WriteHeader(http.StatusEarlyHints)
			<-time.After(time.Second)
		}
	}},
	{name: "redirects to itself, slowly", answer: func(w http.ResponseWriter, r *http.Request) {
		<-time.After(2 * time.Second)
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}},
}

func drip(w http.ResponseWriter, r *http.Request, pause time.Duration) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte(" ")); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		<-time.After(pause)
	}
}

// slowStage is a stage in a bubble whose provider is reached by real HTTP.
type slowStage struct {
	*stage
	pipes *pipes
}

// hangWith lets discovery, the keys or both hang, and everything where nobody listens.
func (s *slowStage) hangWith(h hang, where string) {
	s.pipes.setDeaf(h.deaf)
	s.ring.answerInstead(func(w http.ResponseWriter, r *http.Request) bool {
		isKeys := strings.HasSuffix(r.URL.Path, "/keys")
		if where != "both" && isKeys != (where == "keys") || h.answer == nil {
			return false
		}
		h.answer(w, r)
		return true
	})
}

func (s *slowStage) heal() {
	s.pipes.setDeaf(false)
	s.ring.answerInstead(nil)
}

// eachHang runs a test in a bubble of its own for each way to hang.
func eachHang(t *testing.T, test func(t *testing.T, s *slowStage, h hang)) {
	for _, h := range hangs {
		t.Run(h.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				ring := newRing("http://127.0.0.1", time.Now)
				server := &http.Server{Handler: ring}
				go func() { _ = server.Serve(p) }()
				// A connection for each document: an idle one would hide who does not accept.
				transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
				v := verifierOf(ring, time.Now, &http.Client{Transport: transport})
				test(t, &slowStage{&stage{ring: ring, verifier: v}, p}, h)
				letPass(4 * promisedFetch) // what still runs must end by itself
				_ = server.Close()
			})
		})
	}
}

// letPass lets the bubble's clock move on.
func letPass(d time.Duration) { <-time.After(d) }

// took is the bubble's time that a verdict took.
func (s *slowStage) took(t *testing.T, what, raw, want string, most time.Duration) {
	start := time.Now()
	err := s.verify(raw)
	if took := time.Since(start); verdict(err) != want || took > most {
		t.Errorf("%s is %s after %v, want %s within %v (%v)", what, verdict(err), took, want, most, err)
	}
}

func TestAHangingFetchEndsInThreeSecondsHoweverItHangs(t *testing.T) {
	for _, where := range []string{"discovery", "keys", "both"} {
		t.Run(where, func(t *testing.T) {
			eachHang(t, func(t *testing.T, s *slowStage, h hang) {
				s.hangWith(h, where)
				kid := s.ring.kid()
				var wg sync.WaitGroup
				for i, raw := range []string{s.ring.genuine(kid), s.ring.forged(kid, 1), s.ring.forged("unknown", 1)} {
					wg.Go(func() { s.took(t, fmt.Sprint("token ", i), raw, "outage", promisedFetch) })
				}
				wg.Wait()
				s.heal()
				letPass(promisedBackoff)
				s.took(t, "a good token after it healed", s.ring.genuine(kid), "good", 0)
			})
		})
	}
}

// Two documents, each just within its time: the caller waits for both at most.
func TestASlowDiscoveryBeforeHangingKeysCostsTwoFetches(t *testing.T) {
	eachHang(t, func(t *testing.T, s *slowStage, h hang) {
		s.ring.answerInstead(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/keys") && h.answer != nil {
				h.answer(w, r)
				return true
			}
			letPass(promisedFetch - 100*time.Millisecond)
			s.pipes.setDeaf(h.deaf)
			return false
		})
		s.took(t, "a good token", s.ring.genuine(s.ring.kid()), "outage", 2*promisedFetch)
	})
}

func TestADueRefreshThatHangsHoldsKnownKeysUpForASecond(t *testing.T) {
	eachHang(t, func(t *testing.T, s *slowStage, h hang) {
		kid := s.ring.kid()
		good, forged := s.ring.genuine(kid), s.ring.forged(kid, 1)
		s.took(t, "a good token", good, "good", 0)
		s.hangWith(h, "both")
		letPass(promisedRefresh)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { s.took(t, "a good token", good, "good", promisedPatience) })
			wg.Go(func() { s.took(t, "a forgery", forged, "refused", promisedPatience) })
		}
		wg.Go(func() { s.took(t, "an unknown kid", s.ring.forged("unknown", 1), "outage", promisedFetch) })
		wg.Wait()
		for range 100 { // through many back-offs
			s.took(t, "a good token later", good, "good", promisedPatience)
			letPass(7 * time.Second)
		}
	})
}

func TestUnknownKidsAtAHangingProviderHoldNoKnownKeyUp(t *testing.T) {
	eachHang(t, func(t *testing.T, s *slowStage, h hang) {
		kid := s.ring.kid()
		good := s.ring.genuine(kid)
		s.took(t, "a good token", good, "good", 0)
		s.hangWith(h, "both")
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				s.took(t, "an unknown kid", s.ring.forged(fmt.Sprint("unknown-", i), i), "outage", promisedFetch)
			})
		}
		synctest.Wait()
		for range 20 {
			s.took(t, "a good token meanwhile", good, "good", 0)
			s.took(t, "a forgery meanwhile", s.ring.forged(kid, 2), "refused", 0)
			letPass(100 * time.Millisecond)
		}
		wg.Wait()
	})
}
