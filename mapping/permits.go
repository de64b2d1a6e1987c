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
// reason. Its work is that of the path and of the patterns for the method, however
// many routes there are; for a path of up to 32 segments in which nothing is
// percent-encoded it allocates nothing.
func (t *Table) Decide(h Held, method, path string) Verdict {
	verb := Verb(method)
	if verb != Connect && !slices.Contains(Methods, verb) {
		return Verdict{Reason: UnknownMethod}
	}
	if verb == Connect {
		return decideConnect(h, t.root(verb), path)
	}
	var room room
	raw, ok := read(path, room[:0])
	if !ok {
		return Verdict{Reason: MalformedPath}
	}
	view := t.view(h, verb)
	verdict := view.decideRaw(raw)
	if strings.Contains(path, "%") {
		return view.decideDecoded(path[len("/"):], verdict)
	}
	return verdict
}

// view is what somebody with certain permissions finds for one method.
type view struct {
	root     *node
	held     Held
	all      []Permission // of the table
	patterns []int        // of the method, held or not
	// permitted, if given, stands in for the patterns: whether one of those that are
	// held permits the path, with or without its last slash.
	permitted func(slash bool) bool
}

func (t *Table) view(h Held, v Verb) view {
	m := t.methods[v]
	if m == nil {
		return view{held: h}
	}
	return view{root: m.root, held: h, all: t.permissions, patterns: m.patterns}
}

// matches reports whether a held pattern matches a reading.
func (v *view) matches(r reading) bool {
	if v.permitted != nil {
		return v.permitted(r.slash)
	}
	for _, i := range v.patterns {
		if v.held.has(i) && Match(v.all[i].Resource.text, r.text) {
			return true
		}
	}
	return false
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
func (v *view) decideRaw(raw reading) Verdict {
	route := v.root.find(raw.segments, raw.slash)
	byPattern := v.matches(raw)
	if route != nil && !v.held.Holds(route) && !byPattern {
		return Verdict{Reason: NotHeld, Route: route}
	}
	var bare *Template
	if raw.slash {
		bare = v.root.find(raw.segments, false)
		if bare != nil && !v.held.Holds(bare) && !v.matches(raw.withoutSlash()) {
			return Verdict{Reason: NotHeld, Route: bare}
		}
	}
	switch {
	case v.held.Holds(route):
		return Verdict{Allowed: true, Reason: HeldRoute, Route: route}
	case byPattern:
		return Verdict{Allowed: true, Reason: HeldPattern, Route: cmp.Or(route, bare)}
	case bare == nil:
		return Verdict{Reason: NoRoute}
	case v.held.Holds(bare) && endsInParam(bare.Resource):
		return Verdict{Allowed: true, Reason: HeldRoute, Route: bare}
	}
	return Verdict{Reason: SlashSpelling, Route: bare}
}

// decideDecoded lets the decoded path take away what the raw one allows: the
// gateway or the service behind it may decode before it routes.
func (v *view) decideDecoded(text string, verdict Verdict) Verdict {
	var room room
	decoded, ok := readDecoded(percentDecode(text), room[:0])
	if !ok {
		return Verdict{Reason: MalformedPath}
	}
	if !verdict.Allowed {
		return verdict
	}
	if route := v.takenBy(decoded); route != nil {
		return Verdict{Reason: OtherReading, Route: route}
	}
	if decoded.slash {
		if route := v.takenBy(decoded.withoutSlash()); route != nil {
			return Verdict{Reason: OtherReading, Route: route}
		}
	}
	return verdict
}

// takenBy is the route that a reading finds and that is not permitted, nil if
// there is none.
func (v *view) takenBy(r reading) *Template {
	route := v.root.find(r.segments, r.slash)
	if route == nil || v.held.Holds(route) || v.matches(r) {
		return nil
	}
	return route
}

// DecideSpelling is Decide for a plain path given by its segments, where
// permitted says whether a held pattern permits it with or without the slash at
// its end. The compiler asks it which instances of a route need a guard.
func (t *Table) DecideSpelling(h Held, v Verb, segments []string, slash bool, permitted func(slash bool) bool) Verdict {
	view := t.view(h, v)
	view.permitted = permitted
	return view.decideRaw(reading{segments: segments, slash: slash})
}

func endsInParam(r Resource) bool {
	s := r.Segments()
	return len(s) > 0 && s[len(s)-1].Kind != Literal
}
