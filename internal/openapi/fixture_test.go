package openapi_test

import (
	"flag"
	"fmt"
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

// TestWhatAFixtureMakesHasNoDrift: and each route taken out of the table is
// found to be missing, each put into it to be too many.
func TestWhatAFixtureMakesHasNoDrift(t *testing.T) {
	for _, name := range []string{"northquay.yaml", "export-rest-oas30.json", "export-rest-swagger.json", "export-http.json"} {
		r := fixture(t, name, openapi.Options{Authenticated: true})
		whole := snapshotOf(r)
		if report := drift(t, r, whole); len(drifts(report)) > 0 {
			t.Errorf("%s: %v", name, drifts(report))
		}
		for i, missing := range r.Routes {
			table := snapshotOf(r)
			table.Routes = append(table.Routes[:i:i], table.Routes[i+1:]...)
			table.Permissions = nil
			for _, p := range r.Permissions {
				if p.Verb != missing.Verb || p.Resource.Shape() != missing.Resource.Shape() {
					table.Permissions = append(table.Permissions, p)
				}
			}
			found := drifts(drift(t, r, table))
			if len(found) == 0 || !strings.Contains(fmt.Sprint(found), missing.String()) {
				t.Errorf("%s: without %s: %v", name, missing, found)
			}
		}
	}
}

// BenchmarkRead reads a document of 193 operations.
func BenchmarkRead(b *testing.B) {
	text, err := os.ReadFile(filepath.Join("testdata", "northquay.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openapi.Read(text, openapi.Options{API: api}); err != nil {
			b.Fatal(err)
		}
	}
}
