package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
	"scopegate/store"
)

const (
	maxBatch = 25 // items of a BatchWriteItem (AWS: "Quotas in Amazon DynamoDB")
	parallel = 4  // requests at a time while a generation is written or removed
)

// newGeneration is a name that no generation ever had: what an earlier try left
// behind, or still has under way, cannot become part of it.
func newGeneration() string { return ulid.Make().String() }

// generationItem registers a generation before it is written, together with
// the head that it is made from: once the table has moved past that head, the
// generation can no longer become current.
func generationItem(api mapping.API, generation string, from head) item {
	it := key(generationsPK(api), generation)
	it["fromRevision"] = &types.AttributeValueMemberN{Value: fmt.Sprint(from.Number)}
	it["fromIncarnation"] = text(from.Incarnation)
	return it
}

// rewrite writes a new generation: the items of the old one with the effect
// applied. Nobody reads it until the head names it.
func (s *Store) rewrite(ctx context.Context, h head, generation string, items []item, e store.Effect) error {
	fresh, err := applied(generation, items, e)
	if err != nil {
		return err
	}
	register := []types.TransactWriteItem{s.put(generationItem(e.After.API, generation, h), nil)}
	if err := s.transact(ctx, register, "generation", generation); err != nil {
		return wrap(err, "register generation %s", generation)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, chunk := range s.chunks(fresh) {
		group.Go(func() error { return s.writeChunk(ctx, chunk, generation, i) })
	}
	return wrap(group.Wait(), "write generation %s", generation)
}

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

// chunks cuts items into transactions. Transactions rather than batches: their
// tokens keep a request that was sent twice, and arrives late, from being
// carried out again after later changes.
func (s *Store) chunks(items []item) [][]types.TransactWriteItem {
	var all [][]types.TransactWriteItem
	var chunk []types.TransactWriteItem
	bytes := 0
	for _, it := range items {
		size := itemSize(it)
		if len(chunk) == maxActions || len(chunk) > 0 && bytes+size > maxBytes {
			all, chunk, bytes = append(all, chunk), nil, 0
		}
		chunk, bytes = append(chunk, s.put(it, nil)), bytes+size
	}
	if len(chunk) > 0 { // DynamoDB refuses a transaction of nothing
		all = append(all, chunk)
	}
	return all
}

func (s *Store) writeChunk(ctx context.Context, chunk []types.TransactWriteItem, generation string, i int) error {
	for try := 0; ; try++ {
		err := s.transact(ctx, chunk, "items", generation, fmt.Sprint(i))
		if err == nil || !worthRetry(err) || try == maxCommits-1 {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// Clean removes the generations of a table that are not in use and can no
// longer come into use. Large changes and deletions do it on their way; what a
// crash left over stays, unseen, until the next one, or until Clean is called.
// It may run at any time, any number of times.
func (s *Store) Clean(ctx context.Context, api mapping.API) error {
	if err := store.CheckAPI(api); err != nil {
		return err
	}
	registered, err := s.query(ctx, &dynamodb.QueryInput{}, generationsPK(api), 0)
	if err != nil {
		return wrap(err, "read generations of %s", api)
	}
	h, err := s.head(ctx, api) // after the register: see obsolete
	if err != nil {
		return err
	}
	for _, it := range registered {
		if !obsolete(it, h) {
			continue
		}
		generation := textOf(it[sk])
		if err := s.remove(ctx, api, generation); err != nil {
			return wrap(err, "remove generation %s of %s", generation, api)
		}
	}
	return nil
}

// obsolete reports whether a registered generation is neither current nor one
// that a writer may be at work on. Numbers of revisions never go back, so one
// made from an older head than h is of no use any more, if h does not name it.
// The head must be read after the register: read before it, a generation made
// from a newer head, current by now, would look like a stale one.
func obsolete(registered item, h head) bool {
	number, ok := registered["fromRevision"].(*types.AttributeValueMemberN)
	if !ok {
		return false
	}
	from, err := strconv.ParseUint(number.Value, 10, 64)
	return err == nil && from < h.Number && textOf(registered[sk]) != h.Generation
}

// remove deletes the items of a generation and then its registration.
func (s *Store) remove(ctx context.Context, api mapping.API, generation string) error {
	items, err := s.query(ctx, &dynamodb.QueryInput{ProjectionExpression: aws.String("pk, sk")}, itemsPK(api, generation), 0)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for chunk := range slices.Chunk(items, maxBatch) {
		group.Go(func() error { return s.deleteBatch(groupCtx, chunk) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.deleteBatch(ctx, []item{key(generationsPK(api), generation)})
}

// deleteBatch deletes up to 25 items by their keys, again and again until none
// is left unprocessed.
func (s *Store) deleteBatch(ctx context.Context, keys []item) error {
	var requests []types.WriteRequest
	for _, k := range keys {
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: item{pk: k[pk], sk: k[sk]}}})
	}
	for try := 0; try < maxCommits; try++ {
		out, err := s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{s.table: requests},
		})
		if err != nil {
			return err
		}
		if requests = out.UnprocessedItems[s.table]; len(requests) == 0 {
			return nil
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return errors.New("items stay unprocessed")
}
