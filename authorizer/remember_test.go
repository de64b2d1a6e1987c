package authorizer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// counting counts what reaches the verifier behind it.
type counting struct {
	verifier
	asked int
}

func (c *counting) Verify(ctx context.Context, raw string) (token.Claims, error) {
	c.asked++
	return c.verifier.Verify(ctx, raw)
}

func TestAVerifiedTokenIsRememberedUntilItsTTLOrEnd(t *testing.T) {
	now := tabletest.Now
	short := claims("s1")
	short.End = now.Add(10 * time.Second)
	behind := &counting{verifier: verifier{good: claims("s1"), "short.to.ken": short}}
	v, err := authorizer.Remember(behind, 8, time.Minute, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	check := func(raw string, after time.Duration, want int, why string) {
		t.Helper()
		now = tabletest.Now.Add(after)
		behind.asked = 0
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", why, err)
		}
		if behind.asked != want {
			t.Errorf("%s: verified %d times, want %d", why, behind.asked, want)
		}
	}
	check(good, 0, 1, "new")
	check(good, time.Minute-1, 0, "within the TTL")
	check(good, time.Minute, 1, "after the TTL")
	check(good, 0, 1, "after the clock went back")
	check("short.to.ken", 0, 1, "new, ends soon")
	check("short.to.ken", 10*time.Second-1, 0, "just before its end")
	check("short.to.ken", 10*time.Second, 1, "at its end")
}

func TestRefusalsAndOutagesAreNotRemembered(t *testing.T) {
	behind := &counting{verifier: verifier{"down": &token.Error{Reason: token.ReasonKeys}}}
	v, err := authorizer.Remember(behind, 8, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.Verify(t.Context(), "down"); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	behind.verifier["down"] = claims("s1")
	if _, err := v.Verify(t.Context(), "down"); err != nil || behind.asked != 3 {
		t.Errorf("after the outage: %v, asked %d times", err, behind.asked)
	}
}

func TestAMemoryOfZeroIsNone(t *testing.T) {
	behind := &counting{verifier: verifier{good: claims("s1")}}
	v, err := authorizer.Remember(behind, 0, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _ = v.Verify(t.Context(), good)
	}
	if behind.asked != 2 {
		t.Errorf("asked %d times", behind.asked)
	}
}

// moving serves one table, then another of the next revision.
type moving struct {
	first, second tables
	moved         bool
}

// TestACompiledPolicyIsOfOneRevision: the same set of permissions of another
// revision is compiled anew.
func TestACompiledPolicyIsOfOneRevision(t *testing.T) {
	m := &moving{
		first:  tables{table: tabletest.Table(tabletest.Permission("GET", "a", "s1"))},
		second: tables{table: tabletest.Table(tabletest.Permission("GET", "b", "s1"))},
	}
	a := start(t, func(c *authorizer.Config) { c.Tables = m })
	event := restToken(api+"/dev/GET/b", "Bearer "+good)
	before, err := ask(t, a, event)
	if err != nil {
		t.Fatal(err)
	}
	m.moved = true
	after, err := ask(t, a, event)
	if err != nil {
		t.Fatal(err)
	}
	if decides(before.PolicyDocument, api+"/dev/GET/b") == decides(after.PolicyDocument, api+"/dev/GET/b") {
		t.Error("the policy of the old revision is still given")
	}
	if after.Context["revision"] != "8-abc" {
		t.Errorf("revision %q", after.Context["revision"])
	}
}

func (m *moving) Table(ctx context.Context, api mapping.API) (store.Served, error) {
	if !m.moved {
		return m.first.Table(ctx, api)
	}
	s, err := m.second.Table(ctx, api)
	s.Revision.Number++
	return s, err
}

func TestTheLogSaysWhatWasRemembered(t *testing.T) {
	a := start(t, func(c *authorizer.Config) {
		v, err := authorizer.Remember(c.Verifier, 8, time.Minute, c.Now)
		if err != nil {
			t.Fatal(err)
		}
		c.Verifier = v
	})
	for range 2 {
		if _, err := ask(t, a, restToken(api+"/dev/GET/my-resource", "Bearer "+good)); err != nil {
			t.Fatal(err)
		}
	}
	for i, line := range a.logs.All() {
		fields := line.ContextMap()
		if fields["tokenHit"] != (i == 1) || fields["policyHit"] != (i == 1) {
			t.Errorf("request %d: tokenHit %v, policyHit %v", i+1, fields["tokenHit"], fields["policyHit"])
		}
	}
}
