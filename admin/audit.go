package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) registerAudit(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "listAudit", Method: http.MethodGet, Path: "/v1/audit", Summary: "Who changed what, newest first",
		Description: "Of the table of arn and stage: for admins, of deleted tables too, and owners. Without both the trail of revocations: for admins.",
	}, forItems, 404), s.listAudit)
}

type listAuditInput struct {
	Tables
	Page
}

type listAuditOutput struct {
	Body struct {
		Records []Record `json:"records" nullable:"false"`
		Next    string   `json:"next,omitempty" doc:"The cursor of the next page, if there is one"`
	}
}

// Record is what the audit trail keeps of one change: of a table, or with was and
// is of the revocations.
type Record struct {
	ChangeID  string    `json:"changeId"`
	At        time.Time `json:"at"`
	By        string    `json:"by" doc:"Principal id of who asked for it, and the client app behind a slash: {tid}:{oid}/{appid}"`
	RequestID string    `json:"requestId,omitempty"`
	Before    string    `json:"before" doc:"Revision before the change, none before there was one"`
	After     string    `json:"after" doc:"Revision after it, none after a deletion"`

	Added         []mapping.Permission `json:"added,omitempty" doc:"Permissions as they are; a replaced one is in both lists"`
	Removed       []mapping.Permission `json:"removed,omitempty" doc:"Permissions as they were"`
	RoutesAdded   []string             `json:"routesAdded,omitempty"`
	RoutesRemoved []string             `json:"routesRemoved,omitempty"`
	HeadBefore    *store.Head          `json:"headBefore,omitempty"`
	HeadAfter     *store.Head          `json:"headAfter,omitempty"`
	Counts        *store.Counts        `json:"counts,omitempty"`
	Unlisted      bool                 `json:"unlisted,omitempty" doc:"Of a change too large for lists: hash is theirs"`
	Hash          string               `json:"hash,omitempty"`

	GenerationBefore string `json:"generationBefore,omitempty" doc:"Set of items in DynamoDB, where the change made a new one"`
	GenerationAfter  string `json:"generationAfter,omitempty"`
	Damaged          string `json:"damaged,omitempty" doc:"Why the record cannot be read"`

	Was *store.Revocation `json:"was,omitempty"`
	Is  *store.Revocation `json:"is,omitempty"`
}

func recordOf(r store.Record) Record {
	return Record{
		ChangeID: r.ChangeID, At: r.At, By: r.By, RequestID: r.RequestID, Before: r.Before.String(), After: r.After.String(),
		Added: r.Added, Removed: r.Removed, RoutesAdded: r.RoutesAdded, RoutesRemoved: r.RoutesRemoved,
		HeadBefore: r.HeadBefore, HeadAfter: r.HeadAfter, Counts: &r.Counts,
		Unlisted: r.Unlisted, Hash: r.Hash, GenerationBefore: r.GenerationBefore, GenerationAfter: r.GenerationAfter, Damaged: r.Damaged,
	}
}

func revocationRecordOf(r store.RevocationRecord) Record {
	return Record{
		ChangeID: r.ChangeID, At: r.At, By: r.By, RequestID: r.RequestID, Before: r.Before.String(), After: r.After.String(),
		Was: r.Was, Is: r.Is, Damaged: r.Damaged,
	}
}

// auditBatch is how many records are read at a time: one may be of 300 KB
// (store.MaxRecordList and two heads).
const auditBatch = 25

func (s *service) listAudit(ctx context.Context, in *listAuditInput) (*listAuditOutput, error) {
	read, err := s.trail(ctx, in.Tables)
	if err != nil {
		return nil, err
	}
	at, err := in.position(inTrail)
	if err != nil {
		return nil, err
	}
	p, full := newPage[Record](in.Page), false
	for !full {
		records, err := read(at.ID, min(auditBatch, in.Limit-len(p.items)+1))
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		for _, r := range records {
			if full = !p.add(r, at); full {
				break
			}
			at.ID = r.ChangeID
		}
		full = full || len(records) == 0
	}
	if len(p.items) == 0 && in.Cursor == "" && in.ARN != "" {
		if _, err := s.meta(ctx, mapping.API{ARN: in.ARN, Stage: in.Stage}); err != nil {
			return nil, err // there never was such a table
		}
	}
	out := &listAuditOutput{}
	out.Body.Records, out.Body.Next = p.items, p.next
	return out, nil
}

func inTrail(at position) bool { return inTable(at) && store.CheckChangeID(at.ID) == nil }

// trail is what reads the records that are asked for, if the caller may.
func (s *service) trail(ctx context.Context, t Tables) (func(before string, limit int) ([]Record, error), error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	switch admin := s.isAdmin(ctx); {
	case (t.ARN == "") != (t.Stage == ""):
		return nil, invalid(&huma.ErrorDetail{Location: "query", Message: "must name arn and stage, or neither of them"})
	case t.ARN == "" && !admin:
		return nil, s.forbidden(ctx)
	case t.ARN == "":
		return func(before string, limit int) ([]Record, error) {
			return readRecords(revocationRecordOf)(s.Store.RevocationAudit(ctx, before, limit))
		}, nil
	}
	api := mapping.API{ARN: t.ARN, Stage: t.Stage}
	// Whose a deleted table was is not asked: its trail is the admins'.
	if _, err := s.meta(ctx, api); err != nil && !(s.isAdmin(ctx) && isStatus(err, http.StatusNotFound)) {
		return nil, err
	}
	return func(before string, limit int) ([]Record, error) {
		return readRecords(recordOf)(s.Store.Audit(ctx, api, before, limit))
	}, nil
}

func isStatus(err error, status int) bool {
	var e huma.StatusError
	return errors.As(err, &e) && e.GetStatus() == status
}

func readRecords[R any](show func(R) Record) func([]R, error) ([]Record, error) {
	return func(list []R, err error) ([]Record, error) {
		var shown []Record
		for _, r := range list {
			shown = append(shown, show(r))
		}
		return shown, err
	}
}
