package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"scopegate/internal/leaktest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/bolt"
	"scopegate/store/storetest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		path := filepath.Join(t.TempDir(), "tables.db")
		s := open(t, path)
		return storetest.Harness{Store: s, Reopen: func() store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			return s
		}}
	})
}

func open(t *testing.T, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestAFileThatIsInUseIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tables.db")
	open(t, path)
	if s, err := bolt.Open(path); err == nil {
		t.Error("opened twice", s.Close())
	}
}

func TestTheFileIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tables.db")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	if s, err := bolt.Open(filepath.Join(dir, "no", "such", "directory")); err == nil {
		t.Error("opened", s.Close())
	}
	path := filepath.Join(dir, "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a store ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := bolt.Open(path); err == nil {
		t.Error("opened", s.Close())
	}
}

// spoiled opens a store of one permission, after edit had its way with the file.
func spoiled(t *testing.T, edit func(tx *bbolt.Tx) error) (*bolt.Store, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tables.db")
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.ParsePermission([]byte(`{"arn":"` + api.ARN + `","stage":"dev","httpVerb":"GET","resource":"a","scope":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := store.Change{ID: "01KAJ0000000000000000000AA", API: api, Put: []mapping.Permission{p}, By: "me", At: time.Unix(1, 0)}
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = bolt.Open(path)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

var when = time.Unix(1, 0).UTC()

var api = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

func TestAnotherLayoutIsRefused(t *testing.T) {
	_, err := spoiled(t, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("audit")).Put([]byte("layout"), []byte("2")) })
	if err == nil || !strings.Contains(err.Error(), "layout") {
		t.Errorf("%v", err)
	}
}

// To leave out what cannot be read could change who gets in.
func TestWhatCannotBeReadIsAnError(t *testing.T) {
	for _, bucket := range []string{"permissions", "routes"} {
		for _, spoil := range []func(*bbolt.Bucket, []byte, []byte) error{
			func(b *bbolt.Bucket, k, _ []byte) error { return b.Put(k, []byte("{")) },
			func(b *bbolt.Bucket, _, v []byte) error { return b.Put([]byte("other"), v) },
		} {
			s, err := spoiled(t, func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte("tables")).Bucket([]byte(api.ARN + "#dev")).Bucket([]byte(bucket))
				k, v := b.Cursor().First()
				return spoil(b, bytes.Clone(k), bytes.Clone(v))
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(t.Context(), api); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %+v, %v", bucket, got, err)
			}
		}
	}
}
