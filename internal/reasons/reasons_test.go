package reasons_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"scopegate/internal/reasons"
)

var update = flag.Bool("update", false, "write docs/reasons.md anew")

const page = "../../docs/reasons.md"

// declared finds the texts of all constants of a type named Reason.
func declared(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	var list []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, isName := spec.Type.(*ast.Ident)
			value, isText := spec.Values[0].(*ast.BasicLit)
			if isName && isText && kind.Name == "Reason" {
				text, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, text)
			}
			return true
		})
	}
	return list
}

// TestEveryReasonHasAMeaning, and nothing else has one.
func TestEveryReasonHasAMeaning(t *testing.T) {
	known := map[string]bool{}
	for _, folder := range []string{"token", "authorizer", "mapping"} {
		found := declared(t, folder)
		if len(found) < 8 {
			t.Errorf("%s declares %q only", folder, found)
		}
		for _, r := range found {
			known[r] = true
			if reasons.Of(r) == "" {
				t.Errorf("%s: %q has no meaning", folder, r)
			}
		}
	}
	for line := range strings.Lines(reasons.Markdown()) {
		if reason, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && !known[reason] {
			t.Errorf("%q is explained and never given", reason)
		}
	}
}

func TestThePageIsWhatThePackageSays(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(reasons.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(page)
	if err != nil || string(b) != reasons.Markdown() {
		t.Errorf("docs/reasons.md is not what this package says (%v): go test ./internal/reasons -update", err)
	}
}
