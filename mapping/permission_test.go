package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// original is the permissions document of the system that Scopegate was asked
// for from, as it is but for its stage.
const original = `{
  "arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2",
  "resource": "my-resource",
  "stage": "DEV",
  "httpVerb": "get",
  "scope": "email"
}`

func TestTheOriginalDocumentLoadsAsItIs(t *testing.T) {
	p, err := mapping.ParsePermission([]byte(original))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"arn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2","stage":"DEV","httpVerb":"GET","resource":"my-resource","scope":"email"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// with gives the original document with one member set to raw JSON, or taken
// out if raw is empty.
func with(member, raw string, more ...string) string {
	doc := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(original), &doc); err != nil {
		panic(err)
	}
	for i, pair := 0, append([]string{member, raw}, more...); i+1 < len(pair); i += 2 {
		doc[pair[i]] = json.RawMessage(pair[i+1])
		if pair[i+1] == "" {
			delete(doc, pair[i])
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestEveryFieldsBadInputIsNamedWithItsValueAndRule(t *testing.T) {
	long := strings.Repeat("x", 600)
	cases := []struct{ name, doc, field, value, rule string }{
		{"arn missing", with("arn", ""), "arn", "", "must be given"},
		{"arn empty", with("arn", `""`), "arn", "", "must not be empty"},
		{"arn with stage", with("arn", `"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev"`), "arn", "rz8w6b1ik2/dev", "without stage"},
		{"arn of another service", with("arn", `"arn:aws:lambda:us-east-1:219852565112:f"`), "arn", "lambda", "execute-api"},
		{"arn with wildcard", with("arn", `"arn:aws:execute-api:*:219852565112:*"`), "arn", "*", "must be arn:"},
		{"arn with placeholder", with("arn", `"arn:aws:execute-api:REGION:ACCOUNTID:my-api-gw"`), "arn", "REGION", "12-digit account"},
		{"arn no string", with("arn", `5`), "arn", "5", "must be a string"},
		{"stage missing", with("stage", ""), "stage", "", "must be given"},
		{"stage with slash", with("stage", `"dev/x"`), "stage", "dev/x", "letters, digits"},
		{"stage wildcard", with("stage", `"*"`), "stage", "*", "letters, digits"},
		{"stage too long", with("stage", quoted(strings.Repeat("s", 129))), "stage", "sss", "1 to 128"},
		{"stage other dollar", with("stage", `"$prod"`), "stage", "$prod", "$default"},
		{"verb missing", with("httpVerb", ""), "httpVerb", "", "must be given"},
		{"verb unknown", with("httpVerb", `"FETCH"`), "httpVerb", "FETCH", "must be GET"},
		{"verb long s", with("httpVerb", `"poſt"`), "httpVerb", "poſt", "must be GET"},
		{"verb dotless i", with("httpVerb", `"optıons"`), "httpVerb", "optıons", "must be GET"},
		{"role half a surrogate", with("role", `"\ud800x"`), "role", "x", "UTF-8"},
		{"expiresAt one-digit hour", with("expiresAt", `"2030-01-01T1:00:00Z"`), "expiresAt", "T1:", "RFC 3339"},
		{"expiresAt comma", with("expiresAt", `"2030-01-01T12:00:00,5Z"`), "expiresAt", ",5", "RFC 3339"},
		{"expiresAt offset", with("expiresAt", `"2030-01-01T12:00:00+24:00"`), "expiresAt", "+24", "RFC 3339"},
		{"expiresAt beyond", with("expiresAt", `"9999-12-31T23:59:59-23:59"`), "expiresAt", "9999", "RFC 3339"},
		{"verb list", with("httpVerb", `["GET"]`), "httpVerb", `[\"GET\"]`, "must be a string"},
		{"resource missing", with("resource", ""), "resource", "", "must be given"},
		{"resource question mark", with("resource", `"a?b"`), "resource", "a?b", "at byte 2"},
		{"resource dollar", with("resource", `"${x}"`), "resource", "${x}", "at byte 1"},
		{"resource angle", with("resource", `"<upload_url>"`), "resource", "<upload_url>", "at byte 1"},
		{"resource control", with("resource", `"a\u0007"`), "resource", `a\a`, "control characters"},
		{"resource brace inside", with("resource", `"a/x{id}"`), "resource", "x{id}", "segment 2"},
		{"resource brace open", with("resource", `"a/{id"`), "resource", "{id", "whole segment"},
		{"resource no name", with("resource", `"a/{}"`), "resource", "a/{}", "name each parameter"},
		{"resource greedy inside", with("resource", `"a/{p+}/b"`), "resource", "{p+}", "very last"},
		{"resource greedy slash", with("resource", `"a/{p+}/"`), "resource", "{p+}/", "very last"},
		{"resource empty segment", with("resource", `"a//b"`), "resource", "a//b", "empty segment (segment 2)"},
		{"resource doubled end", with("resource", `"a//"`), "resource", "a//", "empty segment"},
		{"resource two slashes", with("resource", `"//"`), "resource", "//", "empty segment"},
		{"resource dots", with("resource", `"a/../b"`), "resource", "a/../b", "segment 2"},
		{"resource percent-encoded", with("resource", `"a/%2e%2E"`), "resource", "%2e%2E", "at byte 3"},
		{"resource dot", with("resource", `"a/."`), "resource", "a/.", "segment 2"},
		{"resource both kinds", with("resource", `"a/{id}/*"`), "resource", "a/{id}/*", "not both"},
		{"resource too long", with("resource", quoted(long)), "resource", "xxx", "at most 512"},
		{"no requirement", with("scope", ""), "scope", "", "missing requirement is never public"},
		{"only a tenant", with("scope", "", "tenant", `"8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"`), "scope", "", "missing requirement"},
		{"authenticated false", with("scope", "", "authenticated", `false`), "scope", "", "missing requirement"},
		{"scope empty", with("scope", `""`, "role", `"Reader"`), "scope", "", "must not be empty"},
		{"scope blank", with("scope", `"  "`), "scope", "  ", "must name a scope"},
		{"scope tab", with("scope", `"a\tb"`), "scope", `a\tb`, "printable ASCII"},
		{"scope quote", with("scope", `"a\"b"`), "scope", `a\"b`, "printable ASCII"},
		{"scope too long", with("scope", quoted(strings.Repeat("s", 1025))), "scope", "sss", "1024"},
		{"scope null", with("scope", `null`), "scope", "null", "must be a string"},
		{"role empty", with("role", `""`), "role", "", "must not be empty"},
		{"role too long", with("role", quoted(strings.Repeat("r", 257))), "role", "rrr", "256"},
		{"role control", with("role", `"a\nb"`), "role", `a\nb`, "control characters"},
		{"group blank edge", with("group", `" g"`), "group", " g", "white space"},
		{"principalType", with("principalType", `"User"`), "principalType", "User", "must be user"},
		{"tenant name", with("tenant", `"contoso.com"`), "tenant", "contoso.com", "GUID"},
		{"authenticated string", with("authenticated", `"true"`), "authenticated", `true`, "true or false"},
		{"registered number", with("registered", `1`), "registered", "1", "true or false"},
		{"registered with scope", with("registered", `true`), "registered", "true", "nobody may call"},
		{"registered with tenant", with("scope", "", "registered", `true`, "tenant", `"8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"`), "registered", "true", "nobody may call"},
		{"registered pattern", with("scope", "", "registered", `true`, "resource", `"a/*"`), "registered", "true", "must name a route"},
		{"registered expires", with("scope", "", "registered", `true`, "expiresAt", `"2030-01-01T00:00:00Z"`), "expiresAt", "2030", "does not expire"},
		{"expiresAt date", with("expiresAt", `"2030-01-01"`), "expiresAt", "2030-01-01", "RFC 3339"},
		{"expiresAt number", with("expiresAt", `1893456000`), "expiresAt", "1893456000", "must be a string"},
		{"expiresAt before there were permissions", with("expiresAt", `"1999-12-31T23:59:59Z"`), "expiresAt", "1999", "years 2000 to 9999"},
		{"expiresAt long ago", with("expiresAt", `"0001-01-01T00:00:00Z"`), "expiresAt", "0001", "RFC 3339"},
		{"description long", with("description", quoted(strings.Repeat("d", 513))), "description", "ddd", "512"},
		{"description control", with("description", `"a\u0000"`), "description", `a\x00`, "control characters"},
		{"unknown member", with("tenat", `"x"`), "tenat", "x", "not a field"},
		{"folded member", with("Scope", `"admin"`), "Scope", "admin", "case-sensitive"},
		{"connect with path", with("httpVerb", `"$connect"`), "resource", "my-resource", "must be empty for $connect"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := mapping.ParsePermission([]byte(c.doc))
			if err == nil {
				t.Fatalf("%s was taken", c.doc)
			}
			first := mapping.Faults(err)[0].Error()
			if !strings.HasPrefix(first, c.field+" ") || !strings.Contains(first, c.value) || !strings.Contains(first, c.rule) {
				t.Errorf("error %q does not name field %q, value %q and rule %q", first, c.field, c.value, c.rule)
			}
		})
	}
}

func TestJSONIsReadExactly(t *testing.T) {
	for name, doc := range map[string]string{
		"twice":         `{"scope":"a",` + strings.TrimPrefix(original, "{"),
		"no object":     `["x"]`,
		"trailing":      original + `{}`,
		"cut":           original[:40],
		"empty":         ``,
		"many members":  `{` + strings.Repeat(`"a":1,`, 70) + `"b":1}`,
		"invalid UTF-8": strings.Replace(original, "email", "em\xffail", 1),
	} {
		if p, err := mapping.ParsePermission([]byte(doc)); err == nil {
			t.Errorf("%s: taken as %+v", name, p)
		}
	}
}

func TestAllFaultsComeTogether(t *testing.T) {
	doc := `[` + original + `,` + with("httpVerb", `"FETCH"`, "stage", `"a b"`) + `,` + with("scope", "") + `]`
	list, err := mapping.ParsePermissions([]byte(doc))
	if list != nil {
		t.Errorf("faulty documents gave %d permissions", len(list))
	}
	var got []string
	for _, f := range mapping.Faults(err) {
		got = append(got, f.Error())
	}
	want := []string{"permission 2: stage", "permission 2: httpVerb", "permission 3: scope"}
	if len(got) != len(want) {
		t.Fatalf("got %d faults, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("fault %d is %q, want %q…", i, got[i], want[i])
		}
	}
}

func TestCanonicalForms(t *testing.T) {
	for name, c := range map[string]struct{ doc, want string }{
		"verb":     {with("httpVerb", `"pAtCh"`), `"httpVerb":"PATCH"`},
		"star":     {with("httpVerb", `"*"`), `"httpVerb":"ANY"`},
		"slash":    {with("resource", `"/my-resource"`), `"resource":"my-resource"`},
		"trailing": {with("resource", `"/my-resource/"`), `"resource":"my-resource/"`},
		"root":     {with("resource", `"/"`), `"resource":""`},
		"scopes":   {with("scope", `"b  a b"`), `"scope":"a b"`},
		"tenant":   {with("tenant", `"8F2B6F2E-1D1C-4B8A-9A45-0C9F6C1F0A11"`), `"tenant":"8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"`},
		"expiry":   {with("expiresAt", `"2030-01-01T01:00:00.9+01:00"`), `"expiresAt":"2030-01-01T00:00:00Z"`},
		"default":  {with("stage", `"$default"`), `"stage":"$default"`},
		"connect":  {with("httpVerb", `"$CONNECT"`, "resource", `""`), `"httpVerb":"$connect","resource":""`},
	} {
		p, err := mapping.ParsePermission([]byte(c.doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), c.want) {
			t.Errorf("%s: %s lacks %s", name, got, c.want)
		}
	}
}

// TestAPermissionEndsAtAWholeSecond, never later than it says.
func TestAPermissionEndsAtAWholeSecond(t *testing.T) {
	p, err := mapping.ParsePermission([]byte(with("expiresAt", `"2030-01-01T00:00:00.9Z"`)))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC); !p.ExpiresAt.Equal(want) {
		t.Errorf("ends at %v", p.ExpiresAt)
	}
}

func TestIDIsOfWhatIsGrantedAlone(t *testing.T) {
	id := func(doc string) string {
		p, err := mapping.ParsePermission([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		return p.ID()
	}
	base := id(with("resource", `"orders/{id}"`))
	for _, same := range []string{
		with("resource", `"/orders/{orderId}"`),
		with("resource", `"orders/{id}"`, "description", `"x"`),
		with("resource", `"orders/{id}"`, "expiresAt", `"2030-01-01T00:00:00Z"`),
	} {
		if id(same) != base {
			t.Errorf("%s has another id", same)
		}
	}
	seen := map[string]string{base: "base"}
	for _, other := range []string{
		with("resource", `"orders/{id}/"`), with("resource", `"orders/{id+}"`), with("resource", `"orders/*"`),
		with("resource", `"orders/{id}"`, "role", `"email"`), with("resource", `"orders/{id}"`, "scope", `""`, "scope", "", "role", `"email"`),
		with("resource", `"orders/{id}"`, "stage", `"dev"`), with("resource", `"orders/{id}"`, "httpVerb", `"ANY"`),
		with("resource", `"orders/{id}"`, "authenticated", `true`), with("resource", `"orders/{id}"`, "principalType", `"app"`),
		with("resource", `"orders/{id}"`, "scope", "", "registered", `true`),
	} {
		if was, clash := seen[id(other)]; clash {
			t.Errorf("%s has the id of %s", other, was)
		}
		seen[id(other)] = other
	}
}

func TestWireFormatRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, p := range tabletest.DrawPermissions(t) {
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			back, err := mapping.ParsePermission(b)
			if err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			again, err := json.Marshal(back)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(b), string(again)); diff != "" || back.ID() != p.ID() {
				t.Fatalf("round trip changed it: %s", diff)
			}
		}
	})
}

func FuzzParsePermission(f *testing.F) {
	f.Add([]byte(original))
	f.Add([]byte(with("resource", `"a/{b}/*"`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := mapping.ParsePermission(b)
		if err != nil {
			return
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := mapping.ParsePermission(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if back.ID() != p.ID() {
			t.Fatalf("%s: the id changed", out)
		}
	})
}

// TestOnePermissionsFaultsComeTogether: a fault of one field hides none of
// another, and each field is named once.
func TestOnePermissionsFaultsComeTogether(t *testing.T) {
	_, err := mapping.ParsePermission([]byte(`{"stage":"a b","httpVerb":"FETCH","resource":"a//b","scope":"","tenant":"x","expiresAt":"soon","extra":1}`))
	var got []string
	for _, f := range mapping.Faults(err) {
		field, _, _ := strings.Cut(f.Error(), " ")
		got = append(got, field)
	}
	want := []string{"scope", "extra", "arn", "stage", "httpVerb", "resource", "tenant", "expiresAt"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults of %v: %s", err, diff)
	}
}

func TestParsePermissionsTakesAnArrayOrOneObject(t *testing.T) {
	input := []byte("[" + original + "," + with("stage", `"other"`) + "]")
	kept := string(input)
	if list, err := mapping.ParsePermissions(input); err != nil || len(list) != 2 {
		t.Errorf("an array: %d permissions, %v", len(list), err)
	}
	if string(input) != kept {
		t.Error("the input was changed")
	}
	if list, err := mapping.ParsePermissions([]byte(" " + original)); err != nil || len(list) != 1 {
		t.Errorf("one object: %d permissions, %v", len(list), err)
	}
	for _, bad := range []string{"", " ", "null", "5", `"x"`, "[", "[" + original, "[null]", "[5]", "\ufeff[]"} {
		if list, err := mapping.ParsePermissions([]byte(bad)); err == nil {
			t.Errorf("%q gave %d permissions", bad, len(list))
		}
	}
}

func TestNewRouteKeepsTheRulesOfPermissions(t *testing.T) {
	for _, c := range [][2]string{{"FETCH", "a"}, {"GET", "a/*"}, {"GET", "a//b"}, {"$connect", "a"}, {"GET", strings.Repeat("x", 600)}} {
		if r, err := mapping.NewRoute(tabletest.API, c[0], c[1]); err == nil {
			t.Errorf("%v was taken as %s", c, r)
		}
	}
	if r, err := mapping.NewRoute(tabletest.API, "any", "/a/{id}"); err != nil || r.String() != "ANY /a/{id}" {
		t.Errorf("got %s, %v", r, err)
	}
}

// A fault may be about any bytes, also such as begin no character.
func TestAFaultOfAnyBytesHasAMessage(t *testing.T) {
	for _, value := range []string{strings.Repeat("\xb6", 300), strings.Repeat("é", 300), strings.Repeat("a", 79) + "漢字", "\xff"} {
		text := (&mapping.FieldError{Field: "arn", Value: value, Rule: "must be an ARN"}).Error()
		if !strings.HasPrefix(text, `arn "`) || !strings.HasSuffix(text, `": must be an ARN`) || !utf8.ValidString(text) {
			t.Errorf("the message is %q", text)
		}
	}
}

// Of two permissions that differ in nothing but what is no part of their id, a
// table takes the last.
func TestOfPermissionsWithOneIDTheLastCounts(t *testing.T) {
	past, future := "2029-01-01T00:00:00Z", "2031-01-01T00:00:00Z"
	for _, order := range [][]string{{past, future}, {future, past}, {past, past, future}, {future, future, past}} {
		var list []mapping.Permission
		for _, end := range order {
			list = append(list, tabletest.Permission("GET", "a", "s1", "expiresAt", end))
		}
		table := tabletest.Table(append(list, tabletest.Permission("GET", "b", "s2"))...)
		if got, want := table.Permits(tabletest.Caller("s1"), "GET", "/a", now), order[len(order)-1] == future; got != want {
			t.Errorf("%v: permitted is %v, want %v", order, got, want)
		}
		if n := table.Held(tabletest.Caller("s1"), now).Len(); n > 1 {
			t.Errorf("%v: %d are held", order, n)
		}
	}
}
