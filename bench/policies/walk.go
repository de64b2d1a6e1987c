package main

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// outcome is what one way of writing makes for one caller. The counts are of
// probes. A path that only its decoded reading finds a held route for is denied
// by Permits and is nobody else's: allowing it is no fault.
type outcome struct {
	bytes int
	over  int // allowed though Permits denies: a route that is not held
	slash int // allowed though only the spelling without the / at the end is held
	// Permitted and not allowed: by a Deny that Report lists as a collision, and
	// otherwise.
	reported, unreported int
	permitted            int
	falseReports         int // collisions and unguarded paths whose witness is none
	resources            int
	steps                []string
	examples             []string
	compile              time.Duration
}

// walker tries every probe of one API; each worker has its own.
type walker struct {
	api      *api
	index    *index
	o        options
	verdicts []mapping.Verdict
	said     []policy.Decision
	random   *rand.Rand
}

// examine measures all callers of one API, each in the three ways.
func (o options) examine(a *api, progress io.Writer) (result, error) {
	callers, nothing := callersOf(a, o)
	x := &index{probes: probes(a, o)}
	fmt.Fprintf(progress, "%s: %d routes, %d scopes, %d callers, %d requests for each\n", a.name, len(a.routes), len(a.scopes), len(callers), len(x.probes))
	outcomes := make([]map[string]outcome, len(callers))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	done := counter{w: progress, of: len(callers)}
	free := sync.Pool{New: func() any { return &walker{api: a, index: x, o: o} }}
	for i, c := range callers {
		group.Go(func() error {
			w := free.Get().(*walker)
			defer free.Put(w)
			w.random = rand.New(rand.NewPCG(o.seed, uint64(i)))
			var err error
			outcomes[i], err = w.walk(c)
			done.one()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return result{}, err
	}
	slowest := time.Duration(0)
	for _, out := range outcomes {
		slowest = max(slowest, out[ours].compile)
	}
	fmt.Fprintf(progress, "  slowest Compile, with the other core busy: %s\n", slowest.Round(time.Microsecond))
	r := summarize(a, o, callers, outcomes)
	r.HoldNothing, r.Probes = nothing, len(x.probes)
	return r, nil
}

// counter shows how far the callers are.
type counter struct {
	mu       sync.Mutex
	w        io.Writer
	done, of int
}

func (c *counter) one() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if c.done%100 == 0 || c.done == c.of {
		fmt.Fprintf(c.w, "  %d of %d callers\n", c.done, c.of)
	}
}

func (w *walker) walk(c caller) (map[string]outcome, error) {
	w.permit(c)
	globs := globsOf(w.api.table, c.held)
	one, err := w.try(naiveDocument(globs), nil)
	if err != nil {
		return nil, fmt.Errorf("%s, naive: %w", c.name, err)
	}
	many := one // the same resources allow the same
	many.bytes = answerBytes(arrayDocument(globs))

	began := time.Now()
	compiled := w.api.prepared.Compile(c.held, tabletest.Now, w.o.maxBytes-envelope())
	took := time.Since(began)
	d, report := compiled.Document(request), compiled.Report()
	mine, err := w.try(d, &report)
	if err != nil {
		return nil, fmt.Errorf("%s, ours: %w", c.name, err)
	}
	mine.compile, mine.steps = took, report.Steps
	w.checkReport(&mine, c, d, report)
	return map[string]outcome{naive: one, array: many, ours: mine}, nil
}

// permit asks for each probe what Permits says, the definition.
func (w *walker) permit(c caller) {
	w.verdicts = w.verdicts[:0]
	for _, p := range w.index.probes {
		w.verdicts = append(w.verdicts, w.api.table.Decide(c.held, p.method, p.path))
	}
}

// try compares a document with Permits, probe by probe. The report is nil for
// documents that are not ours.
func (w *walker) try(d policy.Document, report *policy.Report) (outcome, error) {
	o := outcome{bytes: answerBytes(d)}
	for _, s := range d.Statement {
		o.resources += len(s.Resource)
	}
	w.said = w.index.decide(d, w.said)
	var under, suspects []int
	for i, said := range w.said {
		v := w.verdicts[i]
		if v.Allowed {
			o.permitted++
		}
		switch {
		case said == policy.Allowed && v.Reason == mapping.SlashSpelling:
			o.slash++
			if report != nil {
				o.note("allowed, slash_spelling", w.index.probes[i])
			}
		case said == policy.Allowed && !v.Allowed && v.Reason != mapping.NoRoute:
			o.over++
			o.note("allowed, "+string(v.Reason), w.index.probes[i])
		case said != policy.Allowed && v.Allowed:
			under = append(under, i)
			continue
		default:
			continue
		}
		suspects = append(suspects, i)
	}
	w.sortOut(&o, d, report, under)
	return o, w.check(d, append(suspects, under...))
}

// checkReport tries the witnesses of what the report says.
func (w *walker) checkReport(o *outcome, c caller, d policy.Document, report policy.Report) {
	try := func(what, witness string, said policy.Decision, permitted bool) {
		method, path, _ := strings.Cut(witness, " ")
		p := probe{method: method, path: path, text: method + path}
		got := policy.Evaluate(d, p.arn(), tabletest.Now, netip.Addr{})
		if got != said || w.api.table.Decide(c.held, method, path).Allowed != permitted {
			o.falseReports++
			o.note("no "+what, p)
		}
	}
	for _, one := range report.Collisions {
		try("collision", one.Witness, policy.ExplicitlyDenied, true)
	}
	for _, one := range report.Unguarded {
		try("unguarded path", one.Witness, policy.Allowed, false)
	}
}

const maxExamples = 3

// note keeps the shortest examples: they are the easiest to understand.
func (o *outcome) note(what string, p probe) {
	o.examples = shortest(append(o.examples, what+": "+p.method+" "+p.path))
}

func shortest(examples []string) []string {
	slices.SortFunc(examples, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	examples = slices.Compact(examples)
	return examples[:min(maxExamples, len(examples))]
}

// sortOut tells the permitted probes that the document does not allow by
// whether the report lists a collision with the Deny that stops them.
func (w *walker) sortOut(o *outcome, d policy.Document, report *policy.Report, under []int) {
	reported := map[int32]bool{}
	if report != nil {
		for _, c := range report.Collisions {
			// A Deny that the document does not have explains nothing.
			if !denies(d, c.Deny) {
				continue
			}
			for _, i := range w.index.matching(c.Deny) {
				reported[i] = true
			}
		}
	}
	for _, i := range under {
		if w.said[i] == policy.ExplicitlyDenied && reported[int32(i)] {
			o.reported++
			continue
		}
		o.unreported++
		o.note("permitted, "+w.said[i].String(), w.index.probes[i])
	}
}

func denies(d policy.Document, resource string) bool {
	return slices.ContainsFunc(d.Statement, func(s policy.Statement) bool {
		return s.Effect == policy.Deny && slices.Contains(s.Resource, resource)
	})
}

// checks is how many probes of a document are asked of policy.Evaluate, too.
const checks = 30

// check holds the index against policy.Evaluate: some of what it found
// remarkable, and probes drawn from all.
func (w *walker) check(d policy.Document, remarkable []int) error {
	some := slices.Clone(remarkable[:min(checks, len(remarkable))])
	for range checks {
		some = append(some, w.random.IntN(len(w.index.probes)))
	}
	for _, i := range some {
		p := w.index.probes[i]
		if said := policy.Evaluate(d, p.arn(), tabletest.Now, netip.Addr{}); said != w.said[i] {
			return fmt.Errorf("%s %s is %s by the index, and %s by policy.Evaluate", p.method, p.path, w.said[i], said)
		}
	}
	return nil
}
