package layout_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/layout"
)

type item = map[string]types.AttributeValue

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func b(v bool) types.AttributeValue   { return &types.AttributeValueMemberBOOL{Value: v} }
func step(n int, more ...any) item {
	it := item{"pk": s("migrations"), "sk": s(fmt.Sprintf("step#%04d", n)), "name": s("x")}
	for i := 0; i < len(more); i += 2 {
		it[more[i].(string)] = more[i+1].(types.AttributeValue)
	}
	return it
}

// pages answers queries with one page after the other.
type pages struct {
	all [][]item
	err error
	n   int
}

func (p *pages) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if p.err != nil {
		return nil, p.err
	}
	out := &dynamodb.QueryOutput{}
	if p.n < len(p.all) {
		out.Items = p.all[p.n]
	}
	if p.n++; p.n < len(p.all) {
		out.LastEvaluatedKey = item{"pk": s("migrations")}
	}
	return out, nil
}

func TestALedgerIsReadPageByPage(t *testing.T) {
	client := &pages{all: [][]item{{step(1, "appliedAt", s("t"))}, {}, {step(2), step(10001, "breaking", b(true), "appliedAt", s("t"))}}}
	got, err := layout.Read(t.Context(), client, "t")
	if err != nil {
		t.Fatal(err)
	}
	want := []layout.Entry{{1, "x", false, true}, {2, "x", false, false}, {10001, "x", true, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestALedgerThatCannotBeReadIsAnError(t *testing.T) {
	for name, bad := range map[string]item{
		"a number": {"sk": &types.AttributeValueMemberN{Value: "1"}}, "no key": {}, "no step": {"sk": s("step#x")}, "step 0": {"sk": s("step#0000")},
	} {
		if _, err := layout.Read(t.Context(), &pages{all: [][]item{{bad}}}, "t"); !errors.Is(err, layout.ErrMismatch) {
			t.Errorf("%s: %v, want ErrMismatch", name, err)
		}
	}
	cut := errors.New("cut")
	if _, err := layout.Read(t.Context(), &pages{err: cut}, "t"); !errors.Is(err, cut) {
		t.Errorf("%v, want the client's", err)
	}
}

// TestCodeAndTableFit both ways: what is unknown and breaking stops the code,
// begun or done; what is missing stops it only where it cannot do without.
func TestCodeAndTableFit(t *testing.T) {
	code := layout.Code{Newest: 3, Needs: 2}
	taken := func(more ...layout.Entry) []layout.Entry {
		return append([]layout.Entry{{1, "a", false, true}, {2, "b", true, true}}, more...)
	}
	for name, c := range map[string]struct {
		code   layout.Code
		ledger []layout.Entry
		want   error
	}{
		"as it should be":             {code, taken(layout.Entry{3, "c", false, true}), nil},
		"older, but enough":           {code, taken(), nil},
		"older, and not enough":       {code, []layout.Entry{{1, "a", false, true}}, layout.ErrBehind},
		"the needed step has begun":   {code, []layout.Entry{{1, "a", false, true}, {2, "b", true, false}}, layout.ErrBehind},
		"no ledger":                   {code, nil, layout.ErrBehind},
		"no ledger, nothing needed":   {layout.Code{Newest: 3}, nil, nil},
		"newer, not breaking":         {code, taken(layout.Entry{4, "d", false, true}), nil},
		"newer, breaking":             {code, taken(layout.Entry{4, "d", false, true}, layout.Entry{5, "e", true, true}), layout.ErrAhead},
		"newer, breaking, just begun": {code, taken(layout.Entry{4, "d", true, false}), layout.ErrAhead},
		"breaking, and known":         {code, taken(layout.Entry{3, "c", true, false}), nil},
	} {
		if err := c.code.Check(c.ledger); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestABreakingMarkThatCannotBeReadCounts: to pass it over would be to read on.
func TestABreakingMarkThatCannotBeReadCounts(t *testing.T) {
	for name, c := range map[string]struct {
		mark types.AttributeValue
		want error
	}{"yes": {b(true), layout.ErrAhead}, "no": {b(false), nil}, "a string": {s("no"), layout.ErrAhead}, "a number": {&types.AttributeValueMemberN{Value: "0"}, layout.ErrAhead}} {
		err := layout.Current.Fits(t.Context(), &pages{all: [][]item{{step(9999, "breaking", c.mark)}}}, "t")
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzEntry: whatever a person writes into the ledger is read, or refused, and
// never makes the reader fall over.
func FuzzEntry(f *testing.F) {
	f.Add("step#0001", "name", true)
	f.Add("step#", "", false)
	f.Add("step#-1", "n", true)
	f.Fuzz(func(t *testing.T, sk, name string, breaking bool) {
		ledger, err := layout.Read(t.Context(), &pages{all: [][]item{{{"sk": s(sk), "name": s(name), "breaking": b(breaking)}}}}, "t")
		if err != nil && !errors.Is(err, layout.ErrMismatch) || err == nil && (ledger[0].Number < 1 || ledger[0].Breaking != breaking) {
			t.Errorf("%+v, %v", ledger, err)
		}
	})
}
