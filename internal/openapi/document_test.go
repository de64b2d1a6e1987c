package openapi_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"scopegate/internal/openapi"
	"scopegate/mapping"
)

func TestANYStandsForTheMethodsThatAPathDoesNotDeclare(t *testing.T) {
	const any = "x-amazon-apigateway-any-method: {security: [{oauth: [b]}]}"
	want(t, read(t, schemes+"paths: {/a: {"+any+"}}", openapi.Options{}), []string{"ANY /a: scope b"})
	want(t, read(t, schemes+"paths: {/a: {get: {security: [{oauth: [a]}]}, "+any+"}}", openapi.Options{}), []string{
		"GET /a: scope a", "POST /a: scope b", "PUT /a: scope b", "PATCH /a: scope b", "DELETE /a: scope b", "HEAD /a: scope b", "OPTIONS /a: scope b",
	})
	want(t, read(t, schemes+"paths: {/a: {x-amazon-apigateway-any-method: {security: null}}}", openapi.Options{Authenticated: true}), []string{"ANY /a: registered"}, "shape ANY /a: security")
	all := "{get: {}, put: {}, post: {}, patch: {}, delete: {}, head: {}, options: {}, " + any + "}"
	want(t, read(t, schemes+"paths: {/a: "+all+"}", openapi.Options{}), []string{
		"GET /a: registered", "POST /a: registered", "PUT /a: registered", "PATCH /a: registered", "DELETE /a: registered", "HEAD /a: registered", "OPTIONS /a: registered",
	})
}

func TestDefaultIsWhatNoOtherRouteTakes(t *testing.T) {
	const fallback = "/$default: {x-amazon-apigateway-any-method: {isDefaultRoute: true, security: [{jwt: [d]}]}}"
	want(t, read(t, schemes+"paths: {"+fallback+"}", openapi.Options{}), []string{"ANY /: scope d", "ANY /{proxy+}: scope d"})
	want(t, read(t, schemes+"paths: {"+fallback+", '/{all+}': {x-amazon-apigateway-any-method: {}}}", openapi.Options{}), []string{"ANY /: scope d", "ANY /{all+}: registered"})
}

// TestDefaultOpensNothingThatIsDeclared: not by one of its methods either.
func TestDefaultOpensNothingThatIsDeclared(t *testing.T) {
	const fallback = "/$default: {get: {security: [{jwt: [d]}]}, put: {security: [{jwt: [d]}]}}"
	want(t, read(t, schemes+"paths: {"+fallback+", /: {get: {security: [{oauth: [a]}]}}, '/{all+}': {x-amazon-apigateway-any-method: {}}}", openapi.Options{}), []string{
		"GET /: scope a", "PUT /: scope d", "ANY /{all+}: registered",
	})
}

func TestPathsThatAreOneRouteAreMergedOrListed(t *testing.T) {
	paths := func(x, y string) string {
		return fmt.Sprintf("%spaths:\n  /a/{x}: {get: {security: %s}}\n  /a/{y}: {get: {security: %s}, put: {security: [{oauth: [w]}]}}\n", schemes, x, y)
	}
	r := read(t, paths("[{oauth: [a, b]}]", "[{oidc: [b, a]}]"), openapi.Options{})
	want(t, r, []string{"GET /a/{x}: scope a b", "PUT /a/{y}: scope w"})
	if !strings.Contains(problems(r.Notes), "conflict GET /a/{y}: /a/{x}: is the same route") {
		t.Errorf("notes: %s", problems(r.Notes))
	}
	r = read(t, paths("[{oauth: [a]}]", "[]"), openapi.Options{})
	want(t, r, []string{"GET /a/{x}: registered", "PUT /a/{y}: scope w"}, "conflict GET /a/{y}: /a/{x}: is the same route for API Gateway, and requires something else")
	if !r.Unexpressed[0].Registered {
		t.Error("the problem does not say that the route is registered")
	}
	r = read(t, schemes+"paths: {'/a/{x}': {get: {security: [{oauth: [a]}]}}, '/a/{y}': {get: {security: [{oauth: [b]}]}}, '/a/{z}': {get: {security: []}}}", openapi.Options{})
	want(t, r, []string{"GET /a/{x}: registered"}, "conflict GET /a/{y}: /a/{x}", "conflict GET /a/{z}: /a/{x}")
}

func TestMethodsThatAPIGatewayDoesNotRouteAreListed(t *testing.T) {
	r := read(t, schemes+"paths: {/a: {trace: {}, query: {}, GET: {}, additionalOperations: {COPY: {}}, x-anything: {}, summary: s, get: {}}}", openapi.Options{})
	want(t, r, []string{"GET /a: registered"}, "method TRACE /a", "method QUERY /a", "shape /a: GET", "method COPY /a")
}

func TestReferencesAreFollowedWithinTheDocumentOnly(t *testing.T) {
	r := read(t, schemes+`
  pathItems: {one: {get: {security: [{oauth: [one]}]}}, two: {$ref: '#/components/pathItems/one'}}
paths:
  /a: {$ref: '#/components/pathItems/two'}
  /b: {$ref: '#/paths/~1c~1%7Bid%7D'}
  /c/{id}: {put: {security: [{oauth: [c]}]}}
  /d: {$ref: '#/paths/~1d'}
  /e: {$ref: 'other.yaml#/paths/~1e'}
  /f: {get: {$ref: '#/paths/~1c'}}
  /g: {get: {security: [{oauth: [g]}]}, $ref: '#/components/pathItems/one'}
  /h: {$ref: '#/components/schemas/one'}
`, openapi.Options{})
	want(t, r, []string{"GET /a: scope one", "PUT /b: scope c", "PUT /c/{id}: scope c", "GET /f: registered", "GET /g: registered"},
		"reference /d: $ref #/paths/~1d: references must not lead on endlessly", "reference /e: $ref other.yaml", "reference GET /f: $ref",
		"conflict GET /g: $ref: the path item declares the method itself", "reference /h")
}

// TestNoFileAndNoAddressIsRead: whatever a document refers to.
func TestNoFileAndNoAddressIsRead(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "get: {security: []}")
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "item.yaml")
	if err := os.WriteFile(file, []byte("get: {security: []}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{server.URL, server.URL + "/#/get", file, "file://" + file} {
		for _, version := range []string{"openapi: 3.0.0", "openapi: 3.1.0", "swagger: '2.0'"} {
			text := fmt.Sprintf("%s\npaths: {/a: {$ref: %q}, /b: {get: {$ref: %q, responses: {200: {$ref: %q}}}}}\nsecurityDefinitions: {o: {$ref: %q}}\n", version, ref, ref, ref, ref)
			text += fmt.Sprintf("components: {securitySchemes: {o: {$ref: %q}}, schemas: {s: {$ref: %q}}}\n", ref, ref)
			want(t, read(t, text, openapi.Options{Authenticated: true}), []string{"GET /b: registered"}, "reference /a", "reference GET /b")
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d addresses were asked", n)
	}
}

func TestWhatIsWrongElsewhereIsNothingToTheImport(t *testing.T) {
	r := read(t, `{"openapi": "3.0.1", "info": 7, "tags": {"a": []}, "externalDocs": null, "x-tagGroups": 1,
		"components": {"schemas": [1, {"$ref": 3}], "responses": "none", "securitySchemes": {"o": {"type": "oauth2", "flows": []}, "broken": 4}},
		"webhooks": {"w": {"post": {}}},
		"paths": {"x-note": 1, "/a": {"parameters": {"$ref": 1}, "description": [],
			"get": {"operationId": 1, "parameters": "p", "responses": {"200": []}, "callbacks": 1, "tags": 2, "security": [{"o": ["s"]}]}}}}`, openapi.Options{})
	want(t, r, []string{"GET /a: scope s"})
}

func TestSecurityOfTheDocumentThatCannotBeReadIsNobodys(t *testing.T) {
	r := read(t, schemes+"security: oauth\npaths: {/a: {get: {}, put: {security: []}}}", openapi.Options{Authenticated: true})
	want(t, r, []string{"GET /a: registered", "PUT /a: authenticated"}, "shape security: must be a list of objects")
}

func TestAPathThatIsNoObjectOfMethodsIsListed(t *testing.T) {
	for _, item := range []string{"null", "text", "[{get: {}}]", "7", "{$ref: '#/paths/~1c'}"} {
		r := read(t, schemes+"paths: {/a: {get: {}}, /b: "+item+", /c: ~}", openapi.Options{})
		want(t, r, []string{"GET /a: registered"}, "shape /b: path item: must be an object of methods", "shape /c: path item")
	}
}

// TestWhatIsNoRequirementOpensNothing: a name alone is how people get it wrong, and
// no empty requirement, which is open to everybody.
func TestWhatIsNoRequirementOpensNothing(t *testing.T) {
	for _, security := range []string{"[oauth]", "[null]", "[[]]", "oauth", "{oauth: [a]}", "[{oauth: a}]", "[{oauth: [{a: b}]}]", "[{oauth: [a]}, oauth]"} {
		r := read(t, schemes+"paths: {/a: {get: {security: "+security+"}}}", openapi.Options{Authenticated: true})
		want(t, r, []string{"GET /a: registered"}, "shape GET /a: security: must be a list of objects")
		r = read(t, schemes+"security: "+security+"\npaths: {/a: {get: {}}}", openapi.Options{Authenticated: true})
		want(t, r, []string{"GET /a: registered"}, "shape security: must be a list of objects")
	}
}

// TestSecurityOfAPathIsNotLeftOut: OpenAPI has none there. Its author meant to
// narrow what the document says, or to have something where it says nothing.
func TestSecurityOfAPathIsNotLeftOut(t *testing.T) {
	const paths = `
paths:
  /a: {security: [{oauth: [admin]}], get: {}, put: {security: [{oauth: [w]}]}, x-amazon-apigateway-any-method: {}}
  /b: {get: {}}
  /c: {$ref: '#/paths/~1a', delete: {}}
  /d: {security: [{oauth: [admin]}], $ref: '#/paths/~1b'}
  /e: {get: {}}
`
	others := func(path string) (list []string) {
		for _, v := range []string{"POST", "PATCH", "DELETE", "HEAD", "OPTIONS"} {
			list = append(list, v+" "+path+": registered")
		}
		return list
	}
	for root, open := range map[string]string{"": "authenticated", "security: [{oauth: [read]}]": "scope read"} {
		r := read(t, schemes+root+paths, openapi.Options{Authenticated: true})
		list := append([]string{"GET /a: registered"}, others("/a")...)
		list = slices.Insert(list, 2, "PUT /a: scope w")
		list = append(list, "GET /b: "+open, "GET /c: registered", "POST /c: registered", "PUT /c: scope w", "PATCH /c: registered",
			"DELETE /c: "+open, "HEAD /c: registered", "OPTIONS /c: registered", "GET /d: registered", "GET /e: "+open)
		want(t, r, list, "shape /a: security: is no member of a path item", "shape /c: security", "shape /d: security")
	}
}

func TestTheBasePathIsIgnoredOrPrepended(t *testing.T) {
	const paths = "\npaths: {/a: {get: {}}}"
	for _, c := range []struct {
		name, servers, route, note, fault string
	}{
		{"none", "openapi: 3.0.0", "/a", "", ""},
		{"no path", "openapi: 3.0.0\nservers: [{url: 'https://api.example/'}]", "/a", "", ""},
		{"a path", "openapi: 3.0.0\nservers: [{url: 'https://api.example/v1/'}]", "/v1/a", "/v1", ""},
		{"a relative path", "openapi: 3.0.0\nservers: [{url: /v1}]", "/v1/a", "/v1", ""},
		{"a variable", "openapi: 3.0.0\nservers: [{url: 'https://api.example/{v}/x', variables: {v: {default: v2}}}]", "/v2/x/a", "/v2/x", ""},
		{"the same path twice", "openapi: 3.0.0\nservers: [{url: 'https://a.example/v1'}, {url: 'https://b.example/v1'}]", "/v1/a", "/v1", ""},
		{"two paths", "openapi: 3.0.0\nservers: [{url: 'https://a.example/v1'}, {url: 'https://a.example/v2'}]", "", "/v1, /v2", "several base paths (/v1, /v2)"},
		{"a variable without default", "openapi: 3.0.0\nservers: [{url: 'https://a.example/{v}'}]", "", "", "variable without a default"},
		{"a stage", "openapi: 3.0.0\nservers: [{url: 'https://abc.execute-api.eu-west-1.amazonaws.com/{basePath}', variables: {basePath: {default: /dev}}}]", "/a", "", ""},
		{"Swagger 2.0", "swagger: '2.0'\nhost: api.example\nbasePath: /v1", "/v1/a", "/v1", ""},
		{"Swagger 2.0 without host", "swagger: '2.0'\nbasePath: /v1", "/v1/a", "/v1", ""},
		{"Swagger 2.0, a stage", "swagger: '2.0'\nhost: abc.execute-api.eu-west-1.amazonaws.com\nbasePath: /dev", "/a", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read(t, c.servers+paths, openapi.Options{})
			want(t, r, []string{"GET /a: registered"})
			if got := problems(r.Notes); (c.note == "") != (got == "") || !strings.Contains(got, c.note) {
				t.Errorf("notes %q, want %q in them", got, c.note)
			}
			r, err := openapi.Read([]byte(c.servers+paths), openapi.Options{API: api, BasePath: openapi.Prepend})
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("prepended: err %v, want %q in it", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want(t, r, []string{"GET " + c.route + ": registered"})
		})
	}
}

func TestASlashAtTheEndIsNoted(t *testing.T) {
	r := read(t, "openapi: 3.0.0\npaths: {/a: {get: {}}, /a/: {get: {}}}", openapi.Options{})
	want(t, r, []string{"GET /a: registered", "GET /a/: registered"})
	if got := problems(r.Notes); !strings.Contains(got, "path GET /a/: /a/: ends in /") {
		t.Errorf("notes: %q", got)
	}
}

func TestServersOfAPathAreNoted(t *testing.T) {
	r := read(t, "openapi: 3.0.0\npaths: {/a: {servers: [{url: 'https://x'}], get: {servers: [{url: 'https://y'}, {}]}}}", openapi.Options{})
	want(t, r, []string{"GET /a: registered"})
	got := problems(r.Notes)
	for _, note := range []string{"server /a: servers", "server GET /a: servers", "a server has no url"} {
		if !strings.Contains(got, note) {
			t.Errorf("%q is missing in %s", note, got)
		}
	}
}

func TestScopesThatEntrasTokensHoldOtherwiseAreNoted(t *testing.T) {
	const paths = "paths: {/a: {get: {security: [{oauth: [api://quay/orders.read]}]}}}"
	r := read(t, schemes+paths, openapi.Options{})
	want(t, r, []string{"GET /a: scope api://quay/orders.read"})
	if got := problems(r.Notes); !strings.Contains(got, "last part only") {
		t.Errorf("notes: %q", got)
	}
	if r := read(t, schemes+paths, openapi.Options{ScopePrefix: "api://quay/"}); len(r.Notes) > 0 {
		t.Errorf("notes with the prefix taken off: %q", problems(r.Notes))
	}
}

func TestYAMLIsReadAsPeopleWriteIt(t *testing.T) {
	r := read(t, `# a comment
openapi: 3.1
components: {securitySchemes: {oauth: {type: oauth2}}}
x-read: &read [{oauth: [read]}]
x-common: &common
  get: {security: *read}
  delete: {security: [{oauth: [delete]}]}
paths:
  /a: &a
    <<: *common
    delete: {security: []}
  /b: *a
  /c:
    <<: [{put: {security: *read}}, *common]
...
`, openapi.Options{})
	want(t, r, []string{
		"GET /a: scope read", "DELETE /a: registered", "GET /b: scope read", "DELETE /b: registered",
		"GET /c: scope read", "PUT /c: scope read", "DELETE /c: scope delete",
	})
	if r.Version != "3.1" {
		t.Errorf("version %q", r.Version)
	}
}

func TestTheSourceIsTheHashOfTheBytes(t *testing.T) {
	const text = "openapi: 3.0.0\npaths: {/a: {get: {}}}"
	if r := read(t, text, openapi.Options{}); r.Source != fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) {
		t.Errorf("source %q", r.Source)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	b := []byte("openapi: 3.0.0\npaths: {/a: {get: {}}}")
	if _, err := openapi.Read(b, openapi.Options{API: mapping.API{ARN: api.ARN}}); err == nil || !strings.Contains(err.Error(), "stage") {
		t.Errorf("without a stage: %v", err)
	}
	if _, err := openapi.Read(b, openapi.Options{API: api, BasePath: "split"}); err == nil || !strings.Contains(err.Error(), `"split": must be ignore or prepend`) {
		t.Errorf("with a mode that there is none of: %v", err)
	}
}
