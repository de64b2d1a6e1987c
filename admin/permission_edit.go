package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) registerPermissionEdits(api huma.API) {
	const again = " A change of another permission of the table is no conflict."
	huma.Register(api, protected(huma.Operation{
		OperationID: "postPermission", Method: http.MethodPost, Path: "/v1/permissions", Summary: "Add a permission",
		Description:   "For admins and owners of the API. The id is a hash of what is permitted to whom: the same permission again is a 409 that says where it is." + again,
		DefaultStatus: http.StatusCreated,
	}, forItems, 404, 409), s.postPermission)
	huma.Register(api, protected(huma.Operation{
		OperationID: "putPermission", Method: http.MethodPut, Path: permissionPath, Summary: "Change a permission's description and expiresAt",
		Description: "For admins and owners of the API. The permission as GET gave it may be sent whole, nothing else of it may differ. Needs If-Match with the permission's own ETag." + again,
	}, forItems, 404, 412, 428), s.putPermission)
	huma.Register(api, protected(huma.Operation{
		OperationID: "deletePermission", Method: http.MethodDelete, Path: permissionPath, Summary: "Remove a permission",
		Description: "For admins and owners of the API. Its route stays registered: nobody else comes to hold it by that. Needs If-Match with the permission's own ETag." + again,
	}, forItems, 404, 412, 428), s.deletePermission)
}

type postPermissionInput struct {
	Force
	Body Permission
}

// ItemEdit names a permission and what the change was decided on.
type ItemEdit struct {
	ItemPath
	Force
	IfMatch string `header:"If-Match"`
}

type putPermissionInput struct {
	ItemEdit
	Body permissionUpdate
}

// changedItem is a permission after a change.
type changedItem struct {
	Item
	Outcome
}

type changedItemOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     changedItem
}

type changedOutput struct {
	ETag string `header:"ETag"`
	Body Outcome
}

func (s *service) postPermission(ctx context.Context, in *postPermissionInput) (*changedItemOutput, error) {
	p, err := mapping.ParsePermission(in.Body.raw)
	if err != nil {
		return nil, faultsAt("body", err)
	}
	var stamp store.Stamp
	done, err := s.edit(ctx, p.API, in.Force.Force, func(t store.Snapshot, c *store.Change) error {
		if there, ok := permissionOf(t, p.ID()); ok {
			return duplicate(there)
		}
		c.Put, stamp = []mapping.Permission{p}, stampOf(c, store.Stamp{CreatedBy: c.By, CreatedAt: c.At})
		return nil
	})
	if err != nil {
		return nil, err
	}
	i, err := item(p, stamp, s.Now())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &changedItemOutput{ETag: i.ETag, Location: itemURL(p), Body: changedItem{i, done.changed()}}, nil
}

// stampOf is what a permission that was made so is stamped with by a change, as
// the store does it: the answer to a change that was made reads nothing again.
func stampOf(c *store.Change, made store.Stamp) store.Stamp {
	made.CreatedAt = made.CreatedAt.UTC().Round(0)
	made.UpdatedBy, made.UpdatedAt = c.By, c.At.UTC().Round(0)
	return made
}

// duplicate tells where the permission is that was to be added.
func duplicate(p mapping.Permission) error {
	err := huma.NewError(http.StatusConflict, "the permission is there: "+p.ID(),
		&huma.ErrorDetail{Location: "body", Value: p.ID(), Message: "is in the table already; PUT /v1/permissions/{id} changes its description and expiresAt"})
	return huma.ErrorWithHeaders(err, http.Header{"Location": {itemURL(p)}})
}

// faultsAt is the answer to a permission that breaks rules.
func faultsAt(at string, err error) error {
	var details []error
	for _, f := range mapping.Faults(err) {
		details = append(details, detail(at, f))
	}
	return invalid(details...)
}

func (s *service) putPermission(ctx context.Context, in *putPermissionInput) (*changedItemOutput, error) {
	var is mapping.Permission
	var stamp store.Stamp
	done, err := s.editItem(ctx, &in.ItemEdit, func(was mapping.Permission, by store.Stamp, c *store.Change) error {
		var err error
		stamp = by
		if is, err = in.Body.update(was); err != nil {
			return err
		}
		if !reflect.DeepEqual(is, was) {
			c.Put, stamp = []mapping.Permission{is}, stampOf(c, by)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	i, err := item(is, stamp, s.Now())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &changedItemOutput{ETag: i.ETag, Body: changedItem{i, done.changed()}}, nil
}

func (s *service) deletePermission(ctx context.Context, in *ItemEdit) (*changedOutput, error) {
	done, err := s.editItem(ctx, in, func(was mapping.Permission, _ store.Stamp, c *store.Change) error {
		c.Remove = []string{was.ID()}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &changedOutput{ETag: etag(done.after.Revision), Body: done.changed()}, nil
}

// editItem changes one permission if it is still the one of If-Match.
func (s *service) editItem(ctx context.Context, in *ItemEdit, decide func(mapping.Permission, store.Stamp, *store.Change) error) (edited, error) {
	found, _, err := s.findPermission(ctx, &in.ItemPath)
	if err != nil {
		return edited{}, err
	}
	return s.edit(ctx, found.API, in.Force.Force, func(t store.Snapshot, c *store.Change) error {
		p, ok := permissionOf(t, in.ID)
		if !ok {
			return noPermission()
		}
		i, err := item(p, t.Stamps[in.ID], s.Now())
		if err != nil {
			return s.problem(ctx, err)
		}
		if err := matchTag(in.IfMatch, i.ETag, "the permission"); err != nil {
			return err
		}
		return decide(p, t.Stamps[in.ID], c)
	})
}

// permissionUpdate is the body of a PUT: members by name, unread.
type permissionUpdate struct {
	members map[string]json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (u *permissionUpdate) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &u.members) }

// Schema implements huma.SchemaProvider.
func (permissionUpdate) Schema(r huma.Registry) *huma.Schema {
	s := Permission{}.Schema(r)
	s.Description = "description and expiresAt, or the whole permission with other ones. A permission that has one of the two needs it said: null takes it away."
	s.Required = nil
	text := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: doc, ReadOnly: true}
	}
	s.Properties["expiresAt"] = &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "RFC 3339; null for no end"}
	s.Properties["description"] = &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "at most 512 bytes; null for none"}
	for _, name := range shownOnly {
		s.Properties[name] = text("as GET gave it; not looked at")
	}
	s.Properties["id"] = text("of the permission in the path")
	s.Properties["expired"] = &huma.Schema{Type: huma.TypeBoolean, ReadOnly: true, Description: "as GET gave it; not looked at"}
	s.PrecomputeMessages()
	return s
}

// shownOnly are members that GET shows and that say nothing in a PUT: If-Match
// does.
var shownOnly = []string{"etag", "createdBy", "createdAt", "updatedBy", "updatedAt"}

// update is the permission with another description and expiresAt. Who has one of
// them and is told neither way keeps nothing in silence and loses nothing.
func (u permissionUpdate) update(was mapping.Permission) (mapping.Permission, error) {
	wire, err := members(was)
	if err != nil {
		return was, err
	}
	var details []error
	fault := func(field, message string, value any) {
		details = append(details, &huma.ErrorDetail{Location: "body." + field, Message: message, Value: value})
	}
	for name, value := range u.members {
		switch {
		case name == "description" || name == "expiresAt" || name == "expired" || slices.Contains(shownOnly, name):
		case name == "id":
			if text, _ := json.Marshal(was.ID()); !sameJSON(value, text) {
				fault(name, "must be that of the permission in the path", nil)
			}
		case !sameJSON(value, wire[name]) && !(string(value) == "false" && wire[name] == nil):
			fault(name, "must be as it is: of a permission, description and expiresAt may change, anything else makes another one", nil)
		}
	}
	for _, name := range []string{"description", "expiresAt"} {
		value, given := u.members[name]
		switch {
		case !given && wire[name] != nil:
			fault(name, "must be given, since the permission has one; null takes it away", nil)
		case string(value) == "null":
			delete(wire, name)
		case given:
			wire[name] = value
		}
	}
	if len(details) > 0 {
		return was, invalid(details...)
	}
	b, err := json.Marshal(wire)
	if err != nil {
		return was, err
	}
	is, err := mapping.ParsePermission(b)
	if err != nil {
		return was, faultsAt("body", err)
	}
	return is, nil
}

func members(p mapping.Permission) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(b, &m)
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
