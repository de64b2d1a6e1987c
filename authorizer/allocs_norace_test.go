//go:build !race

package authorizer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"scopegate/authorizer"
)

// TestAKnownTokenCostsItsAnswerAlone: whatever the shape, the verdict, the length of
// the policy and the number of scopes, a call whose token and table are known
// allocates the answer that it gives and nothing else, its log line included.
func TestAKnownTokenCostsItsAnswerAlone(t *testing.T) {
	many := []string{"s1"}
	for i := range 199 {
		many = append(many, fmt.Sprintf("scope-%d.read", i))
	}
	allow, deny := api+"/dev/GET/r0/7", api+"/dev/GET/secret"
	source := "Bearer " + good
	for name, event := range map[string]string{
		"REST TOKEN":           restToken(allow, source),
		"REST TOKEN, denied":   restToken(deny, source),
		"REST REQUEST":         restRequest(allow, source, "/r0/{id}"),
		"REST REQUEST, denied": restRequest(deny, source, "/secret"),
		"HTTP 1.0":             http1(allow, source, "/r0/{other}"),
		"HTTP 2.0":             http2(allow, source, "GET /r0/{id}", source),
		"HTTP 2.0, greedy":     http2(allow, source, "ANY /{proxy+}", source),
		"WebSocket":            webSocket(api+"/dev/$connect", source),
	} {
		for _, n := range []int{1, 90} {
			for _, scopes := range [][]string{{"s1"}, many} {
				a := start(t, func(c *authorizer.Config) {
					c.Log = written()
					v, err := authorizer.Remember(verifier{good: claims(scopes...)}, 8, 24*time.Hour, nil)
					if err != nil {
						t.Fatal(err)
					}
					c.Verifier = v
				}, routes(n)...)
				payload := []byte(event)
				if got := testing.AllocsPerRun(200, func() {
					if _, err := a.Invoke(t.Context(), payload); err != nil {
						t.Fatal(err)
					}
				}); got > 1 {
					t.Errorf("%s, %d routes, %d scopes: %v allocations", name, n, len(scopes), got)
				}
			}
		}
	}
}

// TestARefusedTokenCostsLittle: a 401 is what anybody can cause.
func TestARefusedTokenCostsLittle(t *testing.T) {
	a := start(t, func(c *authorizer.Config) { c.Log = written() }, routes(1)...)
	payload := []byte(restToken(api+"/dev/GET/r0/7", "Bearer "+strings.Repeat("x", 100)))
	if got := testing.AllocsPerRun(200, func() {
		if _, err := a.Invoke(t.Context(), payload); err == nil {
			t.Fatal("taken")
		}
	}); got > 50 {
		t.Errorf("%v allocations", got)
	}
}

// TestANewTokenCostsLittleBesideItsVerification: a verifier that takes every token
// leaves what the pipeline adds for one that it never saw.
func TestANewTokenCostsLittleBesideItsVerification(t *testing.T) {
	a := start(t, func(c *authorizer.Config) { c.Log, c.Verifier = written(), anybody(claims("s1")) }, routes(90)...)
	payload := []byte(restToken(api+"/dev/GET/r0/7", "Bearer "+good))
	if got := testing.AllocsPerRun(200, func() {
		if _, err := a.Invoke(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
	}); got > 130 {
		t.Errorf("%v allocations", got)
	}
}
