package config

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/mapping"
)

var (
	tableForm  = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
	tenantForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// TestFormsAreTheirExpressions: on the edges, with each byte put into each place of
// a good one, and at random.
func TestFormsAreTheirExpressions(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, s string) {
		if got, want := isTableName(s), tableForm.MatchString(s); got != want {
			t.Errorf("isTableName(%q) = %v, the expression says %v", s, got, want)
		}
		if got, want := mapping.IsGUID(s), tenantForm.MatchString(s); got != want {
			t.Errorf("mapping.IsGUID(%q) = %v, the expression says %v", s, got, want)
		}
	}
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	for _, s := range []string{"", "a", "ab", "abc", strings.Repeat("a", 255), strings.Repeat("a", 256), tenant, tenant + "\n", tenant[:35], tenant + "0"} {
		check(t, s)
	}
	for i := range len(tenant) {
		for c := range 256 {
			check(t, tenant[:i]+string([]byte{byte(c)})+tenant[i+1:])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-fA-F-]{34,38}`), rapid.StringMatching(`[A-Za-z0-9_.@-]{0,260}`),
			rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)).Draw(t, "text")
		check(t, s)
	})
}
