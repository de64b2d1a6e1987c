package cli

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/store"
)

func TestQuotedTextIsOneWordOfAShell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune(`ab/.'"\$ *?~!&|;<>()[]{}#`+"`\n\té")), 0, 12, -1), 1, 8).Draw(t, "words")
		script := "printf '%s\\0'"
		for _, w := range words {
			script += " " + quote(w)
		}
		out, err := exec.Command("sh", "-c", script).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(words, "\x00") + "\x00"; string(out) != want {
			t.Fatalf("%q became %q", want, out)
		}
	})
}

func TestAProgramRunBySourceIsCalledAgainBySource(t *testing.T) {
	for arg0, want := range map[string]string{
		"/home/x/.cache/go-build/ab/cd-d/scopegate": "go run ./cmd/scopegate",
		"/var/go-build123/b001/exe/scopegate":       "go run ./cmd/scopegate",
		"scopegate":                                 "scopegate",
		"./bin/scopegate":                           "./bin/scopegate",
		"/opt/my tools/scopegate":                   "'/opt/my tools/scopegate'",
	} {
		if got := calledAs(arg0); got != want {
			t.Errorf("%s is called as %s, want %s", arg0, got, want)
		}
	}
}

// FuzzProblem holds that no answer of a server, whatever it is, passes for
// success or for an outage when it says that the request was wrong.
func FuzzProblem(f *testing.F) {
	f.Add(422, []byte(`{"status":422,"detail":"the request breaks rules","errors":[{"message":"m","location":"body.a","value":1}]}`))
	f.Add(412, []byte(`{}`))
	f.Add(404, []byte("<html>"))
	f.Add(503, []byte(`{"errors":[null],"detail":3}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := problem(status, body)
		if err == nil || err.Error() == "" {
			t.Fatal("no error")
		}
		code := exitCode(ran{err})
		switch {
		case status == 404 && !errors.Is(err, store.ErrNotFound), status == 412 && !errors.Is(err, store.ErrConflict):
			t.Fatalf("status %d is %v", status, err)
		case status < 500 && code != Negative, status >= 500 && code != Failed:
			t.Fatalf("status %d ends with %d", status, code)
		}
	})
}

// FuzzETag holds that what is read as a revision is written as it was.
func FuzzETag(f *testing.F) {
	f.Add(`"3-XTYF"`)
	f.Add(`W/"3-XTYF"`)
	f.Add(`"-"`)
	f.Add(`""`)
	f.Fuzz(func(t *testing.T, tag string) {
		r, err := parseETag(tag)
		if err == nil && strings.HasPrefix(tag, "W/") {
			t.Fatalf("a weak tag is read as %s", r)
		}
		if again, err2 := parseETag(`"` + r.String() + `"`); err == nil && r.Number > 0 && !strings.Contains(r.Incarnation, `"`) && (err2 != nil || again != r) {
			t.Fatalf("%q is read as %s, which is read as %s", tag, r, again)
		}
	})
}
