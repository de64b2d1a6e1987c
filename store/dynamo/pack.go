package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/mapping"
	"scopegate/store"
)

// packedAfter packs the table as it will be once the change is made, nil if it will
// not be there or cannot be packed: then it is read from its items.
func (s *Store) packedAfter(before store.Snapshot, e store.Effect) []byte {
	if e.Delete || s.plain {
		return nil
	}
	after, err := afterwards(before, e)
	if err != nil {
		return nil
	}
	data, err := packTable(after)
	if err != nil {
		return nil
	}
	// What is read from it must be what is read from the items, to the letter.
	got, err := unpackTable(head{
		ARN: after.API.ARN, Stage: after.API.Stage, Number: after.Revision.Number, Incarnation: after.Revision.Incarnation,
		Packed: packedName(data), Head: store.Head{Name: after.Name, Complete: after.Complete, Owners: after.Owners, Trust: after.Trust},
	}, data)
	if err != nil || !sameContents(got, after) {
		return nil
	}
	return data
}

func samePermission(a, b mapping.Permission) bool { return a.Fields() == b.Fields() }

func sameRoute(a, b mapping.Route) bool {
	return a.API == b.API && a.Verb == b.Verb && a.Resource.String() == b.Resource.String()
}

// afterwards is the table once the change is made, as a reader will decode it from
// its items: before was decoded from them, and what is put goes through its item. The
// transaction is conditional on the head that before was read with, so nothing comes
// in between.
func afterwards(before store.Snapshot, e store.Effect) (store.Snapshot, error) {
	permissions := make(map[string]mapping.Permission, len(before.Permissions)+len(e.Put))
	for _, p := range before.Permissions {
		permissions[p.ID()] = p
	}
	for _, p := range e.Put {
		id := p.ID()
		it, err := encodePermission(p, e.Stamps[id])
		if err != nil {
			return store.Snapshot{}, err
		}
		if permissions[id], err = decodePermission(e.After.API, id, it); err != nil {
			return store.Snapshot{}, err
		}
	}
	routes := make(map[string]mapping.Route, len(before.Routes)+len(e.PutRoutes))
	for _, r := range before.Routes {
		routes[r.ID()] = r
	}
	for _, r := range e.PutRoutes {
		id := r.ID()
		it, err := encodeRoute(r, "")
		if err != nil {
			return store.Snapshot{}, err
		}
		if routes[id], err = decodeRoute(e.After.API, id, it); err != nil {
			return store.Snapshot{}, err
		}
	}
	for _, id := range e.Remove {
		delete(permissions, id)
	}
	for _, id := range e.RemoveRoutes {
		delete(routes, id)
	}
	after := store.Snapshot{Meta: e.After}
	for _, id := range slices.Sorted(maps.Keys(permissions)) {
		after.Permissions = append(after.Permissions, permissions[id])
	}
	for _, id := range slices.Sorted(maps.Keys(routes)) {
		after.Routes = append(after.Routes, routes[id])
	}
	return after, nil
}

// Verify is Load, and compares what authorizers read of the table: ErrEdited if that is
// something else at the same revision, or can be read where the items cannot, since
// these were changed past this program.
// Authorizers then go by the table as this program made it, until its next change.
func (s *Store) Verify(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	for try := 0; ; try++ {
		items, err := s.Load(ctx, api)
		if errors.As(err, new(unreadable)) {
			return items, s.verifyUnreadable(ctx, api, err)
		}
		if err != nil {
			return items, err
		}
		packed, h, err := s.packed(ctx, api)
		switch {
		case err != nil:
			return items, err
		case h.revision() != items.Revision && try < maxLoads:
			continue // changed in between
		case packed.Revision != items.Revision:
			return items, nil // read from the items
		case !sameContents(packed, items):
			return items, fmt.Errorf("table of %s: items: %w at revision %s", api, store.ErrEdited, items.Revision)
		}
		return items, nil
	}
}

// verifyUnreadable says whether authorizers can read the table all the same, whose
// items cannot be: ErrEdited if so, since what is packed was read from items.
func (s *Store) verifyUnreadable(ctx context.Context, api mapping.API, fault error) error {
	packed, _, err := s.packed(ctx, api)
	if err != nil || packed.Revision == (store.Revision{}) {
		return fault // their calls fail, too
	}
	return fmt.Errorf("%w at revision %s: %w", store.ErrEdited, packed.Revision, fault)
}

func sameContents(a, b store.Snapshot) bool {
	return slices.EqualFunc(a.Permissions, b.Permissions, samePermission) && slices.EqualFunc(a.Routes, b.Routes, sameRoute)
}

// packedAction puts the packed table, or takes away what an earlier change packed.
func (s *Store) packedAction(api mapping.API, data []byte) []types.TransactWriteItem {
	k := key(metaPK(api), snapshotSK)
	switch {
	case s.plain:
		return nil
	case data == nil:
		return []types.TransactWriteItem{s.delete(k)}
	}
	k[packedData] = &types.AttributeValueMemberB{Value: data}
	return []types.TransactWriteItem{s.put(k, nil)}
}

// packed reads the head of a table that exists and, in the same Query, the table where
// it is packed; the zero Snapshot where it is not, or not at the head's revision.
//
// The two items are as they were at some time during the call, and not at the same
// (AWS: "Amazon DynamoDB transactions": the isolation of a Query is read-committed):
// it is the name in the head that makes sure of it. So the table is that of the head,
// and whatever else may be wrong with it leaves the items to be read.
func (r *Reader) packed(ctx context.Context, api mapping.API) (store.Snapshot, head, error) {
	if err := checkLive(api); err != nil {
		return store.Snapshot{}, head{}, err
	}
	items, err := r.query(ctx, &dynamodb.QueryInput{}, metaPK(api), 0)
	if err != nil {
		return store.Snapshot{}, head{}, wrap(err, "read head of table of %s", api)
	}
	var meta item
	var data []byte
	for _, it := range items {
		switch textOf(it[sk]) {
		case metaSK:
			meta = it
		case snapshotSK:
			if b, ok := it[packedData].(*types.AttributeValueMemberB); ok {
				data = b.Value
			}
		}
	}
	h, err := r.headOf(ctx, api, meta)
	if err == nil {
		err = r.lives(ctx, api, h)
	}
	if err != nil {
		return store.Snapshot{}, h, err
	}
	s, err := unpackTable(h, data)
	if err != nil {
		return store.Snapshot{}, h, nil
	}
	return s, h, wrap(r.fits(ctx), "read table of %s", api)
}
