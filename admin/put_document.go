package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"scopegate/internal/yamljson"
	"scopegate/mapping"
	"scopegate/store"
)

const documentPath = tablePath + "/document"

func (s *service) registerDocument(api huma.API) {
	document := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Document](), true, "")
	get := protected(huma.Operation{
		OperationID: "getDocument", Method: http.MethodGet, Path: documentPath, Summary: "The whole table as one document",
		Description: "As JSON, or as YAML where Accept or format says so. What was read can be put back as it is. For admins and owners.",
		Responses:   map[string]*huma.Response{"200": {Content: inBoth(document)}},
	}, forOwners, 404, 409)
	huma.Register(api, get, s.getDocument)
	put := protected(huma.Operation{
		OperationID: "putDocument", Method: http.MethodPut, Path: documentPath, Summary: "Replace the whole table, or plan to",
		Description: "One change, or none. Permissions that the document leaves out are removed; their routes stay registered, and the plan lists them as orphans. " +
			"With dryRun nothing is written: the answer is a plan, and its ETag, given as If-Match afterwards, makes what was reviewed what is applied. " +
			"What lint calls an error and the change brings is refused with 422 unless force is true. " +
			"The mark complete is taken as the document has it: left out, it is taken away. " +
			"For admins and owners; name, owners and trust are the admins' to change, and stay where an owner leaves them out.",
		RequestBody: &huma.RequestBody{Required: true, Content: inBoth(document)},
	}, forOwners, 404, 409, 412, 428)
	huma.Register(api, put, s.putDocument)
}

func inBoth(schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{jsonType: {Schema: schema}, yamlType: {Schema: schema}}
}

type getDocumentInput struct {
	TablePath
	Accept string `header:"Accept" hidden:"true"`
	Format string `query:"format" enum:"json,yaml" doc:"Of the answer, whatever Accept says"`
}

// documentOutput is written as it is: huma would offer YAML for every call.
type documentOutput struct {
	ETag        string `header:"ETag"`
	ContentType string `header:"Content-Type"`
	Vary        string `header:"Vary"`
	Body        []byte
}

// Applied says what a document changed.
type Applied struct {
	Outcome
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Removed   int `json:"removed"`
	Unchanged int `json:"unchanged"`
}

type documentAnswer struct {
	ETag string `header:"ETag"`
	Body PlanOr[Applied]
}

type putDocumentInput struct {
	TablePath
	Force
	DryRun  bool   `query:"dryRun" doc:"Write nothing, and answer with a plan"`
	IfMatch string `header:"If-Match" doc:"The revision that the document was made for, as ETag gave it; of a dryRun it may be left out"`
	Body    Document
}

func (s *service) getDocument(ctx context.Context, in *getDocumentInput) (*documentOutput, error) {
	snapshot, err := s.read(ctx, in.TablePath)
	if err != nil {
		return nil, err
	}
	doc, err := documentOf(snapshot)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out := &documentOutput{ETag: etag(snapshot.Revision), ContentType: jsonType, Vary: "Accept"}
	if out.Body, err = plainJSON(doc); err == nil && in.yaml() {
		out.ContentType = yamlType
		out.Body, err = yamljson.FromJSON(out.Body)
	}
	if err != nil {
		return nil, s.problem(ctx, fmt.Errorf("write the document of %s: %w", snapshot.API, err))
	}
	return out, nil
}

// yaml reports whether YAML is asked for. JSON is given to who says nothing, and
// to who takes neither.
func (in *getDocumentInput) yaml() bool {
	if in.Format != "" {
		return in.Format == "yaml"
	}
	return yamlTypes[negotiation.SelectQValue(in.Accept, slices.Concat([]string{jsonType}, slices.Sorted(maps.Keys(yamlTypes))))]
}

// plainJSON writes < > & as they are, as the other answers do.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func (s *service) putDocument(ctx context.Context, in *putDocumentInput) (*documentAnswer, error) {
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
	if in.IfMatch != "" || !in.DryRun {
		if err := checkMatch(in.IfMatch, before.Revision); err != nil {
			return nil, err
		}
	}
	change, applied, err := s.replacement(ctx, before, list)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if err := s.putHead(ctx, in.Body, before.Meta, may, &change); err != nil {
		return nil, err
	}
	if in.DryRun {
		p, err := s.plan(ctx, before, change)
		return &documentAnswer{ETag: etag(before.Revision), Body: PlanOr[Applied]{Plan: &p}}, err
	}
	done := unchanged(before.Meta)
	if !isEmpty(change) {
		if done, err = s.commit(ctx, write{before: before, change: change, force: in.Force.Force}); err != nil {
			return nil, err
		}
	}
	applied.Outcome = done.changed()
	return &documentAnswer{ETag: etag(done.after.Revision), Body: PlanOr[Applied]{Done: applied}}, nil
}

// putHead adds to a change what the document says beside its permissions, if the
// caller may say it.
func (s *service) putHead(ctx context.Context, d Document, before store.Meta, may rights, change *store.Change) error {
	head := d.head(before, *change)
	if may != adminRights {
		var err error
		if head, err = d.owned(head, before); err != nil {
			return err
		}
	}
	if s.needs().change(claimsOf(ctx), before.Owners, head.Owners) == noRights {
		return s.forbidden(ctx)
	}
	if !reflect.DeepEqual(head, headOf(before)) {
		change.Head = &head
	}
	return nil
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
