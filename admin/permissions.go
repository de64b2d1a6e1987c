package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

const permissionPath = "/v1/permissions/{id}"

func (s *service) registerPermissions(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "listPermissions", Method: http.MethodGet, Path: "/v1/permissions", Summary: "Permissions of the tables that the caller may see",
		Description: "In the order of arn, stage and id. For admins; owners see those of their APIs. While others write, no permission that is there throughout is left out or shown twice.",
	}, forItems, 404), s.listPermissions)
	huma.Register(api, protected(huma.Operation{
		OperationID: "getPermission", Method: http.MethodGet, Path: permissionPath, Summary: "One permission",
		Description: "For admins and owners. It is looked for in all tables that the caller may see unless arn and stage name one.",
	}, forItems, 404), s.getPermission)
	s.registerPermissionEdits(api)
}

type listPermissionsInput struct {
	Tables
	Page
	Scope    string `query:"scope" maxLength:"1024" doc:"Of those that need this scope, perhaps with others"`
	Role     string `query:"role" maxLength:"256"`
	Group    string `query:"group" maxLength:"256"`
	Resource string `query:"resource" maxLength:"512" doc:"Of this very route or pattern; names of parameters do not matter. / is the root"`
}

type itemsOutput struct {
	Body struct {
		Permissions []Item `json:"permissions" nullable:"false"`
		Next        string `json:"next,omitempty" doc:"The cursor of the next page, if there is one"`
	}
}

// ItemPath names a permission, and where to look for it.
type ItemPath struct {
	ID string `path:"id" maxLength:"64"`
	Tables
}

type itemOutput struct {
	ETag string `header:"ETag"`
	Body Item
}

// filter says which permissions are asked for.
func (in *listPermissionsInput) filter() (func(mapping.Permission) bool, error) {
	resource, err := mapping.ParseResource(in.Resource)
	if err != nil {
		return nil, invalid(detail("query", err))
	}
	return func(p mapping.Permission) bool {
		q := p.Requires
		return (in.Scope == "" || slices.Contains(q.Scopes, in.Scope)) &&
			(in.Role == "" || q.Role == in.Role) &&
			(in.Group == "" || q.Group == in.Group) &&
			(in.Resource == "" || p.Resource.IsPattern() == resource.IsPattern() && p.Resource.Shape() == resource.Shape())
	}, nil
}

// How many tables are read for one page, and permissions of them before the next
// table. Where few pass the filter, a page ends before it is full, and next goes
// on.
const (
	maxLoads   = 50
	maxScanned = 20_000
)

func (s *service) listPermissions(ctx context.Context, in *listPermissionsInput) (*itemsOutput, error) {
	tables, err := s.visible(ctx, in.Tables)
	if err != nil {
		return nil, err
	}
	wanted, err := in.filter()
	if err != nil {
		return nil, err
	}
	at, err := in.position(inTables)
	if err != nil {
		return nil, err
	}
	p, loads, scanned := newPage[Item](in.Page), 0, 0
	for _, api := range tables {
		if compareAPIs(api, at.api()) < 0 {
			continue
		}
		if loads++; loads > maxLoads || scanned > maxScanned {
			p.next = position{ARN: api.ARN, Stage: api.Stage}.cursor()
			break
		}
		snapshot, ok, err := s.loadIfThere(ctx, api)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		after := ""
		if api == at.api() {
			after = at.ID
		}
		scanned += len(snapshot.Permissions)
		if full, err := s.addItems(p, snapshot, after, wanted); err != nil || full {
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			break
		}
	}
	out := &itemsOutput{}
	out.Body.Permissions, out.Body.Next = p.items, p.next
	return out, nil
}

// addItems puts the permissions of a table whose ids come after one on a page.
func (s *service) addItems(p *page[Item], t store.Snapshot, after string, wanted func(mapping.Permission) bool) (full bool, err error) {
	now := s.Now()
	at := position{ARN: t.API.ARN, Stage: t.API.Stage, ID: after}
	for _, one := range t.Permissions {
		id := one.ID()
		if id <= after || !wanted(one) {
			continue
		}
		i, err := item(one, t.Stamps[id], now)
		if err != nil {
			return false, err
		}
		if !p.add(i, at) {
			return true, nil
		}
		at.ID = id
	}
	return false, nil
}

// loadIfThere reads a table of a listing. One that has gone since, or was given
// to others, is left out.
func (s *service) loadIfThere(ctx context.Context, api mapping.API) (store.Snapshot, bool, error) {
	snapshot, err := s.Store.Load(ctx, api)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Snapshot{}, false, nil
	case err != nil:
		return store.Snapshot{}, false, s.problem(ctx, err)
	}
	return snapshot, s.rights(ctx, snapshot.Meta) != noRights, nil
}

func (s *service) getPermission(ctx context.Context, in *ItemPath) (*itemOutput, error) {
	t, p, err := s.findPermission(ctx, in)
	if err != nil {
		return nil, err
	}
	i, err := item(p, t.Stamps[p.ID()], s.Now())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &itemOutput{ETag: i.ETag, Body: i}, nil
}

// findPermission looks a permission up in the tables that are asked for and that
// the caller may see.
func (s *service) findPermission(ctx context.Context, in *ItemPath) (store.Snapshot, mapping.Permission, error) {
	tables, err := s.visible(ctx, in.Tables)
	if err != nil {
		return store.Snapshot{}, mapping.Permission{}, err
	}
	for _, api := range tables {
		snapshot, ok, err := s.loadIfThere(ctx, api)
		if err != nil {
			return store.Snapshot{}, mapping.Permission{}, err
		}
		if !ok {
			continue
		}
		if p, ok := permissionOf(snapshot, in.ID); ok {
			return snapshot, p, nil
		}
	}
	return store.Snapshot{}, mapping.Permission{}, noPermission()
}

func permissionOf(t store.Snapshot, id string) (mapping.Permission, bool) {
	at, ok := slices.BinarySearchFunc(t.Permissions, id, func(p mapping.Permission, id string) int { return strings.Compare(p.ID(), id) })
	if !ok {
		return mapping.Permission{}, false
	}
	return t.Permissions[at], true
}

func noPermission() huma.StatusError {
	return huma.NewError(http.StatusNotFound, "there is no permission of this id")
}
