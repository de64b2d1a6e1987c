// Package storetest is the contract of package store as a test suite: in goes a
// function that opens a fresh store, out comes a verdict on each promise. Every
// back end runs all of it.
package storetest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// Harness is a fresh, empty store and ways to disturb it. The ways are those of
// a back end that talks to a server; one in this process leaves them nil, and
// the suite checks the same promises by other means.
type Harness struct {
	Store store.Store
	// Reopen closes the store and opens it again on the same tables.
	Reopen func() store.Store
	// BeforeRequest has f called once, before the n-th request to the server
	// from now, counted from 0.
	BeforeRequest func(n int, f func())
	// LoseNextAnswer has the next commit carried out, and its answer and the
	// requests that repeat it lost.
	LoseNextAnswer func()
	// CutAfter lets n requests through and fails all others; with lost, the
	// first of these is carried out all the same. restore ends that and reports
	// whether any request failed.
	CutAfter func(n int, lost bool) (restore func() bool)
}

// testCase is one promise.
type testCase struct {
	name string
	run  func(*testing.T, Harness)
}

// Run runs the suite, cases side by side; open is called once for each.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	RunBut(t, nil, open)
}

// RunBut runs the suite without the cases of these names.
func RunBut(t *testing.T, left []string, open func(t *testing.T) Harness) {
	t.Helper()
	all := slices.Concat(cases, revocationCases)
	for _, name := range left {
		if !slices.ContainsFunc(all, func(c testCase) bool { return c.name == name }) {
			t.Fatalf("the suite has no case %q", name)
		}
	}
	for _, c := range all {
		if slices.Contains(left, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

// RevocationCases names the cases that are about revocations, for RunBut.
func RevocationCases() []string {
	var names []string
	for _, c := range revocationCases {
		names = append(names, c.name)
	}
	return names
}

// cases are the promises of store.Store.
var cases = []testCase{
	{"what is written is read back, every field of it", roundTrip},
	{"a table that does not exist is ErrNotFound", absence},
	{"tables do not touch each other and are listed in order", isolation},
	{"an invalid change is ErrInvalid and writes nothing", invalid},
	{"a permission put again is replaced", replaced},
	{"stamps say who made and who last wrote each permission", stamped},
	{"routes stay when their permission goes", routesStay},
	{"a head stays until it is replaced", heads},
	{"a change for another revision is ErrConflict and writes nothing", conflicts},
	{"a change of any size is one change", sizes},
	{"a table larger than any page is read whole", paging},
	{"a table made anew never has an earlier revision", recreated},
	{"the audit trail is written with the change, newest first, in pages", auditPages},
	{"the audit trail outlives the table", auditSurvives},
	{"the record of a bulk change is read back whole", auditBulk},
	{"a change that was not made has no record", auditMissing},
	{"a table is known as it was at every earlier revision", restored},
	{"the same change twice is made once", sameChange},
	{"the same change at once from many is made once", sameChangeAtOnce},
	{"a lost answer is looked up", lostAnswer},
	{"writers at once lose nothing", writersAtOnce},
	{"a reader never sees half a change, wherever it comes in between", tornReads},
	{"a reader never sees half a change while a writer is at it", readersAndWriter},
	{"a commit that breaks off anywhere is made whole or not at all", crashes},
	{"a commit cancelled anywhere is made whole or not at all", cancelledAnywhere},
	{"a context that is over is an error and writes nothing", cancelled},
	{"what was written is there after reopening", reopened},
}

const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

var (
	dev  = mapping.API{ARN: arn, Stage: "dev"}
	when = time.Date(2026, 11, 21, 12, 30, 15, 123456789, time.UTC)
)

// ids are in the order in which they are made, which ulid.Make's are not where
// tests run side by side and the clock is slow or goes back.
var ids struct {
	sync.Mutex
	newest  uint64
	entropy *ulid.MonotonicEntropy
}

// newID is an id after all that were made before.
func newID() string {
	ids.Lock()
	defer ids.Unlock()
	if ids.entropy == nil {
		ids.entropy = ulid.Monotonic(rand.Reader, 0)
	}
	ids.newest = max(ids.newest, ulid.Now())
	return ulid.MustNew(ids.newest, ids.entropy).String()
}

// fields are a permission as it is written, by the wire format's names.
type fields map[string]any

// permission makes a permission of an API; it must be valid.
func permission(t testing.TB, api mapping.API, f fields) mapping.Permission {
	t.Helper()
	all := fields{"arn": api.ARN, "stage": api.Stage, "httpVerb": "GET", "resource": "orders/{id}"}
	for name, v := range f {
		all[name] = v
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.ParsePermission(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scoped makes n permissions on one route, each with a scope of its own.
func scoped(t testing.TB, api mapping.API, n int, prefix string) []mapping.Permission {
	t.Helper()
	var all []mapping.Permission
	for i := range n {
		all = append(all, permission(t, api, fields{"scope": fmt.Sprintf("%s.%d", prefix, i)}))
	}
	return all
}

func route(t testing.TB, api mapping.API, verb, resource string) mapping.Route {
	t.Helper()
	r, err := mapping.NewRoute(api, verb, resource)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func permissionIDs(all []mapping.Permission) []string {
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID())
	}
	return ids
}

// change is a change with all that must be given.
func change(api mapping.API, at store.Revision) store.Change {
	return store.Change{ID: newID(), API: api, If: at, By: "tid:oid", RequestID: "request-1", At: when}
}

// create makes a table with the permissions given.
func create(t testing.TB, s store.Store, api mapping.API, put ...mapping.Permission) store.Meta {
	t.Helper()
	c := change(api, store.Revision{})
	c.Put = put
	return commit(t, s, c)
}

func commit(t testing.TB, s store.Store, c store.Change) store.Meta {
	t.Helper()
	m, err := s.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func load(t testing.TB, s store.Store, api mapping.API) store.Snapshot {
	t.Helper()
	snapshot, err := s.Load(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func audit(t testing.TB, s store.Store, api mapping.API) []store.Record {
	t.Helper()
	var all []store.Record
	for before := ""; ; {
		page, err := s.Audit(t.Context(), api, before, store.MaxAuditLimit)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, page...); len(page) < store.MaxAuditLimit {
			return all
		}
		before = page[len(page)-1].ChangeID
	}
}

func detail(t testing.TB, s store.Store, api mapping.API, changeID string) store.Record {
	t.Helper()
	r, err := s.AuditDetail(t.Context(), api, changeID)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// records counts the audit records of one change.
func records(t testing.TB, s store.Store, c store.Change) int {
	t.Helper()
	n := 0
	for _, r := range audit(t, s, c.API) {
		if r.ChangeID == c.ID {
			n++
		}
	}
	return n
}

// wantAt checks that nothing moved: the table is at the revision.
func wantAt(t testing.TB, s store.Store, api mapping.API, want store.Revision) {
	t.Helper()
	m, err := s.Meta(t.Context(), api)
	if errors.Is(err, store.ErrNotFound) {
		m, err = store.Meta{}, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.Revision != want {
		t.Errorf("the table is at revision %s, want %s", m.Revision, want)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// snapshotOf is what a table with these permissions and further routes must
// read as.
func snapshotOf(m store.Meta, put []mapping.Permission, further ...mapping.Route) store.Snapshot {
	s := store.Snapshot{Meta: m, Permissions: slices.Clone(put)}
	byID := map[string]mapping.Route{}
	for _, p := range put {
		if r, ok := p.Route(); ok {
			byID[r.ID()] = r
		}
	}
	for _, r := range further {
		byID[r.ID()] = r
	}
	for _, r := range byID {
		s.Routes = append(s.Routes, r)
	}
	slices.SortFunc(s.Permissions, func(a, b mapping.Permission) int { return strings.Compare(a.ID(), b.ID()) })
	slices.SortFunc(s.Routes, func(a, b mapping.Route) int { return strings.Compare(a.ID(), b.ID()) })
	return s
}

// same compares by the wire format, permissions and routes being opaque.
var same = cmp.Options{
	cmpopts.IgnoreFields(store.Snapshot{}, "Stamps"),                            // a case of their own: stamped
	cmpopts.IgnoreFields(store.Record{}, "GenerationBefore", "GenerationAfter"), // of one back end only
	cmp.Comparer(func(a, b mapping.Permission) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return string(x) == string(y)
	}),
	cmp.Comparer(func(a, b mapping.Route) bool { return a.API == b.API && a.String() == b.String() }),
}

func wantSame(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("-want +got:\n%.4000s", diff)
	}
}
