package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oklog/ulid/v2"
)

type requestIDKey struct{}

// requestIDHeader tells a client under which id the audit trail and the log know
// its request.
const requestIDHeader = "X-Request-Id"

func (s *service) withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := cmp.Or(s.RequestID(r.Context()), ulid.Make().String())
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// routed answers what is no call of the API with a problem, where the mux would
// with plain text or a redirect: 404, or 405 with the methods that there are.
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		asked := &statusOnly{header: http.Header{}, status: http.StatusNotFound}
		switch {
		case !isClean(r.URL.EscapedPath()):
		case pattern != "":
			mux.ServeHTTP(w, r)
			return
		default:
			h.ServeHTTP(asked, r)
		}
		detail := "there is no such call"
		if allow := asked.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			detail = "the path takes " + allow
		}
		b, err := json.Marshal(huma.NewError(asked.status, detail))
		if err != nil {
			b = nil // two strings and a number: cannot be
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(asked.status)
		_, _ = w.Write(b) // who asked has gone if it fails
	})
}

// isClean reports whether a path is what the mux would make of it. It would send
// who asked there, by a redirect that knows nothing of the stage before the path.
func isClean(p string) bool { return strings.HasPrefix(p, "/") && path.Clean(p) == p }

// statusOnly is where the mux says what it makes of a request.
type statusOnly struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (s *statusOnly) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (s *statusOnly) WriteHeader(status int) { s.status = status }
