package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// verbsOfAllows are all that may stand in the place of the method in an Allow: a
// ? for each letter of two methods that are as long, and never a *.
var verbsOfAllows = []string{"GET", "PUT", "???", "POST", "HEAD", "????", "PATCH", "DELETE", "OPTIONS"}

// TestEveryResourceBeginsWithTheWholeStage: no wildcard stands where region,
// account, API, stage or method do, and no resource is longer than API Gateway
// takes or cut within a character.
func TestEveryResourceBeginsWithTheWholeStage(t *testing.T) {
	checkFewer(t, 4, func(t *rapid.T) {
		p := drawPromise(t)
		allowed, denied := resources(p.kept)
		if len(allowed) == 0 && reflect.DeepEqual(p.kept, policy.DenyAll()) {
			return
		}
		prefix := p.Source.API.ARN + "/" + p.Source.API.Stage + "/"
		for _, r := range slices.Concat(allowed, denied) {
			if !strings.HasPrefix(r, prefix) || utf8.RuneCountInString(r) > policy.MaxResource || !utf8.ValidString(r) || strings.Contains(r, "${") {
				t.Fatalf("%q\n%s", r, p.dump(p.kept))
			}
		}
		for _, r := range allowed {
			verb, _, hasPath := strings.Cut(strings.TrimPrefix(r, prefix), "/")
			if connect := verb == "$connect" && !hasPath; !connect && !(hasPath && slices.Contains(verbsOfAllows, verb)) {
				t.Fatalf("%q\n%s", r, p.dump(p.kept))
			}
		}
	})
}

// TestNoRequestEntersAnAllow: whatever a request looks like, what is allowed
// depends on the table alone.
func TestNoRequestEntersAnAllow(t *testing.T) {
	checkFewer(t, 10, func(t *rapid.T) {
		p := drawPromise(t)
		want, _ := resources(p.kept)
		method, path := p.DrawRequest(t)
		for _, denied := range []bool{false, true} {
			doc := p.compiled.Document(policy.Request{ARN: arnOf(p.World, method, path), Denied: denied, End: p.End})
			if got, _ := resources(doc); len(got) > 0 && !slices.Equal(got, want) {
				t.Fatalf("%s %q allows %q, and not %q", method, path, got, want)
			}
		}
	})
}

// TestDocumentsAreTheSameEveryTime: compiled twice, from permissions in another
// order and by several goroutines at once.
func TestDocumentsAreTheSameEveryTime(t *testing.T) {
	checkLarge(t, 30, func(t *rapid.T) {
		w := tabletest.DrawWorld(t)
		budget := drawBudgetOf(t, w)
		p := compiled(w, budget)
		other := w
		other.Source.Permissions = rapid.Permutation(w.Source.Permissions).Draw(t, "another order")
		other.Source.Routes = rapid.Permutation(w.Source.Routes).Draw(t, "another order of routes")
		if got := compiled(other.Settle(), budget); !reflect.DeepEqual(got.kept, p.kept) {
			t.Fatalf("in another order\n%s\n%s", p.dump(p.kept), minifiedText(got.kept))
		}
		want := p.compiled.Report()
		prepared := policy.Prepare(w.Table)
		docs, reports := make([]policy.Document, 3), make([]policy.Report, 3)
		var wait sync.WaitGroup
		for i := range docs {
			wait.Go(func() {
				c := prepared.Compile(w.Held, tabletest.Now, budget)
				docs[i], reports[i] = c.Document(policy.Request{End: w.End}), c.Report()
			})
		}
		wait.Wait()
		for i := range docs {
			if !reflect.DeepEqual(docs[i], p.kept) || !reflect.DeepEqual(reports[i], want) {
				t.Fatalf("by several at once\n%s\n%s\n%+v\n%+v", p.dump(p.kept), minifiedText(docs[i]), want, reports[i])
			}
		}
	})
}

// TestOneCompiledPolicyServesManyRequests at once.
func TestOneCompiledPolicyServesManyRequests(t *testing.T) {
	permissions := []mapping.Permission{
		tabletest.Permission("GET", "users/{id}", "s1"), tabletest.Permission("GET", "users/me", "s2"), tabletest.Permission("ANY", "{p+}", "s1"),
	}
	table := tabletest.Table(permissions...)
	c := policy.Prepare(table).Compile(table.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now, 900)
	want := minifiedText(c.Document(policy.Request{End: end}))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			c.Report()
			if got := minifiedText(c.Document(policy.Request{End: end})); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	wait.Wait()
}
