package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

const tenant = "5f1c2b3a-0000-4000-8000-00000000000a"

// everyKind is permissions that together use every field.
func everyKind(t *testing.T) []mapping.Permission {
	return []mapping.Permission{
		permission(t, dev, fields{"scope": "orders.read"}),
		permission(t, dev, fields{"scope": "b a", "role": "Röle", "group": "g", "principalType": "user", "tenant": tenant,
			"expiresAt": "2027-01-31T12:00:00+02:00", "description": `"quoted" <b> & 統一 #`}),
		permission(t, dev, fields{"authenticated": true, "principalType": "app", "resource": ""}),
		permission(t, dev, fields{"registered": true, "httpVerb": "ANY", "resource": "files/{path+}"}),
		permission(t, dev, fields{"role": "Reader", "httpVerb": "*", "resource": "orders/*"}),
		permission(t, dev, fields{"group": "ops", "httpVerb": "$connect", "resource": ""}),
		permission(t, dev, fields{"scope": "s", "httpVerb": "delete", "resource": "/orders/{id}/lines/"}),
		permission(t, dev, fields{"scope": "long", "description": strings.Repeat("x", 512)}),
	}
}

func fullHead() *store.Head {
	return &store.Head{
		Name:     "Orders, “the” API",
		Complete: &store.Complete{Source: "sha256:00ff", By: "tid:oid", At: when},
		Owners:   []store.Owner{{Tenant: tenant, Role: "Team.Orders"}, {Tenant: tenant, Group: "g-1"}},
		Trust: []mapping.Trust{
			{Tenant: tenant, Audiences: []string{"api://orders", "other"}},
			{Issuer: "https://issuer.example/x", Audiences: []string{"a"}},
		},
	}
}

func roundTrip(t *testing.T, h Harness) {
	c := change(dev, store.Revision{})
	c.Put, c.Head = everyKind(t), fullHead()
	c.PutRoutes = []mapping.Route{route(t, dev, "GET", "orders"), route(t, dev, "POST", "/orders/")}
	answer := commit(t, h.Store, c)
	if answer.Revision.Number != 1 || answer.Revision.Incarnation == "" {
		t.Errorf("first revision %+v", answer.Revision)
	}
	head := c.Head
	wantSame(t, store.Meta{API: dev, Revision: answer.Revision, Name: head.Name, Complete: head.Complete,
		Owners: head.Owners, Trust: head.Trust}, answer)
	wantSame(t, snapshotOf(answer, c.Put, c.PutRoutes...), load(t, h.Store, dev))
	m, err := h.Store.Meta(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, answer, m)
}

func absence(t *testing.T, h Harness) {
	s := h.Store
	nowhere := []mapping.API{dev, {}, {ARN: arn}, {ARN: arn, Stage: "a#b"}, {ARN: arn + "#x", Stage: "dev"}}
	for _, api := range nowhere {
		_, err := s.Meta(t.Context(), api)
		wantErr(t, err, store.ErrNotFound)
		_, err = s.Load(t.Context(), api)
		wantErr(t, err, store.ErrNotFound)
		if records, err := s.Audit(t.Context(), api, "", 10); err != nil || len(records) != 0 {
			t.Errorf("audit of nothing: %v, %v", records, err)
		}
	}
	if apis, err := s.APIs(t.Context()); err != nil || len(apis) != 0 {
		t.Errorf("APIs of an empty store: %v, %v", apis, err)
	}
	_, err := s.Commit(t.Context(), change(dev, store.Revision{Number: 1, Incarnation: "x"}))
	wantErr(t, err, store.ErrConflict)
	wantAt(t, s, dev, store.Revision{})
}

func isolation(t *testing.T, h Harness) {
	s := h.Store
	var apis []mapping.API
	for _, a := range []string{arn, arn + "2", arn + "-", "arn:aws-cn:execute-api:cn-north-1:219852565112:a"} {
		for _, stage := range []string{"dev", "dev2", "Dev", "dev-1", "$default", "prod_"} {
			apis = append(apis, mapping.API{ARN: a, Stage: stage})
		}
	}
	answers := map[mapping.API]store.Meta{}
	for i, api := range apis {
		answers[api] = create(t, s, api, permission(t, api, fields{"scope": fmt.Sprintf("scope.%d", i)}))
	}
	for i, api := range apis {
		want := snapshotOf(answers[api], []mapping.Permission{permission(t, api, fields{"scope": fmt.Sprintf("scope.%d", i)})})
		wantSame(t, want, load(t, s, api))
		if got := audit(t, s, api); len(got) != 1 || got[0].API != api {
			t.Errorf("audit of %s: %+v", api, got)
		}
	}
	gone := change(apis[0], answers[apis[0]].Revision)
	gone.Delete = true
	commit(t, s, gone)
	got, err := s.APIs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(apis[1:])
	slices.SortFunc(want, func(a, b mapping.API) int {
		return strings.Compare(a.ARN+"\x00"+a.Stage, b.ARN+"\x00"+b.Stage)
	})
	wantSame(t, want, got)
}

// replaced replaces a permission by an edit in place and by a new generation.
func replaced(t *testing.T, h Harness) {
	for i, more := range []int{0, 120} {
		api := mapping.API{ARN: arn, Stage: fmt.Sprint("s", i)}
		old := permission(t, api, fields{"scope": "a", "description": "old", "expiresAt": "2030-01-01T00:00:00Z"})
		other := permission(t, api, fields{"scope": "b"})
		first := create(t, h.Store, api, old, other)
		c := change(api, first.Revision)
		c.Put = append(scoped(t, api, more, "more"), permission(t, api, fields{"scope": "a", "resource": "orders/{order}"}))
		second := commit(t, h.Store, c)
		want := snapshotOf(second, append(c.Put, other))
		want.Routes = []mapping.Route{route(t, api, "GET", "orders/{id}")}
		wantSame(t, want, load(t, h.Store, api))
		r := detail(t, h.Store, api, c.ID)
		wantSame(t, []mapping.Permission{old}, r.Removed)
		wantSame(t, c.Put, r.Added)
		wantSame(t, store.Counts{Put: more + 1}, r.Counts)
	}
}

func routesStay(t *testing.T, h Harness) {
	s := h.Store
	named := permission(t, dev, fields{"scope": "a", "resource": "users/admin"})
	pattern := permission(t, dev, fields{"scope": "a", "resource": "files/*"})
	registered := permission(t, dev, fields{"registered": true, "resource": "closed"})
	connect := permission(t, dev, fields{"scope": "a", "httpVerb": "$connect", "resource": ""})
	m := create(t, s, dev, named, pattern, registered, connect)
	routes := load(t, s, dev).Routes
	if len(routes) != 3 {
		t.Fatalf("routes %v, want those of three permissions, none of the pattern", routes)
	}
	c := change(dev, m.Revision)
	c.Remove = permissionIDs([]mapping.Permission{named, registered, pattern})
	m = commit(t, s, c)
	wantSame(t, snapshotOf(m, []mapping.Permission{connect}, routes...), load(t, s, dev))

	r, _ := named.Route()
	c = change(dev, m.Revision)
	c.RemoveRoutes = []string{r.ID()}
	m = commit(t, s, c)
	if got := load(t, s, dev).Routes; len(got) != 2 || slices.ContainsFunc(got, func(g mapping.Route) bool { return g.ID() == r.ID() }) {
		t.Errorf("routes %v after %s was removed", got, r)
	}
	wantSame(t, []string{"GET /users/admin"}, audit(t, s, dev)[0].RoutesRemoved)

	// A route goes together with its last permission, in one change.
	last, _ := connect.Route()
	c = change(dev, m.Revision)
	c.Remove, c.RemoveRoutes = []string{connect.ID()}, []string{last.ID()}
	commit(t, s, c)
	if got := load(t, s, dev); len(got.Permissions) != 0 || len(got.Routes) != 1 {
		t.Errorf("left: %v, %v", got.Permissions, got.Routes)
	}
}

func heads(t *testing.T, h Harness) {
	s := h.Store
	c := change(dev, store.Revision{})
	c.Head = fullHead()
	first := commit(t, s, c)
	c = change(dev, first.Revision)
	c.Put = scoped(t, dev, 1, "a")
	second := commit(t, s, c)
	want := first
	want.Revision = store.Revision{Number: 2, Incarnation: first.Revision.Incarnation}
	wantSame(t, want, second)
	c = change(dev, second.Revision)
	c.Head = &store.Head{Name: "new", Owners: []store.Owner{}}
	third := commit(t, s, c)
	wantSame(t, store.Meta{API: dev, Name: "new", Revision: store.Revision{Number: 3, Incarnation: first.Revision.Incarnation}}, third)
	wantSame(t, third, load(t, s, dev).Meta)
	r := audit(t, s, dev)[0]
	wantSame(t, fullHead(), r.HeadBefore)
	wantSame(t, &store.Head{Name: "new"}, r.HeadAfter)
}

// sizes crosses the limit of one DynamoDB transaction in every way.
func sizes(t *testing.T, h Harness) {
	s := h.Store
	for i, n := range []int{90, 95, 96, 97, 98, 99, 100, 101, 130, 300} {
		api := mapping.API{ARN: arn, Stage: fmt.Sprintf("s%d", i)}
		kept := permission(t, api, fields{"scope": "kept", "resource": "kept"})
		m := create(t, s, api, kept)
		c := change(api, m.Revision)
		c.Put = scoped(t, api, n, "many")
		m = commit(t, s, c)
		wantSame(t, snapshotOf(m, append(c.Put, kept)), load(t, s, api))
		many := c.Put
		c = change(api, m.Revision)
		c.Remove = permissionIDs(many)
		m = commit(t, s, c)
		wantSame(t, snapshotOf(m, []mapping.Permission{kept}, route(t, api, "GET", "orders/{id}")), load(t, s, api))
		wantChain(t, s, api, 3)
	}
	// A table can be made and deleted with as many.
	api := mapping.API{ARN: arn, Stage: "large"}
	all := scoped(t, api, 250, "large")
	m := create(t, s, api, all...)
	wantSame(t, snapshotOf(m, all), load(t, s, api))
	c := change(api, m.Revision)
	c.Delete = true
	commit(t, s, c)
	m = create(t, s, api)
	wantSame(t, snapshotOf(m, nil), load(t, s, api))
}

// paging writes over 2 MB into one table; DynamoDB's pages hold 1 MB.
func paging(t *testing.T, h Harness) {
	all := bulky(t, 1300)
	m := create(t, h.Store, dev, all...)
	wantSame(t, snapshotOf(m, all), load(t, h.Store, dev))
	c := change(dev, m.Revision)
	c.Remove = []string{all[7].ID()}
	m = commit(t, h.Store, c)
	wantSame(t, snapshotOf(m, slices.Delete(all, 7, 8)), load(t, h.Store, dev))
}

// bulky makes n permissions of about 1.7 KB each, the largest there are.
func bulky(t *testing.T, n int) []mapping.Permission {
	t.Helper()
	var all []mapping.Permission
	for i := range n {
		all = append(all, permission(t, dev, fields{
			"scope": fmt.Sprintf("bulk.%d.%s", i, strings.Repeat("s", 1000)), "description": strings.Repeat("d", 512),
		}))
	}
	return all
}

func recreated(t *testing.T, h Harness) {
	s := h.Store
	seen := map[store.Revision]bool{{}: true}
	see := func(m store.Meta) {
		t.Helper()
		if seen[m.Revision] {
			t.Errorf("revision %s came again", m.Revision)
		}
		seen[m.Revision] = true
	}
	incarnations := map[string]bool{}
	var newest uint64
	for range 4 {
		c := change(dev, store.Revision{})
		c.Put, c.Head = scoped(t, dev, 3, "a"), fullHead()
		first := commit(t, s, c)
		see(first)
		incarnations[first.Revision.Incarnation] = true
		if first.Revision.Number <= newest {
			t.Errorf("revision %s after number %d", first.Revision, newest)
		}
		c = change(dev, first.Revision)
		c.Put = scoped(t, dev, 4, "b")
		second := commit(t, s, c)
		see(second)
		newest = second.Revision.Number

		c = change(dev, second.Revision)
		c.Delete = true
		if m := commit(t, s, c); m.Revision != (store.Revision{}) || m.Name != "" || m.API != dev {
			t.Errorf("a deletion answers %+v", m)
		}
		_, err := s.Meta(t.Context(), dev)
		wantErr(t, err, store.ErrNotFound)
		_, err = s.Load(t.Context(), dev)
		wantErr(t, err, store.ErrNotFound)
		for _, at := range []store.Revision{first.Revision, second.Revision} {
			_, err = s.Commit(t.Context(), change(dev, at))
			wantErr(t, err, store.ErrConflict)
		}
	}
	if len(incarnations) != 4 {
		t.Errorf("4 lives of the table, incarnations %v", incarnations)
	}
	m := create(t, s, dev)
	wantSame(t, snapshotOf(m, nil), load(t, s, dev))
	if m.Name != "" || m.Complete != nil || m.Owners != nil || m.Trust != nil {
		t.Errorf("a table made anew has the head of its predecessor: %+v", m)
	}
}

func reopened(t *testing.T, h Harness) {
	c := change(dev, store.Revision{})
	c.Put, c.Head = everyKind(t), fullHead()
	m := commit(t, h.Store, c)
	s := h.Reopen()
	wantSame(t, snapshotOf(m, c.Put), load(t, s, dev))
	wantSame(t, m, commit(t, s, c)) // the same change still counts as made
	if got := audit(t, s, dev); len(got) != 1 || !got[0].At.Equal(when) {
		t.Errorf("audit %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// elsewhere is the same instant in another zone.
func elsewhere(at time.Time) time.Time { return at.In(time.FixedZone("x", 3600)) }
