package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
)

// Page is what every listing takes. A limit that is not given is 100.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most; a page may hold fewer although more follow: next says so"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next of the page before"`
}

// maxPageBytes bounds the items of one page: Lambda answers with 6 MB at most
// (AWS: "Lambda quotas"). The first item is always there.
const maxPageBytes = 2 << 20

// position is where a listing goes on: behind the item ID of the table of ARN and
// Stage. It says where, never of what: what the caller may see is decided anew
// for every page, so that a cursor made up or found opens nothing.
type position struct {
	ARN   string `json:"a,omitempty"`
	Stage string `json:"s,omitempty"`
	ID    string `json:"i,omitempty"`
}

func (p position) cursor() string {
	b, err := json.Marshal(p)
	if err != nil {
		return "" // three strings: cannot be
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p position) api() mapping.API { return mapping.API{ARN: p.ARN, Stage: p.Stage} }

// position reads the cursor; the zero position is the beginning. check judges what
// only one kind of listing has.
func (p Page) position(check func(position) bool) (position, error) {
	if p.Cursor == "" {
		return position{}, nil
	}
	var at position
	b, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		err = dec.Decode(&at)
	}
	if err == nil && (at.cursor() != p.Cursor || !check(at)) {
		err = errors.New("not written by this listing")
	}
	if err != nil {
		return position{}, badCursor(p.Cursor)
	}
	return at, nil
}

func badCursor(cursor string) error {
	return invalid(&huma.ErrorDetail{Location: "query.cursor", Value: cursor, Message: "must be next of the page before"})
}

// inTables holds of positions in a listing over tables, by id inTable within one.
func inTables(at position) bool {
	_, err := mapping.ParseAPI(at.ARN, at.Stage)
	return err == nil
}

func inTable(at position) bool { return at.ARN == "" && at.Stage == "" && at.ID != "" }

// compareAPIs is the order of listings, that of store.Store's APIs.
func compareAPIs(a, b mapping.API) int {
	if c := strings.Compare(a.ARN, b.ARN); c != 0 {
		return c
	}
	return strings.Compare(a.Stage, b.Stage)
}

// page gathers items up to its limit and to maxPageBytes.
type page[T any] struct {
	limit int
	items []T
	bytes int
	next  string
}

func newPage[T any](p Page) *page[T] { return &page[T]{limit: p.Limit, items: []T{}} }

// add takes an item, or reports that it has no place any more. after is where the
// page goes on if it has none: the position before the item.
func (p *page[T]) add(item T, after position) bool {
	b, err := json.Marshal(item)
	if err != nil {
		b = nil // is then found when it is written
	}
	if len(p.items) > 0 && (len(p.items) == p.limit || p.bytes+len(b) > maxPageBytes) {
		p.next = after.cursor()
		return false
	}
	p.items, p.bytes = append(p.items, item), p.bytes+len(b)
	return true
}
