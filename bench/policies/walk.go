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

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// outcome is what one way of writing makes for one caller. The counts are of
// probes. A path that only its decoded reading finds a held route for is denied
// by Permits and is nobody else's: allowing it is no fault.
type outcome struct {
	caller string
	bytes  int
	over   int // allowed though Permits denies: a route that is not held
	slash  int // allowed though only the spelling without the / at the end is held
	// Permitted and not allowed: by a Deny that Report lists as a collision, and
	// otherwise.
	reported, unreported int
	permitted            int
	ordinaryShut         int // of those that are not allowed, reported or not
	slashShut            int // … whose path ends with a /
	falseReports         int // collisions and unguarded paths whose witness is none
	resources            int
	steps                []string
	examples             []example
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
	progress io.Writer
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
	free := sync.Pool{New: func() any { return &walker{api: a, index: x, o: o, progress: progress} }}
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
	one, err := w.try(c, naiveDocument(globs), nil)
	if err != nil {
		return nil, fmt.Errorf("%s, naive: %w", c.name, err)
	}
	many := one // the same resources allow the same
	many.bytes = answerBytes(arrayDocument(globs))

	began := time.Now()
	compiled := w.api.prepared.Compile(c.held, tabletest.Now, authorizer.DocumentBudget(w.o.maxBytes))
	took := time.Since(began)
	d, report := compiled.Document(request), compiled.Report()
	mine, err := w.try(c, d, &report)
	if err != nil {
		return nil, fmt.Errorf("%s, ours: %w", c.name, err)
	}
	mine.compile, mine.steps = took, report.Steps
	w.checkReport(&mine, c, d, report)
	if w.o.caller != "" {
		w.show(c, d)
	}
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
func (w *walker) try(c caller, d policy.Document, report *policy.Report) (outcome, error) {
	o := outcome{bytes: answerBytes(d), caller: c.name}
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
				o.note(opened, "allowed, slash_spelling", w.index.probes[i])
			}
		case said == policy.Allowed && !v.Allowed && v.Reason != mapping.NoRoute:
			o.over++
			o.note(opened, "allowed, "+string(v.Reason), w.index.probes[i])
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
			o.note(misreported, "reported, and no "+what, p)
		}
	}
	for _, one := range report.Collisions {
		try("collision", one.Witness, policy.ExplicitlyDenied, true)
	}
	for _, one := range report.Unguarded {
		try("unguarded path", one.Witness, policy.Allowed, false)
	}
}

// example is one fault, for people.
type example struct {
	rank fault
	text string
}

// fault says how bad it is; the smallest is the worst.
type fault uint8

const (
	opened fault = iota
	misreported
	shut
)

const maxExamples = 3

func (o *outcome) note(rank fault, what string, p probe) {
	o.examples = telling(append(o.examples, example{rank, fmt.Sprintf("%s: %s: %s %s", o.caller, what, p.method, p.path)}))
}

// telling keeps the worst examples, and of those the shortest: they are the
// easiest to understand.
func telling(examples []example) []example {
	slices.SortFunc(examples, func(a, b example) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.text), len(b.text)), strings.Compare(a.text, b.text))
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
		switch p := w.index.probes[i]; {
		case p.ordinary:
			o.ordinaryShut++
		case strings.HasSuffix(p.path, "/"):
			o.slashShut++
		}
		if w.said[i] == policy.ExplicitlyDenied && reported[int32(i)] {
			o.reported++
			continue
		}
		o.unreported++
		o.note(shut, "permitted, "+w.said[i].String(), w.index.probes[i])
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

// show prints what one caller gets, for whoever looks into a fault.
func (w *walker) show(c caller, d policy.Document) {
	fmt.Fprintf(w.progress, "  %s: %s\n", c.name, strings.Join(c.scopes, " "))
	for _, s := range d.Statement {
		for _, r := range s.Resource {
			fmt.Fprintf(w.progress, "    %s %s\n", s.Effect, strings.TrimPrefix(r, base))
		}
	}
}
