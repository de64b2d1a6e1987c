package dynamo

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/mapping"
	"scopegate/store"
)

const (
	// partsOf names in an audit record the try of its change that wrote its
	// lists, and partData holds a part of them, compressed.
	partsOf  = "partsOf"
	partData = "lists"

	maxPart = 300 << 10 // bytes; an item holds 400 KB (AWS: "Quotas in Amazon DynamoDB")
)

func partsPK(api mapping.API) string { return "auditparts#" + joined(api) }

// partPrefix begins the sort keys of the parts that one try of a change wrote: a
// later try never touches them.
func partPrefix(changeID, try string) string { return changeID + "#" + try + "#" }

// parts cuts the lists of a bulk change into items.
func parts(api mapping.API, changeID, try string, lists []byte) ([]item, error) {
	if lists == nil {
		return nil, nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(lists); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	var all []item
	for part := range slices.Chunk(packed.Bytes(), maxPart) {
		it := key(partsPK(api), fmt.Sprintf("%s%06d", partPrefix(changeID, try), len(all)))
		it[partData] = &types.AttributeValueMemberB{Value: part}
		all = append(all, it)
	}
	return all, nil
}

// AuditDetail is store.Store's AuditDetail.
func (r *Reader) AuditDetail(ctx context.Context, api mapping.API, changeID string) (store.Record, error) {
	record, err := r.detail(ctx, api, changeID)
	return record, wrap(err, "read audit of %s: change %s", api, changeID)
}

func (r *Reader) detail(ctx context.Context, api mapping.API, changeID string) (store.Record, error) {
	if store.CheckAPI(api) != nil || store.CheckChangeID(changeID) != nil {
		return store.Record{}, store.ErrNotFound
	}
	it, err := r.get(ctx, key(auditPK(api), changeID))
	if err != nil {
		return store.Record{}, err
	}
	if it == nil {
		return store.Record{}, store.ErrNotFound
	}
	record, _, err := decodeRecord(api, it)
	if err != nil || !record.Unlisted || record.Hash == "" {
		return record, err
	}
	lists, err := r.lists(ctx, api, changeID, textOf(it[partsOf]))
	if err != nil {
		return store.Record{}, err
	}
	return record.WithLists(lists)
}

// lists puts the parts together that a try wrote. Parts are never changed, so
// reading them in several pages is no harm; should one be missing, the hash of
// what is left is another one.
func (r *Reader) lists(ctx context.Context, api mapping.API, changeID, try string) ([]byte, error) {
	in := &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :try)"),
		ExpressionAttributeValues: item{":try": text(partPrefix(changeID, try))},
	}
	items, err := r.query(ctx, in, partsPK(api), 0)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	for _, it := range items {
		part, ok := it[partData].(*types.AttributeValueMemberB)
		if !ok {
			return nil, fmt.Errorf("%w: part %s: attribute %s: must be binary", store.ErrIncomplete, textOf(it[sk]), partData)
		}
		packed.Write(part.Value)
	}
	lists, err := unpack(&packed)
	if err != nil { // no outage: it will be so the next time too
		return nil, fmt.Errorf("%w: unpack lists: %w", store.ErrIncomplete, err)
	}
	return lists, nil
}

func unpack(packed io.Reader) ([]byte, error) {
	r, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
