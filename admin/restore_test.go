package admin_test

import (
	"context"
	"strings"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

func TestATableBecomesWhatItWas(t *testing.T) {
	s := newServer(t)
	first := strings.Trim(s.owned(t), `"`)
	s.add(t, "dev", `"httpVerb": "GET", "resource": "a", "scope": "s"`)
	one := s.add(t, "dev", `"httpVerb": "GET", "resource": "b", "scope": "s", "description": "was"`)
	then := one.Revision
	if a := s.call(t, "admin", "PUT", "/v1/permissions/"+one.ID, `{"description": "is"}`, "If-Match", "*"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.add(t, "dev", `"httpVerb": "GET", "resource": "c", "scope": "s"`)
	renamed := s.call(t, "admin", "PUT", table, `{"arn": "`+arn+`", "name": "Renamed", `+owners+`, `+trust+`}`, "If-Match", "*")
	if renamed.status != 200 {
		t.Fatalf("%d %s", renamed.status, renamed.body)
	}
	tag := renamed.header.Get("ETag")
	const at = table + "/restore"
	body := func(revision string) string { return `{"revision": "` + revision + `"}` }
	for _, c := range []struct {
		name, body, match string
		want              int
	}{
		{"without If-Match", body(then), "", 428}, {"at another revision", body(then), `"1-x"`, 412},
		{"what never was", body("2-x"), tag, 422}, {"what is no revision", body("two"), tag, 422}, {"none", body("none"), tag, 422},
		{"what is to come", body("99-" + strings.SplitN(then, "-", 2)[1]), tag, 422}, {"nothing", `{}`, tag, 422},
	} {
		headers := []string{"If-Match", c.match}
		if c.match == "" {
			headers = nil
		}
		if a := s.call(t, "owner", "POST", at, c.body, headers...); a.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, a.status, a.body, c.want)
		}
	}
	planned := s.call(t, "owner", "POST", at+"?dryRun=true", body(then))
	if planned.status != 200 || planned.header.Get("ETag") != tag || !strings.Contains(planned.body, `"losses":[{`) {
		t.Errorf("plan: %d %s", planned.status, planned.body)
	}
	done := s.call(t, "owner", "POST", at, body(then), "If-Match", tag)
	if done.status != 200 || !strings.Contains(done.body, `"added":0,"changed":1,"removed":1,"unchanged":1`) || !strings.Contains(done.body, `"flush":"off"`) {
		t.Fatalf("restore: %d %s", done.status, done.body)
	}
	snapshot, err := s.store.Load(t.Context(), api)
	if err != nil || len(snapshot.Permissions) != 2 || len(snapshot.Routes) != 2 || snapshot.Name != "Renamed" {
		t.Errorf("restored by an owner: %+v %v", snapshot, err)
	}
	for _, p := range snapshot.Permissions {
		if p.ID() == one.ID && p.Description != "was" {
			t.Errorf("%+v", p)
		}
	}
	again := s.call(t, "owner", "POST", at, body(then), "If-Match", "*")
	if again.status != 200 || again.header.Get("ETag") != done.header.Get("ETag") {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if a := s.call(t, "admin", "POST", at, body(first), "If-Match", "*"); a.status != 200 {
		t.Errorf("restored by an admin: %d %s", a.status, a.body)
	}
	if meta, err := s.store.Meta(t.Context(), api); err != nil || meta.Name != "Orders" || meta.Revision == (store.Revision{}) {
		t.Errorf("restored by an admin: %+v %v", meta, err)
	}
}

// spoiledTrail is a store whose audit trail was damaged.
type spoiledTrail struct{ store.Store }

func (s spoiledTrail) Audit(ctx context.Context, api mapping.API, before string, limit int) ([]store.Record, error) {
	list, err := s.Store.Audit(ctx, api, before, limit)
	for i := range list {
		list[i].Unlisted, list[i].Hash = true, "sha256:0"
	}
	return list, err
}

func (s spoiledTrail) AuditDetail(_ context.Context, _ mapping.API, id string) (store.Record, error) {
	return store.Record{ChangeID: id, Hash: "sha256:0"}.WithLists([]byte("{}"))
}

func (s spoiledTrail) RevocationAudit(context.Context, string, int) ([]store.RevocationRecord, error) {
	return []store.RevocationRecord{{ChangeID: "01KAJ0000000000000000000AA", Damaged: "attribute at: is gone"}}, nil
}

// TestADamagedTrailIsNoOutage: who waits for the store to come back would wait for ever.
func TestADamagedTrailIsNoOutage(t *testing.T) {
	s := newServer(t)
	first := strings.Trim(s.owned(t), `"`)
	s.add(t, "dev", `"httpVerb": "GET", "resource": "a", "scope": "s"`)
	s.store.Store = spoiledTrail{s.store.Store}
	a := s.call(t, "admin", "POST", table+"/restore", `{"revision": "`+first+`"}`, "If-Match", "*")
	if a.status != 409 || !strings.Contains(a.body, "audit trail does not hold") {
		t.Errorf("restore: %d %s", a.status, a.body)
	}
	a = s.call(t, "admin", "GET", "/v1/audit", "")
	if a.status != 200 || !strings.Contains(a.body, `"damaged":"attribute at: is gone"`) {
		t.Errorf("revocations: %d %s", a.status, a.body)
	}
}
