package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"

	"scopegate/mapping"
)

// probe is a request that is tried.
type probe struct {
	method, path string
	text         string // what follows the stage in the ARN: METHOD/path
	ordinary     bool   // values that are no literal of the API, no slash at the end
}

// fresh is a value that no API has as a literal.
const fresh = "7x4k9"

// probes lists requests for every route of the table, with parameter values
// that are harmless and ones that mean trouble, in both spellings, for every
// method. Requests that no reading finds a route for are left out: nothing
// known is behind them, whoever asks.
func probes(a *api, o options) []probe {
	v := vocabularyOf(a.routes)
	r := rand.New(rand.NewPCG(o.seed, 1))
	paths := map[string]bool{} // whether they are ordinary
	shapes := map[string]bool{}
	for _, route := range a.routes {
		if shapes[route.Resource.Shape()] {
			continue
		}
		shapes[route.Resource.Shape()] = true
		for i, p := range v.instances(route.Resource, r, o.quick) {
			bare := strings.TrimSuffix(p, "/")
			paths[bare+"/"] = paths[bare+"/"] || bare == "" && i == 0
			if bare != "" {
				paths[bare] = paths[bare] || i == 0
			}
		}
	}
	var list []probe
	for path, ordinary := range paths {
		for _, m := range mapping.Methods {
			if knownRoute(a.table, string(m), path) {
				list = append(list, probe{method: string(m), path: path, text: string(m) + path, ordinary: ordinary})
			}
		}
	}
	slices.SortFunc(list, func(a, b probe) int { return cmp.Compare(a.text, b.text) })
	return list
}

func knownRoute(t *mapping.Table, method, path string) bool {
	return slices.ContainsFunc(t.Readings(mapping.Held{}, method, path), func(r mapping.Reading) bool { return r.Route != nil })
}

// vocabulary is the literals of a table by where they stand.
type vocabulary struct {
	beside map[string][]string // under the shape of what is before them
	below  map[string][]string // anywhere under that shape
	depth  [][]string          // by their place from the left
}

func vocabularyOf(routes []mapping.Route) vocabulary {
	v := vocabulary{beside: map[string][]string{}, below: map[string][]string{}}
	for _, r := range routes {
		before := []string{""}
		for i, s := range r.Resource.Segments() {
			if len(v.depth) <= i {
				v.depth = append(v.depth, nil)
			}
			at := before[i]
			if s.Kind != mapping.Literal {
				before = append(before, at+"/{}")
				continue
			}
			v.beside[at] = append(v.beside[at], s.Text)
			v.depth[i] = append(v.depth[i], s.Text)
			for _, b := range before {
				v.below[b] = append(v.below[b], s.Text)
			}
			before = append(before, at+"/"+s.Text)
		}
	}
	for _, m := range []map[string][]string{v.beside, v.below} {
		for k, list := range m {
			m[k] = unique(list)
		}
	}
	for i, list := range v.depth {
		v.depth[i] = unique(list)
	}
	return v
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// instances lists paths of a route, an ordinary one first: each parameter in turn has each value that
// may mean trouble in its place, then several at once.
func (v vocabulary) instances(res mapping.Resource, r *rand.Rand, quick bool) []string {
	segments := res.Segments()
	values := make([][]string, len(segments))
	plain := make([]string, len(segments))
	at := ""
	for i, s := range segments {
		if s.Kind == mapping.Literal {
			plain[i] = s.Text
			at += "/" + s.Text
			continue
		}
		plain[i] = fresh
		values[i] = v.values(at, i, segments, r, quick)
		if s.Kind == mapping.Greedy {
			values[i] = append(values[i], fresh+"/"+fresh, fresh+"/"+values[i][0])
		}
		at += "/{}"
	}
	list := []string{join(plain)}
	for i, those := range values {
		for _, value := range those {
			one := slices.Clone(plain)
			one[i] = value
			list = append(list, join(one))
		}
	}
	return append(list, mixed(plain, values, r, quick)...)
}

// mixed gives every parameter a troublesome value at once.
func mixed(plain []string, values [][]string, r *rand.Rand, quick bool) []string {
	n := 16
	if quick {
		n = 3
	}
	var list []string
	for range n {
		one := slices.Clone(plain)
		for i, those := range values {
			if len(those) > 0 {
				one[i] = those[r.IntN(len(those))]
			}
		}
		list = append(list, join(one))
	}
	return list
}

func join(segments []string) string { return "/" + strings.Join(segments, "/") }

// values lists what one parameter may be: the literals beside it, their upper
// case and needlessly encoded forms, words around them and as long as they are,
// literals of its own route, of what is below it and of other routes in the same place.
func (v vocabulary) values(at string, i int, segments []mapping.Segment, r *rand.Rand, quick bool) []string {
	some := 16
	if quick {
		some = 2
	}
	list := []string{"1", "a%20b", "A-B", "x%2Fy", "a.b"}
	beside := v.beside[at]
	list = append(list, beside...)
	for _, s := range sample(beside, some, r) {
		list = append(list, strings.ToUpper(s), encoded(s), s+"1", "1"+s, s[:len(s)-1]+"9")
	}
	for _, s := range segments {
		if s.Kind == mapping.Literal {
			list = append(list, s.Text)
		}
	}
	list = append(list, sample(v.below[at], some, r)...)
	list = append(list, sample(v.depth[i], some, r)...)
	return unique(list)
}

// encoded writes a literal with its first character percent-encoded.
func encoded(s string) string {
	const hex = "0123456789ABCDEF"
	return "%" + string(hex[s[0]>>4]) + string(hex[s[0]&15]) + s[1:]
}

func sample(list []string, n int, r *rand.Rand) []string {
	if len(list) <= n {
		return list
	}
	var some []string
	for _, i := range r.Perm(len(list))[:n] {
		some = append(some, list[i])
	}
	return some
}
