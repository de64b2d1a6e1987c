package policy

import (
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
)

// collisions lists what is permitted and denied all the same, each with a path
// that shows it.
func (in *inspection) collisions() []Collision {
	var list []Collision
	for _, deny := range in.counting(in.rules().denies) {
		forAll := strings.HasPrefix(deny, "*")
		found := map[int32]bool{}
		for _, p := range in.matches(deny) {
			r := in.routeOf(p)
			if r == none || found[r] || forAll && len(found) > 0 {
				continue
			}
			own := in.tree.routes[r].template
			witness, ok := in.witness(deny, p, func(v mapping.Verdict) bool { return v.Route == own })
			if ok {
				found[r] = true
				list = append(list, in.collision(in.name(r), deny, witness, covers(deny, in.tree.routes[r].glob)))
				continue
			}
			// What is permitted for two held routes at once may be named by the other.
			witness, ok = in.witness(deny, p, func(v mapping.Verdict) bool { return v.Reason == mapping.HeldRoute })
			if ok {
				list = append(list, in.collision(in.permits(witness).Route.String(), deny, witness, false))
			}
		}
		for _, pattern := range in.patterns {
			if witness, ok := in.common(pattern, deny); ok {
				list = append(list, in.collision(strings.Replace(pattern, "/", " /", 1), deny, witness, covers(deny, pattern)))
			}
		}
	}
	return list
}

func (in *inspection) collision(route, deny, witness string, whole bool) Collision {
	c := Collision{Route: route, Deny: in.prepared.prefix + deny, Witness: strings.Replace(witness, "/", " /", 1), Whole: whole}
	if !in.at.IsZero() {
		c.From = in.at.UTC().Format(time.RFC3339)
	}
	return c
}

// permits asks Permits about METHOD/path.
func (in *inspection) permits(text string) mapping.Verdict {
	method, path, _ := strings.Cut(text, "/")
	return in.table.Decide(in.set, method, "/"+path)
}

// mostTried bounds the paths tried for one witness.
const mostTried = 4000

// witness finds a path of an instance that is permitted, by what is wanted, and
// matched by the glob: it fills what is free with harmless values and with what
// the glob spells out.
func (in *inspection) witness(glob string, p instance, wanted func(mapping.Verdict) bool) (path string, ok bool) {
	g, ok := newGlobber(glob)
	if !ok {
		return "", false
	}
	values := valuesOf(glob)
	if p.slash && in.tree.slashed {
		values = append(values, in.tree.literals...)
	}
	tried := 0
	var fill func(i int, at positions, done string) bool
	fill = func(i int, at positions, done string) bool {
		if tried++; tried > mostTried || g.empty(&at) {
			return false
		}
		if i == len(p.segments) {
			if p.slash || i == 1 {
				at, done = g.step(&at, '/'), done+"/"
			}
			path = done
			v := in.permits(done)
			return g.done(&at) && v.Allowed && wanted(v)
		}
		if i > 0 {
			at, done = g.step(&at, '/'), done+"/"
		}
		if p.segments[i] != free {
			return fill(i+1, g.run(&at, p.segments[i]), done+p.segments[i])
		}
		return slices.ContainsFunc(values, func(v string) bool { return fill(i+1, g.run(&at, v), done+v) })
	}
	return path, fill(0, g.start(), "")
}

// valuesOf lists texts of one segment: harmless ones, and such as the glob's
// literal parts stand in.
func valuesOf(glob string) []string {
	list := []string{"1", "x1", "x1y2"}
	for _, part := range strings.FieldsFunc(glob, func(c rune) bool { return c == '*' || c == '/' }) {
		part = strings.ReplaceAll(part, "?", "1")
		for _, v := range []string{part, part + "1", "1" + part, "1" + part + "1"} {
			if !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
	}
	return list
}

// common finds a path that a held pattern permits and a Deny matches. It goes
// through the texts that both globs match, short ones first, and through no more
// than a few of those that stand alike: at the same places of both globs, where
// routing stands alike too.
func (in *inspection) common(pattern, deny string) (path string, ok bool) {
	if !meet(pattern, deny) {
		return "", false
	}
	one, ok1 := newGlobber(pattern)
	other, ok2 := newGlobber(deny)
	if !ok1 || !ok2 {
		return "", false
	}
	type standing struct {
		a, b positions
		progress
		// bare says that the text would match the pattern without the slash at its
		// end, as it must to be permitted with it.
		bare bool
	}
	type try struct {
		standing
		text string
	}
	method, _, _ := strings.Cut(pattern, "/")
	seen := map[standing]int{}
	queue := []try{{standing{a: one.start(), b: other.start()}, ""}}
	for tried := 0; len(queue) > 0 && tried < 10*mostTried; tried++ {
		at := queue[0]
		queue = queue[1:]
		if one.done(&at.a) && other.done(&at.b) && in.permits(at.text).Allowed {
			return at.text, true
		}
		for _, c := range alphabet(&one, &at.a, &other, &at.b) {
			next := try{standing{one.step(&at.a, c), other.step(&at.b, c), in.progress(at.progress, method, at.text, c), c == '/' && one.done(&at.a)}, at.text + string(c)}
			if one.empty(&next.a) || other.empty(&next.b) || seen[next.standing] == mostAlike || malformed(next.text) {
				continue
			}
			seen[next.standing]++
			queue = append(queue, next)
		}
	}
	return "", false
}

// progress is where routing stands after the segments that are complete, and the
// one that is not, as far as it may still become a literal.
type progress struct {
	state *state
	part  string // of the segment as it is sent
	dots  string // of the segment as it is decoded, while it may become dots
}

func (in *inspection) progress(at progress, method, text string, c rune) progress {
	switch {
	case c != '/' && !strings.Contains(text, "/"):
		return at
	case c != '/':
		at.part += string(c)
		if at.state == nil || !at.state.begins(at.part) {
			at.part = free
		}
		at.dots = dotted(text + string(c))
		return at
	case !strings.Contains(text, "/"):
		if n := in.tree.root.literals[method]; n != nil {
			return progress{state: in.tree.routing[n]}
		}
		return progress{}
	case at.state == nil:
		return progress{}
	}
	return progress{state: at.state.next(at.part)}
}

// dotted is what follows the last slash, encoded or not, while that may still
// become a . or .. segment.
func dotted(text string) string {
	text = slashesAndDots.Replace(text)
	last := text[strings.LastIndexByte(text, '/')+1:]
	if strings.Trim(last, ".%2") == "" && len(last) < 5 {
		return last
	}
	return free
}

// begins reports whether a literal that may follow begins so.
func (s *state) begins(part string) bool {
	return slices.ContainsFunc(s.nodes, func(n *node) bool {
		return slices.ContainsFunc(n.sorted, func(c *node) bool { return strings.HasPrefix(c.text, part) })
	})
}

// mostAlike bounds the texts that lead to the same places: what follows them is
// the same, but not all of them are permitted.
const mostAlike = 3

// slashesAndDots decodes the two that make segments; it is built at first use.
var slashesAndDots = strings.NewReplacer("%2F", "/", "%2f", "/", "%2E", ".", "%2e", ".")

// malformed reports whether no path that begins so is permitted.
func malformed(text string) bool {
	text = slashesAndDots.Replace(text)
	return strings.HasSuffix(text, "//") || strings.HasSuffix(text, "/./") || strings.HasSuffix(text, "/../")
}

// alphabet lists the characters that make a difference: those that one of the
// globs spells out next, and a harmless one.
func alphabet(one *globber, a *positions, other *globber, b *positions) []rune {
	var list []rune
	note := func(g *globber) func(int) {
		return func(at int) {
			c := g.places[at].char
			if at < g.last() && c != '*' && c != '?' && !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
	}
	one.each(a, note(one))
	other.each(b, note(other))
	return append(list, '1', '/')
}

// unguarded lists, for each Allow that has one, a path that it opens and that no
// route is known for.
func (in *inspection) unguarded() []Unguarded {
	list := []Unguarded{}
	denies := in.counting(in.rules().denies)
	for _, allow := range in.counting(in.rules().allows) {
		if slices.Contains(in.patterns, allow) || !hasWildcard(allow) {
			continue
		}
		for _, text := range unknowns(allow) {
			open := mapping.Match(allow, text) && !slices.ContainsFunc(denies, func(d string) bool { return mapping.Match(d, text) })
			if open && in.permits(text).Reason == mapping.NoRoute {
				list = append(list, Unguarded{Allow: in.prepared.prefix + allow, Witness: strings.Replace(text, "/", " /", 1)})
				break
			}
		}
	}
	return list
}

// unknowns lists texts that an Allow matches: with one segment for each ?*, and
// with more in one of them.
func unknowns(allow string) []string {
	method, path, _ := strings.Cut(allow, "/")
	method = map[string]string{"???": "GET", "????": "POST"}[method] + strings.ReplaceAll(method, "?", "")
	parts := strings.Split(path, "*")
	var list []string
	for deep := range parts {
		var b strings.Builder
		b.WriteString(method + "/")
		for i, part := range parts {
			b.WriteString(strings.ReplaceAll(part, "?", "1"))
			switch {
			case i == len(parts)-1:
			case i == deep:
				b.WriteString("/unknown")
			}
		}
		list = append(list, strings.ReplaceAll(b.String(), "//", "/"))
	}
	for _, end := range []string{"-unknown", "unknown"} {
		if strings.HasSuffix(allow, "*") {
			list = append(list, strings.ReplaceAll(method+"/"+strings.TrimSuffix(path, "*"), "?*", "1")+end)
		}
	}
	return list
}
