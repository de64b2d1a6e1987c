package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scopegate/internal/cli"
	"scopegate/internal/dev"
)

const petsAPI = `openapi: 3.1.0
info: {title: Pets, version: "1"}
components:
  securitySchemes:
    entra: {type: oauth2, flows: {authorizationCode: {authorizationUrl: https://x, tokenUrl: https://y, scopes: {pets.read: r, pets.write: w}}}}
paths:
  /pets:
    get: {security: [{entra: [pets.read]}], responses: {"200": {description: ok}}}
    post: {security: [{entra: [pets.read, pets.write]}], responses: {"200": {description: ok}}}
  /pets/{petId}:
    delete: {security: [{entra: [pets.write]}], responses: {"200": {description: ok}}}
  /health:
    get: {responses: {"200": {description: ok}}}
`

const petsARN = "arn:aws:execute-api:eu-west-1:219852565112:pets000000"

// importedOutput is what a program reads of import --openapi --json.
type importedOutput struct {
	plannedOutput
	OpenAPI struct {
		Version, Source                      string
		Complete                             bool
		Permissions, Registered, Kept, Ended int
		Unexpressed                          []struct{ Path, Why string }
	}
}

func TestFromAnOpenAPIDocumentToATable(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		file := filepath.Join(t.TempDir(), "openapi.yaml")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(petsAPI)
		table := []string{"--api", petsARN, "--stage", "v1"}
		args := []string{"import", "--openapi", file, "--arn", petsARN, "--stage", "v1"}
		var planned, done importedOutput
		w.into(t, &planned, "", append(args, "--dry-run")...)
		if planned.Exists || !planned.Changes || len(planned.Plan.Gains) == 0 || planned.OpenAPI.Permissions != 4 || planned.OpenAPI.Registered != 1 || !planned.OpenAPI.Complete {
			t.Fatalf("planned %+v", planned)
		}
		if all := w.ok(t, "", "apis"); strings.Contains(all, petsARN) {
			t.Fatalf("a dry run wrote:\n%s", all)
		}
		w.into(t, &done, "", append(args, "--yes")...)
		if !done.Registered || done.Applied == nil || done.Applied.Added != 4 {
			t.Fatalf("imported %+v", done)
		}
		text := w.ok(t, "", append([]string{"export"}, table...)...)
		for _, want := range []string{"name: Pets", "source: " + done.OpenAPI.Source[:7], "scope: pets.read pets.write", "registered: true"} {
			if !strings.Contains(text, want) {
				t.Errorf("the table lacks %q:\n%s", want, text)
			}
		}
		done = importedOutput{}
		w.into(t, &done, "", append(args, "--yes")...)
		if !done.Applied.empty() {
			t.Errorf("again changes something: %+v", done.Applied)
		}
		w.ok(t, "", append([]string{"drift", file, "--requirements"}, table...)...)

		// The table goes on living: an exception, and an end to what the file opens.
		w.ok(t, "", append([]string{"permissions", "add", "GET", "pets/{id}/vet", "--role", "Vet"}, table...)...)
		stdout, _, code := w.run(t, "", append([]string{"drift", file}, table...)...)
		if code != cli.Negative || !strings.Contains(stdout, "/vet") {
			t.Errorf("drift ends with %d:\n%s", code, stdout)
		}
		var list struct{ Permissions []struct{ ID string } }
		w.into(t, &list, "", append([]string{"permissions", "--resource", "pets/{x}"}, table...)...)
		w.ok(t, "", append([]string{"permissions", "set", list.Permissions[0].ID, "--expires-at", "2999-01-01T00:00:00Z"}, table...)...)

		write(strings.Replace(petsAPI, "  /health:", "  /pets/{petId}/photo:\n    get: {security: [{entra: [pets.read]}], responses: {\"200\": {description: ok}}}\n  /health:", 1))
		w.into(t, &done, "", append(args, "--yes")...)
		if done.Applied == nil || done.Applied.Added != 1 || done.Applied.Removed != 0 || done.OpenAPI.Kept != 1 || done.OpenAPI.Ended != 1 {
			t.Errorf("imported %+v: %+v", done.OpenAPI, done.Applied)
		}
		if text := w.ok(t, "", append([]string{"export"}, table...)...); !strings.Contains(text, "2999-01-01") || !strings.Contains(text, "role: Vet") {
			t.Errorf("an end or an exception is lost:\n%s", text)
		}
		w.into(t, &done, "", append(args, "--yes", "--prune")...)
		if done.Applied == nil || done.Applied.Removed != 1 || done.OpenAPI.Kept != 0 {
			t.Errorf("pruned %+v: %+v", done.OpenAPI, done.Applied)
		}
	})
}

func (a *appliedOutput) empty() bool { return a == nil || a.Added+a.Changed+a.Removed == 0 }

func TestWhatAPIGatewayCannotExpressIsListed(t *testing.T) {
	ready := inProcess(t, environment(t))
	w := way{at: []string{"--dev", ready.AdminURL}}
	text := strings.Replace(petsAPI, "  /health:", "  /pets/{petId}.json:\n    get: {responses: {\"200\": {description: ok}}}\n  /health:", 1)
	args := []string{"import", "--openapi", "-", "--arn", petsARN, "--stage", "v1", "--yes"}
	_, stderr, code := w.run(t, text, args...)
	if code != cli.OK || !strings.Contains(stderr, "Not expressed") || !strings.Contains(stderr, "/pets/{petId}.json") {
		t.Errorf("ends with %d: %s", code, stderr)
	}
	if table := w.ok(t, "", "export", "--api", petsARN, "--stage", "v1"); strings.Contains(table, "complete") {
		t.Errorf("the table is marked as complete:\n%s", table)
	}
	for want, args := range map[string][]string{
		"must be given a FILE":                     {"import"},
		"--prune: must be given with --openapi":    {"import", "--prune", "x.json"},
		"must not be given with --openapi":         append(args, "x.json"),
		"if any flags in the group":                {"import", "--openapi", "x"},
		"nothing was written":                      append(args, "--openapi", os.DevNull),
		`--base-path "x"`:                          append(args, "--base-path", "x"),
		"FILE, --document: must not both be stand": {"drift", "-", "--document", "-"},
	} {
		at := w
		if args[0] == "drift" {
			at = way{}
		}
		if stdout, stderr, code := at.run(t, text, args...); code != cli.Usage && code != cli.Negative || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v ends with %d, does not say %q: %s%s", args, code, want, stdout, stderr)
		}
	}
}

func TestDriftOfAFileWithAFile(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "table.yaml")
	text := "arn: " + dev.SeedAPI.ARN + "\nstage: dev\npermissions:\n  - {arn: '" + dev.SeedAPI.ARN + "', stage: dev, httpVerb: GET, resource: pets, scope: pets.read}\n"
	if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := scopegate(t, petsAPI, "drift", "-", "--document", table, "--json")
	if code != cli.Negative || !strings.Contains(stdout, `"DELETE /pets/{petId}"`) {
		t.Errorf("ends with %d: %s%s", code, stdout, stderr)
	}
}
