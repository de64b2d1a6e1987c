package admin

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) registerDocument(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "getDocument", Method: http.MethodGet, Path: tablePath + "/document", Summary: "The whole table as one document",
		Description: "For admins and owners.",
	}, forOwners, 404, 409), s.getDocument)
	huma.Register(api, protected(huma.Operation{
		OperationID: "putDocument", Method: http.MethodPut, Path: tablePath + "/document", Summary: "Replace the whole table",
		Description: "One change, or none. Permissions that the document leaves out are removed; their routes stay registered. " +
			"For admins and owners; name, owners and trust are the admins' to change, and stay where an owner leaves them out.",
	}, forOwners, 404, 409, 412, 428), s.putDocument)
}

type documentOutput struct {
	ETag string `header:"ETag"`
	Body Document
}

// Applied says what a document changed.
type Applied struct {
	Revision  string `json:"revision"`
	Added     int    `json:"added"`
	Changed   int    `json:"changed"`
	Removed   int    `json:"removed"`
	Unchanged int    `json:"unchanged"`
}

type appliedOutput struct {
	ETag string `header:"ETag"`
	Body Applied
}

type putDocumentInput struct {
	TablePath
	IfMatch string `header:"If-Match"`
	Body    Document
}

func (s *service) getDocument(ctx context.Context, in *TablePath) (*documentOutput, error) {
	api, err := s.find(ctx, *in)
	if err != nil {
		return nil, err
	}
	snapshot, _, err := s.load(ctx, api)
	if err != nil {
		return nil, err
	}
	doc, err := documentOf(snapshot)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &documentOutput{ETag: etag(snapshot.Revision), Body: doc}, nil
}

func (s *service) putDocument(ctx context.Context, in *putDocumentInput) (*appliedOutput, error) {
	api, err := in.named(in.Body.ARN, in.Body.Stage)
	if err != nil {
		return nil, err
	}
	list, err := in.Body.permissions(api)
	if err != nil {
		return nil, err
	}
	before, may, err := s.load(ctx, api)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(in.IfMatch, before.Revision); err != nil {
		return nil, err
	}
	change, applied, err := s.replacement(ctx, before, list)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	head := in.Body.head(before.Meta, change)
	if may != adminRights {
		if head, err = in.Body.owned(head, before.Meta); err != nil {
			return nil, err
		}
	}
	if s.needs().change(claimsOf(ctx), before.Owners, head.Owners) == noRights {
		return nil, s.forbidden(ctx)
	}
	if !reflect.DeepEqual(head, headOf(before.Meta)) {
		change.Head = &head
	}
	after := before.Meta
	if len(change.Put)+len(change.Remove) > 0 || change.Head != nil {
		done, err := s.commit(ctx, write{before: before, change: change})
		if err != nil {
			return nil, err
		}
		after = done.after
	}
	applied.Revision = after.Revision.String()
	return &appliedOutput{ETag: etag(after.Revision), Body: applied}, nil
}

// replacement works out how a table becomes one with these permissions. What
// is listed for a route without permission is no permission, and so neither
// removed nor put again.
func (s *service) replacement(ctx context.Context, before store.Snapshot, list []mapping.Permission) (store.Change, Applied, error) {
	change := s.change(ctx, before.API, before.Revision)
	shown, err := listed(before)
	if err != nil {
		return change, Applied{}, err
	}
	diff, err := store.Diff(shown, list)
	if err != nil {
		return change, Applied{}, err
	}
	kept := map[string]bool{}
	for _, p := range list {
		kept[p.ID()] = true
	}
	for _, p := range before.Permissions {
		if !kept[p.ID()] {
			change.Remove = append(change.Remove, p.ID())
		}
	}
	change.Put = diff.Put
	return change, Applied{Added: diff.Added, Changed: diff.Changed, Removed: len(change.Remove), Unchanged: diff.Unchanged}, nil
}
