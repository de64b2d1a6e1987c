package admin_test

import (
	"reflect"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

// FuzzDocument holds that whatever is put as a document is a change or a
// problem of its sender, never a failure, and that what was put can be read.
func FuzzDocument(f *testing.F) {
	f.Add(doc("", `"httpVerb": "GET", "resource": "a/{b}", "scope": "s"`))
	f.Add(doc(`, "complete": {"source": "s", "by": "x", "at": "2030-01-01T00:00:00Z"}, "owners": [{"tenant": "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11", "role": "r"}]`))
	f.Add(doc(`, "trust": [{"issuer": "https://i.example", "audiences": ["a"]}], "name": "\u0000"`, `"httpVerb": "ANY", "resource": "*", "authenticated": true`))
	f.Add(doc(`, "owners": null, "trust": null, "complete": null, "name": null`, `"httpVerb": "GET", "resource": "a", "registered": true`))
	f.Add(`{"arn": 1, "permissions": [null, [], {}]}`)
	f.Add(`null`)
	s := newServer(f)
	s.registered(f)
	f.Fuzz(func(t *testing.T, body string) {
		a := s.call(t, "admin", "PUT", document, body, "If-Match", "*", "Content-Type", "application/json")
		switch a.status {
		case 400, 404, 413, 415, 422: // 404: another API of the same id
			a.problem(t)
			return
		case 200:
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
		read := s.call(t, "admin", "GET", document, "")
		again := s.call(t, "admin", "PUT", document, read.body, "If-Match", read.header.Get("ETag"))
		if read.status != 200 || again.status != 200 || again.header.Get("ETag") != a.header.Get("ETag") {
			t.Fatalf("what was put reads %d %s and is put again with %d %s", read.status, read.body, again.status, again.body)
		}
	})
}

// FuzzOwnersDocument holds that whatever an owner puts, name, owners and trust
// stay, and nothing becomes of the table of others.
func FuzzOwnersDocument(f *testing.F) {
	f.Add(doc("", orders))
	f.Add(doc(`, "name": "Orders", `+owners+`, `+trust, orders))
	f.Add(doc(`, "name": null, "owners": null, "trust": null, "complete": {"source": "s"}`))
	f.Add(doc(`, "name": "", "owners": [], "trust": []`))
	f.Add(docOf("theirs", `, `+foes))
	f.Add(`{"arn": "` + arn + `", "stage": "dev", "permissions": [], "Owners": [], "named": true}`)
	s := newServer(f)
	s.owned(f)
	metas := func(t testing.TB) (all [2]store.Meta) {
		for i, stage := range []string{"dev", "theirs"} {
			var err error
			if all[i], err = s.store.Meta(t.Context(), mapping.API{ARN: arn, Stage: stage}); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	before := metas(f)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{document, theirs + "/document"} {
			a := s.call(t, "owner", "PUT", path, body, "If-Match", "*", "Content-Type", "application/json")
			if path != document && a.status != 403 || a.status >= 500 {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
		}
		after := metas(t)
		if !reflect.DeepEqual(after[1], before[1]) {
			t.Fatalf("the others' table is %+v", after[1])
		}
		mine, was := after[0], before[0]
		if mine.Name != was.Name || !reflect.DeepEqual(mine.Owners, was.Owners) || !reflect.DeepEqual(mine.Trust, was.Trust) {
			t.Fatalf("the head is %+v", mine)
		}
	})
}

// FuzzYAMLDocument holds that whatever is put as YAML is a change or a problem of
// its sender, never a failure, that a plan of it is never more than a plan, and
// that what was put reads the same in both forms.
func FuzzYAMLDocument(f *testing.F) {
	f.Add(yamlDocument)
	f.Add("arn: " + arn + "\nstage: dev\npermissions: []\n")
	f.Add("arn: " + arn + "\nstage: dev\nname: |\n  a\n  b\npermissions:\n- {arn: \"" + arn + "\", stage: dev, httpVerb: get, resource: /, authenticated: true}\n")
	f.Add("arn: &a " + arn + "\nstage: *a\npermissions:\n")
	f.Add(sameDocument)
	s := newServer(f)
	s.registered(f)
	f.Fuzz(func(t *testing.T, body string) {
		before, err := s.store.Meta(t.Context(), api)
		if err != nil {
			t.Fatal(err)
		}
		plan := s.call(t, "admin", "PUT", document+"?dryRun=true", body, "Content-Type", "application/yaml")
		if after, err := s.store.Meta(t.Context(), api); err != nil || after.Revision != before.Revision {
			t.Fatalf("a plan wrote: %v %v", after, err)
		}
		a := s.call(t, "admin", "PUT", document+"?force=true", body, "If-Match", "*", "Content-Type", "application/yaml")
		switch a.status {
		case 400, 404, 413, 422:
			a.problem(t)
			if plan.status != a.status {
				t.Fatalf("planned with %d, applied with %d: %q", plan.status, a.status, body)
			}
			return
		case 200:
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
		if plan.status != 200 {
			t.Fatalf("planned with %d, applied: %q", plan.status, body)
		}
		read := s.call(t, "admin", "GET", document+"?format=yaml", "")
		again := s.call(t, "admin", "PUT", document+"?force=true", read.body, "If-Match", read.header.Get("ETag"), "Content-Type", "application/yaml")
		if read.status != 200 || again.status != 200 || again.header.Get("ETag") != a.header.Get("ETag") {
			t.Fatalf("what was put reads %d %s and is put again with %d %s", read.status, read.body, again.status, again.body)
		}
	})
}
