package dynamo

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
	"scopegate/store"
)

const maxBatch = 25 // items of a BatchWriteItem (AWS: "Quotas in Amazon DynamoDB")

// Clean removes what tries of changes wrote that are not in use and can no longer
// come into use: generations, and parts of audit records that were never made.
// Large changes and deletions do it on their way, failed ones too where they can;
// what a crash left over stays, unseen, until the next of them after the table
// has moved on, or until Clean is called then. It may run at any time, any number
// of times, beside writers.
func (s *Store) Clean(ctx context.Context, api mapping.API) error {
	if err := store.CheckAPI(api); err != nil {
		return err
	}
	// In a table of a later layout what looks left over may be in use.
	if err := s.fits(ctx); err != nil {
		return wrap(err, "clean up after changes of %s", api)
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
		if err := s.remove(ctx, api, textOf(it[sk]), textOf(it["changeId"])); err != nil {
			return wrap(err, "remove generation %s of %s", textOf(it[sk]), api)
		}
	}
	return nil
}

// obsolete reports whether a registered stage is neither current nor one that a
// writer may be at work on. Numbers of revisions never go back and no fence comes
// twice, so one made from an older head than h, or from one that was fenced, is of
// no use any more, if h does not name it. The head must be read after the
// register: read before it, a generation made from a newer head, current by now,
// would look like a stale one. Lanes are none of them: they have no fromRevision.
func obsolete(registered item, h head) bool {
	number, ok := registered["fromRevision"].(*types.AttributeValueMemberN)
	if !ok || textOf(registered[sk]) == h.Generation {
		return false
	}
	from, err := strconv.ParseUint(number.Value, 10, 64)
	if err != nil {
		return false
	}
	fence, fenced := registered["fromFence"]
	return from < h.Number || fenced && textOf(fence) != h.Fence
}

// remove deletes a stage: its lanes, so that nothing is added to it any more, its
// items, the parts of a record that was not made, and at last its registration.
func (s *Store) remove(ctx context.Context, api mapping.API, name, changeID string) error {
	var lanes []item
	for lane := range parallel {
		lanes = append(lanes, laneKey(api, name, lane))
	}
	if err := s.deleteBatch(ctx, lanes); err != nil {
		return err
	}
	if err := s.removeAll(ctx, &dynamodb.QueryInput{}, itemsPK(api, name)); err != nil {
		return err
	}
	if err := s.removeParts(ctx, api, name, changeID); err != nil {
		return err
	}
	return s.deleteBatch(ctx, []item{key(generationsPK(api), name)})
}

// removeParts deletes the parts that a try of a change wrote, unless the change's
// audit record names them. The table has moved past the try, so no record can
// come to name them any more.
func (s *Store) removeParts(ctx context.Context, api mapping.API, name, changeID string) error {
	if changeID == "" {
		return nil
	}
	record, err := s.get(ctx, key(auditPK(api), changeID))
	if err != nil || textOf(record[partsOf]) == name {
		return err
	}
	in := &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :try)"),
		ExpressionAttributeValues: item{":try": text(partPrefix(changeID, name))},
	}
	return s.removeAll(ctx, in, partsPK(api))
}

// removeAll deletes what a query finds in a partition.
func (s *Store) removeAll(ctx context.Context, in *dynamodb.QueryInput, partition string) error {
	in.ProjectionExpression = aws.String("pk, sk")
	items, err := s.query(ctx, in, partition, 0)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for chunk := range slices.Chunk(items, maxBatch) {
		group.Go(func() error { return s.deleteBatch(ctx, chunk) })
	}
	return group.Wait()
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
