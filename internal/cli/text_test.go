package cli

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/adminclient"
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

// TestATerminalGetsTheBeginningsOfIDs: whole ones make rows that do not fit.
func TestATerminalGetsTheBeginningsOfIDs(t *testing.T) {
	for id, want := range map[string]string{
		"11111111-2222-4333-8444-555555555555:aaaaaaaa-0000-4000-8000-000000000001":                                      "11111111…:aaaaaaaa…",
		"11111111-2222-4333-8444-555555555555:aaaaaaaa-0000-4000-8000-000000000001/04b07795-8ddb-461a-bbee-02f9e1bf7b46": "11111111…:aaaaaaaa…/04b07795…",
		"direct:arn:aws:sts::219852565112:assumed-role/ops/ada":                                                          "direct:arn:aws:sts::219852565112:assumed-role/ops/ada",
		"login.example.org:mallory": "login.example.org:mallory",
		"":                          "",
	} {
		if got := abridged(id); got != want {
			t.Errorf("%s is shown as %s", id, got)
		}
	}
}

// TestANumberStandsForARevisionWhereItSaysWhich: not of a table that was deleted,
// since it was or for good.
func TestANumberStandsForARevisionWhereItSaysWhich(t *testing.T) {
	for name, c := range map[string]struct {
		trail []adminclient.Record
		want  bool
	}{
		"one life":        {[]adminclient.Record{{Before: "1-A", After: "2-A"}, {Before: "none", After: "1-A"}}, true},
		"deleted":         {[]adminclient.Record{{Before: "1-A", After: "none"}, {Before: "none", After: "1-A"}}, false},
		"deleted and new": {[]adminclient.Record{{Before: "none", After: "2-B"}, {Before: "1-A", After: "none"}}, false},
	} {
		if got := onlyLife(c.trail); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for revision, want := range map[string]string{"12-ABC": "12", "none": "none"} {
		if got := numberOf(revision); got != want {
			t.Errorf("%s is shown as %s", revision, got)
		}
	}
}

// A refusal of the admin API is told from its not being able to answer, and has the
// class that the store's errors have.
func TestProblemsHaveTheirClassAndExitCode(t *testing.T) {
	for status := 300; status < 600; status++ {
		err := ran{asStore(&adminclient.Problem{Status: status})}
		want := Negative
		if status >= 500 || status == 429 || status == 408 {
			want = Failed
		}
		if got := exitCode(err); got != want {
			t.Errorf("status %d ends with %d, want %d", status, got, want)
		}
		for class, of := range map[error]int{store.ErrNotFound: 404, store.ErrConflict: 412, store.ErrInvalid: 422} {
			if errors.Is(err, class) != (status == of) {
				t.Errorf("status %d: %v", status, err)
			}
		}
	}
}

// FuzzRevision holds that what is read as a revision is written as it was.
func FuzzRevision(f *testing.F) {
	f.Add("3-XTYF")
	f.Add(`W/"3-XTYF`)
	f.Add("-")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRevision(text)
		if err == nil && strings.HasPrefix(text, "W/") {
			t.Fatalf("a weak tag is read as %s", r)
		}
		if again, err2 := parseRevision(r.String()); err == nil && (err2 != nil || again != r) {
			t.Fatalf("%q is read as %s, which is read as %s", text, r, again)
		}
	})
}
