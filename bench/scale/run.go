package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"time"

	"scopegate/internal/idp"
)

// workerName is the variable that makes the command a worker.
const workerName = "SCALE_WORKER"

// bench is a run: an identity provider that workers fetch keys from, and how much is
// measured.
type bench struct {
	provider *idp.Provider
	settings []string
	rounds   int
	calls    int
	progress io.Writer
}

func newBench(rounds, calls int, progress io.Writer) (*bench, func(), error) {
	provider, err := idp.New(idp.Options{})
	if err != nil {
		return nil, nil, err
	}
	server := httptest.NewServer(provider)
	provider.SetBaseURL(server.URL)
	return &bench{provider: provider, rounds: rounds, calls: calls, progress: progress, settings: []string{
		"ENTRA_TENANT_IDS=" + provider.TenantID(), "ENTRA_AUTHORITY=" + provider.Authority(), "ENTRA_STS=" + provider.STS(),
		"OIDC_AUDIENCES=" + provider.Audience(),
	}}, server.Close, nil
}

// worker is a process that measures one load.
type worker struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
}

// job is that of a worker, with its callers' tokens.
func (b *bench) job(l Load) (job, error) {
	j := job{Load: l, Settings: b.settings}
	for kind := range l.kinds() {
		token, err := b.provider.Mint(l.spec(b.provider.TenantID(), kind))
		if err != nil {
			return j, err
		}
		j.Tokens = append(j.Tokens, token)
	}
	return j, nil
}

// start starts a worker and waits until it has answered a call of each API.
func (b *bench) start(ctx context.Context, l Load) (*worker, error) {
	j, err := b.job(l)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w := &worker{cmd: exec.CommandContext(ctx, self)}
	w.cmd.Env = append(os.Environ(), workerName+"=1")
	w.cmd.Stderr = os.Stderr
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w.answers = json.NewDecoder(out)
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	var ready batch
	err = json.NewEncoder(w.in).Encode(j)
	if err = errors.Join(err, w.answers.Decode(&ready)); err != nil {
		return nil, fmt.Errorf("start a worker for %+v: %w", l, errors.Join(err, w.stop()))
	}
	return w, nil
}

func (w *worker) measure(calls int) (batch, error) {
	if _, err := fmt.Fprintln(w.in, calls); err != nil {
		return batch{}, fmt.Errorf("ask a worker: %w", err)
	}
	var m batch
	if err := w.answers.Decode(&m); err != nil {
		return batch{}, fmt.Errorf("read a worker's answer: %w", err)
	}
	return m, nil
}

func (w *worker) stop() error { return errors.Join(w.in.Close(), w.cmd.Wait()) }

// Measured is one point of a curve: medians over the rounds, and of the ratios to the
// first point within each round.
type Measured struct {
	Series string  `json:"series"`
	X      int     `json:"x"`
	P50    float64 `json:"p50us"`
	P99    float64 `json:"p99us"`
	CPU    float64 `json:"cpuUs"`  // of one call
	Wall   float64 `json:"wallUs"` // of one processor, for one call
	// Ratio is that of the curve: of P50, or of Wall where calls run side by side.
	Ratio    float64 `json:"ratio"`
	CPURatio float64 `json:"cpuRatio"`
	Allocs   float64 `json:"allocs"`
	Bytes    float64 `json:"bytesAllocated"`
	Loads    float64 `json:"tablesLoadedPerCall"`
	Heap     float64 `json:"heapKB"` // kept after a garbage collection, of the process
}

// Result is a measured curve. Again is its first point once more, in another process:
// how far that is from 1 is the noise.
type Result struct {
	Name   string     `json:"name"`
	X      string     `json:"x"`
	Goal   float64    `json:"goal,omitempty"`
	Points []Measured `json:"points"`
	Again  Measured   `json:"again"`
}

// measure runs a curve: all its points in turn in each round, in random order.
func (b *bench) measure(ctx context.Context, c Curve) (r Result, err error) {
	r = Result{Name: c.Name, X: c.X, Goal: c.Goal}
	var loads []Load
	for _, s := range c.Lines {
		for _, p := range s.Points {
			loads = append(loads, p.Load)
			r.Points = append(r.Points, Measured{Series: s.Name, X: p.X})
		}
	}
	loads = append(loads, loads[0])
	workers := make([]*worker, len(loads))
	defer func() {
		for _, w := range workers {
			if w != nil {
				err = errors.Join(err, w.stop())
			}
		}
	}()
	for i, l := range loads {
		if workers[i], err = b.start(ctx, l); err != nil {
			return r, err
		}
	}
	batches, err := b.interleave(c.Name, workers, loads)
	if err != nil {
		return r, err
	}
	for i := range r.Points {
		r.Points[i].fill(batches[i], batches[0])
	}
	r.Again = Measured{Series: "the first point again", X: r.Points[0].X}
	r.Again.fill(batches[len(loads)-1], batches[0])
	return r, nil
}

// interleave gives the batches of each worker, by round.
func (b *bench) interleave(name string, workers []*worker, loads []Load) ([][]batch, error) {
	random := rand.New(rand.NewPCG(7, 8))
	batches := make([][]batch, len(workers))
	for round := range b.rounds {
		fmt.Fprintf(b.progress, "%s: round %d of %d\n", name, round+1, b.rounds)
		for _, i := range random.Perm(len(workers)) {
			m, err := workers[i].measure(max(1, b.calls/loads[i].Handlers))
			if err != nil {
				return nil, err
			}
			if m.compared = m.P50; name == handlers {
				m.compared = m.Wall
			}
			batches[i] = append(batches[i], m)
		}
	}
	return batches, nil
}

// fill takes the medians of a point's batches and of their ratios to the first
// point's of the same round.
func (m *Measured) fill(own, first []batch) {
	of := func(f func(batch) float64) float64 {
		var all []float64
		for _, x := range own {
			all = append(all, f(x))
		}
		return median(all)
	}
	ratio := func(f func(batch) time.Duration) float64 {
		var all []float64
		for i := range own {
			if f(first[i]) > 0 {
				all = append(all, float64(f(own[i]))/float64(f(first[i])))
			}
		}
		return median(all)
	}
	m.P50, m.P99 = of(func(x batch) float64 { return us(x.P50) }), of(func(x batch) float64 { return us(x.P99) })
	m.CPU, m.Wall = of(func(x batch) float64 { return us(x.CPU) }), of(func(x batch) float64 { return us(x.Wall) })
	m.Allocs, m.Bytes = of(func(x batch) float64 { return x.Allocs }), of(func(x batch) float64 { return x.Bytes })
	m.Loads, m.Heap = of(func(x batch) float64 { return x.Loads }), of(func(x batch) float64 { return float64(x.Heap) / 1000 })
	m.Ratio = ratio(func(x batch) time.Duration { return x.compared })
	m.CPURatio = ratio(func(x batch) time.Duration { return x.CPU })
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// weigh tells what a process keeps for so many tables.
func (b *bench) weigh(ctx context.Context, l Load) (Measured, error) {
	w, err := b.start(ctx, l)
	if err != nil {
		return Measured{}, err
	}
	m, err := w.measure(2 * l.APIs)
	out := Measured{Series: fmt.Sprintf("%d APIs", l.APIs), X: l.Routes, Heap: float64(m.Heap) / 1000}
	return out, errors.Join(err, w.stop())
}
