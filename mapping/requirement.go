package mapping

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PrincipalType tells a person's token from an application's own.
type PrincipalType string

// Kinds of principals. The empty one is "unknown" in a Caller and "either" in
// a Requirement.
const (
	User PrincipalType = "user" // a delegated token
	App  PrincipalType = "app"  // an app-only token
)

// Requirement is what a caller must bring. All that is given must hold. The
// zero Requirement is held by nobody.
type Requirement struct {
	Scopes        []string // every one of them (OAuth 2.0: RFC 6749, section 3.3); sorted, no duplicates
	Role          string
	Group         string
	PrincipalType PrincipalType
	Tenant        string // GUID in lower case
	Authenticated bool   // any verified, trusted caller
}

// Caller is a principal whose token was verified, and what the token grants.
// The zero Caller holds nothing.
type Caller struct {
	Issuer        string // the verified iss
	Tenant        string // Entra issuers only
	Audience      string // the configured audience that the token is for
	PrincipalType PrincipalType
	Scopes        []string
	Roles         []string
	Groups        []string
	// GroupsUnknown says that the token does not list its groups (Entra's
	// groups overage). Unknown is not "none" and not "held": a permission that
	// needs a group is then not held.
	GroupsUnknown bool
}

// HeldBy reports whether the caller brings all of the requirement. It does not
// ask whether the table trusts the caller.
func (q Requirement) HeldBy(c Caller) bool {
	if c.Issuer == "" || q.empty() {
		return false
	}
	for _, s := range q.Scopes {
		if !slices.Contains(c.Scopes, s) {
			return false
		}
	}
	return (q.Role == "" || slices.Contains(c.Roles, q.Role)) &&
		(q.Group == "" || !c.GroupsUnknown && slices.Contains(c.Groups, q.Group)) &&
		(q.PrincipalType == "" || q.PrincipalType == c.PrincipalType) &&
		(q.Tenant == "" || q.Tenant == c.Tenant)
}

// empty reports whether nothing that grants is named: neither principalType
// nor tenant is a grant by itself.
func (q Requirement) empty() bool {
	return len(q.Scopes) == 0 && q.Role == "" && q.Group == "" && !q.Authenticated
}

// String describes the requirement for people.
func (q Requirement) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("scope", strings.Join(q.Scopes, " "))
	add("role", q.Role)
	add("group", q.Group)
	if q.Authenticated {
		parts = append(parts, "authenticated")
	}
	add("principalType", string(q.PrincipalType))
	add("tenant", q.Tenant)
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, ", ")
}

const (
	maxScope = 1024
	maxName  = 256
)

func parseRequirement(w wire) (Requirement, error) {
	q := Requirement{
		Role:          w.Role,
		Group:         w.Group,
		PrincipalType: PrincipalType(w.PrincipalType),
		Tenant:        strings.ToLower(w.Tenant),
		Authenticated: w.Authenticated,
	}
	var errs []error
	scopes, err := parseScopes(w.Scope)
	q.Scopes = scopes
	errs = append(errs, err, checkName("role", w.Role), checkName("group", w.Group))
	if q.PrincipalType != "" && q.PrincipalType != User && q.PrincipalType != App {
		errs = append(errs, fault("principalType", w.PrincipalType, "must be user (delegated token) or app (app-only token)"))
	}
	if q.Tenant != "" && !IsGUID(q.Tenant) {
		errs = append(errs, fault("tenant", w.Tenant, "must be a tenant id (GUID)"))
	}
	return q, errors.Join(errs...)
}

// parseScopes reads a space-separated list. The characters of a scope are
// those of RFC 6749, section 3.3.
func parseScopes(s string) ([]string, error) {
	if len(s) > maxScope {
		return nil, fault("scope", s, "must be at most 1024 bytes")
	}
	if s == "" {
		return nil, nil
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return nil, fault("scope", s, `must be printable ASCII without " and \, several scopes separated by spaces`)
		}
	}
	scopes := strings.Fields(s)
	if len(scopes) == 0 {
		return nil, fault("scope", s, "must name a scope")
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

// isText refuses U+FFFD too: it is what encoding/json makes of half a surrogate
// pair.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || c == utf8.RuneError })
}

func checkName(field, s string) error {
	switch {
	case len(s) > maxName:
		return fault(field, s, "must be at most 256 bytes")
	case !isText(s):
		return fault(field, s, "must be valid UTF-8 without control characters")
	case s != strings.TrimSpace(s):
		return fault(field, s, "must not begin or end with white space")
	}
	return nil
}
