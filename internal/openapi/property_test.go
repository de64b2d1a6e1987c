package openapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"scopegate/internal/openapi"
	"scopegate/mapping"
)

// endpoint is one route and its alternatives, each a list of scopes that are all
// needed; none is nobody's.
type endpoint struct {
	verb, path string
	needs      [][]string
}

var segmentsOf = []string{"orders", "users", "v1.0", "a-b", "me", "{id}", "{order_id}", "report:run"}

func drawEndpoints(t *rapid.T) []endpoint {
	var all []endpoint
	seen := map[string]bool{}
	for range rapid.IntRange(1, 8).Draw(t, "paths") {
		segments := rapid.SliceOfN(rapid.SampledFrom(segmentsOf), 0, 4).Draw(t, "segments")
		if rapid.Bool().Draw(t, "greedy") {
			segments = append(segments, "{proxy+}")
		}
		path := "/" + strings.Join(segments, "/")
		r, err := mapping.ParseResource(path)
		if err != nil {
			t.Fatal(err)
		}
		if seen[r.Shape()] {
			continue
		}
		seen[r.Shape()] = true
		verbs := []string{"ANY"}
		if rapid.Bool().Draw(t, "single methods") {
			verbs = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}), 1, 4, rapid.ID[string]).Draw(t, "verbs")
		}
		for _, v := range verbs {
			all = append(all, endpoint{v, path, drawNeeds(t)})
		}
	}
	return all
}

func drawNeeds(t *rapid.T) [][]string {
	scope := rapid.SampledFrom([]string{"orders.read", "orders.write", "users:all", "a", "https://x/y", "Z_z"})
	return rapid.SliceOfN(rapid.SliceOfN(scope, 1, 3), 0, 3).Draw(t, "needs")
}

// expected are the permissions that endpoints make.
func expected(all []endpoint, anyOf bool) []string {
	out := map[string]bool{}
	for _, e := range all {
		route := e.verb + " " + e.path + ": "
		if len(e.needs) == 0 {
			out[route+"registered"] = true
		}
		for _, scopes := range e.needs {
			if anyOf {
				for _, s := range scopes {
					out[route+"scope "+s] = true
				}
				continue
			}
			slices.Sort(scopes)
			out[route+"scope "+strings.Join(slices.Compact(slices.Clone(scopes)), " ")] = true
		}
	}
	return keys(out)
}

func keys(m map[string]bool) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

type dict = map[string]any

// written is a document of the endpoints, in one of the ways in which it can be
// written: the version, references to path items, security of the whole document.
func written(t *rapid.T, all []endpoint) []byte {
	two := rapid.Bool().Draw(t, "swagger 2.0")
	paths, items := dict{}, dict{}
	var general [][]string
	if rapid.Bool().Draw(t, "security of the document") {
		general = all[rapid.IntRange(0, len(all)-1).Draw(t, "whose")].needs
	}
	for _, e := range all {
		item, _ := paths[e.path].(dict)
		if item == nil {
			item = dict{"summary": "text", "parameters": []any{dict{"$ref": "#/components/parameters/any"}}, "x-other": []any{1, "get"}}
			paths[e.path] = item
		}
		op := dict{"responses": dict{"200": dict{"description": "", "schema": dict{"type": 7}}}, "deprecated": "no boolean"}
		if fmt.Sprint(e.needs) != fmt.Sprint(general) || rapid.Bool().Draw(t, "say it again") {
			op["security"] = securityOf(e.needs)
		}
		name := strings.ToLower(e.verb)
		if e.verb == "ANY" {
			name = "x-amazon-apigateway-any-method"
		}
		item[name] = op
	}
	doc := dict{"info": dict{"title": "random", "version": "1"}, "paths": paths}
	if general != nil {
		doc["security"] = securityOf(general)
	}
	if two {
		doc["swagger"] = "2.0"
		doc["securityDefinitions"] = dict{"oauth": dict{"type": "oauth2", "flow": "unheard of"}}
	} else {
		doc["openapi"] = rapid.SampledFrom([]string{"3.0.3", "3.1.0"}).Draw(t, "version")
		for i, path := range sorted(paths) {
			if rapid.Bool().Draw(t, "by reference") {
				key := fmt.Sprintf("item/%d", i)
				items[key] = paths[path]
				paths[path] = dict{"$ref": fmt.Sprintf("#/components/pathItems/item~1%d", i)}
			}
		}
		doc["components"] = dict{
			"securitySchemes": dict{"oauth": dict{"type": "oauth2", "flows": 1}}, "pathItems": items,
			"schemas": dict{"bad": dict{"$ref": "file:///etc/passwd"}, "worse": []any{nil}},
		}
	}
	marshal := json.Marshal
	if rapid.Bool().Draw(t, "YAML") {
		marshal = yaml.Marshal
	}
	b, err := marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sorted(m dict) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func securityOf(needs [][]string) []any {
	out := []any{}
	for _, scopes := range needs {
		out = append(out, dict{"oauth": scopes})
	}
	return out
}

// TestADocumentGivesBackItsRoutes: whatever way it is written in, exactly what
// was put in comes out, and nothing is left unsaid.
func TestADocumentGivesBackItsRoutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawEndpoints(t)
		b := written(t, all)
		anyOf := rapid.Bool().Draw(t, "any of")
		r, err := openapi.Read(b, openapi.Options{API: api, AnyOf: anyOf})
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		got := lines(r.Permissions)
		slices.Sort(got)
		if want := expected(all, anyOf); !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s\nfrom\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), b)
		}
		if len(r.Unexpressed) > 0 || !r.Complete {
			t.Fatalf("unexpressed: %s", problems(r.Unexpressed))
		}
		if len(r.Routes) != len(all) {
			t.Fatalf("%d routes of %d", len(r.Routes), len(all))
		}
	})
}
