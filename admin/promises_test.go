package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"scopegate/admin"
	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

// hooked is a store in which something happens around the first commit. It notes
// what happens, in the order.
type hooked struct {
	store.Store
	events         []string
	before, after  func()
	instead        error // of the first commit, which is made all the same
	liveAtCommit   error // the context's, when the change is made
	liveAtDone     error // and when the flush is told that it was
	result         flush.Result
	beginOf, owner string
}

func (h *hooked) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	if f := h.before; f != nil {
		h.before = nil
		f()
	}
	h.liveAtCommit = ctx.Err()
	meta, err := h.Store.Commit(ctx, c)
	h.events = append(h.events, "commit "+fmt.Sprint(err == nil))
	if f := h.after; f != nil {
		h.after = nil
		f()
	}
	if h.instead != nil {
		return store.Meta{}, h.instead
	}
	return meta, err
}

func (h *hooked) Begin(_ context.Context, owner string, apis ...mapping.API) flush.Pending {
	h.events = append(h.events, "begin")
	h.owner, h.beginOf = owner, fmt.Sprint(apis)
	return h
}

func (h *hooked) Done(ctx context.Context) flush.Result {
	h.events = append(h.events, "done")
	h.liveAtDone = ctx.Err()
	return h.result
}

func hook(t *testing.T) (*hooked, server) {
	t.Helper()
	h := &hooked{result: flush.Result{Flush: "scheduled"}}
	s := serverOn(t, openBolt(t), func(c *admin.Config) { c.Flusher = h })
	s.owned(t)
	h.Store, h.events = s.store.Store, nil
	s.store.Store = h
	return h, s
}

func TestTheSecondFlushIsCertainBeforeAChangeIsMade(t *testing.T) {
	h, s := hook(t)
	a := s.call(t, "owner-through-app", "POST", "/v1/permissions", perm("dev", orders))
	if a.status != 201 || !slices.Equal(h.events, []string{"begin", "commit true", "done"}) || a.item(t).Flush != "scheduled" {
		t.Errorf("%d %s after %v", a.status, a.body, h.events)
	}
	// His budget is one through all apps.
	if h.owner != home+":olga" || h.beginOf != fmt.Sprint([]mapping.API{api}) {
		t.Errorf("begun by %s of %s", h.owner, h.beginOf)
	}
	h.events = nil
	if a := s.call(t, "owner", "POST", "/v1/permissions", perm("dev", orders)); a.status != 409 || len(h.events) > 0 {
		t.Errorf("what changes nothing: %d after %v", a.status, h.events)
	}
	h.result = flush.Result{Flush: "failed", Reason: "throttled"}
	if a := s.call(t, "owner", "DELETE", a.header.Get("Location"), "", "If-Match", "*"); a.status != 200 || !strings.Contains(a.body, `"flushReason":"throttled"`) {
		t.Errorf("a flush that failed is no failed change: %d %s", a.status, a.body)
	}
}

// TestAChangeOfAnotherItemIsNoConflict: the change is made again on the table as
// it has become, and its second flush is scheduled once.
func TestAChangeOfAnotherItemIsNoConflict(t *testing.T) {
	h, s := hook(t)
	one := s.add(t, "dev", orders)
	for _, c := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"add", "POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "new", "scope": "s"`), 201},
		{"change", "PUT", "/v1/permissions/" + one.ID, `{"description": "d"}`, 200},
		{"remove", "DELETE", "/v1/permissions/" + one.ID, "", 200},
	} {
		other := perm("dev", `"httpVerb": "GET", "resource": "other-`+c.name+`", "scope": "s"`)
		h.before = func() {
			if a := s.call(t, "admin", "POST", "/v1/permissions", other); a.status != 201 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			h.events = nil
		}
		a := s.call(t, "owner", c.method, c.path, c.body, "If-Match", "*")
		// The other change cleared what was noted before it: this one's only begin.
		if a.status != c.want || !slices.Equal(h.events, []string{"commit false", "commit true", "done"}) {
			t.Errorf("%s: %d %s after %v", c.name, a.status, a.body, h.events)
		}
		if got := s.call(t, "admin", "GET", "/v1/permissions?resource=other-"+c.name, ""); !strings.Contains(got.body, "other-"+c.name) {
			t.Errorf("%s: the other change is lost: %s", c.name, got.body)
		}
	}
}

// TestAnItemThatOthersChangedMeanwhileIsAConflict: what was reviewed is what is
// changed.
func TestAnItemThatOthersChangedMeanwhileIsAConflict(t *testing.T) {
	for _, method := range []string{"PUT", "DELETE"} {
		h, s := hook(t)
		one := s.add(t, "dev", orders)
		at := "/v1/permissions/" + one.ID
		h.before = func() {
			if a := s.call(t, "admin", "PUT", at, `{"description": "theirs"}`, "If-Match", one.ETag); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		if a := s.call(t, "owner", method, at, `{"description": "mine"}`, "If-Match", one.ETag); a.status != 412 {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
		if a := s.call(t, "owner", "GET", at, ""); a.item(t).Description != "theirs" {
			t.Errorf("%s: %s", method, a.body)
		}
	}
}

// TestACommittedChangeIsNeverAnsweredAsFailed, though the client has gone.
func TestACommittedChangeIsNeverAnsweredAsFailed(t *testing.T) {
	h, s := hook(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.after = cancel
	a := sendWith(ctx, s, "POST", "/v1/permissions", perm("dev", orders))
	if a.status != 201 || h.liveAtDone != nil || !slices.Contains(h.events, "done") {
		t.Errorf("%d %s after %v, context %v", a.status, a.body, h.events, h.liveAtDone)
	}
	ctx, cancel = context.WithCancel(t.Context())
	h.before = cancel
	a = sendWith(ctx, s, "POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "w", "scope": "s"`))
	if a.status != 201 || h.liveAtCommit != nil || h.liveAtDone != nil {
		t.Errorf("gone while it is made: %d %s, contexts %v, %v", a.status, a.body, h.liveAtCommit, h.liveAtDone)
	}
	h.events = nil
	a = sendWith(ctx, s, "POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "x", "scope": "s"`))
	if a.status < 500 || len(h.events) > 0 {
		t.Errorf("gone before: %d %s after %v", a.status, a.body, h.events)
	}
}

func sendWith(ctx context.Context, s server, method, path, body string) answer {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer owner")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// TestAnUnknownOutcomeIsSaidToBeUnknown, and the same request again finds out.
func TestAnUnknownOutcomeIsSaidToBeUnknown(t *testing.T) {
	h, s := hook(t)
	h.instead = fmt.Errorf("the wire is cut: %w", store.ErrUnknown)
	a := s.call(t, "owner", "POST", "/v1/permissions", perm("dev", orders))
	p := a.problem(t)
	if a.status != http.StatusServiceUnavailable || !strings.Contains(p.Detail, "not known") || strings.Contains(a.body, "fail") || strings.Contains(a.body, "wire") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if h.events[0] != "begin" || h.events[len(h.events)-1] != "done" {
		t.Errorf("after %v: caches are to be emptied, whatever became of the change", h.events)
	}
	h.instead = nil
	again := s.call(t, "owner", "POST", "/v1/permissions", perm("dev", orders))
	at := again.header.Get("Location")
	if again.status != 409 || s.call(t, "owner", "GET", at, "").status != 200 {
		t.Errorf("again: %d %s, Location %s", again.status, again.body, at)
	}
}

// TestAWriteThatShutsHoldersOutWaitsForForce.
func TestAWriteThatShutsHoldersOutWaitsForForce(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	for _, more := range []string{`"resource": "u/{id}", "scope": "y"`, `"resource": "u/{id}/a/settings", "scope": "y"`} {
		s.add(t, "dev", `"httpVerb": "GET", `+more)
	}
	body := perm("dev", `"httpVerb": "GET", "resource": "u/{id}/settings", "scope": "z"`)
	a := s.call(t, "owner", "POST", "/v1/permissions", body)
	if a.status != 422 || !strings.Contains(a.body, "force=true") || !strings.Contains(a.body, "u/{id}/a/settings") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.call(t, "owner", "POST", "/v1/permissions?force=true", body); a.status != 201 || !strings.Contains(a.body, `"whole_collision"`) {
		t.Errorf("forced: %d %s", a.status, a.body)
	}
}

// TestWhoLosesTheAPIMeanwhileChangesNothingOfIt: the table may change hands between
// the look at it and the change.
func TestWhoLosesTheAPIMeanwhileChangesNothingOfIt(t *testing.T) {
	for name, head := range map[string]string{"to others": foes, "deleted": ""} {
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "new", "scope": "s"`)},
			{"PUT", "", `{"description": "d"}`}, {"DELETE", "", ""},
		} {
			h, s := hook(t)
			one := s.add(t, "dev", orders)
			path := c.path
			if path == "" {
				path = "/v1/permissions/" + one.ID + "?arn=" + arn + "&stage=dev"
			}
			h.before = func() {
				method, body := "PUT", `{"arn": "`+arn+`", `+head+`}`
				if head == "" {
					method, body = "DELETE", ""
				}
				if a := s.call(t, "admin", method, table, body, "If-Match", "*"); a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			a := s.call(t, "owner", c.method, path, c.body, "If-Match", "*")
			none := s.call(t, "owner", "GET", unknown, "")
			if a.status != 403 || a.body != none.body {
				t.Errorf("%s, %s: %d %s, want %s", name, c.method, a.status, a.body, none.body)
			}
			records, err := s.store.Audit(t.Context(), api, "", 10)
			if err != nil || len(records) != 3 || records[0].By != "t:ada" {
				t.Errorf("%s, %s: %d records, the last by %s: %v", name, c.method, len(records), records[0].By, err)
			}
		}
	}
}
