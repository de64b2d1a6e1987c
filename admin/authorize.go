package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) needs() needs { return needs{scope: s.Scope, role: s.Role} }

func (s *service) rights(ctx context.Context, m store.Meta) rights {
	return s.needs().rights(claimsOf(ctx), m.Owners)
}

func (s *service) isAdmin(ctx context.Context) bool {
	return s.rights(ctx, store.Meta{}) == adminRights
}

// authorize turns away who has no rights before a body is read.
func (s *service) authorize(ctx huma.Context) huma.StatusError {
	who, caller := accessOf(ctx.Operation()), ctx.Context()
	switch {
	case s.isAdmin(caller):
		return nil
	case who != forOwners && who != forItems:
		return forbid(s.needs().refusal(claimsOf(caller), false))
	case !s.needs().client(claimsOf(caller)):
		return s.forbidden(caller)
	case who == forItems:
		return nil
	}
	mine, err := s.tables(caller, TablePath{APIID: ctx.Param("apiId"), Stage: ctx.Param("stage"), ARN: ctx.Query("arn")})
	if err == nil && len(mine) == 0 {
		return s.forbidden(caller)
	}
	return err
}

// forbidden is the answer of operations that owners may call to who has no rights on the API, be there
// such an API or not.
func (s *service) forbidden(ctx context.Context) huma.StatusError {
	return forbid(s.needs().refusal(claimsOf(ctx), true))
}

func forbid(detail string, errs ...error) huma.StatusError {
	return huma.NewError(http.StatusForbidden, detail, errs...)
}

// tables lists what a path may mean: every table of that id and stage, to an
// owner those alone that are his.
func (s *service) tables(ctx context.Context, p TablePath) ([]mapping.API, huma.StatusError) {
	all, err := s.Store.APIs(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	admin := s.isAdmin(ctx)
	var found []mapping.API
	matched := false
	for _, api := range all {
		if api.ID() != p.APIID || api.Stage != p.Stage || p.ARN != "" && p.ARN != api.ARN {
			continue
		}
		matched = true
		if !admin {
			meta, err := s.Store.Meta(ctx, api)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, s.problem(ctx, err)
			}
			if s.rights(ctx, meta) == noRights {
				continue
			}
		}
		found = append(found, api)
	}
	if !admin && !matched {
		// A table that is not there costs the read of one that is.
		decoy := mapping.API{ARN: "arn:aws:execute-api:us-east-1:000000000000:" + p.APIID, Stage: p.Stage}
		if _, err := s.Store.Meta(ctx, decoy); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, s.problem(ctx, err)
		}
	}
	return found, nil
}

// find names the table of a path.
func (s *service) find(ctx context.Context, p TablePath) (mapping.API, error) {
	found, problem := s.tables(ctx, p)
	switch {
	case problem != nil:
		return mapping.API{}, problem
	case len(found) == 0:
		return mapping.API{}, s.notFound(ctx)
	case len(found) > 1:
		return mapping.API{}, huma.NewError(http.StatusConflict, "several APIs have this id: name one with ?arn=")
	}
	return found[0], nil
}

// load reads a table for who has rights on it. Owners' rights are seen from its
// head first, so that a table of others takes as long to refuse as none; the
// table that is read decides.
func (s *service) load(ctx context.Context, api mapping.API) (store.Snapshot, rights, error) {
	if !s.isAdmin(ctx) {
		if _, err := s.meta(ctx, api); err != nil {
			return store.Snapshot{}, noRights, err
		}
	}
	snapshot, err := s.Store.Load(ctx, api)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Snapshot{}, noRights, s.notFound(ctx)
	case err != nil:
		return store.Snapshot{}, noRights, s.problem(ctx, err)
	}
	r := s.rights(ctx, snapshot.Meta)
	if r == noRights {
		return store.Snapshot{}, noRights, s.forbidden(ctx)
	}
	return snapshot, r, nil
}

// notFound tells admins that there is no such table. To others that is not told
// apart from a table that is not theirs.
func (s *service) notFound(ctx context.Context) error {
	if s.isAdmin(ctx) {
		return s.problem(ctx, store.ErrNotFound)
	}
	return s.forbidden(ctx)
}
