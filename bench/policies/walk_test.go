package main

import (
	"math/rand/v2"
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

// shopWalker is a walker of the shop and the set that scopes hold there.
func shopWalker(t *testing.T, scopes ...string) (*walker, caller) {
	t.Helper()
	apis, err := readFolder(folder(t, "shop.json"))
	if err != nil {
		t.Fatal(err)
	}
	o := options{seed: 1, maxBytes: 8192}
	w := &walker{api: apis[0], index: &index{probes: probes(apis[0], o)}, o: o, random: rand.New(rand.NewPCG(1, 1))}
	c := caller{name: strings.Join(scopes, " "), scopes: scopes, held: apis[0].table.Held(tabletest.Caller(scopes...), tabletest.Now)}
	w.permit(c)
	return w, c
}

func document(effects ...string) policy.Document {
	d := policy.Document{Version: policy.Version}
	for _, line := range effects {
		effect, resource, _ := strings.Cut(line, " ")
		d.Statement = append(d.Statement, policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: effect, Resource: policy.Strings{base + resource}})
	}
	return d
}

// TestTheWalkFindsWhatADocumentOpens: an encoded literal is a way in, too.
func TestTheWalkFindsWhatADocumentOpens(t *testing.T) {
	w, c := shopWalker(t, "orders.read")
	out, err := w.try(c, document("Allow GET/orders", "Allow GET/orders/?*"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.unreported != 0 || out.reported != 0 || out.over == 0 {
		t.Errorf("over %d, reported %d, unreported %d", out.over, out.reported, out.unreported)
	}
	if want := (example{opened, "orders.read: allowed, not_held: GET /orders/export"}); !slices.Contains(out.examples, want) {
		t.Errorf("examples %v, without %v", out.examples, want)
	}
	shut, err := w.try(c, document("Allow GET/orders", "Allow GET/orders/?*", "Deny GET/orders/export", "Deny GET/orders/export/", "Deny GET/orders/%65*", "Deny GET/orders/?*/?*"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if shut.over != 0 || shut.slash != 0 {
		t.Errorf("guarded, the document opens %d, %d: %v", shut.over, shut.slash, shut.examples)
	}
}

func TestOrdinaryRequestsAreCountedApart(t *testing.T) {
	w, c := shopWalker(t, "orders.read")
	for deny, want := range map[string]struct {
		ordinary int
		slash    bool
	}{
		"Deny GET/orders":     {1, false},
		"Deny GET/orders/?*":  {1, true},
		"Deny GET/orders/1":   {0, false},
		"Deny GET/orders/?*/": {0, true},
	} {
		out, err := w.try(c, document("Allow GET/orders", "Allow GET/orders/?*", deny), nil)
		if err != nil {
			t.Fatal(err)
		}
		if out.ordinaryShut != want.ordinary || out.slashShut > 0 != want.slash || out.unreported == 0 {
			t.Errorf("%s: shut %d ordinary requests, %d with a slash, %d in all", deny, out.ordinaryShut, out.slashShut, out.unreported)
		}
	}
}

func TestTheWalkFindsWhatADocumentShuts(t *testing.T) {
	w, c := shopWalker(t, "orders.read")
	for name, d := range map[string]policy.Document{
		"no Allow for the collection": document("Allow GET/orders/7x4k9"),
		"a Deny too much":             document("Allow GET/orders", "Allow GET/orders/?*", "Deny GET/orders/7*"),
	} {
		out, err := w.try(c, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if out.unreported == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestASlashAtTheEndOfAHeldRouteIsCountedApart(t *testing.T) {
	w, c := shopWalker(t, "orders.read")
	out, err := w.try(c, document("Allow GET/orders", "Allow GET/orders/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.slash != 1 || out.over != 0 {
		t.Errorf("slash %d, over %d", out.slash, out.over)
	}
}

// TestOnlyACollisionOfTheDocumentExplains: a Deny that is not the document's
// own excuses nothing, and a false witness is counted.
func TestOnlyACollisionOfTheDocumentExplains(t *testing.T) {
	w, c := shopWalker(t, "orders.read")
	d := document("Allow GET/orders", "Allow GET/orders/?*", "Deny GET/orders/7*")
	for deny, excused := range map[string]bool{"GET/orders/7*": true, "GET/orders/*": false} {
		report := policy.Report{Collisions: []policy.Collision{{Deny: base + deny}}}
		out, err := w.try(c, d, &report)
		if err != nil {
			t.Fatal(err)
		}
		if (out.unreported == 0) != excused || (out.reported > 0) != excused {
			t.Errorf("%s: reported %d, unreported %d", deny, out.reported, out.unreported)
		}
	}
}

func TestWitnessesAreTried(t *testing.T) {
	w, c := shopWalker(t, "orders.read")
	d := document("Allow GET/orders", "Allow GET/orders/?*", "Deny GET/orders/7*")
	for witness, bad := range map[string]int{"GET /orders/7": 0, "GET /orders/8": 1, "GET /nothing": 1, "": 1} {
		var out outcome
		w.checkReport(&out, c, d, policy.Report{Collisions: []policy.Collision{{Witness: witness}}})
		if out.falseReports != bad {
			t.Errorf("collision %q: %d false reports", witness, out.falseReports)
		}
	}
	for witness, bad := range map[string]int{"GET /orders/8/unknown": 0, "GET /orders/8": 1, "GET /orders/7/x": 1} {
		var out outcome
		w.checkReport(&out, c, d, policy.Report{Unguarded: []policy.Unguarded{{Witness: witness}}})
		if out.falseReports != bad {
			t.Errorf("unguarded %q: %d false reports", witness, out.falseReports)
		}
	}
}

func TestEveryRouteIsTriedInBothSpellings(t *testing.T) {
	w, _ := shopWalker(t)
	for _, route := range w.api.routes {
		for _, slash := range []bool{false, true} {
			found := slices.ContainsFunc(w.index.probes, func(p probe) bool {
				decided := w.api.table.Decide(mapping.Held{}, p.method, p.path).Route
				return p.method == string(route.Verb) && decided != nil && decided.Resource.Shape() == route.Resource.Shape() && strings.HasSuffix(p.path, "/") == slash
			})
			if !found {
				t.Errorf("%s, slash %v: no request for it", route, slash)
			}
		}
	}
	for _, path := range []string{"/orders/export", "/orders/EXPORT", "/orders/%65xport", "/orders/a%20b/", "/orders/payment", "/orders/payment/payment", "/internal/7x4k9/7x4k9"} {
		if !slices.ContainsFunc(w.index.probes, func(p probe) bool { return p.method == "GET" && p.path == path }) {
			t.Errorf("GET %s is not tried", path)
		}
	}
}

// TestTheIndexDecidesAsEvaluate, for documents of any globs, effects and times.
func TestTheIndexDecidesAsEvaluate(t *testing.T) {
	w, _ := shopWalker(t)
	rapid.Check(t, func(t *rapid.T) {
		d := policy.Document{Version: policy.Version}
		for range rapid.IntRange(1, 5).Draw(t, "statements") {
			d.Statement = append(d.Statement, drawStatement(t))
		}
		for i, said := range w.index.decide(d, nil) {
			p := w.index.probes[i]
			if want := policy.Evaluate(d, p.arn(), tabletest.Now, netip.Addr{}); said != want {
				t.Fatalf("%s %s: %s by the index, %s by Evaluate: %+v", p.method, p.path, said, want, d)
			}
		}
	})
}

func drawStatement(t *rapid.T) policy.Statement {
	s := policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: rapid.SampledFrom([]string{policy.Allow, policy.Deny}).Draw(t, "effect")}
	for range rapid.IntRange(1, 4).Draw(t, "resources") {
		verb := rapid.SampledFrom([]string{"GET", "POST", "???", "????", "P*", "*", "G?T", "get", "", "PUT/orders"}).Draw(t, "verb")
		path := rapid.SampledFrom([]string{"/orders", "/orders/*", "/orders/?*", "/*", "*", "/orders/?*/payment", "/?*/export", "/*//*", "/*%2F*", "/ord*/7x4k9", "", "/orders/??????"}).Draw(t, "path")
		prefix := rapid.SampledFrom([]string{base, base, base, "*/", "arn:*:dev/", "arn:aws:execute-api:us-east-1:219852565112:other/dev/"}).Draw(t, "prefix")
		s.Resource = append(s.Resource, prefix+verb+path)
	}
	if rapid.IntRange(0, 3).Draw(t, "condition") == 0 {
		at := tabletest.Now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "minutes")) * time.Minute)
		s.Condition = policy.Condition{"DateLessThan": {"aws:CurrentTime": {at.Format(time.RFC3339)}}}
	}
	if rapid.IntRange(0, 9).Draw(t, "action") == 0 {
		s.Action = policy.Strings{"execute-api:ManageConnections"}
	}
	return s
}
