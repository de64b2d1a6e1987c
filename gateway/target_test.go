package gateway

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTargetIsTakenApartWithoutCleaning(t *testing.T) {
	for _, c := range []struct {
		target, path, query string
		ok                  bool
	}{
		{"/dev/a", "/dev/a", "", true},
		{"/dev/a?b=1?c", "/dev/a", "b=1?c", true},
		{"/dev//a/../b/./", "/dev//a/../b/./", "", true},
		{"/dev/%2F%61*?x", "/dev/%2F%61*", "x", true},
		{"//dev/a", "//dev/a", "", true},
		{"/?", "/", "", true},
		{"/http://x/y", "/http://x/y", "", true},
		{"http://host:1/dev//a?q", "/dev//a", "q", true},
		{"HTTPS://host", "/", "", true},
		{"http://host?q=/x", "/", "q=/x", true},
		{"ftp://host/dev", "", "", false},
		{"*", "", "", false},
		{"host:443", "", "", false},
		{"", "", "", false},
		{"?x", "", "", false},
	} {
		path, query, ok := splitTarget(c.target)
		if path != c.path || query != c.query || ok != c.ok {
			t.Errorf("splitTarget(%q) = %q, %q, %v; want %q, %q, %v", c.target, path, query, ok, c.path, c.query, c.ok)
		}
	}
}

func FuzzSplitTargetLosesNothing(f *testing.F) {
	for _, seed := range []string{"/dev/a?b", "//x", "*", "http://h/p?q", "http://h", "/%2e%2e/?", "?", "", "/a://b/c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		path, query, ok := splitTarget(target)
		if !ok {
			if path != "" || query != "" {
				t.Fatalf("refused, and yet %q, %q", path, query)
			}
			return
		}
		if !strings.HasPrefix(path, "/") || strings.Contains(path, "?") {
			t.Fatalf("path %q", path)
		}
		if strings.HasPrefix(target, "/") && strings.TrimSuffix(path+"?"+query, "?") != strings.TrimSuffix(target, "?") {
			t.Fatalf("%q became %q and %q", target, path, query)
		}
		stage, rest := splitStage(path)
		if strings.Contains(stage, "/") || rest != "" && rest[0] != '/' || "/"+stage+rest != path {
			t.Fatalf("%q became stage %q and %q", path, stage, rest)
		}
	})
}

func TestIdentitiesThatDifferHaveDifferentKeys(t *testing.T) {
	values := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "ab", ",", "1:a", ";", "0;"}), 0, 3), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		a, b := identity(values.Draw(t, "a")), identity(values.Draw(t, "b"))
		if same := equal(a, b); same != (a.hash() == b.hash()) {
			t.Fatalf("%q and %q: equal %v, and their keys say otherwise", a, b, same)
		}
	})
}

func equal(a, b identity) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if len(a[i]) != len(b[i]) {
			return false
		}
		for j := range a[i] {
			if a[i][j] != b[i][j] {
				return false
			}
		}
	}
	return true
}

func FuzzAnswerOfTheAuthorizerIsParsedOrRefused(f *testing.F) {
	f.Add([]byte(`{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}`))
	f.Add([]byte(`{"isAuthorized":true,"context":{"a":[1]}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for flavour := range flavourNames {
			a, err := parseAnswer(flavour, b)
			if err == nil && !a.simple && (a.principal == "" || len(a.document.Statement) == 0) {
				t.Fatalf("%v took %q without principal or statement", flavour, b)
			}
		}
	})
}

func TestEscapingForTheBackendKeepsEscapes(t *testing.T) {
	for raw, want := range map[string]string{
		"/a%2Fb{c}": "/a%2Fb%7Bc%7D", "//a/../*": "//a/../*", "/é\"": "/%C3%A9%22", "/a#b|": "/a%23b%7C",
	} {
		if got := escapeInvalid(raw); got != want {
			t.Errorf("escapeInvalid(%q) = %q, want %q", raw, got, want)
		}
	}
}
