package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/mapping"
)

func drawGlob(t *rapid.T, label string) string {
	letters := rapid.SampledFrom([]string{"a", "b", "/", "*", "?", "é"})
	return strings.Join(rapid.SliceOfN(letters, 0, 7).Draw(t, label), "")
}

// instanceOf draws a string that the glob matches.
func instanceOf(t *rapid.T, glob string) string {
	plain := rapid.SampledFrom([]string{"a", "b", "/", "é"})
	var b strings.Builder
	for _, c := range glob {
		switch c {
		case '*':
			b.WriteString(strings.Join(rapid.SliceOfN(plain, 0, 3).Draw(t, "any"), ""))
		case '?':
			b.WriteString(plain.Draw(t, "one"))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// TestCoversNeverSaysYesWrongly: what the narrow glob matches, a glob that
// covers it matches.
func TestCoversNeverSaysYesWrongly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wide, narrow := drawGlob(t, "wide"), drawGlob(t, "narrow")
		s := instanceOf(t, narrow)
		if !mapping.Match(narrow, s) {
			t.Fatalf("%q is no instance of %q", s, narrow)
		}
		if covers(wide, narrow) && !mapping.Match(wide, s) {
			t.Fatalf("%q covers %q, and does not match %q", wide, narrow, s)
		}
	})
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		wide, narrow string
		want         bool
	}{
		{"a*", "a", true}, {"a*", "a?*", true}, {"a?*", "a*", false}, {"a?", "a*", false}, {"?", "*", false}, {"*", "", true},
		{"a/?*/?*", "a/?*/?*/?*", true}, {"a/?*/?*/?*", "a/?*/?*", false}, {"a/?*", "a/b", true}, {"a/?*", "a/", false},
		{"*é", "bé", true}, {"?", "é", true}, {"é", "?", false}, {"a", "ab", false}, {"a**", "a", true},
	} {
		if got := covers(c.wide, c.narrow); got != c.want {
			t.Errorf("covers(%q, %q) is %v", c.wide, c.narrow, got)
		}
	}
}

// TestMeetNeverMissesACommonString: whatever both globs match, meet knows of.
func TestMeetNeverMissesACommonString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawGlob(t, "a"), drawGlob(t, "b")
		if s := instanceOf(t, a); mapping.Match(b, s) && !meet(a, b) {
			t.Fatalf("%q and %q both match %q", a, b, s)
		}
	})
	for _, c := range [][2]string{{"a", "b"}, {"a*", "b*"}, {"*a", "*b"}, {"a", "a?"}, {"ab", "a/?*"}} {
		if meet(c[0], c[1]) {
			t.Errorf("%q and %q do not meet", c[0], c[1])
		}
	}
}
