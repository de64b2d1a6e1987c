package mapping_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// The forms of an API's ARN, a stage and a GUID, as one reads them.
var (
	arnForm   = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):execute-api:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_-]{1,64}$`)
	stageForm = regexp.MustCompile(`^([A-Za-z0-9_-]{1,128}|\$default)$`)
	guidForm  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// drawSpoilt draws a text that was right and has something in it, out of it, or
// too often in it.
func drawSpoilt(t *rapid.T, right ...string) string {
	s := rapid.SampledFrom(right).Draw(t, "text")
	for range rapid.IntRange(0, 2).Draw(t, "times") {
		at := rapid.IntRange(0, len(s)).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			s = s[:at] + rapid.SampledFrom([]string{":", "/", "A", "g", "-", "_", "0", "*", "\n", "é", "\xff", "K", " "}).Draw(t, "more") + s[at:]
		case 1:
			s = s[:at] + s[min(len(s), at+rapid.IntRange(1, 3).Draw(t, "less")):]
		default:
			s = s[:at] + strings.Repeat(rapid.SampledFrom([]string{"a", "0", "a-"}).Draw(t, "filling"), rapid.IntRange(1, 130).Draw(t, "many")) + s[at:]
		}
	}
	return s
}

// An API's ARN and a stage are right exactly where their forms match.
func TestParseAPIKnowsTheForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arn := drawSpoilt(t, tabletest.API.ARN, "arn:aws-cn:execute-api:cn-north-1:000000000000:a_B-9", "arn:aws-us-gov:execute-api:x:123456789012:"+strings.Repeat("a", 64), "")
		stage := drawSpoilt(t, "dev", "$default", "A_b-9", strings.Repeat("s", 128), "", "$", "$Default")
		_, err := mapping.ParseAPI(arn, stage)
		if want := arnForm.MatchString(arn) && stageForm.MatchString(stage); (err == nil) != want {
			t.Fatalf("ParseAPI(%q, %q): %v, the forms say %v", arn, stage, err, want)
		}
	})
}

// A tenant is a GUID exactly where its form matches.
func TestATenantIsAGUID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tenant := drawSpoilt(t, tabletest.Trust[0].Tenant, strings.ToUpper(tabletest.Trust[0].Tenant), "0")
		err := mapping.Trust{Tenant: tenant, Audiences: []string{"a"}}.Validate()
		want := guidForm.MatchString(strings.ToLower(tenant))
		if (err == nil) != want {
			t.Fatalf("a trust list's %q: %v, the form says %v", tenant, err, want)
		}
		doc, err := json.Marshal(map[string]string{"arn": tabletest.API.ARN, "stage": "dev", "httpVerb": "GET", "resource": "a", "scope": "s", "tenant": tenant})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mapping.ParsePermission(doc); (err == nil) != want {
			t.Fatalf("a permission's %q: %v, the form says %v", tenant, err, want)
		}
	})
}
