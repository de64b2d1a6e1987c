package adminclient_test

import (
	"testing"

	"scopegate/internal/adminclient"
)

// TestAProblemNamesFieldAndValueOnce, also where the message does so itself.
func TestAProblemNamesFieldAndValueOnce(t *testing.T) {
	for want, f := range map[string]adminclient.Fault{
		`limit "0": expected number >= 1`:               {Location: "body.limit", Message: "expected number >= 1", Value: 0},
		`revision "0-A": must be as 12-5HEKZQ`:          {Location: "body.revision", Message: `revision "0-A": must be as 12-5HEKZQ`, Value: "0-A"},
		`principalId: must be at most 1000 bytes`:       {Location: "path.principalId", Message: "principalId: must be at most 1000 bytes", Value: "x"},
		`revision "0-A": revisions are read from ETags`: {Location: "revision", Message: "revisions are read from ETags", Value: "0-A"},
		"is no JSON": {Message: "is no JSON"},
	} {
		p := adminclient.Problem{Status: 422, Detail: "no", Errors: []adminclient.Fault{f}}
		if got := p.Error(); got != "the admin API answers 422: no\n  "+want {
			t.Errorf("%+v is told as\n%s", f, got)
		}
	}
}
