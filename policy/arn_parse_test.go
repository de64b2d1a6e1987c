package policy_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/policy"
)

const exampleAPI = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

func TestParseARN(t *testing.T) {
	const api = exampleAPI
	for text, want := range map[string]struct{ stage, method, path string }{
		api + "/dev/GET/users/1":         {"dev", "GET", "/users/1"},
		api + "/dev/GET/":                {"dev", "GET", "/"},
		api + "/dev/GET//x":              {"dev", "GET", "//x"},
		api + "/dev/GET/a:b/c:d":         {"dev", "GET", "/a:b/c:d"},
		api + "/$default/POST/a/../b/":   {"$default", "POST", "/a/../b/"},
		api + "/prod/$connect":           {"prod", "$connect", ""},
		api + "/prod/$connect/":          {"prod", "$connect", "/"},
		api + "/dev/get/x":               {"dev", "get", "/x"},
		api + "/dev/GET/\xff\x00é":       {"dev", "GET", "/\xff\x00é"},
		api + "/ESTestInvoke-stage/GET/": {"ESTestInvoke-stage", "GET", "/"},
		strings.Replace(api, "aws", "aws-us-gov", 1) + "/dev/GET/x": {"dev", "GET", "/x"},
	} {
		got, err := policy.ParseARN(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.API.Stage != want.stage || got.Method != want.method || got.Path != want.path || got.String() != text {
			t.Errorf("%s: got %+v", text, got)
		}
	}
	for _, bad := range []string{
		"", "*", "arn:aws:execute-api:us-east-1:219852565112", api, api + "/dev", api + "/dev/GET", api + "/dev//x",
		api + "//GET/x", api + "/de*v/GET/x", strings.Replace(api, "execute-api", "lambda", 1) + "/dev/GET/x", api + "/dev/$disconnect", api + "/dev/$CONNECT",
		api + "\n/dev/GET/x", api + "/dev\n/GET/x", "\n" + api + "/dev/GET/x", strings.Replace(api, "aws", "aws-iso", 1) + "/dev/GET/x",
	} {
		if got, err := policy.ParseARN(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, got)
		}
	}
}

// arnForm is a method ARN as facts and AWS's page have it.
var arnForm = regexp.MustCompile(`(?s)^(arn:aws(?:|-cn|-us-gov):execute-api:[a-z0-9-]{1,32}:\d{12}:([A-Za-z0-9_-]{1,64}))/` +
	`(\$default|[A-Za-z0-9_-]{1,128})/(?:([^/]+)(/.*)|(\$connect))$`)

// checkARN holds ParseARN against the form: it takes the same, and its parts are
// those that the form finds.
func checkARN(t interface{ Fatalf(string, ...any) }, s string) {
	got, err := policy.ParseARN(s)
	m := arnForm.FindStringSubmatch(s)
	if (err == nil) != (m != nil) {
		t.Fatalf("%q: taken as %+v, %v; its parts are %q", s, got, err, m)
	}
	if m == nil {
		if got != (policy.ARN{}) {
			t.Fatalf("%q: %+v beside %v", s, got, err)
		}
		return
	}
	if got.String() != s {
		t.Fatalf("%q came back as %q", s, got.String())
	}
	if got.API.ARN != m[1] || got.API.ID() != m[2] || got.API.Stage != m[3] || got.Method != m[4]+m[6] || got.Path != m[5] {
		t.Fatalf("%q: got %+v, want %q", s, got, m)
	}
}

// TestParseARNTakesWhatHasTheForm: and nothing else, in the parts that it says.
func TestParseARNTakesWhatHasTheForm(t *testing.T) {
	part := func(name string, parts ...string) *rapid.Generator[string] {
		odd := rapid.SampledFrom([]string{"", ":", "/", "*", "?", "é", "\xff", "\n", "$", "a", "A", "-", "aa", strings.Repeat("a", 130)})
		return rapid.Custom(func(t *rapid.T) string {
			p := rapid.SampledFrom(parts).Draw(t, name)
			if rapid.IntRange(0, 19).Draw(t, "change") > 0 {
				return p
			}
			cut := rapid.IntRange(0, len(p)).Draw(t, "cut")
			return p[:cut] + odd.Draw(t, "odd") + p[cut:]
		})
	}
	parts := []*rapid.Generator[string]{
		part("arn", "arn"), part("colon", ":"), part("partition", "aws", "aws-cn", "aws-us-gov", "aws-us-gov", "aws-iso"), part("colon", ":"),
		part("service", "execute-api"), part("colon", ":"), part("region", "us-east-1", "eu-central-1"), part("colon", ":"),
		part("account", "219852565112"), part("colon", ":"), part("api", "rz8w6b1ik2"), part("slash", "/"),
		part("stage", "dev", "$default", "ESTestInvoke-stage"), part("slash", "/"),
		part("method", "GET", "get", "$connect", "$disconnect"), part("path", "/", "/", "/a/b", "//", "/a:b", ""),
	}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for _, p := range parts {
			b.WriteString(p.Draw(t, "part"))
		}
		checkARN(t, b.String())
	})
}

func FuzzParseARN(f *testing.F) {
	f.Add(exampleARN)
	f.Add(exampleAPI + "/dev/GET/")
	f.Add(exampleAPI + "/$default/$connect")
	f.Fuzz(func(t *testing.T, s string) { checkARN(t, s) })
}

func longARNs() map[string]string {
	long := strings.Repeat("a", 1_000_000)
	return map[string]string{
		"path":     exampleAPI + "/dev/GET/" + long,
		"slashes":  exampleAPI + "/dev/GET" + strings.Repeat("/", len(long)),
		"colons":   exampleAPI + "/dev/GET/" + strings.Repeat(":", len(long)),
		"method":   exampleAPI + "/dev/" + long + "/",
		"no path":  exampleAPI + "/dev/" + long,
		"stage":    exampleAPI + "/" + long + "/GET/",
		"API":      exampleAPI + long + "/dev/GET/",
		"region":   strings.Replace(exampleARN, "us-east-1", long, 1),
		"account":  strings.Replace(exampleARN, "219852565112", strings.Repeat("1", len(long)), 1),
		"nothing":  long,
		"no tail":  strings.Repeat(":", len(long)),
		"no UTF-8": strings.Repeat("\xff", len(long)),
	}
}

// TestParseARNCopiesNothingOfALongOne: what it allocates doesn't grow with the
// ARN, and the error for a long one can be logged.
func TestParseARNCopiesNothingOfALongOne(t *testing.T) {
	for name, s := range longARNs() {
		checkARN(t, s)
		_, err := policy.ParseARN(s)
		if text := fmt.Sprint(err); len(text) > 400 {
			t.Errorf("%s: the error has %d bytes", name, len(text))
		}
		const runs = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			_, err = policy.ParseARN(s)
		}
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) / runs; used > 10_000 {
			t.Errorf("%s: %d bytes allocated, %v", name, used, err)
		}
	}
}

func BenchmarkParseARN(b *testing.B) {
	cases := longARNs()
	cases["ordinary"] = exampleARN
	for name, s := range cases {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.ParseARN(s); err != nil && name == "ordinary" {
					b.Fatal(err)
				}
			}
		})
	}
}
