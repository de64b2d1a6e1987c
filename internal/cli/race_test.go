package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/internal/dev"
	"scopegate/internal/openapi"
	"scopegate/mapping"
)

// overlapping is a table of permissions on resources, and two connections to it.
func overlapping(t *testing.T, resources ...string) (one, other *connection) {
	t.Helper()
	settings, err := config.Load(nil, config.Store)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dev.OpenData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	open := func() *connection {
		client, err := newDirect(s, "direct:test", settings)
		if err != nil {
			t.Fatal(err)
		}
		return &connection{Client: client, settings: settings, tables: s, direct: true}
	}
	one, other = open(), open()
	if len(resources) > 0 {
		become(t, other, resources...)
	}
	return one, other
}

// listOf is a file of permissions.
func listOf(t *testing.T, resources ...string) *document {
	t.Helper()
	list := []mapping.Permission{}
	for _, r := range resources {
		list = append(list, permission(t, r, ""))
	}
	b, err := json.Marshal(map[string]any{"arn": dev.SeedAPI.ARN, "stage": dev.SeedAPI.Stage, "permissions": list})
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDocumentFile(b, rewrite{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// become makes the table what somebody wants it to be.
func become(t *testing.T, c *connection, resources ...string) {
	t.Helper()
	change, err := c.plan(t.Context(), listOf(t, resources...), writes{})
	if err != nil {
		t.Fatal(err)
	}
	var done adminclient.Applied
	if err := change.apply(t.Context(), &done); err != nil {
		t.Fatal(err)
	}
}

// TestAnImportPutsNothingBackThatWasTakenAwayMeanwhile: what is kept of a table is
// what it held when it was read, and it must still be so when the plan is made.
func TestAnImportPutsNothingBackThatWasTakenAwayMeanwhile(t *testing.T) {
	r, err := openapi.Read([]byte("openapi: 3.0.0\npaths: {/new: {get: {}}}"), openapi.Options{API: dev.SeedAPI})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before []string
		change func(t *testing.T, other *connection)
	}{
		"a permission": {[]string{"kept", "closed"}, func(t *testing.T, other *connection) { become(t, other, "kept") }},
		"the table": {[]string{"kept", "closed"}, func(t *testing.T, other *connection) {
			_, at, err := other.API(t.Context(), dev.SeedAPI)
			if err == nil {
				_, err = other.Delete(t.Context(), dev.SeedAPI, at)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		"nothing, but somebody made the table": {nil, func(t *testing.T, other *connection) { become(t, other, "theirs") }},
	} {
		t.Run(name, func(t *testing.T) {
			mine, other := overlapping(t, c.before...)
			d, _, err := mine.importing(t.Context(), dev.SeedAPI, r, false)
			if err != nil {
				t.Fatal(err)
			}
			c.change(t, other)
			if change, err := mine.plan(t.Context(), d, writes{}); err == nil {
				t.Errorf("it plans %+v", change.plan.Permissions)
			} else if exitCode(ran{err}) != Negative || !strings.Contains(err.Error(), "revision") {
				t.Errorf("%v ends with %d", err, exitCode(ran{err}))
			}
			d, _, err = mine.importing(t.Context(), dev.SeedAPI, r, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := mine.plan(t.Context(), d, writes{}); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestAReviewedPlanIsNotAppliedToATableThatIsGone: nor is one for a new table to one
// that somebody made meanwhile.
func TestAReviewedPlanIsNotAppliedToATableThatIsGone(t *testing.T) {
	mine, other := overlapping(t)
	if _, err := mine.plan(t.Context(), listOf(t, "a"), writes{revision: "3-gone"}); err == nil || exitCode(ran{err}) != Negative || !strings.Contains(err.Error(), "there is no table") {
		t.Errorf("error %v", err)
	}
	change, err := mine.plan(t.Context(), listOf(t, "a"), writes{revision: "none"})
	if err != nil || change.exists {
		t.Fatalf("planned %+v: %v", change, err)
	}
	become(t, other, "theirs")
	var done adminclient.Applied
	if err := change.apply(t.Context(), &done); err == nil || done.Revision != "" || !strings.Contains(notApplied(err).Error(), "nothing was written") {
		t.Errorf("applied %+v: %v", done, err)
	}
	now, err := mine.load(t.Context(), dev.SeedAPI)
	if err != nil || len(now.Permissions) != 1 || now.Permissions[0].Resource.String() != "theirs" {
		t.Errorf("the table is %+v: %v", now.Permissions, err)
	}
	if _, err := mine.plan(t.Context(), listOf(t, "a"), writes{revision: "none"}); err == nil {
		t.Error("a table that is there passes for none")
	}
}
