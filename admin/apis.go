package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) registerAPIs(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "getApi", Method: http.MethodGet, Path: tablePath, Summary: "What is registered of an API stage",
		Description: "For admins and owners.",
	}, forOwners, 404, 409), s.getAPI)
	huma.Register(api, protected(huma.Operation{
		OperationID: "putApi", Method: http.MethodPut, Path: tablePath, Summary: "Register an API stage, or change its name, owners and trust",
		Description: "For admins. Changing one that is registered needs If-Match.",
	}, forAdmins, 409, 412, 428), s.putAPI)
	s.registerAPIList(api)
}

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

type putAPIInput struct {
	TablePath
	IfMatch string `header:"If-Match"`
	Body    API
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

// changedAPI is an API after a change of it.
type changedAPI struct {
	API
	Outcome
}

type changedAPIOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   changedAPI
}

func changedOf(status int, done edited) *changedAPIOutput {
	return &changedAPIOutput{Status: status, ETag: etag(done.after.Revision), Body: changedAPI{outputOf(status, done.after).Body, done.changed()}}
}

func outputOf(status int, m store.Meta) *apiOutput {
	return &apiOutput{Status: status, ETag: etag(m.Revision), Body: API{
		ARN: m.API.ARN, Stage: m.API.Stage, Name: m.Name, Owners: m.Owners, Trust: m.Trust,
	}}
}

// putAPI registers a table, or changes the head of one.
func (s *service) putAPI(ctx context.Context, in *putAPIInput) (*changedAPIOutput, error) {
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
	done, err := s.commit(ctx, write{before: store.Snapshot{Meta: before}, change: change})
	if err != nil {
		return nil, err
	}
	return changedOf(status, done), nil
}
