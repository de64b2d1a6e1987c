// Package tabletest draws random tables, callers and hostile paths for the
// properties of mapping, policy and authorizer. Its alphabet is small on
// purpose: literals, parameters and patterns then collide all the time.
package tabletest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"scopegate/mapping"
)

// Now is the instant that the generated expiries lie around.
var Now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// API is the stage of the generated tables.
var API = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// Trust is the trust of the generated tables; Caller makes callers inside it.
var Trust = []mapping.Trust{{Tenant: "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11", Audiences: []string{"api://orders"}}}

// Scopes are the scopes that generated permissions need.
var Scopes = []string{"s1", "s2", "s3"}

var literals = []string{"a", "b", "users", "me", "k:1"}

// Caller is a trusted caller with the scopes.
func Caller(scopes ...string) mapping.Caller {
	return mapping.Caller{Issuer: "https://issuer.example", Tenant: Trust[0].Tenant, Audience: "api://orders", PrincipalType: mapping.User, Scopes: scopes}
}

// DrawCaller draws a trusted caller with some scopes.
func DrawCaller(t *rapid.T) mapping.Caller {
	var held []string
	for _, s := range Scopes {
		if rapid.Bool().Draw(t, "holds "+s) {
			held = append(held, s)
		}
	}
	return Caller(held...)
}

// Permission parses one permission; the test fails if it is wrong.
func Permission(verb, resource, scope string, more ...string) mapping.Permission {
	doc := map[string]any{"arn": API.ARN, "stage": API.Stage, "httpVerb": verb, "resource": resource}
	if scope != "" {
		doc["scope"] = scope
	} else {
		doc["registered"] = true
	}
	for i := 0; i+1 < len(more); i += 2 {
		doc[more[i]] = more[i+1]
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	p, err := mapping.ParsePermission(b)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", b, err))
	}
	return p
}

// Table makes a table of permissions.
func Table(permissions ...mapping.Permission) *mapping.Table {
	t, err := mapping.NewTable(mapping.Source{API: API, Permissions: permissions, Trust: Trust})
	if err != nil {
		panic(err)
	}
	return t
}

// DrawTable draws a table, complete or not.
func DrawTable(t *rapid.T) *mapping.Table {
	table, err := mapping.NewTable(mapping.Source{
		API: API, Permissions: DrawPermissions(t), Trust: Trust, Complete: rapid.Bool().Draw(t, "complete"),
	})
	if err != nil {
		panic(err)
	}
	return table
}

// DrawPermissions draws the permissions of a table: routes, patterns,
// registered routes, ANY, trailing slashes, expiries.
func DrawPermissions(t *rapid.T) []mapping.Permission {
	n := rapid.IntRange(1, 9).Draw(t, "permissions")
	var list []mapping.Permission
	ids := map[string]bool{}
	for range n {
		p := drawPermission(t)
		if !ids[p.ID()] {
			ids[p.ID()] = true
			list = append(list, p)
		}
	}
	return list
}

func drawPermission(t *rapid.T) mapping.Permission {
	verb := rapid.SampledFrom([]string{"GET", "GET", "GET", "POST", "ANY"}).Draw(t, "verb")
	scope := rapid.SampledFrom([]string{"s1", "s1", "s2", "s2", "s3", "s1 s2", ""}).Draw(t, "scope")
	resource := DrawRoute(t)
	if scope != "" && rapid.IntRange(0, 7).Draw(t, "pattern") == 0 {
		resource = drawPattern(t)
	}
	if scope == "" || rapid.IntRange(0, 4).Draw(t, "expires") > 0 {
		return Permission(verb, resource, scope)
	}
	at := Now.Add(time.Duration(rapid.IntRange(-2, 3).Draw(t, "expiry")) * time.Minute)
	return Permission(verb, resource, scope, "expiresAt", at.Format(time.RFC3339))
}

// DrawRoute draws the resource of a route.
func DrawRoute(t *rapid.T) string {
	n := rapid.IntRange(0, 4).Draw(t, "segments")
	var parts []string
	for i := range n {
		part := rapid.SampledFrom([]string{"a", "b", "users", "me", "k:1", "{x}", "{y}", "{z}"}).Draw(t, "segment")
		if i == n-1 && rapid.IntRange(0, 5).Draw(t, "greedy") == 0 {
			return strings.Join(append(parts, "{p+}"), "/")
		}
		parts = append(parts, part)
	}
	route := strings.Join(parts, "/")
	if n > 0 && rapid.IntRange(0, 6).Draw(t, "slash") == 0 {
		route += "/"
	}
	return route
}

func drawPattern(t *rapid.T) string {
	return rapid.SampledFrom([]string{"*", "a*", "a/*", "users/*", "*/a", "users/m*", "*e", "a/*/b", "*/", "u*s/*/"}).Draw(t, "pattern text")
}

// DrawPath draws a request path: mostly instances of the same alphabet, so that
// parameter values equal literals, deeper and shorter paths, slashes at the end
// and doubled, and sometimes hostile ones.
func DrawPath(t *rapid.T) string {
	n := rapid.IntRange(0, 6).Draw(t, "path segments")
	var b strings.Builder
	for range n {
		b.WriteString("/")
		b.WriteString(drawSegment(t))
	}
	if n == 0 || rapid.IntRange(0, 4).Draw(t, "trailing") == 0 {
		b.WriteString("/")
	}
	return b.String()
}

// DrawPlainPath draws a path as a client writes it that means no harm.
func DrawPlainPath(t *rapid.T) string {
	n := rapid.IntRange(0, 6).Draw(t, "path segments")
	path := ""
	for range n {
		path += "/" + rapid.SampledFrom(append(literals, "1", "zz", "users1", "x.y")).Draw(t, "value")
	}
	if n == 0 || rapid.IntRange(0, 3).Draw(t, "trailing") == 0 {
		path += "/"
	}
	return path
}

func drawSegment(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom(literals),
		rapid.SampledFrom(literals),
		rapid.SampledFrom([]string{"1", "zz", "42", "A", "ME", "üsers", ""}),
		rapid.SampledFrom([]string{".", "..", "*", "?", "$", "${a}", "{x}", "%2e", "%2E%2e", ".%2e", "..."}),
		rapid.SampledFrom([]string{"k%3A1", "k%3a1", "%252e%252e", "%61", "m%65", "%6D%65", "%75sers", "a%2Fb", "a%2fme", "%2F", "%", "%zz", "b%2F", "GET", "a%25"}),
	).Draw(t, "segment")
}

// DrawMethod draws a request method, now and then one that is none.
func DrawMethod(t *rapid.T) string {
	return rapid.SampledFrom([]string{"GET", "GET", "GET", "POST", "PATCH", "get", "TRACE", "*"}).Draw(t, "method")
}
