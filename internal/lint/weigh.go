package lint

import (
	"bytes"
	"cmp"
	"context"
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

// weight is what is known of one caller's policy.
type weight struct {
	Caller
	report policy.Report
	folded []bool // of report.Unguarded: only since it was made to fit
}

// weights are those of all callers, in the order in which they were made up.
type weights struct {
	list   []weight
	budget int
	prefix string // of every resource
}

// weigh compiles the policy of every caller, on all processors.
func (c *checker) weigh(ctx context.Context) (weights, error) {
	callers := append(c.singles(), c.totals()...)
	w := weights{list: make([]weight, len(callers)), budget: c.Budget, prefix: c.table.API().String() + "/"}
	err := c.all(ctx, len(callers), func(i int) { w.list[i] = c.weighOne(callers[i]) })
	if err != nil {
		return w, err
	}
	for i := range w.list {
		if err := c.advise(ctx, w, i); err != nil {
			return w, err
		}
	}
	return w, nil
}

// all calls f for 0 to n-1, until ctx ends.
func (c *checker) all(ctx context.Context, n int, f func(i int)) error {
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

func (c *checker) weighOne(k Caller) weight {
	held := c.held(k)
	compiled := c.prepared.Compile(held, c.Now, c.Budget)
	w := weight{Caller: k, report: compiled.Report()}
	w.Bytes = c.size(compiled)
	w.Fits = w.Bytes <= c.Budget
	w.Resources, w.Steps = w.report.Resources, w.report.Steps
	w.folded = make([]bool, len(w.report.Unguarded))
	if len(w.Steps) == 0 || len(w.folded) == 0 {
		return w
	}
	// What the exact policy allows, too, was not opened to fit.
	exact := c.document(c.prepared.Compile(held, c.Now, 0))
	for i, u := range w.report.Unguarded {
		w.folded[i] = policy.Evaluate(exact, c.arn(u.Witness), c.Now, netip.Addr{}) != policy.Allowed
	}
	return w
}

// arn is the method ARN of a request written as "GET /users/1".
func (c *checker) arn(request string) string {
	method, path, _ := strings.Cut(request, " ")
	return policy.ARN{API: c.table.API(), Method: method, Path: path}.String()
}

// document is the policy of a request that is allowed.
func (c *checker) document(compiled *policy.Compiled) policy.Document {
	r := policy.Request{ExplicitDeny: c.ExplicitDeny}
	if !c.NoExpiry {
		r.End = c.Now.Add(time.Hour) // every end is as long to write
	}
	return compiled.Document(r)
}

// size is that of the minified document, as the authorizer writes it.
func (c *checker) size(compiled *policy.Compiled) int {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c.document(compiled)); err != nil {
		return 0 // strings alone: it can always be written
	}
	return b.Len() - len("\n")
}

// callers lists the callers, the largest policies first.
func (w weights) callers() []Caller {
	list := make([]Caller, len(w.list))
	for i, k := range w.list {
		list[i] = k.Caller
	}
	slices.SortStableFunc(list, func(a, b Caller) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// findings are those about policies. What several callers share is one finding.
func (w weights) findings() []Finding {
	g := gathered{list: []Finding{}, prefix: w.prefix}
	for _, k := range w.callers() {
		switch {
		case !k.Fits && k.Kind == Everything:
			g.add(Finding{Severity: Warning, Kind: TooLarge}, k.Name)
		case !k.Fits:
			g.add(Finding{Severity: Error, Kind: TooLarge}, k.Name)
		case 5*k.Bytes > 4*w.budget: // 80 %
			g.add(Finding{Severity: Warning, Kind: Large}, k.Name)
		}
	}
	for _, k := range w.list {
		k.witnessed(&g)
	}
	return g.list
}

// witnessed adds what the report on one caller's policy shows by example.
func (w weight) witnessed(g *gathered) {
	for _, x := range w.report.Collisions {
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
	for i, u := range w.report.Unguarded {
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

// held is what a caller holds now.
func (c *checker) held(k Caller) mapping.Held { return c.table.Held(k.caller(), c.Now) }
