package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"scopegate/mapping"
)

// MaxPrincipal bounds a principal id, in bytes: with a prefix it is a sort key of
// DynamoDB, which holds 1,024 (AWS: "Quotas in Amazon DynamoDB"). OpenID Connect
// Core, section 2, lets a sub have 255.
const MaxPrincipal = 1000

// MinRevocation is how long a revocation lasts at the least: longer than any
// token of Entra's lives that was issued before it, skew included (Microsoft:
// "Configurable token lifetimes in the Microsoft identity platform": up to 28 h
// with continuous access evaluation).
const MinRevocation = 29 * time.Hour

// Revocation ends the tokens that a principal has: those issued until At, and the
// skew of clocks after it, are refused. It says nothing of tokens issued later.
type Revocation struct {
	PrincipalID string    `json:"principalId"` // as token.Claims.PrincipalID has it
	At          time.Time `json:"at"`
	Until       time.Time `json:"until"` // when the revocation ends, at least MinRevocation after At
	Reason      string    `json:"reason,omitempty"`
	By          string    `json:"by"`
}

// Revocations are all of them as of one revision, sorted by principal; those that
// have ended may be among them.
type Revocations struct {
	Revision Revision
	List     []Revocation
}

// RevocationChange puts one revocation, or takes one away. It is unconditional:
// the last one counts, but for its At and Until where the one before it has later
// ones. Two who revoke at once know nothing of each other.
type RevocationChange struct {
	// ID identifies the change (a ULID), as that of a Change does.
	ID     string
	Put    *Revocation
	Remove string // a principal id; ErrNotFound if it has none

	By        string
	RequestID string
	At        time.Time
}

// RevocationRecord is what the audit trail keeps of one such change.
type RevocationRecord struct {
	ChangeID      string      `json:"changeId"`
	Before, After Revision    `json:"-"`
	By            string      `json:"by"`
	RequestID     string      `json:"requestId,omitempty"`
	At            time.Time   `json:"at"`
	Was           *Revocation `json:"was,omitempty"`
	Is            *Revocation `json:"is,omitempty"`
	// Damaged, if not "", says why the stored record cannot be read; only
	// ChangeID is known then.
	Damaged string `json:"damaged,omitempty"`
}

// RevocationReader is what an authorizer reads of revocations.
type RevocationReader interface {
	// RevocationsRevision is one cheap read; the zero Revision while there never
	// was a revocation.
	RevocationsRevision(ctx context.Context) (Revision, error)
	// Revocations reads all of them as of one revision.
	Revocations(ctx context.Context) (Revocations, error)
}

// RevocationStore keeps revocations. Its methods are as those of [Store].
type RevocationStore interface {
	RevocationReader
	// Revoke makes one change, its audit record with it, and answers with the new
	// revision. Errors are those of Store's Commit, but for ErrConflict.
	Revoke(ctx context.Context, c RevocationChange) (Revision, error)
	// RevocationAudit lists records as Store's Audit does.
	RevocationAudit(ctx context.Context, before string, limit int) ([]RevocationRecord, error)
}

// CanonicalPrincipal checks a principal id, "{tid}:{oid}" for Entra and
// "{issuer host}:{sub}" otherwise, and writes GUIDs as tokens do, in lower case.
// An audit trail's {tid}:{oid}/{appid} is refused: nobody would be meant by it.
func CanonicalPrincipal(id string) (string, error) {
	first, second, ok := strings.Cut(id, ":")
	switch {
	case len(id) > MaxPrincipal:
		return "", fmt.Errorf("principalId: must be at most %d bytes, is %d", MaxPrincipal, len(id))
	case !ok || first == "" || second == "":
		return "", fmt.Errorf("principalId %q: must be {tid}:{oid}, or {issuer host}:{sub}", id)
	case strings.ContainsFunc(id, unicode.IsControl):
		return "", errors.New("principalId: must hold no control characters")
	}
	if mapping.IsGUID(strings.ToLower(first)) && mapping.IsGUID(strings.ToLower(second)) {
		return strings.ToLower(id), nil
	}
	if object, app, ok := strings.Cut(second, "/"); ok && mapping.IsGUID(strings.ToLower(first)) && mapping.IsGUID(strings.ToLower(object)) {
		return "", fmt.Errorf("principalId %q: must be {tid}:{oid} alone: all tokens of a principal are revoked, not those of the app %s only", id, app)
	}
	return id, checkText("principalId", id, true)
}

// Canonical checks a change of revocations and returns it in its canonical form.
// The error wraps ErrInvalid.
func (c RevocationChange) Canonical() (RevocationChange, error) {
	var f faults
	f.note(CheckChangeID(c.ID))
	f.note(checkText("by", c.By, true))
	f.note(checkText("requestId", c.RequestID, false))
	f.note(checkTime("at", c.At))
	c.At = c.At.UTC().Round(0)
	if (c.Put == nil) == (c.Remove == "") {
		f.note(errors.New("a change of revocations must put one or remove one"))
		return c, f.err()
	}
	if c.Put == nil {
		id, err := CanonicalPrincipal(c.Remove)
		f.note(err)
		c.Remove = id
		return c, f.err()
	}
	r := *c.Put
	id, err := CanonicalPrincipal(r.PrincipalID)
	f.note(err)
	f.note(checkTime("at", r.At))
	f.note(checkTime("until", r.Until))
	f.note(checkText("reason", r.Reason, false))
	f.note(checkText("by", r.By, true))
	if r.Until.Before(r.At.Add(MinRevocation)) {
		f.note(fmt.Errorf("until %s: must be at least %s after the revocation", r.Until.Format(time.RFC3339), MinRevocation))
	}
	r.PrincipalID, r.At, r.Until = id, r.At.UTC().Round(0), r.Until.UTC().Round(0)
	c.Put = &r
	return c, f.err()
}
