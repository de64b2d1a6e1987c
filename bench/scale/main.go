package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK    = 0
	exitGoal  = 1
	exitUsage = 2
)

func main() {
	if role := os.Getenv(workerName); role != "" {
		if err := workAs(role); err != nil {
			fmt.Fprintln(os.Stderr, "scale worker: "+err.Error())
			os.Exit(1)
		}
		return
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(code)
}

func workAs(role string) error {
	switch role {
	case "function":
		return serve()
	case "proxy":
		return serveProxy(os.Stdin, os.Stdout)
	}
	return work(os.Stdin, os.Stdout)
}

var errGoal = errors.New("a goal is not met")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "scale: "+err.Error())
	if errors.Is(err, errGoal) {
		return exitGoal
	}
	return exitUsage
}

// options are the flags.
type options struct {
	rounds, calls int
	only          []string
	markdown      string
	asJSON, check bool
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Measure how the cost of a call grows with what it is asked about",
		Long: `Measures curves of the authorizer's cost of a call: ` + strings.Join(parts()[:5], ", ") + `. Each point is a process
of its own; all points of a curve take turns, and what is told are medians of the ratios within the rounds. The
first point is there twice: how far it differs from itself is the noise. Both ends of each curve are measured behind
Lambda's Runtime API too. Beside the curves: memory (kept tables), and the wire (what checks and loads cost with a
DynamoDB-compatible server).

GOGC, GOMEMLIMIT and GOMAXPROCS count for what is measured as for any Go program.

Exit codes:
  0  done
  1  a goal is not met, with --check
  2  the command line is wrong, or something could not be measured`,
		Example: `  go run ./bench/scale --only routes,scopes
  go run ./bench/scale --markdown=docs/benchmarks.md`,
		Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.IntVar(&o.rounds, "rounds", 11, "rounds in which all points take turns")
	f.IntVar(&o.calls, "calls", 3000, "calls of each point in a round")
	f.StringSliceVar(&o.only, "only", nil, "measure these alone: "+strings.Join(parts(), ", "))
	f.StringVar(&o.markdown, "markdown", "", "write the section <!-- scale:begin --> of this Markdown file, and the charts beside it")
	f.BoolVar(&o.asJSON, "json", false, "write JSON")
	f.BoolVar(&o.check, "check", false, "exit with 1 if a goal is not met")
	return cmd
}

// parts are the names that --only knows, the curves' first.
func parts() []string {
	var names []string
	for _, c := range curves() {
		names = append(names, c.Name)
	}
	return append(names, "memory", "wire")
}

func (o options) run(cmd *cobra.Command) error {
	if o.rounds < 1 || o.calls < 1 {
		return fmt.Errorf("--rounds %d, --calls %d: must be at least 1", o.rounds, o.calls)
	}
	for _, name := range o.only {
		if !slices.Contains(parts(), name) {
			return fmt.Errorf("--only %s: must be of %s", name, strings.Join(parts(), ", "))
		}
	}
	b, stop, err := newBench(o.rounds, o.calls, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer stop()
	report, err := b.report(cmd.Context(), o.wants, curves(), sizes(), []int{10, 100, 1000, 10_000})
	if err != nil {
		return err
	}
	if o.markdown != "" {
		if err := report.publish(o.markdown); err != nil {
			return err
		}
	}
	if err := o.write(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	for name, met := range report.Goals {
		if o.check && !met {
			return fmt.Errorf("%s: %w", name, errGoal)
		}
	}
	return nil
}

func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

func (o options) write(w io.Writer, r Report) error {
	if !o.asJSON {
		return r.write(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// report measures what is wanted.
func (b *bench) report(ctx context.Context, wants func(string) bool, curves []Curve, sizes []Load, routes []int) (Report, error) {
	r := Report{Ends: map[string]End{}, Rounds: b.rounds, Calls: b.calls}
	for _, c := range curves {
		if !wants(c.Name) {
			continue
		}
		measured, err := b.measure(ctx, c)
		if err != nil {
			return r, err
		}
		r.Curves = append(r.Curves, measured)
		if c.Goal == 0 {
			continue
		}
		if r.Ends[c.Name], err = b.ends(ctx, c); err != nil {
			return r, err
		}
	}
	for _, l := range sizes {
		if !wants("memory") {
			break
		}
		fmt.Fprintf(b.progress, "memory: %d tables of %d routes\n", l.APIs, l.Routes)
		m, err := b.weigh(ctx, l)
		if err != nil {
			return r, err
		}
		r.Memory = append(r.Memory, m)
	}
	if wants("wire") {
		var err error
		if r.Reads, err = b.reads(ctx, routes); err != nil {
			return r, err
		}
	}
	r.judge()
	return r, nil
}
