package token

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// provenElsewhere names the test that sees a refusal which no row of the attack
// suites can bring about: it must exist and must speak of the reason.
var provenElsewhere = map[string]string{
	"ReasonNoToken":      "TestBearerTakesOneTokenAndNothingElse",
	"ReasonScheme":       "TestBearerTakesOneTokenAndNothingElse",
	"ReasonBearer":       "TestBearerTakesOneTokenAndNothingElse",
	"ReasonKeyAlgorithm": "TestAKeyServesOnlyTheAlgorithmItIsFor", // a key of an issuer with several algorithms
	"ReasonLibrary":      "TestWhatOnlyGoOIDCRefusesIsRefused",
	"ReasonUnspecified":  "TestReasonsAreDistinctAndClassed", // the zero Error's
}

// A new refusal is not done before an attack that it stops is in the suite.
func TestEveryRefusalHasAnAttackThatItStops(t *testing.T) {
	reasons, tests := packageSource(t)
	if len(reasons) < 30 {
		t.Fatalf("only %d reasons found: %v", len(reasons), reasons)
	}
	wanted := map[Reason]bool{}
	for _, a := range allAttacks(t) {
		wanted[a.want] = true
	}
	for name, reason := range reasons {
		if errors.Is(&Error{Reason: reason}, ErrUnavailable) {
			continue
		}
		test, elsewhere := provenElsewhere[name]
		switch {
		case elsewhere && wanted[reason]:
			t.Errorf("%s has rows now: take it out of provenElsewhere", name)
		case elsewhere && !tests[test][name] && !tests[test][string(reason)]:
			t.Errorf("%s: there is no %s that speaks of it", name, test)
		case !elsewhere && !wanted[reason]:
			t.Errorf("%s (%q): no row wants it; write the token that it stops", name, reason)
		}
	}
	values := slices.Collect(maps.Values(reasons))
	for reason := range wanted {
		if !slices.Contains(values, reason) {
			t.Errorf("rows want %q, which is no reason", reason)
		}
	}
	for name := range provenElsewhere {
		if reasons[name] == "" {
			t.Errorf("provenElsewhere: there is no %s", name)
		}
	}
}

// allAttacks are the rows of all suites; each is refused in its own suite's test.
func allAttacks(t *testing.T) []attack {
	t.Helper()
	w := newWorld(t, 2)
	rows := publishedAttacks(t, w)
	for _, group := range []func(*testing.T, *world) []attack{
		formAttacks, headerAttacks, signatureAttacks, payloadAttacks, tupleAttacks, timeAttacks, purposeAttacks,
	} {
		rows = append(rows, group(t, w)...)
	}
	rows = append(rows, estateAttacks(t, newEstate(t))...)
	return append(rows, signatureForms(t, newWorld(t, 2))...)
}

// packageSource reads the constants of type Reason, by name, and for each test
// the identifiers and strings that it holds.
func packageSource(t *testing.T) (map[string]Reason, map[string]map[string]bool) {
	t.Helper()
	reasons, tests := map[string]Reason{}, map[string]map[string]bool{}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.GenDecl:
				readReasons(t, d, reasons)
			case *ast.FuncDecl:
				tests[d.Name.Name] = words(d)
			}
		}
	}
	return reasons, tests
}

func readReasons(t *testing.T, d *ast.GenDecl, into map[string]Reason) {
	t.Helper()
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || d.Tok != token.CONST || !strings.HasPrefix(v.Names[0].Name, "Reason") {
			continue
		}
		typ, named := v.Type.(*ast.Ident)
		if !named || typ.Name != "Reason" || len(v.Names) != 1 || len(v.Values) != 1 {
			t.Fatalf("%s is not written as the others are: Name Reason = \"text\"", v.Names[0].Name)
		}
		literal, ok := v.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no literal", v.Names[0].Name)
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		into[v.Names[0].Name] = Reason(text)
	}
}

func words(f *ast.FuncDecl) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			found[n.Name] = true
		case *ast.BasicLit:
			for _, w := range strings.FieldsFunc(n.Value, func(r rune) bool { return r == ' ' || r == '"' || r == '`' || r == ':' }) {
				found[w] = true
			}
		}
		return true
	})
	return found
}
