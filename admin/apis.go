package admin

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// TablePath names a table. The path holds the API's id alone; where the store
// knows several of that id, of other accounts or regions, arn says which.
type TablePath struct {
	APIID string `path:"apiId" maxLength:"64"`
	Stage string `path:"stage" maxLength:"128"`
	ARN   string `query:"arn" doc:"ARN of the API, needed only if its id is not unique"`
}

// API is what is registered of an API stage, beside its permissions.
type API struct {
	ARN    string          `json:"arn" doc:"ARN of the API, without stage"`
	Stage  string          `json:"stage,omitempty" readOnly:"true"`
	Name   string          `json:"name,omitempty"`
	Owners []store.Owner   `json:"owners,omitempty"`
	Trust  []mapping.Trust `json:"trust,omitempty"`
}

type apiOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   API
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

type putAPIInput struct {
	TablePath
	IfMatch string `header:"If-Match"`
	Body    API
}

type putDocumentInput struct {
	TablePath
	IfMatch string `header:"If-Match"`
	Body    Document
}

// named checks that a body speaks of the table that the path names.
func (p TablePath) named(arn, stage string) (mapping.API, error) {
	api, err := mapping.ParseAPI(arn, stage)
	if err != nil {
		return api, invalid(detail("body", err))
	}
	if api.ID() != p.APIID || p.ARN != "" && p.ARN != arn {
		return api, invalid(&huma.ErrorDetail{Location: "body.arn", Value: arn, Message: "must be the ARN of the API in the path, " + p.APIID})
	}
	if stage != p.Stage {
		return api, invalid(&huma.ErrorDetail{Location: "body.stage", Value: stage, Message: "must be the stage in the path, " + p.Stage})
	}
	return api, nil
}

func (s *service) getAPI(ctx context.Context, in *TablePath) (*apiOutput, error) {
	api, err := s.find(ctx, *in)
	if err != nil {
		return nil, err
	}
	meta, err := s.Store.Meta(ctx, api)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return outputOf(http.StatusOK, meta), nil
}

func outputOf(status int, m store.Meta) *apiOutput {
	return &apiOutput{Status: status, ETag: etag(m.Revision), Body: API{
		ARN: m.API.ARN, Stage: m.API.Stage, Name: m.Name, Owners: m.Owners, Trust: m.Trust,
	}}
}

// putAPI registers a table, or changes the head of one.
func (s *service) putAPI(ctx context.Context, in *putAPIInput) (*apiOutput, error) {
	stage := in.Body.Stage
	if stage == "" {
		stage = in.Stage
	}
	api, err := in.named(in.Body.ARN, stage)
	if err != nil {
		return nil, err
	}
	before, err := s.Store.Meta(ctx, api)
	status := http.StatusOK
	switch {
	case errors.Is(err, store.ErrNotFound) && in.IfMatch == "":
		status = http.StatusCreated
	case errors.Is(err, store.ErrNotFound):
		return nil, checkMatch(in.IfMatch, store.Revision{})
	case err != nil:
		return nil, s.problem(ctx, err)
	default:
		if err := checkMatch(in.IfMatch, before.Revision); err != nil {
			return nil, err
		}
	}
	change := s.change(ctx, api, before.Revision)
	change.Head = &store.Head{Name: in.Body.Name, Complete: before.Complete, Owners: in.Body.Owners, Trust: in.Body.Trust}
	after, err := store.CommitSettled(ctx, s.Store, change)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return outputOf(status, after), nil
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
		if after, err = store.CommitSettled(ctx, s.Store, change); err != nil {
			return nil, s.problem(ctx, err)
		}
	}
	applied.Revision = after.Revision.String()
	return &appliedOutput{ETag: etag(after.Revision), Body: applied}, nil
}

func (s *service) change(ctx context.Context, api mapping.API, at store.Revision) store.Change {
	return store.Change{
		ID: ulid.Make().String(), API: api, If: at,
		By: principalID(ctx), RequestID: requestID(ctx), At: s.Now(),
	}
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
