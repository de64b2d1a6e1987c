package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// failer is a test, or one case of a property.
type failer interface{ Fatalf(string, ...any) }

// routed is a set of routes, each with a scope of its own, and where API Gateway
// takes each track.
type routed struct {
	routes   []mapping.Resource
	table    *mapping.Table
	prepared *Prepared
	bare     [tracks]int // the route of the path without a slash at its end
	slash    [tracks]int // and of that with one; -1 where it has none
	reads    []bitset    // of each route: the tracks that are read as one of its paths
	texts    []bitset    // of each route: the same of the texts
}

func scopeOf(place int) string { return fmt.Sprint("s", place) }

var permissions = map[[2]string]mapping.Permission{}

func permission(resource, scope string) mapping.Permission {
	p, known := permissions[[2]string{resource, scope}]
	if !known {
		p = tabletest.Permission("GET", resource, scope)
		permissions[[2]string{resource, scope}] = p
	}
	return p
}

func newRouted(w *small, routes []mapping.Resource, patterns ...string) *routed {
	s := &routed{routes: routes}
	var list []mapping.Permission
	for i, r := range routes {
		list = append(list, permission(r.String(), scopeOf(i)))
		s.reads = append(s.reads, newBitset(tracks))
		s.texts = append(s.texts, newBitset(len(w.texts)))
	}
	for i, p := range patterns {
		list = append(list, permission(p, scopeOf(len(routes)+i)))
	}
	s.table = tabletest.Table(list...)
	s.prepared = Prepare(s.table)
	for _, p := range worldPaths {
		bare, slash := gateway(routes, p.segments, false), -1
		if p.slash {
			slash = gateway(routes, p.segments, true)
		}
		s.bare[p.track], s.slash[p.track] = bare, slash
		for _, r := range []int{bare, slash} {
			if r >= 0 {
				s.reads[r].add(p.track)
			}
		}
	}
	for i, at := range w.tracks {
		for _, r := range []int{s.bare[at], s.slash[at]} {
			if r >= 0 {
				s.texts[r].add(i)
			}
		}
	}
	return s
}

// worldPath is a path of a track.
type worldPath struct {
	path     string
	segments []string
	slash    bool
	track    int
}

var worldPaths = func() []worldPath {
	var list []worldPath
	for _, s := range stringsOf([]string{"a/", "b/", "ab/", fresh + "/"}, worldDepth+1) {
		segments := strings.Split(strings.TrimSuffix(s, "/"), "/")
		if s == "" {
			segments = nil
		}
		if len(segments) > worldDepth && segments[worldDepth] != fresh {
			continue // the same track
		}
		list = append(list, worldPath{"/" + strings.TrimSuffix(s, "/"), segments, false, track(segments, false)})
		if s != "" {
			list = append(list, worldPath{"/" + s, segments, true, track(segments, true)})
		}
	}
	return list
}()

// offer is what the walk says of an instance.
type offer struct {
	instance
	form        string // its glob
	matched     bitset // the texts that this matches
	bare, slash int    // places of routes, -1 for none
}

// decides reports whether a route that ends at the node has a part in the verdict.
func (n *node) decides(p instance) bool {
	return slices.ContainsFunc([]int32{n.end, n.endSlash, n.greedy}, func(r int32) bool {
		return r != none && (r == p.state.end || p.slash && r == p.state.slash)
	})
}

// offers walks the tree for a glob and looks at each instance: its routes are
// those of its paths, and the glob matches one of them.
func (s *routed) offers(t failer, w *small, glob string) []offer {
	g, ok := newGlobber(glob)
	if !ok {
		t.Fatalf("%s is too long", glob)
	}
	tr := s.prepared.tree
	var list []offer
	walk := walker{globber: g}
	walk.enter = func(*node, *state, *positions) bool { return true }
	walk.visit = func(p instance) bool {
		p.segments = slices.Clone(p.segments)
		o := offer{instance: p, form: p.glob(), bare: placeOf(tr, s.routes, p.state.end), slash: -1}
		if p.slash {
			o.slash = placeOf(tr, s.routes, p.state.slash)
		}
		if at := track(p.segments[1:], p.slash); o.bare != s.bare[at] || o.slash != s.slash[at] {
			t.Fatalf("%v: %s offers %s for the routes %d and %d, and its paths are of %d and %d", s.routes, glob, o.form, o.bare, o.slash, s.bare[at], s.slash[at])
		}
		if !p.node.decides(p) {
			t.Fatalf("%v: %s offers %s, and none of its paths is of the route that the walk stands at", s.routes, glob, o.form)
		}
		if w.fill(glob, p) == "" {
			t.Fatalf("%v: %s offers %s, of which it matches nothing", s.routes, glob, o.form)
		}
		o.matched = w.match(o.form)
		list = append(list, o)
		return true
	}
	if !walk.walk(tr) {
		t.Fatalf("%v: the walk for %s was cut off", s.routes, glob)
	}
	return list
}

// uncovered is a text that a glob matches, that is one of some others and that
// none of the chosen instances covers; "" if there is none.
func uncovered(w *small, glob string, among bitset, offers []offer, chosen func(offer) bool) string {
	left := w.match(glob).within(among)
	for _, o := range offers {
		if chosen(o) {
			left = left.without(o.matched)
		}
	}
	if i := left.first(); i >= 0 {
		return w.texts[i]
	}
	return ""
}

// checkWalk: the walk for a glob offers instances of those routes that have a path
// which the glob matches, and of each route the instances cover all those paths.
func (s *routed) checkWalk(t failer, w *small, glob string) {
	offers := s.offers(t, w, glob)
	for r, route := range s.routes {
		of := func(o offer) bool { return o.bare == r || o.slash == r }
		if offered, reached := slices.ContainsFunc(offers, of), w.reached[glob].meets(s.reads[r]); offered != reached {
			t.Fatalf("%v: that %s reaches /%s is %v, and the walk says %v", s.routes, glob, route, reached, offered)
		}
		if text := uncovered(w, glob, s.texts[r], offers, of); text != "" {
			t.Fatalf("%v: %s matches %s, of /%s, which no instance covers", s.routes, glob, text, route)
		}
	}
}

// heldBy is the table as a caller sees it who holds the routes and patterns at
// those places whose bits are set.
func (s *routed) heldBy(places uint) *view {
	var scopes []string
	for i := range 16 {
		if places>>i&1 == 1 {
			scopes = append(scopes, scopeOf(i))
		}
	}
	return newView(s.prepared, s.table.Held(tabletest.Caller(scopes...), tabletest.Now))
}

// outcomes are what Permits says of the tracks.
type outcomes struct {
	permitted bitset
	kept      bitset // of these: not only for the slash at the end of a held {name}
	together  bitset // denied, but one of the two spellings is of a held route
	denied    bitset // a route is known
}

func (s *routed) outcomes(v *view) outcomes {
	o := outcomes{newBitset(tracks), newBitset(tracks), newBitset(tracks), newBitset(tracks)}
	slashed := slices.ContainsFunc(s.routes, mapping.Resource.TrailingSlash)
	for _, p := range worldPaths {
		verdict := s.table.Decide(v.set, "GET", p.path)
		bare, slash := s.holds(v, s.bare[p.track]), s.holds(v, s.slash[p.track])
		switch {
		case verdict.Allowed && (slash || !p.slash):
			o.kept.add(p.track)
			fallthrough
		case verdict.Allowed:
			o.permitted.add(p.track)
		case verdict.Route != nil:
			o.denied.add(p.track)
		}
		if slashed && p.slash && !verdict.Allowed && (bare || slash) {
			o.together.add(p.track)
		}
	}
	return o
}

func (s *routed) holds(v *view, place int) bool {
	return place >= 0 && slices.ContainsFunc(s.prepared.tree.routes, func(r route) bool {
		return r.template.Resource.String() == s.routes[place].String() && v.set.Holds(r.template)
	})
}

// textsOf lists the texts of some tracks.
func (w *small) textsOf(among bitset) bitset {
	b := newBitset(len(w.texts))
	for i, at := range w.tracks {
		if among.has(at) {
			b.add(i)
		}
	}
	return b
}

// checkHeld: a Deny of the glob is said to leave all that is permitted alone
// exactly if it matches no permitted path; and what it matches of known routes
// and is not permitted is covered by instances that are not.
//
// One answer is wider than that, and said to be: with a slash at its end a path
// has two readings, and where one of them is held and the other one is not, more
// specific routes, both held, might take both. That needs a route written with a
// slash. Then no may stand for yes; yes never stands for no.
func (s *routed) checkHeld(t failer, w *small, v *view, globs []string) {
	o := s.outcomes(v)
	denied := w.textsOf(o.denied)
	for _, glob := range globs {
		reached := w.reached[glob]
		for _, c := range []struct {
			slashless bool
			permitted bitset
		}{{false, o.permitted}, {true, o.kept}} {
			v.slashless = c.slashless
			alone, harmed := v.leavesAlone(glob), reached.meets(c.permitted)
			if alone == harmed && (alone || !reached.meets(o.together)) {
				t.Fatalf("%v, held %v, without slashes %v: that a Deny of %s harms nothing permitted is %v, and leavesAlone says %v", s.routes, v.held, c.slashless, glob, !harmed, alone)
			}
		}
		offers := s.offers(t, w, glob)
		if text := uncovered(w, glob, denied, offers, v.deniesAll); text != "" {
			t.Fatalf("%v, held %v: %s matches %s, which is not permitted, and no instance that is denied covers it", s.routes, v.held, glob, text)
		}
	}
}

func (v *view) deniesAll(o offer) bool {
	allowed, _ := v.verdict(o.instance)
	return !allowed
}

// portion is sets of n of the routes, one in so many of them, and of how many
// globs each has: these take turns. 0 stands for all the short ones.
type portion struct {
	routes    []mapping.Resource
	n, of     int
	globs     int
	eachOfSet func(s *routed, globs func() []string)
}

func (p portion) look(w *small) {
	seen, at := 0, 0
	turn := func() []string {
		if p.globs == 0 {
			return w.globs[:w.short]
		}
		var list []string
		for range p.globs {
			list = append(list, w.globs[at%len(w.globs)])
			at++
		}
		return list
	}
	eachSet(len(p.routes), p.n, func(places []int) {
		if seen++; seen%p.of == 0 {
			p.eachOfSet(newRouted(w, pick(p.routes, places)), turn)
		}
	})
}

// TestAWalkIsExact: for every route of up to two segments and every glob of up to
// four characters; for every route, and for every pair of routes of up to two
// segments, or three with one literal, and every glob of up to three; for larger
// sets, and pairs of all routes, the globs take turns.
func TestAWalkIsExact(t *testing.T) {
	w := theSmall()
	routes, shallow := worldRoutes(worldDepth, worldLiterals...), worldRoutes(2, worldLiterals...)
	one := worldRoutes(worldDepth, worldLiterals[0])
	check := func(s *routed, globs func() []string) {
		for _, glob := range globs() {
			s.checkWalk(t, w, glob)
		}
	}
	for _, p := range []portion{
		{shallow, 1, 1, len(w.globs), check}, {routes, 1, 1, 0, check}, {shallow, 2, 1, 0, check}, {one, 2, 1, 0, check},
		{routes, 2, share(60), 100, check}, {shallow, 3, share(60), 50, check}, {one, 3, share(60), 50, check},
	} {
		p.look(w)
	}
}

// TestADenySparesExactlyWhatIsPermitted, for every set of held ones among the
// routes; the globs take turns.
func TestADenySparesExactlyWhatIsPermitted(t *testing.T) {
	w := theSmall()
	routes, shallow := worldRoutes(worldDepth, worldLiterals...), worldRoutes(2, worldLiterals...)
	one := worldRoutes(worldDepth, worldLiterals[0])
	check := func(s *routed, globs func() []string) {
		for held := range uint(1) << len(s.routes) {
			s.checkHeld(t, w, s.heldBy(held), globs())
		}
	}
	for _, p := range []portion{
		{routes, 1, 1, 60, check}, {shallow, 2, 1, 9, check}, {one, 2, 1, 9, check},
		{routes, 2, share(100), 20, check}, {shallow, 3, share(100), 20, check}, {one, 3, share(60), 20, check},
	} {
		p.look(w)
	}
}

// TestAWalkOverManyRoutesIsExact, for random sets and what is held of them.
func TestAWalkOverManyRoutesIsExact(t *testing.T) {
	w := theSmall()
	routes := worldRoutes(worldDepth, worldLiterals...)
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SliceOfNDistinct(rapid.IntRange(0, len(routes)-1), 4, 9, rapid.ID[int]).Draw(t, "routes")
		s := newRouted(w, pick(routes, places))
		globs := rapid.SliceOfN(rapid.SampledFrom(w.globs), 3, 3).Draw(t, "globs")
		for _, glob := range globs {
			s.checkWalk(t, w, glob)
		}
		s.checkHeld(t, w, s.heldBy(rapid.Uint().Draw(t, "held")), globs)
	})
}

// TestADenySparesWhatPatternsPermit: a held pattern that has some text in common
// with a Deny is reason enough not to call it harmless, even if that text is no
// path, or one that the other spelling closes. Otherwise all is as without them.
func TestADenySparesWhatPatternsPermit(t *testing.T) {
	w := theSmall()
	routes := worldRoutes(worldDepth, worldLiterals...)
	patterns := []string{"*", "a*", "a/*", "*b", "*/a", "*/", "a*/", "ab/*/b", "b*/*/"}
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SliceOfNDistinct(rapid.IntRange(0, len(routes)-1), 1, 6, rapid.ID[int]).Draw(t, "routes")
		s := newRouted(w, pick(routes, places), rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 1, 2, rapid.ID[string]).Draw(t, "patterns")...)
		v := s.heldBy(rapid.Uint().Draw(t, "held"))
		together := s.outcomes(v).together
		glob := rapid.SampledFrom(w.globs).Draw(t, "glob")
		denied, harmed := newBitset(len(w.texts)), false
		for i, text := range w.texts {
			if !w.match(glob).has(i) {
				continue
			}
			verdict := s.table.Decide(v.set, "GET", strings.TrimPrefix(text, "GET"))
			harmed = harmed || verdict.Allowed
			if !verdict.Allowed && verdict.Route != nil {
				denied.add(i)
			}
		}
		alone := v.leavesAlone(glob)
		met := slices.ContainsFunc(v.patterns, func(p string) bool { return meet(p, glob) })
		if alone == harmed && (alone || !met && !w.reached[glob].meets(together)) {
			t.Fatalf("%v, held %v and %v: that a Deny of %s harms nothing permitted is %v, and leavesAlone says %v", routes, v.held, v.patterns, glob, !harmed, alone)
		}
		if text := uncovered(w, glob, denied, s.offers(t, w, glob), v.deniesAll); text != "" {
			t.Fatalf("%v, held %v and %v: %s matches %s, which is not permitted, and no instance that is denied covers it", s.routes, v.held, v.patterns, glob, text)
		}
	})
}
