package token

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// wire is a stage over real sockets on loopback: the ring as a server, and
// another host that nobody may ever be sent to.
type wire struct {
	*stage
	client    *http.Client // nil = the verifier's own
	server    *httptest.Server
	elsewhere *atomic.Int64 // requests to the other host
	foreign   string        // its URL
}

// newWire serves the ring over TLS with a client that trusts it, or over plain
// HTTP with the verifier's own client.
func newWire(t *testing.T, tls bool) *wire {
	w := &wire{stage: &stage{clock: newClock()}, elsewhere: new(atomic.Int64)}
	w.ring = newRing("", w.clock.Now)
	server := httptest.NewUnstartedServer(w.ring)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tls {
		server.StartTLS()
		w.client = server.Client()
	} else {
		server.Start()
	}
	other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.elsewhere.Add(1)
		_, _ = rw.Write([]byte(jwks(ringJWK("1-of-the-ring"))))
	}))
	t.Cleanup(other.Close)
	t.Cleanup(server.Close)
	w.server, w.foreign = server, other.URL
	w.ring.base = server.URL
	w.verifier = verifierOf(w.ring, w.clock.Now, w.client)
	return w
}

// gzipBomb is 100 MB of spaces in some 100 KB.
var gzipBomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range 100 {
		_, _ = z.Write(chunk) // into memory
	}
	_ = z.Close()
	return b.Bytes()
})

func packed(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body)
	}
}

// raw answers with bytes on the socket and closes it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		onSocket(w, func(b *bufio.ReadWriter) { _, _ = b.WriteString(text) })
	}
}

func onSocket(w http.ResponseWriter, write func(*bufio.ReadWriter)) {
	conn, b, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // HTTP/1 of our own server
	}
	write(b)
	_ = b.Flush() // the client may be gone
	_ = conn.Close()
}

func redirect(to string, code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(code)
	}
}

// wireFaults are answers that only a real connection can give.
func wireFaults(w *wire) map[string]http.HandlerFunc {
	good := jwks(ringJWK("1-of-the-ring"))
	plain := "http://" + strings.TrimPrefix(strings.TrimPrefix(w.ring.base, "https://"), "http://")
	m := map[string]http.HandlerFunc{
		"20 MB":                        func(rw http.ResponseWriter, _ *http.Request) { twentyMB(rw) },
		"a gzip bomb":                  packed(gzipBomb()),
		"gzip that is none":            packed([]byte(good)),
		"half a gzip":                  packed(gzipBomb()[:1000]),
		"a redirect to a file":         redirect("file:///etc/passwd", 302),
		"a redirect to data":           redirect("data:application/json,"+good, 302),
		"a redirect to ftp":            redirect("ftp://127.0.0.1/keys", 302),
		"a redirect without TLS":       redirect(plain+"/keys", 302),
		"a redirect to no URL":         redirect("http://%zz/", 302),
		"a redirect in a circle":       func(rw http.ResponseWriter, r *http.Request) { redirect(r.URL.Path, 302)(rw, r) },
		"nothing at all":               raw(""),
		"no HTTP":                      raw("SSH-2.0-OpenSSH_9.2\r\n"),
		"an impossible status":         raw("HTTP/1.1 99999 OK\r\n\r\n" + good),
		"a body shorter than its head": raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + good),
		"a body cut in a chunk":        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + good),
		"chunks of nonsense":           raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + good),
		"two lengths":                  raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + good),
		"a negative length":            raw("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + good),
		"a switch of protocols":        raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + good),
		"hundreds of 1xx":              raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 500)),
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		m[fmt.Sprint("a redirect to another host, ", code)] = redirect(w.foreign+"/keys", code)
		m[fmt.Sprint("a redirect to a look-alike, ", code)] = redirect(w.ring.base+"@"+strings.TrimPrefix(w.foreign, "http://")+"/keys", code)
	}
	return m
}

func TestWhatOnlyAConnectionCanGetWrongIsAnOutageToo(t *testing.T) {
	for _, tls := range []bool{false, true} {
		w := newWire(t, tls)
		kid := w.ring.kid()
		good, forged := w.ring.genuine(kid), w.ring.forged(kid, 1)
		for name, answer := range wireFaults(w) {
			for _, f := range []fault{{"keys", nil, answer}, {"discovery", answer, nil}} {
				t.Run(fmt.Sprintf("%s as %s, TLS %v", name, f.name, tls), func(t *testing.T) {
					w.coldAndWarm(t, f, good, forged)
				})
			}
		}
		if n := w.elsewhere.Load(); n != 0 {
			t.Errorf("%d requests went to another host", n)
		}
	}
}

// coldAndWarm meets the fault without and then with keys, and heals between.
func (w *wire) coldAndWarm(t *testing.T, f fault, good, forged string) {
	s := &stage{clock: newClock(), ring: w.ring}
	s.verifier = verifierOf(w.ring, s.clock.Now, w.client)
	w.ring.fail(f)
	defer w.ring.fail(fault{})
	s.want(t, "a good token when cold", good, "outage")
	s.want(t, "a forgery when cold", forged, "outage")
	s.want(t, "an unknown kid when cold", w.ring.forged("unknown", 1), "outage")
	w.ring.fail(fault{})
	s.clock.Advance(promisedBackoff)
	s.want(t, "a good token after it healed", good, "good")
	w.ring.fail(f)
	wantUnknown := "outage" // it may be the new key
	if f.keys == nil {
		wantUnknown = "refused" // the keys come, from where they were
	}
	for range 3 {
		s.clock.Advance(promisedRefresh)
		s.want(t, "a good token when warm", good, "good")
		s.want(t, "a forgery when warm", forged, "refused")
		s.want(t, "an unknown kid when warm", w.ring.forged("unknown", 1), wantUnknown)
	}
}

// What a provider sends beyond what is read costs no memory, and not the time to
// send it.
func TestABombIsNotUnpackedIntoMemory(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a gzip bomb": packed(gzipBomb()),
		"20 MB":       func(w http.ResponseWriter, _ *http.Request) { twentyMB(w) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, false)
			kid := w.ring.kid()
			w.ring.fail(fault{name, nil, answer})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w.want(t, "a good token", w.ring.genuine(kid), "outage")
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
				t.Errorf("%d KB were allocated", allocated>>10)
			}
		})
	}
}

// net/http reads 10 MB of response headers unless it is told otherwise.
func TestHeadersWithoutEndAreNotReadIntoMemory(t *testing.T) {
	w := newWire(t, false)
	w.ring.fail(fault{"headers without end", nil, func(w http.ResponseWriter, _ *http.Request) { onSocket(w, headersWithoutEnd) }})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.want(t, "a good token", w.ring.genuine(w.ring.kid()), "outage")
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
		t.Errorf("%d KB were allocated", allocated>>10)
	}
}

// headersWithoutEnd sends 64 MB of header lines or until the client has had enough.
func headersWithoutEnd(b *bufio.ReadWriter) {
	line := "X-More: " + strings.Repeat("x", 1000) + "\r\n"
	_, err := b.WriteString("HTTP/1.1 200 OK\r\n")
	for i := 0; err == nil && i < 64<<10; i++ {
		_, err = b.WriteString(line)
	}
}

func TestAProviderThatCannotProveItsNameIsAnOutage(t *testing.T) {
	w := newWire(t, true)
	kid := w.ring.kid()
	w.verifier = verifierOf(w.ring, w.clock.Now, nil) // our own client trusts no test certificate
	w.want(t, "a good token", w.ring.genuine(kid), "outage")
	if asked := w.ring.account().asked; len(asked) != 0 {
		t.Errorf("it was asked for %v", asked)
	}
}

func TestAProviderThatIsNotThereIsAnOutage(t *testing.T) {
	w := newWire(t, false)
	w.ring.base = "http://127.0.0.1:1" // a port that nobody is given
	w.verifier = verifierOf(w.ring, w.clock.Now, nil)
	w.want(t, "a good token", w.ring.genuine(w.ring.kid()), "outage")
}

// A connection that the provider closed while it was idle costs no fetch.
func TestAConnectionThatDiedBetweenFetchesIsNoOutage(t *testing.T) {
	w := newWire(t, false)
	for range 5 {
		kid, _ := w.ring.rotate(1)
		w.want(t, "a good token", w.ring.genuine(kid), "good")
		w.server.CloseClientConnections()
		w.clock.Advance(promisedRefresh)
	}
}
