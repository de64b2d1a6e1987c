//go:build deploy

package deploytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// example is a service under examples/ and what its authorizer must be set up with.
type example struct {
	name       string
	authorizer object // properties
	export     string
	stage      string // that permissions name
}

var theExamples = []example{
	{
		name: "rest-token", export: "AuthorizerArn", stage: "dev",
		authorizer: object{
			"Type": "TOKEN", "AuthorizerResultTtlInSeconds": 300.0, "IdentitySource": "method.request.header.Authorization",
			"IdentityValidationExpression": `^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`,
		},
	},
	{
		name: "rest-request", export: "AuthorizerArn", stage: "dev",
		authorizer: object{
			"Type": "REQUEST", "AuthorizerResultTtlInSeconds": 300.0,
			"IdentitySource": "method.request.header.Authorization, context.resourcePath, context.httpMethod",
		},
	},
	{
		name: "http-api", export: "AuthorizerArn", stage: "$default",
		authorizer: object{
			"AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": false,
			"AuthorizerResultTtlInSeconds": 300.0, "IdentitySource": []any{"$request.header.Authorization"},
		},
	},
	{
		name: "http-api-simple", export: "SimpleAuthorizerArn", stage: "$default",
		authorizer: object{
			"AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": true,
			"AuthorizerResultTtlInSeconds": 300.0, "IdentitySource": []any{"$request.header.Authorization", "$context.routeKey"},
		},
	},
	{
		name: "websocket", export: "AuthorizerArn", stage: "dev",
		authorizer: object{"AuthorizerType": "REQUEST", "IdentitySource": []any{"route.request.header.Authorization"}},
	},
}

func (e example) folder() string { return "examples/" + e.name }

func (e example) isREST() bool { return strings.HasPrefix(e.name, "rest-") }

// check is everything that a template of the example must be: packaged for a
// stage of Scopegate's, its answers readable for an origin.
func (e example) check(t Template, scopegate, origin string) error {
	errs := []error{
		checkRoutes(t), checkShared(t, "scopegate-"+scopegate+"-"+e.export), checkPermissions(t), checkAPIArn(t),
		checkNoWildcards(t), checkDeployment(t), checkPreflight(t, origin), e.checkAuthorizer(t),
	}
	if e.isREST() {
		errs = append(errs, checkResponses(t, origin))
	}
	return errors.Join(errs...)
}

// checkAuthorizer compares all of the authorizer's properties but those that the
// other checks are for.
func (e example) checkAuthorizer(t Template) error {
	a, err := exampleAuthorizer(t)
	if err != nil {
		return err
	}
	got := maps.Clone(a.properties)
	for _, name := range []string{"Name", "RestApiId", "ApiId", "AuthorizerUri"} {
		delete(got, name)
	}
	if !reflect.DeepEqual(got, e.authorizer) {
		return fmt.Errorf("%s: is %v, must be %v", a.id, got, e.authorizer)
	}
	return nil
}

// TestEachExampleAttachesTheSharedAuthorizer as its folder says, by default and
// with its parameters given.
func TestEachExampleAttachesTheSharedAuthorizer(t *testing.T) {
	for _, e := range theExamples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if err := e.check(Package(t, e.folder()), "dev", "*"); err != nil {
				t.Error(err)
			}
			given := []string{"--stage", "dev", "--param", "scopegate=prod"}
			origin := "*"
			if e.name != "websocket" {
				origin = "https://app.example.com"
				given = append(given, "--param", "origin="+origin)
			}
			if err := e.check(Package(t, e.folder(), given...), "prod", origin); err != nil {
				t.Errorf("with parameters: %v", err)
			}
		})
	}
}

// TestEveryExampleIsChecked: none is added to the folder without a row above.
func TestEveryExampleIsChecked(t *testing.T) {
	var rows []string
	for _, e := range theExamples {
		rows = append(rows, e.folder())
	}
	slices.Sort(rows)
	if folders := Examples(t); !slices.Equal(folders, rows) {
		t.Errorf("folders %v, rows %v", folders, rows)
	}
}

// TestAFaultInAnExampleIsFound: what the checks are for, planted in the templates
// one at a time.
func TestAFaultInAnExampleIsFound(t *testing.T) {
	rest, http, simple, socket := theExamples[0], theExamples[2], theExamples[3], theExamples[4]
	for _, f := range []struct {
		name  string
		in    example
		plant func(t Template)
		want  string
	}{
		{"a public method", rest, set("NONE", "ApiGatewayMethodOrdersIdVarGet", "Properties", "AuthorizationType"), "is public"},
		{"a public route", http, remove("HttpApiRouteGetOrdersExport", "Properties", "AuthorizationType"), "is public"},
		{"a route of another authorizer", simple, set("Other", "HttpApiRouteGetOrders", "Properties", "AuthorizerId", "Ref"), "is public"},
		{"a public $connect", socket, set("NONE", "SconnectWebsocketsRoute", "Properties", "AuthorizationType"), "is public"},
		{"an authorizer of another stage", rest, set("imported", "ScopegateApiGatewayAuthorizer", "Properties", "AuthorizerUri"), "AuthorizerUri"},
		{"credentials", http, set("arn:aws:iam::111122223333:role/x", "HttpApiAuthorizerScopegate", "Properties", "AuthorizerCredentials"), "AuthorizerCredentials"},
		{"osls's permission on the authorizer", socket, remove("ScopegateLambdaPermissionWebsockets", "Condition"), "at the shared authorizer"},
		{"a permission for every API", socket, remove("OrdersLambdaPermissionWebsockets", "Properties", "SourceArn"), "SourceArn"},
		{"a role for every connection", socket, set([]any{object{"Resource": "arn:aws:execute-api:*:*:*/@connections/*"}},
			"Role", "Properties", "Policies"), "everybody's"},
		{"no expression", rest, remove("ScopegateApiGatewayAuthorizer", "Properties", "IdentityValidationExpression"), "must be"},
		{"another TTL", rest, set(3600.0, "ScopegateApiGatewayAuthorizer", "Properties", "AuthorizerResultTtlInSeconds"), "must be"},
		{"a simple answer kept by token alone", simple, set([]any{"$request.header.Authorization"},
			"HttpApiAuthorizerScopegate", "Properties", "IdentitySource"), "must be"},
		{"no CORS on 401", rest, remove("Unauthorized", "Properties", "ResponseParameters", "gatewayresponse.header.Access-Control-Allow-Origin"), "Access-Control-Allow-Origin"},
		{"a value that is none", rest, set("*", "AccessDenied", "Properties", "ResponseParameters", "gatewayresponse.header.Access-Control-Allow-Origin"), "single quotes"},
		{"no WWW-Authenticate", rest, remove("Unauthorized", "Properties", "ResponseParameters", "gatewayresponse.header.WWW-Authenticate"), "WWW-Authenticate"},
		{"an outage that looks like a refusal", rest, set("401", "AuthorizerFailure", "Properties", "StatusCode"), "StatusCode"},
		{"an answer that is left out", rest, remove("AccessDenied"), "ACCESS_DENIED: missing"},
		{"a deployment before its answers", rest, set([]any{"ScopegateApiGatewayAuthorizer"}, "ApiGatewayMethodOrdersGet", "DependsOn"), "may be made before"},
		{"a preflight without Authorization", http, set([]any{"*"}, "HttpApi", "Properties", "CorsConfiguration", "AllowHeaders"), "must name Authorization"},
		{"a route that takes preflights", http, set("$default", "HttpApiRouteGetOrders", "Properties", "RouteKey"), "takes preflights"},
		{"a path without preflight", rest, remove("ApiGatewayMethodOrdersExportOptions"), "without a preflight"},
	} {
		t.Run(f.name, func(t *testing.T) {
			template := Package(t, f.in.folder())
			before, err := json.Marshal(template)
			if err != nil {
				t.Fatal(err)
			}
			f.plant(template)
			if after, _ := json.Marshal(template); string(before) == string(after) {
				t.Fatal("nothing was planted")
			}
			err = f.in.check(template, "dev", "*")
			if err == nil || !strings.Contains(err.Error(), f.want) {
				t.Errorf("found %v, want %q", err, f.want)
			}
		})
	}
}

// set plants a value at a path below Resources.
func set(value any, path ...string) func(Template) {
	return func(t Template) { parent(t, path)[path[len(path)-1]] = value }
}

// remove takes away what is at a path below Resources.
func remove(path ...string) func(Template) {
	return func(t Template) { delete(parent(t, path), path[len(path)-1]) }
}

// parent is what a path below Resources ends in; empty if there is none, and then
// what is planted in it changes nothing.
func parent(t Template, path []string) object {
	p, ok := Part(t, append([]string{"Resources"}, path[:len(path)-1]...)...).(object)
	if !ok {
		return object{}
	}
	return p
}
