// Package lambdaproxy runs an http.Handler behind API Gateway's Lambda proxy
// integrations. In goes an event of a REST API or of an HTTP API (payload 1.0 or
// 2.0), out comes the answer in the shape that belongs to it.
//
// It is our own because the libraries that did it are no longer kept, and because
// what they lose matters here: a second Authorization value, an encoded slash in
// a path parameter, the bytes of a body.
//
// Paths: REST APIs hand the path on as it was sent, HTTP APIs decode it first
// (both observed by users, not documented). So whatever looks like an escape is
// read as one, in every shape, and the rest as it stands: behind an HTTP API a
// "/" within a path parameter has to be sent as %252F, and a literal "%41" cannot
// be sent. The base path of a custom domain is not taken away.
package lambdaproxy

import (
	"context"
	"errors"
	"net/http"
)

// MaxBody is the largest request body, in bytes: Lambda takes 6 MB of a whole
// event (AWS: "Lambda quotas").
const MaxBody = 6 << 20

// Proxy is a lambda.Handler.
type Proxy struct {
	// Handler answers the requests. Their contexts end with the invocation.
	Handler http.Handler
	// MaxBody bounds a request's body, in bytes; 0 is the package's MaxBody.
	MaxBody int64
	// OnFailure hears of what the client is told only as 500: a panic of the
	// Handler, an answer that is too large. nil is nobody.
	OnFailure func(ctx context.Context, cause any)
}

// Is reports whether a payload is an event that Invoke answers.
func Is(payload []byte) bool {
	_, _, err := parse(payload)
	return err == nil
}

// Invoke answers one event. A request that breaks HTTP's rules is answered with
// 400, one that is too large with 413; the only errors are payloads that are no
// such event (ErrNoProxyEvent). It is safe for concurrent use.
func (p *Proxy) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e, shape, err := parse(payload)
	if err != nil {
		return nil, err
	}
	most := p.MaxBody
	if most == 0 {
		most = MaxBody
	}
	r, f := e.request(ctx, shape, most)
	if f != nil {
		return problem(shape, *f)
	}
	w := newRecorder()
	if !p.serve(w, r) {
		return problem(shape, fault{http.StatusInternalServerError, "the request could not be answered"})
	}
	out, err := w.response(shape, r.Method)
	if errors.Is(err, errResponseTooLarge) {
		p.tell(r.Context(), err)
		return problem(shape, fault{http.StatusInternalServerError, "the answer is too large: ask for less at once"})
	}
	return out, err
}

// serve has the handler answer; false if it panicked. Without that the panic
// would end the process, and requests beside this one with it.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) (ok bool) {
	defer func() {
		if cause := recover(); cause != nil {
			ok = false
			p.tell(r.Context(), cause)
		}
	}()
	p.Handler.ServeHTTP(w, r)
	return true
}

func (p *Proxy) tell(ctx context.Context, cause any) {
	if p.OnFailure != nil {
		p.OnFailure(ctx, cause)
	}
}
