package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"scopegate/mapping"
	"scopegate/store"
)

// side is one of the two tables, ready for questions.
type side struct {
	store.Snapshot
	exists      bool
	table       *mapping.Table
	permissions map[string]mapping.Permission // by id
	routes      map[string]mapping.Route      // by id, those that permissions name included
}

// sides prepares both tables. They believe the same where they say nothing.
func sides(before, after store.Snapshot, o Options) (b, a *side, err error) {
	if o.Now.IsZero() {
		return nil, nil, errors.New("options: now must be given, since permissions expire")
	}
	if before.API != (mapping.API{}) && after.API != (mapping.API{}) && before.API != after.API {
		return nil, nil, fmt.Errorf("tables of %s and of %s", before.API, after.API)
	}
	trust := o.Trust
	if len(trust) == 0 {
		trust = assumedTrust(before.Permissions, after.Permissions)
	}
	if b, err = newSide(before, trust); err != nil {
		return nil, nil, err
	}
	a, err = newSide(after, trust)
	return b, a, err
}

func newSide(s store.Snapshot, trust []mapping.Trust) (*side, error) {
	d := &side{
		Snapshot: s, exists: s.API != (mapping.API{}),
		permissions: map[string]mapping.Permission{}, routes: map[string]mapping.Route{},
	}
	if !d.exists {
		d.Snapshot, d.table = store.Snapshot{}, &mapping.Table{}
		return d, nil
	}
	for _, p := range s.Permissions {
		d.permissions[p.ID()] = p
		if r, ok := p.Route(); ok {
			d.routes[r.ID()] = r
		}
	}
	for _, r := range s.Routes {
		d.routes[r.ID()] = r
	}
	if len(s.Trust) > 0 {
		trust = s.Trust
	}
	table, err := mapping.NewTable(mapping.Source{
		API: s.API, Permissions: s.Permissions, Routes: s.Routes, Complete: s.Complete != nil, Trust: trust,
	})
	d.table = table
	return d, err
}

func permissions(b, a *side) Permissions {
	list := Permissions{Added: []mapping.Permission{}, Removed: []mapping.Permission{}, Changed: []Changed{}}
	for id, p := range a.permissions {
		was, known := b.permissions[id]
		switch {
		case !known:
			list.Added = append(list.Added, p)
		case sameText(was, p):
			list.Unchanged++
		default:
			list.Changed = append(list.Changed, Changed{Before: was, After: p})
		}
	}
	for id, p := range b.permissions {
		if _, known := a.permissions[id]; !known {
			list.Removed = append(list.Removed, p)
		}
	}
	slices.SortFunc(list.Added, byPlace)
	slices.SortFunc(list.Removed, byPlace)
	slices.SortFunc(list.Changed, func(x, y Changed) int { return byPlace(x.After, y.After) })
	return list
}

// byPlace sorts permissions as people look for them: by route, then by method,
// then by what they require.
func byPlace(p, q mapping.Permission) int {
	return cmp.Or(
		cmp.Compare(p.Resource.Shape(), q.Resource.Shape()), cmp.Compare(p.Verb, q.Verb),
		cmp.Compare(p.Requires.String(), q.Requires.String()), cmp.Compare(p.ID(), q.ID()),
	)
}

// sameText reports whether two permissions are written alike.
func sameText(p, q mapping.Permission) bool {
	x, errX := json.Marshal(p)
	y, errY := json.Marshal(q)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func routes(b, a *side) Routes {
	return Routes{Added: missing(a.routes, b.routes), Removed: missing(b.routes, a.routes)}
}

// missing lists the routes of one table that the other does not have.
func missing(of, in map[string]mapping.Route) []string {
	var list []mapping.Route
	for id, r := range of {
		if _, known := in[id]; !known {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(x, y mapping.Route) int {
		return cmp.Or(cmp.Compare(x.Resource.Shape(), y.Resource.Shape()), cmp.Compare(x.Verb, y.Verb))
	})
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.String()
	}
	return texts
}

// head lists the fields of the head that differ.
func head(before, after store.Snapshot) []Field {
	list := []Field{}
	add := func(name string, differ bool, b, a any) {
		if differ {
			list = append(list, Field{Field: name, Before: b, After: a})
		}
	}
	add("name", before.Name != after.Name, before.Name, after.Name)
	add("owners", !sameList(before.Owners, after.Owners), before.Owners, after.Owners)
	add("trust", !sameList(before.Trust, after.Trust), before.Trust, after.Trust)
	add("complete", !sameComplete(before.Complete, after.Complete), before.Complete, after.Complete)
	return list
}

func sameList[T any](x, y []T) bool {
	return len(x) == 0 && len(y) == 0 || reflect.DeepEqual(x, y)
}

// sameComplete compares what is marked, not by whom and when: the same document
// applied again changes nothing.
func sameComplete(x, y *store.Complete) bool {
	if x == nil || y == nil {
		return x == y
	}
	return x.Source == y.Source
}

// replaced is a list with some put over what has their ids, and some removed.
func replaced[T any](list, put []T, remove []string, id func(T) string) []T {
	all := map[string]T{}
	for _, one := range list {
		all[id(one)] = one
	}
	for _, gone := range remove {
		delete(all, gone)
	}
	for _, one := range put {
		all[id(one)] = one
	}
	ids := make([]string, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var result []T
	for _, id := range ids {
		result = append(result, all[id])
	}
	return result
}
