package dynamo

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/mapping"
	"scopegate/store"
)

var packedAPI = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// packedHeadOf is the head of a table packed into data.
func packedHeadOf(m store.Meta, data []byte) head {
	return head{ARN: m.API.ARN, Stage: m.API.Stage, Number: m.Revision.Number, Incarnation: m.Revision.Incarnation, Generation: "G", Packed: packedName(data)}
}

func metaAt(number uint64) store.Meta {
	return store.Meta{API: packedAPI, Revision: store.Revision{Number: number, Incarnation: "INCARNATION"}}
}

// drawTable draws a table with permissions and routes of every kind, routes that are
// named in other words than permissions name them among them.
func drawTable(t *rapid.T) store.Snapshot {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	s := store.Snapshot{Meta: metaAt(rapid.Uint64Min(1).Draw(t, "number"))}
	resource := func() string {
		return pick("resource", "", "a", "a/", "a/{id}", "a/{name}", "a/{rest+}", "a b/ü", "a/*", "=", "1", "a=")
	}
	for range rapid.IntRange(0, 8).Draw(t, "permissions") {
		f := mapping.Fields{
			ARN: packedAPI.ARN, Stage: packedAPI.Stage, HTTPVerb: pick("verb", "GET", "ANY", "OPTIONS"), Resource: resource(),
			Scope: pick("scope", "s", "b a", "1"), Role: pick("role", "", "R", "="), Group: pick("group", "", "g g", "ä"),
			PrincipalType: pick("type", "", "user", "app"), Tenant: pick("tenant", "", "5f1c2b3a-0000-4000-8000-00000000000a"),
			Authenticated: rapid.Bool().Draw(t, "authenticated"), ExpiresAt: pick("expiresAt", "", "2027-01-31T12:00:00Z"),
			Description: pick("description", "", "d", "=", " a  b "),
		}
		if rapid.IntRange(0, 3).Draw(t, "registered") == 0 && !strings.Contains(f.Resource, "*") {
			f = mapping.Fields{ARN: f.ARN, Stage: f.Stage, HTTPVerb: f.HTTPVerb, Resource: f.Resource, Registered: true, Description: f.Description}
		}
		p, err := mapping.NewPermission(f)
		if err != nil {
			t.Fatal(err)
		}
		s.Permissions = append(s.Permissions, p)
	}
	for range rapid.IntRange(0, 8).Draw(t, "routes") {
		verb, text := pick("route's verb", "GET", "ANY", "$connect"), resource()
		if verb == "$connect" {
			text = ""
		}
		if r, err := mapping.NewRoute(packedAPI, verb, text); err == nil {
			s.Routes = append(s.Routes, r)
		} else if !strings.Contains(text, "*") {
			t.Fatal(err)
		}
	}
	return s
}

// TestATableIsUnpackedAsItWasPacked, in its order.
func TestATableIsUnpackedAsItWasPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTable(t)
		data, err := packTable(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpackTable(packedHeadOf(want.Meta, data), data)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
	})
}

// pack is a table of n permissions, packed.
func pack(t testing.TB, n int, scope func(int) string) (store.Snapshot, []byte) {
	t.Helper()
	s := store.Snapshot{Meta: metaAt(7)}
	for i := range n {
		p, err := mapping.NewPermission(mapping.Fields{ARN: packedAPI.ARN, Stage: packedAPI.Stage, HTTPVerb: "GET", Resource: fmt.Sprintf("r%d/{id}", i), Scope: scope(i)})
		if err != nil {
			t.Fatal(err)
		}
		r, _ := p.Route()
		s.Permissions, s.Routes = append(s.Permissions, p), append(s.Routes, r)
	}
	data, err := packTable(s)
	if err != nil && !errors.Is(err, errUnpackable) {
		t.Fatal(err)
	}
	return s, data
}

// TestAPackedTableIsThatOfItsHeadOnly: of that revision, of that life, of that API,
// and of those bytes.
func TestAPackedTableIsThatOfItsHeadOnly(t *testing.T) {
	s, data := pack(t, 3, func(i int) string { return fmt.Sprint("s", i) })
	if _, err := unpackTable(packedHeadOf(s.Meta, data), data); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*head){
		"earlier":          func(h *head) { h.Number-- },
		"later":            func(h *head) { h.Number++ },
		"another life":     func(h *head) { h.Incarnation = "OTHER" },
		"another stage":    func(h *head) { h.Stage = "prod" },
		"another API":      func(h *head) { h.ARN += "x" },
		"deleted":          func(h *head) { h.Deleted = true },
		"without a name":   func(h *head) { h.Packed = "" },
		"of another form":  func(h *head) { h.Packed = "2" + strings.TrimPrefix(h.Packed, "1") },
		"of another table": func(h *head) { h.Packed = packedName([]byte("other")) },
	} {
		h := packedHeadOf(s.Meta, data)
		spoil(&h)
		if got, err := unpackTable(h, data); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for i := range data {
		other := slices.Clone(data)
		other[i] ^= 1
		if _, err := unpackTable(packedHeadOf(s.Meta, data), other); err == nil {
			t.Errorf("byte %d is another one, and it is taken", i)
		}
	}
	if _, err := unpackTable(packedHeadOf(s.Meta, data), nil); err == nil {
		t.Error("nothing is taken for a table")
	}
}

// TestWhatIsTooLargeIsNotPacked, and what says of itself that it is large is not
// unpacked to see.
func TestWhatIsTooLargeIsNotPacked(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	hard := func(int) string {
		var b strings.Builder
		for b.Len() < 1000 {
			fmt.Fprintf(&b, "%x", random.Uint64())
		}
		return b.String()
	}
	if _, data := pack(t, 1000, hard); data != nil {
		t.Errorf("%d bytes", len(data))
	}
	if _, data := pack(t, 100, hard); data == nil || len(data) > maxPacked {
		t.Errorf("%d bytes", len(data))
	}
	var zeros bytes.Buffer
	w, _ := flate.NewWriter(&zeros, flate.BestSpeed)
	_, _ = w.Write(make([]byte, maxUnpacked+1))
	_ = w.Close()
	for _, length := range []uint64{0, 1 << 20, maxUnpacked, maxUnpacked + 1, maxUnpacked + 2, 1 << 63} {
		data := append(binary.AppendUvarint(nil, length), zeros.Bytes()...)
		if _, err := unpackTable(packedHeadOf(metaAt(7), data), data); err == nil {
			t.Errorf("said to be of %d bytes: taken", length)
		}
	}
}

// TestUnpackingEndsAtTheLengthThatIsSaid, however much more is packed.
func TestUnpackingEndsAtTheLengthThatIsSaid(t *testing.T) {
	var zeros bytes.Buffer
	w, _ := flate.NewWriter(&zeros, flate.BestSpeed)
	_, _ = w.Write(make([]byte, 64<<20))
	_ = w.Close()
	data := append(binary.AppendUvarint(nil, 1<<20), zeros.Bytes()...)
	h := packedHeadOf(metaAt(7), data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := unpackTable(h, data)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 16<<20 {
		t.Errorf("%v, with %d bytes allocated", err, took)
	}
}

// TestAFieldThatWouldEndALineIsNotPacked: no permission has one, by mapping's rules.
func TestAFieldThatWouldEndALineIsNotPacked(t *testing.T) {
	for _, text := range []string{"a\tb", "a\nb"} {
		s, _ := pack(t, 1, func(int) string { return "s" })
		s.Permissions[0].Requires.Role = text
		if _, err := packTable(s); !errors.Is(err, errUnpackable) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAPackedTextThatIsDamagedIsAnError(t *testing.T) {
	const first = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2\tdev\t7\tINCARNATION\t"
	for _, test := range []struct {
		body string
		ok   bool
	}{
		{first + "0\t0\n", true},
		{first + "1\t1\nGET\ta\ts\n0\n", true},
		{first + "0\t1\nGET\ta\t=\n", true},
		{first + "0\t1\nGET\t\t=\n", true},
		{"", false},
		{first + "0\t0", true}, // the one line without its end: nothing is missing
		{first + "0\n", false},
		{first + "0\t0\t0\n", false},
		{first + "-1\t0\n", false},
		{first + "0\t-1\n", false},
		{first + "00\t0\n", false},
		{first + "999999999999\t0\n", false},
		{first + "1\t0\n", false},
		{first + "1\t0\nGET\ta\ts", false},
		{first + "1\t0\nGET\ta\n", false},
		{first + "1\t0\nGET\ta\ts\n\n", false},
		{first + "0\t0\nGET\ta\ts\n", false},
		{first + "1\t0\nGET\ta\ts\t\t\t\t\ttrue\n", false},
		{first + "1\t0\nGET\ta\ts\t\t\t\t\t1\t\t\t\tmore\n", false},
		{first + "0\t1\n0\n", false},
		{first + "0\t1\nGET\ta\n", false},
		{first + "0\t1\nGET\ta*\t=\n", false},
		{first + "1\t1\nGET\ta*\ts\n0\n", false},
		{first + "1\t1\nGET\ta\ts\n1\n", false},
		{first + "1\t1\nGET\ta\ts\n-1\n", false},
		{first + "1\t1\nGET\ta\ts\n0\t0\n", false},
		{strings.Replace(first, "dev", "prod", 1) + "0\t0\n", false},
		{strings.Replace(first, "\t7\t", "\t07\t", 1) + "0\t0\n", false},
	} {
		if got, err := parsePacked(metaAt(7), test.body); (err == nil) != test.ok {
			t.Errorf("%q: %+v, %v", test.body, got, err)
		}
	}
}

// FuzzParsePacked: whatever a text is taken for is a table that packs into a text of
// the same table.
func FuzzParsePacked(f *testing.F) {
	const first = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2\tdev\t7\tINCARNATION\t"
	f.Add(first + "2\t3\nGET\ta/{id}\ts\nANY\tb\t\tR\tg\tuser\t5f1c2b3a-0000-4000-8000-00000000000a\t1\t\t2027-01-31T12:00:00Z\td\n0\n1\nGET\tc\t=\n")
	f.Add(first + "1\t0\nGET\ta\t\t\t\t\t\t\t1\n")
	f.Fuzz(func(t *testing.T, body string) {
		s, err := parsePacked(metaAt(7), body)
		if err != nil {
			return
		}
		data, err := packTable(s)
		if errors.Is(err, errUnpackable) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if again, err := unpackTable(packedHeadOf(s.Meta, data), data); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, again, s)
		}
	})
}

func BenchmarkPackTable(b *testing.B) {
	s, _ := pack(b, 1000, func(i int) string { return fmt.Sprint("orders-", i) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := packTable(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpackTable(b *testing.B) {
	s, data := pack(b, 1000, func(i int) string { return fmt.Sprint("orders-", i) })
	h := packedHeadOf(s.Meta, data)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := unpackTable(h, data); err != nil {
			b.Fatal(err)
		}
	}
}
