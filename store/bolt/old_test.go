package bolt_test

import (
	"encoding/json"
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"scopegate/mapping"
	"scopegate/store"
)

// A file of before there were stamps and revocations opens, reads and is written.
func TestAFileOfAnEarlierVersionGoesOn(t *testing.T) {
	s, err := spoiled(t, func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte("revocations")); err != nil {
			return err
		}
		return tx.Bucket([]byte("tables")).Bucket([]byte(api.ARN + "#dev")).DeleteBucket([]byte("stamps"))
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Load(t.Context(), api)
	if err != nil || len(before.Permissions) != 1 || len(before.Stamps) != 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	c := store.Change{ID: "01KAJ0000000000000000000AB", API: api, If: before.Revision, By: "you", At: when, Put: before.Permissions}
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	after, err := s.Load(t.Context(), api)
	want := store.Stamp{UpdatedBy: "you", UpdatedAt: when}
	if err != nil || after.Stamps[before.Permissions[0].ID()] != want {
		t.Errorf("%+v, %v", after.Stamps, err)
	}
	if all, err := s.Revocations(t.Context()); err != nil || len(all.List) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	c = store.Change{ID: "01KAJ0000000000000000000AC", API: api, If: after.Revision, By: "you", At: when, Delete: true}
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c = store.Change{ID: "01KAJ0000000000000000000AD", API: mapping.API{ARN: api.ARN, Stage: "new"}, By: "you", At: when}
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// One record that cannot be read hides none of the others.
func TestADamagedRecordSaysSo(t *testing.T) {
	id := []byte("01KAJ0000000000000000000AA")
	s, err := spoiled(t, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("audit")).Bucket([]byte(api.ARN+"#dev")).Put(id, []byte("{"))
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Meta(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	c := store.Change{ID: "01KAJ0000000000000000000AB", API: api, If: m.Revision, By: "you", At: when}
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	page, err := s.Audit(t.Context(), api, "", 10)
	if err != nil || len(page) != 2 || page[0].Damaged != "" || page[1].Damaged == "" || page[1].ChangeID != string(id) || page[1].API != api {
		t.Errorf("%+v, %v", page, err)
	}
	if r, err := s.AuditDetail(t.Context(), api, string(id)); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("alone: %+v, %v", r, err)
	}
	c.ID = string(id)
	if m, err := s.Commit(t.Context(), c); err == nil {
		t.Errorf("a change whose record cannot be read is answered %+v", m)
	}
}

// TestListsThatAreGoneSaySo.
func TestListsThatAreGoneSaySo(t *testing.T) {
	for name, spoil := range map[string]func(*bbolt.Tx) error{
		"all of them": func(tx *bbolt.Tx) error { return tx.Bucket([]byte("lists")).DeleteBucket([]byte(api.ARN + "#dev")) },
		"these":       func(tx *bbolt.Tx) error { return nil },
	} {
		id := []byte("01KAJ0000000000000000000AA")
		s, err := spoiled(t, func(tx *bbolt.Tx) error {
			audit := tx.Bucket([]byte("audit")).Bucket([]byte(api.ARN + "#dev"))
			_, v := audit.Cursor().Last()
			var record map[string]any
			if err := json.Unmarshal(v, &record); err != nil {
				return err
			}
			record["changeId"], record["unlisted"], record["hash"] = string(id), true, "sha256:0"
			text, err := json.Marshal(record)
			return errors.Join(err, audit.Put(id, text), spoil(tx))
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r, err := s.AuditDetail(t.Context(), api, string(id)); !errors.Is(err, store.ErrIncomplete) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
