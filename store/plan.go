package store

import (
	"crypto/rand"
	"fmt"
	"slices"

	"scopegate/mapping"
)

// Effect is what a change does to a table, worked out once for every back end.
type Effect struct {
	After        Meta                 // what Commit answers
	Number       uint64               // the table's new revision number; a tombstone keeps it
	Put          []mapping.Permission // to be written over what has their ids
	Remove       []string             // ids of permissions that are there
	PutRoutes    []mapping.Route      // that are not there yet
	RemoveRoutes []string             // ids of routes that are there
	Stamps       map[string]Stamp     // of the permissions to be written, by id
	Delete       bool                 // all of it goes
	Record       Record
	Lists        []byte // those of a bulk change, to be kept beside the record (Record.WithLists)
}

// Plan checks a canonical change against the table as it is and works out what
// it does. before is the table (zero if it does not exist), last the number of
// the newest revision that a table of this API ever had (0 if none): numbers go
// on when a table is made anew. The error wraps ErrConflict where the table is
// not at c.If, else ErrInvalid.
func (c Change) Plan(before Snapshot, last uint64) (Effect, error) {
	if before.Revision != c.If {
		return Effect{}, fmt.Errorf("table of %s is at revision %s, not at %s: %w", c.API, before.Revision, c.If, ErrConflict)
	}
	if c.Delete {
		e := c.planDelete(before, last+1)
		return e, e.setApart()
	}
	e := Effect{After: before.Meta, Number: last + 1, Put: c.Put, Remove: c.Remove, RemoveRoutes: c.RemoveRoutes}
	e.After.API = c.API
	e.After.Revision = Revision{Number: e.Number, Incarnation: before.Revision.Incarnation}
	if before.Revision == (Revision{}) {
		e.After.Revision.Incarnation = rand.Text()
	}
	if c.Head != nil {
		h := *c.Head
		e.After.Name, e.After.Complete, e.After.Owners, e.After.Trust = h.Name, h.Complete, h.Owners, h.Trust
	}
	e.Record = c.record(before, e.After)
	var f faults
	c.planPermissions(before, &e, &f)
	c.planRoutes(before, &e, &f)
	if err := f.err(); err != nil {
		return e, err
	}
	return e, e.setApart()
}

func (c Change) planPermissions(before Snapshot, e *Effect, f *faults) {
	there := make(map[string]mapping.Permission, len(before.Permissions))
	for _, p := range before.Permissions {
		there[p.ID()] = p
	}
	for _, p := range c.Put {
		if old, replaced := there[p.ID()]; replaced {
			e.Record.Removed = append(e.Record.Removed, old)
		}
	}
	e.Record.Added = c.Put
	e.Stamps = c.stamps(there, before.Stamps)
	for _, id := range c.Remove {
		old, ok := there[id]
		if !ok {
			f.note(fmt.Errorf("remove: there is no permission %s", id))
			continue
		}
		e.Record.Removed = append(e.Record.Removed, old)
	}
	e.Record.Counts.Put, e.Record.Counts.Removed = len(c.Put), len(c.Remove)
}

// planRoutes registers the route of every permission put, and of no pattern.
// Taking a permission away leaves its route: else closing users/admin would
// hand it to every holder of users/{id}.
func (c Change) planRoutes(before Snapshot, e *Effect, f *faults) {
	there := make(map[string]mapping.Route, len(before.Routes))
	for _, r := range before.Routes {
		there[r.ID()] = r
	}
	known := make(map[string]bool, len(there))
	for id := range there {
		known[id] = true
	}
	for _, r := range c.routesPut() {
		if id := r.ID(); !known[id] {
			known[id] = true
			e.PutRoutes = append(e.PutRoutes, r)
			e.Record.RoutesAdded = append(e.Record.RoutesAdded, r.String())
		}
	}
	named := c.namedAfter(before)
	for _, id := range c.RemoveRoutes {
		r, ok := there[id]
		switch {
		case !ok:
			f.note(fmt.Errorf("removeRoutes: there is no route %s", id))
		case named[id]:
			f.note(fmt.Errorf("removeRoutes: a permission names the route %s (%s)", r, id))
		}
		e.Record.RoutesRemoved = append(e.Record.RoutesRemoved, r.String())
	}
	e.Record.Counts.RoutesPut, e.Record.Counts.RoutesRemoved = len(e.PutRoutes), len(c.RemoveRoutes)
}

// routesPut are the routes that a change names, those named for themselves first:
// the names of their parameters count.
func (c Change) routesPut() []mapping.Route {
	all := slices.Clone(c.PutRoutes)
	for _, p := range c.Put {
		if r, ok := p.Route(); ok {
			all = append(all, r)
		}
	}
	return all
}

// namedAfter holds the ids of the routes that a permission names once the
// change is made.
func (c Change) namedAfter(before Snapshot) map[string]bool {
	if len(c.RemoveRoutes) == 0 {
		return nil
	}
	gone := map[string]bool{}
	for _, id := range c.Remove {
		gone[id] = true
	}
	named := map[string]bool{}
	note := func(p mapping.Permission) {
		if r, ok := p.Route(); ok {
			named[r.ID()] = true
		}
	}
	for _, p := range before.Permissions {
		if !gone[p.ID()] {
			note(p)
		}
	}
	for _, p := range c.Put {
		note(p)
	}
	return named
}

func (c Change) planDelete(before Snapshot, number uint64) Effect {
	e := Effect{After: Meta{API: c.API}, Number: number, Delete: true}
	e.Record = c.record(before, e.After)
	e.Record.Removed = before.Permissions
	for _, r := range before.Routes {
		e.Record.RoutesRemoved = append(e.Record.RoutesRemoved, r.String())
	}
	e.Record.Counts.Removed, e.Record.Counts.RoutesRemoved = len(before.Permissions), len(before.Routes)
	return e
}

// record fills in all of the audit record but its lists.
func (c Change) record(before Snapshot, after Meta) Record {
	r := Record{
		ChangeID: c.ID, API: c.API, Before: before.Revision, After: after.Revision,
		By: c.By, RequestID: c.RequestID, At: c.At,
	}
	r.Counts.HeadChanged, r.Counts.Deleted = c.Head != nil, c.Delete
	if (c.Head != nil || c.Delete) && before.Revision != (Revision{}) {
		h := before.head()
		r.HeadBefore = &h
	}
	r.HeadAfter = c.Head
	return r
}

func (m Meta) head() Head {
	return Head{Name: m.Name, Complete: m.Complete, Owners: m.Owners, Trust: m.Trust}
}
