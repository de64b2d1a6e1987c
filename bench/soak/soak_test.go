package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"scopegate/bench/internal/figures"
	"scopegate/internal/config"
	"scopegate/internal/leaktest"
	"scopegate/internal/wiring"
	"scopegate/store/dynamo"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

// short is a run that comes out the same on any machine: what is judged in it is what
// the promises say of any time, not how fast this one is.
func short(length time.Duration) options {
	o := ordinary(length)
	o.tables, o.routes, o.tokens, o.warmUp = 3, 5, 100, length/10
	o.slack, o.patience = time.Minute, time.Minute
	return o
}

// TestASoakOfFiveSeconds: the function as it is shipped; store hiccups are shorter
// than what is known may be served, so that no call may fail.
func TestASoakOfFiveSeconds(t *testing.T) {
	o := short(5 * time.Second)
	o.maxStale, o.outage = time.Minute, 0
	r, err := buildAndSoak(t.Context(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", r.text())
	if len(r.Faults) > 0 || r.Wrong > 0 {
		t.Errorf("%q %q\n%s", r.Faults, r.Examples, strings.Join(r.Log, "\n"))
	}
	if r.Revisions < o.tables || r.Rotations != 1 || r.Outages != 5 || r.Revoked == 0 {
		t.Errorf("%+v", r)
	}
	// One for each call that was ever made, or each table, would be many.
	if r.GoroutinesEarly == 0 || r.GoroutinesLate == 0 || r.GoroutinesLate > 200 {
		t.Errorf("%d goroutines, in the end %d", r.GoroutinesEarly, r.GoroutinesLate)
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("<!-- soak:begin -->\n<!-- soak:end -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := figures.Section(page, "soak", r.text()); err != nil {
		t.Error(err)
	}
}

// TestASoakInOneProcess: the parts of the function under the race detector, where one
// runs; an outage lasts until a call has failed, and no call may fail before it. No
// goroutine may be left (TestMain).
func TestASoakInOneProcess(t *testing.T) {
	o := short(3 * time.Second)
	o.processes = 4 // calls at once
	o.maxStale, o.outage, o.untilFelt = 0, time.Second, true
	s, err := newSite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	settings, err := config.Load(s.settings(), config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := wiring.New(settings, dynamo.NewReader(s.connect(s.front), s.table), zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	parts.Prefetch(t.Context())
	var all tally
	if err := s.drivers(t.Context(), parts.Authorizer, &all, 0, func(ctx context.Context) error { return s.churn(ctx, io.Discard) }); err != nil {
		t.Fatal(err)
	}
	if err := s.settle(t.Context(), parts.Authorizer); err != nil {
		t.Error(err)
	}
	t.Logf("%+v", all.Tally)
	if all.Wrong > 0 || all.Injected == 0 {
		t.Errorf("%+v", all.Tally)
	}
}

// liar answers as somebody says.
type liar func(ctx context.Context, event []byte) ([]byte, error)

func (f liar) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

const answerOf = `{"principalId":"x","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"%s","Resource":"*"}]},"context":{"revision":"%d-x"}}`

// TestWrongAnswersAreFound by what a driver tells, whatever the way of being wrong.
func TestWrongAnswersAreFound(t *testing.T) {
	s := &site{truth: newTruth(promise{ttl: time.Second, maxStale: time.Second}, 1), options: options{tables: 1}}
	s.truth.begin(0, 1, true)
	s.truth.written(0)
	for name, answer := range map[string]liar{
		"everything is open":   func(context.Context, []byte) ([]byte, error) { return fmt.Appendf(nil, answerOf, "Allow", 1), nil },
		"everything is closed": func(context.Context, []byte) ([]byte, error) { return fmt.Appendf(nil, answerOf, "Deny", 1), nil },
		"a revision of nobody": func(context.Context, []byte) ([]byte, error) { return fmt.Appendf(nil, answerOf, "Allow", 7), nil },
		"an error":             func(context.Context, []byte) ([]byte, error) { return nil, errors.New("table unavailable") },
		"a refusal":            func(context.Context, []byte) ([]byte, error) { return nil, errors.New(unauthorized) },
		"no JSON":              func(context.Context, []byte) ([]byte, error) { return []byte("{"), nil },
		"no revision":          func(context.Context, []byte) ([]byte, error) { return []byte("{}"), nil },
	} {
		var all tally
		for _, path := range []string{pathHeld, pathToggle, pathNever} {
			c := s.call(t.Context(), answer, &minted{raw: "x"}, 0, path)
			all.add(c, s.truth.judge(c))
		}
		if all.Wrong == 0 || len(all.Examples) == 0 {
			t.Errorf("%s: %+v", name, all.Tally)
		}
		r := Report{Tally: all.Tally}
		if r.judge(options{}); len(r.Faults) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// at is a span that begins so many seconds after the epoch of the test.
func at(began, ended float64) span {
	second := func(v float64) time.Time {
		return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(v * float64(time.Second)))
	}
	s := span{began: second(began)}
	if ended > 0 {
		s.ended = second(ended)
	}
	return s
}

// TestCallsAreJudgedByWhatWasSo: CACHE_TTL 10 s, CACHE_MAX_STALE 20 s, slack 1 s. The
// table is opened at 100 and closed at 200; somebody is revoked at 300; the store
// fails from 400 to 450; keys are replaced at 500 and 600.
func TestCallsAreJudgedByWhatWasSo(t *testing.T) {
	tr := newTruth(promise{ttl: 10 * time.Second, maxStale: 20 * time.Second, slack: time.Second}, 1)
	tr.tables[0] = []version{{1, at(1, 2), false}, {2, at(100, 101), true}, {3, at(200, 201), false}, {4, at(410, 411), true}}
	tr.revoked["p"] = at(300, 301)
	tr.outages = []outage{{span: at(400, 450), fails: true}, {span: at(700, 705)}}
	tr.rotations = []time.Time{at(500, 0).began, at(600, 0).began}
	for _, c := range []struct {
		call
		right, injected bool
	}{
		{call: call{span: at(50, 51), revision: 1}, right: true},
		{call: call{span: at(50, 51), revision: 2, allowed: true}},                 // not yet written
		{call: call{span: at(99, 100.5), revision: 2, allowed: true}, right: true}, // written meanwhile
		{call: call{span: at(100.5, 100.6), revision: 1}, right: true},
		{call: call{span: at(111, 111.1), revision: 1}, right: true},
		{call: call{span: at(112.1, 112.2), revision: 1}}, // replaced for more than ttl and slack
		{call: call{span: at(150, 151), revision: 2}},     // denied, by a revision that allows
		{call: call{span: at(250, 251), revision: 3, allowed: true}},
		{call: call{span: at(299, 299.5), revision: 3, principal: "p"}, right: true},
		{call: call{span: at(299, 299.5), fault: unauthorized, principal: "p"}},
		{call: call{span: at(299, 300.5), fault: unauthorized, principal: "p"}, right: true},
		{call: call{span: at(311, 311.5), revision: 3, principal: "p"}, right: true},
		{call: call{span: at(313, 313.5), revision: 3, principal: "p"}}, // let in, long after
		{call: call{span: at(313, 313.5), fault: unauthorized, principal: "q"}},
		{call: call{span: at(399, 399.5), fault: "down"}},
		{call: call{span: at(399, 401), fault: "down"}, right: true, injected: true},
		{call: call{span: at(454, 455), fault: "down"}, right: true, injected: true},
		{call: call{span: at(457, 458), fault: "down"}},
		{call: call{span: at(702, 703), fault: "down"}}, // too short to be felt
		{call: call{span: at(441, 441.5), revision: 3}, right: true},
		{call: call{span: at(443, 443.5), revision: 3}}, // even for an outage
		{call: call{span: at(650, 651), revision: 4, generation: 2}, right: true, injected: false},
		{call: call{span: at(550, 551), fault: unauthorized}},                // of two keys the older one
		{call: call{span: at(599, 601), fault: unauthorized}, right: true},   // of three
		{call: call{span: at(650, 651), fault: unauthorized, generation: 1}}, // still published
		{call: call{span: at(600.5, 601), fault: "keys", generation: 2}, right: true, injected: true},
		{call: call{span: at(602, 603), fault: "keys", generation: 2}},
		{call: call{span: at(50, 51), kind: forged, fault: unauthorized}, right: true},
		{call: call{span: at(50, 51), kind: expired, revision: 1}},
		{call: call{span: at(420, 421), kind: forged, fault: "down"}}, // judged before anything is read
	} {
		c.path = pathToggle
		if c.revision == 4 {
			c.allowed = true
		}
		if v := tr.judge(c.call); (v.wrong == "") != c.right || v.injected != c.injected {
			t.Errorf("%+v: %+v", c.call, v)
		}
	}
}

func TestPercentilesAreOffByASixteenthAtMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 50).Draw(t, "durations")
		var h, first, second histogram
		for i, d := range list {
			h.add(time.Duration(d))
			if i%2 == 0 {
				first.add(time.Duration(d))
			} else {
				second.add(time.Duration(d))
			}
		}
		if first.merge(&second); first != h {
			t.Fatal("two halves are not the whole")
		}
		share := rapid.Float64Range(0, 0.999).Draw(t, "share")
		got := int64(h.at(share))
		var below, withIt int
		for _, d := range list {
			if d*16 < got*15-16 {
				below++
			}
			if d <= got {
				withIt++
			}
		}
		if want := share * float64(len(list)); float64(below) > want || float64(withIt) <= want-1 {
			t.Fatalf("%v of %v is %d", share, list, got)
		}
	})
}

func TestMemoryThatGrowsIsTold(t *testing.T) {
	var flat, growing []Sample
	for i := range 100 {
		when := time.Duration(i) * 6 * time.Second
		flat = append(flat, Sample{when, 10 << 20})
		growing = append(growing, Sample{when, 10<<20 + int64(i)<<16})
	}
	long := options{length: 10 * time.Minute}
	for _, c := range []struct {
		samples []Sample
		faults  int
	}{{flat, 0}, {growing, 1}} {
		r := Report{Tally: Tally{Allowed: 1, Denied: 1, Refused: 1}}
		r.Early, r.Late, r.Slope = memory(c.samples)
		if r.judge(long); len(r.Faults) != c.faults {
			t.Errorf("%d to %d, %.0f a minute: %q", r.Early, r.Late, r.Slope, r.Faults)
		}
	}
	if _, _, slope := memory(growing); slope < 655_000 || slope > 656_000 {
		t.Errorf("%v bytes a minute", slope)
	}
	r := Report{Tally: Tally{Allowed: 1, Denied: 1, Refused: 1}, GoroutinesEarly: 10, GoroutinesLate: 100}
	if r.judge(long); len(r.Faults) != 1 {
		t.Errorf("%q", r.Faults)
	}
}

func TestWrongCommandLinesAreRefused(t *testing.T) {
	for want, args := range map[string][]string{"--minutes 0": {"--minutes", "0"}, "--processes 0": {"--processes", "0"}, "unknown command": {"file"}} {
		var out, complaints bytes.Buffer
		if code := run(t.Context(), args, &out, &complaints); code != exitUsage || out.Len() > 0 || !strings.Contains(complaints.String(), want) {
			t.Errorf("%v: %d %s%s", args, code, out.String(), complaints.String())
		}
	}
}
