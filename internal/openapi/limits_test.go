package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"scopegate/internal/openapi"
)

// many writes n pieces between a head and a tail.
func many(n int, head, piece, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		b.WriteString(strings.ReplaceAll(piece, "@", fmt.Sprint(i)))
	}
	b.WriteString(tail)
	return b.String()
}

// bomb is a YAML document whose aliases double with each level.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("openapi: 3.0.0\nx0: &x0 {o: [s]}\n")
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&b, "x%d: &x%d [*x%d, *x%d]\n", i, i, i-1, i-1)
	}
	fmt.Fprintf(&b, "paths: {/a: {get: {security: *x%d}}}\n", levels-1)
	return b.String()
}

func TestDocumentsThatAreNoneOrPastALimitAreRefused(t *testing.T) {
	const three = `{"openapi":"3.0.0",`
	for name, c := range map[string]struct{ text, fault string }{
		"empty":                     {"", "empty"},
		"a comment alone":           {"# nothing\n", "empty"},
		"no object":                 {"[]", "must be an object"},
		"text":                      {"just text", "must be an object"},
		"no version":                {"paths: {/a: {get: {}}}", "must begin with its version"},
		"two versions":              {"openapi: 3.0.0\nswagger: '2.0'\npaths: {/a: {}}", "not both"},
		"version 1.2":               {"swagger: '1.2'\npaths: {/a: {}}", `swagger "1.2": must be 2.0`},
		"version 4":                 {"openapi: 4.0.0\npaths: {/a: {}}", `openapi "4.0.0"`},
		"no paths":                  {"openapi: 3.1.0\nwebhooks: {a: {}}", "paths: must be"},
		"empty paths":               {three + `"paths":{}}`, "paths: must be"},
		"paths in a list":           {three + `"paths":[]}`, "paths: must be"},
		"broken JSON":               {three + `"paths":{"/a":{"get":{]}}}`, "JSON: at byte"},
		"JSON with a tail":          {three + `"paths":{"/a":{}}} {}`, "nothing behind it"},
		"broken YAML":               {"openapi: 3.0.0\npaths:\n\t/a: {}", "YAML: yaml: line 3"},
		"two YAML documents":        {"openapi: 3.0.0\npaths: {/a: {}}\n---\na: 1\n", "must be one document"},
		"a path twice in JSON":      {three + `"paths":{"/a":{},"/a":{}}}`, `"/a" stands there twice`},
		"a path twice in YAML":      {"openapi: 3.0.0\npaths:\n  /a: {}\n  /a: {}\n", `line 4: "/a" stands there twice`},
		"a method twice":            {three + `"paths":{"/a":{"get":{},"get":{}}}}`, `"get" stands there twice`},
		"a path that is no text":    {"openapi: 3.0.0\npaths: {[a]: {}}", "a name must be a string"},
		"a merge of text":           {"openapi: 3.0.0\npaths: {/a: {<<: text}}", "<< must merge mappings"},
		"an alias of nothing":       {"openapi: 3.0.0\npaths: {/a: *nothing}", "unknown anchor"},
		"an alias of itself":        {"openapi: 3.0.0\npaths: {/a: {get: {security: &x [*x]}}}", "levels deep"},
		"a merge of itself":         {"openapi: 3.0.0\npaths: {/a: &x {<<: *x}}", "levels deep"},
		"aliases of aliases":        {bomb(22), "must hold at most 500000 values"},
		"too many bytes":            {strings.Repeat(" ", openapi.MaxBytes+1), "must be at most 10485760 bytes"},
		"nested too deep":           {three + `"paths":{"/a":{"get":{"security":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}}}`, "levels deep"},
		"nested far too deep":       {three + `"x":` + strings.Repeat("[", 1<<20), "max depth"},
		"nested far too deep, YAML": {"openapi: 3.0.0\nx: " + strings.Repeat("[", 1<<19), "YAML: yaml:"},
		"too many marks":            {"openapi: 3.0.0\nx: [" + strings.Repeat("a,", 1<<20) + "]", "characters that begin values"},
		"too many values":           {many(openapi.MaxNodes, three+`"paths":{"/a":{"get":{"security":[{"o":["s"`, `,"s"`, `]}]}}}}`), "must hold at most 500000 values"},
		"too many operations":       {many(openapi.MaxOperations+1, three+`"paths":{`, `"/a@":{"get":{}},`, `"/z":{}}}`), "must declare at most 50000 operations"},
		"operations by reference":   {many(8_000, three+`"paths":{"/x":{"get":{},"put":{},"post":{},"patch":{},"head":{},"delete":{},"options":{}},`, `"/a@":{"$ref":"#/paths/~1x"},`, `"/z":{}}}`), "must declare at most 50000 operations"},
		"too many permissions": {many(400, three+`"paths":{`, `"/a@":{"get":{}},`, many(300, `"/z":{}},"components":{"securitySchemes":{"o":{"type":"oauth2"}}},"security":[{"o":["s"]}`,
			`,{"o":["s@"]}`, `]}`)), "must make at most 100000 permissions"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := openapi.Read([]byte(c.text), openapi.Options{API: api})
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Fatalf("%d permissions, err %v, want %q in it", len(r.Permissions), err, c.fault)
			}
			if !strings.HasPrefix(err.Error(), "read OpenAPI: ") || len(err.Error()) > 400 {
				t.Errorf("err %v", err)
			}
		})
	}
}

// TestAliasesThatDoNotMatterAreNotFollowed: a bomb in a schema is never lit.
func TestAliasesThatDoNotMatterAreNotFollowed(t *testing.T) {
	text := strings.Replace(bomb(60), "security:", "responses:", 1)
	want(t, read(t, text, openapi.Options{}), []string{"GET /a: registered"})
}

// TestChoicesOfSeveralSchemesAreBounded: each takes one scope of every scheme.
func TestChoicesOfSeveralSchemesAreBounded(t *testing.T) {
	scopes := func(s string) string { return many(20, "["+s, ", "+s+"@", "]") }
	text := schemes + "paths: {/a: {get: {security: [{oauth: " + scopes("a") + ", oidc: " + scopes("b") + "}]}}}"
	want(t, read(t, text, openapi.Options{AnyOf: true}), []string{"GET /a: registered"}, "makes more than 64 alternatives")
}
