package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"scopegate/mapping"
)

// storedLists are the lists of an audit record as back ends keep them.
type storedLists struct {
	Added         []mapping.Permission `json:"added,omitempty"`
	Removed       []mapping.Permission `json:"removed,omitempty"`
	RoutesAdded   []string             `json:"routesAdded,omitempty"`
	RoutesRemoved []string             `json:"routesRemoved,omitempty"`
}

func (r Record) lists() storedLists {
	return storedLists{r.Added, r.Removed, r.RoutesAdded, r.RoutesRemoved}
}

func (r *Record) setLists(l storedLists) {
	r.Added, r.Removed, r.RoutesAdded, r.RoutesRemoved = l.Added, l.Removed, l.RoutesAdded, l.RoutesRemoved
}

// setApart takes the lists of a bulk change out of its record, to be kept beside
// it: a page of the audit trail stays light.
func (e *Effect) setApart() error {
	l := e.Record.lists()
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if len(l.Added)+len(l.Removed)+len(l.RoutesAdded)+len(l.RoutesRemoved) <= MaxListed && len(b) <= MaxRecordList {
		return nil
	}
	e.Lists, e.Record.Unlisted, e.Record.Hash = b, true, hashOf(b)
	e.Record.setLists(storedLists{})
	return nil
}

func hashOf(lists []byte) string {
	sum := sha256.Sum256(lists)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// WithLists is the record whole again, given its Effect's Lists. They must have
// the hash that it names.
func (r Record) WithLists(b []byte) (Record, error) {
	if hash := hashOf(b); hash != r.Hash {
		return Record{}, fmt.Errorf("%w: lists of change %s: their hash is %s, must be %s", ErrIncomplete, r.ChangeID, hash, r.Hash)
	}
	var l storedLists
	if err := json.Unmarshal(b, &l); err != nil {
		return Record{}, fmt.Errorf("%w: lists of change %s: %w", ErrIncomplete, r.ChangeID, err)
	}
	r.setLists(l)
	r.Unlisted = false
	return r, nil
}

// DamagedRecord stands in a page of the audit trail for a record that cannot be
// read, so that it hides none of the others.
func DamagedRecord(api mapping.API, changeID string, err error) Record {
	return Record{ChangeID: changeID, API: api, Damaged: err.Error()}
}
