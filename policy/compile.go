package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
)

// Compiled is what a set of held permissions makes of a table: the part of a
// policy that is the same for each of the caller's requests. It is immutable
// and safe for concurrent use.
type Compiled struct {
	allows []rule
	denies []rule
	budget int
}

// rule is one resource and when it counts. A zero time is an open end.
type rule struct {
	resource    string
	from, until time.Time
}

// Compile turns the permissions that a caller holds at the instant now into
// resources. It promises:
//
//   - Sound: what the document allows on a known route, Permits allows. {id}
//     becomes ?* and, since that crosses /, each known route that it would
//     reach and that is not held is denied, in both spellings (R and R/), as is
//     what lies below it (users/?*/?*) wherever nothing held does.
//   - Not longer than the permission: one that expires has an Allow of its own
//     that ends then, and the denials that it lifted come back at that instant.
//
// Nothing of a request enters: what varies between requests is added by
// [Compiled.Document].
func Compile(t *mapping.Table, h mapping.Held, now time.Time) *Compiled {
	c := &Compiled{allows: allows(t, h)}
	slices := slicesOf(t, h, now)
	prefix := t.API().ARN + "/" + t.API().Stage + "/"
	needed := map[string][]bool{}
	for i, s := range slices {
		for _, glob := range denials(t, s.held, c.wild()) {
			if needed[glob] == nil {
				needed[glob] = make([]bool, len(slices))
			}
			needed[glob][i] = true
		}
	}
	for _, glob := range sorted(needed) {
		for _, w := range windows(needed[glob], slices) {
			c.denies = append(c.denies, rule{resource: fit(prefix + glob), from: w.from, until: w.until})
		}
	}
	c.denies = withoutCovered(c.denies)
	return c
}

// wild reports whether an Allow matches more than one path.
func (c *Compiled) wild() bool {
	return slices.ContainsFunc(c.allows, func(r rule) bool { return hasWildcard(r.resource) })
}

// allows lists what the held permissions name, each until the last of them
// expires.
func allows(t *mapping.Table, h mapping.Held) []rule {
	until := map[string]time.Time{}
	for _, p := range t.Permissions(h) {
		for _, v := range p.Verb.Methods() {
			r := resource(t.API(), v, p.Resource.Glob())
			end, known := until[r]
			switch {
			case !known || !end.IsZero() && p.ExpiresAt.After(end):
				until[r] = p.ExpiresAt
			case p.ExpiresAt.IsZero():
				until[r] = time.Time{}
			}
		}
	}
	var rules []rule
	for _, r := range sorted(until) {
		rules = append(rules, rule{resource: r, until: until[r]})
	}
	return rules
}

// resource names what a method and a glob make: always with the concrete stage
// and method, so that no wildcard stands where it could carry across them.
func resource(api mapping.API, v mapping.Verb, glob string) string {
	r := api.ARN + "/" + api.Stage + "/" + string(v)
	if v == mapping.Connect {
		return r
	}
	return r + "/" + glob
}

// slice is a stretch of time in which the caller holds the same permissions.
type slice struct {
	from time.Time // zero for the first, which is now
	held mapping.Held
}

func slicesOf(t *mapping.Table, h mapping.Held, now time.Time) []slice {
	list := []slice{{held: h}}
	for _, end := range t.Ends(h) {
		if end.After(now) {
			list = append(list, slice{from: end, held: t.At(h, end)})
		}
	}
	return list
}

// windows turns the slices in which something is needed into stretches of time.
func windows(needed []bool, of []slice) []rule {
	var list []rule
	for i := 0; i < len(needed); i++ {
		if !needed[i] {
			continue
		}
		w := rule{from: of[i].from}
		for i++; i < len(needed) && needed[i]; i++ {
		}
		if i < len(needed) {
			w.until = of[i].from
		}
		list = append(list, w)
	}
	return list
}

// denials lists what must be denied while the permissions are held, after
// {api}/{stage}/.
func denials(t *mapping.Table, h mapping.Held, wild bool) []string {
	all := map[string]bool{}
	hidden := map[string]bool{}
	protects := false
	for _, v := range mapping.Methods {
		g := findGuards(t, h, v)
		for glob := range g.globs {
			all[string(v)+"/"+glob] = true
		}
		maps.Copy(hidden, g.hidden)
		protects = protects || g.protects
	}
	if wild {
		for _, glob := range standing(hidden, protects) {
			all[glob] = true
		}
	}
	return sorted(all)
}

// fit keeps a Deny within the longest ARN that API Gateway takes by making it
// wider.
func fit(resource string) string {
	runes := []rune(resource)
	if len(runes) <= MaxResource {
		return resource
	}
	return string(runes[:MaxResource-1]) + "*"
}

// withoutCovered drops the rules that another one, which counts at least as
// long, says already.
func withoutCovered(rules []rule) []rule {
	// Wide globs are short: looked at first, they spare most comparisons.
	byLength := slices.SortedStableFunc(slices.Values(rules), func(a, b rule) int {
		return cmp.Compare(len(a.resource), len(b.resource))
	})
	var kept []rule
	for _, r := range byLength {
		if !slices.ContainsFunc(kept, func(k rule) bool { return k.lasts(r) && covers(k.resource, r.resource) }) {
			kept = append(kept, r)
		}
	}
	slices.SortFunc(kept, func(a, b rule) int { return strings.Compare(a.resource, b.resource) })
	return kept
}

// lasts reports whether r counts whenever s does.
func (r rule) lasts(s rule) bool {
	return !r.from.After(s.from) && (r.until.IsZero() || !s.until.IsZero() && !s.until.After(r.until))
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
