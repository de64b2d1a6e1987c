package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// broken are changes that break one rule each; says is part of what the error
// must say.
func broken(t *testing.T, at store.Revision, there mapping.Permission) []struct {
	says  string
	spoil func(*store.Change)
} {
	p := permission(t, dev, fields{"scope": "new"})
	r := route(t, dev, "GET", "new")
	other := mapping.API{ARN: arn, Stage: "other"}
	thereRoute, _ := there.Route()
	return []struct {
		says  string
		spoil func(*store.Change)
	}{
		{"change id", func(c *store.Change) { c.ID = "" }},
		{"change id", func(c *store.Change) { c.ID = "not-a-ulid" }},
		{"change id", func(c *store.Change) { c.ID = strings.ToLower(c.ID) }},
		{"change id", func(c *store.Change) { c.ID += "0" }},
		{"arn", func(c *store.Change) { c.API.ARN = "arn:aws:s3:::x" }},
		{"stage", func(c *store.Change) { c.API.Stage = "a#b" }},
		{"by", func(c *store.Change) { c.By = "" }},
		{"by", func(c *store.Change) { c.By = strings.Repeat("x", 1025) }},
		{"by", func(c *store.Change) { c.By = "\xff" }},
		{"requestId", func(c *store.Change) { c.RequestID = strings.Repeat("x", 1025) }},
		{"at", func(c *store.Change) { c.At = time.Time{} }},
		{"at", func(c *store.Change) { c.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"put 1", func(c *store.Change) { c.Put = []mapping.Permission{{}} }},
		{"put 2", func(c *store.Change) {
			c.Put = []mapping.Permission{p, permission(t, other, fields{"scope": "s"})}
		}},
		{"put 2", func(c *store.Change) { c.Put = []mapping.Permission{p, p} }},
		{"putRoutes 1", func(c *store.Change) { c.PutRoutes = []mapping.Route{{API: dev}} }},
		{"putRoutes 1", func(c *store.Change) { c.PutRoutes = []mapping.Route{route(t, other, "GET", "x")} }},
		{"putRoutes 2", func(c *store.Change) { c.PutRoutes = []mapping.Route{r, r} }},
		{"remove", func(c *store.Change) { c.Remove = []string{p.ID()} }},
		{"remove", func(c *store.Change) { c.Remove = []string{there.ID(), there.ID()} }},
		{"remove", func(c *store.Change) { c.Put, c.Remove = []mapping.Permission{there}, []string{there.ID()} }},
		{"removeRoutes", func(c *store.Change) { c.RemoveRoutes = []string{r.ID()} }},
		{"removeRoutes", func(c *store.Change) { c.RemoveRoutes = []string{thereRoute.ID()} }},
		{"removeRoutes", func(c *store.Change) {
			c.Remove, c.RemoveRoutes = []string{there.ID()}, []string{thereRoute.ID()}
			c.Put = []mapping.Permission{permission(t, dev, fields{"scope": "another", "resource": "there"})}
		}},
		{"removeRoutes", func(c *store.Change) {
			c.Remove = []string{there.ID()}
			c.PutRoutes, c.RemoveRoutes = []mapping.Route{thereRoute}, []string{thereRoute.ID()}
		}},
		{"delete", func(c *store.Change) { c.Delete, c.Put = true, []mapping.Permission{p} }},
		{"delete", func(c *store.Change) { c.Delete, c.Remove = true, []string{there.ID()} }},
		{"delete", func(c *store.Change) { c.Delete, c.PutRoutes = true, []mapping.Route{r} }},
		{"delete", func(c *store.Change) { c.Delete, c.Head = true, &store.Head{} }},
		{"delete", func(c *store.Change) { c.Delete, c.If = true, store.Revision{} }},
		{"name", func(c *store.Change) { c.Head = &store.Head{Name: strings.Repeat("x", 1025)} }},
		{"complete.source", func(c *store.Change) { c.Head = &store.Head{Complete: &store.Complete{By: "x", At: when}} }},
		{"complete.by", func(c *store.Change) { c.Head = &store.Head{Complete: &store.Complete{Source: "x", At: when}} }},
		{"complete.at", func(c *store.Change) { c.Head = &store.Head{Complete: &store.Complete{Source: "x", By: "x"}} }},
		{"owner 1", func(c *store.Change) { c.Head = &store.Head{Owners: []store.Owner{{Tenant: tenant}}} }},
		{"owner 1", func(c *store.Change) { c.Head = &store.Head{Owners: []store.Owner{{Tenant: "x", Role: "r"}}} }},
		{"trust 2", func(c *store.Change) {
			c.Head = &store.Head{Trust: []mapping.Trust{{Tenant: tenant, Audiences: []string{"a"}}, {Tenant: tenant}}}
		}},
		{"head", func(c *store.Change) {
			c.Head = &store.Head{Trust: []mapping.Trust{{Tenant: tenant, Audiences: []string{strings.Repeat("a", store.MaxHead)}}}}
		}},
	}
}

func invalid(t *testing.T, h Harness) {
	there := permission(t, dev, fields{"scope": "there", "resource": "there"})
	m := create(t, h.Store, dev, there)
	for _, b := range broken(t, m.Revision, there) {
		c := change(dev, m.Revision)
		b.spoil(&c)
		_, err := h.Store.Commit(t.Context(), c)
		wantErr(t, err, store.ErrInvalid)
		if err != nil && !strings.Contains(err.Error(), b.says) {
			t.Errorf("error %q does not say %q", err, b.says)
		}
	}
	wantSame(t, snapshotOf(m, []mapping.Permission{there}), load(t, h.Store, dev))
	wantChain(t, h.Store, dev, 1)

	// All faults come together.
	c := change(dev, m.Revision)
	c.By, c.At, c.Remove = "", time.Time{}, []string{"x", "x"}
	_, err := h.Store.Commit(t.Context(), c)
	for _, says := range []string{"by", "at", "remove"} {
		if err == nil || !strings.Contains(err.Error(), says+":") {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}

func conflicts(t *testing.T, h Harness) {
	s := h.Store
	first := create(t, s, dev, scoped(t, dev, 2, "a")...)
	c := change(dev, first.Revision)
	c.Put = scoped(t, dev, 3, "b")
	second := commit(t, s, c)
	stale := []store.Revision{
		{}, first.Revision,
		{Number: second.Revision.Number, Incarnation: "other"},
		{Number: second.Revision.Number + 1, Incarnation: second.Revision.Incarnation},
	}
	for _, at := range stale {
		c := change(dev, at)
		c.Put, c.Head = scoped(t, dev, 1, "lost"), fullHead()
		_, err := s.Commit(t.Context(), c)
		wantErr(t, err, store.ErrConflict)
		if at != (store.Revision{}) {
			c := change(dev, at)
			c.Delete = true
			_, err = s.Commit(t.Context(), c)
			wantErr(t, err, store.ErrConflict)
		}
		if n := records(t, s, c); n != 0 {
			t.Errorf("%d records of a change in conflict", n)
		}
	}
	want := snapshotOf(second, append(scoped(t, dev, 2, "a"), scoped(t, dev, 3, "b")...))
	wantSame(t, want, load(t, s, dev))
	// The same change may be made for the right revision afterwards.
	c = change(dev, first.Revision)
	c.Put = scoped(t, dev, 1, "late")
	_, err := s.Commit(t.Context(), c)
	wantErr(t, err, store.ErrConflict)
	c.If = second.Revision
	commit(t, s, c)
	wantChain(t, s, dev, 3)
}

// wantChain checks that the audit trail of a table that was never deleted has n
// records whose revisions follow on each other from none, and that the table is
// at the last one.
func wantChain(t testing.TB, s store.Store, api mapping.API, n int) {
	t.Helper()
	byBefore := map[store.Revision]store.Record{}
	all := audit(t, s, api)
	for _, r := range all {
		byBefore[r.Before] = r
	}
	if len(all) != n || len(byBefore) != n {
		t.Errorf("%d audit records for %d revisions, want %d", len(all), len(byBefore), n)
	}
	at := store.Revision{}
	for range byBefore {
		r, ok := byBefore[at]
		if !ok || r.After.Number != at.Number+1 {
			t.Fatalf("no audit record leads from revision %s to the next", at)
		}
		at = r.After
	}
	wantAt(t, s, api, at)
}

func auditPages(t *testing.T, h Harness) {
	s := h.Store
	const n = 23
	var at store.Revision
	var changes []store.Change
	start := ulid.Timestamp(when)
	for i := range n {
		c := change(dev, at)
		c.ID = ulid.MustNew(start+uint64(i), ulid.DefaultEntropy()).String()
		c.At, c.By = elsewhere(when.Add(time.Duration(i)*time.Second)), "by-"+c.ID
		c.Put = scoped(t, dev, 1, c.ID)
		at = commit(t, s, c).Revision
		changes = append(changes, c)
	}
	wantChain(t, s, dev, n)
	for _, limit := range []int{1, 5, n, n + 1, store.MaxAuditLimit} {
		var got []store.Record
		for before := ""; ; before = got[len(got)-1].ChangeID {
			page, err := s.Audit(t.Context(), dev, before, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("%d records of at most %d, %v", len(page), limit, err)
			}
			got = append(got, page...)
			if len(page) < limit || len(got) > n {
				break
			}
		}
		if len(got) != n {
			t.Fatalf("limit %d: %d records, want %d", limit, len(got), n)
		}
		for i, r := range got {
			c := changes[n-1-i]
			want := store.Record{ChangeID: c.ID, API: dev, Before: c.If, After: r.After, By: c.By, RequestID: c.RequestID,
				At: c.At.UTC(), Added: c.Put, Counts: store.Counts{Put: 1}}
			if i == n-1 { // the first change found no route
				want.RoutesAdded, want.Counts.RoutesPut = []string{"GET /orders/{id}"}, 1
			}
			wantSame(t, want, r)
		}
	}
	between := ulid.MustNew(start+11, nil).String() // no record has it, and it is older than the one of its instant
	page, err := s.Audit(t.Context(), dev, between, 2)
	if err != nil || len(page) != 2 || page[0].ChangeID != changes[10].ID {
		t.Errorf("before %s: %v, %v", between, page, err)
	}
	for _, bad := range []struct {
		before string
		limit  int
	}{{"", 0}, {"", -1}, {"", store.MaxAuditLimit + 1}, {"x", 10}, {strings.ToLower(between), 10}} {
		_, err := s.Audit(t.Context(), dev, bad.before, bad.limit)
		wantErr(t, err, store.ErrInvalid)
	}
}

func auditSurvives(t *testing.T, h Harness) {
	s := h.Store
	put := scoped(t, dev, 3, "a")
	c := change(dev, store.Revision{})
	c.Put, c.Head = put, fullHead()
	m := commit(t, s, c)
	gone := change(dev, m.Revision)
	gone.Delete = true
	commit(t, s, gone)
	got := audit(t, s, dev)
	if len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
	wantSame(t, snapshotOf(m, put).Permissions, got[0].Removed)
	want := store.Record{ChangeID: gone.ID, API: dev, Before: m.Revision, By: gone.By, RequestID: gone.RequestID, At: when,
		Removed: got[0].Removed, RoutesRemoved: []string{"GET /orders/{id}"}, HeadBefore: fullHead(),
		Counts: store.Counts{Removed: 3, RoutesRemoved: 1, Deleted: true}}
	wantSame(t, want, got[0])
	create(t, s, dev)
	if got := audit(t, s, dev); len(got) != 3 {
		t.Errorf("%d records after the table was made anew, want 3", len(got))
	}
	// The change that was made in an earlier life is still the same change.
	wantSame(t, m, commit(t, s, c))
}
