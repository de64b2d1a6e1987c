package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"scopegate/admin"
	"scopegate/internal/config"
	"scopegate/internal/lint"
	"scopegate/mapping"
)

// lintTables reads what is looked at, and the settings that go with it.
func (p *program) lintTables(ctx context.Context, l linted, args []string) ([]lint.Table, config.Settings, error) {
	if len(args) == 0 {
		return p.lintStored(ctx, l)
	}
	settings, err := p.settings(config.Store)
	if err != nil {
		return nil, settings, err
	}
	b, err := p.readFile(args[0])
	if err != nil {
		return nil, settings, err
	}
	tables, err := parseTables(b)
	if err != nil {
		return nil, settings, negative(fmt.Errorf("%s:\n%w", args[0], err))
	}
	if len(tables) == 0 {
		fmt.Fprintf(p.stderr, "%s holds no permission: there is nothing to look at.\n", args[0])
	}
	return tables, settings, nil
}

// lintStored loads the table of an API.
func (p *program) lintStored(ctx context.Context, l linted) ([]lint.Table, config.Settings, error) {
	t := target{l.where, l.arn, l.stage}
	if err := t.check(); err != nil {
		return nil, config.Settings{}, err
	}
	source, api, err := p.on(ctx, t, reading)
	if err != nil {
		return nil, config.Settings{}, err
	}
	defer source.close()
	snapshot, err := source.tables.Load(ctx, api)
	if err != nil {
		return nil, source.settings, fmt.Errorf("read table of %s: %w", api, err)
	}
	table := lint.Table{API: api, Routes: snapshot.Routes, Complete: snapshot.Complete != nil, Trust: snapshot.Trust}
	for _, one := range snapshot.Permissions {
		table.Entries = append(table.Entries, lint.Entry{Permission: one})
	}
	return []lint.Table{table}, source.settings, nil
}

func trustIn(tenant, issuer string, audiences []string) mapping.Trust {
	return mapping.Trust{Tenant: tenant, Issuer: issuer, Audiences: audiences}
}

// parseTables reads a list of permissions, of several tables in the order in
// which it names them, or the document of one table.
func parseTables(b []byte) ([]lint.Table, error) {
	if isDocument(b) {
		t, err := parseDocument(b)
		return []lint.Table{t}, err
	}
	list, err := mapping.ParsePermissions(b)
	if err != nil {
		return nil, err
	}
	var tables []lint.Table
	at := map[mapping.API]int{}
	for i, one := range list {
		n, known := at[one.API]
		if !known {
			n = len(tables)
			at[one.API] = n
			tables = append(tables, lint.Table{API: one.API})
		}
		tables[n].Entries = append(tables[n].Entries, lint.Entry{Place: i + 1, Permission: one})
	}
	return tables, nil
}

// isDocument tells a document from a single permission.
func isDocument(b []byte) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) != nil {
		return false
	}
	_, ok := object["permissions"]
	return ok
}

// parseDocument reads a document by its exact names, each given once: what is
// misread would pass for sound.
func parseDocument(b []byte) (lint.Table, error) {
	if !utf8.Valid(b) {
		return lint.Table{}, errors.New("document: must be valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := checkNames(dec, ""); err != nil {
		return lint.Table{}, fmt.Errorf("document: %w", err)
	}
	var said struct{ Complete json.RawMessage }
	if json.Unmarshal(b, &said) == nil && string(said.Complete) == "true" {
		return lint.Table{}, errors.New(`document: complete true: must be an object such as {"source": "sha256:…"}, what the table was made from; --complete says it of a file`)
	}
	var doc admin.Document
	if err := json.Unmarshal(b, &doc); err != nil {
		return lint.Table{}, fmt.Errorf("document: %w", err)
	}
	var errs []error
	api, err := mapping.ParseAPI(doc.ARN, doc.Stage)
	errs = append(errs, mapping.Faults(err)...)
	for i, t := range doc.Trust {
		for _, f := range mapping.Faults(t.Validate()) {
			errs = append(errs, fmt.Errorf("trust %d: %w", i+1, f))
		}
	}
	if doc.Complete != nil && doc.Complete.Source == "" {
		errs = append(errs, errors.New("complete.source: must be given"))
	}
	t := lint.Table{API: api, Complete: doc.Complete != nil, Trust: doc.Trust}
	for i, raw := range doc.Permissions {
		one, err := permissionOf(raw, api)
		for _, f := range mapping.Faults(err) {
			errs = append(errs, fmt.Errorf("permission %d: %w", i+1, f))
		}
		t.Entries = append(t.Entries, lint.Entry{Place: i + 1, Permission: one})
	}
	return t, errors.Join(errs...)
}

func permissionOf(raw admin.Permission, api mapping.API) (mapping.Permission, error) {
	b, err := raw.MarshalJSON()
	if err != nil {
		return mapping.Permission{}, err
	}
	one, err := mapping.ParsePermission(b)
	if err == nil && one.API != api {
		err = fmt.Errorf("must be of the document's arn and stage, is of %s", one.API)
	}
	return one, err
}

// documentNames are the names of each object of a document. Permissions are
// package mapping's to read.
var documentNames = map[string][]string{
	"":         {"arn", "stage", "name", "complete", "owners", "trust", "permissions"},
	"complete": {"source", "by", "at"},
	"owners":   {"tenant", "role", "group"},
	"trust":    {"tenant", "issuer", "audiences"},
}

// checkNames holds a document to its names.
func checkNames(dec *json.Decoder, at string) error {
	return names{of: documentNames, what: "a document", opaque: "permissions"}.check(dec, at)
}

// names are those that the objects of a file may have, by their path such as
// "trust". What stands at the opaque path is somebody else's to read.
type names struct {
	of           map[string][]string
	what, opaque string
}

// check reads one value.
func (n names) check(dec *json.Decoder, at string) error {
	t, err := dec.Token()
	if err != nil {
		return noEOF(err)
	}
	switch t {
	case json.Delim('['):
		for dec.More() {
			if err := n.check(dec, at); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		if err := n.members(dec, at); err != nil {
			return err
		}
	default:
		return nil
	}
	_, err = dec.Token()
	return noEOF(err)
}

func (n names) members(dec *json.Decoder, at string) error {
	allowed, ok := n.of[at]
	if !ok {
		return fmt.Errorf("%s: must not be an object", at)
	}
	given := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return noEOF(err)
		}
		name, _ := t.(string)
		path := name
		if at != "" {
			path = at + "." + name
		}
		switch {
		case !slices.Contains(allowed, name):
			return fmt.Errorf("%q: is not a field of %s (names are case-sensitive)", path, n.what)
		case given[name]:
			return fmt.Errorf("%q: must be given once", path)
		}
		given[name] = true
		if path == n.opaque {
			var skipped json.RawMessage
			err = dec.Decode(&skipped)
		} else {
			err = n.check(dec, path)
		}
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// noEOF is for text that ends too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
