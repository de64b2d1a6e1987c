package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scopegate/gateway"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(stderr, "cost: "+err.Error())
		return 2
	}
	return 0
}

func command() *cobra.Command {
	l := Load{}
	var gateways, tables []time.Duration
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Reckon calls of the authorizer and reads of DynamoDB for a million requests",
		Long: `Reckons, for a million requests that come at random, how often API Gateway calls the
authorizer and how many GetItems (strongly consistent, at most 4 KB) the authorizer makes
while nothing changes. Lists of times give a row each.

Exit codes:
  0  done
  2  the command line is wrong`,
		Example: `  go run ./bench/cost --callers 500 --every 30s --instances 4 --gateway-ttl 300s --cache-ttl 30s`,
		Args:    cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := loads(l, gateways, tables)
			if err != nil {
				return err
			}
			return write(cmd.OutOrStdout(), rows)
		},
	}
	f := cmd.Flags()
	f.IntVar(&l.Callers, "callers", 200, "tokens in use at the same time")
	f.DurationVar(&l.Every, "every", 10*time.Second, "time between two requests of a caller, on average")
	f.IntVar(&l.Instances, "instances", 2, "warm instances of the authorizer")
	f.DurationSliceVar(&gateways, "gateway-ttl", []time.Duration{0, time.Minute, 5 * time.Minute, time.Hour}, "TTL of API Gateway's authorizer cache, 0s to 1h")
	f.DurationSliceVar(&tables, "cache-ttl", []time.Duration{30 * time.Second}, "CACHE_TTL, 0s to 1h")
	return cmd
}

// loads checks the flags, all of them at once, and makes the rows.
func loads(l Load, gateways, tables []time.Duration) ([]Load, error) {
	var faults []error
	fault := func(wrong bool, name string, value any, rule string) {
		if wrong {
			faults = append(faults, fmt.Errorf("--%s %v: %s", name, value, rule))
		}
	}
	fault(l.Callers < 1, "callers", l.Callers, "must be at least 1")
	fault(l.Instances < 1, "instances", l.Instances, "must be at least 1")
	fault(l.Every <= 0, "every", l.Every, "must be above 0")
	var rows []Load
	for _, l.Gateway = range gateways {
		fault(l.Gateway < 0 || l.Gateway > gateway.MaxTTL, "gateway-ttl", l.Gateway, "must be 0s to 1h")
		for _, l.Table = range tables {
			rows = append(rows, l)
		}
	}
	for _, t := range tables {
		fault(t < 0 || t > time.Hour, "cache-ttl", t, "must be 0s to 1h")
	}
	return rows, errors.Join(faults...)
}

// write writes a table in Markdown.
func write(w io.Writer, rows []Load) error {
	var b strings.Builder
	b.WriteString("| callers | a request each | instances | gateway's TTL | `CACHE_TTL` | calls of the authorizer | GetItems |\n|---|---|---|---|---|---|---|\n")
	for _, l := range rows {
		fmt.Fprintf(&b, "| %s | %v | %d | %v | %v | %s | %s |\n", thousands(float64(l.Callers)), l.Every, l.Instances, l.Gateway, l.Table, thousands(l.Calls()), thousands(l.Reads()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// thousands writes a whole number with commas.
func thousands(f float64) string {
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
