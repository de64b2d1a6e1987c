package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// SegmentKind says what a segment of a route matches. The order is that of
// API Gateway's precedence: a smaller kind is more specific.
type SegmentKind uint8

// Kinds of segments.
const (
	Literal SegmentKind = iota // this very text
	Param                      // {name}: any one non-empty segment
	Greedy                     // {name+}: one or more segments, last only
)

// Segment is one part of a route between slashes.
type Segment struct {
	Kind SegmentKind
	Text string // the literal, or the name of the parameter
}

// Resource is where a permission applies: a route, as API Gateway declares it
// ("orders/{id}"), or a pattern, which matches as IAM does ("orders/*", the *
// crossing slashes). The zero Resource is the root route.
type Resource struct {
	text     string
	segments []Segment
	slash    bool // a route written with a trailing slash
	pattern  bool
}

// ParseResource reads a resource, with or without its leading slash.
func ParseResource(s string) (Resource, error) {
	text := strings.TrimPrefix(s, "/")
	if rule := badCharacter(text); rule != "" {
		return Resource{}, fault("resource", s, rule)
	}
	r := Resource{text: text, pattern: strings.Contains(text, "*")}
	if text == "" {
		return r, nil
	}
	body, slash := strings.CutSuffix(text, "/")
	r.slash = slash
	r.segments = make([]Segment, 0, strings.Count(body, "/")+1)
	for more := true; more; {
		var part string
		part, body, more = strings.Cut(body, "/")
		seg, rule := parseSegment(part, !more, r)
		if rule != "" {
			return Resource{}, fault("resource", s, rule+" (segment "+ordinal(len(r.segments)+1)+")")
		}
		r.segments = append(r.segments, seg)
	}
	if r.pattern {
		r.segments, r.slash = nil, false
	}
	return r, nil
}

func badCharacter(text string) (rule string) {
	if !utf8.ValidString(text) {
		return "must be valid UTF-8"
	}
	for i, c := range text {
		switch {
		case strings.ContainsRune("?$<>", c):
			return "must not contain ? $ < > (at byte " + ordinal(i+1) + ")"
		case c == '%':
			return "must not contain %: routes are declared as they read, not percent-encoded (at byte " + ordinal(i+1) + ")"
		case unicode.IsControl(c):
			return "must not contain control characters (at byte " + ordinal(i+1) + ")"
		}
	}
	return ""
}

func parseSegment(s string, last bool, in Resource) (seg Segment, rule string) {
	name, isParam := strings.CutPrefix(s, "{")
	switch {
	case s == "":
		return seg, "must not have an empty segment"
	case isDots(s):
		return seg, "must not have a . or .. segment, which no request ever matches"
	case !strings.ContainsAny(s, "{}"):
		return Segment{Kind: Literal, Text: s}, ""
	case in.pattern:
		return seg, "must be a route with {name} or a pattern with *, not both"
	case !isParam || !strings.HasSuffix(name, "}"):
		return seg, "must have { and } around a whole segment only"
	}
	name = name[:len(name)-1]
	name, greedy := strings.CutSuffix(name, "+")
	switch {
	case name == "" || strings.ContainsAny(name, "{}+"):
		return seg, "must name each parameter as {name} or {name+}"
	case !greedy:
		return Segment{Kind: Param, Text: name}, ""
	case !last || in.slash:
		return seg, "must have {name+} as its very last part only"
	}
	return Segment{Kind: Greedy, Text: name}, ""
}

// IsPattern tells a pattern from a route.
func (r Resource) IsPattern() bool { return r.pattern }

// Segments are the parts of a route; nil for the root and for patterns. The
// slice must not be changed.
func (r Resource) Segments() []Segment { return r.segments }

// TrailingSlash reports whether a route was written with a / at its end, which
// makes it another route than the one without.
func (r Resource) TrailingSlash() bool { return r.slash }

// String is the resource as written, without a leading slash.
func (r Resource) String() string { return r.text }

// Shape is the identity of a resource: its text with the names of parameters
// left out, since they do not matter.
func (r Resource) Shape() string {
	return r.render(shapeOfParam, shapeOfGreedy)
}

// What stands for parameters in a shape.
const (
	shapeOfParam  = "{}"
	shapeOfGreedy = "{+}"
)

// Glob is the IAM form of the resource: ?* (at least one character) for each
// parameter. It also matches what a parameter does not, since * crosses /:
// whoever allows it must deny the rest.
func (r Resource) Glob() string {
	return r.render("?*", "?*")
}

func (r Resource) render(param, greedy string) string {
	if r.pattern || !strings.Contains(r.text, "{") {
		return r.text // nothing but literals
	}
	var b strings.Builder
	for i, seg := range r.segments {
		if i > 0 {
			b.WriteByte('/')
		}
		switch seg.Kind {
		case Literal:
			b.WriteString(seg.Text)
		case Param:
			b.WriteString(param)
		case Greedy:
			b.WriteString(greedy)
		}
	}
	if r.slash {
		b.WriteByte('/')
	}
	return b.String()
}
