package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// storedRevocationRecord is the audit record of a change of revocations as back
// ends keep it.
type storedRevocationRecord struct {
	RevocationRecord
	Before storedRevision `json:"before"`
	After  storedRevision `json:"after"`
}

// Plan works out what a canonical change does to the revocations at a revision;
// was is what there is of the change's principal, nil for nothing: what is put
// keeps out whom it keeps out, as long as it does. ErrNotFound if there is nothing
// to remove.
func (c RevocationChange) Plan(at Revision, was *Revocation) (RevocationRecord, error) {
	if c.Put == nil && was == nil {
		return RevocationRecord{}, fmt.Errorf("revocation of %s: %w", c.Remove, ErrNotFound)
	}
	after := Revision{Number: at.Number + 1, Incarnation: at.Incarnation}
	if after.Incarnation == "" {
		after.Incarnation = rand.Text()
	}
	return RevocationRecord{
		ChangeID: c.ID, Before: at, After: after,
		By: c.By, RequestID: c.RequestID, At: c.At, Was: was, Is: c.after(was),
	}, nil
}

// after is the revocation that a change leaves, nil for none.
func (c RevocationChange) after(was *Revocation) *Revocation {
	if c.Put == nil || was == nil {
		return c.Put
	}
	is := *c.Put
	if was.At.After(is.At) {
		is.At = was.At
	}
	if was.Until.After(is.Until) {
		is.Until = was.Until
	}
	return &is
}

// Principal is whom a canonical change is about.
func (c RevocationChange) Principal() string {
	if c.Put != nil {
		return c.Put.PrincipalID
	}
	return c.Remove
}

// EncodeRevocationRecord writes an audit record of revocations as JSON, for back
// ends.
func EncodeRevocationRecord(r RevocationRecord) ([]byte, error) {
	return json.Marshal(storedRevocationRecord{r, storedRevision(r.Before), storedRevision(r.After)})
}

// DecodeRevocationRecord reads what EncodeRevocationRecord wrote. Members it does
// not know are passed over.
func DecodeRevocationRecord(b []byte) (RevocationRecord, error) {
	var s storedRevocationRecord
	if err := json.Unmarshal(b, &s); err != nil {
		return RevocationRecord{}, fmt.Errorf("audit record: %w", err)
	}
	s.RevocationRecord.Before, s.RevocationRecord.After = Revision(s.Before), Revision(s.After)
	return s.RevocationRecord, nil
}

// DecodeRevocation reads a revocation that a back end stored as JSON under its
// principal. One that cannot be read is an error: to leave it out would let its
// principal in.
func DecodeRevocation(principal string, b []byte) (Revocation, error) {
	var r Revocation
	err := json.Unmarshal(b, &r)
	switch {
	case err != nil:
	case r.PrincipalID != principal:
		err = fmt.Errorf("is that of %s", r.PrincipalID)
	case r.At.IsZero() || r.Until.IsZero():
		err = errors.New("at and until: must be given")
	}
	if err != nil {
		return Revocation{}, fmt.Errorf("revocation of %s: %w", principal, err)
	}
	return r, nil
}
