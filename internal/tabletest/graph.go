package tabletest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"scopegate/mapping"
)

// Graph makes a large API in the shape of Microsoft Graph's: collections below
// /me, /users/{id}, /groups/{id}, /sites/{id}, /drives/{id} and below domains
// such as /deviceManagement, with items, collections in items, actions, and
// functions with a literal name beside the item (/users/delta). Scopes are named
// as Microsoft names them (Mail.ReadWrite, Device.Read.All), each opens one
// family of subtrees: Read its GETs, ReadWrite every verb, and routes have
// several as alternatives. About one route in thirty is registered only.
//
// The same numbers give the same source; all names are invented. It panics if
// there are not names enough for the scopes, 4 for each family.
func Graph(routes, scopes int) mapping.Source {
	g := &graph{random: rand.New(rand.NewPCG(10_000, 700)), scopes: map[string]bool{}, seen: map[string]bool{}}
	families := graphFamilies()
	n := (scopes + perFamily - 1) / perFamily
	if n > len(families) {
		panic(fmt.Sprintf("tabletest: names for %d scopes only", perFamily*len(families)))
	}
	for i := range scopes {
		g.scopes[families[i/perFamily].scopes()[i%perFamily]] = true
	}
	for i, f := range families[:n] {
		g.grow(f, routes*(i+1)/n)
	}
	return mapping.Source{API: API, Permissions: g.permissions, Complete: true, Trust: Trust}
}

// GraphScopes lists the scopes that a source's permissions name, sorted.
func GraphScopes(s mapping.Source) []string {
	var list []string
	for _, p := range s.Permissions {
		list = append(list, p.Requires.Scopes...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// GraphCaller is a caller who holds about so many routes of a source, by a few
// scopes; always the same one.
func GraphCaller(s mapping.Source, routes int) mapping.Caller {
	opens := map[string][]string{}
	for _, p := range s.Permissions {
		for _, scope := range p.Requires.Scopes {
			opens[scope] = append(opens[scope], string(p.Verb)+" "+p.Resource.Shape())
		}
	}
	held := map[string]bool{}
	var scopes []string
	all := GraphScopes(s)
	for _, i := range rand.New(rand.NewPCG(3, uint64(routes))).Perm(len(all)) {
		if len(held) >= routes {
			break
		}
		gains := 0
		for _, route := range opens[all[i]] {
			if !held[route] {
				gains++
			}
		}
		if gains == 0 || len(held)+gains > routes+routes/20 {
			continue
		}
		scopes = append(scopes, all[i])
		for _, route := range opens[all[i]] {
			held[route] = true
		}
	}
	return Caller(scopes...)
}

type graph struct {
	random      *rand.Rand
	scopes      map[string]bool // those that exist
	seen        map[string]bool // routes
	permissions []mapping.Permission
}

// place is a collection: {path} and {path}/{id}.
type place struct {
	path  string
	depth int
}

// grow adds collections of a family, breadth first, until there are so many
// routes in all.
func (g *graph) grow(f family, until int) {
	var queue []place
	for _, owner := range f.owners {
		queue = append(queue, place{path: strings.TrimPrefix(owner+"/"+f.collection, "/")})
	}
	for len(g.seen) < until {
		p := queue[0]
		queue = queue[1:]
		for _, r := range g.collection(p) {
			if len(g.seen) < until && !g.seen[r.verb+" "+r.path] {
				g.seen[r.verb+" "+r.path] = true
				g.add(r, f, p)
			}
		}
		below := f.below
		if p.depth > 0 || len(below) == 0 {
			below = g.some(graphParts, 3)
		}
		for _, name := range below {
			queue = append(queue, place{path: p.path + "/{id}/" + name, depth: p.depth + 1})
		}
	}
}

// call is what a route does, which decides the scopes that open it.
type call uint8

const (
	list   call = iota // GET of the collection or an item
	read               // any other GET
	write              // POST, PUT, PATCH, DELETE
	action             // POST of something named
)

type graphRoute struct {
	verb, path string
	call       call
}

// collection lists the routes of one place.
func (g *graph) collection(p place) []graphRoute {
	item := p.path + "/{id}"
	routes := []graphRoute{
		{"GET", p.path, list}, {"POST", p.path, write},
		{"GET", item, list}, {"PATCH", item, write}, {"DELETE", item, write},
		{"GET", p.path + "/delta", read},
	}
	for _, name := range g.some(graphFunctions, 1) {
		routes = append(routes, graphRoute{"GET", p.path + "/" + name, read})
	}
	for _, name := range g.some(graphActions, 2+g.random.IntN(2)) {
		routes = append(routes, graphRoute{"POST", item + "/" + name, action})
	}
	switch g.random.IntN(4) {
	case 0:
		routes = append(routes, graphRoute{"PUT", item + "/content", write}, graphRoute{"GET", item + "/content", read})
	case 1:
		routes = append(routes, graphRoute{"PUT", item, write})
	}
	return routes
}

// some draws different words.
func (g *graph) some(words []string, n int) []string {
	var list []string
	for _, i := range g.random.Perm(len(words))[:n] {
		list = append(list, words[i])
	}
	return list
}

// add makes a permission of each scope that opens the route, or now and then
// names it only.
func (g *graph) add(r graphRoute, f family, p place) {
	closed := g.random.IntN(30) == 0
	opened := false
	for _, scope := range f.opens(r.call, p) {
		if g.scopes[scope] && !closed {
			g.permissions = append(g.permissions, Permission(r.verb, r.path, scope))
			opened = true
		}
	}
	if !opened {
		g.permissions = append(g.permissions, Permission(r.verb, r.path, ""))
	}
}
