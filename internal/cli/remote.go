package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"scopegate/admin"
	"scopegate/internal/dev"
	"scopegate/mapping"
	"scopegate/store"
)

// remote is a table's admin API as store.Tables: Load reads the document, Commit
// replaces it with the revision as If-Match. It is for one goroutine.
type remote struct {
	base   string // of the admin API
	bearer string
	loaded map[mapping.API]store.Snapshot
}

// readyOf asks a running local stack where everything is.
func readyOf(ctx context.Context, devURL string) (dev.Ready, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(devURL, "/")+"/dev", nil)
	if err != nil || !isWeb(request.URL) {
		return dev.Ready{}, usage(fmt.Errorf("--dev %q: must be the URL of the admin port of a running scopegate dev, such as http://127.0.0.1:8082", devURL))
	}
	status, body, _, err := send(request)
	if err != nil {
		return dev.Ready{}, fmt.Errorf("--dev %q: is scopegate dev running? %w", devURL, err)
	}
	if status == http.StatusServiceUnavailable {
		return dev.Ready{}, fmt.Errorf("--dev %q: scopegate dev runs, but cannot read its tables: %s", devURL, printable(strings.TrimSpace(string(body))))
	}
	var ready dev.Ready
	if status != http.StatusOK || json.Unmarshal(body, &ready) != nil || ready.IssuerURL == "" {
		return dev.Ready{}, fmt.Errorf("--dev %q: status %d: this is not the admin port of scopegate dev", devURL, status)
	}
	return ready, nil
}

// openRemote gets an admin's token from the local provider.
func openRemote(ctx context.Context, devURL string) (*remote, dev.Ready, error) {
	ready, err := readyOf(ctx, devURL)
	if err != nil {
		return nil, ready, err
	}
	answer, err := mint(ctx, ready.IssuerURL, url.Values{
		"audience": {ready.AdminAudience}, "scopes": {ready.AdminScope}, "roles": {ready.AdminRole}, "app": {"false"},
	})
	if err != nil {
		return nil, ready, err
	}
	r := &remote{base: strings.TrimSuffix(devURL, "/"), bearer: answer.AccessToken, loaded: map[mapping.API]store.Snapshot{}}
	return r, ready, nil
}

func (r *remote) table(api mapping.API, more string) string {
	return r.base + "/v1/apis/" + url.PathEscape(api.ID()) + "/" + url.PathEscape(api.Stage) + more + "?arn=" + url.QueryEscape(api.ARN)
}

// call sends one request; into gets the body of an answer below 300.
func (r *remote) call(ctx context.Context, method, target, ifMatch string, in, into any) (store.Revision, error) {
	body := &bytes.Buffer{}
	if in != nil {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			return store.Revision{}, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return store.Revision{}, err
	}
	request.Header.Set("Authorization", "Bearer "+r.bearer)
	request.Header.Set("Content-Type", "application/json")
	if ifMatch != "" {
		request.Header.Set("If-Match", ifMatch)
	}
	status, answer, header, err := send(request)
	if err != nil {
		return store.Revision{}, fmt.Errorf("%s of the admin API: %w", method, err)
	}
	if status >= http.StatusMultipleChoices {
		return store.Revision{}, problem(status, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return store.Revision{}, fmt.Errorf("%s of the admin API: answer: %w", method, err)
	}
	return parseETag(header.Get("ETag"))
}

// problem is the error of a problem+json answer (RFC 9457), as the store's
// errors are.
func problem(status int, body []byte) error {
	var p struct {
		Detail string
		Errors []struct {
			Message, Location string
			Value             any
		}
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
		p.Detail = strings.TrimSpace(string(body))
	}
	text := p.Detail
	for _, e := range p.Errors {
		text += fmt.Sprintf("\n%s %q: %s", e.Location, fmt.Sprint(e.Value), e.Message)
	}
	class := map[int]error{
		http.StatusNotFound: store.ErrNotFound, http.StatusPreconditionFailed: store.ErrConflict,
		http.StatusUnprocessableEntity: store.ErrInvalid,
	}[status]
	if class != nil {
		return fmt.Errorf("admin API: %s: %w", text, class)
	}
	err := fmt.Errorf("admin API: status %d: %s", status, text)
	if status < http.StatusInternalServerError {
		return negative(err)
	}
	return err
}

// parseETag reads an ETag of the admin API: "{number}-{incarnation}".
func parseETag(tag string) (store.Revision, error) {
	number, incarnation, ok := strings.Cut(strings.Trim(tag, `"`), "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return store.Revision{}, fmt.Errorf("admin API: ETag %q is no revision", tag)
	}
	return store.Revision{Number: n, Incarnation: incarnation}, nil
}

// Load implements store.Tables. Routes without a permission come as registered
// permissions, which says the same.
func (r *remote) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	var doc admin.Document
	revision, err := r.call(ctx, http.MethodGet, r.table(api, "/document"), "", nil, &doc)
	if err != nil {
		return store.Snapshot{}, err
	}
	s := store.Snapshot{Meta: store.Meta{API: api, Revision: revision, Name: doc.Name, Owners: doc.Owners, Trust: doc.Trust}}
	if c := doc.Complete; c != nil {
		s.Complete = &store.Complete{Source: c.Source, By: c.By}
		if c.At != nil {
			s.Complete.At = *c.At
		}
	}
	for _, raw := range doc.Permissions {
		b, err := raw.MarshalJSON()
		if err != nil {
			return s, err
		}
		p, err := mapping.ParsePermission(b)
		if err != nil {
			return s, fmt.Errorf("admin API: document: %w", err)
		}
		s.Permissions = append(s.Permissions, p)
	}
	r.loaded[api] = s
	return s, nil
}

var errCannot = errors.New("the admin API takes changes of permissions and head only")

// Commit implements store.Tables for changes that put permissions and replace
// the head, made for the table as it was last loaded.
func (r *remote) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	if len(c.Remove)+len(c.RemoveRoutes)+len(c.PutRoutes) > 0 || c.Delete {
		return store.Meta{}, errCannot
	}
	before := r.loaded[c.API]
	if c.If == (store.Revision{}) {
		revision, err := r.call(ctx, http.MethodPut, r.table(c.API, ""), "", admin.API{ARN: c.API.ARN}, &admin.API{})
		if err != nil {
			return store.Meta{}, onRegister(err)
		}
		before, c.If = store.Snapshot{Meta: store.Meta{API: c.API, Revision: revision}}, revision
	}
	doc, err := replaced(before, c)
	if err != nil {
		return store.Meta{}, err
	}
	revision, err := r.call(ctx, http.MethodPut, r.table(c.API, "/document"), `"`+c.If.String()+`"`, doc, &admin.Applied{})
	return store.Meta{API: c.API, Revision: revision}, err
}

// onRegister makes "If-Match is missing" a conflict: somebody else registered
// the table in between.
func onRegister(err error) error {
	if strings.Contains(err.Error(), "status "+strconv.Itoa(http.StatusPreconditionRequired)) {
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	}
	return err
}

// replaced is the document of a table once the change is made.
func replaced(before store.Snapshot, c store.Change) (admin.Document, error) {
	head := store.Head{Name: before.Name, Complete: before.Complete, Owners: before.Owners, Trust: before.Trust}
	if c.Head != nil {
		head = *c.Head
	}
	doc := admin.Document{ARN: c.API.ARN, Stage: c.API.Stage, Name: head.Name, Owners: head.Owners, Trust: head.Trust, Permissions: []admin.Permission{}}
	if head.Complete != nil {
		doc.Complete = &admin.Complete{Source: head.Complete.Source}
	}
	for _, p := range put(before.Permissions, c.Put) {
		b, err := json.Marshal(p)
		if err != nil {
			return doc, err
		}
		var one admin.Permission
		if err := one.UnmarshalJSON(b); err != nil {
			return doc, err
		}
		doc.Permissions = append(doc.Permissions, one)
	}
	return doc, nil
}

// put gives the permissions that are there with others put over them, which come
// last. An id is a hash: each is taken once, since tables hold thousands.
func put(there, over []mapping.Permission) []mapping.Permission {
	replaced := make(map[string]bool, len(over))
	for _, p := range over {
		replaced[p.ID()] = true
	}
	all := make([]mapping.Permission, 0, len(there)+len(over))
	for _, p := range there {
		if !replaced[p.ID()] {
			all = append(all, p)
		}
	}
	return append(all, over...)
}
