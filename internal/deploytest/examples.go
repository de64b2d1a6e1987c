//go:build deploy

package deploytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// exampleRoute is a route of an API that a template declares.
type exampleRoute struct {
	Method, Path string // "GET", "/orders/{id}"; "$connect" and "" on WebSocket APIs
	authorizer   string // logical id; "" = public
	preflight    bool   // answered by API Gateway itself
	messages     bool   // of a WebSocket connection that is open already
}

func (r exampleRoute) String() string { return strings.TrimSpace(r.Method + " " + r.Path) }

// exampleRoutes are the routes of a service's API, of whichever kind it is.
func exampleRoutes(t Template) ([]exampleRoute, error) {
	var list []exampleRoute
	var errs []error
	for _, m := range resources(t, "AWS::ApiGateway::Method") {
		path, err := restPath(t, Part(m.properties, "ResourceId", "Ref"))
		errs = append(errs, err)
		list = append(list, exampleRoute{
			Method: text(m.properties["HttpMethod"]), Path: path, authorizer: authorizerOf(m),
			preflight: m.properties["HttpMethod"] == "OPTIONS" && Part(m.properties, "Integration", "Type") == "MOCK",
		})
	}
	for _, r := range resources(t, "AWS::ApiGatewayV2::Route") {
		method, path, _ := strings.Cut(text(r.properties["RouteKey"]), " ")
		list = append(list, exampleRoute{
			Method: method, Path: path, authorizer: authorizerOf(r),
			messages: isWebSocket(t) && method != "$connect",
		})
	}
	if len(list) == 0 {
		errs = append(errs, errors.New("template: declares no route"))
	}
	return list, errors.Join(errs...)
}

// authorizerOf is the logical id of a method's or route's authorizer. One that is
// named and not switched on (AuthorizationType) does not count.
func authorizerOf(r resource) string {
	if r.properties["AuthorizationType"] != "CUSTOM" {
		return ""
	}
	return text(Part(r.properties, "AuthorizerId", "Ref"))
}

// restPath puts a path together from the resources above it; nil is the root.
func restPath(t Template, id any) (string, error) {
	if id == nil {
		return "", nil
	}
	p, _ := Part(t, "Resources", text(id), "Properties").(object)
	part, ok := p["PathPart"].(string)
	if !ok {
		return "", fmt.Errorf("resource %v: has no PathPart", id)
	}
	above, err := restPath(t, Part(p, "ParentId", "Ref"))
	return above + "/" + part, err
}

func isWebSocket(t Template) bool {
	return slices.ContainsFunc(resources(t, "AWS::ApiGatewayV2::Api"), func(r resource) bool { return r.properties["ProtocolType"] == "WEBSOCKET" })
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// exampleAuthorizer is the one authorizer of a service.
func exampleAuthorizer(t Template) (resource, error) {
	list := resources(t, "AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer")
	if len(list) != 1 {
		return resource{}, fmt.Errorf("authorizers: %d, must be one", len(list))
	}
	return list[0], nil
}

// checkRoutes: every route has the authorizer, but preflights, which come without
// a token, and the messages of a connection that was let in.
func checkRoutes(t Template) error {
	routes, err := exampleRoutes(t)
	errs := []error{err}
	a, err := exampleAuthorizer(t)
	errs = append(errs, err)
	guarded := 0
	for _, r := range routes {
		switch {
		case r.preflight || r.messages:
			if r.authorizer != "" {
				errs = append(errs, fmt.Errorf("route %v: has an authorizer, which it cannot have", r))
			}
		case r.authorizer != a.id:
			errs = append(errs, fmt.Errorf("route %v: is public", r))
		default:
			guarded++
		}
	}
	if guarded == 0 {
		errs = append(errs, errors.New("routes: none has the authorizer"))
	}
	return errors.Join(errs...)
}

// checkShared: the authorizer is the function of an export of Scopegate's stack,
// called by the address that API Gateway documents ("AWS::ApiGateway::Authorizer",
// AuthorizerUri).
func checkShared(t Template, export string) error {
	a, err := exampleAuthorizer(t)
	if err != nil {
		return err
	}
	s := newStack(t, "aws")
	got, err := s.value(a.properties["AuthorizerUri"])
	want := "arn:aws:apigateway:" + s.pseudo["AWS::Region"] + ":lambda:path/2015-03-31/functions/imported(" + export + ")/invocations"
	if err == nil && got != want {
		err = fmt.Errorf("AuthorizerUri %v: must be %s", got, want)
	}
	if _, given := a.properties["AuthorizerCredentials"]; given {
		err = errors.Join(err, errors.New("AuthorizerCredentials: given, where the function's own permission is what counts"))
	}
	return err
}

// checkPermissions: nobody may call a function of the service but its own API, and
// nobody is let at the shared authorizer from here.
func checkPermissions(t Template) error {
	s := newStack(t, "aws")
	var errs []error
	for _, p := range resources(t, "AWS::Lambda::Permission") {
		if made, err := s.isMade(p); err != nil || !made {
			errs = append(errs, err)
			continue
		}
		function, err := s.value(p.properties["FunctionName"])
		errs = append(errs, err)
		if strings.Contains(fmt.Sprint(function), "imported(") {
			errs = append(errs, fmt.Errorf("%s: lets API Gateway at the shared authorizer, which its own stack does", p.id))
			continue
		}
		source, err := s.value(p.properties["SourceArn"])
		errs = append(errs, err)
		if own := s.ownAPI(); !strings.HasPrefix(fmt.Sprint(source), own+"/") {
			errs = append(errs, fmt.Errorf("%s: SourceArn %v: must begin with %s/, or another API calls past the authorizer", p.id, source, own))
		}
	}
	return errors.Join(errs...)
}

// isMade reports whether a resource's Condition holds, in a region that there is.
func (s *stack) isMade(r resource) (bool, error) {
	name, conditional := r.all["Condition"].(string)
	if !conditional {
		return true, nil
	}
	return s.condition(name)
}

// ownAPI is the ARN of the service's API.
func (s *stack) ownAPI() string {
	api := ""
	for _, r := range resources(s.template, "AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api") {
		api, _ = s.nameOf(resource{id: r.id, kind: r.kind})
	}
	return "arn:aws:execute-api:" + s.pseudo["AWS::Region"] + ":" + s.pseudo["AWS::AccountId"] + ":" + api
}

// checkAPIArn: the output that README's commands read is the API's ARN as
// permissions name it.
func checkAPIArn(t Template) error {
	s := newStack(t, "aws")
	got, err := s.value(Part(t, "Outputs", "ApiArn", "Value"))
	if err == nil && got != s.ownAPI() {
		err = fmt.Errorf("output ApiArn %v: must be %s", got, s.ownAPI())
	}
	return err
}

// checkNoWildcards: a service's own role reaches nothing outside the service.
func checkNoWildcards(t Template) error {
	s := newStack(t, "aws")
	var errs []error
	for _, r := range resources(t, "AWS::IAM::Role") {
		resolved, err := s.value(r.properties["Policies"])
		errs = append(errs, err)
		for _, arn := range allUnder(resolved, "Resource") {
			if arn == "*" || strings.Contains(arn, ":*:*:") {
				errs = append(errs, fmt.Errorf("%s: resource %s: is everybody's", r.id, arn))
			}
		}
	}
	return errors.Join(errs...)
}

// allUnder collects the texts of every member of a name, however deep.
func allUnder(v any, name string) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			out = append(out, allUnder(one, name)...)
		}
	case object:
		for n, one := range v {
			switch {
			case n != name:
				out = append(out, allUnder(one, name)...)
			default:
				list, ok := one.([]any)
				if !ok {
					list = []any{one}
				}
				for _, l := range list {
					out = append(out, fmt.Sprint(l))
				}
			}
		}
	}
	return out
}
