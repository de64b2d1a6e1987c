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

// smallGlobs lists all globs of up to four characters, and the texts that each of
// them matches of all those of up to eight. The f stands for every character that
// no glob names. What one glob matches and another does not shows in a text where
// each * of the first stands for no more characters than the second has and one:
// eight are enough, as the longest glob with a * has three characters besides.
func smallGlobs() (globs []string, matched []bitset, texts []string) {
	globs = stringsOf([]string{"a", "/", "*", "?"}, 4)
	texts = stringsOf([]string{"a", "/", "f"}, 8)
	for _, g := range globs {
		b := newBitset(len(texts))
		for i, text := range texts {
			if mapping.Match(g, text) {
				b.add(i)
			}
		}
		matched = append(matched, b)
	}
	return globs, matched, texts
}

// meets character for character: what the comment of covers admits to. A * of
// narrow is met by a * of wide alone, a ? by a ? or a *, another character by
// itself as well.
func meets(wide, narrow string) bool {
	switch {
	case wide == "":
		return narrow == ""
	case wide[0] == '*':
		return meets(wide[1:], narrow) || narrow != "" && meets(wide, narrow[1:])
	case narrow == "" || narrow[0] == '*' || wide[0] != '?' && wide[0] != narrow[0]:
		return false
	}
	return meets(wide[1:], narrow[1:])
}

// TestCoversIsExact: of all pairs of globs of up to four characters, covers says
// yes to those where character meets character; the wide one then matches all that
// the narrow one does. It misses none but those where a * of narrow would have to
// share a ?* of wide with what stands beside it, as in ?* and *a.
func TestCoversIsExact(t *testing.T) {
	globs, matched, texts := smallGlobs()
	admitted := func(wide, narrow string) bool {
		return strings.Contains(narrow, "*") && (strings.Contains(wide, "?*") || strings.Contains(wide, "*?"))
	}
	missed := 0
	for i, wide := range globs {
		for j, narrow := range globs {
			got, counter := covers(wide, narrow), matched[j].without(matched[i]).first()
			switch {
			case got != meets(wide, narrow):
				t.Fatalf("covers(%q, %q) is %v, character for character it is not", wide, narrow, got)
			case got && counter >= 0:
				t.Fatalf("%q covers %q, and does not match %q", wide, narrow, texts[counter])
			case got || counter >= 0:
			case !admitted(wide, narrow):
				t.Fatalf("%q matches all that %q does, and covers does not see it", wide, narrow)
			default:
				missed++
			}
		}
	}
	if missed == 0 {
		t.Error("covers misses nothing at all: its comment says otherwise")
	}
}

// TestMeetIsExact, for all pairs of globs of up to four characters: a text that
// both match need not be longer than both together.
func TestMeetIsExact(t *testing.T) {
	globs, matched, _ := smallGlobs()
	for i, one := range globs {
		for j, other := range globs {
			if got, want := meet(one, other), matched[i].meets(matched[j]); got != want {
				t.Fatalf("meet(%q, %q) is %v", one, other, got)
			}
		}
	}
}

// TestAGlobIsWalkedAsItMatches: step by step, and at every length up to the longest.
func TestAGlobIsWalkedAsItMatches(t *testing.T) {
	globs, matched, texts := smallGlobs()
	for i, glob := range globs {
		g, ok := newGlobber(glob)
		if !ok {
			t.Fatalf("%q is too long", glob)
		}
		start := g.start()
		for j, text := range texts[:1093] { // of up to six characters
			at := g.run(&start, text)
			if g.done(&at) != matched[i].has(j) || g.done(&at) && g.empty(&at) {
				t.Fatalf("%q matches %q: %v", glob, text, matched[i].has(j))
			}
		}
	}
	longest := 0
	for n := range 600 {
		for _, glob := range []string{strings.Repeat("a", n), strings.Repeat("?", n), strings.Repeat("a", max(n-1, 0)) + "*"} {
			g, ok := newGlobber(glob)
			if !ok {
				continue
			}
			longest = n
			at := g.start()
			if at = g.run(&at, strings.Repeat("a", n)); !g.done(&at) {
				t.Fatalf("a glob of %d characters does not match as many", n)
			}
			if at = g.run(&at, "b/"); g.done(&at) != strings.HasSuffix(glob, "*") {
				t.Fatalf("a glob of %d characters is at its end two characters later", n)
			}
		}
	}
	if longest != MaxResource-1 {
		t.Errorf("the longest glob has %d characters: a resource of %d begins with an API", longest, MaxResource)
	}
}
