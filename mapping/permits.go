package mapping

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Reason says why Decide allows or denies. It is a fixed set, fit for logs and
// metrics.
type Reason string

// Reasons of a verdict.
const (
	HeldRoute     Reason = "held_route"     // allowed: a held permission names the route
	HeldPattern   Reason = "held_pattern"   // allowed: a held pattern matches
	NotHeld       Reason = "not_held"       // the route is known, and none of its permissions is held
	NoRoute       Reason = "no_route"       // no route or held pattern is known for the path
	UnknownMethod Reason = "unknown_method" // not one of the seven methods or $connect
	MalformedPath Reason = "malformed_path" // an empty inner segment, a . or .. segment
	SlashSpelling Reason = "slash_spelling" // a held literal route, but called with a trailing /
	OtherReading  Reason = "other_reading"  // decoded, the path is one of a route that is not held
)

// Verdict is an answer about one request. The zero Verdict denies.
type Verdict struct {
	Allowed bool
	Reason  Reason
	// Route is the route that decided, nil if none is known for the path.
	Route *Template
}

// Permits is the definition of Scopegate: whether the caller may call method
// and path (as in the request line, with its leading slash, without a query) at
// the instant now. Everything else is tested against it:
//
//  1. allowed if a held, unexpired pattern permission matches;
//  2. else, of the routes known for the method (or ANY), the most specific one
//     that matches decides: allowed if a held permission names it;
//  3. else denied.
//
// A path may be read in several ways: raw and once percent-decoded, with and
// without one trailing slash. Every reading that finds a route must be
// permitted, and the raw one must find what it is allowed by: a policy is
// matched against the raw path alone.
func (t *Table) Permits(c Caller, method, path string, now time.Time) bool {
	return t.Decide(t.Held(c, now), method, path).Allowed
}

// Decide is Permits for a set of permissions that is known already, with the
// reason.
func (t *Table) Decide(h Held, method, path string) Verdict {
	verb := Verb(method)
	if verb != Connect && !slices.Contains(Methods, verb) {
		return Verdict{Reason: UnknownMethod}
	}
	root := t.root(verb)
	if verb == Connect {
		return decideConnect(h, root, path)
	}
	raw, ok := read(path)
	if !ok {
		return Verdict{Reason: MalformedPath}
	}
	matches := t.matcher(h, verb)
	verdict := decideRaw(h, root, matches, raw)
	if strings.Contains(raw.text, "%") {
		return decideDecoded(h, root, matches, raw, verdict)
	}
	return verdict
}

// root is the tree of a method's routes; nil, in which nothing is found, if the
// table names none.
func (t *Table) root(v Verb) *node {
	if m := t.methods[v]; m != nil {
		return m.root
	}
	return nil
}

// decideConnect answers for WebSocket APIs, whose $connect has no path.
func decideConnect(h Held, root *node, path string) Verdict {
	route := root.find(nil, false)
	switch {
	case path != "":
		return Verdict{Reason: MalformedPath}
	case route == nil:
		return Verdict{Reason: NoRoute}
	case h.Holds(route):
		return Verdict{Allowed: true, Reason: HeldRoute, Route: route}
	}
	return Verdict{Reason: NotHeld, Route: route}
}

// decideRaw reads the path as it was sent, with and without its last slash.
func decideRaw(h Held, root *node, matches func(reading) bool, raw reading) Verdict {
	route := root.find(raw.segments, raw.slash)
	byPattern := matches(raw)
	if route != nil && !h.Holds(route) && !byPattern {
		return Verdict{Reason: NotHeld, Route: route}
	}
	var bare *Template
	if raw.slash {
		bare = root.find(raw.segments, false)
		if bare != nil && !h.Holds(bare) && !matches(raw.withoutSlash()) {
			return Verdict{Reason: NotHeld, Route: bare}
		}
	}
	switch {
	case h.Holds(route):
		return Verdict{Allowed: true, Reason: HeldRoute, Route: route}
	case byPattern:
		return Verdict{Allowed: true, Reason: HeldPattern, Route: cmp.Or(route, bare)}
	case bare == nil:
		return Verdict{Reason: NoRoute}
	case h.Holds(bare) && endsInParam(bare.Resource):
		return Verdict{Allowed: true, Reason: HeldRoute, Route: bare}
	}
	return Verdict{Reason: SlashSpelling, Route: bare}
}

// decideDecoded lets the decoded path take away what the raw one allows: the
// gateway or the service behind it may decode before it routes.
func decideDecoded(h Held, root *node, matches func(reading) bool, raw reading, verdict Verdict) Verdict {
	decoded, ok := readDecoded("/" + percentDecode(raw.text))
	if !ok {
		return Verdict{Reason: MalformedPath}
	}
	if !verdict.Allowed {
		return verdict
	}
	for _, r := range spellings(decoded) {
		route := root.find(r.segments, r.slash)
		if route != nil && !h.Holds(route) && !matches(r) {
			return Verdict{Reason: OtherReading, Route: route}
		}
	}
	return verdict
}

// DecideSpelling is Decide for a plain path given by its segments, where
// byPattern says whether a held pattern permits it with or without the slash at
// its end. The compiler asks it which instances of a route need a guard.
func (t *Table) DecideSpelling(h Held, v Verb, segments []string, slash bool, permitted func(slash bool) bool) Verdict {
	byPattern := func(r reading) bool { return permitted(r.slash) }
	return decideRaw(h, t.root(v), byPattern, reading{segments: segments, slash: slash})
}

// matcher reports of a reading whether a held pattern matches it.
func (t *Table) matcher(h Held, v Verb) func(reading) bool {
	patterns := t.Patterns(h, v)
	return func(r reading) bool {
		return slices.ContainsFunc(patterns, func(p Permission) bool {
			return Match(p.Resource.String(), r.text)
		})
	}
}

func endsInParam(r Resource) bool {
	s := r.Segments()
	return len(s) > 0 && s[len(s)-1].Kind != Literal
}
