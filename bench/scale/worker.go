package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"scopegate/internal/config"
	"scopegate/internal/wiring"
	"scopegate/policy"
)

// job is what a worker is started with, on its standard input's first line.
type job struct {
	Load     Load
	Settings []string // of the authorizer
	Tokens   []string // of each kind of callers
}

// batch is one measurement of a worker: so many calls after each other, or as many
// by each of the handlers.
type batch struct {
	P50, P99 time.Duration // of a call
	// Wall is the time that a call takes of one processor: where calls run side by
	// side, that of all of them.
	Wall   time.Duration
	CPU    time.Duration // of the process, garbage collection included
	Allocs float64
	Bytes  float64 // allocated
	Loads  float64 // of tables, by the store
	Heap   uint64  // bytes that are kept, after the batch

	compared time.Duration // what a curve is of: P50, or Wall
}

// life is that of tokens: longer than any measurement.
const life = 24 * time.Hour

// bed is an authorizer with its calls.
type bed struct {
	job
	source *memory
	parts  *wiring.Parts
	events [][]byte // by API and kind of caller
	order  []int
	at     int
}

// work is a worker's life: the job comes in, then a number of calls for each batch;
// a line of JSON goes out for each.
func work(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	var j job
	if err := json.Unmarshal(first, &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	b, err := newBed(j)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(batch{}); err != nil {
		return err
	}
	for {
		var calls int
		if _, err := fmt.Fscanln(lines, &calls); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a number of calls: %w", err)
		}
		m, err := b.measure(calls)
		if err != nil {
			return err
		}
		if err := answers.Encode(m); err != nil {
			return err
		}
	}
}

func newBed(j job) (*bed, error) {
	if err := j.Load.check(); err != nil {
		return nil, err
	}
	b := &bed{job: j, source: &memory{load: j.Load}, order: j.Load.sequence()}
	var err error
	if b.source.permissions, err = j.Load.permissions(); err != nil {
		return nil, err
	}
	settings, err := config.Load(append(j.Settings,
		// What ends in the midst of a measurement is measured by itself.
		fmt.Sprint("CACHE_SIZE=", j.Load.Cache), "CACHE_TTL=1h", "TOKEN_CACHE_TTL=1h"), config.Authorizer)
	if err != nil {
		return nil, err
	}
	if b.parts, err = wiring.New(settings, b.source, discardingLog(), nil); err != nil {
		return nil, err
	}
	b.parts.Prefetch(context.Background())
	if b.events, err = j.events(); err != nil {
		return nil, err
	}
	for _, e := range b.events {
		if err := b.checkedCall(e); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// discardingLog writes its lines as the function's does, to nowhere.
func discardingLog() *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.Lock(zapcore.AddSync(io.Discard)), zapcore.InfoLevel))
}

// checkedCall makes sure that what is measured is an answer that lets the caller in,
// and lists what the load says.
func (b *bed) checkedCall(event []byte) error {
	out, err := b.parts.Authorizer.Invoke(context.Background(), event)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	var answer struct {
		PolicyDocument policy.Document `json:"policyDocument"`
	}
	var asked struct {
		MethodARN string `json:"methodArn"`
	}
	if err := errors.Join(json.Unmarshal(out, &answer), json.Unmarshal(event, &asked)); err != nil {
		return fmt.Errorf("call: read the answer: %w", err)
	}
	if policy.Evaluate(answer.PolicyDocument, asked.MethodARN, time.Now(), netip.Addr{}) != policy.Allowed {
		return fmt.Errorf("call: %s is not allowed by %s", asked.MethodARN, out)
	}
	allowed := 0
	for _, s := range answer.PolicyDocument.Statement {
		if s.Effect == policy.Allow {
			allowed += len(s.Resource)
		}
	}
	if allowed != b.Load.allowed() {
		return fmt.Errorf("call: the answer allows %d resources, must be %d: %s", allowed, b.Load.allowed(), out)
	}
	return nil
}

// next is the event of the next call.
func (b *bed) next() []byte {
	e := b.events[b.order[b.at%len(b.order)]]
	b.at++
	return e
}

func (b *bed) measure(calls int) (batch, error) {
	for range min(calls, 64) { // its code and data into the processor's caches again
		if _, err := b.parts.Authorizer.Invoke(context.Background(), b.next()); err != nil {
			return batch{}, err
		}
	}
	took := make([]time.Duration, calls*b.Load.Handlers)
	loads := b.source.loads.Load()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	err := b.calls(took)
	wall, used := time.Since(began), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	if err != nil {
		return batch{}, err
	}
	n := float64(len(took))
	slices.Sort(took)
	m := batch{
		P50: took[len(took)/2], P99: took[len(took)*99/100], CPU: used / time.Duration(len(took)),
		Wall:   wall * time.Duration(min(b.Load.Handlers, runtime.GOMAXPROCS(0))) / time.Duration(len(took)),
		Allocs: float64(after.Mallocs-before.Mallocs) / n, Bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
		Loads: float64(b.source.loads.Load()-loads) / n,
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	m.Heap = after.HeapAlloc
	return m, nil
}

// calls makes as many calls as there are places, dealt out to the handlers.
func (b *bed) calls(took []time.Duration) error {
	if b.Load.Handlers == 1 {
		return b.some(took, b.next)
	}
	var wg sync.WaitGroup
	errs := make([]error, b.Load.Handlers)
	each := len(took) / b.Load.Handlers
	for h := range b.Load.Handlers {
		at := h
		wg.Go(func() {
			errs[h] = b.some(took[h*each:(h+1)*each], func() []byte {
				at++
				return b.events[b.order[at%len(b.order)]]
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *bed) some(took []time.Duration, next func() []byte) error {
	ctx := context.Background()
	for i := range took {
		e := next()
		began := time.Now()
		if _, err := b.parts.Authorizer.Invoke(ctx, e); err != nil {
			return err
		}
		took[i] = time.Since(began)
	}
	return nil
}

// cpuTime is what the process has used, of the user and of the system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
