package policy

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"scopegate/mapping"
)

// bitset is a set of small numbers.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }

func (b bitset) first() int {
	for i, w := range b {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// within lists what is in b and in other.
func (b bitset) within(other bitset) bitset {
	both := make(bitset, len(b))
	for i, w := range b {
		both[i] = w & other[i]
	}
	return both
}

func (b bitset) without(other bitset) bitset {
	rest := make(bitset, len(b))
	for i, w := range b {
		rest[i] = w &^ other[i]
	}
	return rest
}

func (b bitset) meets(other bitset) bool {
	for i, w := range b {
		if w&other[i] != 0 {
			return true
		}
	}
	return false
}

// tracks of the small world: what its routes can tell of a path. It is the
// classes of its segments (1 to 3 for a literal, 4 for another text) as digits to
// the base 5, of four segments at most (the fourth says that more follow than any
// route has), and whether a slash is at the end.
const tracks = 2 * 5 * 5 * 5 * 5

const otherClass = 4

func classOf(segment string) int {
	if i := slices.Index(worldLiterals, segment); i >= 0 {
		return i + 1
	}
	return otherClass
}

// push adds a segment's class to the digits.
func push(digits, class int) int {
	switch {
	case digits >= 125:
		return digits
	case digits >= 25:
		return digits*5 + otherClass
	}
	return digits*5 + class
}

func track(segments []string, slash bool) int {
	digits := 0
	for _, s := range segments {
		digits = push(digits, classOf(s))
	}
	if slash && len(segments) > 0 {
		return 2*digits + 1
	}
	return 2 * digits
}

// plain cuts METHOD/path; ok is false for what is no plain path.
func plain(text string) (segments []string, slash, ok bool) {
	_, path, rooted := strings.Cut(text, "/")
	if path == "" {
		return nil, false, rooted
	}
	path, slash = strings.CutSuffix(path, "/")
	segments = strings.Split(path, "/")
	return segments, slash, rooted && !slices.Contains(segments, "")
}

// prefix is where a text stands in a search: what has been matched by beginnings
// of the glob, and the segments so far.
type prefix struct {
	matched uint64 // bit i: the first i characters of the glob match the text
	digits  int    // of the segments that are complete
	segment string // the one that is not, or fresh if no literal begins so
}

// reach finds all tracks of GET paths that a glob matches, each with a path of
// it. It asks mapping.Match alone, and no bound on the length of paths is guessed:
// texts that the same beginnings of the glob match, and that stand at the same
// place of a route, go on alike. So each such prefix is looked at once, the
// search ends when there are no more, and nothing is missed. The letters are those
// of the world and one that stands for all others, as neither the globs nor the
// routes of the world tell those apart.
func reach(glob string) (found bitset, witnesses []string) {
	found = newBitset(tracks)
	seen := map[prefix]bool{}
	var queue []string
	look := func(text string, digits int, segment string) {
		at := prefix{beginnings(glob, text), digits, segment}
		if at.matched == 0 || seen[at] {
			return
		}
		seen[at] = true
		queue = append(queue, text)
	}
	look("GET/", 0, "")
	for ; len(queue) > 0; queue = queue[1:] {
		text := queue[0]
		segments, slash, _ := plain(text)
		if at := track(segments, slash); mapping.Match(glob, text) && !found.has(at) {
			found.add(at)
			witnesses = append(witnesses, text)
		}
		last := ""
		if !slash && len(segments) > 0 {
			segments, last = segments[:len(segments)-1], segments[len(segments)-1]
		}
		digits := track(segments, false) / 2
		for _, letter := range []string{"a", "b", fresh} {
			look(text+letter, digits, begun(digits, last+letter))
		}
		if last != "" {
			look(text+"/", push(digits, classOf(last)), "")
		}
	}
	return found, witnesses
}

// begun is all that matters of a segment that may go on.
func begun(digits int, segment string) string {
	if digits >= 25 || !slices.ContainsFunc(worldLiterals, func(l string) bool { return strings.HasPrefix(l, segment) }) {
		return fresh
	}
	return segment
}

// beginnings lists how much of a glob matches a text.
func beginnings(glob, text string) uint64 {
	var matched uint64
	for i := range len(glob) + 1 {
		if mapping.Match(glob[:i], text) {
			matched |= 1 << i
		}
	}
	return matched
}

// small is what is found out once about the globs of the small world.
type small struct {
	globs   []string
	short   int               // so many come first: all short ones, and of each form one
	reached map[string]bitset // tracks of the paths that a glob matches
	texts   []string          // paths of all kinds, as GET/path
	tracks  []int             // of the texts
	matched map[string]bitset // texts that a glob matches
	filled  map[[2]string]string
}

// stringsOf lists the strings of up to n characters of an alphabet, short ones first.
func stringsOf(alphabet []string, n int) []string {
	list := []string{""}
	for from := 0; n > 0; n-- {
		to := len(list)
		for _, s := range list[from:to] {
			for _, c := range alphabet {
				list = append(list, s+c)
			}
		}
		from = to
	}
	return list
}

// newSmall looks at every glob GET/… of up to four characters, at forms of whole
// segments, at globs that do not spell the method out, and at some longer ones.
func newSmall() *small {
	w := &small{reached: map[string]bitset{}, matched: map[string]bitset{}, filled: map[[2]string]string{}}
	letters := []string{"a", "b", "/", "*", "?"}
	for _, s := range stringsOf(letters, 3) {
		w.globs = append(w.globs, "GET/"+s)
	}
	for _, s := range stringsOf([]string{"/a", "/ab", "/?*"}, 3)[1:] {
		w.globs = append(w.globs, "GET"+s, "GET"+s+"/", "GET"+s+"*")
	}
	w.globs = append(w.globs, "GET", "GET?", "*", "?*", "???/?*", "*?/a*", "*/a", "*a/", "?ET/*/b*")
	w.short = len(w.globs)
	for _, s := range stringsOf(letters, 4)[156:] {
		w.globs = append(w.globs, "GET/"+s)
	}
	random := rand.New(rand.NewPCG(3, 1))
	for range 100 {
		s := "GET/"
		for range 5 + random.IntN(4) {
			s += letters[random.IntN(len(letters))]
		}
		w.globs = append(w.globs, s)
	}
	known := map[string]bool{}
	add := func(text string) {
		if segments, slash, ok := plain(text); ok && !known[text] {
			known[text] = true
			w.texts = append(w.texts, text)
			w.tracks = append(w.tracks, track(segments, slash))
		}
	}
	for _, s := range stringsOf([]string{"a/", "b/", "ab/", "f/", "af/"}, 3) {
		add("GET/" + s)
		add("GET/" + strings.TrimSuffix(s, "/"))
	}
	for _, g := range w.globs {
		found, witnesses := reach(g)
		w.reached[g] = found
		for _, text := range witnesses {
			add(text)
		}
	}
	return w
}

// match lists the texts that a glob matches.
func (w *small) match(glob string) bitset {
	b, known := w.matched[glob]
	if !known {
		b = newBitset(len(w.texts))
		for i, text := range w.texts {
			if mapping.Match(glob, text) {
				b.add(i)
			}
		}
		w.matched[glob] = b
	}
	return b
}

// fill finds a path that a glob matches and that is what an instance says: its
// literals, and for what is free texts that no literal names. As in reach each
// prefix that goes on alike is looked at once; "" is for none.
func (w *small) fill(glob string, p instance) string {
	form := p.glob()
	if text, known := w.filled[[2]string{glob, form}]; known {
		return text
	}
	texts := []string{p.segments[0] + "/"}
	for i, s := range p.segments[1:] {
		end := ""
		if i < len(p.segments)-2 || p.slash {
			end = "/"
		}
		var longer []string
		for _, text := range texts {
			if s != free {
				longer = append(longer, text+s+end)
				continue
			}
			for _, f := range freeTexts(glob, text) {
				longer = append(longer, text+f+end)
			}
		}
		texts = different(glob, longer)
	}
	i := slices.IndexFunc(texts, func(text string) bool { return mapping.Match(glob, text) })
	text := ""
	if i >= 0 {
		text = texts[i]
	}
	w.filled[[2]string{glob, form}] = text
	return text
}

// freeTexts lists texts of one segment that no literal names, one for each way in
// which a glob goes on after them.
func freeTexts(glob, before string) []string {
	seen := map[prefix]bool{}
	queue := []string{""}
	var list []string
	for ; len(queue) > 0; queue = queue[1:] {
		for _, letter := range []string{fresh, "a", "b"} {
			s := queue[0] + letter
			at := prefix{beginnings(glob, before+s), 0, begun(0, s)}
			if at.matched == 0 || seen[at] {
				continue
			}
			seen[at] = true
			queue = append(queue, s)
			if classOf(s) == otherClass {
				list = append(list, s)
			}
		}
	}
	return list
}

// different leaves one of the texts that go on alike.
func different(glob string, texts []string) []string {
	seen := map[uint64]bool{}
	return slices.DeleteFunc(texts, func(text string) bool {
		at := beginnings(glob, text)
		known := at == 0 || seen[at]
		seen[at] = true
		return known
	})
}

// theSmall is looked at by several tests, and the same for all.
var theSmall = sync.OnceValue(newSmall)

// TestASearchByPrefixesMissesNothing: every text of up to six letters that a glob
// matches is of a track that reach found, and each of its witnesses is of the
// track that it stands for.
func TestASearchByPrefixesMissesNothing(t *testing.T) {
	w := theSmall()
	texts := stringsOf([]string{"a", "b", "/", fresh}, 6)
	for _, glob := range w.globs {
		for _, text := range texts {
			segments, slash, ok := plain("GET/" + text)
			if ok && mapping.Match(glob, "GET/"+text) && !w.reached[glob].has(track(segments, slash)) {
				t.Fatalf("%s matches GET/%s, and no prefix led there", glob, text)
			}
		}
		seen := newBitset(tracks)
		for i, at := range w.tracks {
			if w.match(glob).has(i) {
				seen.add(at)
			}
		}
		if left := w.reached[glob].without(seen).first(); left >= 0 {
			t.Fatalf("%s matches no text of track %d", glob, left)
		}
	}
}
