package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/store"
)

func (s *service) registerRestore(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "restore", Method: http.MethodPost, Path: tablePath + "/restore", Summary: "Make a table what it was at an earlier revision",
		Description: "A new change, or none: permissions, routes and complete become those of then, of an earlier life of the table too. " +
			"For admins and owners; of an admin's restoring name, owners and trust become those of then, too. A table that was deleted is registered first. Needs If-Match, unless dryRun.",
	}, forOwners, 404, 409, 412, 428), s.restore)
}

type restoreInput struct {
	TableEdit
	Force
	DryRun bool `query:"dryRun" doc:"Write nothing, and answer with a plan"`
	Body   struct {
		Revision string `json:"revision" minLength:"1" maxLength:"128" doc:"As ETags and the audit trail have it, without quotes"`
	}
}

func (s *service) restore(ctx context.Context, in *restoreInput) (*documentAnswer, error) {
	revision, err := store.ParseRevision(in.Body.Revision)
	if err != nil {
		return nil, invalid(&huma.ErrorDetail{Location: "body.revision", Value: in.Body.Revision, Message: err.Error()})
	}
	before, err := s.read(ctx, in.TablePath)
	if err != nil {
		return nil, err
	}
	if in.IfMatch != "" || !in.DryRun {
		if err := checkMatch(in.IfMatch, before.Revision); err != nil {
			return nil, err
		}
	}
	change, applied, err := s.restoration(ctx, before, revision)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		p, err := s.plan(ctx, before, change)
		return &documentAnswer{ETag: etag(before.Revision), Body: PlanOr[Applied]{Plan: &p}}, err
	}
	done := unchanged(before.Meta)
	if !change.Empty() {
		if done, err = s.commit(ctx, write{before: before, change: change, force: in.Force.Force}); err != nil {
			return nil, err
		}
	}
	applied.Outcome = done.changed()
	return &documentAnswer{ETag: etag(done.after.Revision), Body: PlanOr[Applied]{Done: applied}}, nil
}

// restoration works out how a table becomes what it was.
func (s *service) restoration(ctx context.Context, before store.Snapshot, revision store.Revision) (store.Change, Applied, error) {
	var none store.Change
	then, err := store.At(ctx, s.Store, before.API, revision)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return none, Applied{}, invalid(&huma.ErrorDetail{Location: "body.revision", Value: revision.String(), Message: "must be one that the table was at"})
	case errors.Is(err, store.ErrIncomplete):
		return none, Applied{}, huma.NewError(http.StatusConflict, "the audit trail does not hold what the table was then: "+err.Error())
	case err != nil:
		return none, Applied{}, s.problem(ctx, err)
	}
	if !s.isAdmin(ctx) {
		then.Name, then.Owners, then.Trust = before.Name, before.Owners, before.Trust
	}
	change, err := store.ReplaceBy(before, then)
	if err != nil {
		return none, Applied{}, s.problem(ctx, err)
	}
	diff, err := store.Diff(before.Permissions, then.Permissions)
	if err != nil {
		return none, Applied{}, s.problem(ctx, err)
	}
	made := s.change(ctx, before.API, before.Revision)
	change.ID, change.By, change.RequestID, change.At = made.ID, made.By, made.RequestID, made.At
	return change, Applied{Added: diff.Added, Changed: diff.Changed, Removed: len(change.Remove), Unchanged: diff.Unchanged}, nil
}
