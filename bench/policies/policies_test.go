package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
)

// measured is what the command says, as programs read it.
func measured(t *testing.T, want int, args ...string) map[string]result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(append(args, "--json"), &stdout, &stderr); code != want {
		t.Fatalf("exit code %d, want %d: %s", code, want, stderr.String())
	}
	var list []result
	if err := json.Unmarshal(stdout.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	byName := map[string]result{}
	for _, r := range list {
		byName[r.Name] = r
	}
	return byName
}

func (r result) group(t *testing.T, kind, way string) group {
	t.Helper()
	i := slices.IndexFunc(r.Groups, func(g group) bool { return g.Kind == kind && g.Way == way })
	if i < 0 {
		t.Fatalf("%s: nothing is said about %s, %s", r.Name, kind, way)
	}
	return r.Groups[i]
}

// folder holds copies of some files of testdata.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(b))
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNaivePoliciesOverReachAndOursDoNot: of the five scopes that open
// something alone, those three whose routes hold orders/{id} reach the export
// or the payment, written naively.
func TestNaivePoliciesOverReachAndOursDoNot(t *testing.T) {
	shop := measuredShop(t)
	for _, way := range []string{naive, array} {
		g := shop.group(t, kinds[0], way)
		if g.Callers != 5 || g.OverReach != 3 {
			t.Errorf("%s: %d of %d single scopes over-reach, want 3 of 5", way, g.OverReach, g.Callers)
		}
		if g := shop.group(t, kinds[2], way); g.OverReach != 0 || g.Callers != 1 {
			t.Errorf("%s: who holds every scope over-reaches", way)
		}
	}
	for _, g := range shop.Groups {
		if g.Way == ours && g.OverReach+g.OverAllows+g.SlashAllows+g.OverBudget+g.Unreported+g.FalseReports+g.OrdinaryShut > 0 {
			t.Errorf("ours opens what is not held, shuts what is, or is too large: %+v", g)
		}
		if g.Way == naive && g.Unreported > 0 {
			t.Errorf("naive shuts what is held: %v", g.Examples)
		}
		if g.Permitted == 0 {
			t.Errorf("%s, %s: no request was permitted: nothing was looked at", g.Kind, g.Way)
		}
	}
}

func measuredShop(t *testing.T) result {
	t.Helper()
	return measured(t, exitOK, folder(t, "shop.json"), "--random", "20", "--worst", "2")["shop"]
}

func TestAnArrayIsSmallerThanStatements(t *testing.T) {
	shop := measuredShop(t)
	for _, kind := range kinds[1:] {
		n, a := shop.group(t, kind, naive), shop.group(t, kind, array)
		if a.MaxBytes >= n.MaxBytes || a.OverAllows != n.OverAllows {
			t.Errorf("%s: array %d bytes, %d over-allows; naive %d, %d", kind, a.MaxBytes, a.OverAllows, n.MaxBytes, n.OverAllows)
		}
	}
}

func TestTheLargestAnswersAreListed(t *testing.T) {
	g := measuredShop(t).group(t, kinds[0], ours)
	if len(g.Worst) != 2 || g.Worst[0].Bytes != g.MaxBytes || g.Worst[1].Bytes > g.Worst[0].Bytes {
		t.Errorf("largest %+v, of at most %d bytes", g.Worst, g.MaxBytes)
	}
	if g.Worst[0].Caller != "orders.write" || g.Worst[0].Scopes != 1 || g.Worst[0].Held != 5 {
		t.Errorf("the largest single scope is %+v", g.Worst[0])
	}
}

func TestLiteralRoutesCostNothingAndExitWithZero(t *testing.T) {
	clock := measured(t, exitOK, folder(t, "clock.json"), "--random", "10")["clock"]
	if clock.Routes != 3 || clock.Scopes != 3 || len(clock.LeftOut) != 0 {
		t.Errorf("clock: %+v", clock)
	}
	for _, g := range clock.Groups {
		if g.OverAllows+g.Reported+g.Unreported > 0 {
			t.Errorf("%s, %s: %+v", g.Kind, g.Way, g)
		}
	}
}

// TestAnAnswerOverTheBudgetIsAFault: 700 bytes are enough for one route each.
func TestAnAnswerOverTheBudgetIsAFault(t *testing.T) {
	clock := measured(t, exitFault, folder(t, "clock.json"), "--random", "0", "--max-bytes", "700")["clock"]
	if g := clock.group(t, kinds[2], ours); g.OverBudget != 1 || g.MaxBytes <= 700 {
		t.Errorf("all scopes: %+v", g)
	}
	if g := clock.group(t, kinds[0], ours); g.OverBudget != 0 {
		t.Errorf("single scopes: %+v", g)
	}
}

func TestWrongCommandLinesAndFilesAreUsage(t *testing.T) {
	bad := t.TempDir()
	write(t, bad, "bad.json", `{"method":"GET"}`)
	for name, args := range map[string][]string{
		"no folder":          {},
		"two formats":        {"testdata", "--json", "--markdown"},
		"an empty folder":    {t.TempDir()},
		"no array":           {bad},
		"less than envelope": {"testdata", "--max-bytes", "100"},
		"an unknown caller":  {"testdata", "--caller", "orders.nobody"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(args, &stdout, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%s: exit code %d, %q", name, code, stderr.String())
		}
	}
}

func TestTheSameSeedGivesTheSameFigures(t *testing.T) {
	dir := folder(t, "clock.json")
	text := func(seed string) string {
		var stdout, stderr bytes.Buffer
		if code := run([]string{dir, "--seed", seed, "--json", "--worst", "9", "--random", "9"}, &stdout, &stderr); code != exitOK {
			t.Fatal(stderr.String())
		}
		return stdout.String()
	}
	first := text("1")
	if again := text("1"); again != first {
		t.Error("one seed gave two results")
	}
	if text("2") == first {
		t.Error("two seeds gave the same random sets")
	}
}

func TestOneCallerIsShownWithItsPolicy(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{folder(t, "clock.json"), "--caller", "zones.home"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if !strings.Contains(stderr.String(), "Allow PUT/zones/home\n") || strings.Contains(stdout.String(), "all scopes") {
		t.Errorf("%s\n%s", stderr.String(), stdout.String())
	}
}

func TestEveryFormNamesWhatIsLeftOut(t *testing.T) {
	for _, form := range [][]string{{}, {"--json"}, {"--markdown"}} {
		var stdout, stderr bytes.Buffer
		run(append(form, "testdata", "--quick", "--random", "1"), &stdout, &stderr)
		for _, route := range []string{"PUT /<upload_url>", "GET /invoices/no-{number}"} {
			if !strings.Contains(stdout.String(), route) {
				t.Errorf("%v does not say that %s is left out:\n%s", form, route, stdout.String())
			}
		}
	}
}

func TestRequirementsAreAlternativesOfScopesThatAreAllNeeded(t *testing.T) {
	apis, err := readFolder(folder(t, "shop.json"))
	if err != nil {
		t.Fatal(err)
	}
	shop := apis[0]
	for _, c := range []struct {
		method, path string
		scopes       string
		want         bool
	}{
		{"GET", "/orders", "orders.read", true},
		{"GET", "/orders", "orders.write", true},
		{"POST", "/orders/7/payment/refund", "orders.write", false},
		{"POST", "/orders/7/payment/refund", "payments.refund", false},
		{"POST", "/orders/7/payment/refund", "orders.write payments.refund", true},
		{"GET", "/orders/7", "orders.search", true}, // {orderNumber} is {id}
		{"GET", "/internal/x", strings.Join(shop.scopes, " "), false},
	} {
		caller := tabletest.Caller(strings.Fields(c.scopes)...)
		if got := shop.table.Permits(caller, c.method, c.path, tabletest.Now); got != c.want {
			t.Errorf("%s %s with %s: permitted %v", c.method, c.path, c.scopes, got)
		}
	}
	if shop.merged != 1 || len(shop.routes) != 9 || len(shop.leftOut) != 2 || len(shop.scopes) != 6 || !shop.table.Complete() {
		t.Errorf("%d merged, %d routes, %d left out, scopes %v", shop.merged, len(shop.routes), len(shop.leftOut), shop.scopes)
	}
}

func TestUnclearRequirementsAreRefused(t *testing.T) {
	for _, requires := range []string{`[[]]`, `[[""]]`, `[["a b"]]`, `["a"]`, `[["a\"b"]]`} {
		_, err := parse([]byte(`[{"method":"GET","path":"/x","requires":` + requires + `}]`))
		if err == nil {
			t.Errorf("requires %s was taken", requires)
		}
	}
}

// TestTheBudgetLeavesRoomForTheEnvelope: what is measured is what the authorizer
// gives a typical caller.
func TestTheBudgetLeavesRoomForTheEnvelope(t *testing.T) {
	want := len(`{"principalId":"","policyDocument":,"context":}`) + 2*len(guid) + len(":") + size(context)
	if got := envelope(); got != want {
		t.Errorf("the envelope has %d bytes, want %d", got, want)
	}
	for _, bytes := range []int{1024, 8192, 10_240} {
		if all := authorizer.DocumentBudget(bytes) + envelope(); all > bytes || all < bytes-150 {
			t.Errorf("policy and envelope have %d bytes of %d", all, bytes)
		}
	}
}
