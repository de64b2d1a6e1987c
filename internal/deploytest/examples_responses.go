//go:build deploy

package deploytest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// answer is what a REST API's own refusal must look like: RFC 6750 section 3 for
// WWW-Authenticate ("" = there must be none), the statuses of AWS's "Gateway
// response types".
type answer struct {
	status       int // 0: the type's default
	authenticate string
	body         bool // a JSON body of our own
}

var refusals = map[string]answer{
	// No error code: without a token there must be none, and API Gateway answers
	// that and a refused token alike.
	"UNAUTHORIZED":                   {http.StatusUnauthorized, "Bearer", true},
	"ACCESS_DENIED":                  {http.StatusForbidden, `Bearer error="insufficient_scope"`, true},
	"AUTHORIZER_FAILURE":             {http.StatusInternalServerError, "", true},
	"AUTHORIZER_CONFIGURATION_ERROR": {http.StatusInternalServerError, "", true},
	"DEFAULT_4XX":                    {0, "", false},
	"DEFAULT_5XX":                    {0, "", false},
}

// checkResponses: a REST API's own answers can be read by scripts of the origin,
// and 401 and 403 say how to do better.
func checkResponses(t Template, origin string) error {
	var errs []error
	left := maps.Clone(refusals)
	for _, r := range resources(t, "AWS::ApiGateway::GatewayResponse") {
		kind := text(r.properties["ResponseType"])
		want, known := left[kind]
		if !known {
			errs = append(errs, fmt.Errorf("%s: ResponseType %q: not one that is wanted, or twice", r.id, kind))
			continue
		}
		delete(left, kind)
		if err := want.check(r.properties, origin); err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", r.id, kind, err))
		}
	}
	for kind := range left {
		errs = append(errs, fmt.Errorf("gateway response %s: missing", kind))
	}
	return errors.Join(errs...)
}

func (a answer) check(p object, origin string) error {
	var errs []error
	status, given := p["StatusCode"]
	if given != (a.status != 0) || given && status != strconv.Itoa(a.status) {
		errs = append(errs, fmt.Errorf("StatusCode %v: must be %d", status, a.status))
	}
	headers, err := staticHeaders(p["ResponseParameters"])
	errs = append(errs, err)
	if got := headers["Access-Control-Allow-Origin"]; got != origin {
		errs = append(errs, fmt.Errorf("Access-Control-Allow-Origin %q: must be %q", got, origin))
	}
	if got := headers["WWW-Authenticate"]; got != a.authenticate {
		errs = append(errs, fmt.Errorf("WWW-Authenticate %q: must be %q", got, a.authenticate))
	}
	if a.authenticate != "" && headers["Access-Control-Expose-Headers"] != "WWW-Authenticate" {
		errs = append(errs, errors.New("Access-Control-Expose-Headers: must name WWW-Authenticate, or scripts do not see it"))
	}
	if body := text(Part(p, "ResponseTemplates", "application/json")); a.body != strings.HasPrefix(body, `{"message":`) {
		errs = append(errs, fmt.Errorf("body %q", body))
	}
	return errors.Join(errs...)
}

// staticHeaders reads ResponseParameters: gatewayresponse.header.NAME, and the
// value in single quotes, without which API Gateway takes it for the name of a
// request's parameter.
func staticHeaders(v any) (map[string]string, error) {
	out := map[string]string{}
	parameters, _ := v.(object)
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		header, ok := strings.CutPrefix(name, "gatewayresponse.header.")
		value := text(parameters[name])
		if !ok || len(value) < 3 || value[0] != '\'' || value[len(value)-1] != '\'' {
			return out, fmt.Errorf("parameter %s: %s: must be a header with a value in single quotes", name, value)
		}
		out[header] = value[1 : len(value)-1]
	}
	return out, nil
}

// checkDeployment: the deployment is a snapshot, so it must wait for everything
// that is to be in it (AWS::ApiGateway::Deployment: DependsOn).
func checkDeployment(t Template) error {
	var errs []error
	for _, d := range resources(t, "AWS::ApiGateway::Deployment", "AWS::ApiGatewayV2::Deployment") {
		waits := map[string]bool{}
		awaited(t, d.id, waits)
		for _, r := range resources(t, "AWS::ApiGateway::GatewayResponse", "AWS::ApiGateway::Method", "AWS::ApiGateway::Authorizer",
			"AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Authorizer") {
			if !waits[r.id] {
				errs = append(errs, fmt.Errorf("%s: may be made before %s, and then lack it", d.id, r.id))
			}
		}
	}
	return errors.Join(errs...)
}

// awaited collects what must be there before a resource: what it depends on and
// what it refers to.
func awaited(t Template, id string, seen map[string]bool) {
	if seen[id] {
		return
	}
	seen[id] = true
	r, _ := Part(t, "Resources", id).(object)
	next := slices.Concat(allUnder(r["Properties"], "Ref"), allUnder(object{"DependsOn": r["DependsOn"]}, "DependsOn"))
	for _, id := range next {
		awaited(t, id, seen)
	}
}

// checkPreflight: a browser of the origin may send the Authorization header.
// Access-Control-Allow-Headers "*" would not stand for it (Fetch, "CORS-preflight
// fetch").
func checkPreflight(t Template, origin string) error {
	if isWebSocket(t) {
		return nil // no CORS: a handshake is no fetch
	}
	for _, api := range resources(t, "AWS::ApiGatewayV2::Api") {
		return checkCORS(t, api.properties["CorsConfiguration"], origin)
	}
	routes, err := exampleRoutes(t)
	errs := []error{err}
	for _, r := range routes {
		if !r.preflight && !slices.ContainsFunc(routes, func(p exampleRoute) bool { return p.preflight && p.Path == r.Path }) {
			errs = append(errs, fmt.Errorf("route %v: without a preflight", r))
		}
	}
	for _, m := range resources(t, "AWS::ApiGateway::Method") {
		if m.properties["HttpMethod"] == "OPTIONS" {
			errs = append(errs, checkMock(m, origin))
		}
	}
	return errors.Join(errs...)
}

func checkMock(m resource, origin string) error {
	responses, _ := Part(m.properties, "Integration", "IntegrationResponses").([]any)
	if len(responses) != 1 {
		return fmt.Errorf("%s: %d responses, must be one", m.id, len(responses))
	}
	headers := Part(responses[0], "ResponseParameters")
	if got := Part(headers, "method.response.header.Access-Control-Allow-Origin"); got != "'"+origin+"'" {
		return fmt.Errorf("%s: Access-Control-Allow-Origin %v: must be '%s'", m.id, got, origin)
	}
	if got := text(Part(headers, "method.response.header.Access-Control-Allow-Headers")); !strings.Contains(got, "Authorization") {
		return fmt.Errorf("%s: Access-Control-Allow-Headers %s: must name Authorization", m.id, got)
	}
	return nil
}

// checkCORS is for HTTP APIs, which answer preflights themselves ("Configure CORS
// for HTTP APIs").
func checkCORS(t Template, cors any, origin string) error {
	var errs []error
	if got := fmt.Sprint(Part(cors, "AllowOrigins")); got != "["+origin+"]" {
		errs = append(errs, fmt.Errorf("AllowOrigins %s: must be [%s]", got, origin))
	}
	headers, _ := Part(cors, "AllowHeaders").([]any)
	if !slices.Contains(headers, any("Authorization")) {
		errs = append(errs, fmt.Errorf("AllowHeaders %v: must name Authorization", headers))
	}
	methods, _ := Part(cors, "AllowMethods").([]any)
	routes, err := exampleRoutes(t)
	errs = append(errs, err)
	for _, r := range routes {
		if !slices.Contains(methods, any(r.Method)) {
			errs = append(errs, fmt.Errorf("AllowMethods %v: must name %s", methods, r.Method))
		}
		// A $default route, or one of ANY, would send preflights to the authorizer.
		if r.Method == "$default" || r.Method == "ANY" {
			errs = append(errs, fmt.Errorf("route %v: takes preflights too", r))
		}
	}
	return errors.Join(errs...)
}
