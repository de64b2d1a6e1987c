package authorizer

import (
	"strings"

	"scopegate/mapping"
	"scopegate/policy"
)

// mismatch reports whether API Gateway chose another route for the request than
// Permits did: then the two read the path in different ways (encoded slashes),
// and what was permitted is not what would be called. A route that the table
// does not know says nothing; nor does a greedy one, which API Gateway also
// chooses where the table's more specific route is none of its own.
func mismatch(t *mapping.Table, e event, v mapping.Verdict) bool {
	verb, resource, ok := templateOf(e)
	if !ok {
		return false
	}
	segments := resource.Segments()
	if len(segments) > 0 && segments[len(segments)-1].Kind == mapping.Greedy {
		return false
	}
	shape := bareShape(resource)
	if v.Route != nil && bareShape(v.Route.Resource) == shape {
		return false
	}
	for _, known := range t.Templates(verb) {
		if bareShape(known.Resource) == shape {
			return true
		}
	}
	return false
}

// bareShape leaves a trailing slash out: REST APIs route both spellings alike.
func bareShape(r mapping.Resource) string { return strings.TrimSuffix(r.Shape(), "/") }

// templateOf reads the route that the event names, for the method that was
// called. ok is false where it names none that a table could know.
func templateOf(e event) (mapping.Verb, mapping.Resource, bool) {
	_, path, ok := strings.Cut(e.Template, "/")
	if !ok || e.Shape == WebSocket {
		return "", mapping.Resource{}, false
	}
	r, err := mapping.ParseResource("/" + path)
	if err != nil || r.IsPattern() {
		return "", mapping.Resource{}, false
	}
	return mapping.Verb(e.ARN.Method), r, true
}

// answerSimple answers with true or false, which API Gateway caches for every
// path of the route key: true is only right if the caller holds all of it, and
// if the cache keeps route keys apart.
func (a *Authorizer) answerSimple(d *decision) ([]byte, error) {
	e := d.event
	if e.RouteKey == "" || !e.cachedBy(e.RouteKey) {
		return nil, failure(SimpleSource, nil)
	}
	if d.verdict.Allowed && !holdsRouteKey(a.compiled.prepared(d.served, e.ARN.API), d.held, e.RouteKey) {
		return nil, failure(SimplePartial, nil)
	}
	out := simpleAnswer{IsAuthorized: d.verdict.Allowed}
	if out.IsAuthorized {
		out.Context = contextOf(d.claims, d.served.Revision.String(), true)
	}
	return marshal(out)
}

// holdsRouteKey reports whether every call of a route key ("GET /users/{id}",
// "ANY /{proxy+}") is permitted. $default is no such key: it stands for whatever
// the others leave over, which the event does not say.
func holdsRouteKey(t *policy.Prepared, h mapping.Held, key string) bool {
	method, path, ok := strings.Cut(key, " ")
	verb, err := mapping.ParseVerb(method)
	if !ok || err != nil {
		return false
	}
	resource, err := mapping.ParseResource(path)
	if err != nil || resource.IsPattern() {
		return false
	}
	for _, v := range verb.Methods() {
		if !t.HoldsWhole(h, v, resource) {
			return false
		}
	}
	return true
}
