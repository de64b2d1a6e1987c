package lint

import (
	"cmp"
	"slices"

	"scopegate/mapping"
)

// Severity sorts findings.
type Severity string

// Severities.
const (
	Error   Severity = "error"   // the table does not do what it says
	Warning Severity = "warning" // it may not do what was meant
	Note    Severity = "note"    // it comes with wildcards, whatever the table
)

// Kind names what was found. The names are stable.
type Kind string

// Kinds, in the order in which findings are sorted.
const (
	// TooLarge: a caller's policy does not fit, every call of his is a 500. A
	// warning only for a caller who holds everything.
	TooLarge Kind = "too_large"
	// WholeCollision: somebody who holds what one permission requires can't call
	// a held route on any path. A warning only where that begins later.
	WholeCollision Kind = "whole_collision"
	// Conflicting: a file has a permission twice with different expiresAt,
	// description or parameter name, and import refuses it.
	Conflicting Kind = "conflicting"
	// NoTrust: the table has no trust list, and several could be meant.
	NoTrust Kind = "no_trust"
	// Large: a caller's policy takes more than 80 % of the budget.
	Large Kind = "large"
	// Unheld: nobody whom the table trusts can meet a requirement.
	Unheld Kind = "unheld"
	// Shadowed: another permission grants at least the same to at least the same
	// callers for at least as long.
	Shadowed Kind = "shadowed"
	// Duplicate: another permission says the same.
	Duplicate Kind = "duplicate"
	// Collision: a path that is permitted and that a policy denies.
	Collision Kind = "collision"
	// Unguarded: a path of no known route that a policy allows.
	Unguarded Kind = "unguarded"
	// Folded: the same, and only since the policy was made to fit.
	Folded Kind = "folded"
	// Unchecked: there was no time to make the policies of some callers.
	Unchecked Kind = "unchecked"
	// Encoding: a path is permitted, and denied since a slash in it is encoded, or
	// a character that needs no encoding: it could hide another route.
	Encoding Kind = "encoding"
)

var kindOrder = []Kind{
	TooLarge, WholeCollision, Conflicting, NoTrust, Large, Unheld, Shadowed, Duplicate, Collision, Unguarded, Folded, Unchecked, Encoding,
}

// Finding is one thing that was found. What a kind says nothing about is empty.
type Finding struct {
	Severity Severity `json:"severity"`
	Kind     Kind     `json:"kind"`
	// Permissions: first the one that this is about, then those that make it so.
	Permissions []Ref `json:"permissions,omitempty"`
	// Route is held, as "GET /users/{id}"; of collisions. Where the Deny is of all
	// methods it is one of several.
	Route string `json:"route,omitempty"`
	// Resource of the policy: the Deny of a collision, the Allow of an unguarded
	// path.
	Resource string `json:"resource,omitempty"`
	Witness  string `json:"witness,omitempty"` // a request, as "GET /users/me"
	// From is when a collision begins (RFC 3339); "" is now. A permission ends
	// then that keeps something from being denied.
	From string `json:"from,omitempty"`
	// Callers are the names of those in [Result.Callers] whom it is about; the
	// witness is the first one's.
	Callers []string        `json:"callers,omitempty"`
	Trust   []mapping.Trust `json:"trust,omitempty"` // whom a table without trust list could mean
}

// Ref names a permission.
type Ref struct {
	Place      int                `json:"place,omitempty"` // in its file, counted from 1
	ID         string             `json:"id"`
	Permission mapping.Permission `json:"permission"`
}

func (e Entry) ref() Ref { return Ref{Place: e.Place, ID: e.Permission.ID(), Permission: e.Permission} }

// SortFindings puts errors first, then sorts by kind and by what they are about.
func SortFindings(list []Finding) {
	rank := map[Severity]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(rank[a.Severity], rank[b.Severity]),
			cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)),
			cmp.Compare(a.place(), b.place()),
			cmp.Compare(a.Route, b.Route),
			cmp.Compare(a.Resource, b.Resource),
			cmp.Compare(a.Witness, b.Witness),
		)
	})
}

func (f Finding) place() int {
	if len(f.Permissions) == 0 {
		return 0
	}
	return f.Permissions[0].Place
}
