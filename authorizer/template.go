package authorizer

import (
	"strings"

	"scopegate/mapping"
	"scopegate/policy"
)

// template is what a route that an event names comes to.
type template struct {
	shape string
	none  bool // no route that a table could know, or a greedy one
}

// mismatch reports whether API Gateway chose another route for the request than
// Permits did: then the two read the path in different ways (encoded slashes),
// and what was permitted is not what would be called. A route that the table
// does not know says nothing; nor does a greedy one, which API Gateway also
// chooses where the table's more specific route is none of its own.
func (a *Authorizer) mismatch(t *mapping.Table, e *event, v mapping.Verdict) bool {
	if e.Template == "" || e.Shape == WebSocket {
		return false
	}
	named := a.memory.template(e.Template)
	if named.none || v.Route != nil && v.Route.BareShape() == named.shape {
		return false
	}
	return t.KnowsShape(mapping.Verb(e.ARN.Method), named.shape)
}

// template reads the route that an event names, once for all events that do.
func (m *memory) template(text string) template {
	if t, ok := m.templates.Get(text); ok {
		return t
	}
	text = strings.Clone(text)
	t := newTemplate(text)
	m.templates.Add(text, t)
	return t
}

func newTemplate(text string) template {
	_, path, ok := strings.Cut(text, "/")
	if !ok {
		return template{none: true}
	}
	r, err := mapping.ParseResource("/" + path)
	if err != nil || r.IsPattern() {
		return template{none: true}
	}
	segments := r.Segments()
	if len(segments) > 0 && segments[len(segments)-1].Kind == mapping.Greedy {
		return template{none: true}
	}
	return template{shape: bareShape(r)}
}

// bareShape leaves a trailing slash out: REST APIs route both spellings alike.
func bareShape(r mapping.Resource) string { return strings.TrimSuffix(r.Shape(), "/") }

// answerSimple answers with true or false, which API Gateway caches for every
// path of the route key: true is only right if the caller holds all of it, and
// if the cache keeps route keys apart.
func (a *Authorizer) answerSimple(d *decision) ([]byte, error) {
	e := &d.event
	if e.RouteKey == "" || !e.cachedBy(e.RouteKey) {
		return nil, failure(SimpleSource, nil)
	}
	if d.verdict.Allowed && !holdsRouteKey(a.memory.prepared(d.served, e.ARN.API), d.held, e.RouteKey) {
		return nil, failure(SimplePartial, nil)
	}
	out := simpleAnswer{IsAuthorized: d.verdict.Allowed}
	if out.IsAuthorized {
		out.Context = contextOf(d.known.claims, d.grant.revisionText, true)
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
