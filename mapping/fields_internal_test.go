package mapping

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// drawFields draws a permission's fields; in half of the draws one of them is wrong.
func drawFields(t *rapid.T) Fields {
	spoilt := rapid.SampledFrom([]string{"", "", "arn", "stage", "httpVerb", "resource", "scope", "role", "group", "principalType", "tenant", "expiresAt", "description"}).Draw(t, "spoilt")
	pick := func(name string, right, wrong []string) string {
		if name == spoilt {
			right = wrong
		}
		return rapid.SampledFrom(right).Draw(t, name)
	}
	type list = []string
	return Fields{
		ARN:           pick("arn", list{"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"}, list{"", "arn:x"}),
		Stage:         pick("stage", list{"dev", "$default"}, list{"a b", ""}),
		HTTPVerb:      pick("httpVerb", list{"GET", "get", "ANY", "*"}, list{"TRACE", "", "$connect"}),
		Resource:      pick("resource", list{"orders/{id}", "/a/", "", "a/*", "files/{p+}"}, list{"a//b", "{", "a\tb", "a\xff"}),
		Scope:         pick("scope", list{"s", "b a", "a a", ""}, list{" ", "\""}),
		Role:          pick("role", list{"", "R"}, list{" R", "a\nb"}),
		Group:         pick("group", list{"", "g", "ä"}, list{"\ufffd"}),
		PrincipalType: pick("principalType", list{"", "user", "app"}, list{"robot"}),
		Tenant:        pick("tenant", list{"", "5F1C2B3A-0000-4000-8000-00000000000a"}, list{"x"}),
		Authenticated: rapid.Bool().Draw(t, "authenticated"),
		Registered:    rapid.IntRange(0, 5).Draw(t, "registered") == 0,
		ExpiresAt:     pick("expiresAt", list{"", "2027-01-31T12:00:00Z", "2027-01-31T12:00:00.5+02:00"}, list{"soon"}),
		Description:   pick("description", list{"", "d", "ä"}, list{"a\tb", "\xff"}),
	}
}

// TestFieldsMakeWhatTheirJSONMakes, faults included.
func TestFieldsMakeWhatTheirJSONMakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFields(t)
		if !utf8.ValidString(f.Resource) || !utf8.ValidString(f.Description) {
			if _, err := NewPermission(f); err == nil {
				t.Fatalf("%+v is taken", f)
			}
			return // JSON writes it as something else
		}
		text, err := json.Marshal(wire(f))
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := ParsePermission(text)
		got, err := NewPermission(f)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %+v, %v; as JSON %+v, %v", text, got, err, want, wantErr)
		}
		if err != nil {
			return
		}
		if again, err := NewPermission(got.Fields()); err != nil || !reflect.DeepEqual(again, got) || again.ID() != want.ID() {
			t.Fatalf("taken apart and put together: %+v, %v; was %+v", again, err, got)
		}
	})
}
