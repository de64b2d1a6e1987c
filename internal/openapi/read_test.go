package openapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"scopegate/internal/openapi"
	"scopegate/mapping"
)

var api = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// lines are permissions as "GET /orders/{id}: scope orders.read".
func lines(list []mapping.Permission) []string {
	var out []string
	for _, p := range list {
		route, _ := p.Route()
		needs := p.Requires.String()
		if p.Registered {
			needs = "registered"
		}
		out = append(out, fmt.Sprintf("%s: %s", route, needs))
	}
	return out
}

func problems(list []openapi.Problem) string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%s %s", p.Kind, p))
	}
	return strings.Join(out, "\n")
}

func read(t *testing.T, text string, o openapi.Options) openapi.Result {
	t.Helper()
	o.API = api
	r, err := openapi.Read([]byte(text), o)
	if err != nil {
		t.Fatalf("Read: %v\n%s", err, text)
	}
	return r
}

// want checks permissions, and that each problem holds its text; order counts.
func want(t *testing.T, r openapi.Result, permissions []string, problem ...string) {
	t.Helper()
	if got := lines(r.Permissions); !slices.Equal(got, permissions) {
		t.Errorf("permissions:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(permissions, "\n"))
	}
	if len(r.Unexpressed) != len(problem) {
		t.Fatalf("%d problems, want %d:\n%s", len(r.Unexpressed), len(problem), problems(r.Unexpressed))
	}
	for i, p := range r.Unexpressed {
		if line := string(p.Kind) + " " + p.String(); !strings.Contains(line, problem[i]) {
			t.Errorf("problem %q, want %q in it", line, problem[i])
		}
	}
	checkComplete(t, r)
}

// checkComplete: a table is complete exactly if no problem keeps a route out of
// it; who may call a route is another matter.
func checkComplete(t *testing.T, r openapi.Result) {
	t.Helper()
	missing := slices.DeleteFunc(slices.Clone(r.Unexpressed), func(p openapi.Problem) bool {
		return p.Kind == openapi.Security || p.Kind == openapi.Conflict
	})
	if r.Complete != (len(missing) == 0) {
		t.Errorf("complete is %v with these problems:\n%s", r.Complete, problems(r.Unexpressed))
	}
}

const schemes = `
openapi: 3.1.0
info: {title: Orders, version: "1"}
components:
  securitySchemes:
    oauth: {type: oauth2, flows: {}}
    oidc: {type: openIdConnect}
    bearer: {type: http, scheme: Bearer}
    basic: {type: http, scheme: basic}
    key: {type: apiKey, in: header, name: x-api-key}
    tls: {type: mutualTLS}
    again: {$ref: '#/components/securitySchemes/oauth'}
    away: {$ref: 'schemes.yaml#/oauth'}
    custom: {type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authtype: custom}
    jwt: {type: oauth2, x-amazon-apigateway-authorizer: {type: jwt}}
    pool: {type: apiKey, x-amazon-apigateway-authtype: cognito_user_pools, x-amazon-apigateway-authorizer: {type: cognito_user_pools}}
    odd: {type: apiKey, x-amazon-apigateway-authtype: unheardOf}
    sigv4: {type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authtype: awsSigv4}
`

func TestSecurityBecomesRequirements(t *testing.T) {
	for name, c := range map[string]struct {
		security    string // of the operation
		o           openapi.Options
		permissions []string
		problems    []string
	}{
		"scopes of one requirement are all needed, sorted":  {security: "[{oauth: [b, a]}]", permissions: []string{"scope a b"}},
		"requirements are alternatives":                     {security: "[{oauth: [b]}, {oidc: [a]}]", permissions: []string{"scope a", "scope b"}},
		"equal alternatives count once":                     {security: "[{oauth: [b, a]}, {oidc: [a, b, b]}]", permissions: []string{"scope a b"}},
		"schemes of one requirement are all needed":         {security: "[{oauth: [b], oidc: [a]}]", permissions: []string{"scope a b"}},
		"any-of makes each scope an alternative":            {security: "[{oauth: [b, a]}]", o: openapi.Options{AnyOf: true}, permissions: []string{"scope a", "scope b"}},
		"any-of with two schemes takes one scope of each":   {security: "[{oauth: [a, b], oidc: [c, d]}]", o: openapi.Options{AnyOf: true}, permissions: []string{"scope a c", "scope a d", "scope b c", "scope b d"}},
		"a scheme may be a reference":                       {security: "[{again: [a]}]", permissions: []string{"scope a"}},
		"no security is nobody's":                           {security: "[]", permissions: []string{"registered"}},
		"no security is every verified caller's, with flag": {security: "[]", o: openapi.Options{Authenticated: true}, permissions: []string{"authenticated"}},
		"an empty requirement is no security":               {security: "[{}]", permissions: []string{"registered"}},
		"an empty alternative opens nothing":                {security: "[{}, {oauth: [a]}]", permissions: []string{"scope a"}},
		"an empty alternative opens to callers, with flag":  {security: "[{}, {oauth: [a]}]", o: openapi.Options{Authenticated: true}, permissions: []string{"authenticated", "scope a"}},
		"a token without scopes is not public":              {security: "[{oauth: []}]", permissions: []string{"registered"}, problems: []string{"names no scope"}},
		"a token without scopes, with flag":                 {security: "[{oauth: []}]", o: openapi.Options{Authenticated: true}, permissions: []string{"authenticated"}},
		"a bearer token is not public":                      {security: "[{bearer: []}]", permissions: []string{"registered"}, problems: []string{"names no scope"}},
		"a bearer token, with flag":                         {security: "[{bearer: []}]", o: openapi.Options{Authenticated: true}, permissions: []string{"authenticated"}},
		"roles of a bearer scheme are not guessed":          {security: "[{bearer: [admin]}]", o: openapi.Options{Authenticated: true}, permissions: []string{"registered"}, problems: []string{"scheme that has no scopes"}},
		"names of a bearer scheme are scopes, with flag":    {security: "[{bearer: [b, a]}]", o: openapi.Options{BearerScopes: true}, permissions: []string{"scope a b"}},
		"an API key is not public":                          {security: "[{key: []}]", o: openapi.Options{Authenticated: true}, permissions: []string{"registered"}, problems: []string{"API key"}},
		"an API key beside scopes is listed":                {security: "[{oauth: [a], key: []}]", permissions: []string{"scope a"}, problems: []string{"API key"}},
		"basic beside scopes takes them away":               {security: "[{oauth: [a], basic: []}]", permissions: []string{"registered"}, problems: []string{"type http basic"}},
		"mutual TLS is listed":                              {security: "[{tls: []}, {oauth: [a]}]", permissions: []string{"scope a"}, problems: []string{"type mutualTLS"}},
		"an unknown scheme is nobody's":                     {security: "[{nope: [a]}]", o: openapi.Options{Authenticated: true}, permissions: []string{"registered"}, problems: []string{"defines no such security scheme"}},
		"a scheme in another file is nobody's":              {security: "[{away: [a]}]", o: openapi.Options{Authenticated: true}, permissions: []string{"registered"}, problems: []string{"defines no such security scheme"}},
		"our own authorizer names no scopes":                {security: "[{custom: []}]", permissions: []string{"registered"}, problems: []string{"names no scope"}},
		"our own authorizer, with flag":                     {security: "[{custom: []}]", o: openapi.Options{Authenticated: true}, permissions: []string{"authenticated"}},
		"API Gateway's JWT authorizer wants any scope":      {security: "[{jwt: [b, a]}]", permissions: []string{"scope a", "scope b"}},
		"a Cognito authorizer wants any scope":              {security: "[{pool: [b, a]}]", permissions: []string{"scope a", "scope b"}},
		"an authorizer of an unknown kind is nobody's":      {security: "[{odd: [a]}]", o: openapi.Options{Authenticated: true}, permissions: []string{"registered"}, problems: []string{"type unheardOf"}},
		"an AWS signature is no token":                      {security: "[{sigv4: []}]", o: openapi.Options{Authenticated: true}, permissions: []string{"registered"}, problems: []string{"AWS signature"}},
		"a scope with a space is not guessed":               {security: "[{oauth: [a b]}]", permissions: []string{"registered"}, problems: []string{"not the name of one scope"}},
		"a scope that no token can hold is listed":          {security: `[{oauth: ['a"b']}, {oauth: [c]}]`, permissions: []string{"scope c"}, problems: []string{"printable ASCII"}},
		"a scope that is no text is listed":                 {security: "[{oauth: [1]}]", permissions: []string{"registered"}, problems: []string{"must be a list of objects"}},
		"a scope's prefix is taken off":                     {security: "[{oauth: [api://orders/read, other]}]", o: openapi.Options{ScopePrefix: "api://orders/"}, permissions: []string{"scope other read"}},
		"security that is no list is nobody's":              {security: "{oauth: [a]}", permissions: []string{"registered"}, problems: []string{"must be a list of objects"}},
		"security that is null is nobody's":                 {security: "null", permissions: []string{"registered"}, problems: []string{"must be a list of objects"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, schemes+"security: [{oauth: [document]}]\npaths: {/orders: {get: {security: "+c.security+"}}}", c.o)
			var permissions []string
			for _, p := range c.permissions {
				permissions = append(permissions, "GET /orders: "+p)
			}
			want(t, r, permissions, c.problems...)
			if len(r.Routes) != 1 {
				t.Errorf("routes %v, want one", r.Routes)
			}
		})
	}
}

func TestAnOperationsSecurityGoesBeforeTheDocuments(t *testing.T) {
	r := read(t, schemes+`
security: [{oauth: [document]}]
paths:
  /orders:
    get: {}
    post: {security: [{oauth: [write]}]}
    delete: {security: []}
`, openapi.Options{})
	want(t, r, []string{"GET /orders: scope document", "POST /orders: scope write", "DELETE /orders: registered"})
}

func TestWhatAPIGatewayCannotExpressIsListed(t *testing.T) {
	for path, why := range map[string]string{
		"/users/{id}.json":    "around a whole segment",
		"/users/{+path}":      "name each parameter",
		"/users/{path*}":      "no *",
		"/users/*":            "no *",
		"/users?role=admin":   "query",
		"/users#part":         "fragment",
		"/users/{id,name}":    "parameter",
		"/users/{.format}":    "parameter",
		"/users/a b":          "characters",
		"/users/ü":            "characters",
		"/users/<id>":         "characters",
		"/users/%41":          "must not contain %",
		"/users/$count":       "must not contain ?",
		"/users//orders":      "empty segment",
		"/users/../orders":    "..",
		"/{proxy+}/orders":    "very last part",
		"users":               "begin with /",
		"/" + longPath(1000):  "characters",
		"/v1/{name}:activate": "around a whole segment",
	} {
		text, err := json.Marshal(map[string]any{"openapi": "3.0.3", "paths": map[string]any{path: map[string]any{"get": map[string]any{}}, "/ok": map[string]any{"get": map[string]any{}}}})
		if err != nil {
			t.Fatal(err)
		}
		r := read(t, string(text), openapi.Options{})
		want(t, r, []string{"GET /ok: registered"}, why)
	}
}

func longPath(n int) string { return strings.Repeat("a", n) }
