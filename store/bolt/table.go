package bolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"scopegate/mapping"
	"scopegate/store"
)

// table is the buckets of one API; they are nil where it never had a table.
type table struct {
	api    mapping.API
	bucket *bbolt.Bucket
	audit  *bbolt.Bucket
	lists  *bbolt.Bucket
}

// head is the head of a table as it is stored.
type head struct {
	Number      uint64 `json:"revision"`
	Incarnation string `json:"incarnation"`
	Deleted     bool   `json:"deleted,omitempty"`
	store.Head
}

// routeValue is a route as it is stored.
type routeValue struct {
	HTTPVerb string `json:"httpVerb"`
	Resource string `json:"resource"`
}

func keyOf(api mapping.API) []byte { return []byte(api.ARN + "#" + api.Stage) }

func split(key string) (mapping.API, error) {
	arn, stage, _ := strings.Cut(key, "#")
	return mapping.ParseAPI(arn, stage)
}

func open(tx *bbolt.Tx, api mapping.API) table {
	key := keyOf(api)
	return table{
		api: api, bucket: tx.Bucket(tablesBucket).Bucket(key),
		audit: tx.Bucket(auditBucket).Bucket(key), lists: tx.Bucket(listsBucket).Bucket(key),
	}
}

// head reads the head; where there never was a table, as one deleted.
func (t table) head() (head, error) {
	if t.bucket == nil {
		return head{Deleted: true}, nil
	}
	var h head
	if err := json.Unmarshal(t.bucket.Get(headKey), &h); err != nil {
		return head{}, fmt.Errorf("head: %w", err)
	}
	return h, nil
}

func (t table) live() (head, error) {
	h, err := t.head()
	if err == nil && h.Deleted {
		err = store.ErrNotFound
	}
	return h, err
}

func (h head) meta(api mapping.API) store.Meta {
	return store.Meta{
		API: api, Revision: store.Revision{Number: h.Number, Incarnation: h.Incarnation},
		Name: h.Name, Complete: h.Complete, Owners: h.Owners, Trust: h.Trust,
	}
}

// snapshot reads all of a table. What cannot be read is an error: to leave it
// out could change who gets in.
func (t table) snapshot(h head) (store.Snapshot, error) {
	if h.Deleted {
		return store.Snapshot{}, nil
	}
	s := store.Snapshot{Meta: h.meta(t.api)}
	err := t.bucket.Bucket(permissions).ForEach(func(id, v []byte) error {
		p, err := mapping.ParsePermission(v)
		if err == nil && (p.API != t.api || p.ID() != string(id)) {
			err = fmt.Errorf("is permission %s of %s", p.ID(), p.API)
		}
		if err != nil {
			return fmt.Errorf("permission %s: %w", id, err)
		}
		s.Permissions = append(s.Permissions, p)
		return nil
	})
	if err != nil {
		return store.Snapshot{}, err
	}
	err = t.bucket.Bucket(routes).ForEach(func(id, v []byte) error {
		r, err := decodeRoute(t.api, v)
		if err == nil && r.ID() != string(id) {
			err = fmt.Errorf("is route %s", r.ID())
		}
		if err != nil {
			return fmt.Errorf("route %s: %w", id, err)
		}
		s.Routes = append(s.Routes, r)
		return nil
	})
	s.Stamps = t.stamps()
	return s, err
}

// stamps are read as well as they can be: they say nothing about who gets in.
// A table of before there were any has no bucket for them.
func (t table) stamps() map[string]store.Stamp {
	all := map[string]store.Stamp{}
	b := t.bucket.Bucket(stamps)
	if b == nil {
		return all
	}
	_ = b.ForEach(func(id, v []byte) error {
		var stamp store.Stamp
		if json.Unmarshal(v, &stamp) == nil {
			all[string(id)] = stamp
		}
		return nil
	})
	return all
}

func decodeRoute(api mapping.API, v []byte) (mapping.Route, error) {
	var w routeValue
	if err := json.Unmarshal(v, &w); err != nil {
		return mapping.Route{}, err
	}
	return mapping.NewRoute(api, w.HTTPVerb, w.Resource)
}

// change makes a change within a transaction, or finds that it was made.
func change(tx *bbolt.Tx, c store.Change) (store.Meta, error) {
	t := open(tx, c.API)
	if t.audit != nil {
		if v := t.audit.Get([]byte(c.ID)); v != nil {
			_, answer, err := store.DecodeRecord(c.API, v)
			return answer, err
		}
	}
	h, err := t.head()
	if err != nil {
		return store.Meta{}, err
	}
	before, err := t.snapshot(h)
	if err != nil {
		return store.Meta{}, err
	}
	effect, err := c.Plan(before, h.Number)
	if err != nil {
		return store.Meta{}, err
	}
	if t, err = create(tx, c.API); err != nil {
		return store.Meta{}, err
	}
	if err := t.apply(h, effect); err != nil {
		return store.Meta{}, err
	}
	return effect.After, nil
}

// detail is the record of a change with all of its lists.
func (t table) detail(changeID string) (store.Record, error) {
	var v []byte
	if t.audit != nil {
		v = t.audit.Get([]byte(changeID))
	}
	if v == nil {
		return store.Record{}, store.ErrNotFound
	}
	r, _, err := store.DecodeRecord(t.api, v)
	if err != nil || !r.Unlisted || r.Hash == "" {
		return r, err
	}
	if t.lists == nil {
		return store.Record{}, fmt.Errorf("%w: its lists are gone", store.ErrIncomplete)
	}
	return r.WithLists(t.lists.Get([]byte(changeID)))
}

func create(tx *bbolt.Tx, api mapping.API) (table, error) {
	bucket, err := tx.Bucket(tablesBucket).CreateBucketIfNotExists(keyOf(api))
	if err != nil {
		return table{}, err
	}
	for _, name := range [][]byte{permissions, routes, stamps} {
		if _, err := bucket.CreateBucketIfNotExists(name); err != nil {
			return table{}, err
		}
	}
	for _, root := range [][]byte{auditBucket, listsBucket} {
		if _, err := tx.Bucket(root).CreateBucketIfNotExists(keyOf(api)); err != nil {
			return table{}, err
		}
	}
	return open(tx, api), nil
}

func (t table) apply(h head, e store.Effect) error {
	next := head{Number: e.Number, Incarnation: e.After.Revision.Incarnation, Head: store.Head{
		Name: e.After.Name, Complete: e.After.Complete, Owners: e.After.Owners, Trust: e.After.Trust}}
	if e.Delete {
		next.Deleted, next.Incarnation = true, h.Incarnation
	}
	if err := put(t.bucket, headKey, next); err != nil {
		return err
	}
	record, err := store.EncodeRecord(e)
	if err != nil {
		return err
	}
	if err := t.audit.Put([]byte(e.Record.ChangeID), record); err != nil {
		return err
	}
	if e.Lists != nil {
		if err := t.lists.Put([]byte(e.Record.ChangeID), e.Lists); err != nil {
			return err
		}
	}
	if e.Delete {
		return t.clear()
	}
	return t.edit(e)
}

func (t table) edit(e store.Effect) error {
	perms, marks, routes := t.bucket.Bucket(permissions), t.bucket.Bucket(stamps), t.bucket.Bucket(routes)
	for _, p := range e.Put {
		id := p.ID()
		if err := errors.Join(put(perms, []byte(id), p), put(marks, []byte(id), e.Stamps[id])); err != nil {
			return err
		}
	}
	for _, id := range e.Remove {
		if err := errors.Join(perms.Delete([]byte(id)), marks.Delete([]byte(id))); err != nil {
			return err
		}
	}
	for _, r := range e.PutRoutes {
		if err := put(routes, []byte(r.ID()), routeValue{string(r.Verb), r.Resource.String()}); err != nil {
			return err
		}
	}
	for _, id := range e.RemoveRoutes {
		if err := routes.Delete([]byte(id)); err != nil {
			return err
		}
	}
	return nil
}

func (t table) clear() error {
	return errors.Join(t.bucket.DeleteBucket(permissions), t.bucket.DeleteBucket(routes), t.bucket.DeleteBucket(stamps))
}

func put(b *bbolt.Bucket, key []byte, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}
