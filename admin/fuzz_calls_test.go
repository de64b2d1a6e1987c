package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fuzzed is a call with its path filled in, and the statuses that its description
// names.
type fuzzed struct {
	method, path string
	statuses     map[string]any
}

// fuzzedCalls are all that are described, in a fixed order.
func fuzzedCalls(t testing.TB, w *world) []fuzzed {
	t.Helper()
	secret := parsed(t, perm("dev", seed("dev", "secret")))
	free, _ := parsed(t, perm("dev", seed("dev", "free"))).Route()
	var calls []fuzzed
	for name, op := range operations(t) {
		method, path, _ := strings.Cut(name, " ")
		path = strings.NewReplacer("{apiId}", "rz8w6b1ik2", "{stage}", "dev", "{principalId}", home+":secret-of-revocations").Replace(path)
		id := secret.ID()
		if strings.Contains(path, "/routes/") {
			id = free.ID()
		}
		calls = append(calls, fuzzed{method, strings.ReplaceAll(path, "{id}", id), op.Responses})
	}
	slices.SortFunc(calls, func(a, b fuzzed) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return calls
}

// FuzzEveryCall holds of every call: whatever its query, body and If-Match are, it
// is answered by one of the statuses that are described, never by 5xx, and changes
// nothing unless by 2xx. An owner of it changes nothing of the others' table.
func FuzzEveryCall(f *testing.F) {
	w := newWorld(f)
	calls := fuzzedCalls(f, w)
	bodies := []string{
		perm("dev", orders), `{"description": null, "expiresAt": "2031-01-01T00:00:00Z"}`, doc("", orders), `{"arn": "` + arn + `", "owners": [{}]}`,
		`{"revision": "` + w.first["dev"] + `"}`, `{"until": "2031-01-01T00:00:00Z", "reason": "r"}`, ``, `null`, `[]`, `{"a": {"a": 1, "a": 2}}`, "{\"description\": \"\xff\"}",
		`{"arn": "` + arn + `", "stage": "dev", "method": "GET", "path": "/a%2f..", "claims": {"scp": "s", "exp": 1e400}}`,
		`{"description": "` + strings.Repeat("é", 300) + `"}`, `{"expiresAt": "9999-12-31T23:59:59Z", "registered": true}`,
	}
	queries := []string{
		"", "dryRun=true", "dryRun=true;force=true", "dryRun=", "dryRun=maybe", "limit=0", "limit=1&cursor=e30", "limit=1&limit=2", "arn=" + arn + "&stage=dev", "stage=dev",
		"arn=x", "format=yaml", "x=y", "%zz", "resource=a/{b}/*", "cursor=eyJpIjoiMDFBUlozTkRFS1RTVjRSUkZGUTY5RzVGQVYifQ", "scope=%ff&role=%00", "force=true",
	}
	for i := range calls {
		f.Add(uint8(i), queries[i%len(queries)], bodies[i%len(bodies)], "*", "application/json", "")
		f.Add(uint8(i), "", bodies[(i+3)%len(bodies)], `"1-x"`, "application/yaml", "a%2Fb")
		for n := range 4 {
			f.Add(uint8(i), queries[(4*i+n)%len(queries)], "", "*", "", "")
			f.Add(uint8(i), "", bodies[(4*i+n)%len(bodies)], "*", "application/json", "")
		}
	}
	f.Fuzz(func(t *testing.T, call uint8, query, body, match, contentType, segment string) {
		c := calls[int(call)%len(calls)]
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/", strings.NewReader(body))
		path := c.path
		if segment != "" {
			path = path[:strings.LastIndexByte(path, '/')+1] + url.PathEscape(segment)
		}
		var err error
		if r.URL, err = url.ParseRequestURI(path); err != nil {
			return // no server would hand it on
		}
		r.URL.RawQuery = query
		for name, value := range map[string]string{"If-Match": match, "Content-Type": contentType} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		for _, caller := range []string{"owner", "admin"} {
			r := r.Clone(t.Context())
			r.Body = http.NoBody
			if body != "" {
				r.Body = http.MaxBytesReader(nil, readCloser(body), 1<<20)
			}
			r.Header.Set("Authorization", "Bearer "+caller)
			before, ofOthers := w.newest(t), w.of(t, "theirs")
			recorder := httptest.NewRecorder()
			w.ServeHTTP(recorder, r)
			status, after := recorder.Code, w.newest(t)
			_, described := c.statuses[strconv.Itoa(status)]
			if status >= 500 || !described && segment == "" {
				t.Fatalf("%s %s?%s by %s: %d %s", c.method, c.path, query, caller, status, recorder.Body)
			}
			if after != before && status >= 300 {
				t.Fatalf("%s %s?%s by %s: %d, and something was written", c.method, c.path, query, caller, status)
			}
			if caller == "owner" && w.of(t, "theirs") != ofOthers {
				t.Fatalf("%s %s?%s by the owner of another table: %d", c.method, c.path, query, status)
			}
			if after != before {
				w.refill(t)
			}
		}
	})
}

// newest tells what was written last.
func (w *world) newest(t testing.TB) string {
	t.Helper()
	revocations, err := w.count.Store.RevocationsRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := revocations.String()
	for _, stage := range stagesOf() {
		all += " " + w.of(t, stage)
	}
	return all
}

// of is the newest change of a stage.
func (w *world) of(t testing.TB, stage string) string {
	t.Helper()
	records, err := w.count.Store.Audit(t.Context(), apiOf(stage), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) == 0 {
		return "none"
	}
	return records[0].ChangeID
}

// refill puts back what calls may have taken away.
func (w *world) refill(t testing.TB) {
	t.Helper()
	for stage, who := range map[string]string{"dev": owners, "theirs": foes} {
		at := "/v1/apis/rz8w6b1ik2/" + stage
		if w.call(t, "admin", "PUT", at, `{"arn": "`+arn+`", `+who+`}`, "If-Match", "*").status == 412 {
			w.call(t, "admin", "PUT", at, `{"arn": "`+arn+`", `+who+`}`)
		}
		w.call(t, "admin", "POST", "/v1/permissions?force=true", perm(stage, seed(stage, "secret")))
	}
	w.call(t, "admin", "PUT", revoked, `{}`)
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }

func readCloser(s string) nopCloser { return nopCloser{strings.NewReader(s)} }
