package policy_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// TestTheReportIsTrue: what a report says of a policy can be seen of the document
// and is what Permits says.
func TestTheReportIsTrue(t *testing.T) {
	checkFewer(t, 6, func(t *rapid.T) {
		p := drawPromise(t)
		r := p.compiled.Report()
		checkSizes(t, p, r)
		checkFolds(t, p, r)
		checkUnguarded(t, p, r)
		for _, c := range r.Collisions {
			checkWitness(t, p, c)
		}
		if b, err := json.Marshal(r); err != nil || strings.Contains(string(b), "null") {
			t.Fatalf("%v: %s", err, b)
		}
	})
}

// stepsOfReports are all that may be given up to fit.
var stepsOfReports = []string{"depth", "subtrees", "beginnings", "short", "slashes", "dots", "escapes"}

// checkSizes: bytes are those of the document as it is written, resources and
// guards those that it lists, and what was given up was given up for a budget.
func checkSizes(t *rapid.T, p promise, r policy.Report) {
	doc := p.compiled.Document(policy.Request{End: tabletest.Now.Add(24 * time.Hour)})
	if n := len(minifiedText(doc)); r.Bytes != n || p.compiled.Size() != n {
		t.Fatalf("%d bytes, the document has %d\n%s", r.Bytes, n, p.dump(doc))
	}
	if n := len(minifiedText(p.kept)); n > r.Bytes {
		t.Fatalf("%d bytes, the document of a shorter token has %d\n%s", r.Bytes, n, p.dump(p.kept))
	}
	if r.Budget != p.budget || p.compiled.TooLarge() != (p.budget > 0 && r.Bytes > p.budget) {
		t.Fatalf("%+v, too large: %v\n%s", r, p.compiled.TooLarge(), p.dump(doc))
	}
	if p.budget == 0 && len(r.Steps) > 0 {
		t.Fatalf("without a budget these are given up: %v", r.Steps)
	}
	for _, s := range r.Steps {
		if !slices.Contains(stepsOfReports, s) {
			t.Fatalf("step %q", s)
		}
	}
	listed := 0
	for _, s := range doc.Statement {
		listed += len(s.Resource)
	}
	if r.Resources != listed {
		t.Fatalf("%d resources, the document lists %d\n%s", r.Resources, listed, p.dump(doc))
	}
	allowed, denied := resources(doc)
	if len(allowed) > 0 && !slices.Equal(denied, unique(r.Guards)) {
		t.Fatalf("guards %q\n%s", r.Guards, p.dump(doc))
	}
}

// resources lists what a document allows and what it denies, each in order.
func resources(d policy.Document) (allowed, denied []string) {
	for _, s := range d.Statement {
		if s.Effect == policy.Allow {
			allowed = append(allowed, s.Resource...)
		} else {
			denied = append(denied, s.Resource...)
		}
	}
	return unique(allowed), unique(denied)
}

func unique(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// checkFolds: an Allow that now stands for several routes matches paths of each
// of them, they are held, and there is more than one.
func checkFolds(t *rapid.T, p promise, r policy.Report) {
	allowed := counting(p.kept, policy.Allow, tabletest.Now)
	folds := map[string][]string{}
	for _, f := range r.Folds {
		folds[f.Resource] = f.Routes
		if !slices.Contains(allowed, f.Resource) || len(f.Routes) < 2 {
			t.Fatalf("%+v is no Allow for several routes\n%s", f, p.dump(p.kept))
		}
		for _, k := range f.Routes {
			if !p.holdsNamed(k) {
				t.Fatalf("%s is folded and not held\n%s", k, p.dump(p.kept))
			}
		}
	}
	for _, allow := range allowed {
		if routes := p.reachedBy(allow); len(routes) > 1 && slices.ContainsFunc(routes, func(r string) bool { return !slices.Contains(folds[allow], r) }) {
			t.Fatalf("%s stands for %q, and the report says %q\n%s", allow, routes, folds[allow], p.dump(p.kept))
		}
	}
}

// holdsNamed reports whether a route is held, given as a report names it.
func (p promise) holdsNamed(name string) bool {
	return slices.ContainsFunc(mapping.Methods, func(verb mapping.Verb) bool {
		return slices.ContainsFunc(p.Table.Templates(verb), func(k *mapping.Template) bool {
			return k.String() == name && p.Held.Holds(k)
		})
	})
}

// reachedBy lists the held routes of which an Allow matches a harmless path.
func (p promise) reachedBy(allow string) []string {
	var list []string
	for _, verb := range mapping.Methods {
		for _, k := range p.Table.Templates(verb) {
			path := harmless(k.Resource)
			v := p.Table.Decide(p.Held, string(verb), path)
			if p.Held.Holds(k) && v.Allowed && v.Route == k && mapping.Match(allow, arnOf(p.World, string(verb), path)) {
				list = append(list, k.String())
			}
		}
	}
	return list
}

// harmless is a path of a route whose values are like no literal.
func harmless(r mapping.Resource) string {
	path := ""
	for i, s := range r.Segments() {
		if s.Kind == mapping.Literal {
			path += "/" + s.Text
		} else {
			path += "/" + strings.Repeat("9", i+7)
		}
	}
	if r.TrailingSlash() || path == "" {
		path += "/"
	}
	return path
}

// checkUnguarded: a witness is allowed by the Allow that is named, Permits denies
// it, and no route is known for it.
func checkUnguarded(t *rapid.T, p promise, r policy.Report) {
	for _, u := range r.Unguarded {
		method, path, _ := strings.Cut(u.Witness, " ")
		if got := p.says(method, path, tabletest.Now); got != policy.Allowed {
			t.Fatalf("%+v: %v\n%s", u, got, p.dump(p.kept))
		}
		if !mapping.Match(u.Allow, arnOf(p.World, method, path)) {
			t.Fatalf("%+v: it is not that Allow which opens it", u)
		}
		if v := p.Table.Decide(p.Held, method, path); v.Allowed || v.Reason != mapping.NoRoute {
			t.Fatalf("%+v: %+v", u, v)
		}
	}
}

// checkWitness: the path is permitted, from the instant of the collision on, and
// the Deny that is named refuses it.
func checkWitness(t *rapid.T, p promise, c policy.Collision) {
	kept := p.compiled.Document(policy.Request{End: tabletest.Now.Add(24 * time.Hour)})
	method, path, _ := strings.Cut(c.Witness, " ")
	at := beginning(c)
	if !p.Table.Decide(p.heldAt(at), method, path).Allowed {
		t.Fatalf("%+v: not permitted\n%s", c, p.dump(p.kept))
	}
	if got := evaluate(kept, method, path, at); got != policy.ExplicitlyDenied {
		t.Fatalf("%+v: %v\n%s", c, got, p.dump(p.kept))
	}
	if !mapping.Match(c.Deny, arnOf(p.World, method, path)) || !slices.Contains(counting(kept, policy.Deny, at), c.Deny) {
		t.Fatalf("%+v: it is not that Deny which denies\n%s", c, p.dump(kept))
	}
	checkRouteOf(t, p, c, method, path, at)
	checkWhole(t, p, c)
}

// checkWhole: a whole route is denied with whatever value, another one is not
// denied with every value.
func checkWhole(t *rapid.T, p promise, c policy.Collision) {
	verb, _, _ := strings.Cut(c.Route, " ")
	for _, k := range p.Table.Templates(mapping.Verb(verb)) {
		if k.String() != c.Route {
			continue
		}
		free := slices.ContainsFunc(harmlessOnes(k.Resource), func(path string) bool {
			return !mapping.Match(c.Deny, arnOf(p.World, verb, path))
		})
		if c.Whole == free {
			t.Fatalf("%+v: there are paths that are not denied: %v\n%s", c, free, p.dump(p.kept))
		}
	}
}

// harmlessOnes are paths of a route whose values are like no literal.
func harmlessOnes(r mapping.Resource) []string {
	path := harmless(r)
	list := []string{path, strings.NewReplacer("77", "zz", "88", "yy", "99", "xx").Replace(path)}
	if s := r.Segments(); len(s) > 0 && s[len(s)-1].Kind == mapping.Greedy {
		list = append(list, path+"/66", path+"/66/55", path+"/66/55/44")
	}
	return list
}

// counting lists the resources that are allowed, or denied, at an instant.
func counting(d policy.Document, effect string, at time.Time) []string {
	var list []string
	for _, s := range d.Statement {
		one := policy.Statement{Action: s.Action, Effect: s.Effect, Resource: policy.Strings{"*"}, Condition: s.Condition}
		if s.Effect == effect && evaluate(policy.Document{Statement: []policy.Statement{one}}, "GET", "/", at) != policy.NotMatched {
			list = append(list, s.Resource...)
		}
	}
	return list
}

// checkRouteOf checks that the route of a collision is one that its witness is
// permitted by, in one of its readings.
func checkRouteOf(t *rapid.T, p promise, c policy.Collision, method, path string, at time.Time) {
	held := p.heldAt(at)
	byRoute := slices.ContainsFunc(p.Table.Readings(held, method, path), func(r mapping.Reading) bool {
		return r.Held && r.Route.String() == c.Route
	})
	byPattern := slices.ContainsFunc(p.Table.Patterns(held, mapping.Verb(method)), func(k mapping.Permission) bool {
		return method+" /"+k.Resource.String() == c.Route && mapping.Match(k.Resource.String(), path[1:])
	})
	if !byRoute && !byPattern {
		t.Fatalf("%+v: the witness is permitted by another route\n%s", c, p.dump(p.kept))
	}
}

// TestACollisionBehindASlashAtTheEndIsFound: with the slash at its end a text must
// match a held pattern without it, too. Of two that stand alike but for that, the
// search for a witness must not give up the second for the first.
func TestACollisionBehindASlashAtTheEndIsFound(t *testing.T) {
	p := tabletest.Permission
	table := tabletest.Table(
		p("GET", "k:1/k:1/{x}/{y}/{p+}", "s3"),
		p("GET", "k:1/k:1/{x}/{y}", "s1", "expiresAt", tabletest.Now.Format(time.RFC3339)),
		p("GET", "*:1/k:1/*/*/*", "s1", "expiresAt", tabletest.Now.Format(time.RFC3339)),
		p("GET", "*", "s1", "expiresAt", tabletest.Now.Add(-time.Minute).Format(time.RFC3339)),
		p("GET", "*k:1/k:1/*/*/*/*", "s1", "expiresAt", tabletest.Now.Add(2*time.Minute).Format(time.RFC3339)),
	)
	const path = "/k:1/k:1/b/b/a/a/a/"
	held := table.Held(tabletest.Caller("s1"), tabletest.Now)
	if !table.Decide(held, "GET", path).Allowed {
		t.Fatal("not permitted")
	}
	compiled := policy.Prepare(table).Compile(held, tabletest.Now, 1)
	arn := tabletest.API.ARN + "/dev/GET" + path
	if policy.Evaluate(compiled.Document(policy.Request{End: tabletest.Now.Add(time.Hour)}), arn, tabletest.Now, netip.Addr{}) == policy.Allowed {
		t.Fatal("not denied")
	}
	for _, c := range compiled.Report().Collisions {
		if mapping.Match(c.Deny, arn) {
			return
		}
	}
	t.Error("not reported")
}
