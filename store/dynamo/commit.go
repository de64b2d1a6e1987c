package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/layout"
	"scopegate/mapping"
	"scopegate/store"
)

// Client is what a Store needs of *dynamodb.Client.
type Client interface {
	ReadClient
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

// Store is a [store.Store] on a DynamoDB table. It is safe for concurrent use.
type Store struct {
	Reader
	client  Client
	release func() // may be nil
	// plain has changes made as by programs of before tables were packed.
	plain bool
}

var _ store.Store = (*Store)(nil)

// New keeps tables in the DynamoDB table named, which package migrations makes.
func New(client Client, table string) *Store {
	return &Store{Reader: Reader{client: client, table: table, stamps: true, code: layout.Current}, client: client}
}

// Own is New with a client of the store's own: Close closes its idle connections.
func Own(client *dynamodb.Client, table string) *Store {
	s := New(client, table)
	if h, ok := client.Options().HTTPClient.(interface{ CloseIdleConnections() }); ok {
		s.release = h.CloseIdleConnections
	}
	return s
}

// Close releases what Own was given; a client that was given to New stays as it is.
func (s *Store) Close() error {
	if s.release != nil {
		s.release()
	}
	return nil
}

const (
	// maxCommits is how often a commit is tried again after a transaction that
	// DynamoDB cancelled for another reason than a moved revision, such as a
	// conflict with a transaction that itself came to nothing.
	maxCommits = 12
	// settleWithin bounds the search for what became of a transaction, and
	// cleanWithin the tidying after one. Both may outlive the caller's context.
	settleWithin = 5 * time.Second
	cleanWithin  = 2 * time.Second
)

// Commit is store.Store's Commit.
func (s *Store) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	c, err := c.Canonical()
	if err != nil {
		return store.Meta{}, wrap(err, "change %s of table of %s", c.ID, c.API)
	}
	answer, litter, err := s.commit(ctx, c)
	if litter {
		s.tidy(ctx, c.API)
	}
	return answer, wrap(err, "commit change %s of table of %s", c.ID, c.API)
}

// tidy removes what a change left over, made or not. What it does not get to is
// found again next time.
func (s *Store) tidy(ctx context.Context, api mapping.API) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	_ = s.Clean(ctx, api)
}

// commit makes a change; litter says that something may be left over.
func (s *Store) commit(ctx context.Context, c store.Change) (answer store.Meta, litter bool, err error) {
	var sent *head // what the newest transaction sent was conditional on
	for try := 0; ; try++ {
		t, err := s.prepare(ctx, c)
		litter = litter || t.litter
		if err == nil && t.answered {
			return t.answer, litter, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			sent = &t.head
			err = s.transact(ctx, t.actions, "change", t.changeID, rand.Text())
		}
		switch {
		case err == nil:
			return t.answer, litter, nil
		case errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid):
			return store.Meta{}, litter, err // found out by reading: settled
		case !worthRetry(err) || try == maxCommits-1:
			answer, err := s.settle(ctx, c, sent, err)
			return answer, litter, err
		}
		if stop := pause(ctx, try); stop != nil {
			answer, err := s.settle(ctx, c, sent, fmt.Errorf("%w (after %w)", stop, err))
			return answer, litter, err
		}
	}
}

// prepare reads the table and makes the transaction; or finds that the change
// was made before. The order matters: a change that is not in the audit trail
// after its revision was seen to have passed will never be committed.
func (s *Store) prepare(ctx context.Context, c store.Change) (transaction, error) {
	h, err := s.head(ctx, c.API)
	if err != nil {
		return transaction{}, err
	}
	answer, found, err := s.lookup(ctx, c)
	if err != nil || found {
		return transaction{answered: found, answer: answer}, err
	}
	if h.Deleted { // else it is asked along with the items
		if err := s.fits(ctx); err != nil {
			return transaction{}, err
		}
	}
	var was table
	if h.revision() == c.If {
		if was, err = s.itemsAt(ctx, h); err != nil {
			return transaction{}, err
		}
	} else {
		was.Meta = h.meta()
	}
	effect, err := c.Plan(was.Snapshot, h.Number)
	if err != nil {
		return transaction{}, err
	}
	return s.plan(ctx, h, was, effect)
}

// lookup asks the audit trail whether the change was committed, and how it was
// answered.
func (s *Store) lookup(ctx context.Context, c store.Change) (store.Meta, bool, error) {
	it, err := s.get(ctx, key(auditPK(c.API), c.ID))
	if err != nil || it == nil {
		return store.Meta{}, false, wrap(err, "look up change")
	}
	_, answer, err := decodeRecord(c.API, it)
	return answer, err == nil, wrap(err, "look up change")
}

// settle finds out what became of a transaction that was sent and failed with
// cause: not even a plain refusal is proof, since the SDK may have sent it
// before, and that may have arrived. The caller's context may be over.
func (s *Store) settle(ctx context.Context, c store.Change, sent *head, cause error) (store.Meta, error) {
	if sent == nil {
		return store.Meta{}, cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	unknown := func(err error) (store.Meta, error) {
		return store.Meta{}, fmt.Errorf("%w: %w (%w)", store.ErrUnknown, cause, err)
	}
	if answer, found, err := s.lookup(ctx, c); found || err != nil {
		if err != nil {
			return unknown(err)
		}
		return answer, nil
	}
	if err := s.fence(ctx, c.API, *sent); err != nil {
		return unknown(err)
	}
	// Nothing can change any more. If the head moved before the fence, the
	// change is in the audit trail now, or was overtaken.
	h, err := s.head(ctx, c.API)
	if err != nil {
		return unknown(err)
	}
	answer, found, err := s.lookup(ctx, c)
	switch {
	case err != nil:
		return unknown(err)
	case found:
		return answer, nil
	case h.revision() != c.If:
		return store.Meta{}, fmt.Errorf("%w (%w)", store.ErrConflict, cause)
	}
	return store.Meta{}, cause
}

// fence makes sure that no transaction conditional on h is committed from now
// on: it changes the head, unless it is no longer h, which has the same effect.
func (s *Store) fence(ctx context.Context, api mapping.API, h head) error {
	return s.fenceItem(ctx, s.fenceUpdate(api, h))
}

// fenceItem makes a conditional update, whose condition may fail.
func (s *Store) fenceItem(ctx context.Context, u *types.Update) error {
	for try := 0; ; try++ {
		_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
			ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
		})
		if err == nil || isConditionFailed(err) {
			return nil
		}
		if !isItemBusy(err) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}
