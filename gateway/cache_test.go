package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/gateway"
)

// cachedConfig keeps answers for ttl on a clock that the test moves.
func cachedConfig(f gateway.Flavour, a gateway.Authorizer, ttl time.Duration) (gateway.Config, *clock) {
	c, at := config(f, a), newClock()
	c.AuthorizerTTL, c.Now = ttl, at.Now
	return c, at
}

func TestCachedPolicyAnswersEveryMethodAndPath(t *testing.T) {
	for _, f := range []gateway.Flavour{gateway.RESTToken, gateway.RESTRequest, gateway.HTTPv1, gateway.HTTPv2} {
		a := &fake{answers: map[string]string{"T": iam(statement("Allow", "dev/GET/a", "dev/GET/b"))}}
		c, _ := cachedConfig(f, a, time.Minute)
		g := start(t, c)
		for target, want := range map[string]int{"/dev/a": 200, "/dev/b": 200, "/dev/c": 403} {
			if w := as(g, "T", target); w.Code != want {
				t.Errorf("%v %s: status %d, want %d", f, target, w.Code, want)
			}
		}
		want := gateway.Stats{Requests: 3, AuthorizerCalls: 1, CacheHits: 2}
		if got := g.Stats()["dev"]; got != want || a.calls() != 1 {
			t.Errorf("%v: %+v after %d calls, want %+v", f, got, a.calls(), want)
		}
	}
}

func TestAnswerIsForgottenAfterItsTTLByTheWallClock(t *testing.T) {
	a := &fake{answers: map[string]string{"T": iam(statement("Allow", "*"))}}
	c, at := cachedConfig(gateway.RESTToken, a, time.Minute)
	g := start(t, c)
	for _, step := range []struct {
		move  time.Duration
		calls int
	}{
		{0, 1}, {time.Minute - 1, 1}, {1, 2}, {time.Second, 2},
		{-time.Hour, 3}, // a clock set back does not lengthen an answer's life
	} {
		at.move(step.move)
		as(g, "T", "/dev/a")
		if a.calls() != step.calls {
			t.Errorf("after moving %v: %d calls, want %d", step.move, a.calls(), step.calls)
		}
	}
}

func TestWithoutTTLEveryRequestIsACall(t *testing.T) {
	a := &fake{answers: map[string]string{"T": iam(statement("Allow", "*"))}}
	g := start(t, config(gateway.RESTToken, a))
	as(g, "T", "/dev/a")
	as(g, "T", "/dev/a")
	if a.calls() != 2 {
		t.Errorf("%d calls, want 2", a.calls())
	}
}

func TestErrorsAreNotCachedAndDeniesAre(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		err    error
		calls  int
	}{
		{"refused", "", errors.New("Unauthorized"), 2},
		{"failed", "", errors.New("read table"), 2},
		{"not valid", "{}", nil, 2},
		{"deny-all", iam(statement("Deny", "*")), nil, 1},
		{"not matched", iam(statement("Allow", "dev/GET/other")), nil, 1},
	} {
		a := &fake{answers: map[string]string{"*": c.answer}, err: c.err}
		cfg, _ := cachedConfig(gateway.RESTToken, a, time.Minute)
		g := start(t, cfg)
		first, second := as(g, "T", "/dev/a"), as(g, "T", "/dev/a")
		if a.calls() != c.calls || first.Code != second.Code || first.Code < 400 {
			t.Errorf("%s: %d calls, statuses %d and %d; want %d calls", c.name, a.calls(), first.Code, second.Code, c.calls)
		}
	}
}

func TestCacheIsKeptPerStage(t *testing.T) {
	a := &fake{answers: map[string]string{"T": iam(statement("Allow", "*"))}}
	c, _ := cachedConfig(gateway.RESTToken, a, time.Minute)
	c.Stages = []string{"dev", "prod"}
	g := start(t, c)
	for _, target := range []string{"/dev/a", "/prod/a", "/dev/b", "/prod/b"} {
		as(g, "T", target)
	}
	if err := g.Flush("dev"); err != nil {
		t.Fatal(err)
	}
	if err := g.Flush("test"); err == nil {
		t.Error("a stage that does not exist was flushed")
	}
	for _, target := range []string{"/dev/c", "/prod/c"} {
		as(g, "T", target)
	}
	want := map[string]gateway.Stats{
		"dev": {Requests: 3, AuthorizerCalls: 2, CacheHits: 1}, "prod": {Requests: 3, AuthorizerCalls: 1, CacheHits: 2},
	}
	for stage, s := range g.Stats() {
		if s != want[stage] {
			t.Errorf("%s: %+v, want %+v", stage, s, want[stage])
		}
	}
}

func TestEveryIdentitySourceIsInTheKey(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	c, _ := cachedConfig(gateway.RESTRequest, a, time.Minute)
	c.IdentitySources = []string{"method.request.header.A", "method.request.querystring.b", "context.httpMethod"}
	g := start(t, c)
	// Joined with a comma, the first two would be the same identity.
	get(g, "/dev/x?b=3", "A", "1,2")
	get(g, "/dev/x?b=2,3", "A", "1")
	if a.calls() != 2 {
		t.Fatalf("%d calls, want 2", a.calls())
	}
	get(g, "/dev/y?b=3&other=1", "A", "1,2", "Other", "1")
	if a.calls() != 2 {
		t.Errorf("what is no identity source made a call")
	}
}

func TestSimpleAnswerIsCachedForEveryRouteOfItsKey(t *testing.T) {
	a := &fake{answers: map[string]string{"*": `{"isAuthorized":true}`}}
	c, _ := cachedConfig(gateway.HTTPv2Simple, a, time.Minute)
	g := start(t, c)
	for _, target := range []string{"/a", "/b"} {
		if w := as(g, "T", target); w.Code != http.StatusOK {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if a.calls() != 1 {
		t.Errorf("%d calls, want 1", a.calls())
	}
}

func TestCacheIsBounded(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	c, _ := cachedConfig(gateway.RESTToken, a, time.Minute)
	c.CacheSize = 2
	g := start(t, c)
	for _, token := range []string{"1", "2", "1", "3"} { // 2 is the least recently used
		as(g, token, "/dev/a")
	}
	before := a.calls()
	as(g, "1", "/dev/a")
	as(g, "3", "/dev/a")
	if before != 3 || a.calls() != before {
		t.Errorf("%d, then %d calls; want 3 and 3", before, a.calls())
	}
	as(g, "2", "/dev/a")
	if a.calls() != before+1 {
		t.Errorf("the answer that was pushed out was still there")
	}
}

func TestFlushCoversACallUnderWay(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "dev/GET/a"))}}
	slow := gateway.AuthorizerFunc(func(ctx context.Context, b []byte) ([]byte, error) {
		answer, err := a.Invoke(ctx, b)
		once.Do(func() { close(asked); <-release })
		return answer, err
	})
	c, _ := cachedConfig(gateway.RESTToken, slow, time.Minute)
	g := start(t, c)
	status := make(chan int)
	go func() { status <- as(g, "T", "/dev/a").Code }()
	<-asked
	if err := g.Flush("dev"); err != nil {
		t.Error(err)
	}
	close(release)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the request under way: status %d", got)
	}
	a.answers = map[string]string{"*": iam(statement("Deny", "*"))}
	if w := as(g, "T", "/dev/a"); w.Code != http.StatusForbidden || a.calls() != 2 {
		t.Errorf("after the flush: status %d after %d calls; the old answer survived", w.Code, a.calls())
	}
}

func TestExpiryInThePolicyHoldsInTheCacheToo(t *testing.T) {
	until := newClock().Now().Add(30 * time.Second).Format(time.RFC3339)
	allow := strings.Replace(statement("Allow", "*"), "{", `{"Condition":{"DateLessThan":{"aws:CurrentTime":"`+until+`"}},`, 1)
	a := &fake{answers: map[string]string{"*": iam(allow)}}
	c, at := cachedConfig(gateway.RESTToken, a, time.Minute)
	g := start(t, c)
	if w := as(g, "T", "/dev/a"); w.Code != http.StatusOK {
		t.Fatalf("before: status %d", w.Code)
	}
	at.move(30 * time.Second)
	if w := as(g, "T", "/dev/a"); w.Code != http.StatusForbidden || a.calls() != 1 {
		t.Errorf("after: status %d after %d calls, want 403 from the cached policy", w.Code, a.calls())
	}
}

// The plain definition that the cache is tested against is having none.
func TestCacheChangesNoAnswer(t *testing.T) {
	tails := []string{"dev/GET/a", "dev/GET/b", "dev/*/a", "dev/GET/*", "*", "prod/GET/a"}
	rapid.Check(t, func(t *rapid.T) {
		answers := map[string]string{}
		for i := range 3 {
			var s []string
			for range rapid.IntRange(1, 3).Draw(t, "statements") {
				effect := rapid.SampledFrom([]string{"Allow", "Deny"}).Draw(t, "effect")
				s = append(s, statement(effect, rapid.SampledFrom(tails).Draw(t, "resource")))
			}
			answers[fmt.Sprint(i)] = iam(s...)
		}
		a := &fake{answers: answers}
		plain := config(gateway.RESTToken, a)
		plain.Stages = []string{"dev", "prod"}
		kept := plain
		kept.AuthorizerTTL = time.Hour
		with, err := gateway.New(kept)
		if err != nil {
			t.Fatal(err)
		}
		without, err := gateway.New(plain)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 12).Draw(t, "requests") {
			token := rapid.SampledFrom([]string{"0", "1", "2", "unknown"}).Draw(t, "token")
			target := rapid.SampledFrom([]string{"/dev/a", "/dev/b", "/prod/a", "/dev//a", "/dev/"}).Draw(t, "target")
			got, want := as(with, token, target), as(without, token, target)
			if got.Code != want.Code {
				t.Fatalf("%s %s: status %d with the cache, %d without", token, target, got.Code, want.Code)
			}
		}
	})
}

func TestConcurrentRequestsGetTheirOwnAnswers(t *testing.T) {
	a := &fake{answers: map[string]string{"A": iam(statement("Allow", "dev/GET/a")), "B": iam(statement("Allow", "dev/GET/b"))}}
	c, _ := cachedConfig(gateway.RESTToken, a, time.Minute)
	c.CacheSize = 1
	c.OnDecision = func(gateway.Decision) {}
	g := start(t, c)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 50 {
				for token, want := range map[string]int{"A": 200, "B": 403, "C": 401} {
					if w := as(g, token, "/dev/a"); w.Code != want {
						t.Errorf("%s: status %d, want %d", token, w.Code, want)
					}
				}
				if i%10 == 0 && g.Flush("dev") != nil {
					t.Error("not flushed")
				}
			}
		})
	}
	all.Wait()
	if s := g.Stats()["dev"]; s.Requests != 1200 || s.AuthorizerCalls+s.CacheHits != s.Requests {
		t.Errorf("%+v: want 1200 requests, each called or cached", s)
	}
}

// TestAFlushEmptiesBothFlavours, and a WebSocket API has nothing to be emptied.
func TestAFlushEmptiesBothFlavours(t *testing.T) {
	for _, flavour := range []gateway.Flavour{gateway.RESTToken, gateway.RESTRequest, gateway.HTTPv1, gateway.HTTPv2} {
		a := &fake{answers: map[string]string{"T": iam(statement("Allow", "*"))}}
		c, _ := cachedConfig(flavour, a, time.Hour)
		g := start(t, c)
		for range 2 {
			as(g, "T", "/dev/a")
		}
		if err := g.Flush("dev"); err != nil {
			t.Errorf("%s: %v", flavour, err)
		}
		as(g, "T", "/dev/a")
		if s := g.Stats()["dev"]; s.AuthorizerCalls != 2 || s.CacheHits != 1 {
			t.Errorf("%s: %+v", flavour, s)
		}
	}
	c, _ := cachedConfig(gateway.WebSocket, &fake{}, 0)
	if err := start(t, c).Flush("dev"); !errors.Is(err, gateway.ErrNoCache) {
		t.Errorf("WebSocket: %v", err)
	}
}
