package dynamo

import (
	"maps"
	"slices"

	"github.com/oklog/ulid/v2"

	"scopegate/store"
)

// newGeneration is a name that no generation ever had: what an earlier try left
// behind, or still has under way, cannot become part of it.
func newGeneration() string { return ulid.Make().String() }

// applied are the items of the new generation. Attributes and items of unknown
// kinds move along.
func applied(generation string, items []item, e store.Effect) ([]item, error) {
	api := e.After.API
	all := make(map[string]item, len(items)+len(e.Put)+len(e.PutRoutes))
	for _, it := range items {
		all[textOf(it[sk])] = maps.Clone(it)
	}
	for _, p := range e.Put {
		id := p.ID()
		name := permPrefix + id
		attributes, err := encodePermission(p, e.Stamps[id])
		if err != nil {
			return nil, err
		}
		it := all[name]
		if it == nil {
			it = key("", name)
		}
		for _, known := range permissionNames {
			delete(it, known)
		}
		maps.Copy(it, attributes)
		all[name] = it
	}
	for _, id := range e.Remove {
		delete(all, permPrefix+id)
	}
	for _, r := range e.PutRoutes {
		it, err := encodeRoute(r, generation)
		if err != nil {
			return nil, err
		}
		all[routePrefix+r.ID()] = it
	}
	for _, id := range e.RemoveRoutes {
		delete(all, routePrefix+id)
	}
	fresh := make([]item, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		all[name][pk] = text(itemsPK(api, generation))
		fresh = append(fresh, all[name])
	}
	return fresh, nil
}
