package openapi_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scopegate/internal/openapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

func fixture(t *testing.T, name string, o openapi.Options) openapi.Result {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, string(b), o)
}

func text(r openapi.Result) string {
	return strings.Join(lines(r.Permissions), "\n") + "\n--- unexpressed\n" + problems(r.Unexpressed) + "\n--- notes\n" + problems(r.Notes) + "\n"
}

// TestFixturesReadAsTheirGoldenFilesSay: a large public API's shape, and API
// Gateway's exports of both kinds.
func TestFixturesReadAsTheirGoldenFilesSay(t *testing.T) {
	for name, kind := range map[string]openapi.Kind{
		"northquay.yaml": "", "export-rest-oas30.json": openapi.RESTExport, "export-http.json": openapi.HTTPExport,
	} {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, name, openapi.Options{})
			if r.Kind != kind {
				t.Errorf("kind %q, want %q", r.Kind, kind)
			}
			golden := filepath.Join("testdata", strings.TrimSuffix(name, filepath.Ext(name))+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(text(r)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if text(r) != string(b) {
				t.Errorf("%s differs (-update writes it anew):\n%s", golden, text(r))
			}
		})
	}
}

// TestBothFormsOfARESTExportReadAlike: Swagger 2.0 and OpenAPI 3.0 of one API.
func TestBothFormsOfARESTExportReadAlike(t *testing.T) {
	for _, o := range []openapi.Options{{}, {AnyOf: true}, {Authenticated: true}, {BasePath: openapi.Prepend}} {
		three, two := fixture(t, "export-rest-oas30.json", o), fixture(t, "export-rest-swagger.json", o)
		if text(three) != text(two) || three.Kind != two.Kind || three.Title != two.Title {
			t.Errorf("%+v: OpenAPI 3.0:\n%s\nSwagger 2.0:\n%s", o, text(three), text(two))
		}
		if three.Source == two.Source {
			t.Error("two files have one hash")
		}
	}
}

// TestAnExportOpensWithTheFlagWhatOurAuthorizerGuards: and nothing else but what
// names scopes and what has no security.
func TestAnExportOpensWithTheFlagWhatOurAuthorizerGuards(t *testing.T) {
	r := fixture(t, "export-rest-oas30.json", openapi.Options{Authenticated: true})
	got := strings.Join(lines(r.Permissions), "\n")
	for _, line := range []string{
		"GET /orders: authenticated", "GET /orders/{id}: authenticated", "DELETE /orders/{id}: registered",
		"GET /orders/{id}/lines/{lineId}: authenticated", "PUT /orders/{id}/lines/{lineId}: scope lines.admin",
		"ANY /files/{proxy+}: authenticated", "GET /: authenticated",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
}
