package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// member is one member of a JSON object, in the order it was written.
type member struct {
	name  string
	value json.RawMessage
}

// maxMembers is far more than a permission has.
const maxMembers = 64

// decodeObject reads one JSON object, exactly: encoding/json alone would fold
// the case of names and take the last of several equal ones.
func decodeObject(b []byte) ([]member, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("JSON: must be valid UTF-8")
	}
	if members, ok := plainObject(b); ok {
		return members, nil
	}
	return anyObject(b)
}

// anyObject is what decodeObject does of any text in UTF-8.
func anyObject(b []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("JSON: must be an object")
	}
	var members []member
	for dec.More() {
		if len(members) == maxMembers {
			return nil, errors.New("JSON: must not have more than 64 members")
		}
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("JSON: %w", err)
		}
		name, _ := t.(string)
		if slices.ContainsFunc(members, func(m member) bool { return m.name == name }) {
			return nil, fault(name, "", "must be given once")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("JSON: %w", err)
		}
		members = append(members, member{name, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("JSON: nothing may follow the object")
	}
	return members, nil
}

// decodeWire reads the members of a permission by their exact names. readable
// says whether b is one JSON object at all, so that its rules can be looked at.
func decodeWire(b []byte) (w wire, readable bool, err error) {
	members, err := decodeObject(b)
	if err != nil {
		return wire{}, false, err
	}
	var errs []error
	for _, m := range members {
		switch text, flag := w.text(m.name), w.flag(m.name); {
		case text != nil:
			errs = append(errs, decodeText(m, text))
		case flag != nil:
			errs = append(errs, decodeFlag(m, flag))
		default:
			errs = append(errs, fault(m.name, string(m.value), "is not a field of a permission (names are case-sensitive)"))
		}
	}
	for _, name := range []string{"arn", "stage", "httpVerb", "resource"} {
		if !slices.ContainsFunc(members, func(m member) bool { return m.name == name }) {
			errs = append(errs, fault(name, "", "must be given"))
		}
	}
	return w, true, errors.Join(errs...)
}

// text is where the text of a member belongs, nil for no text's name.
func (w *wire) text(name string) *string {
	switch name {
	case "arn":
		return &w.ARN
	case "stage":
		return &w.Stage
	case "httpVerb":
		return &w.HTTPVerb
	case "resource":
		return &w.Resource
	case "scope":
		return &w.Scope
	case "role":
		return &w.Role
	case "group":
		return &w.Group
	case "principalType":
		return &w.PrincipalType
	case "tenant":
		return &w.Tenant
	case "expiresAt":
		return &w.ExpiresAt
	case "description":
		return &w.Description
	}
	return nil
}

func (w *wire) flag(name string) *bool {
	switch name {
	case "authenticated":
		return &w.Authenticated
	case "registered":
		return &w.Registered
	}
	return nil
}

// decodeText refuses an empty value where leaving it out would mean something
// else: a scope that a template failed to fill must not widen a permission.
func decodeText(m member, to *string) error {
	if len(m.value) == 0 || m.value[0] != '"' {
		return fault(m.name, string(m.value), "must be a string")
	}
	if bytes.IndexByte(m.value, '\\') < 0 { // it is valid: then it means what it says
		*to = string(m.value[1 : len(m.value)-1])
	} else if err := json.Unmarshal(m.value, to); err != nil {
		return fault(m.name, string(m.value), "must be a string")
	}
	if *to == "" && m.name != "resource" && m.name != "description" {
		return fault(m.name, "", "must not be empty")
	}
	return nil
}

func decodeFlag(m member, to *bool) error {
	switch string(m.value) {
	case "true":
		*to = true
	case "false":
	default:
		return fault(m.name, string(m.value), "must be true or false")
	}
	return nil
}

// ParsePermissions reads a JSON array of permissions, or a single one. All
// faults of all entries come back together, each with the entry's place
// (counted from 1), and then no permissions.
func ParsePermissions(b []byte) ([]Permission, error) {
	entries, err := split(b)
	if err != nil {
		return nil, err
	}
	var errs []error
	permissions := make([]Permission, 0, len(entries))
	for i, entry := range entries {
		p, err := ParsePermission(entry)
		for _, f := range Faults(err) {
			errs = append(errs, fmt.Errorf("permission %d: %w", i+1, f))
		}
		permissions = append(permissions, p)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return permissions, nil
}

// split takes an array apart; a single object counts as an array of one.
func split(b []byte) ([]json.RawMessage, error) {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case bytes.HasPrefix(trimmed, []byte("{")):
		return []json.RawMessage{b}, nil
	case !bytes.HasPrefix(trimmed, []byte("[")):
		return nil, errors.New("JSON: must be an array of permissions")
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(b, &entries); err != nil {
		return nil, fmt.Errorf("JSON: must be an array of permissions: %w", err)
	}
	return entries, nil
}
