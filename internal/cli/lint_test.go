package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
)

// FuzzTables holds that whatever is read as a table is one that lint can look
// at, with each permission in its place and of the table's API.
func FuzzTables(f *testing.F) {
	const head = `"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev"`
	const one = `{` + head + `, "httpVerb": "GET", "resource": "a/{b}", "scope": "s"}`
	f.Add([]byte(`[` + one + `]`))
	f.Add([]byte(one))
	f.Add([]byte(`{` + head + `, "permissions": [` + one + `, ` + one + `]}`))
	f.Add([]byte(`{` + head + `, "complete": {"source": "x", "at": "2026-01-01T00:00:00Z"}, "trust": [{"issuer": "https://idp.example", "audiences": ["a"]}], "permissions": []}`))
	f.Add([]byte(`{` + head + `, "owners": [{"tenant": "t", "role": "r", "group": "g"}], "name": "n", "permissions": null}`))
	f.Add([]byte(`{` + head + `, "permissions": [], "permissions": [` + one + `]}`))
	f.Add([]byte(`{` + head + `, "Trust": [], "permissions": []}`))
	f.Add([]byte(`{` + head + `, "trust": {"tenant": {}}, "permissions": []}`))
	f.Add([]byte(`{"permissions": [`))
	f.Add([]byte("{\"permissions\": [], \"name\": \"\xff\"}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tables, err := parseTables(b)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error that says nothing")
			}
			return
		}
		places := map[int]bool{}
		for _, table := range tables {
			for _, e := range table.Entries {
				if e.Place < 1 || places[e.Place] {
					t.Fatalf("place %d", e.Place)
				}
				places[e.Place] = true
			}
			if _, err := lint.Check(t.Context(), table, lint.Options{Now: tabletest.Now, Budget: 7680}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestADocumentIsReadExactly: what is misspelt, given twice or in the wrong place
// must not pass for something that is not there.
func TestADocumentIsReadExactly(t *testing.T) {
	const head = `{"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev", "permissions": []`
	for members, want := range map[string]string{
		``: "",
		`, "complete": {"source": "x", "by": "y", "at": "2026-01-01T00:00:00Z"}`: "",
		`, "complete": null, "trust": null, "owners": null, "name": ""`:          "",
		`, "complete": {}`:                           "complete.source: must be given",
		`, "complete": true`:                         "complete true: must be an object",
		`, "completed": true`:                        `"completed": is not a field of a document`,
		`, "Complete": {"source": "x"}`:              `"Complete": is not a field of a document`,
		`, "complete": {"Source": "x"}`:              `"complete.Source": is not a field of a document`,
		`, "complete": {"source": {"a": 1}}`:         "complete.source: must not be an object",
		`, "trust": [{"tenant": "a", "tenant": ""}]`: `"trust.tenant": must be given once`,
		`, "trust": [], "trust": []`:                 `"trust": must be given once`,
		`, "trust": [{"audiences": ["a"]}]`:          `trust 1: trust.tenant "": must be given, or issuer`,
		`, "name": "` + "\xff" + `"`:                 "must be valid UTF-8",
	} {
		tables, err := parseTables([]byte(head + members + "}"))
		switch {
		case want == "" && (err != nil || len(tables) != 1):
			t.Errorf("%s: %d tables, %v", members, len(tables), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %s", members, err, want)
		}
	}
}

func TestProgressIsShownToAPersonWhoWaits(t *testing.T) {
	var shown bytes.Buffer
	now := tabletest.Now
	w := &progress{what: "policies", to: &shown, now: func() time.Time { return now }, begin: now}
	step := func(later time.Duration, done int, want string) {
		t.Helper()
		now = now.Add(later)
		shown.Reset()
		w.show(done, 9)
		if got := shown.String(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("after %s: shows %q, want %q", now.Sub(w.begin), got, want)
		}
	}
	w.end()
	step(999*time.Millisecond, 1, "")
	step(time.Millisecond, 2, "2 of 9 policies")
	step(199*time.Millisecond, 3, "")
	step(time.Millisecond, 4, "4 of 9 policies")
	shown.Reset()
	w.end()
	if got := shown.String(); got != "\r\x1b[K" {
		t.Errorf("the line ends with %q", got)
	}
}

func TestProgressIsNotWrittenIntoAFile(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range []*program{{stderr: f}, {stderr: &bytes.Buffer{}}} {
		if w := p.progress("policies", time.Now); w.to != nil {
			t.Errorf("it is written to %T", w.to)
		}
	}
}

// TestTheNamesOfTheJSONAreThoseOfTheHelp: every one that is printed is explained.
func TestTheNamesOfTheJSONAreThoseOfTheHelp(t *testing.T) {
	p := tabletest.Permission
	list := []lint.Entry{{Place: 1, Permission: p("GET", "u/{id}", "s1")}, {Place: 2, Permission: p("GET", "u/{id}", "s1 s2")}, {Place: 3, Permission: p("GET", "v", "s2")}}
	result, err := lint.Check(t.Context(), lint.Table{API: tabletest.API, Entries: list}, lint.Options{Now: tabletest.Now, Budget: 300})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(lintJSON{Tables: []lint.Result{result}})
	if err != nil {
		t.Fatal(err)
	}
	var printed any
	if err := json.Unmarshal(b, &printed); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	collectNames(printed, seen)
	for name := range seen {
		if !strings.Contains(lintLong, `"`+name+`"`) {
			t.Errorf("%q is not explained", name)
		}
	}
	for _, name := range []string{"advice", "place", "fits", "saves"} {
		if !seen[name] {
			t.Errorf("%q is not printed: the table shows too little", name)
		}
	}
}

func collectNames(v any, into map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			collectNames(e, into)
		}
	case map[string]any:
		for name, e := range v {
			into[name] = true
			if name != "permission" { // in the wire format
				collectNames(e, into)
			}
		}
	}
}
