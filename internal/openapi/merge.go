package openapi

import (
	"fmt"
	"slices"

	"scopegate/mapping"
)

// defaultRoute is how an HTTP API's $default is written in a document (AWS:
// "x-amazon-apigateway-any-method object", isDefaultRoute).
const defaultRoute = "/$default"

// result makes the permissions of the operations, each route once.
func (r *reader) result() (Result, error) {
	routes := r.spread(r.merge())
	slices.SortStableFunc(routes, func(a, b operation) int {
		return byShape(a.resource, b.resource, a.verb, b.verb)
	})
	d := r.document
	out := Result{
		Title: d.title, Version: d.version, Kind: d.kind, API: r.API, Complete: complete(r.problems),
		Unexpressed: append([]Problem{}, r.problems...), Notes: append([]Problem{}, r.notes...), // never null in JSON
	}
	for _, one := range routes {
		needs := one.needs
		if len(needs) == 0 {
			needs = []need{{}}
		}
		for _, n := range needs {
			p, err := r.permission(one.verb, one.resource, n, len(one.needs) == 0)
			if err != nil {
				return Result{}, fmt.Errorf("read OpenAPI: %s %s: %w", one.verb, one.path, err)
			}
			out.Permissions = append(out.Permissions, p)
		}
		out.Routes = append(out.Routes, mapping.Route{API: r.API, Verb: one.verb, Resource: one.resource})
	}
	return out, nil
}

// complete reports whether problems leave every route among the permissions: what
// only says otherwise who may call a route does.
func complete(problems []Problem) bool {
	return !slices.ContainsFunc(problems, func(p Problem) bool { return p.Kind != Security && p.Kind != Conflict })
}

func rank(v mapping.Verb) int {
	if v == mapping.Any {
		return len(mapping.Methods)
	}
	return slices.Index(mapping.Methods, v)
}

// routeKey is what makes two operations one route.
type routeKey struct {
	shape string
	verb  mapping.Verb
}

// merge takes operations together that are one route for API Gateway, as
// /a/{x} and /a/{y} are. Where they require different things the route is
// nobody's: which of them API Gateway would choose is not guessed.
func (r *reader) merge() []operation {
	var out []operation
	at := map[routeKey]int{}
	for _, one := range r.operations {
		key := routeKey{one.resource.Shape(), one.verb}
		if one.path == defaultRoute {
			key.shape = "$default"
		}
		i, there := at[key]
		if !there {
			at[key] = len(out)
			out = append(out, one)
			continue
		}
		first := &out[i]
		what := short(first.path)
		if slices.Equal(first.needs, one.needs) && !first.unread && !one.unread {
			r.note(one.path, string(one.verb), Conflict, what, "is the same route for API Gateway, and requires the same")
			continue
		}
		first.needs, first.unread = nil, true
		r.problems = append(r.problems, Problem{Path: one.path, Method: string(one.verb), Kind: Conflict, What: what, Why: "is the same route for API Gateway, and requires something else", Registered: true})
	}
	return out
}

// spread writes ANY and $default out as the methods that a path does not declare
// by themselves: in API Gateway the method's own goes first, in a table ANY is an
// alternative to it.
func (r *reader) spread(all []operation) []operation {
	own := map[string][]mapping.Verb{}
	for _, one := range all {
		if one.path != defaultRoute {
			own[one.resource.Shape()] = append(own[one.resource.Shape()], one.verb)
		}
	}
	var out []operation
	for _, one := range all {
		if one.path != defaultRoute {
			out = append(out, one.besides(own[one.resource.Shape()], true)...)
			continue
		}
		for _, path := range []string{"/", "/{proxy+}"} {
			place := one
			place.resource, _ = resourceOf(path)
			out = append(out, place.besides(own[place.resource.Shape()], false)...)
		}
		r.note(defaultRoute, "", BadPath, "$default", "is taken as ANY / and ANY /{proxy+}, for what these paths do not declare themselves")
	}
	return out
}

// besides is the operation for the methods that are not declared already; self
// says that its own verb is among those.
func (o operation) besides(declared []mapping.Verb, self bool) []operation {
	if o.verb != mapping.Any {
		if !self && (slices.Contains(declared, o.verb) || slices.Contains(declared, mapping.Any)) {
			return nil
		}
		return []operation{o}
	}
	if !self && slices.Contains(declared, mapping.Any) {
		return nil
	}
	if !slices.ContainsFunc(declared, func(v mapping.Verb) bool { return v != mapping.Any }) {
		return []operation{o}
	}
	var out []operation
	for _, v := range mapping.Methods {
		if slices.Contains(declared, v) {
			continue
		}
		one := o
		one.verb = v
		out = append(out, one)
	}
	return out
}
