package token

import (
	"errors"
	"strings"
	"testing"
)

func TestBearerTakesOneTokenAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		header, want string
		reason       Reason
	}{
		{"Bearer abc.def.ghi", "abc.def.ghi", ""},
		{"bearer abc", "abc", ""},
		{"BEARER abc", "abc", ""},
		{"Bearer    abc", "abc", ""},
		{"  Bearer abc\t ", "abc", ""},
		{"Bearer a-._~+/9==", "a-._~+/9==", ""},
		{"", "", ReasonNoToken},
		{" \t", "", ReasonNoToken},
		{"abc.def.ghi", "", ReasonScheme},
		{"Basic dXNlcjpwYXNz", "", ReasonScheme},
		{"Bearerabc", "", ReasonScheme},
		{"Bearer\tabc", "", ReasonScheme},
		{"Bearer: abc", "", ReasonScheme},
		{"Bearer", "", ReasonBearer},
		{"Bearer ", "", ReasonBearer},
		{"Bearer abc def", "", ReasonBearer},
		{"Bearer abc, Bearer def", "", ReasonBearer},
		{"Bearer abc,def", "", ReasonBearer},
		{"Bearer Bearer abc", "", ReasonBearer},
		{"Bearer \"abc\"", "", ReasonBearer},
		{"Bearer ab\r\nc", "", ReasonBearer},
		{"Bearer ab\x00c", "", ReasonBearer},
		{"Bearer abc\u00e9", "", ReasonBearer},
		{"Bearer a=b", "", ReasonBearer},
		{"Bearer ==", "", ReasonBearer},
	} {
		got, err := Bearer(c.header)
		if got != c.want || ReasonOf(err) != c.reason {
			t.Errorf("Bearer(%q) = %q, %q; want %q, %q", c.header, got, ReasonOf(err), c.want, c.reason)
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("Bearer(%q): %v is no refusal", c.header, err)
		}
	}
}

func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer abc.def.ghi", "bearer  a==", "Bearer a, Bearer b", "Basic x", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := Bearer(s)
		if (raw == "") != (err != nil) {
			t.Fatalf("%q with error %v", raw, err)
		}
		if err != nil {
			return
		}
		if !strings.Contains(s, raw) || strings.ContainsAny(raw, " ,\t\r\n\"") {
			t.Fatalf("Bearer(%q) = %q", s, raw)
		}
		again, err := Bearer("Bearer " + raw)
		if err != nil || again != raw {
			t.Fatalf("not stable: %q, %v", again, err)
		}
	})
}
