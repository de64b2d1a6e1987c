package admin

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

func TestBodiesAreReadExactly(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"a":1,"b":[{"a":1},{"a":2}]}`:                         true,
		`{"owners":[{"tenant":"A"}],"owners":[{"tenant":"B"}]}`: false,
		`{"a":{"b":1,"b":2}}`:                                   false,
		`[{"a":1,"a":1}]`:                                       false,
		"{\"a\":\"\xff\"}":                                      false,
		strings.Repeat("[", 50) + strings.Repeat("]", 50):       false,
		`{"a":`: false,
	} {
		var v any
		if err := exactJSON.Unmarshal([]byte(body), &v); (err == nil) != ok {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestAnErrorsAnswerIsBounded however much of the body is wrong.
func TestAnErrorsAnswerIsBounded(t *testing.T) {
	object := map[string]any{"long": strings.Repeat("x", 10_000)}
	var errs []error
	for range 5_000 {
		errs = append(errs, &huma.ErrorDetail{Location: "body.x", Message: "unexpected property", Value: object})
	}
	errs[0] = &huma.ErrorDetail{Location: "body.y", Message: "too long", Value: strings.Repeat("ü", 10_000)}
	b, err := json.Marshal(huma.NewError(422, "the request breaks rules", append(errs, errors.New("x"))...))
	if err != nil || len(b) > 20_000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if !strings.Contains(string(b), "and 4901 more faults") || !strings.Contains(string(b), "too long") {
		t.Errorf("%.500s", b)
	}
}
