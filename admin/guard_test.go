package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"scopegate/admin"
)

// TestAPlanThatTakesTooLongIsSaidToBeOne, not an outage of the store: and a write
// that was not asked to be planned is made all the same.
func TestAPlanThatTakesTooLongIsSaidToBeOne(t *testing.T) {
	s := newServer(t, func(c *admin.Config) { c.PlanWithin = time.Nanosecond })
	etag := s.registered(t)
	body := doc("", `"httpVerb": "GET", "resource": "orders/*", "scope": "orders.read"`)
	planned := s.call(t, "admin", "PUT", document+"?dryRun=true", body)
	if planned.status != http.StatusUnprocessableEntity || !strings.Contains(planned.body, "too large to be planned within 1ns") {
		t.Errorf("plan: status %d: %s", planned.status, planned.body)
	}
	if made := s.call(t, "admin", "PUT", document, body, "If-Match", etag); made.status != http.StatusOK {
		t.Errorf("apply: status %d: %s", made.status, made.body)
	}
}
