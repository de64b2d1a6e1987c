package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"scopegate/internal/lambdaruntime"
)

// The metrics, each measured once a round, but for the last four. Times are in
// microseconds, sizes in bytes.
const (
	coldWall = "cold.wall" // from exec to the first answer
	coldCPU  = "cold.cpu"  // until then
	coldRSS  = "cold.rss"  // then
	sameP50  = "same.p50"
	sameP99  = "same.p99"
	sameCPU  = "same.cpu" // a call
	newP50   = "new.p50"
	newCPU   = "new.cpu"
	rss      = "rss" // after all calls
	peak     = "rss.peak"
	binary   = "binary"
	zipSize  = "zip"
)

// series are the values of a row's metric, round by round.
type series map[string]map[string][]float64

func (s series) add(row, metric string, v float64) {
	if s[row] == nil {
		s[row] = map[string][]float64{}
	}
	s[row][metric] = append(s[row][metric], v)
}

// cold starts each row once a round, in random order, and asks it once. The first
// round, in which binaries come from disk, is not counted.
func (b *bed) cold(ctx context.Context, rounds int, random *rand.Rand, to series) error {
	list := slices.DeleteFunc(slices.Clone(b.rows), func(r row) bool { return r.Cold == "" })
	for round := range rounds + 1 {
		fmt.Fprintf(b.progress, "\rcold starts: round %d of %d ", round, rounds)
		for _, i := range random.Perm(len(list)) {
			s := to
			if round == 0 {
				s = series{}
			}
			if err := b.coldOnce(ctx, list[i], s); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(b.progress)
	return nil
}

func (b *bed) coldOnce(ctx context.Context, r row, to series) (err error) {
	event, err := b.event(r.Caller, 0, false)
	if err != nil {
		return err
	}
	began := time.Now()
	rt, err := b.start(ctx, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	out, err := rt.Invoke(ctx, event)
	wall := time.Since(began)
	cpu, errCPU := rt.CPU()
	memory, errMemory := rt.Memory()
	if err := errors.Join(err, errCPU, errMemory); err != nil {
		return fmt.Errorf("%s: %w\n%s", r.Name, err, rt.Logs())
	}
	to.add(r.Name, coldWall, micros(wall))
	to.add(r.Name, coldCPU, micros(cpu))
	to.add(r.Name, coldRSS, float64(memory.Now))
	return r.right(event, out)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// runner is a row that runs.
type runner struct {
	row
	rt    *lambdaruntime.Runtime
	known []byte // the event of its one known token
}

// warmUp is more calls than V8 takes until it has compiled what runs often.
const warmUp = 1000

// warm has all rows run at once, of which one at a time is asked.
func (b *bed) warm(ctx context.Context, o options, random *rand.Rand, to series) (err error) {
	var list []*runner
	defer func() {
		for _, r := range list {
			err = errors.Join(err, r.rt.Close())
		}
	}()
	for _, r := range b.rows {
		if r.Same == "" && r.New == "" {
			continue
		}
		fmt.Fprintf(b.progress, "\rwarming up %-40s", r.Name)
		rt, err := b.start(ctx, r)
		if err != nil {
			return err
		}
		w := &runner{row: r, rt: rt}
		list = append(list, w)
		if err := b.prepare(ctx, w, min(warmUp, o.Calls*o.Rounds)); err != nil {
			return err
		}
	}
	fmt.Fprintln(b.progress)
	if err := b.rounds(ctx, o, random, list, to); err != nil {
		return err
	}
	for _, r := range list {
		memory, err := r.rt.Memory()
		if err != nil {
			return err
		}
		to.add(r.Name, rss, float64(memory.Now))
		to.add(r.Name, peak, float64(memory.Peak))
	}
	return nil
}

func (b *bed) prepare(ctx context.Context, w *runner, calls int) error {
	if err := b.check(ctx, w.row, w.rt); err != nil {
		return err
	}
	var err error
	if w.known, err = b.event(w.Caller, 0, false); err != nil {
		return err
	}
	before := b.world.Front.Calls()["Query"]
	for range calls {
		if _, err := w.rt.Invoke(ctx, w.known); err != nil {
			return fmt.Errorf("%s, warming up: %w", w.Name, err)
		}
	}
	if asked := b.world.Front.Calls()["Query"] - before; w.Queries != (asked >= calls) {
		return fmt.Errorf("%s: %d Queries of DynamoDB in %d calls", w.Name, asked, calls)
	}
	return nil
}

// turn is how many calls a row has until it is another's turn: few, since on a busy
// machine the next moment is not like this one. settle are asked before and not
// counted: the processor's caches hold the other rows' data.
const (
	turn   = 50
	settle = 5
)

// tally is what a row has taken in a round so far.
type tally struct {
	times []float64     // of each call, in microseconds
	cpu   time.Duration // of all
}

func (t tally) perCall() float64 { return micros(t.cpu) / float64(len(t.times)) }

// rounds ask each row, in turns of random order, with the token that it knows, then
// with tokens that it has not seen.
func (b *bed) rounds(ctx context.Context, o options, random *rand.Rand, list []*runner, to series) error {
	for round := range o.Rounds {
		fmt.Fprintf(b.progress, "\rcalls: round %d of %d ", round+1, o.Rounds)
		known, err := b.knownTokens(ctx, o.Calls, random, list)
		if err != nil {
			return err
		}
		fresh, err := b.newTokens(ctx, o.Tokens, 1+round*o.Tokens, random, list)
		if err != nil {
			return err
		}
		for i, r := range list {
			to.add(r.Name, sameP50, quantile(known[i].times, 0.5))
			to.add(r.Name, sameP99, quantile(known[i].times, 0.99))
			to.add(r.Name, sameCPU, known[i].perCall())
			if r.New != "" {
				to.add(r.Name, newP50, quantile(fresh[i].times, 0.5))
				to.add(r.Name, newCPU, fresh[i].perCall())
			}
		}
	}
	fmt.Fprintln(b.progress)
	return nil
}

func (b *bed) knownTokens(ctx context.Context, calls int, random *rand.Rand, list []*runner) ([]tally, error) {
	all := make([]tally, len(list))
	for done := 0; done < calls; done += turn {
		for _, i := range random.Perm(len(list)) {
			r := list[i]
			n := r.share(min(turn, calls-done))
			if err := r.ask(ctx, slices.Repeat([][]byte{r.known}, n), &all[i]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (b *bed) newTokens(ctx context.Context, calls, first int, random *rand.Rand, list []*runner) ([]tally, error) {
	all := make([]tally, len(list))
	events := map[string][][]byte{} // by the caller's scope
	for _, i := range random.Perm(len(list)) {
		r := list[i]
		if r.New == "" {
			continue
		}
		scope := r.Caller.Scope
		for n := len(events[scope]); n < calls; n++ {
			event, err := b.event(r.Caller, first+n, false)
			if err != nil {
				return nil, err
			}
			events[scope] = append(events[scope], event)
		}
		if err := r.ask(ctx, events[scope], &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r *runner) share(calls int) int {
	if r.Queries {
		return max(1, calls/5)
	}
	return calls
}

// ask adds the time of each event's call, and the processor time of all, to a tally.
func (r *runner) ask(ctx context.Context, events [][]byte, to *tally) error {
	for range settle {
		if _, err := r.rt.Invoke(ctx, r.known); err != nil {
			return r.fault(err)
		}
	}
	before, err := r.rt.CPU()
	if err != nil {
		return r.fault(err)
	}
	for _, event := range events {
		began := time.Now()
		_, err := r.rt.Invoke(ctx, event)
		if err != nil {
			return r.fault(err)
		}
		to.times = append(to.times, micros(time.Since(began)))
	}
	after, err := r.rt.CPU()
	if err != nil {
		return r.fault(err)
	}
	to.cpu += after - before
	return nil
}

func (r *runner) fault(err error) error { return fmt.Errorf("%s: %w\n%s", r.Name, err, r.rt.Logs()) }

// sizes are those of what is deployed, of this machine's kind of processor.
func (b *bed) sizes(ctx context.Context, to series) error {
	zips := map[string]float64{}
	for _, r := range b.rows {
		file := b.code(r)
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if zips[file] == 0 {
			if zips[file], err = zipped(ctx, file); err != nil {
				return err
			}
		}
		to.add(r.Name, binary, float64(info.Size()))
		to.add(r.Name, zipSize, zips[file])
	}
	return nil
}
