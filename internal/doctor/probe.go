package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Seconds of the questions that wait. What ends, or begins to count, does so after
// span; it is asked about slack later, for clocks that differ.
const (
	span  = 20
	slack = 5 * time.Second
)

// question is one thing that is asked of an API with the probe. ask sends what is
// to be sent at once. Where later is not nil, the rest is asked once span and slack
// have passed.
type question struct {
	check    string
	about    string // what is asked, with the source's mark: [D]ocumented, [U]sers report, [I]nferred
	expected func(isHTTP bool) string
	// consequence is what follows where it is otherwise, in the way that is likeliest,
	// and change the setting that answers it. harmless says that nothing depends on it.
	consequence, change string
	harmless            bool
	only                func(isHTTP bool) bool // nil: of both kinds of APIs
	ask                 func(ctx context.Context, p *prober, q question) (now verdict, later func(context.Context) verdict)
}

// otherwise is the verdict on what is not as expected.
func (q question) otherwise(seen string) verdict {
	if q.harmless {
		return noted(seen, q.consequence, q.change)
	}
	return found(seen, q.consequence, q.change)
}

func (q question) row(v verdict, part string, isHTTP bool) Row {
	r := v.row(part, q.check, q.expected(isHTTP))
	r.About = q.about
	return r
}

func always(s string) func(bool) string { return func(bool) string { return s } }

// questions are all there are, in the order of the rows.
func questions() []question {
	var all []question
	for _, some := range [][]question{cacheQuestions(), timeQuestions(), policyQuestions(), pathQuestions(), refusalQuestions(), sizeQuestions()} {
		all = append(all, some...)
	}
	return all
}

// Probe asks all questions of one API, and gives a row for each. It takes about
// half a minute of the target's clock. The error says that the target's URL is
// none.
func Probe(ctx context.Context, t Target) ([]Row, error) {
	p, err := newProber(t)
	if err != nil {
		return nil, err
	}
	if v := p.reach(ctx); v.status != OK {
		return []Row{v.row(t.Part, "probe", "the probe answers")}, nil
	}
	type open struct {
		row   int
		of    question
		later func(context.Context) verdict
	}
	var rows []Row
	var waiting []open
	for _, q := range questions() {
		if q.only != nil && !q.only(t.IsHTTP) {
			continue
		}
		v, later := q.ask(ctx, p, q)
		if later != nil {
			waiting = append(waiting, open{len(rows), q, later})
		}
		rows = append(rows, q.row(v, t.Part, t.IsHTTP))
	}
	err = p.Wait(ctx, span*time.Second+slack)
	for _, o := range waiting {
		v := failed(fmt.Errorf("wait: %w", err))
		if err == nil {
			v = o.later(ctx)
		}
		rows[o.row] = o.of.row(v, t.Part, t.IsHTTP)
	}
	return rows, nil
}

// NotProbed are the same rows for an API that is not asked. why says so, and what
// to do. Their consequence and change are what would follow.
func NotProbed(part string, isHTTP bool, why string) []Row {
	var rows []Row
	for _, q := range questions() {
		if q.only == nil || q.only(isHTTP) {
			rows = append(rows, q.row(verdict{NotRun, why, "if it is otherwise: " + q.consequence, q.change}, part, isHTTP))
		}
	}
	return rows
}

// reach finds out whether it is the probe that answers, and what time it has.
func (p *prober) reach(ctx context.Context) verdict {
	a, err := p.get(ctx, plan(allow("*")), "/probe/reach")
	switch {
	case err != nil:
		return failed(err)
	case a.status != http.StatusOK || a.call == "" || a.request == "":
		return failed(fmt.Errorf("the answer is %s: this is no API with the probe, or its stage is missing in the URL", a))
	}
	if a.isHTTP != nil && *a.isHTTP != p.IsHTTP { // what is expected would be the other kind's
		return failed(fmt.Errorf("this is %s API: each has a flag of its own", map[bool]string{true: "an HTTP", false: "a REST"}[*a.isHTTP]))
	}
	if !a.at.IsZero() {
		p.offset = a.at.Sub(p.Now())
	}
	return fine("")
}

// then is the instant span from now by the function's clock.
func (p *prober) then() int64 { return p.Now().Add(p.offset).Unix() + span }
