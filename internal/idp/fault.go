package idp

import (
	"net/http"
	"strings"
)

// Fault is a way in which discovery and keys misbehave; tokens are minted all
// the same. It serves the tests of everything that must outlive such a provider.
type Fault string

// The faults. EmptyKeys, EmptyObject and MalformedKey concern the keys alone,
// WrongIssuer the discovery documents alone.
const (
	Healthy      Fault = ""
	Down         Fault = "down"          // 503
	Hang         Fault = "hang"          // answers nothing until the client gives up
	EmptyKeys    Fault = "empty_keys"    // {"keys":[]}
	EmptyObject  Fault = "empty_object"  // {}
	HTML         Fault = "html"          // a 200 that is a web page
	Huge         Fault = "huge"          // 20 MB of JSON
	Redirect     Fault = "redirect"      // to RedirectTarget, another host
	WrongIssuer  Fault = "wrong_issuer"  // a discovery document of somebody else
	MalformedKey Fault = "malformed_key" // one broken key before the good ones
)

// RedirectTarget is where Redirect sends to; nobody may ever follow it.
const RedirectTarget = "https://elsewhere.invalid/keys"

const hugeBody = 20 << 20

var malformedKey = map[string]any{"kty": "RSA", "use": "sig", "kid": "malformed", "n": "*", "e": 65537}

// Fail makes the provider misbehave from now on; Healthy ends it.
func (p *Provider) Fail(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *Provider) current() Fault {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.fault
}

// Fetches counts requests since the start.
type Fetches struct{ Discovery, Keys int }

// Fetches is how often clients asked for discovery documents and for keys,
// failed requests included.
func (p *Provider) Fetches() Fetches {
	return Fetches{Discovery: int(p.discoveries.Load()), Keys: int(p.keyFetches.Load())}
}

// serve answers in place of either endpoint and reports whether it did.
func (f Fault) serve(w http.ResponseWriter, r *http.Request) bool {
	switch f {
	case Down:
		http.Error(w, "the service is unavailable", http.StatusServiceUnavailable)
	case Hang:
		<-r.Context().Done()
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Sign in</title>"))
	case Huge:
		writeHuge(w)
	case Redirect:
		http.Redirect(w, r, RedirectTarget, http.StatusFound)
	default:
		return false
	}
	return true
}

// serveKeys answers in place of the keys and reports whether it did.
func (f Fault) serveKeys(w http.ResponseWriter) bool {
	switch f {
	case EmptyKeys:
		writeJSON(w, http.StatusOK, map[string]any{"keys": []any{}})
	case EmptyObject:
		writeJSON(w, http.StatusOK, map[string]any{})
	default:
		return false
	}
	return true
}

func writeHuge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	chunk := []byte(strings.Repeat(" ", 64<<10))
	for sent := 0; sent < hugeBody; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return // the client has had enough, as it should
		}
	}
	_, _ = w.Write([]byte("{}"))
}
