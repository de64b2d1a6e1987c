package authorizer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"scopegate/internal/tabletest"
	"scopegate/store"
	"scopegate/token"
)

// visitors is an authorizer that remembers a thousand tokens for a minute each, and
// whom its tokens speak of.
func visitors(t *testing.T) (*site, *Authorizer, *remembering) {
	t.Helper()
	s := &site{table: tabletest.Table(tabletest.Permission("GET", "x", "s1")), revision: store.Revision{Number: 1, Incarnation: "a"}, now: tabletest.Now}
	s.claims = token.Claims{
		Issuer: "https://issuer.example", TenantID: tabletest.Trust[0].Tenant, ObjectID: "o", Kind: token.KindUser, Scopes: []string{"s1"},
		Expires: tabletest.Now.Add(time.Hour), End: tabletest.Now.Add(time.Hour + time.Minute),
	}
	verifier, err := Remember(s, 1000, time.Minute, s.clock)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Verifier: verifier, Tables: s, Revocations: s, Log: zap.NewNop(), Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	memory, ok := verifier.(*remembering)
	if !ok {
		t.Fatalf("%T remembers nothing", verifier)
	}
	return s, a, memory
}

func visit(t *testing.T, a *Authorizer, n int) {
	t.Helper()
	event := fmt.Sprintf(`{"type":"TOKEN","methodArn":"%s/%s/GET/x","authorizationToken":"Bearer a.b.c%d"}`, tabletest.API.ARN, tabletest.API.Stage, n)
	if _, err := a.Invoke(t.Context(), []byte(event)); err != nil {
		t.Fatal(err)
	}
}

// TestATokenThatHasEndedTakesNoMemory, nor what was worked out for it: each new one
// takes some of those that have ended with it, and none that has not.
func TestATokenThatHasEndedTakesNoMemory(t *testing.T) {
	s, a, memory := visitors(t)
	check := func(want int, why string) {
		t.Helper()
		if tokens, grants := memory.known.Len(), a.memory.grants.Len(); tokens != want || grants != want {
			t.Errorf("%s: %d tokens and %d grants, want %d of each", why, tokens, grants, want)
		}
	}
	for n := range 100 {
		visit(t, a, n)
	}
	check(100, "all within their time")
	s.now = s.now.Add(time.Minute - 1)
	visit(t, a, 100)
	check(101, "a moment before the first ends")
	s.now = s.now.Add(1)
	visit(t, a, 101)
	check(102-mostForgotten, "one more, when a hundred have ended")
	for n := range 15 {
		visit(t, a, 102+n)
	}
	check(17, "as many more as it takes")
	s.now = s.now.Add(-time.Hour)
	visit(t, a, 200)
	check(18, "the clock went back")
	s.now = s.now.Add(24 * time.Hour)
	s.claims.Expires, s.claims.End = s.now.Add(time.Hour), s.now.Add(time.Hour)
	for n := range 3 {
		visit(t, a, 300+n)
	}
	check(3, "a day later")
}

// TestForgettingTakesNoOtherTokensAnswer: calls that renew their tokens while others
// have them forgotten are all answered.
func TestForgettingTakesNoOtherTokensAnswer(t *testing.T) {
	s, a, _ := visitors(t)
	a.Now = time.Now
	memory, err := Remember(s, 8, time.Nanosecond, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s.claims.Expires, s.claims.End = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	a.Verifier = memory
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range 200 {
				event := fmt.Sprintf(`{"type":"TOKEN","methodArn":"%s/%s/GET/x","authorizationToken":"Bearer a.b.c%d"}`, tabletest.API.ARN, tabletest.API.Stage, n%12)
				if _, err := a.Invoke(context.Background(), []byte(event)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
