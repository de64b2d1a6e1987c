package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"scopegate/bench/internal/figures"
	"scopegate/bench/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	debug.SetGCPercent(400) // fewer of the runner's own pauses between calls
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	Rounds   int           `json:"rounds"`
	Calls    int           `json:"calls"`
	Tokens   int           `json:"tokens"`
	Starts   int           `json:"starts"`
	Delay    time.Duration `json:"delayNanoseconds"`
	Tuned    []string      `json:"deployed"`
	Only     []string      `json:"only,omitempty"`
	Seed     uint64        `json:"seed"`
	Short    bool          `json:"-"`
	JSON     bool          `json:"-"`
	Check    bool          `json:"-"`
	Markdown string        `json:"-"`
	Profile  string        `json:"-"`
}

var errUnmet = errors.New("a goal is not met")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	switch err := cmd.ExecuteContext(ctx); {
	case errors.Is(err, errUnmet):
		fmt.Fprintln(stderr, "speed: "+err.Error())
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "speed: "+err.Error())
		return 2
	}
	return 0
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "speed",
		Short: "Measure the authorizer function beside other bootstraps",
		Long: `Compiles the authorizer function and small bootstraps to compare it with, runs them through
a Lambda Runtime API on loopback, and measures them side by side: in each round every one
once, in random order. Ratios are medians of the rounds' ratios.

Needs a DynamoDB-compatible server as the tests do: the one that AWS_ENDPOINT_URL_DYNAMODB
names, or the one that make test installs.

Exit codes:
  0  done
  1  a goal is not met (with --check)
  2  something cannot be measured, or the command line is wrong`,
		Example: `  go run ./bench/speed --short
  go run ./bench/speed --only echo,scopegate --rounds 50
  go run ./bench/speed --markdown docs/benchmarks.md
  perf record -e cpu-clock -F 8000 -g -- go run ./bench/speed --only "cold floor" --starts 100 --rounds 1 --profile build/speed
  perf report --comm floor --no-children`,
		Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return measure(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Rounds, "rounds", 30, "rounds of calls")
	f.IntVar(&o.Calls, "calls", 300, "calls of each bootstrap in a round with a token that it knows (slow ones: a fifth)")
	f.IntVar(&o.Tokens, "tokens", 40, "calls of each in a round with a token that it has not seen")
	f.IntVar(&o.Starts, "starts", 20, "cold starts of each")
	f.DurationVar(&o.Delay, "delay", world.DefaultDelay, "time that each answer of DynamoDB and of the identity provider takes at least")
	f.StringSliceVar(&o.Only, "only", nil, "only rows whose names contain one of these, and those that they are compared with")
	f.StringSliceVar(&o.Tuned, "tuned", []string{"GOMAXPROCS=1"}, "what serverless.yml sets of the Go runtime")
	f.BoolVar(&o.Short, "short", false, "few rounds, for a look: less than a minute")
	f.BoolVar(&o.JSON, "json", false, "print the result for programs, with each round's values")
	f.StringVar(&o.Markdown, "markdown", "", "write the tables into this file, between <!-- speed:begin --> and <!-- speed:end -->")
	f.StringVar(&o.Profile, "profile", "", "compile into this folder, with the names of functions, and leave it: for perf; sizes are then larger")
	f.BoolVar(&o.Check, "check", false, "exit with 1 if a goal is not met")
	f.Uint64Var(&o.Seed, "seed", 1, "of the random order")
	return cmd
}

// check finds all faults at once; --short sets what is not set.
func (o *options) check(changed func(string) bool) error {
	if o.Short {
		for name, to := range map[string]*int{"rounds": &o.Rounds, "calls": &o.Calls, "tokens": &o.Tokens, "starts": &o.Starts} {
			if !changed(name) {
				*to = map[string]int{"rounds": 4, "calls": 100, "tokens": 20, "starts": 5}[name]
			}
		}
	}
	var faults []error
	for name, value := range map[string]int{"rounds": o.Rounds, "calls": o.Calls, "tokens": o.Tokens, "starts": o.Starts} {
		if value < 1 {
			faults = append(faults, fmt.Errorf("--%s %d: must be at least 1", name, value))
		}
	}
	if o.Delay < time.Millisecond {
		faults = append(faults, fmt.Errorf("--delay %v: must be at least 1ms", o.Delay))
	}
	return errors.Join(faults...)
}

func measure(ctx context.Context, o options, stdout, progress io.Writer) (err error) {
	b, err := newBed(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	random := rand.New(rand.NewPCG(o.Seed, 0))
	s := series{}
	for _, step := range []func() error{
		func() error { return b.sizes(ctx, s) },
		func() error { return b.cold(ctx, o.Starts, random, s) },
		func() error { return b.warm(ctx, o, random, s) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return b.report(o, s).write(stdout)
}

// write prints the report, or writes it into a file, as the flags say.
func (r report) write(stdout io.Writer) error {
	text := []byte(r.markdown())
	if r.Options.JSON {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		text = append(b, '\n')
	}
	if _, err := stdout.Write(text); err != nil {
		return err
	}
	if file := r.Options.Markdown; file != "" {
		if err := figures.Section(file, "speed", r.markdown()); err != nil {
			return err
		}
	}
	if !r.Options.Check {
		return nil
	}
	for _, v := range r.Verdicts {
		if !v.met() {
			return fmt.Errorf("%w: %s", errUnmet, v.Text)
		}
	}
	return nil
}
