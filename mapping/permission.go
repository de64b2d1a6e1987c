package mapping

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Permission lets whoever meets its requirement call what its resource names.
// Only [ParsePermission] and UnmarshalJSON make one, so its fields are
// canonical: verb in upper case, scopes sorted, tenant in lower case.
type Permission struct {
	API      API
	Verb     Verb
	Resource Resource
	Requires Requirement
	// Registered says that the permission only names its route: nobody may call
	// the route through it. Requires is then zero.
	Registered bool
	// ExpiresAt ends the permission: it is held before that instant. Zero is
	// "never".
	ExpiresAt   time.Time
	Description string
}

// wire is a permission as it is written. Its names are the names everywhere.
type wire struct {
	ARN           string `json:"arn"`
	Stage         string `json:"stage"`
	HTTPVerb      string `json:"httpVerb"`
	Resource      string `json:"resource"`
	Scope         string `json:"scope,omitempty"`
	Role          string `json:"role,omitempty"`
	Group         string `json:"group,omitempty"`
	PrincipalType string `json:"principalType,omitempty"`
	Tenant        string `json:"tenant,omitempty"`
	Authenticated bool   `json:"authenticated,omitempty"`
	Registered    bool   `json:"registered,omitempty"`
	ExpiresAt     string `json:"expiresAt,omitempty"`
	Description   string `json:"description,omitempty"`
}

const maxDescription = 512

// ParsePermission reads one permission from JSON. The error joins every fault
// it has, each a [*FieldError]; see [Faults]. Unknown members are refused: a
// misspelt "tenant" would otherwise widen the permission.
func ParsePermission(b []byte) (Permission, error) {
	w, readable, err := decodeWire(b)
	if !readable {
		return Permission{}, err
	}
	faults := faultsOf(err)
	p := parseWire(w, &faults)
	p.checkWhole(w, &faults)
	if err := faults.join(); err != nil {
		return Permission{}, err
	}
	return p, nil
}

// faults gathers what is wrong with one permission: the first fault of each
// field, since what follows from it would only distract.
type faults []error

func faultsOf(err error) faults { return faults(Faults(err)) }

func (f *faults) note(err error) {
	for _, one := range Faults(err) {
		var field *FieldError
		if errors.As(one, &field) && f.has(field.Field) {
			continue
		}
		*f = append(*f, one)
	}
}

func (f *faults) has(fields ...string) bool {
	return slices.ContainsFunc(*f, func(err error) bool {
		var e *FieldError
		return errors.As(err, &e) && slices.Contains(fields, e.Field)
	})
}

func (f *faults) join() error { return errors.Join(*f...) }

func parseWire(w wire, f *faults) Permission {
	p := Permission{API: API{ARN: w.ARN, Stage: w.Stage}, Registered: w.Registered, Description: w.Description}
	f.note(checkARN(w.ARN))
	f.note(checkStage(w.Stage))
	var err error
	p.Verb, err = ParseVerb(w.HTTPVerb)
	f.note(err)
	p.Resource, err = ParseResource(w.Resource)
	f.note(err)
	p.Requires, err = parseRequirement(w)
	f.note(err)
	p.ExpiresAt, err = parseExpiry(w.ExpiresAt)
	f.note(err)
	f.note(checkDescription(w.Description))
	return p
}

// checkWhole checks the rules that several fields make together.
func (p Permission) checkWhole(w wire, f *faults) {
	none := p.Requires.empty()
	switch {
	case p.Registered && (!none || p.Requires.PrincipalType != "" || p.Requires.Tenant != ""):
		f.note(fault("registered", "true", "must stand without scope, role, group, authenticated, principalType and tenant: it names a route that nobody may call"))
	case p.Registered && p.Resource.IsPattern():
		f.note(fault("registered", "true", "must name a route, not a pattern with *"))
	case p.Registered && !p.ExpiresAt.IsZero():
		f.note(fault("expiresAt", w.ExpiresAt, "must not be given with registered: naming a route does not expire"))
	case !p.Registered && none && !f.has("scope", "role", "group", "authenticated", "registered"):
		f.note(fault("scope", w.Scope, "must be given, or role, group or authenticated: a missing requirement is never public"))
	}
	f.note(checkPlace(p.API, p.Verb, p.Resource, w.Resource))
}

// checkPlace checks what verb and resource make together; text is the resource
// as it was written.
func checkPlace(api API, v Verb, r Resource, text string) error {
	if v == Connect && r.Shape() != "" {
		return fault("resource", text, "must be empty for $connect")
	}
	// The longest form counts: OPTIONS for ANY, and what a guard adds to a route.
	around := utf8.RuneCountInString(api.ARN) + len(api.Stage) + len("//OPTIONS/") + len("/?*")
	if around+len(r.text) <= MaxResourceARN {
		return nil // the glob is no longer than the text: ?* for {id}
	}
	if n := around + utf8.RuneCountInString(r.Glob()); n > MaxResourceARN {
		return fault("resource", text, fmt.Sprintf("must make a resource ARN of at most %d characters, makes %d", MaxResourceARN, n))
	}
	return nil
}

// rfc3339 is stricter than time.Parse, which takes one-digit hours and commas.
// It is compiled when it is first needed: most starts of a function don't.
var rfc3339 = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
})

func parseExpiry(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	t = t.UTC()
	if err != nil || !rfc3339().MatchString(s) || t.Year() < 2000 || t.Year() > 9999 {
		return time.Time{}, fault("expiresAt", s, "must be a time of RFC 3339 in the years 2000 to 9999, such as 2027-01-31T12:00:00Z")
	}
	// Whole seconds, rounded down: the precision of a policy's conditions.
	return t.Truncate(time.Second), nil
}

func checkDescription(s string) error {
	if len(s) > maxDescription {
		return fault("description", s, "must be at most 512 bytes")
	}
	if !isText(s) {
		return fault("description", s, "must be valid UTF-8 without control characters")
	}
	return nil
}

// MarshalJSON writes the wire format.
func (p Permission) MarshalJSON() ([]byte, error) { return json.Marshal(p.wire()) }

func (p Permission) wire() wire {
	w := wire{
		ARN:           p.API.ARN,
		Stage:         p.API.Stage,
		HTTPVerb:      string(p.Verb),
		Resource:      p.Resource.String(),
		Scope:         strings.Join(p.Requires.Scopes, " "),
		Role:          p.Requires.Role,
		Group:         p.Requires.Group,
		PrincipalType: string(p.Requires.PrincipalType),
		Tenant:        p.Requires.Tenant,
		Authenticated: p.Requires.Authenticated,
		Registered:    p.Registered,
		Description:   p.Description,
	}
	if !p.ExpiresAt.IsZero() {
		w.ExpiresAt = p.ExpiresAt.Format(time.RFC3339)
	}
	return w
}

// UnmarshalJSON reads the wire format as [ParsePermission] does.
func (p *Permission) UnmarshalJSON(b []byte) error {
	parsed, err := ParsePermission(b)
	if err == nil {
		*p = parsed
	}
	return err
}

// Route is the route that a permission names; ok is false for a pattern.
func (p Permission) Route() (r Route, ok bool) {
	return Route{API: p.API, Verb: p.Verb, Resource: p.Resource}, !p.Resource.IsPattern()
}

// HeldBy reports whether the caller may use the permission at the instant now.
// It does not ask whether the table trusts the caller.
func (p Permission) HeldBy(c Caller, now time.Time) bool {
	return !p.Registered && p.current(now) && p.Requires.HeldBy(c)
}

func (p Permission) current(now time.Time) bool {
	return p.ExpiresAt.IsZero() || now.Before(p.ExpiresAt)
}

// ID is a hash of the canonical API, verb, resource shape and requirements: the
// same permission has the same id wherever and whenever it is imported.
// expiresAt and description are not part of it.
func (p Permission) ID() string {
	q := p.Requires
	return contentID("permission", p.API.ARN, p.API.Stage, string(p.Verb), p.Resource.Shape(),
		strings.Join(q.Scopes, " "), q.Role, q.Group, string(q.PrincipalType), q.Tenant,
		strconv.FormatBool(q.Authenticated), strconv.FormatBool(p.Registered))
}

// Route is one route of an API: what a client can call.
type Route struct {
	API      API
	Verb     Verb
	Resource Resource
}

// ID is a hash of the route's API, verb and shape.
func (r Route) ID() string {
	return contentID("route", r.API.ARN, r.API.Stage, string(r.Verb), r.Resource.Shape())
}

// String is how people write a route: "GET /orders/{id}".
func (r Route) String() string {
	if r.Verb == Connect {
		return string(Connect)
	}
	return string(r.Verb) + " /" + r.Resource.String()
}

// NewRoute checks and makes a route of an API.
func NewRoute(api API, verb, resource string) (Route, error) {
	v, err := ParseVerb(verb)
	if err != nil {
		return Route{}, err
	}
	r, err := ParseResource(resource)
	if err != nil {
		return Route{}, err
	}
	if r.IsPattern() {
		return Route{}, fault("resource", resource, "must be a route, not a pattern with *")
	}
	if err := checkPlace(api, v, r, resource); err != nil {
		return Route{}, err
	}
	return Route{API: api, Verb: v, Resource: r}, nil
}

// contentID hashes its parts with their lengths, so that no two lists of parts
// run together, to 128 bits.
func contentID(parts ...string) string {
	var room [512]byte
	b := room[:0]
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return inBase32(sum[:16])
}

// inBase32 is base 32 (RFC 4648, 6) in lower case and without padding.
func inBase32(data []byte) string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	var room [32]byte
	out := room[:0]
	bits, n := uint(0), 0 // that are not yet written
	for _, b := range data {
		bits, n = bits<<8|uint(b), n+8
		for ; n >= 5; n -= 5 {
			out = append(out, letters[bits>>(n-5)&31])
		}
	}
	if n > 0 {
		out = append(out, letters[bits<<(5-n)&31])
	}
	return string(out)
}
