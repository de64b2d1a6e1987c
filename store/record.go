package store

import (
	"encoding/json"
	"fmt"
	"time"

	"scopegate/mapping"
)

// storedRecord is an audit record as back ends keep it: the record, and the
// head that Commit answered with, so that the same change committed again is
// answered as the first time.
type storedRecord struct {
	ChangeID  string         `json:"changeId"`
	By        string         `json:"by"`
	RequestID string         `json:"requestId,omitempty"`
	At        time.Time      `json:"at"`
	Before    storedRevision `json:"before"`
	After     storedRevision `json:"after"`
	storedLists
	HeadBefore       *Head  `json:"headBefore,omitempty"`
	HeadAfter        *Head  `json:"headAfter,omitempty"`
	Counts           Counts `json:"counts"`
	Unlisted         bool   `json:"unlisted,omitempty"`
	Hash             string `json:"hash,omitempty"`
	GenerationBefore string `json:"generationBefore,omitempty"`
	GenerationAfter  string `json:"generationAfter,omitempty"`
	Answer           Head   `json:"answer"`
}

type storedRevision struct {
	Number      uint64 `json:"number"`
	Incarnation string `json:"incarnation"`
}

// EncodeRecord writes the audit record of an effect as JSON, for back ends.
func EncodeRecord(e Effect) ([]byte, error) {
	r := e.Record
	return json.Marshal(storedRecord{
		ChangeID: r.ChangeID, By: r.By, RequestID: r.RequestID, At: r.At,
		Before: storedRevision(r.Before), After: storedRevision(r.After),
		storedLists: r.lists(), HeadBefore: r.HeadBefore, HeadAfter: r.HeadAfter, Counts: r.Counts,
		Unlisted: r.Unlisted, Hash: r.Hash, GenerationBefore: r.GenerationBefore, GenerationAfter: r.GenerationAfter,
		Answer: e.After.head(),
	})
}

// DecodeRecord reads what EncodeRecord wrote for a table of the API: the
// record, and what Commit answered. Members it does not know are passed over.
func DecodeRecord(api mapping.API, b []byte) (Record, Meta, error) {
	var s storedRecord
	if err := json.Unmarshal(b, &s); err != nil {
		return Record{}, Meta{}, fmt.Errorf("audit record: %w", err)
	}
	r := Record{
		ChangeID: s.ChangeID, API: api, By: s.By, RequestID: s.RequestID, At: s.At,
		Before: Revision(s.Before), After: Revision(s.After),
		HeadBefore: s.HeadBefore, HeadAfter: s.HeadAfter, Counts: s.Counts,
		Unlisted: s.Unlisted || s.lost(), Hash: s.Hash, GenerationBefore: s.GenerationBefore, GenerationAfter: s.GenerationAfter,
	}
	r.setLists(s.storedLists)
	answer := Meta{API: api, Revision: r.After, Name: s.Answer.Name, Complete: s.Answer.Complete,
		Owners: s.Answer.Owners, Trust: s.Answer.Trust}
	return r, answer, nil
}

// lost reports whether the record is of a bulk change of before lists were kept.
func (s storedRecord) lost() bool {
	c := s.Counts
	return c.Put+c.Removed+c.RoutesPut+c.RoutesRemoved > 0 &&
		len(s.Added)+len(s.Removed)+len(s.RoutesAdded)+len(s.RoutesRemoved) == 0
}
