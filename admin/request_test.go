package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/zap"

	"scopegate/admin"
	"scopegate/internal/flush"
)

func TestWhatIsNoCallIsAProblemToo(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/", 404, ""}, {"GET", "/v1/nothing", 404, ""}, {"POST", "/v2/permissions", 404, ""},
		{"GET", "//nothing", 404, ""}, {"GET", "/v1/nothing/../x", 404, ""}, {"OPTIONS", "*", 404, ""},
		// Nothing is moved to elsewhere: behind a stage the place would be a wrong one.
		{"GET", "//v1/apis", 404, ""}, {"GET", "/v1/./apis", 404, ""}, {"GET", "/v1/x/../apis", 404, ""}, {"PUT", "/" + table, 404, ""},
		{"PATCH", "/v1/permissions", 405, "GET, HEAD, POST"}, {"POST", document, 405, "GET, HEAD, PUT"},
	} {
		a := s.call(t, "admin", c.method, c.path, "")
		if a.status != c.want || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, a.status, a.header.Get("Allow"))
		}
		a.problem(t)
	}
}

// TestARequestsIDComesFromWhatCarriesItAndFromNoHeader: else anybody writes what
// he likes into the audit trail.
func TestARequestsIDComesFromWhatCarriesItAndFromNoHeader(t *testing.T) {
	type key struct{}
	s := newServer(t)
	h, err := admin.New(admin.Config{
		Store: s.store, Verifier: known, Scope: "S", Role: "R", Log: zap.NewNop(), Flusher: flush.Off{},
		RequestID: func(ctx context.Context) string { id, _ := ctx.Value(key{}).(string); return id },
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context, stage string) string {
		r := httptest.NewRequestWithContext(ctx, "PUT", "/v1/apis/rz8w6b1ik2/"+stage, jsonBody(`{"arn": "`+arn+`"}`))
		r.Header.Set("Authorization", "Bearer admin")
		r.Header.Set("Content-Type", "application/json")
		for _, name := range []string{"X-Request-Id", "X-Amzn-Requestid", "X-Amzn-Trace-Id"} {
			r.Header.Set(name, "mine")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		records, err := s.store.Audit(t.Context(), apiOf(stage), "", 1)
		if err != nil || w.Code != http.StatusCreated || len(records) != 1 || records[0].RequestID != w.Header().Get("X-Request-Id") {
			t.Fatalf("%d %s: %+v %v", w.Code, w.Body, records, err)
		}
		return records[0].RequestID
	}
	if got := ask(context.WithValue(t.Context(), key{}, "the gateway's"), "one"); got != "the gateway's" {
		t.Errorf("id %q", got)
	}
	if got := ask(t.Context(), "two"); len(got) != 26 {
		t.Errorf("id %q, want a ULID", got)
	}
}
