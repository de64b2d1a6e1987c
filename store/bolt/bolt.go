// Package bolt keeps permission tables in one file, for one process: the
// embedded default of scopegate dev. In go the calls of [store.Store]; out comes
// one bbolt transaction for each of them.
//
// Buckets: tables/<arn>#<stage> holds the head (or its tombstone) and the
// buckets permissions, routes and stamps (of permissions), by id; audit/<arn>#<stage> holds audit records
// by change id, and lists/<arn>#<stage> the lists of bulk changes; revocations holds their head and the buckets list, by principal,
// and audit. Values are JSON. Neither ARNs nor stages hold a '#'.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"scopegate/mapping"
	"scopegate/store"
)

var (
	tablesBucket = []byte("tables")
	auditBucket  = []byte("audit")
	headKey      = []byte("head")
	permissions  = []byte("permissions")
	routes       = []byte("routes")
	stamps       = []byte("stamps")
	layoutKey    = []byte("layout")

	listsBucket       = []byte("lists")
	revocationsBucket = []byte("revocations")
	listBucket        = []byte("list")
)

// layout is the version of the file's layout; another one is refused.
const layout = "1"

// lockWithin is how long Open waits for another process to let go of the file.
const lockWithin = time.Second

// Store is a [store.Store] in a file. It is safe for concurrent use.
type Store struct {
	db *bbolt.DB
	// turn is held by the one writer. bbolt has a lock of its own for that,
	// but waiting for it does not end with the caller's context.
	turn chan struct{}
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or makes it, readable by its owner only. A file that
// another process has open is an error after a second.
func Open(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWithin})
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := db.Update(prepare); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, errors.Join(err, db.Close()))
	}
	return &Store{db: db, turn: make(chan struct{}, 1)}, nil
}

func prepare(tx *bbolt.Tx) error {
	tables, err := tx.CreateBucketIfNotExists(tablesBucket)
	if err != nil {
		return err
	}
	audit, err := tx.CreateBucketIfNotExists(auditBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucketIfNotExists(listsBucket); err != nil {
		return err
	}
	if err := prepareRevocations(tx); err != nil {
		return err
	}
	switch version := string(audit.Get(layoutKey)); {
	case version == layout:
		return nil
	case version != "" || tables.Stats().KeyN > 0:
		return fmt.Errorf("its layout is version %q, must be %s", version, layout)
	}
	return audit.Put(layoutKey, []byte(layout))
}

// prepareRevocations: a file made before there were any gets their buckets too.
func prepareRevocations(tx *bbolt.Tx) error {
	root, err := tx.CreateBucketIfNotExists(revocationsBucket)
	if err != nil {
		return err
	}
	for _, name := range [][]byte{listBucket, auditBucket} {
		if _, err := root.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Meta is store.Store's Meta.
func (s *Store) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	var h head
	err := s.view(ctx, api, func(t table) (err error) {
		h, err = t.live()
		return err
	})
	if err != nil {
		return store.Meta{}, fmt.Errorf("read head of table of %s: %w", api, err)
	}
	return h.meta(api), nil
}

// Load is store.Store's Load: one transaction, so one revision.
func (s *Store) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	var snapshot store.Snapshot
	err := s.view(ctx, api, func(t table) error {
		h, err := t.live()
		if err != nil {
			return err
		}
		snapshot, err = t.snapshot(h)
		return err
	})
	if err != nil {
		return store.Snapshot{}, fmt.Errorf("read table of %s: %w", api, err)
	}
	return snapshot, nil
}

// APIs is store.Store's APIs. A key's '#' sorts before all other characters of
// an ARN, so the order of keys is that of ARN and stage.
func (s *Store) APIs(ctx context.Context) ([]mapping.API, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read list of APIs: %w", err)
	}
	var all []mapping.API
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(tablesBucket).ForEachBucket(func(k []byte) error {
			api, err := split(string(k))
			if err != nil {
				return err
			}
			h, err := open(tx, api).head()
			if err == nil && !h.Deleted {
				all = append(all, api)
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read list of APIs: %w", err)
	}
	return all, nil
}

// Audit is store.Store's Audit.
func (s *Store) Audit(ctx context.Context, api mapping.API, before string, limit int) ([]store.Record, error) {
	if err := store.CheckAudit(before, limit); err != nil {
		return nil, err
	}
	var records []store.Record
	err := s.view(ctx, api, func(t table) error {
		if t.audit == nil {
			return nil
		}
		cursor := t.audit.Cursor()
		for k, v := newestBefore(cursor, before); k != nil && len(records) < limit; k, v = cursor.Prev() {
			r, _, err := store.DecodeRecord(api, v)
			if err != nil {
				r = store.DamagedRecord(api, string(k), err)
			}
			records = append(records, r)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read audit of %s: %w", api, err)
	}
	return records, nil
}

// AuditDetail is store.Store's AuditDetail.
func (s *Store) AuditDetail(ctx context.Context, api mapping.API, changeID string) (store.Record, error) {
	var r store.Record
	err := s.view(ctx, api, func(t table) (err error) {
		r, err = t.detail(changeID)
		return err
	})
	if err != nil {
		return store.Record{}, fmt.Errorf("read audit of %s: change %s: %w", api, changeID, err)
	}
	return r, nil
}

func newestBefore(cursor *bbolt.Cursor, id string) (k, v []byte) {
	if id == "" {
		return cursor.Last()
	}
	if k, _ := cursor.Seek([]byte(id)); k == nil {
		return cursor.Last()
	}
	return cursor.Prev()
}

// Commit is store.Store's Commit.
func (s *Store) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	answer, err := s.commit(ctx, c)
	if err != nil {
		return store.Meta{}, fmt.Errorf("commit change %s of table of %s: %w", c.ID, c.API, err)
	}
	return answer, nil
}

func (s *Store) commit(ctx context.Context, c store.Change) (store.Meta, error) {
	c, err := c.Canonical()
	if err != nil {
		return store.Meta{}, err
	}
	var answer store.Meta
	err = s.write(ctx, func(tx *bbolt.Tx) (err error) {
		answer, err = change(tx, c)
		return err
	})
	return answer, err
}

// write runs f in a transaction, one at a time.
func (s *Store) write(ctx context.Context, f func(*bbolt.Tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ready := false
	err := s.db.Update(func(tx *bbolt.Tx) error {
		err := f(tx)
		if err == nil {
			err = ctx.Err()
		}
		ready = err == nil
		return err
	})
	if err != nil && ready {
		// The file could not be written to the end: which head the next reader
		// finds there is not known.
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return err
}

// read runs f in a transaction that sees one state.
func (s *Store) read(ctx context.Context, f func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(f)
}

// view runs f on the table of an API.
func (s *Store) view(ctx context.Context, api mapping.API, f func(table) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckAPI(api); err != nil {
		return fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	return s.db.View(func(tx *bbolt.Tx) error { return f(open(tx, api)) })
}
