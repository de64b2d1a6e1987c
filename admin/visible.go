package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
	"scopegate/store"
)

// maxReads is how many heads are read at a time.
const maxReads = 16

// Tables narrows a listing down to tables.
type Tables struct {
	ARN   string `query:"arn" doc:"ARN of the API; all that the caller may see without it"`
	Stage string `query:"stage" maxLength:"128" doc:"Stage of the API; all that the caller may see without it"`
}

// check finds what no table can have.
func (t Tables) check() error {
	arn, stage := t.ARN, t.Stage
	if arn == "" {
		arn = "arn:aws:execute-api:us-east-1:000000000000:any"
	}
	if stage == "" {
		stage = "any"
	}
	if _, err := mapping.ParseAPI(arn, stage); err != nil {
		var details []error
		for _, f := range mapping.Faults(err) {
			details = append(details, detail("query", f))
		}
		return invalid(details...)
	}
	return nil
}

func (t Tables) hold(api mapping.API) bool {
	return (t.ARN == "" || t.ARN == api.ARN) && (t.Stage == "" || t.Stage == api.Stage)
}

// visible lists the tables that are asked for and that the caller may see, in the
// order of listings. Who sees none of them is refused; admins are
// told of a table that it is not there. What is read of the store depends on what
// is asked for, not on whether it is there.
func (s *service) visible(ctx context.Context, t Tables) ([]mapping.API, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if t.ARN != "" && t.Stage != "" {
		api := mapping.API{ARN: t.ARN, Stage: t.Stage}
		_, err := s.meta(ctx, api)
		return []mapping.API{api}, err
	}
	all, err := s.Store.APIs(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if s.isAdmin(ctx) {
		return slices.DeleteFunc(all, func(api mapping.API) bool { return !t.hold(api) }), nil
	}
	metas, problem := s.metas(ctx, all)
	if problem != nil {
		return nil, problem
	}
	var mine []mapping.API
	for _, m := range metas {
		if t.hold(m.API) && s.rights(ctx, m) != noRights {
			mine = append(mine, m.API)
		}
	}
	if len(mine) == 0 {
		return nil, s.forbidden(ctx)
	}
	return mine, nil
}

// meta reads the head of a table for who has rights on it.
func (s *service) meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	meta, err := s.Store.Meta(ctx, api)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Meta{}, s.notFound(ctx)
	case err != nil:
		return store.Meta{}, s.problem(ctx, err)
	case s.rights(ctx, meta) == noRights:
		return store.Meta{}, s.forbidden(ctx)
	}
	return meta, nil
}

// metas reads heads, without those of tables that have gone meanwhile.
func (s *service) metas(ctx context.Context, apis []mapping.API) ([]store.Meta, huma.StatusError) {
	found := make([]*store.Meta, len(apis))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(maxReads)
	for i, api := range apis {
		g.Go(func() error {
			meta, err := s.Store.Meta(within, api)
			switch {
			case errors.Is(err, store.ErrNotFound):
				return nil
			case err != nil:
				return err
			}
			found[i] = &meta
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, s.problem(ctx, err)
	}
	var metas []store.Meta
	for _, m := range found {
		if m != nil {
			metas = append(metas, *m)
		}
	}
	return metas, nil
}
