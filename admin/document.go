package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// Document is a whole table as it is read and written.
type Document struct {
	ARN         string          `json:"arn" doc:"ARN of the API, without stage"`
	Stage       string          `json:"stage"`
	Name        string          `json:"name,omitempty"`
	Complete    *Complete       `json:"complete,omitempty" doc:"Says that the table lists every route of the API"`
	Owners      []store.Owner   `json:"owners,omitempty"`
	Trust       []mapping.Trust `json:"trust,omitempty" doc:"Whose tokens the table believes; empty means the first configured tenant or issuer"`
	Permissions []Permission    `json:"permissions" nullable:"false" maxItems:"10000"`

	named bool // name was given: "" is then no absence
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Document) UnmarshalJSON(b []byte) error {
	type plain Document // without this method
	in := struct {
		*plain
		Name *string `json:"name"` // in place of the one in plain
	}{plain: (*plain)(d)}
	*d = Document{}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if d.named = in.Name != nil; d.named {
		d.Name = *in.Name
	}
	return nil
}

// Complete is store.Complete; by and at are the API's to say.
type Complete struct {
	Source string     `json:"source" minLength:"1" doc:"Where the list of routes came from, such as the hash of a file"`
	By     string     `json:"by,omitempty" readOnly:"true"`
	At     *time.Time `json:"at,omitempty" readOnly:"true"`
}

// Permission is a permission in the wire format, unread: package mapping reads
// it, exactly.
type Permission struct{ raw json.RawMessage }

// MarshalJSON implements json.Marshaler.
func (p Permission) MarshalJSON() ([]byte, error) { return p.raw, nil }

// UnmarshalJSON implements json.Unmarshaler.
func (p *Permission) UnmarshalJSON(b []byte) error {
	p.raw = slices.Clone(b)
	return nil
}

// Schema implements huma.SchemaProvider. It holds the form of a permission; the
// rules are package mapping's.
func (Permission) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	flag := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean, Description: doc} }
	s := &huma.Schema{
		Type:                 huma.TypeObject,
		Description:          "Lets whoever meets all of its requirements call what it names",
		AdditionalProperties: false,
		Required:             []string{"arn", "stage", "httpVerb", "resource"},
		Properties: map[string]*huma.Schema{
			"arn":           text("ARN of the API, without stage"),
			"stage":         text("stage, case-sensitive"),
			"httpVerb":      text("GET POST PUT PATCH DELETE HEAD OPTIONS, ANY or *, $connect"),
			"resource":      text("a route such as orders/{id}, or a pattern such as orders/*"),
			"scope":         text("one or several scopes, separated by spaces, all needed"),
			"role":          text("an app role"),
			"group":         text("object id of a group"),
			"principalType": {Type: huma.TypeString, Enum: []any{"user", "app"}},
			"tenant":        text("tenant id (GUID)"),
			"authenticated": flag("any verified caller"),
			"registered":    flag("the route exists, and nobody may call it through this"),
			"expiresAt":     text("RFC 3339; held before that instant"),
			"description":   text("at most 512 bytes"),
		},
	}
	s.PrecomputeMessages()
	return s
}

// documentOf writes a table. Routes that no permission names (any more) stand in
// it as registered ones: to leave them out would open them to holders of more
// general routes wherever the document is put.
func documentOf(s store.Snapshot) (Document, error) {
	d := Document{
		ARN: s.API.ARN, Stage: s.API.Stage, Name: s.Name, Owners: s.Owners, Trust: s.Trust,
		Permissions: []Permission{},
	}
	if c := s.Complete; c != nil {
		at := c.At
		d.Complete = &Complete{Source: c.Source, By: c.By, At: &at}
	}
	all, err := listed(s)
	if err != nil {
		return d, err
	}
	for _, p := range all {
		raw, err := json.Marshal(p)
		if err != nil {
			return d, fmt.Errorf("write permission %s: %w", p.ID(), err)
		}
		d.Permissions = append(d.Permissions, Permission{raw})
	}
	return d, nil
}

// listed is every permission of a table, and every route without one as a
// registered permission.
func listed(s store.Snapshot) ([]mapping.Permission, error) {
	all := slices.Clone(s.Permissions)
	named := map[string]bool{}
	for _, p := range all {
		if r, ok := p.Route(); ok {
			named[r.ID()] = true
		}
	}
	for _, r := range s.Routes {
		if named[r.ID()] {
			continue
		}
		p, err := registered(r)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func registered(r mapping.Route) (mapping.Permission, error) {
	b, err := json.Marshal(map[string]any{
		"arn": r.API.ARN, "stage": r.API.Stage, "httpVerb": r.Verb, "resource": r.Resource.String(), "registered": true,
	})
	if err != nil {
		return mapping.Permission{}, fmt.Errorf("write route %s: %w", r, err)
	}
	p, err := mapping.ParsePermission(b)
	if err != nil {
		return mapping.Permission{}, fmt.Errorf("write route %s: %w", r, err)
	}
	return p, nil
}

// permissions reads the permissions of a document; every fault has its place.
func (d Document) permissions(api mapping.API) ([]mapping.Permission, error) {
	list := make([]mapping.Permission, 0, len(d.Permissions))
	var details []error
	for i, raw := range d.Permissions {
		p, err := mapping.ParsePermission(raw.raw)
		for _, f := range mapping.Faults(err) {
			details = append(details, detail(fmt.Sprintf("body.permissions[%d]", i), f))
		}
		if err == nil && p.API != api {
			details = append(details, &huma.ErrorDetail{
				Location: fmt.Sprintf("body.permissions[%d]", i), Value: p.API.String(),
				Message: "must be of the document's arn and stage",
			})
		}
		list = append(list, p)
	}
	if len(details) > 0 {
		return nil, invalid(details...)
	}
	batches, err := store.Batches(list)
	if err != nil {
		return nil, invalid(detail("body.permissions", err))
	}
	if len(batches) == 0 {
		return nil, nil
	}
	return batches[0].Permissions, nil
}

// detail is a fault with its place in the body.
func detail(at string, err error) error {
	var f *mapping.FieldError
	if errors.As(err, &f) {
		return &huma.ErrorDetail{Location: at + "." + f.Field, Value: f.Value, Message: f.Rule}
	}
	return &huma.ErrorDetail{Location: at, Message: err.Error()}
}
