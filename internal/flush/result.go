package flush

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
)

// named bounds how many stages a reason names, longest its bytes.
const (
	named   = 5
	longest = 1000
)

// Reasons, in words for who changed a table: causes may name hosts, they are for
// the log.
const (
	notScheduled = "the second flush could not be scheduled: caches may answer as before until the authorizer's TTL has passed"
	notListed    = "the stages could not be listed; all of them are flushed later"
	notNow       = "the first flush follows in a few seconds: too many at once"
	notAnswered  = "API Gateway did not empty the cache"
)

// result says what may be promised. by is when, if all went well.
func (o *outcome) result(by time.Time) Result {
	by = by.UTC().Round(0)
	switch {
	case o.unscheduled:
		return Result{Flush: "failed", Reason: notScheduled}
	case o.unlisted:
		return Result{Flush: "failed", Reason: notListed}
	case len(o.failed) > 0:
		return Result{Flush: "failed", Reason: o.sum(o.failed, "it is tried again")}
	case o.stages > 0 && len(o.impossible) == o.stages:
		return Result{Flush: "impossible", Reason: o.sum(o.impossible, "")}
	}
	r := Result{Flush: "scheduled", EffectiveBy: &by}
	switch {
	case len(o.impossible) > 0:
		r.Reason = o.sum(o.impossible, "the rest is")
	case o.putOff > 0:
		r.Reason = notNow
	}
	return r
}

// sum says of each stage why it was not flushed, or of the only one.
func (o *outcome) sum(errs map[mapping.API]error, then string) string {
	if then != "" {
		then = "; " + then
	}
	apis := slices.SortedFunc(maps.Keys(errs), compare)
	if o.stages == 1 {
		return cut(why(errs[apis[0]])) + then
	}
	var list []string
	for _, api := range apis[:min(len(apis), named)] {
		list = append(list, cut(api.String()+": "+why(errs[api])))
	}
	if more := len(apis) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	text := fmt.Sprintf("%d of %d stages are not flushed: %s", len(apis), o.stages, strings.Join(list, ", "))
	return cut(text) + then
}

// why is an error as far as it may be told.
func why(err error) string {
	switch {
	case impossible(err):
		return err.Error()
	case errors.Is(err, ErrForbidden):
		return ErrForbidden.Error()
	}
	return notAnswered
}

func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + " …"
}
