package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"scopegate/internal/lambdaruntime"
)

// Sample is the memory of the function at a time.
type Sample struct {
	At  time.Duration `json:"atNs"`
	RSS int64         `json:"rssBytes"` // of one execution environment, on average
}

// Report is what a run came to.
type Report struct {
	Tally
	Length    time.Duration `json:"lengthNs"`
	Processes int           `json:"processes"`
	P50       time.Duration `json:"p50Ns"`
	P99       time.Duration `json:"p99Ns"`
	Max       time.Duration `json:"maxNs"`
	QuietP50  time.Duration `json:"p50OutsideOutagesNs"`
	QuietP99  time.Duration `json:"p99OutsideOutagesNs"`
	QuietMax  time.Duration `json:"maxOutsideOutagesNs"`
	CPU       time.Duration `json:"cpuPerCallNs"`
	Revisions int           `json:"revisions"`
	Tokens    int64         `json:"tokens"`
	Revoked   int           `json:"revoked"`
	Rotations int           `json:"rotations"`
	Outages   int           `json:"outages"`
	Samples   []Sample      `json:"memory"`
	Peak      int64         `json:"peakBytes"`
	Early     int64         `json:"earlyBytes"` // median of the second fifth
	Late      int64         `json:"lateBytes"`  // median of the last fifth
	Slope     float64       `json:"bytesPerMinute"`
	// Goroutines of one execution environment: after a warm-up, and at the end.
	GoroutinesEarly int      `json:"goroutinesEarly"`
	GoroutinesLate  int      `json:"goroutinesLate"`
	Faults          []string `json:"faults,omitempty"`
	// Log are the last lines of the function's log that are no decisions.
	Log []string `json:"log,omitempty"`
}

// soak builds nothing: bootstrap is the function's, compiled as it is shipped.
func soak(ctx context.Context, o options, bootstrap string, progress io.Writer) (r Report, err error) {
	s, err := newSite(ctx, o)
	if err != nil {
		return r, err
	}
	defer s.close()
	// What a process has at the beginning is counted in one of its own: the question
	// ends it.
	fmt.Fprintln(progress, "warming up another one, to count its goroutines")
	warm, err := s.function(ctx, bootstrap)
	if err != nil {
		return r, err
	}
	if err := s.drivers(ctx, warm, &tally{}, o.warmUp, nil); err != nil {
		return r, errors.Join(err, warm.Close())
	}
	if r.GoroutinesEarly, err = goroutines(ctx, warm); err != nil {
		return r, err
	}
	f, err := s.function(ctx, bootstrap)
	if err != nil {
		return r, err
	}
	var t tally
	before, _ := f.CPU()
	err = s.drivers(ctx, f, &t, 0, func(ctx context.Context) error { return s.alongside(ctx, f, &r, progress) })
	after, _ := f.CPU()
	if err == nil {
		if settled := s.settle(ctx, f); settled != nil {
			r.Faults = append(r.Faults, settled.Error())
		}
	}
	if m, failed := f.Memory(); failed == nil {
		r.Peak = m.Peak / int64(o.processes)
	}
	if err != nil {
		return r, errors.Join(err, f.Close(), fmt.Errorf("the function's log ends:\n%s", tail(f.Logs())))
	}
	if r.GoroutinesLate, err = goroutines(ctx, f); err != nil {
		return r, err
	}
	r.fill(s, &t)
	r.CPU = (after - before) / time.Duration(max(1, t.Calls))
	r.Log = remarks(f.Logs())
	r.judge(o)
	return r, nil
}

// function starts the bootstrap.
func (s *site) function(ctx context.Context, bootstrap string) (*lambdaruntime.Runtime, error) {
	env := s.environment()
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return lambdaruntime.Start(ctx, bootstrap, env, lambdaruntime.Options{Processes: s.options.processes, Timeout: time.Minute})
}

// drivers call the bed from as many goroutines as it has processes, for a time, or
// until meanwhile returns.
func (s *site) drivers(ctx context.Context, b bed, t *tally, length time.Duration, meanwhile func(context.Context) error) error {
	driving, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for i := range s.options.processes {
		wg.Go(func() { s.drive(driving, b, uint64(i), t) })
	}
	var err error
	if meanwhile != nil {
		err = meanwhile(ctx)
	} else {
		select {
		case <-time.After(length):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	stop()
	wg.Wait()
	return err
}

// alongside changes everything around the function, and samples its memory.
func (s *site) alongside(ctx context.Context, f *lambdaruntime.Runtime, r *Report, progress io.Writer) error {
	sampling, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		began := time.Now()
		for ticks := time.NewTicker(s.options.length / 200); ; {
			select {
			case <-sampling.Done():
				ticks.Stop()
				return
			case <-ticks.C:
				if m, err := f.Memory(); err == nil {
					r.Samples = append(r.Samples, Sample{time.Since(began), m.Now / int64(s.options.processes)})
				}
			}
		}
	}()
	err := s.churn(ctx, progress)
	stop()
	<-done
	return err
}

// remarks are the last lines of a log that tell of no decision and of no stacks.
func remarks(log string) []string {
	var all []string
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "{") && !strings.Contains(line, `"msg":"decision"`) {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all[max(0, len(all)-50):]
}

var header = regexp.MustCompile(`(?m)^goroutine \d+ `)

// goroutines has each process write its stacks and end (the Go runtime's answer to
// SIGQUIT), and gives how many goroutines one had.
func goroutines(ctx context.Context, f *lambdaruntime.Runtime) (int, error) {
	pids := f.PIDs()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
			return 0, errors.Join(fmt.Errorf("ask process %d for its goroutines: %w", pid, err), f.Close())
		}
	}
	for until := time.Now().Add(time.Minute); len(f.PIDs()) > 0; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(until) {
			return 0, errors.Join(errors.New("ask for goroutines: the process goes on"), f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	n := len(header.FindAllString(f.Logs(), -1))
	if n == 0 || len(pids) == 0 {
		return 0, fmt.Errorf("ask for goroutines: none in what %d processes wrote:\n%s", len(pids), tail(f.Logs()))
	}
	return (n + len(pids) - 1) / len(pids), nil
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

func (r *Report) fill(s *site, t *tally) {
	r.Tally, r.Length, r.Processes = t.Tally, s.options.length, s.options.processes
	r.P50, r.P99, r.Max = t.all.at(0.5), t.all.at(0.99), t.all.most
	r.QuietP50, r.QuietP99, r.QuietMax = t.quiet.at(0.5), t.quiet.at(0.99), t.quiet.most
	r.Tokens, r.Revoked, r.Rotations, r.Outages = s.serial.Load(), len(s.truth.revoked), len(s.truth.rotations), len(s.truth.outages)
	for _, versions := range s.truth.tables {
		r.Revisions += len(versions)
	}
	r.Early, r.Late, r.Slope = memory(r.Samples)
}

// memory compares the second fifth of the samples with the last one, and gives the
// slope of the last four fifths in bytes a minute (least squares).
func memory(all []Sample) (early, late int64, slope float64) {
	fifth := len(all) / 5
	if fifth == 0 {
		return 0, 0, 0
	}
	middle := func(part []Sample) int64 {
		var list []int64
		for _, x := range part {
			list = append(list, x.RSS)
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	var n, x, y, xx, xy float64
	for _, p := range all[fifth:] {
		at, v := p.At.Minutes(), float64(p.RSS)
		n, x, y, xx, xy = n+1, x+at, y+v, xx+at*at, xy+at*v
	}
	if d := n*xx - x*x; d != 0 {
		slope = (n*xy - x*y) / d
	}
	return middle(all[fifth : 2*fifth]), middle(all[len(all)-fifth:]), slope
}

// What counts as flat.
const (
	// longEnough is needed to tell growth from a heap that finds its size, and that
	// something was tried from a machine that was held up.
	longEnough     = time.Minute
	moreMemory     = 1.1     // of the last fifth, against the second
	littleMemory   = 1 << 20 // that makes no difference however little there is
	moreGoroutines = 8       // connections to the store that are kept come and go, two goroutines each
)

// judge says what is not as it must be.
func (r *Report) judge(o options) {
	if r.Wrong > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%d calls came out wrong", r.Wrong))
	}
	if o.length < longEnough {
		return
	}
	if r.Allowed == 0 || r.Denied == 0 || r.Refused == 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%d calls were allowed, %d denied, %d refused: nothing was tried", r.Allowed, r.Denied, r.Refused))
	}
	if r.GoroutinesLate > r.GoroutinesEarly+moreGoroutines {
		r.Faults = append(r.Faults, fmt.Sprintf("goroutines grew from %d to %d", r.GoroutinesEarly, r.GoroutinesLate))
	}
	if runtime.GOOS == "linux" && float64(r.Late) > moreMemory*float64(r.Early)+littleMemory {
		r.Faults = append(r.Faults, fmt.Sprintf("memory grew from %d to %d bytes", r.Early, r.Late))
	}
}
