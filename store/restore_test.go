package store_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/bolt"
)

// sameTable compares what tables say, stamps left out.
var sameTable = gocmp.Options{
	cmpopts.IgnoreFields(store.Snapshot{}, "Stamps"), cmpopts.EquateEmpty(),
	gocmp.Comparer(func(a, b mapping.Permission) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return string(x) == string(y)
	}),
	gocmp.Comparer(func(a, b mapping.Route) bool { return a.API == b.API && a.String() == b.String() }),
}

// contents are all of a table but its revision.
func contents(s store.Snapshot) store.Snapshot {
	s.Revision = store.Revision{}
	return s
}

// choices are the permissions and routes that random histories are made of: some
// are the same but for what does not identify them.
func choices() (permissions []mapping.Permission, routes []mapping.Route) {
	for _, resource := range []string{"", "a", "a/{x}", "a/{y}", "b/{p+}", "c/"} {
		for _, scope := range []string{"s", "t"} {
			p := tabletest.Permission("GET", resource, scope)
			described := p
			described.Description = "d"
			permissions = append(permissions, p, described)
		}
		r, err := mapping.NewRoute(tabletest.API, "GET", resource)
		if err != nil {
			panic(err)
		}
		routes = append(routes, r)
	}
	return append(permissions, tabletest.Permission("GET", "b/*", "s")), routes
}

// randomChange draws a change that is possible for a table.
func randomChange(t *rapid.T, now store.Snapshot) store.Change {
	c := store.Change{API: tabletest.API, If: now.Revision, By: "me", At: epoch}
	// Ids in any order: clocks differ.
	c.ID = ulid.MustNew(rapid.Uint64Range(1, 1<<40).Draw(t, "time"), ulid.DefaultEntropy()).String()
	there := now.Revision != store.Revision{}
	if there && rapid.IntRange(0, 7).Draw(t, "delete") == 0 {
		c.Delete = true
		return c
	}
	permissions, routes := choices()
	permissions = rapid.Permutation(permissions).Draw(t, "permissions")[:rapid.IntRange(0, 6).Draw(t, "n")]
	if rapid.IntRange(0, 7).Draw(t, "bulk") == 0 {
		for i := range store.MaxListed + 1 {
			permissions = append(permissions, tabletest.Permission("POST", "bulk", fmt.Sprint("bulk.", i)))
		}
	}
	put, named := map[string]bool{}, map[string]bool{}
	for _, p := range permissions {
		if !put[p.ID()] {
			put[p.ID()] = true
			c.Put = append(c.Put, p)
		}
	}
	for _, r := range routes {
		if rapid.IntRange(0, 5).Draw(t, "route") == 0 && !put[r.ID()] {
			put[r.ID()] = true
			c.PutRoutes = append(c.PutRoutes, r)
		}
	}
	for _, p := range now.Permissions {
		if !put[p.ID()] && rapid.Bool().Draw(t, "remove") {
			c.Remove = append(c.Remove, p.ID())
		} else if r, ok := p.Route(); ok {
			named[r.ID()] = true
		}
	}
	for _, p := range c.Put {
		if r, ok := p.Route(); ok {
			named[r.ID()] = true
		}
	}
	for _, r := range now.Routes {
		if !named[r.ID()] && !put[r.ID()] && rapid.Bool().Draw(t, "removeRoute") {
			c.RemoveRoutes = append(c.RemoveRoutes, r.ID())
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "head") == 0 {
		c.Head = &store.Head{Name: rapid.SampledFrom([]string{"", "n", "m"}).Draw(t, "name"), Trust: tabletest.Trust}
		if rapid.Bool().Draw(t, "complete") {
			c.Head.Complete = &store.Complete{Source: "x", By: "me", At: epoch.UTC()}
		}
	}
	return c
}

// TestEveryEarlierRevisionIsFoundAgain: whatever happened to a table, deletion
// included, it is known as it was at each of its revisions, and one change makes
// it so again.
func TestEveryEarlierRevisionIsFoundAgain(t *testing.T) {
	dir := t.TempDir()
	files := 0
	rapid.Check(t, func(t *rapid.T) {
		files++
		path := filepath.Join(dir, fmt.Sprint(files))
		s, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(s.Close(), os.Remove(path)); err != nil {
				t.Fatal(err)
			}
		}()
		ctx := context.Background()
		now := store.Snapshot{}
		commit := func(c store.Change) {
			if _, err := s.Commit(ctx, c); err != nil {
				t.Fatal(err)
			}
			if now, err = s.Load(ctx, tabletest.API); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
		}
		var all []store.Snapshot
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			commit(randomChange(t, now))
			if now.Revision != (store.Revision{}) {
				all = append(all, now)
			}
		}
		for _, want := range all {
			got, err := store.At(ctx, s, tabletest.API, want.Revision)
			if diff := gocmp.Diff(want, got, sameTable); err != nil || diff != "" {
				t.Fatalf("at %s: %v\n%s", want.Revision, err, diff)
			}
		}
		want := rapid.SampledFrom(all).Draw(t, "restored")
		back, err := store.At(ctx, s, tabletest.API, want.Revision)
		if err != nil {
			t.Fatal(err)
		}
		c, err := store.ReplaceBy(now, back)
		if err != nil {
			t.Fatal(err)
		}
		same := gocmp.Equal(contents(now), contents(back), sameTable) && now.Revision != store.Revision{}
		if same != c.Empty() && routesOf(now) == routesOf(back) {
			t.Fatalf("tables the same: %v; the change: %+v", same, c)
		}
		c.ID, c.By, c.At = ulid.Make().String(), "me", epoch
		there := now.Revision != store.Revision{}
		commit(c)
		wantContents(t, contents(want), contents(now), there)
	})
}

// routesOf are the routes of a table as they are written.
func routesOf(s store.Snapshot) string { return fmt.Sprint(s.Routes) }

// wantContents compares tables; where one was there before, a route that stayed
// keeps the parameter names it had.
func wantContents(t *rapid.T, want, got store.Snapshot, there bool) {
	if there {
		byShape := func(a, b mapping.Route) int { return cmp.Compare(a.ID(), b.ID()) }
		if slices.CompareFunc(want.Routes, got.Routes, byShape) != 0 {
			t.Fatalf("routes %v, want %v", got.Routes, want.Routes)
		}
		want.Routes, got.Routes = nil, nil
	}
	if diff := gocmp.Diff(want, got, sameTable); diff != "" {
		t.Fatal(diff)
	}
}

// trail is a table and its audit trail that a test puts together.
type trail struct {
	now     store.Snapshot
	records []store.Record // newest last, by change id
	lists   map[string][]byte
	number  uint64
	onAudit func()
}

func (tr *trail) Load(context.Context, mapping.API) (store.Snapshot, error) {
	if tr.now.Revision == (store.Revision{}) {
		return store.Snapshot{}, fmt.Errorf("load: %w", store.ErrNotFound)
	}
	return tr.now, nil
}

func (tr *trail) Audit(_ context.Context, _ mapping.API, before string, limit int) ([]store.Record, error) {
	if f := tr.onAudit; f != nil {
		tr.onAudit = nil
		f()
	}
	var page []store.Record
	for _, r := range slices.Backward(tr.records) {
		if (before == "" || r.ChangeID < before) && len(page) < limit {
			page = append(page, r)
		}
	}
	return page, nil
}

func (tr *trail) AuditDetail(_ context.Context, _ mapping.API, id string) (store.Record, error) {
	i := slices.IndexFunc(tr.records, func(r store.Record) bool { return r.ChangeID == id })
	if lists, ok := tr.lists[id]; ok {
		return tr.records[i].WithLists(lists)
	}
	return tr.records[i], nil
}

// put makes a change that puts one permission, under the n-th id.
func (tr *trail) change(t testing.TB, f func(*store.Change)) store.Revision {
	t.Helper()
	id := ulid.ULID{}
	if err := id.SetTime(uint64(len(tr.records) + 1)); err != nil {
		t.Fatal(err)
	}
	c := store.Change{ID: id.String(), API: tabletest.API, If: tr.now.Revision, By: "me", At: epoch}
	f(&c)
	c, err := c.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Plan(tr.now, tr.number)
	if err != nil {
		t.Fatal(err)
	}
	tr.number = e.Number
	tr.records = append(tr.records, e.Record)
	if e.Lists != nil {
		tr.lists[c.ID] = e.Lists
	}
	byID := map[string]mapping.Permission{}
	for _, p := range append(tr.now.Permissions, c.Put...) {
		byID[p.ID()] = p
	}
	tr.now = store.Snapshot{Meta: e.After}
	if !e.Delete {
		for _, p := range byID {
			tr.now.Permissions = append(tr.now.Permissions, p)
		}
		r, _ := c.Put[0].Route()
		tr.now.Routes = []mapping.Route{r}
	}
	return tr.now.Revision
}

func newTrail(t testing.TB, changes int) (*trail, []store.Revision) {
	tr := &trail{lists: map[string][]byte{}}
	var all []store.Revision
	for i := range changes {
		all = append(all, tr.put(t, fmt.Sprint("s", i)))
	}
	return tr, all
}

func (tr *trail) put(t testing.TB, scope string) store.Revision {
	return tr.change(t, func(c *store.Change) { c.Put = []mapping.Permission{tabletest.Permission("GET", "a", scope)} })
}

func TestATrailOfManyPagesIsReadAsFarAsNeeded(t *testing.T) {
	tr := &trail{lists: map[string][]byte{}}
	var all []store.Revision
	for i := range 2*store.MaxAuditLimit + 500 {
		all = append(all, tr.change(t, func(c *store.Change) {
			p := tabletest.Permission("GET", "a", "s")
			p.Description = fmt.Sprint(i + 1)
			c.Put = []mapping.Permission{p}
		}))
	}
	for _, n := range []int{1, 2, 700, store.MaxAuditLimit, store.MaxAuditLimit + 1, len(all)} {
		got, err := store.At(t.Context(), tr, tabletest.API, all[n-1])
		if err != nil || len(got.Permissions) != 1 || got.Permissions[0].Description != fmt.Sprint(n) || len(got.Routes) != 1 {
			t.Errorf("revision %d: %+v, %v", n, got.Permissions, err)
		}
	}
}

func TestARevisionThatNeverWasIsNotFound(t *testing.T) {
	tr, all := newTrail(t, 3)
	for _, r := range []store.Revision{
		{}, {Number: 2, Incarnation: "x"}, {Number: 9, Incarnation: all[0].Incarnation}, {Number: 4, Incarnation: all[0].Incarnation},
	} {
		if _, err := store.At(t.Context(), tr, tabletest.API, r); !errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrIncomplete) {
			t.Errorf("%s: %v", r, err)
		}
	}
	if _, err := store.At(t.Context(), &trail{}, tabletest.API, all[0]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of no table: %v", err)
	}
}

// TestWhatTheTrailDoesNotHoldIsNotMadeUp: an error, and where the way back does
// not lead over the fault, none.
func TestWhatTheTrailDoesNotHoldIsNotMadeUp(t *testing.T) {
	for name, spoil := range map[string]func(*trail){
		"a damaged record": func(tr *trail) {
			tr.records[2] = store.DamagedRecord(tabletest.API, tr.records[2].ChangeID, errors.New("x"))
		},
		"a missing record":         func(tr *trail) { tr.records = slices.Delete(tr.records, 2, 3) },
		"lists that were not kept": func(tr *trail) { tr.records[2].Added, tr.records[2].Unlisted = nil, true },
		"lists that are damaged": func(tr *trail) {
			tr.records[2].Unlisted, tr.records[2].Hash, tr.lists[tr.records[2].ChangeID] = true, "x", []byte("{}")
		},
		"a route that is none":       func(tr *trail) { tr.records[2].RoutesAdded = []string{"GET ?"} },
		"a record of something else": func(tr *trail) { tr.records[2].Added = []mapping.Permission{tabletest.Permission("GET", "z", "z")} },
	} {
		tr, all := newTrail(t, 5)
		spoil(tr)
		for i, r := range all {
			got, err := store.At(t.Context(), tr, tabletest.API, r)
			switch whole := i > 2 || i == 2 && name != "a damaged record" && name != "a missing record"; {
			case whole && (err != nil || len(got.Permissions) != i+1):
				t.Errorf("%s: revision %d: %d permissions, %v", name, i+1, len(got.Permissions), err)
			case !whole && err == nil, !whole && i < 2 && !errors.Is(err, store.ErrIncomplete):
				t.Errorf("%s: revision %d: %v", name, i+1, err)
			}
		}
	}
}

// TestATableThatMovesOnMeanwhileIsReadAgain between the table and its trail.
func TestATableThatMovesOnMeanwhileIsReadAgain(t *testing.T) {
	drop := func(c *store.Change) { c.Delete = true }
	for name, meanwhile := range map[string]func(*trail){
		"changed":          func(tr *trail) { tr.put(t, "x") },
		"deleted":          func(tr *trail) { tr.change(t, drop) },
		"made anew":        func(tr *trail) { tr.change(t, drop); tr.put(t, "x"); tr.put(t, "y") },
		"made anew, twice": func(tr *trail) { tr.change(t, drop); tr.put(t, "x"); tr.change(t, drop); tr.put(t, "y") },
	} {
		tr, all := newTrail(t, 3)
		tr.onAudit = func() { meanwhile(tr) }
		if got, err := store.At(t.Context(), tr, tabletest.API, all[1]); err != nil || len(got.Permissions) != 2 {
			t.Errorf("%s: %d permissions, %v", name, len(got.Permissions), err)
		}
	}
	tr := &trail{lists: map[string][]byte{}}
	r, _ := newTrail(t, 1)
	tr.onAudit = func() { // the target itself came after the table was found missing
		tr.records, tr.now, tr.number = r.records, r.now, r.number
		tr.put(t, "later")
	}
	if got, err := store.At(t.Context(), tr, tabletest.API, r.now.Revision); err != nil || len(got.Permissions) != 1 {
		t.Errorf("%d permissions, %v", len(got.Permissions), err)
	}
}

func TestARevisionIsReadAsItIsWritten(t *testing.T) {
	for _, r := range []store.Revision{{}, {Number: 1, Incarnation: "A"}, {Number: 1<<64 - 1, Incarnation: "A-B"}} {
		if got, err := store.ParseRevision(r.String()); err != nil || got != r {
			t.Errorf("%s: %+v, %v", r, got, err)
		}
	}
	for _, s := range []string{"", "1", "1-", "0-A", "-A", "01-A", "+1-A", "None", "18446744073709551616-A", " 1-A"} {
		if got, err := store.ParseRevision(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

func FuzzARevision(f *testing.F) {
	f.Add("12-ABC")
	f.Add("none")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := store.ParseRevision(s); err == nil && r.String() != s {
			t.Errorf("%q is %s", s, r)
		}
	})
}
