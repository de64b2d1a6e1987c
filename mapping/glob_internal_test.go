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
func matchByRegexp(glob, s string) bool { return globRegexp(glob).MatchString(hex(s)) }

func globRegexp(glob string) *regexp.Regexp {
	pattern := strings.NewReplacer("2a;", "([0-9a-f]+;)*", "3f;", "[0-9a-f]+;").Replace(hex(glob))
	return regexp.MustCompile("^" + pattern + "$")
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

var globLetters = []string{"a", "a", "b", "/", "*", "*", "?", "?", "é", "è", "€", "\xc3", "\xa9"}

// drawText draws from letters that collide, some of them broken, now and then
// the same few times over.
func drawText(t *rapid.T, label string) string {
	letter := rapid.SampledFrom(globLetters)
	var b strings.Builder
	for range rapid.IntRange(0, 6).Draw(t, label+" parts") {
		unit := strings.Join(rapid.SliceOfN(letter, 1, 3).Draw(t, label), "")
		b.WriteString(strings.Repeat(unit, rapid.SampledFrom([]int{1, 1, 1, 2, 30}).Draw(t, label+" times")))
	}
	return b.String()
}

// drawInstance draws what a glob matches, often with one character wrong.
func drawInstance(t *rapid.T, glob string) string {
	letter := rapid.SampledFrom(globLetters)
	wrong := rapid.IntRange(0, 2*len(glob)).Draw(t, "wrong")
	few := rapid.IntRange(0, 3).Draw(t, "few")
	var b strings.Builder
	for g := 0; g < len(glob); {
		n := runeLen(glob[g:])
		switch c := glob[g : g+n]; {
		case g == wrong, c == "?":
			b.WriteString(letter.Draw(t, "one"))
		case c == "*":
			b.WriteString(strings.Repeat(letter.Draw(t, "any"), few))
		default:
			b.WriteString(c)
		}
		g += n
	}
	return b.String()
}

func TestMatchAgreesWithRegularExpressions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			glob := drawText(t, "glob")
			s := drawInstance(t, glob)
			if rapid.IntRange(0, 3).Draw(t, "other") == 0 {
				s = drawText(t, "s")
			}
			checkMatch(t, glob, s, matchByRegexp(glob, s))
		}
	})
}

func checkMatch(t interface{ Fatalf(string, ...any) }, glob, s string, want bool) {
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

// texts are all of at most n letters.
func texts(n int, letters ...string) []string {
	all := []string{""}
	for begin := 0; n > 0; n-- {
		end := len(all)
		for ; begin < end; begin++ {
			for _, l := range letters {
				all = append(all, all[begin]+l)
			}
		}
	}
	return all
}

// TestMatchOfEverySmallGlob leaves none of them to chance.
func TestMatchOfEverySmallGlob(t *testing.T) {
	subjects := texts(4, "a", "*", "é", "\xc3")
	for _, glob := range texts(4, "a", "*", "?", "é") {
		byRegexp := globRegexp(glob)
		for _, s := range subjects {
			checkMatch(t, glob, s, byRegexp.MatchString(hex(s)))
		}
	}
}

// TestMatchTakesWholeCharacters: half a character is none.
func TestMatchTakesWholeCharacters(t *testing.T) {
	for _, c := range []struct {
		glob, s string
		want    bool
	}{
		{"?", "é", true}, {"??", "é", false}, {"?", "\xc3", true}, {"??", "\xc3\xa9", false}, {"??", "\xa9\xc3", true},
		{"\xc3*", "é", false}, {"\xc3?", "é", false}, {"*\xa9", "é", false}, {"*\xa9", "\xa9", true}, {"é", "é", true},
		{"\xc3", "é", false}, {"é", "\xc3", false}, {"é", "è", false}, {"éè", "éé", false}, {"éè", "éè", true}, {"*é", "aéé", true}, {"*é?", "aéé", true}, {"\uFFFD", "\xff", false}, {"?", "\xff\xff", false},
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
	sets          bool // going back and forth would take too long
}

// hostileGlobs are globs of up to a megabyte against the longest path that API
// Gateway takes.
func hostileGlobs() []hostile {
	const long, mega = 1600, 1_000_000
	x := strings.Repeat
	as, half := x("a", long), x("a", long/2)
	return []hostile{
		{"*a*a", x("*a", mega/2), as, false, false},
		{"*a*a that fits", x("*a", long), as, true, false},
		{"*a*a and another end", x("*a", long-1) + "*b", as, false, false},
		{"*aa*aa", x("*aa", mega/3) + "*", as, false, false},
		{"?*?*", x("?*", mega/2), as, false, false},
		{"?*?* that fits", x("?*", long), as, true, false},
		{"aaab", x("a", mega) + "b", as, false, false},
		{"aaab that fits", x("a", long-1) + "b", as, false, false},
		{"stars", x("*", mega), as, true, false},
		{"stars and another end", x("*", mega) + "b", as, false, false},
		{"stars between", x("a"+x("*", mega/long), long), as, true, false},
		{"half with another end", "*" + half + "b", as, false, false},
		{"half, again and again", "*" + half + "b*", as, false, false},
		{"half with an end", "*" + half + "b*", as[1:] + "b", true, false},
		{"half, two bytes a character", "*" + x("é", long/4) + "è*", x("é", long/2), false, false},
		{"stars before half", x("*", mega) + half + "b*", as, false, false},
		{"stars after half", "*" + half + "b" + x("*", mega), as, false, false},
		{"parts between stars", x("*"+x("a", 40)+"b", 24) + "c*", x(x("a", 60)+"b", 26), false, false},
		{"half of anything", "*" + x("?", long/2) + "b*", as, false, true},
		{"half of anything with an end", "*" + x("?", long/2) + "b*", as[1:] + "b", true, true},
		{"half of anything and a megabyte", "*" + x("?", long/2) + "b*" + x("?*", mega/2), as, false, false},
		{"half of both", "*" + x("?a", long/4) + "b*", as, false, true},
		{"half of both with an end", "*" + x("?a", long/4) + "b*", as[1:] + "b", true, true},
		{"half, no UTF-8", "*" + x("\xc3", long/2) + "\xa9*", x("\xc3", long), false, true},
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
			// The steps are match's own count; whether it uses sets can be seen. Of ten
			// runs, so that what the runtime allocates meanwhile is not taken for them.
			if sets := testing.AllocsPerRun(10, func() { Match(c.glob, c.s) }) > 0; sets != c.sets {
				t.Errorf("sets are used: %v", sets)
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
		want, _ := match(glob, s)
		if len(glob) < 200 && len(s) < 1000 {
			want = matchByRegexp(glob, s)
		}
		checkMatch(t, glob, s, want)
	})
}

func BenchmarkMatch(b *testing.B) {
	const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/"
	cases := append(hostileGlobs(),
		hostile{"ordinary, matched", arn + "GET/users/?*/orders/?*", arn + "GET/users/17/orders/4", true, false},
		hostile{"ordinary, not matched", arn + "GET/users/?*/orders/?*", arn + "GET/users/17/orders", false, false},
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
