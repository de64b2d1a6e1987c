package dynamo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// bulkApply is a bulk change to a table of its own, about to be made.
type bulkApply struct {
	client *dynamodb.Client // healthy
	table  string
	change store.Change
	before store.Snapshot    // zero if there is no table
	after  map[string]string // what the table then holds: see contents
}

// bulkKinds are changes each of which takes several calls to write: a table made,
// one replaced for the most part, one deleted.
var bulkKinds = []string{"made", "replaced", "deleted"}

func newBulkApply(t *testing.T, client *dynamodb.Client, table, kind string) *bulkApply {
	t.Helper()
	b := &bulkApply{client: client, table: table}
	of := mapping.API{ARN: api.ARN, Stage: ulid.Make().String()}
	permissions := func(from, to int, description string) (all []mapping.Permission) {
		for i := from; i < to; i++ {
			p, err := mapping.ParsePermission(fmt.Appendf(nil, `{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"r%d/{id}","scope":"s","description":%q}`,
				of.ARN, of.Stage, i, description))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		return all
	}
	b.change = store.Change{ID: ulid.Make().String(), API: of, By: "tid:oid", At: time.Unix(1, 0)}
	if kind != "made" {
		first := b.change
		first.ID, first.Put = ulid.Make().String(), permissions(0, 20, "old")
		if kind == "deleted" {
			first.Put = permissions(0, 51, "old")
		}
		commit(t, dynamo.New(client, table), first)
		b.before = b.read(t)
		b.change.If = b.before.Revision
	}
	switch kind {
	case "made":
		b.change.Put = permissions(0, 52, "new")
	case "replaced":
		for _, p := range permissions(15, 20, "old") {
			r, _ := p.Route()
			b.change.Remove, b.change.RemoveRoutes = append(b.change.Remove, p.ID()), append(b.change.RemoveRoutes, r.ID())
		}
		b.change.Put, b.change.Head = append(permissions(0, 5, "new"), permissions(60, 110, "new")...), &store.Head{Name: "new"}
	case "deleted":
		b.change.Delete = true
	}
	effect, err := b.change.Plan(b.before, b.before.Revision.Number)
	if err != nil || effect.Lists == nil {
		t.Fatalf("%v: a change of %+v is no bulk change", err, effect.Record.Counts)
	}
	b.after = afterwards(b.before, effect)
	return b
}

// contents is what a table holds, by id.
func contents(s store.Snapshot) map[string]string {
	all := map[string]string{"name": s.Name}
	for _, p := range s.Permissions {
		text, _ := json.Marshal(p)
		all[p.ID()] = string(text)
	}
	for _, r := range s.Routes {
		all[r.ID()] = r.String()
	}
	return all
}

// afterwards is what a table holds after a change, worked out from its effect.
func afterwards(before store.Snapshot, e store.Effect) map[string]string {
	if e.Delete {
		return map[string]string{"name": ""}
	}
	all := contents(before)
	for _, id := range append(e.Remove, e.RemoveRoutes...) {
		delete(all, id)
	}
	maps.Copy(all, contents(store.Snapshot{Meta: e.After, Permissions: e.Put, Routes: e.PutRoutes}))
	return all
}

// read is the table as a fresh reader finds it, zero if there is none; an authorizer
// finds the same.
func (b *bulkApply) read(t *testing.T) store.Snapshot {
	t.Helper()
	s, err := dynamo.New(b.client, b.table).Load(t.Context(), b.change.API)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	got, err := dynamo.NewReader(b.client, b.table).Load(t.Context(), b.change.API)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	if got.Revision != s.Revision || !maps.Equal(contents(got), contents(s)) {
		t.Errorf("authorizers read %+v, and the items are %+v", got, s)
	}
	return s
}

// made checks that table, revision and audit trail agree, on the old table or on
// the new one, and reports on which.
func (b *bulkApply) made(t *testing.T) bool {
	t.Helper()
	st := dynamo.New(b.client, b.table)
	got := b.read(t)
	record, err := st.AuditDetail(t.Context(), b.change.API, b.change.ID)
	if errors.Is(err, store.ErrNotFound) {
		if diff := cmp.Diff(contents(b.before), contents(got)); diff != "" || got.Revision != b.before.Revision {
			t.Errorf("not made, and at %s the table is\n%s", got.Revision, diff)
		}
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.after, contents(got)); diff != "" {
		t.Errorf("made, and the table is\n%s", diff)
	}
	if record.Before != b.before.Revision || record.After != got.Revision || !b.change.Delete && got.Revision.Number != b.before.Revision.Number+1 {
		t.Errorf("the record leads from %s to %s, the table went from %s to %s", record.Before, record.After, b.before.Revision, got.Revision)
	}
	listed := afterwards(b.before, store.Effect{Put: record.Added, After: got.Meta})
	for _, p := range record.Removed {
		if !slices.ContainsFunc(record.Added, isSame(p)) {
			delete(listed, p.ID())
		}
	}
	for id, text := range contents(store.Snapshot{Meta: got.Meta, Permissions: got.Permissions}) {
		if listed[id] != text {
			t.Errorf("the record does not tell of %s", text)
		}
	}
	return true
}

// goesOn checks that the same change again is made, once, that the next one can
// be, and that nothing is left over in the end.
func (b *bulkApply) goesOn(t *testing.T) {
	t.Helper()
	st := dynamo.New(b.client, b.table)
	first := commit(t, st, b.change)
	again := commit(t, st, b.change)
	if !b.made(t) || first.Revision != again.Revision || first.Revision != b.read(t).Revision {
		t.Errorf("the same change again: %s, %s", first.Revision, again.Revision)
	}
	next := store.Change{ID: ulid.Make().String(), API: b.change.API, If: first.Revision, By: "tid:oid", At: time.Unix(2, 0), Head: &store.Head{Name: "next"}}
	commit(t, st, next)
	want := maps.Clone(b.after)
	want["name"] = "next"
	if diff := cmp.Diff(want, contents(b.read(t))); diff != "" {
		t.Errorf("after the next change:\n%s", diff)
	}
	wantTrail(t, st, b.change.API)
	if err := st.Clean(t.Context(), b.change.API); err != nil {
		t.Fatal(err)
	}
	if left := litterOf(t, b.client, b.table, b.change.API); left != nil {
		t.Errorf("left: %q", left)
	}
}

// wantTrail checks that the records of a table follow on each other without a gap.
func wantTrail(t *testing.T, st *dynamo.Store, of mapping.API) {
	t.Helper()
	page, err := st.Audit(t.Context(), of, "", store.MaxAuditLimit)
	if err != nil {
		t.Fatal(err)
	}
	var at store.Revision
	number := uint64(0)
	for range page {
		number++
		i := slices.IndexFunc(page, func(r store.Record) bool {
			return r.Before == at && (r.Counts.Deleted || r.After.Number == number)
		})
		if i < 0 {
			t.Fatalf("no record leads on from %s", at)
		}
		at = page[i].After
		page = slices.Delete(page, i, i+1)
	}
}

// wantAnswer checks that a commit's answer fits what became of the change.
func wantAnswer(t *testing.T, made bool, err error) {
	t.Helper()
	switch {
	case err == nil && !made:
		t.Error("answered as made, and it is not")
	case err != nil && made && !errors.Is(err, store.ErrUnknown):
		t.Errorf("made, and answered %v", err)
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrNotFound):
		t.Errorf("an outage is answered %v", err)
	}
}

// TestABulkChangeThatFailsAtAnyCallIsMadeWholeOrNotAtAll: at every call there is,
// one after the other, and in every way.
func TestABulkChangeThatFailsAtAnyCallIsMadeWholeOrNotAtAll(t *testing.T) {
	for _, kind := range bulkKinds {
		for _, l := range losses {
			t.Run(kind+": "+l.name, func(t *testing.T) {
				t.Parallel()
				made, not := 0, 0
				for n := int64(1); ; n++ {
					client, table := dynamotest.NewTable(t)
					b := newBulkApply(t, client, table, kind)
					broken := &lossy{next: client, loss: l, n: n}
					_, err := dynamo.New(broken, table).Commit(t.Context(), b.change)
					is := b.made(t)
					wantAnswer(t, is, err)
					b.goesOn(t)
					if t.Failed() {
						t.Fatalf("at call %d: %v", n, err)
					}
					if !broken.came() {
						if !is || made == 0 || not == 0 {
							t.Errorf("of %d losses %d were after the change was made and %d before", n-1, made, not)
						}
						return
					}
					if is {
						made++
					} else {
						not++
					}
				}
			})
		}
	}
}

// TestBetweenAnyTwoCallsOfABulkChangeReadersSeeTheOldTableOrTheNew, and the new
// one ever after.
func TestBetweenAnyTwoCallsOfABulkChangeReadersSeeTheOldTableOrTheNew(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	for _, kind := range bulkKinds {
		b := newBulkApply(t, client, table, kind)
		var mu sync.Mutex
		var seen []bool
		watched := &lossy{next: client, around: func() {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, b.made(t))
		}}
		commit(t, dynamo.New(watched, table), b.change)
		if len(seen) < 10 || seen[0] || !seen[len(seen)-1] || !slices.IsSortedFunc(seen, func(x, y bool) int { return order(x) - order(y) }) {
			t.Errorf("%s: seen as made: %v", kind, seen)
		}
	}
}

func order(made bool) int {
	if made {
		return 1
	}
	return 0
}

// TestARevocationThatFailsAtAnyCallIsMadeWholeOrNotAtAll: the first there ever
// was, a second, one put anew and one taken away.
func TestARevocationThatFailsAtAnyCallIsMadeWholeOrNotAtAll(t *testing.T) {
	for _, l := range losses {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			for n, came := int64(1), true; came; n++ {
				client, table := dynamotest.NewTable(t)
				st := dynamo.New(client, table)
				came = false
				remove := revoking("a:b")
				remove.Put, remove.Remove = nil, "a:b"
				for i, c := range []store.RevocationChange{revoking("a:b"), revoking("a:c"), revoking("a:b"), remove} {
					c.ID = ulid.MustNew(uint64(i+1), ulid.DefaultEntropy()).String() // the trail is in their order
					broken := &lossy{next: client, loss: l, n: n}
					_, err := dynamo.New(broken, table).Revoke(t.Context(), c)
					came = came || broken.came()
					wantAnswer(t, revoked(t, st, i) == i+1, err)
					for range 2 {
						if _, err := st.Revoke(t.Context(), c); err != nil {
							t.Fatal(err)
						}
					}
					if got := revoked(t, st, i); got != i+1 || t.Failed() {
						t.Fatalf("change %d failed at call %d: %v; then %d are made", i, n, err, got)
					}
				}
			}
		})
	}
}

// revoked counts the changes of revocations in the trail and checks that the
// revision and the list agree with them.
func revoked(t *testing.T, st *dynamo.Store, before int) int {
	t.Helper()
	trail, err := st.RevocationAudit(t.Context(), "", store.MaxAuditLimit)
	if err != nil {
		t.Fatal(err)
	}
	all, err := st.Revocations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := []int{0, 1, 2, 2, 1}
	if len(trail) < before || len(trail) > before+1 || all.Revision.Number != uint64(len(trail)) || len(all.List) != listed[len(trail)] {
		t.Errorf("%d records and %d revocations at revision %s, after %d changes", len(trail), len(all.List), all.Revision, before)
	}
	if len(trail) > 0 && trail[0].After != all.Revision {
		t.Errorf("the newest record leads to %s, and the revision is %s", trail[0].After, all.Revision)
	}
	return len(trail)
}
