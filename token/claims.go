package token

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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
	AppID    string // appid (v1), azp (v2), azp or client_id (others): the client
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

// claim is one that a rule reads, here or in go-oidc, which folds case.
type claim uint8

const (
	claimIss claim = iota
	claimAud
	claimSub
	claimExp
	claimNbf
	claimIat
	claimJti
	claimUti
	claimTid
	claimOid
	claimAzp
	claimAppid
	claimClientID
	claimVer
	claimIdtyp
	claimScp
	claimScope
	claimRoles
	claimGroups
	claimHasgroups
	claimNames
	claimSources
	claimNonce
	claimAtHash
	claimCHash
	claimSHash
	claimTokenUse
	claimTyp
	claimEvents

	// These say only by being there what a token is; a name that folds to one is
	// no twin.
	claimUPN
	claimUniqueName
	claimPreferredUsername
	endOfClaims
	firstUnfolded = claimUPN
)

var claimTexts = [endOfClaims]string{
	"iss", "aud", "sub", "exp", "nbf", "iat", "jti", "uti", "tid", "oid", "azp", "appid", "client_id", "ver", "idtyp",
	"scp", "scope", "roles", "groups", "hasgroups", "_claim_names", "_claim_sources",
	"nonce", "at_hash", "c_hash", "s_hash", "token_use", "typ", "events",
	"upn", "unique_name", "preferred_username",
}

var claimByText = func() map[string]claim {
	m := make(map[string]claim, endOfClaims)
	for c, text := range claimTexts {
		m[text] = claim(c)
	}
	return m
}()

// payload is a parsed but unverified set of claims: the JSON text of each that
// is there, nil for the others.
type payload [endOfClaims][]byte

// parsePayload refuses what two parsers could read in two ways: names given
// twice, invalid UTF-8 and twins of known names that differ in case only
// ("SCP", "ſcp"), which encoding/json takes for the claim itself.
func parsePayload(raw []byte) (*payload, error) {
	p := new(payload)
	twin := false
	ok := object(raw, func(name, value []byte) bool {
		if c, known := claimByText[string(name)]; known {
			p[c] = value
		} else {
			twin = twin || isTwin(name)
		}
		return true
	})
	switch {
	case !ok:
		return nil, refuse(ReasonPayload)
	case twin:
		return nil, refuse(ReasonTwin)
	}
	return p, nil
}

// maxClaimText is the length of the longest name that has twins.
const maxClaimText = len("_claim_sources")

// isTwin reports whether an unknown name folds to a known one, as
// strings.EqualFold does. Outside ASCII two characters alone fold into it: the
// long s and the Kelvin sign.
func isTwin(name []byte) bool {
	var folded [maxClaimText]byte
	n := 0
	for i := 0; i < len(name); n++ {
		if n == maxClaimText {
			return false
		}
		r, size := utf8.DecodeRune(name[i:])
		i += size
		switch {
		case 'A' <= r && r <= 'Z':
			r += 'a' - 'A'
		case r == '\u017f':
			r = 's'
		case r == '\u212a':
			r = 'k'
		case r >= utf8.RuneSelf:
			return false
		}
		folded[n] = byte(r)
	}
	c, known := claimByText[string(folded[:n])]
	return known && c < firstUnfolded
}

// reader reads typed claims and keeps the first fault, so that the callers read
// as lists. A claim that is absent is the zero value.
type reader struct {
	payload *payload
	listed  int // strings of all lists
	err     error
}

func (r *reader) fail(reason Reason) {
	if r.err == nil {
		r.err = refuse(reason)
	}
}

// text reads an identifier: a string without control characters.
func (r *reader) text(c claim) string {
	raw := r.payload[c]
	if raw == nil {
		return ""
	}
	s, ok := text(raw)
	if !ok || strings.ContainsFunc(s, isControl) {
		r.fail(ReasonClaimType)
		return ""
	}
	return s
}

func (r *reader) needText(c claim) string {
	s := r.text(c)
	if s == "" {
		r.fail(ReasonClaimMissing)
	}
	return s
}

// texts reads an array of strings; empty ones are left out, since they name
// nothing.
func (r *reader) texts(c claim) []string {
	raw := r.payload[c]
	if raw == nil {
		return nil
	}
	list := []string{}
	ok := elements(raw, func(item []byte) bool {
		s, ok := text(item)
		if s != "" {
			list = append(list, s)
			r.listed++
		}
		return ok && r.listed <= maxList && !strings.ContainsFunc(s, isControl)
	})
	if !ok {
		r.fail(ReasonClaimType)
		return nil
	}
	return list
}

// textOrTexts reads a string as an array of one (aud: RFC 7519, 4.1.3).
func (r *reader) textOrTexts(c claim) []string {
	if raw := r.payload[c]; raw != nil && raw[0] == '[' {
		return r.texts(c)
	}
	if s := r.text(c); s != "" {
		return []string{s}
	}
	return nil
}

// words reads a space-delimited list (RFC 6749, 3.3). Only the space separates:
// strings.Fields would also split at other white space.
func (r *reader) words(c claim) []string {
	return r.split(r.text(c))
}

func (r *reader) split(s string) []string {
	words := splitWords(s)
	if r.listed += len(words); r.listed > maxList {
		r.fail(ReasonClaimType)
		return nil
	}
	return words
}

func splitWords(s string) []string {
	if s == "" {
		return nil
	}
	words := make([]string, 0, min(1+strings.Count(s, " "), maxList+1))
	for w := range strings.SplitSeq(s, " ") {
		if len(words) > maxList {
			break // one more than may be, for the caller to see
		}
		if w != "" {
			words = append(words, w)
		}
	}
	return words[:len(words):len(words)]
}

// maxDate is the last second of the year 9999, the last that RFC 3339 can write.
const maxDate = 253402300799

// date reads a NumericDate. RFC 7519 would allow fractions and exponents; no
// issuer here writes them, and each reader would round them its own way.
func (r *reader) date(c claim) time.Time {
	raw := r.payload[c]
	if raw == nil {
		return time.Time{}
	}
	var n int64
	for _, digit := range raw {
		if digit < '0' || digit > '9' || n > maxDate {
			r.fail(ReasonClaimType)
			return time.Time{}
		}
		n = 10*n + int64(digit-'0')
	}
	if n > maxDate {
		r.fail(ReasonClaimType)
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func (r *reader) needDate(c claim) time.Time {
	if r.payload[c] == nil {
		r.fail(ReasonClaimMissing)
	}
	return r.date(c)
}

// has reports whether an object claim has a member.
func (r *reader) has(c claim, member string) bool {
	raw := r.payload[c]
	if raw == nil {
		return false
	}
	found := false
	if !object(raw, func(name, _ []byte) bool { found = found || string(name) == member; return true }) {
		r.fail(ReasonClaimType)
	}
	return found
}

// unlessFalse reports whether a claim is there and is anything but false.
func (r *reader) unlessFalse(c claim) bool {
	raw := r.payload[c]
	return raw != nil && string(raw) != "false" && string(raw) != `"false"`
}

func (r *reader) hasAny(list ...claim) bool {
	return slices.ContainsFunc(list, func(c claim) bool { return r.payload[c] != nil })
}

// isControl knows characters that no identifier holds and that make a line look
// like two: controls, line and paragraph separators. Those that turn the direction
// of writing do occur in the names of groups.
func isControl(c rune) bool {
	return c < ' ' || 0x7f <= c && c <= 0x9f || c == 0x2028 || c == 0x2029
}
