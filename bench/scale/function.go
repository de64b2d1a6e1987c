package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/internal/lambdaruntime"
)

// jobName is the variable that a worker under the Runtime API finds its job in.
const jobName = "SCALE_JOB"

// serve is the life of a worker under Lambda's Runtime API: the authorizer of a job,
// as the function starts it.
func serve() error {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobName)), &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	b, err := newBed(j)
	if err != nil {
		return err
	}
	lambda.Start(b.parts.Authorizer)
	return nil
}

// End compares the last point of a curve with its first one as they are behind
// Lambda's Runtime API: what a caller sees of it.
type End struct {
	Ratio    float64 `json:"ratio"` // of the median time of a call
	CPURatio float64 `json:"cpuRatio"`
	P50      float64 `json:"p50us"` // of the last point
	// Control are the same against the curve's control, 0 where it has none.
	Control    float64 `json:"ratioToControl,omitempty"`
	ControlCPU float64 `json:"cpuRatioToControl,omitempty"`
	Noise      float64 `json:"noise"` // how far the first point's p50 differs from that of another process of it
}

// function is a load behind a Runtime API.
type function struct {
	*lambdaruntime.Runtime
	bed bed // for its events
}

func (b *bench) function(ctx context.Context, l Load) (*function, error) {
	j, err := b.job(l)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &function{bed: bed{job: j, order: l.sequence()}}
	if f.bed.events, err = j.events(); err != nil {
		return nil, err
	}
	env := []string{workerName + "=function", jobName + "=" + string(text)}
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	f.Runtime, err = lambdaruntime.Start(ctx, self, env, lambdaruntime.Options{Timeout: time.Minute})
	return f, err
}

// turn makes some calls, and adds their times to took and the processor time to cpu.
func (f *function) turn(ctx context.Context, calls int, took *[]time.Duration, cpu *time.Duration) error {
	before, err := f.CPU()
	if err != nil {
		return err
	}
	for range calls {
		e := f.bed.next()
		began := time.Now()
		if _, err := f.Invoke(ctx, e); err != nil {
			return err
		}
		*took = append(*took, time.Since(began))
	}
	after, err := f.CPU()
	*cpu += after - before
	return err
}

// turnCalls is how many calls a function makes before it is the next one's turn: few,
// so that what else the machine does meets all of them.
const turnCalls = 50

// round has each function make so many calls, by turns in random order, and gives
// the median time and the processor time of each.
func round(ctx context.Context, random *rand.Rand, functions []*function, calls int) (p50, cpu []time.Duration, err error) {
	p50, cpu = make([]time.Duration, len(functions)), make([]time.Duration, len(functions))
	took := make([][]time.Duration, len(functions))
	for made := 0; made < calls; made += turnCalls {
		for _, i := range random.Perm(len(functions)) {
			if err := functions[i].turn(ctx, min(turnCalls, calls-made), &took[i], &cpu[i]); err != nil {
				return nil, nil, err
			}
		}
	}
	for i := range functions {
		slices.Sort(took[i])
		p50[i] = took[i][len(took[i])/2]
	}
	return p50, cpu, nil
}

// ends measures the two ends of a line, and the first once more.
func (b *bench) ends(ctx context.Context, c Curve) (e End, err error) {
	points := c.Lines[0].Points
	loads := []Load{points[0].Load, points[len(points)-1].Load, points[0].Load}
	if c.Control != nil {
		loads = append(loads, *c.Control)
	}
	functions := make([]*function, len(loads))
	defer func() {
		for _, f := range functions {
			if f != nil && f.Runtime != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	for i, l := range loads {
		if functions[i], err = b.function(ctx, l); err != nil {
			return e, err
		}
	}
	random := rand.New(rand.NewPCG(9, 10))
	var ratios, cpus, again, times, control, controlCPU []float64
	for n := range b.rounds {
		fmt.Fprintf(b.progress, "%s behind the Runtime API: round %d of %d\n", c.Name, n+1, b.rounds)
		p50, cpu, err := round(ctx, random, functions, max(1, b.calls/3))
		if err != nil {
			return e, err
		}
		ratios, again = append(ratios, float64(p50[1])/float64(p50[0])), append(again, float64(p50[2])/float64(p50[0]))
		if c.Control != nil {
			control, controlCPU = append(control, float64(p50[1])/float64(p50[3])), append(controlCPU, float64(cpu[1])/float64(max(1, cpu[3])))
		}
		cpus, times = append(cpus, float64(cpu[1])/float64(max(1, cpu[0]))), append(times, us(p50[1]))
	}
	return End{
		Ratio: median(ratios), CPURatio: median(cpus), P50: median(times), Noise: abs(median(again) - 1),
		Control: median(control), ControlCPU: median(controlCPU),
	}, nil
}

func abs(v float64) float64 { return max(v, -v) }
