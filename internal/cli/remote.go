package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"scopegate/admin"
	"scopegate/internal/adminclient"
	"scopegate/internal/dev"
	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

// remote is the admin API as store.Tables: Load reads a document, Commit replaces it
// with the revision as If-Match. It is for one goroutine.
type remote struct {
	client *adminclient.Client
	loaded map[mapping.API]store.Snapshot
	// flushed is what was last said of caches.
	flushed flush.Result
}

func newRemote(c *adminclient.Client) *remote {
	return &remote{client: c, loaded: map[mapping.API]store.Snapshot{}}
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

// Load implements store.Tables.
func (r *remote) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	b, tag, err := r.client.Document(ctx, api)
	if err != nil {
		return store.Snapshot{}, asStore(err)
	}
	s, err := snapshotOf(api, b)
	if err != nil {
		return s, fmt.Errorf("admin API: %w", err)
	}
	if s.Revision, err = parseRevision(tag); err != nil {
		return s, fmt.Errorf("admin API: ETag: %w", err)
	}
	r.loaded[api] = s
	return s, nil
}

// snapshotOf reads a document. Routes without a permission come as registered
// permissions, which says the same.
func snapshotOf(api mapping.API, b []byte) (store.Snapshot, error) {
	var doc admin.Document
	if err := json.Unmarshal(b, &doc); err != nil {
		return store.Snapshot{}, fmt.Errorf("document: %w", err)
	}
	s := store.Snapshot{Meta: store.Meta{API: api, Name: doc.Name, Owners: doc.Owners, Trust: doc.Trust}}
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
			return s, fmt.Errorf("document: %w", err)
		}
		s.Permissions = append(s.Permissions, p)
	}
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
		tag, err := r.client.Register(ctx, admin.API{ARN: c.API.ARN, Stage: c.API.Stage})
		if err != nil {
			return store.Meta{}, onRegister(err)
		}
		revision, err := parseRevision(tag)
		if err != nil {
			return store.Meta{}, fmt.Errorf("admin API: ETag: %w", err)
		}
		before, c.If = store.Snapshot{Meta: store.Meta{API: c.API, Revision: revision}}, revision
	}
	doc, err := replaced(before, c)
	if err != nil {
		return store.Meta{}, err
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return store.Meta{}, err
	}
	var applied adminclient.Applied
	tag, err := r.client.PutDocument(ctx, c.API, body, adminclient.Put{Revision: c.If.String()}, &applied)
	if err != nil {
		return store.Meta{}, asStore(err)
	}
	r.flushed = applied.Result
	revision, err := parseRevision(tag)
	return store.Meta{API: c.API, Revision: revision}, err
}

// RevocationsRevision and Revocations implement store.RevocationReader. The admin
// API tells admins alone whose tokens were revoked: for others none are known.
func (r *remote) RevocationsRevision(context.Context) (store.Revision, error) {
	return store.Revision{}, nil // what is read once is never compared
}

func (r *remote) Revocations(ctx context.Context) (store.Revocations, error) {
	list, err := r.client.Revocations(ctx)
	var p *adminclient.Problem
	if errors.As(err, &p) && p.Status == http.StatusForbidden {
		return store.Revocations{}, nil
	}
	if err != nil {
		return store.Revocations{}, asStore(err)
	}
	return store.Revocations{List: list}, nil
}

var _ store.RevocationReader = (*remote)(nil)

// asStore gives a problem the class that the store's errors have.
func asStore(err error) error {
	var p *adminclient.Problem
	if !errors.As(err, &p) {
		return err
	}
	class := map[int]error{
		http.StatusNotFound: store.ErrNotFound, http.StatusPreconditionFailed: store.ErrConflict,
		http.StatusUnprocessableEntity: store.ErrInvalid,
	}[p.Status]
	if class == nil {
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}

// onRegister makes "If-Match is missing" a conflict: somebody else registered
// the table in between.
func onRegister(err error) error {
	var p *adminclient.Problem
	if errors.As(err, &p) && p.Status == http.StatusPreconditionRequired {
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	}
	return asStore(err)
}

// parseRevision reads a revision as it is written: "{number}-{incarnation}".
func parseRevision(text string) (store.Revision, error) {
	number, incarnation, ok := strings.Cut(text, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || incarnation == "" {
		return store.Revision{}, fmt.Errorf("revision %q: must be as 12-AB34…", text)
	}
	return store.Revision{Number: n, Incarnation: incarnation}, nil
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
