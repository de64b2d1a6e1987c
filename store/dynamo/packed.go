package dynamo

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"scopegate/mapping"
	"scopegate/store"
)

// A table packed into one item: what is in the item, and the name by which a head
// names it. The name says the form and is the hash of the data, so that a head can be
// of no other data than that which was written with it.
const (
	packedData = "packed" // attribute of the item
	packedForm = "1:"
	// maxPacked keeps the item within 400 KB, with its key (AWS: "Quotas in Amazon DynamoDB").
	maxPacked = 380 << 10
	// maxUnpacked bounds what unpacking allocates: 10,000 routes are a tenth of it.
	maxUnpacked = 8 << 20
	// fewLines are allocated for without their having been seen.
	fewLines = 1 << 14
)

var errUnpackable = errors.New("the table does not fit into one item")

func packedName(data []byte) string {
	sum := sha256.Sum256(data)
	return packedForm + base64.RawURLEncoding.EncodeToString(sum[:])
}

// packTable is the data of a table: the length of its text, and the text compressed
// (RFC 1951). errUnpackable if it is too large, or holds what the text cannot.
func packTable(s store.Snapshot) ([]byte, error) {
	body, err := packedText(s)
	if err != nil {
		return nil, err
	}
	if len(body) > maxUnpacked {
		return nil, errUnpackable
	}
	packed := bytes.NewBuffer(binary.AppendUvarint(nil, uint64(len(body))))
	w, err := flate.NewWriter(packed, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if packed.Len() > maxPacked {
		return nil, errUnpackable
	}
	return packed.Bytes(), nil
}

// unpackTable is the table that h heads, from the packed data. The error says why it
// cannot be: then nothing is known of the table from it.
func unpackTable(h head, data []byte) (store.Snapshot, error) {
	if h.Packed == "" || h.Packed != packedName(data) {
		return store.Snapshot{}, errors.New("the head names another one")
	}
	length, n := binary.Uvarint(data)
	if n <= 0 || length > maxUnpacked {
		return store.Snapshot{}, errors.New("length: must be given, and at most 8 MB")
	}
	var body strings.Builder
	body.Grow(int(length))
	r := flate.NewReader(bytes.NewReader(data[n:]))
	if _, err := io.Copy(&body, io.LimitReader(r, int64(length)+1)); err != nil {
		return store.Snapshot{}, fmt.Errorf("unpack: %w", err)
	}
	if body.Len() != int(length) {
		return store.Snapshot{}, errors.New("length: is another one")
	}
	return parsePacked(h.meta(), body.String())
}

// The text of a table: a line that says what it is of, then a line for each permission
// and each route, in the order of their ids, tabs between the fields; empty fields at
// the end are left out. A route that a permission names in the same words is that
// permission's place in the list, counted from 0. No field of a permission may hold a
// control character.

func packedText(s store.Snapshot) ([]byte, error) {
	var w packedWriter
	w.line(packedHead(s.Meta, len(s.Permissions), len(s.Routes))...)
	named := make(map[[2]string]int, len(s.Permissions))
	for i, p := range s.Permissions {
		f := p.Fields()
		w.line(f.HTTPVerb, f.Resource, f.Scope, f.Role, f.Group, f.PrincipalType, f.Tenant,
			packedFlag(f.Authenticated), packedFlag(f.Registered), f.ExpiresAt, f.Description)
		place := [2]string{f.HTTPVerb, f.Resource}
		if _, ok := named[place]; !ok {
			named[place] = i
		}
	}
	for _, r := range s.Routes {
		if i, ok := named[[2]string{string(r.Verb), r.Resource.String()}]; ok {
			w.line(strconv.Itoa(i))
			continue
		}
		w.line(string(r.Verb), r.Resource.String(), asWritten)
	}
	return w.b.Bytes(), w.err
}

// asWritten tells a route that is written out from a place.
const asWritten = "="

// packedWriter writes lines until one of them cannot be written.
type packedWriter struct {
	b   bytes.Buffer
	err error
}

func (w *packedWriter) line(fields ...string) {
	for len(fields) > 1 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	for i, f := range fields {
		if strings.ContainsAny(f, "\t\n") {
			w.err = fmt.Errorf("%w: field %q", errUnpackable, f)
		}
		if i > 0 {
			w.b.WriteByte('\t')
		}
		w.b.WriteString(f)
	}
	w.b.WriteByte('\n')
}

// packedHead is the first line: whose table it is, at which revision, and how many
// lines of each kind follow.
func packedHead(m store.Meta, permissions, routes int) []string {
	return []string{
		m.API.ARN, m.API.Stage, strconv.FormatUint(m.Revision.Number, 10), m.Revision.Incarnation,
		strconv.Itoa(permissions), strconv.Itoa(routes),
	}
}

func packedFlag(set bool) string {
	if set {
		return "1"
	}
	return ""
}

// parsePacked reads the text of the table that meta is the head of.
func parsePacked(meta store.Meta, body string) (store.Snapshot, error) {
	s := store.Snapshot{Meta: meta}
	first, rest, _ := strings.Cut(body, "\n")
	fields := strings.Split(first, "\t")
	if len(fields) != 6 {
		return s, fmt.Errorf("line 1: %d fields: must be 6", len(fields))
	}
	permissions, errP := strconv.Atoi(fields[4])
	routes, errR := strconv.Atoi(fields[5])
	if errP != nil || errR != nil || permissions < 0 || routes < 0 {
		return s, fmt.Errorf("line 1: %s permissions and %s routes: must be counted", fields[4], fields[5])
	}
	if want := packedHead(meta, permissions, routes); strings.Join(want, "\t") != first {
		return s, fmt.Errorf("line 1: is of %q: must be of %q", first, want)
	}
	lines := packedLines{rest: rest, number: 1}
	for i := range permissions {
		p, err := lines.permission(meta.API)
		if err != nil {
			return s, fmt.Errorf("line %d: %w", lines.number, err)
		}
		if i == 0 {
			s.Permissions = make([]mapping.Permission, 0, min(permissions, fewLines))
		}
		s.Permissions = append(s.Permissions, p)
	}
	for i := range routes {
		r, err := lines.route(meta.API, s.Permissions)
		if err != nil {
			return s, fmt.Errorf("line %d: %w", lines.number, err)
		}
		if i == 0 {
			s.Routes = make([]mapping.Route, 0, min(routes, fewLines))
		}
		s.Routes = append(s.Routes, r)
	}
	if lines.rest != "" {
		return s, fmt.Errorf("%d bytes more than lines are counted", len(lines.rest))
	}
	return s, nil
}

// packedLines takes lines apart.
type packedLines struct {
	rest   string
	number int // of the line taken last
}

// next takes a line and fills fields with what is in it, "" for those left out.
func (l *packedLines) next(fields []string) error {
	line, rest, ended := strings.Cut(l.rest, "\n")
	l.rest, l.number = rest, l.number+1
	if !ended {
		return errors.New("is missing, or has no end")
	}
	for i := range fields {
		fields[i], line, ended = strings.Cut(line, "\t")
		if !ended {
			return nil
		}
	}
	return fmt.Errorf("must have at most %d fields", len(fields))
}

func (l *packedLines) permission(api mapping.API) (mapping.Permission, error) {
	var f [11]string
	if err := l.next(f[:]); err != nil {
		return mapping.Permission{}, err
	}
	if f[7] != packedFlag(f[7] != "") || f[8] != packedFlag(f[8] != "") {
		return mapping.Permission{}, fmt.Errorf("flags %q and %q: must be 1 or empty", f[7], f[8])
	}
	return mapping.NewPermission(mapping.Fields{
		ARN: api.ARN, Stage: api.Stage, HTTPVerb: f[0], Resource: f[1], Scope: f[2], Role: f[3], Group: f[4],
		PrincipalType: f[5], Tenant: f[6], Authenticated: f[7] != "", Registered: f[8] != "", ExpiresAt: f[9], Description: f[10],
	})
}

func (l *packedLines) route(api mapping.API, permissions []mapping.Permission) (mapping.Route, error) {
	var f [3]string
	if err := l.next(f[:]); err != nil {
		return mapping.Route{}, err
	}
	if f[2] == asWritten {
		return mapping.NewRoute(api, f[0], f[1])
	}
	i, err := strconv.Atoi(f[0])
	if err != nil || i < 0 || i >= len(permissions) || f[1]+f[2] != "" {
		return mapping.Route{}, fmt.Errorf("%q: must be a route, or the place of a permission", f)
	}
	r, ok := permissions[i].Route()
	if !ok {
		return mapping.Route{}, fmt.Errorf("permission %d: must be of a route, is a pattern", i)
	}
	return r, nil
}
