package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"scopegate/internal/dev"
	"scopegate/mapping"
	"scopegate/store"
)

func permission(t *testing.T, resource, description string) mapping.Permission {
	t.Helper()
	b, err := json.Marshal(map[string]string{
		"arn": dev.SeedAPI.ARN, "stage": dev.SeedAPI.Stage, "httpVerb": "GET", "resource": resource, "scope": "s", "description": description,
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.ParsePermission(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestManyPermissionsArePutOntoMany would not end in time if each of one list
// were compared with each of the other: an id is a hash.
func TestManyPermissionsArePutOntoMany(t *testing.T) {
	const each, overlap = 20_000, 1_000
	var there, over, want []mapping.Permission
	for i := range each {
		there = append(there, permission(t, fmt.Sprintf("r%d", i), "old"))
		over = append(over, permission(t, fmt.Sprintf("r%d", each-overlap+i), "new"))
	}
	want = slices.Concat(there[:each-overlap], over)
	got := put(there, over)
	same := func(a, b mapping.Permission) bool { return a.ID() == b.ID() && a.Description == b.Description }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%d permissions, want %d: those that are kept, then those that are put", len(got), len(want))
	}
	doc, err := replaced(store.Snapshot{Permissions: there[each-2:]}, store.Change{API: dev.SeedAPI, Put: over[overlap-1 : overlap+1]})
	if err != nil || len(doc.Permissions) != 3 {
		t.Errorf("document of %d permissions, want 3: %v", len(doc.Permissions), err)
	}
}
