package lint

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scopegate/mapping"
	"scopegate/policy"
)

// Weight is what is known of one caller's policy.
type Weight struct {
	Caller
	Report policy.Report
	Made   bool   // false where there was no time
	folded []bool // of Report.Unguarded: only since it was made to fit
	told   bool   // how large it is was known before
}

// Weights are those of all callers, in the order in which they were given.
type Weights struct {
	list   []Weight
	budget int
	prefix string // of every resource
}

// Of finds what was made for a caller who brings the same.
func (w Weights) Of(k Caller) (Weight, bool) {
	i := slices.IndexFunc(w.list, func(o Weight) bool { return o.Same(k) })
	if i < 0 {
		return Weight{}, false
	}
	return w.list[i], w.list[i].Made
}

// Since leaves of what is found about each caller what was not so before, in
// weights of which some may be of the same callers. A route that can be called on
// no path is the same whatever denies it; of two policies that do not fit neither
// is news. Of a caller whose policy before was not made nothing is known.
func (w Weights) Since(before ...Weights) Weights {
	since := w
	since.list = nil
	for _, k := range w.list {
		for _, b := range before {
			i := slices.IndexFunc(b.list, func(o Weight) bool { return o.Same(k.Caller) })
			if i >= 0 && b.list[i].Made {
				k = k.since(b.list[i], w.budget)
			} else if i >= 0 {
				k.Made = false
			}
			if i >= 0 {
				break
			}
		}
		since.list = append(since.list, k)
	}
	return since
}

func (w Weight) since(was Weight, budget int) Weight {
	w.told = w.Fits == was.Fits && w.large(budget) == was.large(budget) || w.Fits && !was.Fits
	var collisions []policy.Collision
	for _, x := range w.Report.Collisions {
		same := func(o policy.Collision) bool {
			return x.Route == o.Route && x.Whole == o.Whole && x.From == o.From && (x.Whole || x.Deny == o.Deny)
		}
		if !slices.ContainsFunc(was.Report.Collisions, same) {
			collisions = append(collisions, x)
		}
	}
	var unguarded []policy.Unguarded
	var folded []bool
	for i, u := range w.Report.Unguarded {
		if !slices.ContainsFunc(was.Report.Unguarded, func(o policy.Unguarded) bool { return u.Allow == o.Allow }) {
			unguarded, folded = append(unguarded, u), append(folded, w.folded[i])
		}
	}
	w.Report.Collisions, w.Report.Unguarded, w.folded = collisions, unguarded, folded
	return w
}

// large reports whether a policy takes more than 80 % of the budget.
func (c Caller) large(budget int) bool { return 5*c.Bytes > 4*budget }

// Unmade names the callers whose policies were not made.
func (w Weights) Unmade() []string {
	var names []string
	for _, k := range w.list {
		if !k.Made {
			names = append(names, k.Name)
		}
	}
	return names
}

// Memo keeps weights of two tables, such as those before and after a change:
// what a policy rests on may be the same in both. It is for one Options and one
// API. The zero Memo is ready for use, by several goroutines at once.
type Memo struct {
	mu    sync.Mutex
	known map[string]Weight
}

// Rests is all that a caller's policy rests on, as a comparable value: the routes
// and whether they are all, and what of them and which patterns the caller holds
// for how long. Of permissions that he does not hold only their routes count.
func (c *Checker) Rests(k Caller) string {
	var b strings.Builder
	for _, p := range c.table.Permissions(c.held(k)) {
		fmt.Fprintf(&b, "%s %d\n", p.ID(), p.ExpiresAt.Unix())
	}
	return b.String() + c.routing()
}

// routing is the part of it that is every caller's.
func routing(t *mapping.Table) string {
	h := sha256.New()
	for _, v := range append(slices.Clone(mapping.Methods), mapping.Connect) {
		for _, route := range t.Templates(v) {
			fmt.Fprintf(h, "%q\n", route)
		}
	}
	return fmt.Sprintf("%x %t", h.Sum(nil), t.Complete())
}

// Weigh makes the policies of callers, on all processors, until ctx ends. Those
// that memo has, which may be nil, are not made again.
func (c *Checker) Weigh(ctx context.Context, callers []Caller, memo *Memo) Weights {
	w := Weights{list: make([]Weight, len(callers)), budget: c.Budget, prefix: c.table.API().String() + "/"}
	for i, k := range callers {
		w.list[i].Caller = k
	}
	if c.all(ctx, len(callers), func(i int) { w.list[i] = memo.weigh(c, callers[i]) }) != nil {
		memo.fill(c, w.list) // what is not made says so
	}
	return w
}

// fill takes from the memo what there was no time to make.
func (m *Memo) fill(c *Checker, list []Weight) {
	if m == nil {
		return
	}
	for i, w := range list {
		if !w.Made {
			if known, ok := m.get(c.Rests(w.Caller)); ok {
				list[i] = known.of(w.Caller)
			}
		}
	}
}

func (m *Memo) get(key string) (Weight, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, known := m.known[key]
	return w, known
}

// of is the same policy of another caller.
func (w Weight) of(k Caller) Weight {
	k.Bytes, k.Fits, k.Resources, k.Steps = w.Bytes, w.Fits, w.Resources, w.Steps
	w.Caller = k
	return w
}

func (m *Memo) weigh(c *Checker, k Caller) Weight {
	if m == nil {
		return c.weighOne(k)
	}
	key := c.Rests(k)
	w, known := m.get(key)
	if !known {
		w = c.weighOne(k)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.known == nil {
			m.known = map[string]Weight{}
		}
		m.known[key] = w
	}
	return w.of(k)
}

// all calls f for 0 to n-1, until ctx ends.
func (c *Checker) all(ctx context.Context, n int, f func(i int)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for i := range n {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f(i)
			mu.Lock()
			defer mu.Unlock()
			done++
			if c.Progress != nil {
				c.Progress(done, n)
			}
			return nil
		})
	}
	return g.Wait()
}

func (c *Checker) weighOne(k Caller) Weight {
	held := c.held(k)
	compiled := c.prepared.Compile(held, c.Now, c.Budget)
	w := Weight{Caller: k, Report: compiled.Report(), Made: true}
	w.Bytes = c.size(compiled)
	w.Fits = w.Bytes <= c.Budget
	w.Resources, w.Steps = w.Report.Resources, w.Report.Steps
	w.folded = make([]bool, len(w.Report.Unguarded))
	if len(w.Steps) == 0 || len(w.folded) == 0 {
		return w
	}
	// What the exact policy allows, too, was not opened to fit.
	exact := c.document(c.prepared.Compile(held, c.Now, 0))
	for i, u := range w.Report.Unguarded {
		w.folded[i] = policy.Evaluate(exact, c.arn(u.Witness), c.Now, netip.Addr{}) != policy.Allowed
	}
	return w
}

// arn is the method ARN of a request written as "GET /users/1".
func (c *Checker) arn(request string) string {
	method, path, _ := strings.Cut(request, " ")
	return policy.ARN{API: c.table.API(), Method: method, Path: path}.String()
}

// document is the policy of a request that is allowed.
func (c *Checker) document(compiled *policy.Compiled) policy.Document {
	r := policy.Request{ExplicitDeny: c.ExplicitDeny}
	if !c.NoExpiry {
		r.End = c.Now.Add(time.Hour) // every end is as long to write
	}
	return compiled.Document(r)
}

// size is that of the minified document, as the authorizer writes it.
func (c *Checker) size(compiled *policy.Compiled) int {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c.document(compiled)); err != nil {
		return 0 // strings alone: it can always be written
	}
	return b.Len() - len("\n")
}

// Callers lists the callers whose policies were made, the largest first.
func (w Weights) Callers() []Caller {
	list := []Caller{}
	for _, k := range w.bySize() {
		list = append(list, k.Caller)
	}
	return list
}

func (w Weights) bySize() []Weight {
	list := slices.DeleteFunc(slices.Clone(w.list), func(k Weight) bool { return !k.Made })
	slices.SortStableFunc(list, func(a, b Weight) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Findings are those about policies, in no order. What several callers share is
// one finding.
func (w Weights) Findings() []Finding {
	g := gathered{list: []Finding{}, prefix: w.prefix}
	for _, k := range w.bySize() {
		switch {
		case k.told:
		case !k.Fits && k.Kind == Everything:
			g.add(Finding{Severity: Warning, Kind: TooLarge}, k.Name)
		case !k.Fits:
			g.add(Finding{Severity: Error, Kind: TooLarge}, k.Name)
		case k.large(w.budget):
			g.add(Finding{Severity: Warning, Kind: Large}, k.Name)
		}
	}
	for _, k := range w.list {
		if k.Made {
			k.witnessed(&g)
		}
	}
	if names := w.Unmade(); len(names) > 0 {
		g.list = append(g.list, Finding{Severity: Warning, Kind: Unchecked, Callers: names})
	}
	return g.list
}

// witnessed adds what the report on one caller's policy shows by example.
func (w Weight) witnessed(g *gathered) {
	for _, x := range w.Report.Collisions {
		f := Finding{Severity: Warning, Kind: Collision, Route: x.Route, Resource: x.Deny, Witness: x.Witness, From: x.From}
		switch {
		case isEncoding(g.glob(f)):
			f.Severity, f.Kind = Note, Encoding
		case x.Whole && w.Single():
			f.Kind = WholeCollision
			if x.From == "" {
				f.Severity = Error
			}
		}
		g.add(f, w.Name)
	}
	for i, u := range w.Report.Unguarded {
		f := Finding{Severity: Warning, Kind: Unguarded, Resource: u.Allow, Witness: u.Witness}
		if w.folded[i] {
			f.Kind = Folded
		}
		g.add(f, w.Name)
	}
}

// isEncoding tells the Denies of single encoded characters, which wildcards bring
// with them, from one of all of them, which is a step to make a policy fit.
func isEncoding(glob string) bool {
	return strings.HasPrefix(glob, "*") && strings.Contains(glob, "%") && glob != "*%*"
}

// gathered puts callers with the same finding together.
type gathered struct {
	list   []Finding
	prefix string
	at     map[string]int
}

// glob is a finding's resource after {api}/{stage}/.
func (g *gathered) glob(f Finding) string { return strings.TrimPrefix(f.Resource, g.prefix) }

func (g *gathered) add(f Finding, caller string) {
	key := []string{string(f.Severity), string(f.Kind), f.Resource, f.From, f.Route}
	switch {
	case f.Kind == TooLarge || f.Kind == Large:
		key = append(key, caller) // each has its own size
	case strings.HasPrefix(g.glob(f), "*"):
		key[4] = "" // it is every route's
	}
	text := fmt.Sprintf("%q", key)
	if g.at == nil {
		g.at = map[string]int{}
	}
	i, known := g.at[text]
	if !known {
		i = len(g.list)
		g.at[text] = i
		g.list = append(g.list, f)
	}
	if list := g.list[i].Callers; len(list) == 0 || list[len(list)-1] != caller {
		g.list[i].Callers = append(list, caller)
	}
}

// Holds reports whether a caller holds anything now.
func (c *Checker) Holds(k Caller) bool { return c.held(k).Len() > 0 }

// held is what a caller holds now.
func (c *Checker) held(k Caller) mapping.Held { return c.table.Held(k.caller(), c.Now) }
