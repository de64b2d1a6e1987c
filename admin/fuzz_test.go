package admin_test

import (
	"testing"
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
