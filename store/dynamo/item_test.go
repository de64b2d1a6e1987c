package dynamo

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/mapping"
	"scopegate/store"
)

// A name that is missing here would be lost on the way.
func TestEveryFieldIsAmongTheNames(t *testing.T) {
	p, err := mapping.ParsePermission([]byte(`{"arn":"arn:aws:execute-api:us-east-1:219852565112:a","stage":"dev","httpVerb":"GET",
		"resource":"a","scope":"s","role":"r","group":"g","principalType":"app","tenant":"5f1c2b3a-0000-4000-8000-00000000000a",
		"authenticated":true,"expiresAt":"2027-01-31T12:00:00Z","description":"d"}`))
	if err != nil {
		t.Fatal(err)
	}
	it, err := toItem(p)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(maps.Keys(it))
	got := slices.Sorted(slices.Values(wireNames))
	want = slices.Sorted(slices.Values(append(want, "registered")))
	if !slices.Equal(want, got) {
		t.Errorf("names %q, want %q", got, want)
	}
	full := store.Head{Name: "n", Complete: &store.Complete{}, Owners: make([]store.Owner, 1), Trust: make([]mapping.Trust, 1)}
	h, err := toItem(head{Deleted: true, Head: full})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(metaNames)), slices.Sorted(maps.Keys(h)); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	lists := store.Record{Added: []mapping.Permission{p}, Removed: []mapping.Permission{p}, RoutesAdded: []string{"r"}, RoutesRemoved: []string{"r"}}
	lists.RequestID, lists.HeadBefore, lists.HeadAfter = "r", &full, &full
	lists.Unlisted, lists.Hash, lists.GenerationBefore, lists.GenerationAfter = true, "h", "g", "g"
	b, err := store.EncodeRecord(store.Effect{Record: lists})
	if err != nil {
		t.Fatal(err)
	}
	if it, err = jsonToItem(b); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(recordNames)), slices.Sorted(maps.Keys(it)); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	revoked := store.Revocation{Reason: "r"}
	if b, err = store.EncodeRevocationRecord(store.RevocationRecord{RequestID: "r", Was: &revoked, Is: &revoked}); err != nil {
		t.Fatal(err)
	}
	if it, err = jsonToItem(b); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(revocationRecordNames)), slices.Sorted(maps.Keys(it)); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if it, err = toItem(revoked); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(revocationNames)), slices.Sorted(maps.Keys(it)); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}

// A hundred of the largest permissions go into one transaction of 4 MB.
func TestTheLargestPermissionIsSmall(t *testing.T) {
	p, err := json.Marshal(map[string]any{
		"arn":   "arn:aws-us-gov:execute-api:" + strings.Repeat("r", 32) + ":219852565112:" + strings.Repeat("a", 64),
		"stage": strings.Repeat("s", 128), "httpVerb": "OPTIONS", "resource": strings.Repeat("界", 190),
		"scope": strings.Repeat("s", 1024), "role": strings.Repeat("r", 256), "group": strings.Repeat("g", 256),
		"description": strings.Repeat("d", 512),
	})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := mapping.ParsePermission(p)
	if err != nil {
		t.Fatal(err)
	}
	it, err := toItem(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if n := itemSize(it); n*maxActions > maxBytes || n < 2048+190*3 {
		t.Errorf("its size is %d bytes", n)
	}
}

// Whatever JSON can say comes back from attributes as it was.
func TestAttributesHoldWhatJSONSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOf(rapid.String(), value(3)).Draw(t, "members")
		want, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		it, err := jsonToItem(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := itemToJSON(it, slices.Collect(maps.Keys(it)))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("%s came back as %s", want, got)
		}
		if itemSize(it) < len(it)*3 {
			t.Fatalf("size %d of %d attributes", itemSize(it), len(it))
		}
	})
}

func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
	}
	if depth > 0 {
		kinds = append(kinds, rapid.SliceOfN(value(depth-1), 0, 4).AsAny(), rapid.MapOfN(rapid.String(), value(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(kinds...)
}
