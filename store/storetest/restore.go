package storetest

import (
	"slices"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

// restored goes back to every revision of a table with bulk changes and two lives,
// and has one change make the last of them so again.
func restored(t *testing.T, h Harness) {
	s := h.Store
	many := scoped(t, dev, 130, "many")
	few := permission(t, dev, fields{"scope": "few", "resource": "few/*"})
	renamed := permission(t, dev, fields{"scope": "many.0", "resource": "orders/{order}", "description": "new"})
	var all []store.Snapshot
	at := store.Revision{}
	for _, f := range []func(*store.Change){
		func(c *store.Change) { c.Put, c.Head = []mapping.Permission{few}, fullHead() },
		func(c *store.Change) { c.Put = many },
		func(c *store.Change) {
			c.Put, c.Remove = []mapping.Permission{renamed}, permissionIDs(many[1:])
			c.PutRoutes = []mapping.Route{route(t, dev, "$connect", ""), route(t, dev, "PUT", "x/{p+}")}
		},
		func(c *store.Change) {
			c.Put, c.Head = many[1:], &store.Head{Name: "n"}
			c.RemoveRoutes = []string{route(t, dev, "PUT", "x/{p+}").ID()}
		},
		func(c *store.Change) { c.Delete = true },
		func(c *store.Change) { c.Put = []mapping.Permission{renamed} },
		func(c *store.Change) { c.Put = append(slices.Clone(many[1:]), few) },
	} {
		c := change(dev, at)
		f(&c)
		at = commit(t, s, c).Revision
		if !c.Delete {
			all = append(all, load(t, s, dev))
		}
	}
	for _, want := range all {
		got, err := store.At(t.Context(), s, dev, want.Revision)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, want, got)
	}
	_, err := store.At(t.Context(), s, dev, store.Revision{Number: 2, Incarnation: at.Incarnation})
	wantErr(t, err, store.ErrNotFound)

	want := all[2]
	for i, r := range want.Routes { // a route that stayed keeps its parameters' names
		if r.String() == "GET /orders/{id}" {
			want.Routes[i] = route(t, dev, "GET", "orders/{order}")
		}
	}
	c, err := store.ReplaceBy(all[len(all)-1], want)
	if err != nil {
		t.Fatal(err)
	}
	filled := change(dev, store.Revision{})
	c.ID, c.By, c.At = filled.ID, filled.By, filled.At
	want.Meta.Revision = commit(t, s, c).Revision
	wantSame(t, want, load(t, s, dev))
}
