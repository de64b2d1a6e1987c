package cli_test

import (
	"fmt"
	"os/user"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
)

// plannedOutput is what a program reads of plan, apply and restore.
type plannedOutput struct {
	ARN, Stage                  string
	Exists, Changes, Registered bool
	Plan                        struct {
		Revision      string
		Gains, Losses []struct{ Requirement, Route string }
		Permissions   struct{ Unchanged int }
	}
	Applied *appliedOutput
}

type appliedOutput struct {
	Revision, Flush, EffectiveBy       string
	Added, Changed, Removed, Unchanged int
}

type auditOutput struct {
	Records []struct {
		ChangeID, By, Before, After string
		Counts                      struct{ Put, Removed int }
	}
}

// edited is the example's document with another scope for my-resource.
func edited(t *testing.T, w way) string {
	t.Helper()
	text := w.ok(t, "", with(seedTable, "export")...)
	if !strings.Contains(text, "scope: email") {
		t.Fatalf("export prints\n%s", text)
	}
	return strings.Replace(text, "scope: email", "scope: mail.read", 1)
}

const mailTests = `{"cases": [
  {"name": "readers of mail", "caller": {"scopes": ["mail.read"]}, "calls": [
    {"method": "GET", "path": "/my-resource", "expect": "allow", "reason": "held_route"},
    {"method": "GET", "path": "/orders/7", "expect": "deny"}]},
  {"name": "who had it before", "caller": {"scopes": ["email"]}, "calls": [{"method": "GET", "path": "/my-resource", "expect": "deny"}]}]}`

func TestATablesLifeByEveryWay(t *testing.T) {
	everyWay(t, tablesLife)
	t.Run("admin", func(t *testing.T) {
		ready := inProcess(t, environment(t))
		tablesLife(t, way{name: "admin", env: []string{"SCOPEGATE_ADMIN=" + ready.AdminURL, "SCOPEGATE_TOKEN=" + adminToken(t, ready)}})
	})
}

func tablesLife(t *testing.T, w way) {
	original := w.ok(t, "", with(seedTable, "export")...)
	changed := edited(t, w)

	var plan plannedOutput
	w.into(t, &plan, changed, "plan", "-")
	if !plan.Exists || !plan.Changes || len(plan.Plan.Gains) != 1 || plan.Plan.Gains[0].Requirement != "scope mail.read" || plan.Plan.Gains[0].Route != "GET /my-resource" ||
		len(plan.Plan.Losses) != 1 || plan.Plan.Losses[0].Requirement != "scope email" || plan.Applied != nil {
		t.Fatalf("plan %+v", plan)
	}
	if _, _, code := w.run(t, changed, "plan", "--fail-on-changes", "-"); code != cli.Negative {
		t.Errorf("plan --fail-on-changes ends with %d", code)
	}
	if stdout, _, code := w.run(t, mailTests, with(seedTable, "test", "-")...); code != cli.Negative || !strings.Contains(stdout, "1 passed, 2 failed") {
		t.Errorf("tests before the change end with %d:\n%s", code, stdout)
	}

	var done plannedOutput
	stdout, stderr, code := w.run(t, changed, "apply", "--yes", "--revision", plan.Plan.Revision, "-")
	if code != cli.OK || !strings.Contains(stdout, "1 added, 0 changed, 1 removed, 2 unchanged, revision 2-") || strings.Contains(stderr, "not flushed") != w.direct {
		t.Fatalf("apply ends with %d:\n%s%s", code, stdout, stderr)
	}
	w.into(t, &done, changed, "apply", "--yes", "-")
	if done.Applied != nil || done.Plan.Permissions.Unchanged != 3 {
		t.Errorf("the same again: %+v", done)
	}
	w.ok(t, mailTests, with(seedTable, "test", "-")...)

	var audit auditOutput
	w.into(t, &audit, "", with(seedTable, "audit")...)
	if len(audit.Records) != 2 || audit.Records[0].Counts.Put != 1 || audit.Records[0].Counts.Removed != 1 || audit.Records[0].Before != plan.Plan.Revision {
		t.Fatalf("audit %+v", audit)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if by := audit.Records[0].By; (by == "direct:"+me.Username) != w.direct {
		t.Errorf("changed by %q", by)
	}
	w.ok(t, "", with(seedTable, "wait", "--revision", audit.Records[0].After)...)

	w.into(t, &done, "", with(seedTable, "restore", "--yes", "--revision", audit.Records[0].Before)...)
	if done.Applied == nil || done.Applied.Added != 1 || done.Applied.Removed != 1 {
		t.Errorf("restore %+v", done)
	}
	if again := w.ok(t, "", with(seedTable, "export")...); again != original {
		t.Errorf("restored is\n%s\nwas\n%s", again, original)
	}
	w.into(t, &audit, "", with(seedTable, "audit")...)
	if len(audit.Records) != 3 {
		t.Errorf("going back is no change of its own: %+v", audit)
	}
	if stdout := w.ok(t, "", with(seedTable, "restore", "--yes", "--revision", "2")...); !strings.Contains(stdout, "1 added, 0 changed, 1 removed, 2 unchanged, revision 4-") {
		t.Errorf("restored by the number alone: %s", stdout)
	}
	before := w.ok(t, "", with(seedTable, "export")...)
	if stdout := w.ok(t, "", with(seedTable, "restore", "--dry-run", "--revision", "1")...); !strings.Contains(stdout, "permissions: 1 added, 1 removed, 0 changed, 2 unchanged") {
		t.Errorf("what restoring would do: %s", stdout)
	}
	var dry plannedOutput
	w.into(t, &dry, original, "apply", "--dry-run", "-")
	if !dry.Exists || !dry.Changes || dry.Applied != nil {
		t.Errorf("what applying would do: %+v", dry)
	}
	if after := w.ok(t, "", with(seedTable, "export")...); after != before {
		t.Errorf("a dry run has made\n%s\nof\n%s", after, before)
	}
	for number, want := range map[string]int{"0": cli.Usage, "-1": cli.Usage, "2x": cli.Usage, "99": cli.Negative} {
		if _, stderr, code := w.run(t, "", with(seedTable, "restore", "--yes", "--revision", number)...); code != want {
			t.Errorf("restore --revision %s ends with %d: %s", number, code, stderr)
		}
	}
}

func TestPromotionGivesTheSameTableElsewhere(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		const prod = "arn:aws:execute-api:eu-central-1:219852565112:prodprod00"
		for _, format := range []string{"yaml", "json"} {
			stage := "prod-" + format
			text := w.ok(t, "", with(seedTable, "export", "--arn", prod, "--to-stage", stage, "-o", format)...)
			if strings.Contains(text, dev.SeedAPI.ID()) {
				t.Fatalf("export names the old API:\n%s", text)
			}
			stdout, _, code := w.run(t, text, "apply", "--yes", "-")
			if code != cli.OK || !strings.Contains(stdout, "does not exist: it is registered first") || !strings.Contains(stdout, "3 added") {
				t.Fatalf("apply ends with %d:\n%s", code, stdout)
			}
			if again := w.ok(t, "", "export", "--api", prod, "--stage", stage, "-o", format); again != text {
				t.Errorf("promoted is\n%s\nwant\n%s", again, text)
			}
			back := w.ok(t, "", "export", "--api", prod, "--stage", stage, "--arn", dev.SeedAPI.ARN, "--to-stage", dev.SeedAPI.Stage)
			if original := w.ok(t, "", with(seedTable, "export")...); back != original {
				t.Errorf("there and back is\n%s\nwas\n%s", back, original)
			}
		}
		same := w.ok(t, w.ok(t, "", with(seedTable, "export")...), "apply", "--yes", "--arn", prod, "--stage", "prod-json", "-")
		if !strings.Contains(same, "nothing to change") {
			t.Errorf("rewritten by apply: %s", same)
		}
	})
}

// What was reviewed is what is applied: a table that has moved on is left alone.
func TestApplyRefusesATableThatHasMovedOn(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		var plan plannedOutput
		changed := edited(t, w)
		w.into(t, &plan, changed, "plan", "-")
		w.ok(t, "", with(seedTable, "permissions", "add", "GET", "between", "--scope", "b")...)
		moved := w.ok(t, "", with(seedTable, "export")...)
		stdout, stderr, code := w.run(t, changed, "apply", "--yes", "--revision", plan.Plan.Revision, "-")
		if code != cli.Negative || stdout != "" || !strings.Contains(stderr, "412") {
			t.Errorf("apply ends with %d: %s%s", code, stdout, stderr)
		}
		if now := w.ok(t, "", with(seedTable, "export")...); now != moved {
			t.Errorf("something was written:\n%s", now)
		}
	})
}

func TestApplyAsksNobodyWhereNobodyIs(t *testing.T) {
	ready := inProcess(t, environment(t))
	w := way{at: []string{"--dev", ready.AdminURL}}
	for _, args := range [][]string{{"apply", "-"}, {"apply", "--json", "-"}, with(seedTable, "restore", "--revision", "1-x")} {
		stdout, stderr, code := w.run(t, edited(t, w), args...)
		if code != cli.Usage || stdout != "" || !strings.Contains(stderr, "--yes") {
			t.Errorf("%v ends with %d: %s%s", args, code, stdout, stderr)
		}
	}
}

func TestABadDocumentChangesNothing(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		original := w.ok(t, "", with(seedTable, "export", "-o", "json")...)
		for name, c := range map[string]struct{ text, says string }{
			"a bad verb":            {strings.Replace(original, `"GET"`, `"GRAB"`, 1), "GRAB"},
			"an unknown field":      {strings.Replace(original, `"permissions"`, `"permisions"`, 1), `"permisions"`},
			"a name twice":          {strings.Replace(original, `"stage": "dev",`, `"stage": "dev", "stage": "dev",`, 1), "stage"},
			"no permissions":        {`{"arn": "` + dev.SeedAPI.ARN + `", "stage": "dev"}`, "permissions: must be given"},
			"several tables":        {strings.Replace(seeds(t), `"stage":"dev"`, `"stage":"prod"`, 1), "must be of the table of the first"},
			"an empty list":         {"[]", "holds no permission"},
			"no document":           {"hello", "document"},
			"another's permission":  {strings.Replace(original, `"stage": "dev",`+"\n      \"httpVerb\"", `"stage": "other",`+"\n      \"httpVerb\"", 1), "arn and stage"},
			"an alias":              {"a: &a 1\nb: *a\n", "line"},
			"a new table with them": {strings.ReplaceAll(strings.Replace(original, `"GET"`, `"GRAB"`, 1), `"dev"`, `"new"`), "GRAB"},
		} {
			stdout, stderr, code := w.run(t, c.text, "apply", "--yes", "-")
			if code != cli.Negative || stdout != "" || !strings.Contains(stderr, c.says) {
				t.Errorf("%s: ends with %d, does not say %q: %s%s", name, code, c.says, stdout, stderr)
			}
		}
		if now := w.ok(t, "", with(seedTable, "export", "-o", "json")...); now != original {
			t.Errorf("something was written:\n%s", now)
		}
		if all := w.ok(t, "", "apis"); strings.Count(all, "\n") != 2 {
			t.Errorf("a table was made:\n%s", all)
		}
	})
}

func TestAListOfPermissionsStandsForThoseOfItsTable(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		one := `[{"arn": "` + dev.SeedAPI.ARN + `", "stage": "dev", "httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read"}]`
		stdout := w.ok(t, one, "apply", "--yes", "-")
		if !strings.Contains(stdout, "0 added, 0 changed, 2 removed, 1 unchanged") {
			t.Errorf("apply says\n%s", stdout)
		}
	})
}

func TestRevocationsByEveryWay(t *testing.T) {
	const principal = "11111111-2222-4333-8444-555555555555:AAAAAAAA-0000-4000-8000-000000000009"
	everyWay(t, func(t *testing.T, w way) {
		var revoked struct{ PrincipalID, Reason, At, Until, Flush string }
		w.into(t, &revoked, "", "revoke", principal, "--reason", "laptop stolen", "--for", "48h")
		if revoked.PrincipalID != strings.ToLower(principal) || revoked.Reason != "laptop stolen" || revoked.Until <= revoked.At {
			t.Errorf("revoked %+v", revoked)
		}
		if list := w.ok(t, "", "revocations"); !strings.Contains(list, strings.ToLower(principal)) || !strings.Contains(list, "laptop stolen") {
			t.Errorf("revocations are\n%s", list)
		}
		w.ok(t, "", "unrevoke", principal)
		if list := w.ok(t, "", "revocations", "--json"); strings.Contains(list, "aaaaaaaa") {
			t.Errorf("revocations are\n%s", list)
		}
		if _, stderr, code := w.run(t, "", "unrevoke", principal); code != cli.Negative || !strings.Contains(stderr, "404") {
			t.Errorf("again ends with %d: %s", code, stderr)
		}
		if trail := w.ok(t, "", "audit", "--revocations"); strings.Count(trail, strings.ToLower(principal)) != 2 || !strings.Contains(trail, ": laptop stolen") {
			t.Errorf("the trail is\n%s", trail)
		}
		for _, args := range [][]string{{"revoke", "nobody"}, {"unrevoke", "nobody"}} {
			if _, stderr, code := w.run(t, "", args...); code != cli.Negative || !strings.Contains(stderr, "must be {tid}:{oid}") {
				t.Errorf("%v ends with %d: %s", args, code, stderr)
			}
		}
		if _, stderr, code := w.run(t, "", "revoke", "--for", "1h", principal); code != cli.Usage || !strings.Contains(stderr, "at least 29h") {
			t.Errorf("an hour ends with %d: %s", code, stderr)
		}
	})
}

func TestSinglePermissionsByEveryWay(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		var added struct{ ID, ExpiresAt, Revision, Description string }
		w.into(t, &added, "", with(seedTable, "permissions", "add", "post", "orders/{orderId}/lines", "--scope", "b a", "--for", "8h", "--description", "for the audit")...)
		if added.ID == "" || added.ExpiresAt == "" || !strings.HasPrefix(added.Revision, "2-") {
			t.Fatalf("added %+v", added)
		}
		if _, stderr, code := w.run(t, "", with(seedTable, "permissions", "add", "POST", "orders/{x}/lines", "--scope", "a b")...); code != cli.Negative || !strings.Contains(stderr, `"permissions set `+added.ID+`" changes`) {
			t.Errorf("again ends with %d: %s", code, stderr)
		}
		list := w.ok(t, "", "permissions", "--scope", "a")
		if strings.Count(list, "\n") != 2 || !strings.Contains(list, added.ID) || !strings.Contains(list, added.ExpiresAt) || !strings.Contains(list, "POST /orders/{orderId}/lines") {
			t.Errorf("listed is\n%s", list)
		}
		w.ok(t, "", with(seedTable, "permissions", "set", added.ID, "--never")...)
		if list := w.ok(t, "", "permissions", "--resource", "orders/{y}/lines"); strings.Contains(list, added.ExpiresAt) || !strings.Contains(list, "for the audit") {
			t.Errorf("listed is\n%s", list)
		}
		w.ok(t, "", with(seedTable, "permissions", "delete", added.ID)...)
		if _, stderr, code := w.run(t, "", with(seedTable, "permissions", "delete", added.ID)...); code != cli.Negative || !strings.Contains(stderr, "404") {
			t.Errorf("again ends with %d: %s", code, stderr)
		}
		routes := w.ok(t, "", with(seedTable, "routes")...)
		if !strings.Contains(routes, "POST /orders/{orderId}/lines  nobody") {
			t.Errorf("routes are\n%s", routes)
		}
		w.ok(t, "", with(seedTable, "routes", "delete", "--yes", "POST /orders/{orderId}/lines")...)
		if routes := w.ok(t, "", with(seedTable, "routes")...); strings.Contains(routes, "lines") {
			t.Errorf("routes are\n%s", routes)
		}
	})
}

func TestWhoCanAndWhatCanByEveryWay(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		if out := w.ok(t, "", with(seedTable, "who-can", "GET", "/orders/7")...); !strings.Contains(out, "scope orders.read") {
			t.Errorf("who-can says\n%s", out)
		}
		stdout, _, code := w.run(t, "", with(seedTable, "who-can", "DELETE", "/orders/7")...)
		if code != cli.Negative || !strings.Contains(stdout, "nobody") {
			t.Errorf("who-can ends with %d:\n%s", code, stdout)
		}
		var what struct{ Reach []struct{ Route string } }
		w.into(t, &what, "", with(seedTable, "what-can", "--scope", "email orders.admin")...)
		if len(what.Reach) != 2 || what.Reach[0].Route != "GET /my-resource" || what.Reach[1].Route != "GET /orders/export" {
			t.Errorf("what-can says %+v", what)
		}
		if stdout, _, code := w.run(t, "", with(seedTable, "what-can", "--scope", "nothing")...); code != cli.Negative || stdout != "nothing\n" {
			t.Errorf("what-can ends with %d:\n%s", code, stdout)
		}
	})
}

// A table of more items than one transaction of DynamoDB takes is made in one step
// all the same.
func TestALargeTableIsAppliedWhole(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		const n = 350
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"arn": %q, "stage": "big", "httpVerb": "GET", "resource": "r%d/{id}", "scope": "s%d"}`, dev.SeedAPI.ARN, i, i%7))
		}
		text := fmt.Sprintf(`{"arn": %q, "stage": "big", "permissions": [%s]}`, dev.SeedAPI.ARN, strings.Join(list, ","))
		var done plannedOutput
		w.into(t, &done, text, "apply", "--yes", "-")
		if !done.Registered || done.Applied == nil || done.Applied.Added != n {
			t.Fatalf("applied %+v", done.Applied)
		}
		var audit auditOutput
		w.into(t, &audit, "", "audit", "--api", dev.SeedAPI.ARN, "--stage", "big")
		if len(audit.Records) != 2 || audit.Records[0].Counts.Put != n {
			t.Errorf("audit %+v", audit)
		}
		var all struct{ Permissions []struct{ ID string } }
		w.into(t, &all, "", "permissions", "--api", dev.SeedAPI.ARN, "--stage", "big")
		if len(all.Permissions) != n {
			t.Errorf("%d permissions are there", len(all.Permissions))
		}
	})
}

// What a write refuses is shown, refused before anything is made, and written when
// it is forced.
func TestWhatAWriteRefusesIsForcedOnPurposeOnly(t *testing.T) {
	var list []string
	for i := range 60 {
		list = append(list, fmt.Sprintf(`{"arn": %q, "stage": "tight", "httpVerb": "GET", "resource": "collection-%d/items", "scope": "all"}`, dev.SeedAPI.ARN, i))
	}
	text := fmt.Sprintf(`{"arn": %q, "stage": "tight", "permissions": [%s]}`, dev.SeedAPI.ARN, strings.Join(list, ","))
	test := func(t *testing.T, w way) {
		stdout, stderr, code := w.run(t, text, "apply", "--yes", "-")
		if code != cli.Negative || !strings.Contains(stderr, "too_large") || !strings.Contains(stderr, "--force") || !strings.Contains(stdout, "does not exist") {
			t.Errorf("apply ends with %d: %s%s", code, stdout, stderr)
		}
		if all := w.ok(t, "", "apis"); strings.Contains(all, "tight") {
			t.Errorf("a table was made:\n%s", all)
		}
		var done plannedOutput
		w.into(t, &done, text, "apply", "--yes", "--force", "-")
		if done.Applied == nil || done.Applied.Added != 60 {
			t.Errorf("forced: %+v", done.Applied)
		}
	}
	t.Run("dev", func(t *testing.T) {
		ready := inProcess(t, environment(t, "POLICY_MAX_BYTES=1024"))
		test(t, way{at: []string{"--dev", ready.AdminURL}})
	})
	t.Run("data", func(t *testing.T) {
		w := way{at: []string{"--data", t.TempDir()}, env: []string{"POLICY_MAX_BYTES=1024"}}
		w.ok(t, "[]", "import", "-")
		test(t, w)
	})
}

// An owner works on his table with the same commands, and on no other.
func TestAnOwnerWorksOnHisTableAlone(t *testing.T) {
	ready := inProcess(t, environment(t))
	admins := way{at: []string{"--dev", ready.AdminURL}}
	mine := strings.Replace(admins.ok(t, "", "export"), "permissions:", "owners:\n  - {tenant: "+ready.Tenant+", role: Team.Orders}\npermissions:", 1)
	admins.ok(t, mine, "apply", "--yes", "-")
	admins.ok(t, mine, "apply", "--yes", "--stage", "other", "--force", "-")
	admins.ok(t, strings.Replace(mine, "Team.Orders", "Team.Other", 1), "apply", "--yes", "--stage", "other", "-")

	raw, _, _ := scopegate(t, "", "token", "--issuer", ready.IssuerURL, "--audience", ready.AdminAudience, "--scope", ready.AdminScope, "--role", "Team.Orders")
	w := way{env: []string{"SCOPEGATE_ADMIN=" + ready.AdminURL, "SCOPEGATE_TOKEN=" + raw}}
	if all := w.ok(t, "", "apis"); strings.Contains(all, "other") {
		t.Errorf("he sees\n%s", all)
	}
	w.ok(t, strings.Replace(w.ok(t, "", "export"), "scope: email", "scope: mail.read", 1), "apply", "--yes", "-")
	w.ok(t, mailTests, with(seedTable, "test", "-")...)
	w.ok(t, "", "audit")
	others := []string{"--api", dev.SeedAPI.ARN, "--stage", "other"}
	for _, args := range [][]string{
		append([]string{"export"}, others...), append([]string{"audit"}, others...), append([]string{"permissions", "add", "GET", "x", "--scope", "s"}, others...),
		{"apply", "--yes", "--stage", "other", "-"}, {"apply", "--yes", "--stage", "new", "-"}, {"revocations"},
	} {
		if stdout, stderr, code := w.run(t, mine, args...); code != cli.Negative || stdout != "" || !strings.Contains(stderr, "403") {
			t.Errorf("%v ends with %d: %s%s", args, code, stdout, stderr)
		}
	}
}

// TestARevokedAdminOfDevIsRefused: a revocation holds for the admin API as it does
// for the APIs behind the authorizer.
func TestARevokedAdminOfDevIsRefused(t *testing.T) {
	ready := inProcess(t, environment(t))
	w := way{at: []string{"--dev", ready.AdminURL}}
	w.ok(t, "", "revoke", ready.Tenant+":aaaaaaaa-0000-4000-8000-000000000001")
	w.ok(t, "", "apis")
	w.ok(t, "", "revoke", ready.Tenant+":aaaaaaaa-0000-4000-8000-0000000000ad")
	if stdout, stderr, code := w.run(t, "", "apis"); code != cli.Negative || stdout != "" || !strings.Contains(stderr, "401: the access token is not accepted: revoked") {
		t.Errorf("ends with %d: %s%s", code, stdout, stderr)
	}
}
