package yamljson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

func TestYAMLReadsAsWhatAPersonMeant(t *testing.T) {
	for in, want := range map[string]string{
		"a: b":                                  `{"a":"b"}`,
		"---\na: 1\n...\n":                      `{"a":1}`,
		"# why\na: b # what\n# end":             `{"a":"b"}`,
		"\ufeffa: b":                            `{"a":"b"}`,
		"a: b\r\nc: d\r\n":                      `{"a":"b","c":"d"}`,
		"- 1\n- -2.5e3\n- true\n- null\n- ~\n-": `[1,-2.5e3,true,null,null,null]`,
		"a: True":                               `{"a":true}`,
		`a: "no"`:                               `{"a":"no"}`,
		"a: 'it''s'":                            `{"a":"it's"}`,
		"a: 2027-01-31":                         `{"a":"2027-01-31"}`,
		"expiresAt: 2027-01-31T12:00:00Z":       `{"expiresAt":"2027-01-31T12:00:00Z"}`,
		"a: 12:30:45":                           `{"a":"12:30:45"}`,
		"a: 1.2.3":                              `{"a":"1.2.3"}`,
		"a: |\n  x\n  y\n":                      `{"a":"x\ny\n"}`,
		"arn: arn:aws:execute-api:us-east-1:1:x\nresource: orders/{id}\nscope: a b": `{"arn":"arn:aws:execute-api:us-east-1:1:x","resource":"orders/{id}","scope":"a b"}`,
		"resource: orders/*":                          `{"resource":"orders/*"}`,
		"permissions:\n- a: b\n  c: d\n- e: f\nz: []": `{"permissions":[{"a":"b","c":"d"},{"e":"f"}],"z":[]}`,
		"{a: b, c: [d, {e: f}]}":                      `{"a":"b","c":["d",{"e":"f"}]}`,
		`"\x41\u00e9\U0001F600\t"`:                    `"Aé😀\t"`,
		"a: >-\n  x\n  y\n\n  z":                      `{"a":"x y\nz"}`,
		"- 000 -\n -00\n 0":                           `["000 - -00 0"]`,
		"a: 'x\n  y'":                                 `{"a":"x y"}`,
		"%YAML 1.1\n---\na: b":                        `{"a":"b"}`,
		"owners:\nname: x":                            `{"owners":null,"name":"x"}`,
		"a: {}":                                       `{"a":{}}`,
		"- - - a":                                     `[[["a"]]]`,
		"text":                                        `"text"`,
		"a: $default":                                 `{"a":"$default"}`,
		"a: <script>&":                                `{"a":"<script>&"}`,
	} {
		got, err := ToJSON([]byte(in), 1000)
		if err != nil || string(got) != want {
			t.Errorf("%q reads %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestEveryFaultNamesItsLineAndColumn(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+2) + "a" + strings.Repeat("]", MaxDepth+2)
	for _, c := range []struct {
		in           string
		line, column int
		message      string
	}{
		{"a: no", 1, 4, "quotes"},
		{"a: b\nc: Off", 2, 4, "quotes"},
		{"a: 0x1F", 1, 4, "quotes"},
		{"a: 0123", 1, 4, "quotes"},
		{"a: 0o7", 1, 4, "quotes"},
		{"a: 1_000", 1, 4, "quotes"},
		{"a: +1", 1, 4, "quotes"},
		{"a: .inf", 1, 4, "quotes"},
		{"a: .NaN", 1, 4, "quotes"},
		{"a: 1.", 1, 4, "quotes"},
		{"a: &x b\nc: *x", 1, 4, "anchors"},
		{"a: *x", 1, 4, "aliases"},
		{"resource: *", 1, 11, "aliases"},
		{"a: !!str 1", 1, 4, "tags"},
		{"a: !x", 1, 4, "tags"},
		{"a:\n  <<: {b: c}", 2, 3, "merge"},
		{"a: b\n---\nc: d", 2, 1, "one document"},
		{"---\na: b\n...\nc: d", 3, 1, ""},
		{"a: b\nc: d\na: e", 3, 1, ""},
		{"a: {b: 1, b: 2}", 1, 11, ""},
		{"a: b\n\tc: d", 2, 1, "tabs"},
		{"a: x\ty", 1, 5, "tabs"},
		{"a: x\u0085y", 1, 5, "U+0085"},
		{"a: x\u2028y", 1, 5, "U+2028"},
		{"a: é\x00", 1, 5, "U+0000"},
		{"a: é\xff", 1, 5, "UTF-8"},
		{"x: y\n  a: \"x", 2, 3, "no YAML"},
		{"a: [b", 1, 1, "no YAML"},
		{"a: b]: c: d", 1, 1, "no YAML"},
		{"a: {id}", 1, 5, "quotes"},
		{"no: a", 1, 1, "quotes"},
		{"1: a", 1, 1, "quotes"},
		{"~: a", 1, 1, "quotes"},
		{"[a, b]: c", 1, 1, "a name"},
		{deep, 1, MaxDepth + 2, "deeper"},
		{strings.Repeat("- ", MaxDepth+1) + "a", 1, 2*MaxDepth + 3, "deeper"},
		{"", 1, 1, "value"},
		{"# nothing\n", 1, 1, "value"},
		{`{"a": {"b": 1, "b": 2}}`, 1, 18, "once"},
		{"{\"a\": 1,\n \"a\": 2}", 2, 4, "once"},
	} {
		_, err := ToJSON([]byte(c.in), 10_000)
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%q: %v, want a fault", c.in, err)
			continue
		}
		if fault.Line != c.line || fault.Column != c.column || !strings.Contains(fault.Message, c.message) {
			t.Errorf("%q: %v, want line %d, column %d and %q", c.in, fault, c.line, c.column, c.message)
		}
	}
}

func TestWhatIsTooMuchIsRefusedBeforeItIsBuilt(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		message string
	}{
		"bytes":              {strings.Repeat(" ", 5_000_001), "at most 5000000 bytes"},
		"indicators":         {"[" + strings.Repeat("a,", MaxIndicators) + "]", "characters that YAML"},
		"aliases":            {strings.Repeat("*a ", 10_000), "aliases"},
		"closing":            {strings.Repeat("]", 200_000), "no YAML"},
		"values of JSON":     {"[" + strings.Repeat("0,", MaxValues) + "0]", "values"},
		"depth of JSON":      {strings.Repeat("[", 40) + strings.Repeat("]", 40), "deeper"},
		"depth by indenting": {deepMap(MaxDepth + 1), "deeper"},
	} {
		_, err := ToJSON([]byte(c.text), 5_000_000)
		if err == nil || !strings.Contains(err.Error(), c.message) || len(err.Error()) > 500 {
			t.Errorf("%s: %.600v, want %q", name, err, c.message)
		}
	}
	if _, err := ToJSON([]byte(deepMap(MaxDepth)), 5_000_000); err != nil {
		t.Errorf("as deep as may be: %v", err)
	}
}

func deepMap(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

// values draws any value of JSON.
func values(depth int) *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int(), func(i int) any { return json.Number(fmt.Sprint(i)) }),
		rapid.Map(rapid.Float64Range(-1e15, 1e15), func(f float64) any { b, _ := json.Marshal(f); return json.Number(b) }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.StringMatching(`[-:{}?*&!|>'"%@<=~,.#\[\]a-z0-9A-Z \n\t_+]{0,8}`), func(s string) any { return s }),
		rapid.Map(rapid.SampledFrom([]string{"no", "0x1", "1_0", "true", "null", "~", "<<", ".inf", "-", "---", "...", "a: b", "a #b", "a\tb", "? a", "{id}", "users/{id}/*", "\ufeff", "\u2028", "\U000e0001"}), func(s string) any { return s }),
	)
	if depth == 0 {
		return scalar
	}
	return rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(values(depth-1), 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"no", "1", "a: b", "-", "arn", ""})), values(depth-1), 0, 4), func(m map[string]any) any { return m }),
	)
}

// TestWhatIsWrittenAsYAMLReadsAsTheSame here and by another library.
func TestWhatIsWrittenAsYAMLReadsAsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(3).Draw(t, "value")
		in, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out, err := FromJSON(in)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ToJSON(out, 1<<20)
		if err != nil {
			t.Fatalf("%s, written as\n%s\n%v", in, out, err)
		}
		if !reflect.DeepEqual(decoded(t, back), decoded(t, in)) {
			t.Fatalf("%s, written as\n%s\nreads %s", in, out, back)
		}
		other, ok := elsewhere(out)
		if want := floats(t, in); !ok || !reflect.DeepEqual(other, want) {
			t.Fatalf("%s, written as\n%s\nreads %#v elsewhere", in, out, other)
		}
	})
}

type fataler interface{ Fatalf(string, ...any) }

// decoded is JSON with numbers as they are written.
func decoded(t fataler, b []byte) any {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// floats is JSON with numbers as float64.
func floats(t fataler, b []byte) any {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// elsewhere is what another YAML library reads.
func elsewhere(text []byte) (v any, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, false
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	v = nil
	return v, json.Unmarshal(b, &v) == nil
}

// FuzzToJSON holds that any text is JSON or a fault with a place; that JSON comes back as it is; and that what
// was read, written and read again is the same.
func FuzzToJSON(f *testing.F) {
	for _, s := range []string{
		"a: b", "---\na: &x [1]\nb: *x", "a: |+\n  x\n\n\nb: >\n c\n d\n\n e", "{a: 'b', \"c\": [d, 1e3]}", "- - a\n  - b\n-\n  c: d", "a: 'x\n\n  y'",
		`{"a": "\ud83d\ude00\u0000", "b": [1, null, true]}`, "a: \"x\\\n  y\"", "a: x\n  y\n\n  z # c", "? a", "a:\n- b\n- c", "\"a\": b\n'c' : d", "[a: b, c]", "a: !!binary x", "...", "a: - b", "a: [b]c", "%", "a: |1\n  x", "-\t", "a : b", "- a: b\n  c:\n    - d",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ToJSON(text, 1<<16)
		var fault *Error
		switch {
		case errors.As(err, &fault):
			if fault.Line < 1 || fault.Column < 1 || len(fault.Message) > 1000 {
				t.Fatalf("%q: %v", text, fault)
			}
			return
		case err != nil:
			t.Fatalf("%q: %v", text, err)
		}
		v := decoded(t, got)
		if json.Valid(text) {
			if !reflect.DeepEqual(v, decoded(t, text)) {
				t.Fatalf("JSON %q reads %s", text, got)
			}
		}
		out, err := FromJSON(got)
		if err != nil {
			t.Fatalf("%q reads %s: %v", text, got, err)
		}
		back, err := ToJSON(out, 1<<20)
		if err != nil || !reflect.DeepEqual(decoded(t, back), v) {
			t.Fatalf("%q reads %s, written as %q reads %s, %v", text, got, out, back, err)
		}
	})
}

func TestFaultsOfJSONNameTheirPlace(t *testing.T) {
	for _, c := range []struct {
		in           string
		line, column int
	}{
		{"", 1, 1}, {"{", 1, 1}, {"{\"a\": 1,\n  b}", 2, 3}, {"{} x", 1, 4}, {"\"\xff\"", 1, 2}, {`{"a":1,"a":2}`, 1, 10},
		{strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2), 1, MaxDepth + 2},
	} {
		err := CheckJSON([]byte(c.in))
		var fault *Error
		if !errors.As(err, &fault) || fault.Line != c.line || fault.Column != c.column {
			t.Errorf("%q: %v, want line %d, column %d", c.in, err, c.line, c.column)
		}
	}
	if err := CheckJSON([]byte(`{"a": [1, {"a": null}], "b": {"a": 1}}`)); err != nil {
		t.Error(err)
	}
}
