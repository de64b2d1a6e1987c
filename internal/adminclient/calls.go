package adminclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"scopegate/admin"
	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

// pageSize is how much is asked for at once.
const pageSize = 500

// What the API answers with, as it has it.
type (
	Changed    = admin.Outcome // every change
	Applied    = admin.Applied // a document, or going back to an earlier revision
	Item       = admin.Item    // a permission and its life
	Record     = admin.Record  // an entry of an audit trail
	Route      = admin.Route   // a route that a table knows, and what opens it
	Revocation = store.Revocation
	Revoked    = admin.Revoked // a revocation that was made
)

// API is a registered API stage.
type API struct {
	admin.API
	Complete *admin.Complete `json:"complete,omitempty"`
	Revision string          `json:"revision,omitempty"`
}

// TablePath is the path of a table, and the query that makes it unambiguous.
func TablePath(api mapping.API, more string) (string, url.Values) {
	return "/v1/apis/" + url.PathEscape(api.ID()) + "/" + url.PathEscape(api.Stage) + more, url.Values{"arn": {api.ARN}}
}

// Into makes a call and decodes its answer, unless into is nil.
func (c *Client) Into(ctx context.Context, call Call, into any) (etag string, err error) {
	answer, err := c.Do(ctx, call)
	if err != nil || into == nil {
		return answer.ETag(), err
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return "", fmt.Errorf("read the answer of the admin API to %s %s: %w", call.Method, call.Path, err)
	}
	return answer.ETag(), nil
}

// pages fetches a list to its end, or until it holds limit (0: no bound).
func pages[T any](ctx context.Context, c *Client, path string, query url.Values, member string, limit int) ([]T, error) {
	all := []T{}
	query = cloned(query)
	for {
		n := pageSize
		if limit > 0 {
			n = min(n, limit-len(all))
		}
		query.Set("limit", strconv.Itoa(n))
		var page map[string]json.RawMessage
		if _, err := c.Into(ctx, Call{Method: http.MethodGet, Path: path, Query: query}, &page); err != nil {
			return nil, err
		}
		var some []T
		var next string
		if err := errors.Join(decode(page[member], &some), decode(page["next"], &next)); err != nil {
			return nil, fmt.Errorf("read the answer of the admin API to GET %s: %w", path, err)
		}
		all = append(all, some...)
		if next == "" || limit > 0 && len(all) >= limit {
			return all, nil
		}
		if next == query.Get("cursor") {
			return nil, fmt.Errorf("the answer of the admin API to GET %s names itself as the next page", path)
		}
		query.Set("cursor", next)
	}
}

func decode(raw json.RawMessage, into any) error {
	if raw == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

func cloned(q url.Values) url.Values {
	out := url.Values{}
	for name, values := range q {
		out[name] = values
	}
	return out
}

// APIs lists the tables that the caller may see.
func (c *Client) APIs(ctx context.Context) ([]API, error) {
	return pages[API](ctx, c, "/v1/apis", nil, "apis", 0)
}

// API reads what is registered of a table.
func (c *Client) API(ctx context.Context, api mapping.API) (a API, revision string, err error) {
	path, query := TablePath(api, "")
	etag, err := c.Into(ctx, Call{Method: http.MethodGet, Path: path, Query: query}, &a)
	return a, strings.Trim(etag, `"`), err
}

// Register makes an empty table; it must not be there.
func (c *Client) Register(ctx context.Context, a admin.API) (revision string, err error) {
	path, query := TablePath(mapping.API{ARN: a.ARN, Stage: a.Stage}, "")
	body, err := json.Marshal(struct { // read-only fields are left out
		ARN    string          `json:"arn"`
		Name   string          `json:"name,omitempty"`
		Owners []store.Owner   `json:"owners,omitempty"`
		Trust  []mapping.Trust `json:"trust,omitempty"`
	}{a.ARN, a.Name, a.Owners, a.Trust})
	if err != nil {
		return "", err
	}
	etag, err := c.Into(ctx, Call{Method: http.MethodPut, Path: path, Query: query, Body: body}, nil)
	return strings.Trim(etag, `"`), err
}

// Delete takes a table away that is at a revision.
func (c *Client) Delete(ctx context.Context, api mapping.API, revision string) (Changed, error) {
	path, query := TablePath(api, "")
	var out Changed
	_, err := c.Into(ctx, Put{Revision: revision}.call(http.MethodDelete, path, query, nil), &out)
	return out, err
}

// Document reads a whole table as one document.
func (c *Client) Document(ctx context.Context, api mapping.API) (document []byte, revision string, err error) {
	path, query := TablePath(api, "/document")
	answer, err := c.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: query})
	return answer.Body, strings.Trim(answer.ETag(), `"`), err
}

// Routes lists the routes of a table.
func (c *Client) Routes(ctx context.Context, api mapping.API) ([]Route, error) {
	path, query := TablePath(api, "/routes")
	return pages[Route](ctx, c, path, query, "routes", 0)
}

// DeleteRoute forgets a route, or plans to, as PutDocument.
func (c *Client) DeleteRoute(ctx context.Context, api mapping.API, id string, p Put, into any) (revision string, err error) {
	path, query := TablePath(api, "/routes/"+url.PathEscape(id))
	etag, err := c.Into(ctx, p.call(http.MethodDelete, path, query, nil), into)
	return strings.Trim(etag, `"`), err
}

// Put is how a document is put, or a revision gone back to.
type Put struct {
	Revision string // that it is made for; "" only for DryRun
	DryRun   bool   // answer with a plan, write nothing
	Force    bool   // pass what a write otherwise refuses
}

func (p Put) call(method, path string, query url.Values, body []byte) Call {
	if p.DryRun {
		query.Set("dryRun", "true")
	}
	if p.Force {
		query.Set("force", "true")
	}
	call := Call{Method: method, Path: path, Query: query, Body: body}
	if p.Revision != "" {
		call.IfMatch = `"` + p.Revision + `"`
	}
	return call
}

// PutDocument replaces a table, or plans to; into gets the answer. The revision is
// the one planned against, or that of the table afterwards.
func (c *Client) PutDocument(ctx context.Context, api mapping.API, document []byte, p Put, into any) (revision string, err error) {
	path, query := TablePath(api, "/document")
	etag, err := c.Into(ctx, p.call(http.MethodPut, path, query, document), into)
	return strings.Trim(etag, `"`), err
}

// Restore goes back to a table's earlier revision, or plans to, as PutDocument.
func (c *Client) Restore(ctx context.Context, api mapping.API, earlier string, p Put, into any) (revision string, err error) {
	path, query := TablePath(api, "/restore")
	body, err := json.Marshal(map[string]string{"revision": earlier})
	if err != nil {
		return "", err
	}
	etag, err := c.Into(ctx, p.call(http.MethodPost, path, query, body), into)
	return strings.Trim(etag, `"`), err
}

// Audit lists the newest records of a table, or with the zero API of revocations;
// limit 0 lists all.
func (c *Client) Audit(ctx context.Context, api mapping.API, limit int) ([]Record, error) {
	query := url.Values{}
	if api != (mapping.API{}) {
		query = url.Values{"arn": {api.ARN}, "stage": {api.Stage}}
	}
	return pages[Record](ctx, c, "/v1/audit", query, "records", limit)
}

// Permissions lists permissions by the API's filters (arn, stage, scope, role,
// group, resource).
func (c *Client) Permissions(ctx context.Context, filters url.Values) ([]Item, error) {
	return pages[Item](ctx, c, "/v1/permissions", filters, "permissions", 0)
}

// Added is the answer to a permission that was added or changed.
type Added struct {
	Item
	Changed
}

// AddPermission adds one permission, in the wire format.
func (c *Client) AddPermission(ctx context.Context, wire []byte, force bool) (Added, error) {
	var out Added
	call := Put{Force: force}.call(http.MethodPost, "/v1/permissions", url.Values{}, wire)
	_, err := c.Into(ctx, call, &out)
	return out, err
}

func permissionPath(i Item) (string, url.Values) {
	return "/v1/permissions/" + url.PathEscape(i.ID), url.Values{"arn": {i.ARN}, "stage": {i.Stage}}
}

// Permission reads one permission by its id.
func (c *Client) Permission(ctx context.Context, api mapping.API, id string) (Item, error) {
	path, query := permissionPath(Item{ARN: api.ARN, Stage: api.Stage, ID: id})
	if api == (mapping.API{}) {
		query = nil
	}
	var out Item
	etag, err := c.Into(ctx, Call{Method: http.MethodGet, Path: path, Query: query}, &out)
	out.ETag = etag
	return out, err
}

// ChangePermission replaces description and end of a permission that was read.
func (c *Client) ChangePermission(ctx context.Context, i Item) (Added, error) {
	path, query := permissionPath(i)
	body, err := json.Marshal(struct {
		Description string  `json:"description"`
		ExpiresAt   *string `json:"expiresAt"` // null is "never", and must be said
	}{i.Description, orNil(i.ExpiresAt)})
	if err != nil {
		return Added{}, err
	}
	var out Added
	_, err = c.Into(ctx, Call{Method: http.MethodPut, Path: path, Query: query, IfMatch: i.ETag, Body: body}, &out)
	return out, err
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// DeletePermission takes a permission away that was read.
func (c *Client) DeletePermission(ctx context.Context, i Item) (Changed, error) {
	path, query := permissionPath(i)
	var out Changed
	_, err := c.Into(ctx, Call{Method: http.MethodDelete, Path: path, Query: query, IfMatch: i.ETag}, &out)
	return out, err
}

// Revocations lists all of them.
func (c *Client) Revocations(ctx context.Context) ([]Revocation, error) {
	return pages[Revocation](ctx, c, "/v1/revocations", nil, "revocations", 0)
}

// Revoke refuses the tokens that a principal has. The zero until is the API's
// default.
func (c *Client) Revoke(ctx context.Context, principalID string, until time.Time, reason string) (Revoked, error) {
	in := struct {
		Until  *time.Time `json:"until,omitempty"`
		Reason string     `json:"reason,omitempty"`
	}{Reason: reason}
	if !until.IsZero() {
		in.Until = &until
	}
	body, err := json.Marshal(in)
	if err != nil {
		return Revoked{}, err
	}
	var out Revoked
	_, err = c.Into(ctx, Call{Method: http.MethodPut, Path: "/v1/revocations/" + url.PathEscape(principalID), Body: body}, &out)
	return out, err
}

// Unrevoke takes a revocation away.
func (c *Client) Unrevoke(ctx context.Context, principalID string) (flush.Result, error) {
	var out flush.Result
	_, err := c.Into(ctx, Call{Method: http.MethodDelete, Path: "/v1/revocations/" + url.PathEscape(principalID)}, &out)
	return out, err
}

// Explain asks about one call; body and answer are POST /v1/explain's.
func (c *Client) Explain(ctx context.Context, body []byte) (Answer, error) {
	return c.Do(ctx, Call{Method: http.MethodPost, Path: "/v1/explain", Body: body})
}
