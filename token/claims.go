package token

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Kind tells whether a token speaks for a user or for an application.
type Kind uint8

const (
	KindUnknown Kind = iota // another issuer than Entra: nothing is said about it
	KindUser                // delegated: a user through a client, with scp
	KindApp                 // app-only: client credentials, with roles
)

// String is "user", "app" or "unknown".
func (k Kind) String() string {
	switch k {
	case KindUser:
		return "user"
	case KindApp:
		return "app"
	}
	return "unknown"
}

// Claims are what a verified token says. The zero Claims hold nothing. The
// slices belong to the caller.
type Claims struct {
	Issuer   string
	TenantID string // tid, Entra only
	ObjectID string // oid, Entra only
	Subject  string // sub
	AppID    string // appid (v1), azp (v2 and others): the client
	Version  string // ver, "1.0" or "2.0", Entra only
	ID       string // uti (Entra) or jti

	Kind     Kind   // KindUnknown unless from Entra
	Audience string // the configured audience that matched, in the configured spelling

	Scopes        []string // scp (Entra), scope (others)
	Roles, Groups []string // roles, groups
	// GroupsUnknown is Entra's overage: the user has more groups than fit. They
	// are then unknown, which is something else than none.
	GroupsUnknown bool

	IssuedAt  time.Time
	NotBefore time.Time // zero where the token has no nbf
	Expires   time.Time // exp
	End       time.Time // exp + skew: the verifier accepts the token strictly before
}

// PrincipalID is {tid}:{oid} for Entra, {issuer host}:{sub} otherwise, "" for
// the zero Claims. Email and names are never part of it: they change hands.
func (c Claims) PrincipalID() string {
	if c.TenantID != "" {
		return c.TenantID + ":" + c.ObjectID
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Host + ":" + c.Subject
}

// known are the claims that any rule reads here or in go-oidc, which folds case.
var known = map[string]bool{
	"iss": true, "aud": true, "sub": true, "exp": true, "nbf": true, "iat": true,
	"jti": true, "uti": true, "tid": true, "oid": true, "azp": true, "appid": true, "ver": true,
	"idtyp": true, "scp": true, "scope": true, "roles": true, "groups": true, "hasgroups": true,
	"_claim_names": true, "_claim_sources": true,
	"nonce": true, "at_hash": true, "c_hash": true, "s_hash": true, "token_use": true, "typ": true, "events": true,
}

// payload is a parsed but unverified set of claims by exact names.
type payload map[string]json.RawMessage

// parsePayload refuses what two parsers could read in two ways: names given
// twice, invalid UTF-8 and twins of known names that differ in case only
// ("SCP", "ſcp"), which encoding/json takes for the claim itself.
func parsePayload(raw []byte) (payload, error) {
	members, ok := object(raw)
	if !ok {
		return nil, refuse(ReasonPayload)
	}
	for name := range members {
		if !known[name] && isTwin(name) {
			return nil, refuse(ReasonTwin)
		}
	}
	return members, nil
}

func isTwin(name string) bool {
	if known[strings.ToLower(name)] { // the usual case first, without the loop
		return true
	}
	for claim := range known {
		if strings.EqualFold(name, claim) {
			return true
		}
	}
	return false
}

// reader reads typed claims and keeps the first fault, so that the callers read
// as lists. A claim that is absent is the zero value.
type reader struct {
	payload payload
	err     error
}

func (r *reader) fail(reason Reason) {
	if r.err == nil {
		r.err = refuse(reason)
	}
}

// text reads an identifier: a string without control characters.
func (r *reader) text(name string) string {
	raw, ok := r.payload[name]
	if !ok {
		return ""
	}
	s, ok := text(raw)
	if !ok || strings.ContainsFunc(s, isControl) {
		r.fail(ReasonClaimType)
		return ""
	}
	return s
}

func (r *reader) needText(name string) string {
	s := r.text(name)
	if s == "" {
		r.fail(ReasonClaimMissing)
	}
	return s
}

// texts reads an array of strings.
func (r *reader) texts(name string) []string {
	raw, ok := r.payload[name]
	if !ok {
		return nil
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		r.fail(ReasonClaimType)
		return nil
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := text(item)
		if !ok || strings.ContainsFunc(s, isControl) {
			r.fail(ReasonClaimType)
			return nil
		}
		list = append(list, s)
	}
	return list
}

// textOrTexts reads a string as an array of one (aud: RFC 7519, 4.1.3).
func (r *reader) textOrTexts(name string) []string {
	raw, ok := r.payload[name]
	if ok && raw[0] == '[' {
		return r.texts(name)
	}
	if s := r.text(name); s != "" {
		return []string{s}
	}
	return nil
}

// words reads a space-delimited list (RFC 6749, 3.3). Only the space separates:
// strings.Fields would also split at other white space.
func (r *reader) words(name string) []string {
	return splitWords(r.text(name))
}

func splitWords(s string) []string {
	var words []string
	for w := range strings.SplitSeq(s, " ") {
		if w != "" {
			words = append(words, w)
		}
	}
	return words
}

// maxDate is the last second of the year 9999, the last that RFC 3339 can write.
const maxDate = 253402300799

// date reads a NumericDate. RFC 7519 would allow fractions and exponents; no
// issuer here writes them, and each reader would round them its own way.
func (r *reader) date(name string) time.Time {
	raw, ok := r.payload[name]
	if !ok {
		return time.Time{}
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			r.fail(ReasonClaimType)
			return time.Time{}
		}
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > maxDate {
		r.fail(ReasonClaimType)
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func (r *reader) needDate(name string) time.Time {
	if _, ok := r.payload[name]; !ok {
		r.fail(ReasonClaimMissing)
	}
	return r.date(name)
}

// has reports whether an object claim has a member.
func (r *reader) has(name, member string) bool {
	raw, ok := r.payload[name]
	if !ok {
		return false
	}
	members, ok := object(raw)
	if !ok {
		r.fail(ReasonClaimType)
		return false
	}
	_, ok = members[member]
	return ok
}

// unlessFalse reports whether a claim is there and is anything but false.
func (r *reader) unlessFalse(name string) bool {
	raw, ok := r.payload[name]
	return ok && string(raw) != "false" && string(raw) != `"false"`
}

func (r *reader) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := r.payload[name]; return ok })
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }
