package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"scopegate/internal/yamljson"
	"scopegate/mapping"
)

// document is a table's document as a file has it, member by member: what is not
// changed here goes on as it was written.
type document struct {
	members map[string]json.RawMessage
	order   []string
	api     mapping.API
	list    bool // the file is a list of permissions, and says nothing of the rest
	// base is the revision of the table that the rest was taken from, "none" if there
	// was none, "" if nothing was: what is put on another one would undo changes.
	base string
}

// rewrite is what promotion changes.
type rewrite struct{ arn, stage string }

// readDocument reads a file as a document, JSON or YAML, or as the list of all
// permissions of one table.
func (p *program) readDocument(name string, r rewrite) (*document, error) {
	b, err := p.readFile(name)
	if err != nil {
		return nil, err
	}
	d, err := parseDocumentFile(b, r)
	if err != nil {
		return nil, negative(fmt.Errorf("%s: %w", name, err))
	}
	return d, nil
}

func parseDocumentFile(b []byte, r rewrite) (*document, error) {
	text, err := yamljson.ToJSON(b, maxInput)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '[' {
		return documentOfList(text, r)
	}
	if err := checkNames(json.NewDecoder(bytes.NewReader(text)), ""); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	d := &document{}
	if err := d.read(text); err != nil {
		return nil, fmt.Errorf("document: must be an object with arn, stage and permissions, or a list of permissions: %w", err)
	}
	if d.members["permissions"] == nil {
		return nil, errors.New("document: permissions: must be given: a document is the whole table, and would leave none")
	}
	var arn, stage string
	if err := errors.Join(member(d.members["arn"], &arn), member(d.members["stage"], &stage)); err != nil {
		return nil, fmt.Errorf("document: arn, stage: %w", err)
	}
	if err := d.become(arn, stage, r); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return d, nil
}

func member(raw json.RawMessage, into *string) error {
	if raw == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// documentOfList makes a document of permissions alone.
func documentOfList(text []byte, r rewrite) (*document, error) {
	list, err := mapping.ParsePermissions(text)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("holds no permission, which does not say whose table is meant: write a document with arn, stage and permissions: []")
	}
	for i, one := range list {
		if one.API != list[0].API {
			return nil, fmt.Errorf("permission %d: must be of the table of the first, %s, is of %s: each table is planned and applied by itself", i+1, list[0].API, one.API)
		}
	}
	d := &document{members: map[string]json.RawMessage{"permissions": text}, order: []string{"permissions"}, list: true}
	return d, d.become(list[0].API.ARN, list[0].API.Stage, r)
}

// read takes an object's members in their order.
func (d *document) read(text []byte) error {
	if err := json.Unmarshal(text, &d.members); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return err
		}
		d.order = append(d.order, fmt.Sprint(name))
	}
	return nil
}

// become sets arn and stage, of the document and of each permission that is of it.
// Others stay, and are refused by whoever gets the document.
func (d *document) become(arn, stage string, r rewrite) error {
	was := mapping.API{ARN: arn, Stage: stage}
	is := was
	if r.arn != "" {
		is.ARN = r.arn
	}
	if r.stage != "" {
		is.Stage = r.stage
	}
	api, err := mapping.ParseAPI(is.ARN, is.Stage)
	if err != nil {
		return err
	}
	d.api = api
	if is == was {
		return nil
	}
	d.set("arn", is.ARN)
	d.set("stage", is.Stage)
	var list []json.RawMessage
	if err := json.Unmarshal(d.members["permissions"], &list); err != nil {
		return fmt.Errorf("permissions: must be a list: %w", err)
	}
	for i, raw := range list {
		one := &document{}
		var arn, stage string
		if one.read(raw) != nil || member(one.members["arn"], &arn) != nil || member(one.members["stage"], &stage) != nil ||
			(mapping.API{ARN: arn, Stage: stage}) != was {
			return fmt.Errorf("permission %d: must be of the document's arn and stage to be rewritten", i+1)
		}
		one.set("arn", is.ARN)
		one.set("stage", is.Stage)
		list[i] = one.text()
	}
	b, err := json.Marshal(list)
	d.members["permissions"] = b
	return err
}

func (d *document) set(name, value string) {
	b, _ := json.Marshal(value) // a string
	if d.members[name] == nil {
		d.order = append([]string{name}, d.order...)
	}
	d.members[name] = b
}

// text is the document as JSON, members in their order.
func (d *document) text() []byte {
	var b strings.Builder
	for i, name := range d.order {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		key, _ := json.Marshal(name) // a string
		b.Write(key)
		b.WriteString(":")
		b.Write(d.members[name])
	}
	if len(d.order) == 0 {
		b.WriteString("{")
	}
	b.WriteString("}")
	return []byte(b.String())
}

// over fills in what a list of permissions does not say from the table as it is.
func (d *document) over(stored []byte) error {
	was := &document{}
	if err := was.read(stored); err != nil {
		return fmt.Errorf("read the table's document: %w", err)
	}
	permissions := d.members["permissions"]
	d.members, d.order = was.members, was.order
	if d.members["permissions"] == nil {
		d.order = append(d.order, "permissions")
	}
	d.members["permissions"] = permissions
	d.set("arn", d.api.ARN)
	d.set("stage", d.api.Stage)
	return nil
}

// sort puts permissions in the order in which people look for them, whatever their
// ids are: so a file under version control changes where the table does.
func (d *document) sort() error {
	var raw []json.RawMessage
	if err := json.Unmarshal(d.members["permissions"], &raw); err != nil {
		return err
	}
	type entry struct {
		mapping.Permission
		raw json.RawMessage
	}
	list := make([]entry, len(raw))
	for i, one := range raw {
		permission, err := mapping.ParsePermission(one)
		if err != nil {
			return err
		}
		list[i] = entry{permission, one}
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		return cmp.Or(
			cmp.Compare(a.Resource.String(), b.Resource.String()), cmp.Compare(a.Verb, b.Verb),
			cmp.Compare(a.Requires.String(), b.Requires.String()), bytes.Compare(a.raw, b.raw),
		)
	})
	for i, one := range list {
		raw[i] = one.raw
	}
	b, err := json.Marshal(raw)
	d.members["permissions"] = b
	return err
}
