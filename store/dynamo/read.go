package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/layout"
	"scopegate/mapping"
	"scopegate/store"
)

// ReadClient is what reading needs of *dynamodb.Client.
type ReadClient interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Reader reads tables. It is safe for concurrent use, as its client is.
type Reader struct {
	client ReadClient
	table  string
	stamps bool        // whether Load gives them: authorizers have no use for them
	code   layout.Code // what this program can read
	ledger *ledger     // nil: each load asks anew, as before a write
}

// NewReader reads from the DynamoDB table named, for an authorizer: stamps are left
// out, and what is read within a few seconds has the ledger read once.
func NewReader(client ReadClient, table string) *Reader {
	return &Reader{client: client, table: table, code: layout.Current, ledger: newLedger()}
}

// maxLoads is how often a load starts over because the table moved on
// meanwhile; each costs as much time as a load, so writers must be at it all
// the time for it to be used up.
const maxLoads = 50

var errMoved = errors.New("the table moved on while it was read")

// Meta is store.Store's Meta: one GetItem.
func (r *Reader) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	h, err := r.live(ctx, api)
	if err != nil {
		return store.Meta{}, err
	}
	return h.meta(), nil
}

// Load is store.Store's Load. A reader for authorizers takes the packed table where
// there is one of the head's revision. Else, and for a Store, it is the head, the
// items, and the head again; it starts over if the head moved in between.
func (r *Reader) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	for try := 0; ; try++ {
		s, err := r.loadOnce(ctx, api)
		if !errors.Is(err, errMoved) || try == maxLoads-1 {
			return s, err
		}
		if err := pause(ctx, 0); err != nil {
			return store.Snapshot{}, wrap(err, "read table of %s", api)
		}
	}
}

func (r *Reader) loadOnce(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	var h head
	var err error
	if r.stamps { // which are nowhere but in the items
		h, err = r.live(ctx, api)
	} else {
		var s store.Snapshot
		if s, h, err = r.packed(ctx, api); err == nil && s.Revision == h.revision() {
			return s, nil
		}
	}
	if err != nil {
		return store.Snapshot{}, err
	}
	t, err := r.itemsAt(ctx, h)
	return t.Snapshot, wrap(err, "read table of %s", api)
}

// APIs is store.Store's APIs.
func (r *Reader) APIs(ctx context.Context) ([]mapping.API, error) {
	items, err := r.fitting(ctx, &dynamodb.QueryInput{}, apisPK)
	if err != nil {
		return nil, wrap(err, "read list of APIs")
	}
	var all []mapping.API
	for _, it := range items {
		if !strings.HasPrefix(textOf(it[sk]), "arn:") {
			continue // of a kind that is not known here
		}
		api, err := split(textOf(it[sk]))
		if err != nil {
			return nil, wrap(err, "read list of APIs")
		}
		all = append(all, api)
	}
	slices.SortFunc(all, func(a, b mapping.API) int {
		if c := strings.Compare(a.ARN, b.ARN); c != 0 {
			return c
		}
		return strings.Compare(a.Stage, b.Stage)
	})
	return all, nil
}

// Audit is store.Store's Audit: change ids are ULIDs, so a query backwards is
// newest first.
func (r *Reader) Audit(ctx context.Context, api mapping.API, before string, limit int) ([]store.Record, error) {
	if err := store.CheckAudit(before, limit); err != nil {
		return nil, err
	}
	if store.CheckAPI(api) != nil {
		return nil, nil
	}
	items, err := r.newest(ctx, auditPK(api), before, limit)
	if err != nil {
		return nil, wrap(err, "read audit of %s", api)
	}
	var records []store.Record
	for _, it := range items {
		record, _, err := decodeRecord(api, it)
		if err != nil {
			record = store.DamagedRecord(api, textOf(it[sk]), err)
		}
		records = append(records, record)
	}
	return records, nil
}

// head reads the meta item, tombstones and absence included.
func (r *Reader) head(ctx context.Context, api mapping.API) (head, error) {
	it, err := r.get(ctx, key(metaPK(api), metaSK))
	if err != nil {
		return head{}, wrap(err, "read head of table of %s", api)
	}
	return r.headOf(ctx, api, it)
}

func (r *Reader) headOf(ctx context.Context, api mapping.API, it item) (head, error) {
	h, err := decodeHead(api, it)
	if err != nil { // a later layout's, perhaps: that says more
		err = cmp.Or(r.fits(ctx), err)
	}
	return h, wrap(err, "read head of table of %s", api)
}

// live reads the head of a table that exists.
func (r *Reader) live(ctx context.Context, api mapping.API) (head, error) {
	if err := checkLive(api); err != nil {
		return head{}, err
	}
	h, err := r.head(ctx, api)
	if err != nil {
		return h, err
	}
	return h, r.lives(ctx, api, h)
}

// checkLive is ErrNotFound where no table can be.
func checkLive(api mapping.API) error {
	if err := store.CheckAPI(api); err != nil {
		return fmt.Errorf("table of %s: %w: %w", api, store.ErrNotFound, err)
	}
	return nil
}

// lives is an error if h is the head of no table.
func (r *Reader) lives(ctx context.Context, api mapping.API, h head) error {
	if !h.Deleted {
		return nil
	}
	// Not there, or not where this code looks for it: the latter is a failure,
	// and must not come out as an API that nobody may call.
	err := r.fits(ctx)
	if err == nil {
		err = store.ErrNotFound
	}
	return fmt.Errorf("table of %s: %w", api, err)
}

// itemsAt reads the items of the table that h heads; errMoved if it is no longer the
// current one, since what was read may then be torn.
func (r *Reader) itemsAt(ctx context.Context, h head) (table, error) {
	if h.Deleted {
		return table{}, nil
	}
	api := h.meta().API
	items, err := r.fitting(ctx, &dynamodb.QueryInput{}, itemsPK(api, h.Generation))
	if err != nil {
		return table{}, err
	}
	again, err := r.head(ctx, api)
	if err != nil {
		return table{}, err
	}
	if !again.at(h) {
		return table{}, errMoved
	}
	s, err := h.snapshot(items, r.stamps)
	if err != nil {
		err = unreadable{err}
	}
	return table{Snapshot: s, items: items}, err
}

// unreadable is what is wrong with an item of a table, which was read without a fault
// of the wire.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

func (r *Reader) get(ctx context.Context, k item) (item, error) {
	out, err := r.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &r.table, Key: k, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// newest reads the last limit items of a partition, those before the sort key
// given alone unless that is "".
func (r *Reader) newest(ctx context.Context, partition, before string, limit int) ([]item, error) {
	in := &dynamodb.QueryInput{ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(limit))}
	if before != "" {
		in.KeyConditionExpression = aws.String("pk = :pk AND sk < :before")
		in.ExpressionAttributeValues = item{":before": text(before)}
	}
	return r.query(ctx, in, partition, limit)
}

// query reads all pages of a partition, or the first limit items (0: all).
func (r *Reader) query(ctx context.Context, in *dynamodb.QueryInput, partition string, limit int) ([]item, error) {
	in.TableName, in.ConsistentRead = &r.table, aws.Bool(true)
	if in.KeyConditionExpression == nil {
		in.KeyConditionExpression = aws.String("pk = :pk")
	}
	if in.ExpressionAttributeValues == nil {
		in.ExpressionAttributeValues = map[string]types.AttributeValue{}
	}
	in.ExpressionAttributeValues[":pk"] = text(partition)
	var items []item
	for {
		out, err := r.client.Query(ctx, in)
		if err != nil {
			return nil, err
		}
		items = append(items, out.Items...)
		in.ExclusiveStartKey = out.LastEvaluatedKey
		if len(in.ExclusiveStartKey) == 0 || limit > 0 && len(items) >= limit {
			break
		}
	}
	if limit > 0 && len(items) > limit {
		items = items[:limit]
	}
	return items, nil
}

func decodeRecord(api mapping.API, it item) (store.Record, store.Meta, error) {
	b, err := itemToJSON(it, recordNames)
	if err != nil {
		return store.Record{}, store.Meta{}, err
	}
	return store.DecodeRecord(api, b)
}

// pause waits before the next try: up to 10 ms, doubling up to 320 ms, at
// random so that writers do not meet again.
func pause(ctx context.Context, try int) error {
	most := 10 * time.Millisecond << min(try, 5)
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
