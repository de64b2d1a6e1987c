package token

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/internal/idp"
)

// slowBy makes the provider take its time over each answer.
func (w *world) slowBy(d time.Duration) {
	healthy := w.net.byHost["login.example"]
	w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		waitFor(d)
		healthy.ServeHTTP(rw, r)
	})
}

// believedByNobody has several callers present a token at once whose key is gone.
func (w *world) believedByNobody(t *testing.T, raw string) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if _, err := w.verifier.Verify(context.Background(), raw); ReasonOf(err) != ReasonKey {
				t.Errorf("caller %d: got %v, want %q", i, err, ReasonKey)
			}
		})
	}
	wg.Wait()
	waitFor(flightLife)
}

// A key that was taken away while an instance slept is believed by none of its
// callers, although the issuer takes longer to say so than they usually wait.
func TestASleeperBelievesNoKeyThatWasTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		w.wantGood(t, raw)
		w.rotate(t)
		w.rotate(t)
		waitFor(23 * time.Hour)
		w.slowBy(2 * staleWait)
		w.believedByNobody(t, raw)
	})
}

// A failure of before the sleep is no reason to believe an old key.
func TestASleeperWhoseLastFetchFailedAsksToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		w.wantGood(t, raw)
		waitFor(refreshAfter)
		w.idp.Fail(idp.Down)
		w.wantGood(t, raw) // one failed hourly refresh, as by a blip
		w.idp.Fail(idp.Healthy)
		w.rotate(t)
		w.rotate(t) // the key is gone
		waitFor(20 * time.Hour)
		w.slowBy(2 * staleWait / 3) // discovery and keys: 1.3 s
		w.believedByNobody(t, raw)
	})
}

// Given keys may be of any age: the issuer is asked before they count.
func TestGivenKeysThatWereTakenAwayAreBelievedByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		w.seeded(t, w.set(), tenantAlone, func(c *Config) { c.Now = time.Now })
		w.rotate(t)
		w.rotate(t)
		w.slowBy(100 * time.Millisecond)
		w.believedByNobody(t, raw)
	})
}

// Nobody had answered yet when it gave up.
func TestASleepersCallerThatGivesUpBelievesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		w.wantGood(t, raw)
		w.rotate(t)
		w.rotate(t)
		waitFor(20 * time.Hour)
		w.slowBy(500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if _, err := w.verifier.Verify(ctx, raw); err == nil {
			t.Error("a key that was taken away 20 h ago is believed; nobody had answered yet")
		}
		waitFor(flightLife)
	})
}

// A fetch that began before the key was there does not say that it is unknown.
func TestAFetchFromBeforeARotationIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld(t)
		w.wantGood(t, w.good(t))
		waitFor(refreshAfter)
		old := w.set()
		healthy := w.net.byHost["login.example"]
		w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/keys") {
				_, _ = rw.Write([]byte(old)) // answered, and on its way for two seconds
				waitFor(2 * time.Second)
				return
			}
			healthy.ServeHTTP(rw, r)
		})
		first := w.good(t)
		var wg sync.WaitGroup
		wg.Go(func() { w.wantGood(t, first) })
		waitFor(time.Second / 2)
		w.rotate(t)
		w.net.mu.Lock()
		w.net.byHost["login.example"] = healthy
		w.net.mu.Unlock()
		_, err := w.verifier.Verify(context.Background(), w.good(t))
		var e *Error
		if !errors.As(err, &e) || e.Reason != ReasonKey || !e.Passing() {
			t.Errorf("a genuine token amid the fetch: %v, want a refusal that passes", err)
		}
		w.wantGood(t, w.good(t))
		wg.Wait()
		waitFor(flightLife)
	})
}

// deadAfter is a provider one of whose connections dies: from then on nothing comes
// back over it.
type deadAfter struct {
	http.Handler
	stop chan struct{} // ends its requests at last

	mu   sync.Mutex
	next bool // the next request's connection dies
	dead map[any]bool
}

type connKey struct{}

func (d *deadAfter) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	over := r.Context().Value(connKey{})
	d.mu.Lock()
	if d.next {
		d.next, d.dead[over] = false, true
	}
	dead := d.dead[over]
	d.mu.Unlock()
	if dead {
		<-d.stop
		return
	}
	d.Handler.ServeHTTP(rw, r)
}

func (d *deadAfter) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = true
}

// overTLS has the verifier ask the handler with the transport that it makes itself,
// over TLS, as one that speaks HTTP/2 and HTTP/1.1 serves it.
func (w *world) overTLS(t *testing.T, h http.Handler) {
	network := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := httptest.NewUnstartedServer(h)
	_ = server.Listener.Close()
	server.Listener = network
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	w.idp.SetBaseURL(server.URL)
	tr := ownTransport()
	tr.DialContext = network.dial
	tr.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	tr.TLSClientConfig.NextProtos = nil
	t.Cleanup(tr.CloseIdleConnections)
	c := w.config()
	c.Issuers, c.HTTPClient = nil, &http.Client{Transport: tr}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
}

// Over HTTP/2 a request of before a freeze would keep its dead connection busy, and
// the next one would be sent into it.
func TestAFrozenFetchLeavesTheNextOneAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		provider := &deadAfter{Handler: w.idp, stop: make(chan struct{}), dead: map[any]bool{}}
		w.overTLS(t, provider)
		t.Cleanup(func() { close(provider.stop) })
		raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
		w.wantGood(t, raw)
		w.clock.Advance(refreshAfter)
		provider.die()
		w.wantGood(t, raw)              // after a second, with the fetch under way; then Lambda freezes
		w.clock.Advance(20 * time.Hour) // thawed: the process has not lived on a moment
		w.rotate(t)
		w.wantGood(t, mint(t, w.idp, idp.Spec{Scopes: []string{"a"}}))
	})
}
