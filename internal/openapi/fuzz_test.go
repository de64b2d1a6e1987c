package openapi_test

import (
	"testing"

	"scopegate/internal/openapi"
	"scopegate/mapping"
)

// FuzzRead: whatever the bytes, Read answers; what it answers is a table, each
// permission of which is as if written by hand; and reading again says the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		schemes + "paths: {/a: {get: {security: [{oauth: [a, b]}, {key: []}]}, x-amazon-apigateway-any-method: {}}}",
		`{"openapi":"3.0.3","paths":{"/a/{x}":{"get":{}},"/a/{y}":{"get":{"security":[]}}}}`,
		`{"swagger":"2.0","basePath":"/v1","securityDefinitions":{"o":{"type":"oauth2"}},"security":[{"o":["s"]}],"paths":{"/a":{"$ref":"#/paths/~1a"}}}`,
		"openapi: 3.1.0\npaths:\n  /a: &a {get: {}}\n  /b: *a\n  /c: {<<: *a, post: {$ref: x.yaml}}\n",
		"openapi: 3.0.0\nservers: [{url: 'https://x/{v}', variables: {v: {default: v1}}}]\npaths: {'/$default': {x-amazon-apigateway-any-method: {isDefaultRoute: true}}}",
		"openapi: 3.0.0\nx: &x [*x]\npaths: {/a: {get: {security: *x}}}",
		"\ufeff{}", "[]", "", "--- 1\n--- 2\n", "openapi: 3.0.0\npaths: {? [a] : 1}",
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, flags uint8) {
		o := openapi.Options{API: api, AnyOf: flags&1 > 0, Authenticated: flags&2 > 0}
		if flags&4 > 0 {
			o.BasePath = openapi.Prepend
		}
		r, err := openapi.Read(b, o)
		if err != nil {
			return
		}
		checkComplete(t, r)
		ids := map[string]bool{}
		for _, p := range r.Permissions {
			wire, err := p.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			again, err := mapping.ParsePermission(wire)
			if err != nil || again.ID() != p.ID() {
				t.Fatalf("%s does not read back: %v", wire, err)
			}
			if ids[p.ID()] {
				t.Fatalf("%s twice", wire)
			}
			ids[p.ID()] = true
		}
		if _, err := mapping.NewTable(mapping.Source{API: api, Permissions: r.Permissions, Routes: r.Routes}); err != nil {
			t.Fatal(err)
		}
		second, err := openapi.Read(b, o)
		if err != nil || problems(second.Unexpressed) != problems(r.Unexpressed) || len(second.Permissions) != len(r.Permissions) {
			t.Fatalf("read again: %v\n%s\n%s", err, problems(second.Unexpressed), problems(r.Unexpressed))
		}
	})
}
