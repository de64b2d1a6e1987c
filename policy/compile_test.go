package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

var end = tabletest.Now.Add(time.Hour)

func arn(method, path string) string {
	return policy.ARN{API: tabletest.API, Method: method, Path: path}.String()
}

func evaluate(d policy.Document, method, path string, at time.Time) policy.Decision {
	return policy.Evaluate(d, arn(method, path), at, netip.Addr{})
}

// never is no pattern.
func never(bool) bool { return false }

// knownRoute reports whether a reading of a plain path finds a route.
func knownRoute(t *mapping.Table, method, path string) bool {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if path == "/" {
		segments = nil
	}
	for _, s := range segments {
		if s == "" {
			return false
		}
	}
	nothing := mapping.Held{}
	slash := path != "/" && strings.HasSuffix(path, "/")
	return t.DecideSpelling(nothing, mapping.Verb(method), segments, slash, never).Route != nil ||
		t.DecideSpelling(nothing, mapping.Verb(method), segments, false, never).Route != nil
}

func cachedDocument(t *rapid.T, table *mapping.Table, caller mapping.Caller) policy.Document {
	method, path := tabletest.DrawMethod(t), tabletest.DrawPath(t)
	return answerWithin(table, caller, method, path, drawBudget(t))
}

// drawBudget draws a budget: none, or one that makes the compiler take more or
// fewer of its steps.
func drawBudget(t *rapid.T) int {
	return rapid.OneOf(rapid.SampledFrom([]int{0, 1}), rapid.IntRange(300, 2500)).Draw(t, "budget")
}

func answer(table *mapping.Table, caller mapping.Caller, method, path string) policy.Document {
	return answerWithin(table, caller, method, path, 0)
}

func answerWithin(table *mapping.Table, caller mapping.Caller, method, path string, budget int) policy.Document {
	held := table.Held(caller, tabletest.Now)
	return policy.Prepare(table).Compile(held, tabletest.Now, budget).Document(policy.Request{
		ARN:    arn(method, path),
		Denied: !table.Decide(held, method, path).Allowed,
		End:    end,
	})
}

// TestDotsAndDoubledSlashesNeverPassFromTheCache: a path with an empty, . or ..
// segment is denied by every policy, made for whatever request.
func TestDotsAndDoubledSlashesNeverPassFromTheCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tabletest.DrawTable(t)
		doc := cachedDocument(t, table, tabletest.Caller(tabletest.Scopes...))
		bad := rapid.SampledFrom([]string{"", ".", "..", "%2e", "%2E%2e", ".%2e", "%2E."}).Draw(t, "bad segment")
		path := tabletest.DrawPlainPath(t)
		cut := rapid.IntRange(0, strings.Count(path, "/")-1).Draw(t, "cut")
		parts := strings.SplitAfterN(path, "/", cut+2)
		path = strings.Join(parts[:cut+1], "") + bad + "/" + strings.Join(parts[cut+1:], "")
		if bad != "" && rapid.Bool().Draw(t, "last") {
			path = strings.Join(parts[:cut+1], "") + bad
		}
		if got := evaluate(doc, "GET", path, tabletest.Now); got == policy.Allowed {
			t.Fatalf("%s is %v", path, got)
		}
	})
}

// TestEncodedLiteralsNeverPassFromTheCache: a known route that is not held
// stays closed when a letter or digit of it comes percent-encoded.
func TestEncodedLiteralsNeverPassFromTheCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tabletest.DrawTable(t)
		caller := tabletest.DrawCaller(t)
		held := table.Held(caller, tabletest.Now)
		doc := cachedDocument(t, table, caller)
		for range 5 {
			path, ok := drawInstance(t, table)
			if !ok || table.Decide(held, "GET", path).Reason != mapping.NotHeld {
				continue
			}
			path = encodeLiterals(t, table, path)
			if !table.Permits(caller, "GET", path, tabletest.Now) && evaluate(doc, "GET", path, tabletest.Now) == policy.Allowed {
				t.Fatalf("%s passes\n%+v", path, doc)
			}
		}
	})
}

// drawInstance draws a path of a known route.
func drawInstance(t *rapid.T, table *mapping.Table) (path string, ok bool) {
	templates := table.Templates("GET")
	if len(templates) == 0 {
		return "", false
	}
	for _, s := range rapid.SampledFrom(templates).Draw(t, "route").Resource.Segments() {
		text := s.Text
		if s.Kind != mapping.Literal {
			text = rapid.SampledFrom([]string{"1", "zz", "a", "me"}).Draw(t, "value")
		}
		path += "/" + text
	}
	if rapid.Bool().Draw(t, "slash at the end") {
		path += "/"
	}
	return path, path != "" && knownRoute(table, "GET", path)
}

// encodeLiterals percent-encodes some bytes of the literals of a path's route.
func encodeLiterals(t *rapid.T, table *mapping.Table, path string) string {
	const upper, lower = "0123456789ABCDEF", "0123456789abcdef"
	var encoded strings.Builder
	for i := range len(path) {
		hex := rapid.SampledFrom([]string{"", "", upper, lower}).Draw(t, "hex")
		if path[i] == '/' || hex == "" || !isLiteral(table, path, i) {
			encoded.WriteByte(path[i])
			continue
		}
		encoded.WriteString("%" + string(hex[path[i]>>4]) + string(hex[path[i]&15]))
	}
	return encoded.String()
}

// isLiteral reports whether the byte at i belongs to a literal of the route
// that the path finds.
func isLiteral(t *mapping.Table, path string, i int) bool {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	slash := strings.HasSuffix(path, "/")
	v := t.DecideSpelling(mapping.Held{}, "GET", segments, slash, never)
	if v.Route == nil {
		v = t.DecideSpelling(mapping.Held{}, "GET", segments, false, never)
	}
	at := strings.Count(path[1:i+1], "/")
	s := v.Route.Resource.Segments()
	return at < len(s) && s[at].Kind == mapping.Literal
}
