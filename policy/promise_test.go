package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// promise is what the compiler makes of a drawn table and caller.
type promise struct {
	tabletest.World
	budget   int
	compiled *policy.Compiled
	kept     policy.Document // the answer to a request that is allowed
}

func drawPromise(t *rapid.T) promise {
	w := tabletest.DrawWorld(t)
	return compiled(w, drawBudgetOf(t, w))
}

func compiled(w tabletest.World, budget int) promise {
	c := policy.Prepare(w.Table).Compile(w.Held, tabletest.Now, budget)
	return promise{World: w, budget: budget, compiled: c, kept: c.Document(policy.Request{ARN: arnOf(w, "GET", "/nothing"), End: w.End})}
}

// drawBudgetOf draws a budget: none, one in which nothing fits, or one that
// makes the compiler take some of its steps.
func drawBudgetOf(t *rapid.T, w tabletest.World) int {
	switch rapid.IntRange(0, 7).Draw(t, "budget") {
	case 0:
		return 0
	case 1:
		return 1
	case 2:
		return rapid.IntRange(300, 2500).Draw(t, "bytes")
	}
	exact := policy.Compile(w.Table, w.Held, tabletest.Now).Size()
	return max(1, exact-rapid.IntRange(0, exact/3).Draw(t, "bytes less"))
}

func arnOf(w tabletest.World, method, path string) string {
	return policy.ARN{API: w.Source.API, Method: method, Path: path}.String()
}

// drawRequest draws a hostile request as the authorizer is asked about it: what
// is method and what is path is read from the ARN.
func drawRequest(t *rapid.T, w tabletest.World) (method, path string) {
	method, path = w.DrawRequest(t)
	a, err := policy.ParseARN(arnOf(w, method, path))
	if err != nil {
		return "GET", "/"
	}
	return a.Method, a.Path
}

// says is what the kept policy says of a request at an instant.
func (p promise) says(method, path string, at time.Time) policy.Decision {
	return evaluate(p.kept, method, path, at)
}

// heldAt is what the caller still holds at an instant.
func (p promise) heldAt(at time.Time) mapping.Held { return p.Table.At(p.Held, at) }

// mustStayClosed reports whether a policy that was made for another request has
// to deny this one, which Permits denies. What is left out are requests that no
// route is known for (see docs/decisions/0001 and 0002).
func (p promise) mustStayClosed(method, path string, at time.Time) bool {
	held := p.heldAt(at)
	switch p.Table.Decide(held, method, path).Reason {
	case mapping.NotHeld, mapping.SlashSpelling:
		return true
	case mapping.OtherReading:
		return !p.patternMatches(held, method, path)
	case mapping.MalformedPath:
		return !onlyByEncodedSlash(path)
	}
	return false
}

// patternMatches reports whether a held pattern matches the path as it was sent.
func (p promise) patternMatches(h mapping.Held, method, path string) bool {
	return slices.ContainsFunc(p.Table.Patterns(h, mapping.Verb(method)), func(k mapping.Permission) bool {
		return mapping.Match(k.Resource.String(), strings.TrimPrefix(path, "/"))
	})
}

// onlyByEncodedSlash reports whether a path is well formed but for empty or .
// segments beside encoded slashes.
func onlyByEncodedSlash(path string) bool {
	decoded := strings.NewReplacer("%2F", "/", "%2f", "/").Replace(path)
	return malformed(decoded) && !malformed(path) && !slices.Contains(strings.Split(decoded, "/"), "..")
}

// malformed reports whether a path has empty, . or .. segments, the dots encoded
// or not.
func malformed(path string) bool {
	body := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(path, "/") {
		return true
	}
	if path == "/" {
		return false
	}
	return slices.ContainsFunc(strings.Split(body, "/"), func(s string) bool {
		plain := strings.NewReplacer("%2e", ".", "%2E", ".").Replace(s)
		return s == "" || plain == "." || plain == ".."
	})
}

// TestAKeptPolicyOpensNoKnownRoute: what Permits denies of a known route, at the
// instants around each expiry and the token's end too, a policy that was made
// for another request denies, whatever was given up to make it fit.
func TestAKeptPolicyOpensNoKnownRoute(t *testing.T) {
	checkFewer(t, 2, func(t *rapid.T) {
		p := drawPromise(t)
		instants := p.Instants()
		for i := range 24 {
			method, path := p.DrawPlainRequest(t)
			if i%2 == 1 {
				method, path = drawRequest(t, p.World)
			}
			for _, at := range instants {
				if p.says(method, path, at) != policy.Allowed {
					continue
				}
				if !at.Before(p.End) {
					t.Fatalf("%s %q is allowed at %v, when the token has ended\n%s", method, path, at, p.dump(p.kept))
				}
				if p.mustStayClosed(method, path, at) {
					t.Fatalf("%s %q at %v is allowed and not permitted\n%s", method, path, at, p.dump(p.kept))
				}
			}
		}
	})
}

// isReported reports whether a collision that has begun names a Deny of the ARN.
func isReported(collisions []policy.Collision, arn string, at time.Time) bool {
	return slices.ContainsFunc(collisions, func(c policy.Collision) bool {
		return !beginning(c).After(at) && mapping.Match(c.Deny, arn)
	})
}

// beginning is the instant from which on a collision exists.
func beginning(c policy.Collision) time.Time {
	if c.From == "" {
		return tabletest.Now
	}
	at, err := time.Parse(time.RFC3339, c.From)
	if err != nil {
		panic(err)
	}
	return at
}

// dump is what a failure shows.
func (p promise) dump(d policy.Document) string {
	prefix := p.Source.API.ARN + "/" + p.Source.API.Stage + "/"
	return fmt.Sprintf("%vbudget: %d\n%s", p.World, p.budget, strings.ReplaceAll(minifiedText(d), prefix, ""))
}

// minifiedText is a document as the authorizer writes it.
func minifiedText(d policy.Document) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
