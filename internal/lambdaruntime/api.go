package lambdaruntime

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxResponse is the largest response of a synchronous invocation (AWS: "Lambda
// quotas": 6 MB), with what Lambda itself adds.
const maxResponse = 6<<20 + 100

// Headers of the Runtime API.
const (
	headerID        = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline  = "Lambda-Runtime-Deadline-Ms"
	headerARN       = "Lambda-Runtime-Invoked-Function-Arn"
	headerTrace     = "Lambda-Runtime-Trace-Id"
	trailerError    = "Lambda-Runtime-Function-Error-Type"
	trailerErrorMsg = "Lambda-Runtime-Function-Error-Body"
)

func (p *process) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.initFailure)
	return mux
}

// next waits for an event. The request's context ends with the child's
// connection and with the runtime.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	p.readyOnce.Do(func() { close(p.ready) })
	select {
	case <-r.Context().Done():
	case <-p.gone:
	case inv := <-p.r.queue:
		p.deliver(w, inv)
	}
}

func (p *process) deliver(w http.ResponseWriter, inv *invocation) {
	if !p.take(inv) {
		inv.result <- result{err: &Error{Type: "Runtime.ExitError", Message: "RequestId: " + inv.id + " Error: Runtime exited"}}
		return
	}
	h := w.Header()
	h.Set(headerID, inv.id)
	h.Set(headerDeadline, strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set(headerARN, p.r.opts.FunctionARN)
	h.Set(headerTrace, trace(inv))
	h.Set("Content-Type", "application/json")
	w.Write(inv.payload) // a child that died is found by watch
}

// trace is an X-Ray trace id made of the request's.
func trace(inv *invocation) string {
	hex := strings.ReplaceAll(inv.id, "-", "")
	return fmt.Sprintf("Root=1-%s-%s;Parent=%s;Sampled=0", hex[:8], hex[8:], hex[:16])
}

func (p *process) response(w http.ResponseWriter, r *http.Request) {
	b, err := readAll(r.Body)
	switch {
	case errors.Is(err, errTooLarge):
		p.accept(w, r, http.StatusRequestEntityTooLarge, result{err: &Error{
			Type:    "Function.ResponseSizeTooLarge",
			Message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse),
		}})
	case err != nil:
		p.accept(w, r, http.StatusAccepted, result{err: fmt.Errorf("read the response: %w", err)})
	case r.Trailer.Get(trailerError) != "":
		p.accept(w, r, http.StatusAccepted, result{err: trailerFault(r.Trailer)})
	default:
		p.accept(w, r, http.StatusAccepted, result{response: b})
	}
}

var errTooLarge = errors.New("too large")

// readAll reads a body to its end, so that the connection stays usable, and
// keeps at most maxResponse bytes.
func readAll(body io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, maxResponse))
	if err != nil {
		return nil, err
	}
	switch n, err := io.Copy(io.Discard, body); {
	case err != nil:
		return nil, err
	case n > 0:
		return nil, errTooLarge
	}
	return b, nil
}

// trailerFault is the error of a function that failed while it wrote its
// response.
func trailerFault(t http.Header) error {
	e := &Error{Type: t.Get(trailerError)}
	if b, err := base64.StdEncoding.DecodeString(t.Get(trailerErrorMsg)); err == nil && len(b) > 0 {
		*e = *parseError(b)
	}
	return e
}

func (p *process) failure(w http.ResponseWriter, r *http.Request) {
	p.accept(w, r, http.StatusAccepted, result{err: readError(r)})
}

func (p *process) accept(w http.ResponseWriter, r *http.Request, status int, res result) {
	if !p.settle(r.PathValue("id"), res) {
		status = http.StatusBadRequest
	}
	answer(w, status)
}

func (p *process) initFailure(w http.ResponseWriter, r *http.Request) {
	e := readError(r)
	p.mu.Lock()
	p.initErr = e
	p.mu.Unlock()
	answer(w, http.StatusAccepted)
}

func answer(w http.ResponseWriter, status int) {
	body := `{"status":"OK"}`
	switch status {
	case http.StatusBadRequest:
		body = `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`
	case http.StatusRequestEntityTooLarge:
		body = `{"errorMessage":"Exceeded maximum allowed payload size","errorType":"RequestEntityTooLarge"}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func readError(r *http.Request) *Error {
	b, err := readAll(r.Body)
	if err != nil {
		return &Error{Type: "Runtime.Unknown", Message: "the error could not be read: " + err.Error()}
	}
	return parseError(b)
}

// parseError reads {"errorMessage": …, "errorType": …}; what is no such object
// is the message itself.
func parseError(b []byte) *Error {
	e := &Error{}
	if json.Unmarshal(b, e) != nil {
		return &Error{Type: "Runtime.Unknown", Message: string(b)}
	}
	return e
}
