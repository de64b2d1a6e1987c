package mapping

import (
	"reflect"
	"testing"
	"unicode/utf8"
)

// FuzzPlainObject: what is read the short way is what encoding/json reads.
func FuzzPlainObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":"b"}`, "\t{ \"a\" :\r\n\"b\" , \"é\" : true,\"\":false} ", `{"a":"b",}`, `{"a":"b"}x`, `{"a":"b","a":"c"}`, `{"a":null}`,
		`{"a":1}`, `{"a":"\u0041"}`, `{"\u0061":"b"}`, `{"a":truefalse}`, `{"a":tru}`, `{"a"}`, `{"a":"b" "c":"d"}`, `[]`, ``, `{`, `{"a":"b`, "{\"a\":\"\x00\"}", "{\"a\":\"\x7f\u2028\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			return
		}
		got, ok := plainObject(b)
		if !ok {
			return
		}
		want, err := anyObject(b)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %q, want %q, %v", b, got, want, err)
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("%q: %q, want %q", b, got, want)
			}
		}
	})
}

// What permissions are written as takes the short way: else it would be right and
// of no use.
func TestAPermissionIsReadTheShortWay(t *testing.T) {
	p, err := ParsePermission([]byte(`{"arn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2","stage":"dev","httpVerb":"GET","resource":"a/{id}","scope":"s1 s2",` +
		`"role":"r","group":"g","principalType":"user","tenant":"8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11","authenticated":true,"expiresAt":"2030-01-01T00:00:00Z","description":"ü"}`))
	if err != nil {
		t.Fatal(err)
	}
	written, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plainObject(written); !ok {
		t.Errorf("%s takes the long way", written)
	}
}
