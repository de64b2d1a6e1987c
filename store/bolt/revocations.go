package bolt

import (
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"scopegate/store"
)

// revocationsHead is the revision of all revocations as it is stored.
type revocationsHead struct {
	Number      uint64 `json:"revision"`
	Incarnation string `json:"incarnation"`
}

func (h revocationsHead) revision() store.Revision { return store.Revision(h) }

// RevocationsRevision is store.RevocationReader's RevocationsRevision.
func (s *Store) RevocationsRevision(ctx context.Context) (store.Revision, error) {
	var h revocationsHead
	err := s.read(ctx, func(tx *bbolt.Tx) (err error) {
		h, err = revocationsOf(tx).head()
		return err
	})
	if err != nil {
		return store.Revision{}, fmt.Errorf("read revision of revocations: %w", err)
	}
	return h.revision(), nil
}

// Revocations is store.RevocationReader's Revocations: one transaction, so one
// revision.
func (s *Store) Revocations(ctx context.Context) (store.Revocations, error) {
	var all store.Revocations
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		h, err := revocationsOf(tx).head()
		if err != nil {
			return err
		}
		all.Revision = h.revision()
		return revocationsOf(tx).list.ForEach(func(k, v []byte) error {
			r, err := store.DecodeRevocation(string(k), v)
			all.List = append(all.List, r)
			return err
		})
	})
	if err != nil {
		return store.Revocations{}, fmt.Errorf("read revocations: %w", err)
	}
	return all, nil
}

// RevocationAudit is store.RevocationStore's RevocationAudit.
func (s *Store) RevocationAudit(ctx context.Context, before string, limit int) ([]store.RevocationRecord, error) {
	if err := store.CheckAudit(before, limit); err != nil {
		return nil, err
	}
	var records []store.RevocationRecord
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		cursor := revocationsOf(tx).audit.Cursor()
		for k, v := newestBefore(cursor, before); k != nil && len(records) < limit; k, v = cursor.Prev() {
			r, err := store.DecodeRevocationRecord(v)
			if err != nil {
				r = store.RevocationRecord{ChangeID: string(k), Damaged: err.Error()}
			}
			records = append(records, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read audit of revocations: %w", err)
	}
	return records, nil
}

// Revoke is store.RevocationStore's Revoke.
func (s *Store) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	c, err := c.Canonical()
	var answer store.Revision
	if err == nil {
		err = s.write(ctx, func(tx *bbolt.Tx) (err error) {
			answer, err = revoke(tx, c)
			return err
		})
	}
	if err != nil {
		return store.Revision{}, fmt.Errorf("change %s of revocations: %w", c.ID, err)
	}
	return answer, nil
}

// revoke makes a change within a transaction, or finds that it was made.
func revoke(tx *bbolt.Tx, c store.RevocationChange) (store.Revision, error) {
	b := revocationsOf(tx)
	if v := b.audit.Get([]byte(c.ID)); v != nil {
		r, err := store.DecodeRevocationRecord(v)
		return r.After, err
	}
	h, err := b.head()
	if err != nil {
		return store.Revision{}, err
	}
	key := []byte(c.Principal())
	was, err := b.at(key)
	if err != nil {
		return store.Revision{}, err
	}
	record, err := c.Plan(h.revision(), was)
	if err != nil {
		return store.Revision{}, err
	}
	return record.After, b.write(key, record)
}

// revocations are the buckets of revocations.
type revocations struct{ root, list, audit *bbolt.Bucket }

func revocationsOf(tx *bbolt.Tx) revocations {
	root := tx.Bucket(revocationsBucket)
	return revocations{root, root.Bucket(listBucket), root.Bucket(auditBucket)}
}

func (b revocations) head() (revocationsHead, error) {
	var h revocationsHead
	v := b.root.Get(headKey)
	if v == nil {
		return h, nil
	}
	if err := json.Unmarshal(v, &h); err != nil {
		return h, fmt.Errorf("head: %w", err)
	}
	return h, nil
}

// at is the revocation of a principal, nil if there is none.
func (b revocations) at(key []byte) (*store.Revocation, error) {
	v := b.list.Get(key)
	if v == nil {
		return nil, nil
	}
	r, err := store.DecodeRevocation(string(key), v)
	return &r, err
}

func (b revocations) write(key []byte, r store.RevocationRecord) error {
	record, err := store.EncodeRevocationRecord(r)
	if err != nil {
		return err
	}
	if err := b.audit.Put([]byte(r.ChangeID), record); err != nil {
		return err
	}
	if err := put(b.root, headKey, revocationsHead(r.After)); err != nil {
		return err
	}
	if r.Is == nil {
		return b.list.Delete(key)
	}
	return put(b.list, key, r.Is)
}
