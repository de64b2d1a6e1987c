package mapping_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/mapping"
)

// TestAGUIDIsWhatItsExpressionSays: in lower case, and in any case after ToLower, as
// store.CanonicalPrincipal asks. No letter beyond ASCII becomes a digit of a GUID.
func TestAGUIDIsWhatItsExpressionSays(t *testing.T) {
	lower := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	either := regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)
	check := func(t interface{ Errorf(string, ...any) }, s string) {
		if got, want := mapping.IsGUID(s), lower.MatchString(s); got != want {
			t.Errorf("IsGUID(%q) = %v, the expression says %v", s, got, want)
		}
		if got, want := mapping.IsGUID(strings.ToLower(s)), either.MatchString(s); got != want {
			t.Errorf("IsGUID(ToLower(%q)) = %v, the expression says %v", s, got, want)
		}
	}
	const guid = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	for _, s := range []string{"", guid, strings.ToUpper(guid), guid + "\n", guid[:35], guid + "0"} {
		check(t, s)
	}
	for i := range len(guid) {
		for r := range rune(0x3000) {
			check(t, guid[:i]+string(r)+guid[i+1:])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-fA-FK-]{34,38}`), rapid.StringMatching(`[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`)).Draw(t, "text"))
	})
}
