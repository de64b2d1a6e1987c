package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/store"
)

// revocation is one change of revocations, ready to be sent.
type revocation struct {
	head     revocationsHead // what it is conditional on
	actions  []types.TransactWriteItem
	answer   store.Revision
	answered bool // nothing is to be sent: the change was made before
}

// Revoke is store.RevocationStore's Revoke. A change that another one overtook is
// made again upon that, for as long as others get ahead and the context lasts.
func (s *Store) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	c, err := c.Canonical()
	if err != nil {
		return store.Revision{}, wrap(err, "change %s of revocations", c.ID)
	}
	answer, err := s.revoke(ctx, c)
	return answer, wrap(err, "change %s of revocations", c.ID)
}

func (s *Store) revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	var sent *revocationsHead // what the newest transaction sent was conditional on
	for try := 0; ; try++ {
		r, err := s.prepareRevocation(ctx, c)
		if err == nil && r.answered {
			return r.answer, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			if sent != nil && *sent != r.head {
				try = 0 // others got ahead
			}
			sent = &r.head
			err = s.transact(ctx, r.actions, "revocation", c.ID, rand.Text())
		}
		switch {
		case err == nil:
			return r.answer, nil
		case errors.Is(err, store.ErrNotFound):
			return store.Revision{}, err // found out by reading: settled
		case !worthRetry(err) || try == maxCommits-1:
			return s.settleRevocation(ctx, c, sent, err)
		}
		if stop := pause(ctx, try); stop != nil {
			return s.settleRevocation(ctx, c, sent, fmt.Errorf("%w (after %w)", stop, err))
		}
	}
}

// prepareRevocation reads what there is and makes the transaction; or finds that
// the change was made before. The order matters as in prepare.
func (s *Store) prepareRevocation(ctx context.Context, c store.RevocationChange) (revocation, error) {
	h, err := s.revocationsHead(ctx)
	if err != nil {
		return revocation{}, err
	}
	answer, found, err := s.lookupRevocation(ctx, c)
	if err != nil || found {
		return revocation{answered: found, answer: answer}, err
	}
	if err := s.fits(ctx); err != nil {
		return revocation{}, err
	}
	was, err := s.revocationOf(ctx, c.Principal())
	if err != nil {
		return revocation{}, err
	}
	at := h.revision()
	at.Incarnation = h.Incarnation // that of a fence is used from then on
	record, err := c.Plan(at, was)
	if err != nil {
		return revocation{}, err
	}
	record.Before = h.revision()
	actions, err := s.revocationActions(h, c.Principal(), record)
	return revocation{head: h, actions: actions, answer: record.After}, err
}

// revocationActions are the revocation itself, its audit record and the head.
func (s *Store) revocationActions(h revocationsHead, principal string, r store.RevocationRecord) ([]types.TransactWriteItem, error) {
	k := key(revocationsPK, principalPrefix+principal)
	change := s.delete(k)
	if r.Is != nil {
		it, err := toItem(r.Is)
		if err != nil {
			return nil, err
		}
		// Rounded up: DynamoDB removes it after it ended, never before.
		it[ttlAttribute] = &types.AttributeValueMemberN{Value: fmt.Sprint(r.Is.Until.Unix() + 1)}
		change = s.update(k, it, revocationNames, nil)
	}
	b, err := store.EncodeRevocationRecord(r)
	if err != nil {
		return nil, err
	}
	record, err := jsonToItem(b)
	if err != nil {
		return nil, err
	}
	maps.Copy(record, key(revocationAuditPK, r.ChangeID))
	next, err := toItem(revocationsHead{Number: r.After.Number, Incarnation: r.After.Incarnation, Fence: h.Fence})
	if err != nil {
		return nil, err
	}
	head := s.update(key(revocationsPK, metaSK), next, nil, h.condition())
	return []types.TransactWriteItem{change, s.put(record, absent()), head}, nil
}

func (s *Store) lookupRevocation(ctx context.Context, c store.RevocationChange) (store.Revision, bool, error) {
	it, err := s.get(ctx, key(revocationAuditPK, c.ID))
	if err != nil || it == nil {
		return store.Revision{}, false, wrap(err, "look up change")
	}
	r, err := decodeRevocationRecord(it)
	return r.After, err == nil, wrap(err, "look up change")
}

// settleRevocation is settle for revocations.
func (s *Store) settleRevocation(ctx context.Context, c store.RevocationChange, sent *revocationsHead, cause error) (store.Revision, error) {
	if sent == nil {
		return store.Revision{}, cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	answer, found, err := s.lookupRevocation(ctx, c)
	if err == nil && !found {
		if err = s.fenceItem(ctx, s.revocationsFence(*sent)); err == nil {
			// Nothing can change any more.
			answer, found, err = s.lookupRevocation(ctx, c)
		}
	}
	switch {
	case err != nil:
		return store.Revision{}, fmt.Errorf("%w: %w (%w)", store.ErrUnknown, cause, err)
	case found:
		return answer, nil
	}
	return store.Revision{}, cause
}

// condition holds while the meta item is exactly the one that was read.
func (h revocationsHead) condition() *condition {
	if h == (revocationsHead{}) {
		return absent()
	}
	return &condition{
		expression: "#n = :wasn AND #i = :wasi AND #f = :wasf",
		names:      map[string]string{"#n": "revision", "#i": "incarnation", "#f": "fence"},
		values: item{
			":wasn": &types.AttributeValueMemberN{Value: fmt.Sprint(h.Number)},
			":wasi": text(h.Incarnation), ":wasf": text(h.Fence),
		},
	}
}

// revocationsFence changes nothing of the meta item but its fence.
func (s *Store) revocationsFence(h revocationsHead) *types.Update {
	set := item{"fence": text(rand.Text())}
	if h == (revocationsHead{}) {
		set["revision"] = &types.AttributeValueMemberN{Value: "0"}
		set["incarnation"] = text(rand.Text())
	}
	return s.update(key(revocationsPK, metaSK), set, nil, h.condition()).Update
}
