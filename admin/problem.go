package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"scopegate/mapping"
	"scopegate/store"
)

// invalid is the answer to a body that breaks rules.
func invalid(details ...error) huma.StatusError {
	return huma.NewError(http.StatusUnprocessableEntity, "the request breaks rules", details...)
}

// problem turns an error of the store into an answer. What the store says of an
// outage is for the log: it may name hosts.
func (s *service) problem(ctx context.Context, err error) huma.StatusError {
	var answered huma.StatusError
	switch {
	case errors.As(err, &answered):
		return answered
	case errors.Is(err, store.ErrNotFound):
		return huma.NewError(http.StatusNotFound, "the API stage is not registered")
	case errors.Is(err, store.ErrConflict):
		return huma.NewError(http.StatusPreconditionFailed, "the table has moved on: read it again")
	case errors.Is(err, store.ErrInvalid):
		var details []error
		for _, f := range mapping.Faults(err) {
			if f == store.ErrInvalid { // the class of the others
				continue
			}
			details = append(details, detail("body", f))
		}
		return invalid(details...)
	case errors.Is(err, store.ErrUnknown):
		s.Log.Error("outcome of a change unknown", zap.String("requestId", requestID(ctx)), zap.Error(err))
		return huma.NewError(http.StatusServiceUnavailable, "whether the change was made is not known: read the table again")
	}
	answer := "the store does not answer now"
	if errors.Is(err, store.ErrVersion) {
		answer = "the tables are of another version than this program: scopegate migrate, or deploy the program that they are for"
	}
	s.Log.Error("store fails", zap.String("requestId", requestID(ctx)), zap.Error(err))
	return huma.NewError(http.StatusServiceUnavailable, answer)
}

func etag(r store.Revision) string { return `"` + r.String() + `"` }

// checkMatch compares If-Match with a table's revision.
func checkMatch(header string, r store.Revision) error {
	tag := ""
	if r != (store.Revision{}) {
		tag = etag(r)
	}
	return matchTag(header, tag, "the table")
}

// matchTag compares If-Match with an ETag, "" where there is nothing to have one
// (RFC 9110, 13.1.1), by the strong comparison: a weak tag never matches.
func matchTag(header, is, what string) error {
	if header == "" {
		return huma.NewError(http.StatusPreconditionRequired, "If-Match must name what the change is made for, as ETag gave it")
	}
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if is != "" && (tag == "*" || tag == is) {
			return nil
		}
	}
	message := "must be " + is
	if is == "" {
		message = "must not be given: there is nothing yet that it could match"
	}
	return huma.NewError(http.StatusPreconditionFailed, what+" is at another revision: read it again",
		&huma.ErrorDetail{Location: "header.If-Match", Value: header, Message: message})
}

// retryLater says that the very same request may do in a moment.
func retryLater(err huma.StatusError) error {
	return huma.ErrorWithHeaders(err, http.Header{"Retry-After": {"5"}})
}
