package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/bolt"
)

var mergeAPI = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// parsed reads permissions of the table given as their members after the
// common ones.
func parsed(t *testing.T, entries ...string) []mapping.Permission {
	t.Helper()
	var list []string
	for _, e := range entries {
		if !strings.Contains(e, `"stage"`) {
			e = `"stage": "dev", ` + e
		}
		list = append(list, `{"arn": "`+mergeAPI.ARN+`", `+e+`}`)
	}
	permissions, err := mapping.ParsePermissions([]byte("[" + strings.Join(list, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	return permissions
}

func route(resource, more string) string {
	return `"httpVerb": "GET", "resource": "` + resource + `", "scope": "s"` + more
}

func openBolt(t *testing.T) store.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "db"))
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

func merging(source string) store.MergeOptions {
	return store.MergeOptions{By: "test", RequestID: "r", Source: source, Now: func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }}
}

func batch(t *testing.T, list []mapping.Permission) store.Batch {
	t.Helper()
	batches, err := store.Batches(list)
	if err != nil || len(batches) != 1 {
		t.Fatalf("batches: %v, %v", batches, err)
	}
	return batches[0]
}

func TestBatchesDealOutByTableAndCountEachPermissionOnce(t *testing.T) {
	list := parsed(t, route("a", ""), `"stage": "prod", `+route("a", ""), route("b", ""), route("a", ""))
	batches, err := store.Batches(list)
	if err != nil || len(batches) != 2 {
		t.Fatalf("%v, %v", batches, err)
	}
	if batches[0].API != mergeAPI || len(batches[0].Permissions) != 2 || batches[1].API.Stage != "prod" || len(batches[1].Permissions) != 1 {
		t.Errorf("%+v", batches)
	}
}

func TestBatchesRefuseAPermissionThatContradictsItself(t *testing.T) {
	_, err := store.Batches(parsed(t, route("a", ""), route("b", ""), route("a", `, "expiresAt": "2031-01-01T00:00:00Z"`), route("b", `, "description": "x"`)))
	for _, want := range []string{"permission 3: is permission 1", "permission 4: is permission 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestMergeAddsAndReplacesButNeverTakesAway(t *testing.T) {
	s := openBolt(t)
	for _, c := range []struct {
		name    string
		entries []string
		source  string
		want    store.Merged // API left out
		number  uint64
	}{
		{"makes the table", []string{route("a", ""), route("b", "")}, "", store.Merged{Added: 2}, 1},
		{"the same again writes nothing", []string{route("a", "")}, "", store.Merged{Unchanged: 1}, 1},
		{"replaces", []string{route("a", `, "description": "x"`), route("c/{id}", "")}, "", store.Merged{Added: 1, Changed: 1}, 2},
		{"another parameter name is a change", []string{route("c/{key}", "")}, "", store.Merged{Changed: 1}, 3},
		{"marks as complete", []string{route("b", "")}, "sha256:1", store.Merged{Unchanged: 1, Completed: true}, 4},
		{"the same mark is none", []string{route("b", "")}, "sha256:1", store.Merged{Unchanged: 1}, 4},
		{"a merge without a mark keeps it", []string{route("d", "")}, "", store.Merged{Added: 1}, 5},
	} {
		got, err := store.Merge(t.Context(), s, batch(t, parsed(t, c.entries...)), merging(c.source))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		c.want.API, c.want.Revision = mergeAPI, store.Revision{Number: c.number, Incarnation: got.Revision.Incarnation}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	after, err := s.Load(t.Context(), mergeAPI)
	if err != nil || len(after.Permissions) != 4 || after.Complete == nil || after.Complete.Source != "sha256:1" || after.Complete.By != "test" {
		t.Errorf("table afterwards: %+v, %v", after, err)
	}
	records, err := s.Audit(t.Context(), mergeAPI, "", 10)
	if err != nil || len(records) != 5 || records[0].By != "test" || records[0].RequestID != "r" {
		t.Errorf("audit: %d records, %v", len(records), err)
	}
}

func TestMergeKeepsTheRestOfTheHead(t *testing.T) {
	s := openBolt(t)
	head := store.Head{Name: "n", Trust: []mapping.Trust{{Issuer: "https://i.example", Audiences: []string{"a"}}}}
	_, err := s.Commit(t.Context(), store.Change{ID: "01M7Z68QP81PMEDG9EVR989GV1", API: mergeAPI, Head: &head, By: "x", At: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Merge(t.Context(), s, batch(t, parsed(t, route("a", ""))), merging("f")); err != nil {
		t.Fatal(err)
	}
	meta, err := s.Meta(t.Context(), mergeAPI)
	if err != nil || meta.Name != "n" || len(meta.Trust) != 1 || meta.Complete == nil {
		t.Errorf("head: %+v, %v", meta, err)
	}
}

func TestManyMergesAtOnceLoseNothing(t *testing.T) {
	s := openBolt(t)
	const writers = 30
	var wg sync.WaitGroup
	for i := range writers {
		b := batch(t, parsed(t, route(fmt.Sprintf("r%d", i), "")))
		wg.Go(func() {
			if m, err := store.Merge(t.Context(), s, b, merging("")); err != nil || m.Added != 1 {
				t.Errorf("merge: %+v, %v", m, err)
			}
		})
	}
	wg.Wait()
	after, err := s.Load(t.Context(), mergeAPI)
	if err != nil || len(after.Permissions) != writers || after.Revision.Number != writers {
		t.Errorf("%d permissions at revision %s, want %d: %v", len(after.Permissions), after.Revision, writers, err)
	}
}

// scripted answers Commit with the errors given first, having carried the change
// out where it says so.
type scripted struct {
	store.Store
	errs    []error
	carried bool
	ids     []string
}

func (s *scripted) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	s.ids = append(s.ids, c.ID)
	if len(s.errs) == 0 {
		return s.Store.Commit(ctx, c)
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	if s.carried {
		if _, err := s.Store.Commit(ctx, c); err != nil {
			return store.Meta{}, err
		}
	}
	return store.Meta{}, err
}

func TestAnUnknownOutcomeIsSettledByRepeatingTheVerySameChange(t *testing.T) {
	for _, carried := range []bool{true, false} {
		s := &scripted{Store: openBolt(t), errs: []error{store.ErrUnknown, store.ErrUnknown}, carried: carried}
		m, err := store.Merge(t.Context(), s, batch(t, parsed(t, route("a", ""))), merging(""))
		if err != nil || m.Revision.Number != 1 || m.Added != 1 {
			t.Errorf("carried out %v: %+v, %v", carried, m, err)
		}
		if len(s.ids) != 3 || s.ids[0] != s.ids[1] || s.ids[1] != s.ids[2] {
			t.Errorf("carried out %v: changes %v, want one id three times", carried, s.ids)
		}
	}
}

func TestAConflictStartsOverWithANewChange(t *testing.T) {
	s := &scripted{Store: openBolt(t), errs: []error{store.ErrConflict}}
	if _, err := store.Merge(t.Context(), s, batch(t, parsed(t, route("a", ""))), merging("")); err != nil {
		t.Fatal(err)
	}
	if len(s.ids) != 2 || s.ids[0] == s.ids[1] {
		t.Errorf("changes %v, want two different ones", s.ids)
	}
}

func TestMergeGivesUpAndSaysWhy(t *testing.T) {
	down := errors.New("down")
	forever := make([]error, 1000)
	for i := range forever {
		forever[i] = store.ErrConflict
	}
	for _, c := range []struct {
		errs []error
		want error
	}{
		{[]error{down}, down}, {forever, store.ErrConflict},
		{[]error{store.ErrUnknown, store.ErrUnknown, store.ErrUnknown, store.ErrUnknown}, store.ErrUnknown},
	} {
		s := &scripted{Store: openBolt(t), errs: c.errs}
		if _, err := store.Merge(t.Context(), s, batch(t, parsed(t, route("a", ""))), merging("")); !errors.Is(err, c.want) {
			t.Errorf("error %v, want %v", err, c.want)
		}
	}
}
