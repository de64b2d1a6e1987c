package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain is also the worker, as main is: what is measured runs in processes of this
// binary.
func TestMain(m *testing.M) {
	if role := os.Getenv(workerName); role != "" {
		if err := workAs(role); err != nil {
			_, _ = os.Stderr.WriteString("scale worker: " + err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// few are the curves with their first and last points alone, the tables smaller.
func few() []Curve {
	all := curves()
	for i := range all {
		for j, s := range all[i].Lines {
			if n := len(s.Points); n > 2 {
				s.Points = []Place{s.Points[0], s.Points[n-1]}
			}
			for k := range s.Points {
				s.Points[k].Load.Routes = min(s.Points[k].Load.Routes, 200)
				s.Points[k].Load.APIs = min(s.Points[k].Load.APIs, 5)
			}
			all[i].Lines[j] = s
		}
	}
	return all
}

// TestARunMeasuresEverythingAndPublishesIt: each worker has checked its answers.
func TestARunMeasuresEverythingAndPublishesIt(t *testing.T) {
	b, stop, err := newBench(2, 8, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	report, err := b.report(t.Context(), func(string) bool { return true }, few(), sizes()[:2], []int{3, 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Curves {
		for _, p := range append(c.Points, c.Again) {
			if p.P50 <= 0 || p.P99 < p.P50 || p.Wall <= 0 || p.Ratio <= 0 || p.Heap <= 0 || p.Loads != 0 {
				t.Errorf("%s: %+v", c.Name, p)
			}
		}
		if first := c.Points[0]; first.Ratio != 1 {
			t.Errorf("%s: the first point is %v of itself", c.Name, first.Ratio)
		}
	}
	if len(report.Ends) != 4 || len(report.Goals) != 4 || len(report.Memory) != 2 {
		t.Errorf("%+v", report)
	}
	checkReads(t, report.Reads)
	checkPublished(t, report)
}

func checkReads(t *testing.T, reads []Read) {
	t.Helper()
	if len(reads) != 4 {
		t.Fatalf("%+v", reads)
	}
	for _, r := range reads[:2] {
		if r.What != "check" || r.Gets != 1 || r.Queries != 0 || r.Units != 1 || r.KB <= 0 {
			t.Errorf("a check of the head is one GetItem: %+v", r)
		}
	}
	for _, r := range reads[2:] {
		if r.What != "load" || r.Queries < 1 || r.Units < 1 || r.KB <= 0 {
			t.Errorf("%+v", r)
		}
	}
	if few, many := reads[2], reads[3]; many.KB <= few.KB {
		t.Errorf("30 routes take no more than 3: %+v %+v", few, many)
	}
}

func checkPublished(t *testing.T, report Report) {
	t.Helper()
	page := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(page, []byte("# Figures\n<!-- scale:begin -->\n<!-- scale:end -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.publish(page); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Curves {
		svg, err := os.ReadFile(filepath.Join(filepath.Dir(page), svgName(c.Name)))
		if err != nil || !bytes.Contains(svg, []byte("</svg>")) || !bytes.Contains(text, []byte(svgName(c.Name))) {
			t.Errorf("chart of %s: %v", c.Name, err)
		}
	}
	for _, want := range []string{"the goal of 1.2 is ", "| check | 3 |", "| 1 | 100 |"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	var out bytes.Buffer
	var again Report
	if err := (options{asJSON: true}).write(&out, report); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &again); err != nil || len(again.Curves) != len(report.Curves) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestEachCurveVariesOneThing, or its ratios would be of something else.
func TestEachCurveVariesOneThing(t *testing.T) {
	for _, c := range curves() {
		for _, s := range c.Lines {
			var xs []int
			for _, p := range s.Points {
				if err := p.Load.check(); err != nil {
					t.Errorf("%s, %s: %v", c.Name, s.Name, err)
				}
				xs = append(xs, p.X)
			}
			if !slices.IsSorted(xs) || xs[0] < 1 {
				t.Errorf("%s, %s: %v", c.Name, s.Name, xs)
			}
		}
	}
}

// TestALoadThatIsNotAnsweredRightIsNotMeasured: a fast wrong answer is no figure.
func TestALoadThatIsNotAnsweredRightIsNotMeasured(t *testing.T) {
	b, stop, err := newBench(1, 1, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	tooMany := ordinary
	tooMany.Routes, tooMany.Held = 400, 400 // no answer has room for so many
	for _, l := range []Load{{}, tooMany} {
		var in, out bytes.Buffer
		j, err := b.job(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&in).Encode(j); err != nil {
			t.Fatal(err)
		}
		if err := work(&in, &out); err == nil || out.Len() > 0 {
			t.Errorf("%+v: %v, %s", l, err, out.String())
		}
	}
}

func TestMostCallsOfASkewedLoadAreForFewAPIs(t *testing.T) {
	l := ordinary
	l.APIs, l.Skewed = 1000, true
	counts := make([]int, l.APIs)
	for _, i := range l.sequence() {
		counts[i]++
	}
	slices.Sort(counts)
	often := 0
	for _, n := range counts[len(counts)-100:] {
		often += n
	}
	if share := float64(often) / float64(len(l.sequence())); share < 0.6 {
		t.Errorf("a tenth of the APIs has %.2f of the calls", share)
	}
}

func TestMedian(t *testing.T) {
	for want, of := range map[float64][]float64{0: nil, 1: {1}, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := median(of); got != want {
			t.Errorf("%v: %v, want %v", of, got, want)
		}
	}
	m := Measured{}
	m.fill([]batch{{compared: 4}, {compared: 6 * time.Nanosecond}}, []batch{{compared: 2}, {compared: 6}})
	if m.Ratio != 1.5 { // of the rounds' ratios 2 and 1
		t.Errorf("%+v", m)
	}
}

func TestWrongCommandLinesAreRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"--only nothing: must be of routes": {"--only", "nothing"}, "--rounds 0": {"--rounds", "0"}, "--calls -1": {"--calls=-1"}, "unknown command": {"file"},
	} {
		var out, complaints bytes.Buffer
		if code := run(t.Context(), args, &out, &complaints); code != exitUsage || out.Len() > 0 || !strings.Contains(complaints.String(), want) {
			t.Errorf("%v: %d %s%s", args, code, out.String(), complaints.String())
		}
	}
}
