package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

func (s *service) registerRoutes(api huma.API) {
	const path = tablePath + "/routes"
	huma.Register(api, protected(huma.Operation{
		OperationID: "listRoutes", Method: http.MethodGet, Path: path, Summary: "The routes of a table, and through what they may be called",
		Description: "In the order of their ids. For admins and owners.",
	}, forOwners, 404, 409), s.listRoutes)
	huma.Register(api, protected(huma.Operation{
		OperationID: "getRoute", Method: http.MethodGet, Path: path + "/{id}", Summary: "One route, and through what it may be called",
		Description: "For admins and owners. The ETag is the table's revision.",
	}, forOwners, 404, 409), s.getRoute)
	huma.Register(api, protected(huma.Operation{
		OperationID: "deleteRoute", Method: http.MethodDelete, Path: path + "/{id}", Summary: "Forget a route that no permission names",
		Description: "For admins and owners. A request that called it is then one of a more general route: whoever holds that gains it, as dryRun tells. Needs If-Match with the table's revision, unless dryRun.",
	}, forOwners, 404, 409, 412, 428), s.deleteRoute)
}

// Route is a route of a table.
type Route struct {
	ID          string        `json:"id"`
	HTTPVerb    string        `json:"httpVerb"`
	Resource    string        `json:"resource"`
	Permissions []RouteHolder `json:"permissions" nullable:"false" doc:"Those that name the route, and those that cover it all the same"`
}

// RouteHolder is a permission through which a route may be called.
type RouteHolder struct {
	ID        string `json:"id"`
	Requires  string `json:"requires" doc:"What a caller must bring, as: scope orders.read"`
	ExpiresAt string `json:"expiresAt,omitempty"`
	Through   string `json:"through,omitempty" doc:"What the permission names, where it is not the route itself: the same route for ANY, or a pattern that matches all of it"`
}

type listRoutesInput struct {
	TablePath
	Page
}

type listRoutesOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Routes []Route `json:"routes" nullable:"false"`
		Next   string  `json:"next,omitempty" doc:"The cursor of the next page, if there is one"`
	}
}

type getRouteInput struct {
	TablePath
	ID string `path:"id" maxLength:"64"`
}

type routeOutput struct {
	ETag string `header:"ETag"`
	Body Route
}

func (s *service) listRoutes(ctx context.Context, in *listRoutesInput) (*listRoutesOutput, error) {
	t, err := s.read(ctx, in.TablePath)
	if err != nil {
		return nil, err
	}
	at, err := in.position(inTable)
	if err != nil {
		return nil, err
	}
	p, holders := newPage[Route](in.Page), holdersOf(t)
	for _, r := range t.Routes {
		id := r.ID()
		if id <= at.ID {
			continue
		}
		if !p.add(holders.route(r), at) {
			break
		}
		at.ID = id
	}
	out := &listRoutesOutput{ETag: etag(t.Revision)}
	out.Body.Routes, out.Body.Next = p.items, p.next
	return out, nil
}

func (s *service) getRoute(ctx context.Context, in *getRouteInput) (*routeOutput, error) {
	t, err := s.read(ctx, in.TablePath)
	if err != nil {
		return nil, err
	}
	r, ok := routeOf(t, in.ID)
	if !ok {
		return nil, noRoute()
	}
	return &routeOutput{ETag: etag(t.Revision), Body: holdersOf(t).route(r)}, nil
}

// read reads the table of a path for who has rights on it.
func (s *service) read(ctx context.Context, p TablePath) (store.Snapshot, error) {
	api, err := s.find(ctx, p)
	if err != nil {
		return store.Snapshot{}, err
	}
	t, _, err := s.load(ctx, api)
	return t, err
}

func routeOf(t store.Snapshot, id string) (mapping.Route, bool) {
	at, ok := slices.BinarySearchFunc(t.Routes, id, func(r mapping.Route, id string) int { return strings.Compare(r.ID(), id) })
	if !ok {
		return mapping.Route{}, false
	}
	return t.Routes[at], true
}

func noRoute() huma.StatusError {
	return huma.NewError(http.StatusNotFound, "there is no route of this id")
}

type deleteRouteInput struct {
	TableEdit
	ID     string `path:"id" maxLength:"64"`
	DryRun bool   `query:"dryRun" doc:"Change nothing, answer with the plan: who gains what"`
	Force
}

type deleteRouteOutput struct {
	ETag string `header:"ETag"`
	Body PlanOr[Outcome]
}

func (s *service) deleteRoute(ctx context.Context, in *deleteRouteInput) (*deleteRouteOutput, error) {
	t, err := s.read(ctx, in.TablePath)
	if err != nil {
		return nil, err
	}
	if in.IfMatch != "" || !in.DryRun {
		if err := checkMatch(in.IfMatch, t.Revision); err != nil {
			return nil, err
		}
	}
	r, ok := routeOf(t, in.ID)
	if !ok {
		return nil, noRoute()
	}
	if err := unnamed(t, r); err != nil {
		return nil, err
	}
	change := s.change(ctx, t.API, t.Revision)
	change.RemoveRoutes = []string{in.ID}
	if in.DryRun {
		p, err := s.plan(ctx, t, change)
		if err != nil {
			return nil, err
		}
		return &deleteRouteOutput{ETag: etag(t.Revision), Body: PlanOr[Outcome]{Plan: &p}}, nil
	}
	done, err := s.commit(ctx, write{before: t, change: change, force: in.Force.Force})
	if err != nil {
		return nil, err
	}
	is := done.changed()
	return &deleteRouteOutput{ETag: etag(done.after.Revision), Body: PlanOr[Outcome]{Done: is}}, nil
}

// unnamed refuses to forget a route that permissions name.
func unnamed(t store.Snapshot, r mapping.Route) error {
	id := r.ID()
	var details []error
	for _, p := range t.Permissions {
		if names, ok := p.Route(); ok && names.ID() == id {
			requires := p.Requires.String()
			if p.Registered {
				requires = "registered"
			}
			details = append(details, &huma.ErrorDetail{Location: "path.id", Value: id, Message: "is named by permission " + p.ID() + " (" + requires + ")"})
		}
	}
	if len(details) > 0 {
		return huma.NewError(http.StatusConflict, "permissions name the route: remove them first", details...)
	}
	return nil
}

// holders finds the permissions through which routes may be called.
type holders struct {
	named    map[string][]mapping.Permission // by shape
	patterns []mapping.Permission
}

func holdersOf(t store.Snapshot) holders {
	h := holders{named: map[string][]mapping.Permission{}}
	for _, p := range t.Permissions {
		switch {
		case p.Registered:
		case p.Resource.IsPattern():
			h.patterns = append(h.patterns, p)
		default:
			h.named[p.Resource.Shape()] = append(h.named[p.Resource.Shape()], p)
		}
	}
	return h
}

func (h holders) route(r mapping.Route) Route {
	shown := Route{ID: r.ID(), HTTPVerb: string(r.Verb), Resource: r.Resource.String(), Permissions: []RouteHolder{}}
	for _, p := range h.named[r.Resource.Shape()] {
		switch p.Verb {
		case r.Verb:
			shown.Permissions = append(shown.Permissions, holder(p, ""))
		case mapping.Any:
			shown.Permissions = append(shown.Permissions, holder(p, named(p)))
		}
	}
	for _, p := range h.patterns {
		if (p.Verb == r.Verb || p.Verb == mapping.Any && r.Verb != mapping.Connect) && matchesAll(p.Resource, r.Resource) {
			shown.Permissions = append(shown.Permissions, holder(p, named(p)))
		}
	}
	return shown
}

func named(p mapping.Permission) string { return string(p.Verb) + " /" + p.Resource.String() }

// matchesAll reports whether a pattern matches every path of a route. A control
// character stands in for what the parameters may be: a pattern has none itself,
// so that only a * matches it, and then anything in its place.
func matchesAll(pattern, route mapping.Resource) bool {
	var b strings.Builder
	for i, seg := range route.Segments() {
		if i > 0 {
			b.WriteByte('/')
		}
		if seg.Kind == mapping.Literal {
			b.WriteString(seg.Text)
		} else {
			b.WriteByte(1)
		}
	}
	if route.TrailingSlash() {
		b.WriteByte('/')
	}
	return mapping.Match(pattern.String(), b.String())
}

func holder(p mapping.Permission, through string) RouteHolder {
	h := RouteHolder{ID: p.ID(), Requires: p.Requires.String(), Through: through}
	if !p.ExpiresAt.IsZero() {
		h.ExpiresAt = p.ExpiresAt.Format(time.RFC3339)
	}
	return h
}
