package admin

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/internal/yamljson"
)

// The media types of a document. YAML has one of its own (RFC 9512) and goes by
// older names besides.
const (
	jsonType = "application/json"
	yamlType = "application/yaml"
)

var yamlTypes = map[string]bool{yamlType: true, "application/x-yaml": true, "text/yaml": true, "text/x-yaml": true}

// bodyTime is how long a body may take to come.
const bodyTime = 5 * time.Second

// readBody is a middleware that reads a body before huma does, of every operation
// that takes one: it makes JSON of YAML, where that is described, and words faults
// of the form without repeating what stands there, which may be a secret. huma
// itself would take patches (+json) and other charsets for JSON. It runs once the
// caller is known.
func (s *service) readBody(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if ctx.Operation().RequestBody == nil {
			next(ctx)
			return
		}
		_, takesYAML := ctx.Operation().RequestBody.Content[yamlType]
		status, err := http.StatusBadRequest, error(nil)
		known, isYAML := bodyType(ctx.Header("Content-Type"))
		var body []byte
		switch {
		case !known || isYAML && !takesYAML:
			status, err = http.StatusUnsupportedMediaType, &huma.ErrorDetail{Location: "header.Content-Type", Value: ctx.Header("Content-Type"), Message: typesTaken(takesYAML)}
		default:
			body, status, err = s.bodyOf(ctx, isYAML)
		}
		if err != nil {
			s.write(api, ctx, status, "the body cannot be read", err)
			return
		}
		next(&bodyContext{ctx, body})
	}
}

func typesTaken(yaml bool) string {
	if yaml {
		return "must be application/json or application/yaml"
	}
	return "must be application/json"
}

// bodyType tells the types of bodies that are taken apart. None given is JSON.
func bodyType(header string) (known, isYAML bool) {
	if header == "" {
		return true, false
	}
	name, params, err := mime.ParseMediaType(header)
	if charset := params["charset"]; err != nil || charset != "" && charset != "utf-8" && charset != "UTF-8" {
		return false, false
	}
	return name == jsonType || yamlTypes[name], yamlTypes[name]
}

// bodyOf gives a body as JSON that huma can read, or the status of what is wrong.
func (s *service) bodyOf(ctx huma.Context, isYAML bool) ([]byte, int, error) {
	if err := ctx.SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		s.Log.Debug("body has no deadline") // of a request that came as an event
	}
	reader := ctx.BodyReader()
	if reader == nil {
		reader = bytes.NewReader(nil)
	}
	body, err := io.ReadAll(io.LimitReader(reader, MaxBody+1))
	// net/http waits for what comes after the body, and takes a deadline that passes
	// then for a client that has gone: a call may take longer.
	_ = ctx.SetReadDeadline(time.Time{}) // as above
	switch {
	case err != nil:
		return nil, http.StatusBadRequest, &huma.ErrorDetail{Location: "body", Message: "did not come whole"}
	case len(body) > MaxBody:
		return nil, http.StatusRequestEntityTooLarge, &huma.ErrorDetail{Location: "body", Message: fmt.Sprintf("must be at most %d bytes", MaxBody)}
	case len(body) == 0 && !ctx.Operation().RequestBody.Required:
		return nil, 0, nil
	case isYAML:
		body, err = yamljson.ToJSON(body, MaxBody)
	default:
		err = yamljson.CheckJSON(body)
	}
	switch {
	case err != nil:
		return nil, http.StatusBadRequest, &huma.ErrorDetail{Location: "body", Message: err.Error()}
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")):
		return nil, http.StatusUnprocessableEntity, &huma.ErrorDetail{Location: "body", Message: "must be an object, not a list, such as one of permissions alone"}
	case len(body) >= MaxBody: // what YAML writes in short may be long in JSON
		return nil, http.StatusRequestEntityTooLarge, &huma.ErrorDetail{Location: "body", Message: fmt.Sprintf("must be less than %d bytes as JSON", MaxBody)}
	}
	return body, 0, nil
}

// bodyContext is a request whose body was read, and is JSON.
type bodyContext struct {
	subContext
	body []byte
}

type subContext = huma.Context

// BodyReader implements huma.Context.
func (c *bodyContext) BodyReader() io.Reader { return bytes.NewReader(c.body) }

// Header implements huma.Context.
func (c *bodyContext) Header(name string) string {
	if http.CanonicalHeaderKey(name) == "Content-Type" {
		return jsonType
	}
	return c.subContext.Header(name)
}
