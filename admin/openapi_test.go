package admin_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write admin/openapi.json anew")

// operation is one of the served description.
type operation struct {
	OperationID, Summary, Description string
	Security                          []map[string][]string
	Parameters                        []parameter
	RequestBody                       *struct{ Content map[string]any }
	Responses                         map[string]any
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                map[string]any
}

// operations are those of the served description, by "METHOD path".
func operations(t testing.TB) map[string]operation {
	t.Helper()
	a := newServer(t).call(t, "", "GET", "/v1/openapi.json", "")
	var d struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != 200 {
		t.Fatalf("%d %v", a.status, err)
	}
	all := map[string]operation{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			all[string(bytes.ToUpper([]byte(method)))+" "+path] = op
		}
	}
	return all
}

// TestTheDescriptionIsTheOneCheckedIn: what clients are made from changes with a
// diff to read, and never by itself.
func TestTheDescriptionIsTheOneCheckedIn(t *testing.T) {
	a := newServer(t).call(t, "", "GET", "/v1/openapi.json", "")
	var served bytes.Buffer
	if err := json.Indent(&served, []byte(a.body), "", "  "); err != nil {
		t.Fatal(err)
	}
	if served.Bytes()[served.Len()-1] != '\n' {
		served.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile("openapi.json", served.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("openapi.json")
	if err != nil || !bytes.Equal(kept, served.Bytes()) {
		t.Errorf("admin/openapi.json is not what is served (%v): go test ./admin -run Description -update, and read the diff", err)
	}
}

// TestEveryCallIsDescribedWhole.
func TestEveryCallIsDescribedWhole(t *testing.T) {
	for name, op := range operations(t) {
		if op.OperationID == "" || op.Summary == "" || op.Description == "" {
			t.Errorf("%s: without id, summary or description: %+v", name, op)
		}
		if name == "GET /healthz" {
			continue
		}
		if len(op.Security) != 1 || op.Security[0]["bearer"] == nil {
			t.Errorf("%s: security %v", name, op.Security)
		}
		want := []string{"401", "403", "422", "503"}
		if op.RequestBody != nil {
			want = append(want, "400", "413", "415")
		}
		if slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.Name == "If-Match" }) {
			want = append(want, "412", "428")
		}
		for _, status := range want {
			if op.Responses[status] == nil {
				t.Errorf("%s: %s is not described", name, status)
			}
		}
	}
}
