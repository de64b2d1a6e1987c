package admin_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"scopegate/admin"
	"scopegate/internal/flush"
	"scopegate/store"
)

// revocationOf reads one from an answer.
func revocationOf(t *testing.T, a answer) store.Revocation {
	t.Helper()
	var r store.Revocation
	if err := json.Unmarshal([]byte(a.body), &r); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return r
}

func TestAPrincipalIsRevokedAndTakenBack(t *testing.T) {
	now := epoch
	s := newServer(t, func(c *admin.Config) { c.Now = func() time.Time { return now } })
	id := home + ":" + teamGroup
	path := "/v1/revocations/" + id
	if a := s.call(t, "admin", "GET", path, ""); a.status != 404 {
		t.Errorf("before: %d", a.status)
	}
	a := s.call(t, "admin", "PUT", "/v1/revocations/"+strings.ToUpper(id), `{"reason": "lost laptop"}`)
	r := revocationOf(t, a)
	if a.status != 201 || r.PrincipalID != id || !r.At.Equal(epoch) || !r.Until.Equal(epoch.Add(store.MinRevocation)) || r.Reason != "lost laptop" || r.By != "t:ada" || toldOf(t, a) != (flush.Result{Flush: "off"}) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := revocationOf(t, s.call(t, "admin", "GET", path, "")); got != r {
		t.Errorf("read %+v, want %+v", got, r)
	}

	now = epoch.Add(time.Hour)
	a = s.call(t, "admin", "PUT", path, `{"until": "2030-01-10T00:00:00+01:00"}`)
	again := revocationOf(t, a)
	if a.status != 200 || !again.At.Equal(now) || again.Until.Format(time.RFC3339) != "2030-01-09T23:00:00Z" {
		t.Errorf("again: %d %s", a.status, a.body)
	}
	now = epoch.Add(time.Minute) // the clock was put back
	a = s.call(t, "admin", "PUT", path, "")
	if later := revocationOf(t, a); a.status != 200 || !later.At.Equal(again.At) || !later.Until.Equal(again.Until) {
		t.Errorf("once more it lets in what it kept out: %s", a.body)
	}

	if a := s.call(t, "admin", "DELETE", path, ""); a.status != 200 {
		t.Errorf("take back: %d %s", a.status, a.body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if a := s.call(t, "admin", method, path, ""); a.status != 404 {
			t.Errorf("%s of none: %d", method, a.status)
		}
	}
	trail := s.call(t, "admin", "GET", "/v1/audit", "")
	if trail.status != 200 || strings.Count(trail.body, `"changeId"`) != 4 || !strings.Contains(trail.body, "lost laptop") {
		t.Errorf("audit: %s", trail.body)
	}
}

func TestARevocationThatHasEndedIsNone(t *testing.T) {
	now := epoch
	s := newServer(t, func(c *admin.Config) { c.Now = func() time.Time { return now } })
	s.call(t, "admin", "PUT", "/v1/revocations/t:o", "")
	now = epoch.Add(store.MinRevocation)
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/v1/revocations/t:o", 404}, {"DELETE", "/v1/revocations/t:o", 404}, {"PUT", "/v1/revocations/t:o", 201}} {
		if c.method == "PUT" {
			if a := s.call(t, "admin", "GET", "/v1/revocations", ""); !strings.Contains(a.body, `"revocations":[]`) {
				t.Errorf("listed: %s", a.body)
			}
		}
		if a := s.call(t, "admin", c.method, c.path, ""); a.status != c.want {
			t.Errorf("%s: %d, want %d", c.method, a.status, c.want)
		}
	}
}

func TestWhatARevocationMayNotSayIsNamed(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct{ id, body, want string }{
		{"t:o", `{"until": "2030-01-02T04:54:59Z"}`, "body.until"},
		{"t:o", `{"until": "2029-01-01T00:00:00Z"}`, "body.until"},
		{"t:o", `{"until": "tomorrow"}`, "body.until"},
		{"t:o", `{"until": 1}`, "body.until"},
		{"t:o", `{"at": "2030-01-01T00:00:00Z"}`, "body.at"},
		{"t:o", `{"reason": "` + strings.Repeat("x", 1025) + `"}`, "reason"},
		{"nobody", `{}`, "path.principalId"},
		{"t:", `{}`, "path.principalId"},
		{"t:%00", `{}`, "path.principalId"},
		{"t:" + strings.Repeat("x", 1200), `{}`, "path.principalId"},
	} {
		a := s.call(t, "admin", "PUT", "/v1/revocations/"+c.id, c.body)
		if a.status != 422 || !strings.Contains(a.body, c.want) {
			t.Errorf("%.20s %s: %d %.300s, want %s", c.id, c.body, a.status, a.body, c.want)
		}
	}
	// A request takes time: what was 29 hours when it was sent is as much as must be.
	if a := s.call(t, "admin", "PUT", "/v1/revocations/t:o", `{"until": "2030-01-02T04:59:30Z"}`); a.status != 201 || !revocationOf(t, a).Until.Equal(epoch.Add(store.MinRevocation)) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// odd are principals of other issuers, whose sub may hold anything.
var odd = []string{
	"i.example:auth0|abc", "i.example:a/b", "i.example:a%2Fb", "i.example:100%", "i.example:a b+c", "i.example:ü:ö", "i.example:a?b#c", "i.example:a//b", "i.example:..", "i.example:a;b,c",
}

func TestPrincipalsOfAnyFormAreRevokedByTheirEncodedName(t *testing.T) {
	s := newServer(t)
	for _, id := range odd {
		path := "/v1/revocations/" + url.PathEscape(id)
		if a := s.call(t, "admin", "PUT", path, ""); a.status != 201 || revocationOf(t, a).PrincipalID != id {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
		if a := s.call(t, "admin", "GET", path, ""); a.status != 200 || revocationOf(t, a).PrincipalID != id {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
	all, err := s.store.Revocations(t.Context())
	if err != nil || len(all.List) != len(odd) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, id := range odd {
		if a := s.call(t, "admin", "DELETE", "/v1/revocations/"+url.PathEscape(id), ""); a.status != 200 {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
}

func TestRevocationsAreListedPageByPageWhileOthersWrite(t *testing.T) {
	s := newServer(t)
	for i := range 7 {
		s.call(t, "admin", "PUT", fmt.Sprintf("/v1/revocations/t:o%d", i), "")
	}
	var got []string
	cursor := ""
	for range 10 {
		path := "/v1/revocations?limit=2"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		a := s.call(t, "admin", "GET", path, "")
		var page struct {
			Revocations []store.Revocation
			Next        string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 || len(page.Revocations) > 2 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, r := range page.Revocations {
			got = append(got, r.PrincipalID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		// The last one of the page goes, and one comes before it.
		s.call(t, "admin", "DELETE", "/v1/revocations/"+got[len(got)-1], "")
		s.call(t, "admin", "PUT", "/v1/revocations/t:n"+fmt.Sprint(len(got)), "")
	}
	if strings.Join(got, " ") != "t:o0 t:o1 t:o2 t:o3 t:o4 t:o5 t:o6" {
		t.Errorf("listed %v", got)
	}
	for _, bad := range []string{"x", "e30", "bnVsbA"} {
		if a := s.call(t, "admin", "GET", "/v1/revocations?cursor="+bad, ""); a.status != 422 {
			t.Errorf("cursor %s: %d", bad, a.status)
		}
	}
}

func TestRevocationsAreNotKnownInAnOutage(t *testing.T) {
	s := newServer(t)
	s.call(t, "admin", "PUT", "/v1/revocations/t:o", "")
	s.store.err = fmt.Errorf("dial 10.0.0.7: %w", store.ErrUnknown)
	for _, c := range [][2]string{{"GET", "/v1/revocations"}, {"GET", "/v1/revocations/t:o"}, {"PUT", "/v1/revocations/t:o"}, {"DELETE", "/v1/revocations/t:o"}} {
		if a := s.call(t, "admin", c[0], c[1], ""); a.status != 503 || strings.Contains(a.body, "10.0.0.7") {
			t.Errorf("%s %s: %d %s", c[0], c[1], a.status, a.body)
		}
	}
}

// FuzzRevocation holds that any principal and any body are a revocation of that
// very principal, or a problem of who sent it.
func FuzzRevocation(f *testing.F) {
	for _, id := range odd {
		f.Add(id, `{"until": "2031-01-01T00:00:00Z", "reason": "r"}`)
	}
	f.Add("t:o", `{"until": "9999-12-31T23:59:59-23:59"}`)
	f.Add("t:o", `{"until": "0000-01-01T00:00:00Z"}`)
	f.Add("\x00:", `null`)
	s := newServer(f)
	f.Fuzz(func(t *testing.T, id, body string) {
		if len(id) > 2000 || id == "" {
			return
		}
		path := "/v1/revocations/" + url.PathEscape(id)
		a := s.call(t, "admin", "PUT", path, body, "Content-Type", "application/json")
		switch {
		case a.status >= 300 && a.status < 400 && (id == "." || id == ".."): // no principals
		case a.status == 400 || a.status == 422 || a.status == 404:
			a.problem(t)
		case a.status == 200 || a.status == 201:
			want, err := store.CanonicalPrincipal(id)
			if got := revocationOf(t, a).PrincipalID; err != nil || got != want {
				t.Fatalf("%q revokes %q", id, got)
			}
			if d := s.call(t, "admin", "DELETE", path, ""); d.status != 200 {
				t.Fatalf("%q is not taken back: %d %s", id, d.status, d.body)
			}
		default:
			t.Fatalf("%q: %d %s", id, a.status, a.body)
		}
	})
}
