package openapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/openapi"
	"scopegate/mapping"
	"scopegate/store"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// permission reads "GET orders/{id} scope", "registered" and "@time" for one
// that ends then.
func permission(t interface{ Fatal(...any) }, line string) mapping.Permission {
	f := strings.Fields(line)
	wire := map[string]any{"arn": api.ARN, "stage": api.Stage, "httpVerb": f[0], "resource": f[1]}
	for _, more := range f[2:] {
		switch {
		case more == "registered":
			wire["registered"] = true
		case strings.HasPrefix(more, "@"):
			wire["expiresAt"] = more[1:]
		case strings.HasPrefix(more, "tenant="):
			wire["tenant"] = more[len("tenant="):]
		default:
			wire["scope"] = strings.ReplaceAll(more, "+", " ")
		}
	}
	b, err := json.Marshal(wire)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.ParsePermission(b)
	if err != nil {
		t.Fatal(line, err)
	}
	return p
}

func snapshot(t interface{ Fatal(...any) }, entries ...string) store.Snapshot {
	s := store.Snapshot{Meta: store.Meta{API: api}}
	for _, line := range entries {
		p := permission(t, line)
		s.Permissions = append(s.Permissions, p)
		if r, ok := p.Route(); ok {
			s.Routes = append(s.Routes, r)
		}
	}
	return s
}

// documentOf is the Result of a document with these routes.
func documentOf(t interface{ Fatal(...any) }, kind openapi.Kind, entries ...string) openapi.Result {
	s := snapshot(t, entries...)
	return openapi.Result{API: api, Kind: kind, Permissions: s.Permissions, Routes: s.Routes}
}

func drift(t interface{ Fatal(...any) }, d openapi.Result, s store.Snapshot) openapi.Report {
	r, err := openapi.Drift(d, s, openapi.DriftOptions{Now: noon, Requirements: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drifts are the findings of a report, as "unmapped GET /a".
func drifts(r openapi.Report) []string {
	var out []string
	add := func(title string, list []openapi.Drifted) {
		for _, d := range list {
			line := title + " " + d.Route
			if d.By != "" {
				line += " by " + d.By
			}
			out = append(out, line)
		}
	}
	add("unmapped", r.Unmapped)
	add("orphaned", r.Orphaned)
	add("unreachable", r.Unreachable)
	add("covered", r.Covered)
	add("within", r.Within)
	for _, d := range r.Differing {
		out = append(out, fmt.Sprintf("differing %s wider %v narrower %v", d.Route, d.Wider, d.Narrower))
	}
	return out
}

func TestDriftFindsWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		kind            openapi.Kind
		document, table []string
		want            []string
		drifted         bool
	}{
		"the same": {document: []string{"GET a/{x} s", "ANY b registered"}, table: []string{"GET a/{y} s", "ANY b registered"}},
		"a route that the table lacks is unmapped": {
			document: []string{"GET a s", "POST a s"}, table: []string{"GET a s"},
			want: []string{"unmapped POST /a"}, drifted: true,
		},
		"a route that the document lacks is orphaned": {
			document: []string{"GET a s"}, table: []string{"GET a s", "GET b registered"},
			want: []string{"orphaned GET /b"}, drifted: true,
		},
		"a method that the document lacks is unreachable": {
			document: []string{"GET a s"}, table: []string{"GET a s", "POST a s"},
			want: []string{"unreachable POST /a"}, drifted: true,
		},
		"ANY of the table stands for the document's methods": {
			document: []string{"GET a s"}, table: []string{"ANY a s"}, drifted: true,
			want: []string{"unreachable POST /a", "unreachable PUT /a", "unreachable PATCH /a", "unreachable DELETE /a", "unreachable HEAD /a", "unreachable OPTIONS /a"},
		},
		"the document's ANY is seven methods": {
			document: []string{"ANY a s"}, table: []string{"GET a s", "POST a s", "PUT a s", "PATCH a s", "DELETE a s", "HEAD a s"},
			want: []string{"unmapped OPTIONS /a"}, drifted: true,
		},
		"a proxy stands for the table's routes": {
			document: []string{"ANY {proxy+} registered"}, table: []string{"GET a s", "GET a/{x} s"},
			want: []string{
				"covered GET /{proxy+}", "unmapped POST /{proxy+}", "unmapped PUT /{proxy+}", "unmapped PATCH /{proxy+}",
				"unmapped DELETE /{proxy+}", "unmapped HEAD /{proxy+}", "unmapped OPTIONS /{proxy+}",
				"within GET /a by GET /{proxy+}", "within GET /a/{x} by GET /{proxy+}",
			}, drifted: true,
		},
		"a route that a less specific one answers for is covered": {
			document: []string{"GET a/{x} s"}, table: []string{"GET a/{x+} s"}, drifted: true,
			want: []string{"covered GET /a/{x} by GET /a/{x+}", "orphaned GET /a/{x+} by GET /a/{x}"},
		},
		"a route that a pattern grants is covered": {
			document: []string{"GET a/{x}/b s"}, table: []string{"GET a/* s"},
			want: []string{"covered GET /a/{x}/b by GET /a/*"},
		},
		"an expired pattern covers nothing": {
			document: []string{"GET a/b s"}, table: []string{"GET a/* s @2026-11-21T12:00:00Z"},
			want: []string{"unmapped GET /a/b"}, drifted: true,
		},
		"a pattern that meets nothing is orphaned": {
			document: []string{"GET a/{x} s"}, table: []string{"GET a/{x} s", "GET a/*/b s", "POST a/* s"},
			want: []string{"orphaned GET /a/*/b", "orphaned POST /a/*"}, drifted: true,
		},
		"a route that API Gateway takes for another is unreachable": {
			document: []string{"GET a/{x} s"}, table: []string{"GET a/{x} s", "GET a/me s"},
			want: []string{"unreachable GET /a/me by GET /a/{x}"}, drifted: true,
		},
		"a REST API never goes on to the proxy": {
			kind:     openapi.RESTExport,
			document: []string{"GET a s", "ANY {proxy+} s"}, table: []string{"GET a s", "POST a s", "ANY {proxy+} s"},
			want: []string{"unreachable POST /a"}, drifted: true,
		},
		"an HTTP API does": {
			kind:     openapi.HTTPExport,
			document: []string{"GET a s", "ANY {proxy+} s"}, table: []string{"GET a s", "POST a s", "ANY {proxy+} s"},
			want: []string{"within POST /a by POST /{proxy+}"},
		},
		"another requirement differs": {
			document: []string{"GET a r", "GET a w"}, table: []string{"GET a r+x", "GET a w", "GET a z"},
			want: []string{"differing GET /a wider [scope z] narrower [scope r]"}, drifted: true,
		},
		"all methods alike are told at once": {
			document: []string{"ANY a r", "ANY b r"}, table: []string{"ANY a w", "ANY b r", "GET b w"},
			want: []string{"differing ANY /a wider [scope w] narrower [scope r]", "differing GET /b wider [scope w] narrower []"}, drifted: true,
		},
		"a pattern beside a route differs": {
			document: []string{"GET a/b admin"}, table: []string{"GET a/b admin", "GET a/* read"},
			want: []string{"differing GET /a/b wider [scope read] narrower []"}, drifted: true,
		},
		"a route within one that needs something else differs": {
			document: []string{"GET {proxy+} admin"}, table: []string{"GET {proxy+} admin", "GET a read", "GET b admin+more", "GET c registered"}, drifted: true,
			want: []string{"within GET /a by GET /{proxy+}", "within GET /b by GET /{proxy+}", "within GET /c by GET /{proxy+}", "differing GET /{proxy+} wider [scope read] narrower []"},
		},
		"each of several that answer for a part": {
			document: []string{"GET a/{p+} admin"}, table: []string{"GET a/{x} admin", "GET a/{x}/{p+} read", "GET a/{x}/b admin"}, drifted: true,
			want: []string{
				"covered GET /a/{p+} by GET /a/{x}, GET /a/{x}/{p+}", "within GET /a/{x} by GET /a/{p+}", "within GET /a/{x}/b by GET /a/{p+}",
				"within GET /a/{x}/{p+} by GET /a/{p+}", "differing GET /a/{p+} wider [scope read] narrower []",
			},
		},
		"a pattern of some paths of a route differs": {
			document: []string{"GET a/{x} admin"}, table: []string{"GET a/{x} admin", "GET a/m* read", "GET */a* read @2026-11-21T11:59:59Z"},
			want: []string{"differing GET /a/{x} wider [scope read] narrower []"}, drifted: true,
		},
		"a pattern of those that another route takes differs not": {
			document: []string{"GET a/{x} admin", "GET a/me read"}, table: []string{"GET a/{x} admin", "GET a/me read", "GET */me read"},
		},
		"what answers for a slash at the end has one": {
			document: []string{"GET a/b/ r"}, table: []string{"GET a/{x}/ r"}, drifted: true,
			want: []string{"covered GET /a/b/ by GET /a/{x}/", "orphaned GET /a/{x}/"},
		},
		"an expired alternative is none": {
			document: []string{"GET a r"}, table: []string{"GET a r @2026-11-21T11:59:59Z"},
			want: []string{"differing GET /a wider [] narrower [scope r]"}, drifted: true,
		},
		"what says the same twice differs not": {
			document: []string{"GET a r"}, table: []string{"GET a r", "GET a r+w"},
		},
		"a document without requirements compares none": {
			document: []string{"GET a registered"}, table: []string{"GET a r"},
		},
		"the root is a route": {
			document: []string{"GET / r"}, table: []string{"GET / r"},
		},
		"a slash at the end makes another route": {
			document: []string{"GET a/ r"}, table: []string{"GET a r"}, drifted: true,
			want: []string{"orphaned GET /a", "covered GET /a/ by GET /a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := drift(t, documentOf(t, c.kind, c.document...), snapshot(t, c.table...))
			got := drifts(r)
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if r.Drifted() != c.drifted {
				t.Errorf("drifted: %v, want %v", r.Drifted(), c.drifted)
			}
		})
	}
}

// aRoute draws a route of a few names, so that routes meet.
func aRoute(t *rapid.T, label string) string {
	verb := rapid.SampledFrom([]string{"GET", "POST", "ANY"}).Draw(t, label+" verb")
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "{x}"}), 0, 3).Draw(t, label)
	path := strings.Join(segments, "/")
	if rapid.IntRange(0, 3).Draw(t, label+" greedy") == 0 {
		path = strings.Join(append(segments, "{p+}"), "/")
	}
	if path == "" {
		path = "/"
	}
	return verb + " " + path + " s"
}

func someRoutes(t *rapid.T, label string) []string {
	all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return aRoute(t, label) }), 1, 6).Draw(t, label+"s")
	slices.Sort(all)
	return slices.Compact(all)
}

// calls are requests of every kind that such routes tell apart.
func calls() []string {
	var out []string
	segments := []string{"a", "b", "z"}
	var grow func(path string, left int)
	grow = func(path string, left int) {
		if path != "" {
			out = append(out, path)
		}
		if left == 0 {
			return
		}
		for _, s := range segments {
			grow(path+"/"+s, left-1)
		}
	}
	grow("", 5)
	return append(out, "/")
}

func tableOf(t *rapid.T, s store.Snapshot) *mapping.Table {
	table, err := mapping.NewTable(mapping.Source{API: api, Permissions: s.Permissions, Routes: s.Routes})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestDriftAgreesWithRouting: what drift says of a route, every request of it
// shows: covered routes have an answer for each, unmapped ones none for some;
// orphaned routes of the table get no request for some of theirs.
func TestDriftAgreesWithRouting(t *testing.T) {
	paths := calls()
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, openapi.HTTPExport, someRoutes(t, "document")...)
		s := snapshot(t, someRoutes(t, "table")...)
		r := drift(t, d, s)
		document, table := tableOf(t, snapshotOf(d)), tableOf(t, s)
		// requests of a route: those that find it in a table of its own
		check := func(list []openapi.Drifted, in *mapping.Table, all bool) {
			for _, one := range list {
				verb, path, _ := strings.Cut(one.Route, " ")
				own := tableOf(t, snapshot(t, verb+" "+path+" s"))
				for _, v := range mapping.Verb(verb).Methods() {
					missing := 0
					for _, p := range paths {
						if own.Decide(mapping.Held{}, string(v), p).Route != nil && in.Decide(mapping.Held{}, string(v), p).Route == nil {
							missing++
						}
					}
					if all != (missing == 0) {
						t.Fatalf("%s (%s): %d requests without a route, drift says all have one: %v\n%v", one.Route, v, missing, all, drifts(r))
					}
				}
			}
		}
		check(r.Unmapped, table, false)
		check(r.Orphaned, document, false)
		check(r.Within, document, true)
		check(slices.DeleteFunc(r.Covered, func(c openapi.Drifted) bool { return c.By == "" }), table, true)
	})
}

func snapshotOf(d openapi.Result) store.Snapshot {
	return store.Snapshot{Meta: store.Meta{API: api}, Permissions: d.Permissions, Routes: d.Routes}
}

// TestATableThatADocumentMadeHasNoDrift: whatever the routes.
func TestATableThatADocumentMadeHasNoDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, "", someRoutes(t, "document")...)
		if r := drift(t, d, snapshotOf(d)); len(drifts(r)) > 0 {
			t.Fatalf("drift of a document and the table it makes: %v", drifts(r))
		}
	})
}

func TestDriftComparesOneAPI(t *testing.T) {
	other := snapshot(t, "GET a s")
	other.API.Stage = "prod"
	if _, err := openapi.Drift(documentOf(t, "", "GET a s"), other, openapi.DriftOptions{Now: noon}); err == nil || !strings.Contains(err.Error(), "prod") {
		t.Errorf("err %v, want one that names the stage", err)
	}
}

func TestTheReportReadsAsText(t *testing.T) {
	d := documentOf(t, "", "GET a r", "GET b r", "GET c/{x} r")
	d.Source = "sha256:00"
	d.Unexpressed = []openapi.Problem{{Path: "/x/{y}.json", Method: "GET", Kind: openapi.BadPath, What: "/x/{y}.json", Why: "why"}}
	r := drift(t, d, snapshot(t, "GET a w", "POST a r", "GET c/* r", "GET d registered"))
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"  GET /b\n", "  GET /d\n", "  POST /a (the document declares the path, not this method)\n",
		"  GET /a: document scope r; table scope w\n    lets in besides: scope w\n    does not let in: scope r\n",
		"  GET /c/{x}: GET /c/* (a pattern)\n", "  GET /x/{y}.json: /x/{y}.json: why\n",
		"Drift: 1 unmapped, 1 orphaned, 1 unreachable, 1 differing. (revision none, document sha256:00)\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("%q is missing in\n%s", line, b.String())
		}
	}
}

// TestTheVerdictIsOfWhatWasCompared: what could not be read is not said to be in the
// table, and moves no cursor.
func TestTheVerdictIsOfWhatWasCompared(t *testing.T) {
	d := read(t, "openapi: 3.0.0\npaths: {/a: {get: {}}, /b: {$ref: other.yaml}, \"/c\\e[2J\\u202e\": {get: {}}}", openapi.Options{})
	r := drift(t, d, snapshot(t, "GET a registered"))
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if want := "The table has what could be compared of the document's routes; not compared: 2. (revision none"; !strings.Contains(b.String(), want) {
		t.Errorf("%q is missing in\n%s", want, b.String())
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") || !strings.Contains(b.String(), `/c\x1b[2J`) {
		t.Errorf("the report moves the cursor: %q", b.String())
	}
}
