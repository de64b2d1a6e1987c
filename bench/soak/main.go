package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"scopegate/bench/internal/figures"
	"scopegate/internal/lambdaruntime"
)

// Exit codes.
const (
	exitOK    = 0
	exitFault = 1
	exitUsage = 2
)

var errFault = errors.New("something is not as it must be")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "soak: "+err.Error())
	if errors.Is(err, errFault) {
		return exitFault
	}
	return exitUsage
}

// options are what a run is like.
type options struct {
	length         time.Duration
	processes      int
	tables, routes int
	tokens         int // in use at the same time
	ttl, maxStale  time.Duration
	editEvery      time.Duration // tables in turn
	renewEvery     time.Duration // a token is replaced by a new one
	hiccup, outage time.Duration // how long the store misbehaves; an outage is one that is felt
	untilFelt      bool          // outages last until a call has failed
	warmUp         time.Duration
	slack          time.Duration // that a machine may take beyond what is promised
	patience       time.Duration // with what must come true in the end
}

func (o options) promise() promise { return promise{ttl: o.ttl, maxStale: o.maxStale, slack: o.slack} }

// ordinary are the options of a run of some length.
func ordinary(length time.Duration) options {
	return options{
		length: length, processes: 2, tables: 8, routes: 50, tokens: 500,
		ttl: min(5*time.Second, max(length/120, 200*time.Millisecond)), maxStale: length / 20,
		editEvery: max(length/240, 100*time.Millisecond), renewEvery: 20 * time.Millisecond,
		hiccup: length / 30, outage: length / 10, warmUp: min(10*time.Second, length/6), slack: 2 * time.Second, patience: time.Minute,
	}
}

func command() *cobra.Command {
	var minutes float64
	var processes int
	var markdown string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Run the authorizer at full speed while everything around it changes",
		Long: `Runs the authorizer's bootstrap, compiled as it is shipped, under Lambda's Runtime API as fast as it answers, with a
DynamoDB-compatible server behind a proxy. Meanwhile tokens are renewed, tables edited, principals revoked, the
provider's keys replaced and the provider stopped, and the store refuses, drops, hangs and is slow; once for longer
than CACHE_MAX_STALE. Each answer is compared with the table as it was at the revision that the answer names, and
that with the staleness promised. GOGC, GOMEMLIMIT and GOMAXPROCS are passed on to the function.

Exit codes:
  0  every answer was right, every failure was injected, memory and goroutines stayed flat
  1  not so; the output says what
  2  the command line is wrong, or it could not be run`,
		Example: `  go run ./bench/soak --minutes 0.5
  go run ./bench/soak --markdown=docs/benchmarks.md`,
		Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			length := time.Duration(minutes * float64(time.Minute))
			if length < 5*time.Second || processes < 1 {
				return fmt.Errorf("--minutes %g, --processes %d: must be at least 0.084 and 1", minutes, processes)
			}
			o := ordinary(length)
			o.processes = processes
			r, err := buildAndSoak(cmd.Context(), o, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := r.write(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if markdown != "" {
				if err := figures.Section(markdown, "soak", r.text()); err != nil {
					return err
				}
			}
			if len(r.Faults) > 0 {
				return errFault
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.Float64Var(&minutes, "minutes", 10, "how long")
	f.IntVar(&processes, "processes", 2, "execution environments, each called without a pause")
	f.StringVar(&markdown, "markdown", "", "write the section <!-- soak:begin --> of this Markdown file")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func buildAndSoak(ctx context.Context, o options, progress io.Writer) (Report, error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(progress, "building the function")
	bootstrap, err := lambdaruntime.Build(ctx, dir, "scopegate/functions/authorizer")
	if err != nil {
		return Report{}, err
	}
	return soak(ctx, o, bootstrap, progress)
}

func (r Report) write(w io.Writer, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(w, r.text())
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r Report) text() string {
	n := func(v int64) string { return figures.Thousands(float64(v)) }
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
	mb := func(b int64) string { return fmt.Sprintf("%.1f", float64(b)/1e6) }
	text := fmt.Sprintf("| | |\n|---|---|\n| length, execution environments | %v, %d |\n", r.Length, r.Processes) +
		fmt.Sprintf("| calls: allowed, denied, refused | %s: %s, %s, %s |\n", n(r.Calls), n(r.Allowed), n(r.Denied), n(r.Refused)) +
		fmt.Sprintf("| failed as injected; wrong in any way | %s; %s |\n", n(r.Injected), n(r.Wrong)) +
		fmt.Sprintf("| revisions, tokens, revoked principals, rotations, outages | %d, %s, %d, %d, %d |\n", r.Revisions, n(r.Tokens), r.Revoked, r.Rotations, r.Outages) +
		fmt.Sprintf("| p50, p99, longest, ms | %s, %s, %s |\n", ms(r.P50), ms(r.P99), ms(r.Max)) +
		fmt.Sprintf("| the same while the store was well | %s, %s, %s |\n", ms(r.QuietP50), ms(r.QuietP99), ms(r.QuietMax)) +
		fmt.Sprintf("| CPU a call, ms | %s |\n", ms(r.CPU)) +
		fmt.Sprintf("| stalest answer, seconds: while the store was well; at all | %.2f; %.2f |\n", r.StalestQuiet.Seconds(), r.Stalest.Seconds()) +
		fmt.Sprintf("| memory of one, MB: second fifth, last fifth, most | %s, %s, %s |\n", mb(r.Early), mb(r.Late), mb(r.Peak)) +
		fmt.Sprintf("| slope of the last four fifths, KB a minute | %.1f |\n", r.Slope/1000) +
		fmt.Sprintf("| goroutines of one: warm, at the end | %d, %d |\n", r.GoroutinesEarly, r.GoroutinesLate)
	for _, f := range r.Faults {
		text += "\nNot as it must be: " + f + ".\n"
	}
	for _, e := range r.Examples {
		text += "- " + e + "\n"
	}
	return text
}
