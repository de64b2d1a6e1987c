package admin_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"scopegate/admin"
	"scopegate/store"
)

func asking(c *admin.Config) {
	c.Revocations = store.NewRevocationCache(c.Store, store.RevocationConfig{Skew: time.Minute, Now: c.Now})
}

// TestARevokedAdminIsRefusedAtOnce: he changes nothing any more, and does not take
// his own revocation back. Others go on.
func TestARevokedAdminIsRefusedAtOnce(t *testing.T) {
	s := newServer(t, asking)
	s.registered(t)
	if a := s.call(t, "app", "GET", "/v1/apis", ""); a.status != 200 {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	if a := s.call(t, "admin", "PUT", "/v1/revocations/t:robot", ""); a.status != 201 {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	for _, c := range [][2]string{{"GET", "/v1/apis"}, {"DELETE", "/v1/revocations/t:robot"}, {"DELETE", table}} {
		a := s.call(t, "app", c[0], c[1], "", "If-Match", "*")
		if a.status != 401 || !strings.Contains(a.body, "not accepted: revoked") || a.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
			t.Errorf("%s %s: %d %s", c[0], c[1], a.status, a.body)
		}
	}
	if a := s.call(t, "admin", "DELETE", "/v1/revocations/t:robot", ""); a.status != 200 {
		t.Errorf("unrevoke: %d %s", a.status, a.body)
	}
	if a := s.call(t, "app", "GET", "/v1/apis", ""); a.status != 200 {
		t.Errorf("after: %d %s", a.status, a.body)
	}
}

// TestNobodyIsLetInWhileRevocationsAreNotKnown: that is an outage, not a refusal.
func TestNobodyIsLetInWhileRevocationsAreNotKnown(t *testing.T) {
	s := newServer(t, asking)
	s.registered(t)
	s = serverOn(t, &failing{Store: s.store.Store, err: errors.New("no answer")}, asking)
	a := s.call(t, "admin", "PUT", "/v1/revocations/t:robot", "")
	if a.status != 503 || a.header.Get("Retry-After") == "" || strings.Contains(a.body, "no answer") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
