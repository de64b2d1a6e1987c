package mapping_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"scopegate/mapping"
)

func TestReadingsListsEveryWayInWhichDecideReadsAPath(t *testing.T) {
	const arn = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"
	permissions, err := mapping.ParsePermissions([]byte(`[
		{"arn": "` + arn + `", "stage": "dev", "httpVerb": "GET", "resource": "u/{id}", "scope": "read"},
		{"arn": "` + arn + `", "stage": "dev", "httpVerb": "GET", "resource": "u/admin", "scope": "admin"},
		{"arn": "` + arn + `", "stage": "dev", "httpVerb": "GET", "resource": "files/*", "scope": "read"}]`))
	if err != nil {
		t.Fatal(err)
	}
	issuer := "https://issuer.example"
	table, err := mapping.NewTable(mapping.Source{
		API: permissions[0].API, Permissions: permissions,
		Trust: []mapping.Trust{{Issuer: issuer, Audiences: []string{"a"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	held := table.Held(mapping.Caller{Issuer: issuer, Audience: "a", Scopes: []string{"read"}}, time.Unix(0, 0))
	for path, want := range map[string][]string{
		"/u/7":         {"/u/7 GET /u/{id} held"},
		"/u/%61dmin":   {"/u/%61dmin GET /u/{id} held", "/u/admin GET /u/admin not held"},
		"/u/7/":        {"/u/7/ none", "/u/7 GET /u/{id} held"},
		"/u/%61dmin/":  {"/u/%61dmin/ none", "/u/%61dmin GET /u/{id} held", "/u/admin/ none", "/u/admin GET /u/admin not held"},
		"/files/a/b":   {"/files/a/b none, pattern"},
		"/nothing":     {"/nothing none"},
		"/u//7":        nil,
		"/u/%2e%2e/u":  nil,
		"no/root":      nil,
		"/u/a%2F%2Fb/": nil,
	} {
		var got []string
		for _, r := range table.Readings(held, "GET", path) {
			line := r.Path + " none"
			if r.Route != nil {
				line = r.Path + " " + r.Route.String() + map[bool]string{true: " held", false: " not held"}[r.Held]
			}
			if r.Pattern {
				line += ", pattern"
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("readings of %s (-want +got):\n%s", path, diff)
		}
	}
	if got := table.Readings(held, "BREW", "/nothing"); len(got) != 1 || got[0].Route != nil {
		t.Errorf("an unknown method finds a route: %+v", got)
	}
}
