package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/bench/world"
	"scopegate/internal/idp"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

// inGo keeps all rows but those in Node, which need what make bench installs.
const inGo = "echo,floor,hand,prototype,go-oidc,scopegate"

// TestARunMeasuresEveryRowAndWritesItDown: with as few calls as there can be, of all
// bootstraps in Go.
func TestARunMeasuresEveryRowAndWritesItDown(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n<!-- speed:begin -->\nold\n<!-- speed:end -->\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	args := []string{"--rounds", "2", "--calls", "3", "--tokens", "2", "--starts", "1", "--only", inGo, "--json", "--markdown", page}
	if code := run(t.Context(), args, &out, &progress); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &progress)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	list, err := only(rows(&world.World{Provider: provider(t)}, tables{}, "", "", []string{"GOGC=1"}), strings.Split(inGo, ","))
	if err != nil || !slices.Equal(r.Rows, names(list)) {
		t.Fatalf("rows %q, want %q (%v)", r.Rows, names(list), err)
	}
	for _, row := range list {
		r.expects(t, row)
	}
	if r.Event < 6000 || r.Answers[oursRow] < 200 || r.Answers[hundredRow] < 6000 {
		t.Errorf("event of %d bytes, answers of %v", r.Event, r.Answers)
	}
	for _, v := range r.Verdicts {
		if isNode := strings.Contains(v.Text, "Node"); (v.Default == nil) != isNode || (v.Deployed == nil) != isNode {
			t.Errorf("goal %q: %+v, %+v", v.Text, v.Default, v.Deployed)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append(r.Rows, "before\n<!-- speed:begin -->\n", "<!-- speed:end -->\nafter\n", "Noise, ", "| known token, p50 to echo |") {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	if strings.Contains(string(text), "old\n") {
		t.Error("what stood there before still does")
	}
}

// expects that a row was measured in what it is to be measured in, as often.
func (r report) expects(t *testing.T, row row) {
	t.Helper()
	for metric, times := range map[string]int{
		coldWall: times(row.Cold, 1), coldCPU: times(row.Cold, 1), coldRSS: times(row.Cold, 1),
		sameP50: times(row.Same, 2), sameP99: times(row.Same, 2), sameCPU: times(row.Same, 2),
		newP50: times(row.New, 2), newCPU: times(row.New, 2), rss: times(row.Same, 1), peak: times(row.Same, 1), binary: 1, zipSize: 1,
	} {
		values := r.Series[row.Name][metric]
		if len(values) != times || slices.ContainsFunc(values, func(v float64) bool { return v <= 0 }) {
			t.Errorf("%s, %s: %v, want %d values above 0", row.Name, metric, values, times)
		}
	}
}

func times(base string, n int) int {
	if base == "" {
		return 0
	}
	return n
}

// TestABootstrapThatIsWrongIsNotMeasured: neither one that lets a forged token pass
// nor one that answers with no policy, nor one that does not query although it should.
func TestABootstrapThatIsWrongIsNotMeasured(t *testing.T) {
	kept := t.TempDir()
	b, err := newBed(t.Context(), options{Delay: world.DefaultDelay, Only: []string{againRow}, Profile: kept}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(filepath.Join(kept, "*", "echo")); err != nil || len(left) != 1 {
			t.Errorf("%q is left to be profiled, %v", left, err)
		}
	}()
	right := b.rows[0]
	for want, change := range map[string]func(*row){
		"":                     func(*row) {},
		"answers a forged":     func(r *row) { r.Kind = verifies },
		"decides":              func(r *row) { r.Kind = decides },
		"0 Queries":            func(r *row) { r.Queries = true },
		"bytes with":           func(r *row) { r.Env = []string{"ANSWER=" + filepath.Join(b.dir, "key.pem")} },
		"starts no such thing": func(r *row) { r.Env = []string{"ANSWER=missing"} },
	} {
		r := right
		change(&r)
		rt, err := b.start(t.Context(), r)
		if want == "starts no such thing" {
			if err == nil || !strings.Contains(err.Error(), "read ANSWER") {
				t.Errorf("%v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		err = b.prepare(t.Context(), &runner{row: r, rt: rt}, 2)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", want, err)
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWrongFlagsAreNamedAllAtOnce(t *testing.T) {
	var progress bytes.Buffer
	if code := run(t.Context(), []string{"--rounds", "0", "--starts", "-1", "--delay", "1us"}, io.Discard, &progress); code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"--rounds 0", "--starts -1", "--delay 1µs"} {
		if !strings.Contains(progress.String(), want) {
			t.Errorf("%q is not in %q", want, &progress)
		}
	}
}

// TestRowsAsDeployedRunAsDeployed: with what deploy/ gives the authorizer of the Go
// runtime's own settings, and nothing else.
func TestRowsAsDeployedRunAsDeployed(t *testing.T) {
	var stages, settings []byte
	for name, to := range map[string]*[]byte{"stages.yml": &stages, "settings.js": &settings} {
		var err error
		if *to, err = os.ReadFile(filepath.Join("..", "..", "deploy", name)); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	if n := regexp.MustCompile(`(?m)^ +authorizerProcessors: (\d+)`).FindSubmatch(stages); n != nil {
		want = append(want, "GOMAXPROCS="+string(n[1]))
	}
	for _, name := range []string{"GOGC:", "GOMEMLIMIT:"} {
		if bytes.Contains(settings, []byte(name)) {
			t.Errorf("deploy/settings.js sets %s which no row has", name)
		}
	}
	if got := command().Flag("tuned").DefValue; got != "["+strings.Join(want, ",")+"]" {
		t.Errorf("--tuned is %s, deployed is %s", got, want)
	}
}

func TestShortChangesOnlyWhatIsNotSaid(t *testing.T) {
	o := options{Rounds: 9, Calls: 300, Tokens: 40, Starts: 20, Delay: time.Millisecond, Short: true}
	if err := o.check(func(name string) bool { return name == "rounds" }); err != nil {
		t.Fatal(err)
	}
	if o.Rounds != 9 || o.Calls != 100 || o.Tokens != 20 || o.Starts != 5 {
		t.Errorf("%+v", o)
	}
}

func TestRowsComeWithThoseThatTheyAreComparedWith(t *testing.T) {
	all := rows(&world.World{Provider: provider(t)}, tables{}, "", "", []string{"GOGC=1"})
	got, err := only(all, []string{"static list"})
	if want := []string{echoRow, rsaRow, nodeRow, floorRow}; err != nil || len(got) != len(want) || !slices.ContainsFunc(got, row.script) {
		t.Errorf("%q, %v; want %q", names(got), err, want)
	}
	if _, err := only(all, []string{"rust"}); err == nil || !strings.Contains(err.Error(), `--only "rust"`) || !strings.Contains(err.Error(), nodeRow) {
		t.Errorf("%v", err)
	}
	known := names(all)
	for _, r := range all {
		for _, base := range []string{r.Cold, r.Same, r.New, r.As} {
			if base != "" && !slices.Contains(known, base) {
				t.Errorf("%s is compared with %q, which is no row", r.Name, base)
			}
		}
	}
	for _, g := range goals() {
		for _, name := range []string{g.Row, g.Base} {
			if name != "" && !slices.Contains(known, name) {
				t.Errorf("goal %q speaks of %q, which is no row", g.Text, name)
			}
		}
	}
}

func TestQuantiles(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.2: 1, 0.21: 2, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(values, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("nothing has a median")
	}
}

// TestRatiosAreOfRounds: a round in which everything is slow changes none.
func TestRatiosAreOfRounds(t *testing.T) {
	s := series{"a": {sameP50: {2, 20, 6}}, "b": {sameP50: {1, 10, 2}}}
	if got, ok := s.ratio("a", "b", sameP50); !ok || got != (spread{2, 2, 3}) {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := s.ratio("a", "b", newP50); ok {
		t.Error("a ratio of what was not measured")
	}
	if _, ok := s.ratio("a", "", sameP50); ok {
		t.Error("a ratio to no row")
	}
}

func TestGoalsAreJudgedAsTheFunctionIsDeployed(t *testing.T) {
	s := series{
		echoRow: {sameP50: {100}}, echoRow + deployed: {sameP50: {50}},
		oursRow: {sameP50: {120}, rss: {17 << 20}}, oursRow + deployed: {sameP50: {52}, rss: {12 << 20}},
		nodeRow: {sameP50: {103}, rss: {48 << 20}},
	}
	got := map[string]bool{}
	for _, v := range s.verdicts() {
		got[v.Text] = v.met()
		if v.Text == "known token, p50 to echo" && (v.Default.Median != 1.2 || v.Deployed.Median != 1.04) {
			t.Errorf("%+v, %+v", v.Default, v.Deployed)
		}
	}
	for text, want := range map[string]bool{
		"known token, p50 to echo": true, "memory after the run, MB": true, "memory: Node": true,
		"known token: Node takes so many times as long": false, "new token: Node": false,
	} {
		if met, ok := got[text]; !ok || met != want {
			t.Errorf("%s: %v, want %v", text, met, want)
		}
	}
	delete(s, oursRow+deployed)
	for _, v := range s.verdicts() {
		if v.Text == "known token, p50 to echo" && v.met() {
			t.Error("met, although the default, which alone was measured, is not within the limit")
		}
	}
}

func TestAGoalThatIsNotMetIsAnErrorOnlyIfOneAsks(t *testing.T) {
	r := report{Verdicts: series{}.verdicts()}
	if err := r.write(io.Discard); err != nil {
		t.Errorf("%v", err)
	}
	r.Options.Check = true
	if err := r.write(io.Discard); err == nil || !strings.Contains(err.Error(), "known token, p50 to echo") {
		t.Errorf("%v", err)
	}
}

func provider(t *testing.T) *idp.Provider {
	t.Helper()
	p, err := idp.New(idp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
