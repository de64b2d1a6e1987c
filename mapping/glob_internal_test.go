package mapping

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matchByRegexp is the plainest other reading of a glob. Each character is
// written in hex, as regexp would take bytes that are no UTF-8 for U+FFFD.
func matchByRegexp(glob, s string) bool {
	pattern := strings.NewReplacer("2a;", "([0-9a-f]+;)*", "3f;", "[0-9a-f]+;").Replace(hex(glob))
	return regexp.MustCompile("^" + pattern + "$").MatchString(hex(s))
}

func hex(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := runeLen(s)
		fmt.Fprintf(&b, "%x;", s[:n])
		s = s[n:]
	}
	return b.String()
}

// drawText draws from characters that collide, some of them broken, now and
// then the same few times over.
func drawText(t *rapid.T, label string, letters ...string) string {
	letter := rapid.SampledFrom(letters)
	var b strings.Builder
	for range rapid.IntRange(0, 7).Draw(t, label+" parts") {
		unit := strings.Join(rapid.SliceOfN(letter, 1, 3).Draw(t, label), "")
		times := rapid.SampledFrom([]int{1, 1, 1, 2, 30}).Draw(t, label+" times")
		b.WriteString(strings.Repeat(unit, times))
	}
	return b.String()
}

func TestMatchAgreesWithRegularExpressions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			glob := drawText(t, "glob", "a", "a", "b", "/", "*", "*", "?", "é", "è", ".", "$", "\xc3", "\xa9", "€")
			s := drawText(t, "s", "a", "a", "b", "/", "*", "?", "é", "è", ".", "$", "\xc3", "\xa9", "€")
			want := matchByRegexp(glob, s)
			got, steps := match(glob, s)
			if got != want {
				t.Fatalf("match(%q, %q) is %v, want %v", glob, s, got, want)
			}
			if slow, _ := matchSlowly(glob, s); slow != want {
				t.Fatalf("matchSlowly(%q, %q) is %v, want %v", glob, s, slow, want)
			}
			if most := mostSteps(glob, s); steps > most {
				t.Fatalf("match(%q, %q) took %d steps, more than %d", glob, s, steps, most)
			}
		}
	})
}

// TestMatchTakesWholeCharacters: half a character is none.
func TestMatchTakesWholeCharacters(t *testing.T) {
	for _, c := range []struct {
		glob, s string
		want    bool
	}{
		{"?", "é", true}, {"??", "é", false}, {"?", "\xc3", true}, {"??", "\xc3\xa9", false}, {"??", "\xa9\xc3", true},
		{"\xc3*", "é", false}, {"\xc3?", "é", false}, {"*\xa9", "é", false}, {"*\xa9", "\xa9", true}, {"é", "é", true},
		{"é", "è", false}, {"*é", "aéé", true}, {"*é?", "aéé", true}, {"\uFFFD", "\xff", false}, {"?", "\xff\xff", false},
	} {
		if got := Match(c.glob, c.s); got != c.want {
			t.Errorf("Match(%q, %q) is %v", c.glob, c.s, got)
		}
		if got, _ := matchSlowly(c.glob, c.s); got != c.want {
			t.Errorf("matchSlowly(%q, %q) is %v", c.glob, c.s, got)
		}
	}
}

// mostSteps is what Match promises.
func mostSteps(glob, s string) int { return 2*len(glob) + 11*len(s) + len(s)*len(s)/64 + 1 }

type hostile struct {
	name, glob, s string
	want          bool
}

// hostileGlobs are globs of up to a megabyte against the longest path that API
// Gateway takes.
func hostileGlobs() []hostile {
	const long, mega = 1600, 1_000_000
	as := strings.Repeat("a", long)
	half := strings.Repeat("a", long/2)
	return []hostile{
		{"*a*a", strings.Repeat("*a", mega/2), as, false},
		{"*a*a that fits", strings.Repeat("*a", long), as, true},
		{"*a*a and another end", strings.Repeat("*a", long-1) + "*b", as, false},
		{"*aa*aa", strings.Repeat("*aa", mega/3) + "*", as, false},
		{"?*?*", strings.Repeat("?*", mega/2), as, false},
		{"?*?* that fits", strings.Repeat("?*", long), as, true},
		{"aaab", strings.Repeat("a", mega) + "b", as, false},
		{"aaab that fits", strings.Repeat("a", long-1) + "b", as, false},
		{"stars", strings.Repeat("*", mega), as, true},
		{"stars and another end", strings.Repeat("*", mega) + "b", as, false},
		{"stars between", strings.Repeat("a"+strings.Repeat("*", mega/long), long), as, true},
		{"a half with another end", "*" + half + "b", as, false},
		{"a half, again and again", "*" + half + "b*", as, false},
		{"a half with an end", "*" + half + "b*", as[:long-1] + "b", true},
		{"a half of anything", "*" + strings.Repeat("?", long/2) + "b*", as, false},
		{"a half of both", "*" + strings.Repeat("?a", long/4) + "b*", as, false},
		{"stars before a half", strings.Repeat("*", mega) + half + "b*", as, false},
		{"stars after a half", "*" + half + "b" + strings.Repeat("*", mega), as, false},
		{"parts between stars", strings.Repeat("*"+strings.Repeat("a", 40)+"b", 24) + "c*", strings.Repeat(strings.Repeat("a", 60)+"b", 26), false},
		{"two bytes a character", "*" + strings.Repeat("é", long/4) + "è*", strings.Repeat("é", long/2), false},
		{"no UTF-8", "*" + strings.Repeat("\xc3", long/2) + "\xa9*", strings.Repeat("\xc3", long), false},
	}
}

// TestMatchIsBoundedWhateverTheGlob counts the work instead of the time.
func TestMatchIsBoundedWhateverTheGlob(t *testing.T) {
	for _, c := range hostileGlobs() {
		t.Run(c.name, func(t *testing.T) {
			got, steps := match(c.glob, c.s)
			if got != c.want {
				t.Errorf("got %v", got)
			}
			if most := mostSteps(c.glob, c.s); steps > most {
				t.Errorf("%d steps, more than %d", steps, most)
			}
			// Going back and forth would take this for some of them.
			if product := len(c.glob) * len(c.s) / 8; steps > product {
				t.Errorf("%d steps, as many as %d bytes times %d ask for", steps, len(c.glob), len(c.s))
			}
		})
	}
}

// TestMatchOfAnOrdinaryGlobNeedsNoSets: nor an allocation.
func TestMatchOfAnOrdinaryGlobNeedsNoSets(t *testing.T) {
	const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/"
	for _, c := range [][2]string{
		{arn + "GET/users/?*", arn + "GET/users/17"},
		{arn + "GET/users/?*/?*", arn + "GET/users/17/orders/4/positions"},
		{arn + "*//*", arn + "GET/users/17/orders/4/positions"},
		{arn + "GET/*/" + strings.Repeat("a", 40) + "/*", arn + "GET/b/" + strings.Repeat("a", 39) + "/" + strings.Repeat("a", 40) + "/c"},
	} {
		if allocs := testing.AllocsPerRun(10, func() { Match(c[0], c[1]) }); allocs != 0 {
			t.Errorf("Match(%q, %q) allocates %v times", c[0], c[1], allocs)
		}
	}
}

// FuzzMatch: small globs agree with regular expressions, large ones end.
func FuzzMatch(f *testing.F) {
	f.Add("arn:*/GET/?*", "arn:aws/GET/é")
	f.Add("*"+strings.Repeat("?a", 20)+"b", strings.Repeat("a", 60))
	f.Add("\xc3*", "\xc3\xa9")
	f.Fuzz(func(t *testing.T, glob, s string) {
		got, steps := match(glob, s)
		if most := mostSteps(glob, s); steps > most {
			t.Fatalf("%d steps, more than %d", steps, most)
		}
		if len(glob) < 200 && len(s) < 1000 && got != matchByRegexp(glob, s) {
			t.Fatalf("match(%q, %q) is %v", glob, s, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/"
	cases := append(hostileGlobs(),
		hostile{"ordinary, matched", arn + "GET/users/?*/orders/?*", arn + "GET/users/17/orders/4", true},
		hostile{"ordinary, not matched", arn + "GET/users/?*/orders/?*", arn + "GET/users/17/orders", false},
	)
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Match(c.glob, c.s)
			}
		})
	}
}
