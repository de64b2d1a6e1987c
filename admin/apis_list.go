package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) registerAPIList(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "listApis", Method: http.MethodGet, Path: "/v1/apis", Summary: "The API stages that the caller may see",
		Description: "In the order of arn and stage. For admins; owners see theirs.",
	}, forItems), s.listAPIs)
	huma.Register(api, protected(huma.Operation{
		OperationID: "deleteApi", Method: http.MethodDelete, Path: tablePath, Summary: "Take an API stage and its whole table away",
		Description: "For admins. Everybody is then denied every route of it. Its audit trail stays. Needs If-Match.",
	}, forAdmins, 404, 409, 412, 428), s.deleteAPI)
}

// listedAPI is an API in a listing.
type listedAPI struct {
	API
	Complete *Complete `json:"complete,omitempty"`
	Revision string    `json:"revision"`
}

type listAPIsOutput struct {
	Body struct {
		APIs []listedAPI `json:"apis" nullable:"false"`
		Next string      `json:"next,omitempty" doc:"The cursor of the next page, if there is one"`
	}
}

func (s *service) listAPIs(ctx context.Context, in *Page) (*listAPIsOutput, error) {
	tables, err := s.visible(ctx, Tables{})
	if err != nil {
		return nil, err
	}
	after, err := in.position(inTables)
	if err != nil {
		return nil, err
	}
	tables = slices.DeleteFunc(tables, func(api mapping.API) bool { return compareAPIs(api, after.api()) <= 0 })
	more := len(tables) > in.Limit
	if more {
		tables = tables[:in.Limit]
	}
	metas, problem := s.metas(ctx, tables)
	if problem != nil {
		return nil, problem
	}
	p := newPage[listedAPI](*in)
	for _, m := range metas {
		if s.rights(ctx, m) == noRights {
			continue // has changed hands since
		}
		if !p.add(listedOf(m), after) {
			break
		}
		after = position{ARN: m.API.ARN, Stage: m.API.Stage}
	}
	if last := len(tables) - 1; more && p.next == "" {
		p.next = position{ARN: tables[last].ARN, Stage: tables[last].Stage}.cursor()
	}
	out := &listAPIsOutput{}
	out.Body.APIs, out.Body.Next = p.items, p.next
	return out, nil
}

func listedOf(m store.Meta) listedAPI {
	l := listedAPI{API: outputOf(http.StatusOK, m).Body, Revision: m.Revision.String()}
	if m.Complete != nil {
		at := m.Complete.At
		l.Complete = &Complete{Source: m.Complete.Source, By: m.Complete.By, At: &at}
	}
	return l
}

// TableEdit names a table and the revision that a change was decided on.
type TableEdit struct {
	TablePath
	IfMatch string `header:"If-Match"`
}

// deleted is what is left of a table: nothing that an ETag could be of.
type deletedOutput struct {
	Body Outcome
}

func (s *service) deleteAPI(ctx context.Context, in *TableEdit) (*deletedOutput, error) {
	before, err := s.matched(ctx, in)
	if err != nil {
		return nil, err
	}
	change := s.change(ctx, before.API, before.Revision)
	change.Delete = true
	done, err := s.commit(ctx, write{before: store.Snapshot{Meta: before}, change: change})
	if err != nil {
		return nil, err
	}
	return &deletedOutput{done.changed()}, nil
}

// matched is the head of a table that is still at the revision of If-Match.
func (s *service) matched(ctx context.Context, in *TableEdit) (store.Meta, error) {
	var none mapping.API
	api, err := s.find(ctx, in.TablePath)
	if err != nil || api == none {
		return store.Meta{}, err
	}
	meta, err := s.meta(ctx, api)
	if err != nil {
		return store.Meta{}, err
	}
	return meta, checkMatch(in.IfMatch, meta.Revision)
}
