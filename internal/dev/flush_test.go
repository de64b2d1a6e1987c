package dev_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"scopegate/internal/dev"
	"scopegate/internal/flush"
	localflush "scopegate/internal/flush/local"
)

// change adds a route of a scope over the admin API, and gives what the answer
// says of caches.
func (s *stack) change(t *testing.T, resource, scope string) flush.Result {
	t.Helper()
	body, err := json.Marshal(map[string]string{
		"arn": dev.SeedAPI.ARN, "stage": dev.SeedAPI.Stage, "httpVerb": "GET", "resource": resource, "scope": scope,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, http.MethodPost, s.AdminURL+"/v1/permissions", string(body))
	r.Header.Set("Authorization", "Bearer "+s.mint(t, url.Values{"audience": {s.AdminAudience}, "scopes": {s.AdminScope}, "roles": {s.AdminRole}}))
	r.Header.Set("Content-Type", "application/json")
	status, _, answer := send(t, r)
	var result flush.Result
	if err := json.Unmarshal([]byte(answer), &result); err != nil || status != http.StatusCreated {
		t.Fatalf("POST permission: %d %s", status, answer)
	}
	return result
}

// TestAChangeReachesCachedCallersByTheTimeThatItsAnswerNames, in both flavours,
// although the gateways keep answers for an hour.
func TestAChangeReachesCachedCallersByTheTimeThatItsAnswerNames(t *testing.T) {
	s := start(t, dev.Options{AuthorizerTTL: time.Hour, Environ: []string{"CACHE_TTL=30s"}})
	caller := s.mint(t, url.Values{"scopes": {"email"}, "life": {"3h"}})
	want := func(when string, status int) {
		t.Helper()
		for _, base := range []string{s.RESTURL, s.HTTPURL} {
			if got, body := raw(t, base, "GET", "/dev/invoices", caller); got != status {
				t.Errorf("%s, %s: %d %s, want %d", base, when, got, body, status)
			}
		}
	}
	want("before", 403)
	result := s.change(t, "invoices", "email")
	if by := s.clock.now().Add(30*time.Second + flush.Margin); result.Flush != "scheduled" || result.EffectiveBy == nil || !result.EffectiveBy.Equal(by) {
		t.Fatalf("answered %+v, want effective by %s", result, by)
	}
	want("from the authorizer's table", 403)
	s.clock.advance(30*time.Second + flush.Settle)
	s.RunDue(t.Context())
	want("after the second flush", 200)
}

func TestWithFlushOffACachedCallerWaitsForTheGatewaysTTL(t *testing.T) {
	data := t.TempDir()
	s := start(t, dev.Options{AuthorizerTTL: 5 * time.Minute, Data: data, Environ: []string{"CACHE_TTL=30s", "FLUSH_AUTHORIZER_CACHE=off"}})
	caller := s.user(t, "email")
	for _, c := range []struct {
		after  time.Duration
		status int
	}{{0, 403}, {2 * time.Minute, 403}, {3 * time.Minute, 200}} {
		s.clock.advance(c.after)
		if got, _ := raw(t, s.RESTURL, "GET", "/dev/invoices", caller); got != c.status {
			t.Errorf("%v later: %d, want %d", c.after, got, c.status)
		}
		if c.after == 0 {
			if result := s.change(t, "invoices", "email"); result.Flush != "off" || result.EffectiveBy != nil {
				t.Errorf("answered %+v", result)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(data, dev.JobsFile)); err == nil {
		t.Error("jobs are kept, and none is ever made")
	}
}

// TestASecondFlushOutlivesTheStack: the next one makes it.
func TestASecondFlushOutlivesTheStack(t *testing.T) {
	data := t.TempDir()
	waiting := func() (n int) {
		t.Helper()
		q, err := localflush.Open(filepath.Join(data, dev.JobsFile), localflush.Config{Now: func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }})
		if err != nil {
			t.Fatal(err)
		}
		// A job that is cut off stays.
		ctx, cancel := context.WithCancel(t.Context())
		q.RunDue(ctx, func(ctx context.Context, _ flush.Job) error {
			n++
			cancel()
			return ctx.Err()
		})
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := start(t, dev.Options{Data: data, Environ: []string{"CACHE_TTL=30s"}})
	first.change(t, "invoices", "email")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if n := waiting(); n != 1 {
		t.Fatalf("%d jobs are kept", n)
	}
	second := start(t, dev.Options{Data: data, Environ: []string{"CACHE_TTL=30s"}})
	second.clock.advance(time.Minute)
	second.RunDue(t.Context())
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if n := waiting(); n != 0 {
		t.Errorf("%d jobs are still kept", n)
	}
}
